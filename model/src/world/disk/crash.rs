//! The two crashes: what a process kill and a power loss leave behind. Which of the possible fates comes true is
//! said by the caller; this module knows which are possible and turns every choice, sensible or not, into a disk.

use super::fates::{Fate, Fates, Spot};
use super::file::{File, Patch, State, SyncEnd};
use super::names::{FileId, Names, Node, What};
use super::undecided::{Undecided, distinct};
use super::{Disk, Geometry, Label, Landed, Outcome};
use crate::mutants::mutant;
use onceward_core::{DiskOp, Path};
use std::collections::BTreeMap;
use std::sync::Arc;

/// More unanswered writes of one sector than this are assumed to have been done in order.
const UNORDERED: usize = 4;

/// What a power loss may leave in one sector.
pub(super) struct States {
    /// Each possible content once, the old one first.
    pub(super) held: Vec<Vec<u8>>,
    /// Which of them is the newest.
    pub(super) newest: usize,
    /// Whether the device may have been interrupted in it.
    pub(super) torn: bool,
}

impl Disk {
    /// The process is killed: the cache survives, still not durable. Unanswered operations get no answer; those that
    /// are named had reached the cache.
    pub fn kill(&mut self, landed: &Landed) {
        let pending = std::mem::take(&mut self.pending);
        for (op, written) in landed.among(pending.iter().map(|(_, op)| op)) {
            let outcome = match (op, written) {
                (DiskOp::Write { data, .. }, Some(n)) if (n as usize) < data.len() => Outcome::Short(n),
                _ => Outcome::Ok,
            };
            if changes_disk(op) {
                self.perform(op, 0, &outcome, Some(State::Dirty(0)));
            }
        }
        self.files.iter_mut().for_each(|file| Arc::make_mut(file).forget_syncs());
        Arc::make_mut(&mut self.names).forget_syncs();
    }

    /// Power is lost: the cache is gone, unanswered operations get no answer, and what was not durable has these
    /// fates. Afterwards everything that is left is durable.
    pub fn power_loss(&mut self, fates: &Fates) {
        if mutant!(CrashFlushes) {
            self.flush();
        }
        self.land(Some(State::Maybe));
        let labels = self.labels();
        let tree = self.names.after_loss(|name| {
            match fates.find(&Spot::Name(&Label::new(name.clone()))) {
                Some(Fate::Keep) => usize::MAX,
                // A count beyond the changes that there are is about another disk: ignored, as a whole.
                Some(Fate::KeepUpTo(count)) if count <= self.names.open()[name] as u64 => count as usize,
                _ => 0,
            }
        });
        for node in tree.values() {
            if let Node::File(file) = node {
                let (file, label) = (&mut self.files[*file as usize], &labels[*file as usize]);
                *file = Arc::new(file.after_loss(label, fates, &self.geometry));
            }
        }
        self.names = Arc::new(Names { cache: tree.clone(), durable: tree, changes: Vec::new() });
        self.number_files();
    }

    /// Performs everything that is pending, as far as it is possible.
    pub(super) fn land(&mut self, state: Option<State>) {
        for (_, op) in std::mem::take(&mut self.pending) {
            if changes_disk(&op) {
                self.perform(&op, 0, &Outcome::Ok, state);
            }
        }
    }

    fn flush(&mut self) {
        self.land(None);
        for file in &mut self.files {
            Arc::make_mut(file).sync(u16::MAX, SyncEnd::Durable, self.geometry.sector);
        }
        let names = Arc::make_mut(&mut self.names);
        names.durable = names.cache.clone();
        names.changes.clear();
    }

    /// What each file is called: by its name in the cache; where it has none, by one that it may get back.
    pub(super) fn labels(&self) -> Vec<Label> {
        let mut labels: Vec<Option<Label>> = vec![None; self.files.len()];
        let mut taken: BTreeMap<Path, u8> = BTreeMap::new();
        let mut call = |path: &Path, file: FileId| {
            let label = &mut labels[file as usize];
            if label.is_none() {
                let former = taken.entry(path.clone()).or_default();
                *label = Some(Label { path: path.clone(), former: *former });
                *former = former.saturating_add(1);
            }
        };
        let files = |(path, node)| if let &Node::File(file) = node { Some((path, file)) } else { None };
        self.names.cache.iter().filter_map(files).for_each(|(path, file)| call(path, file));
        for change in self.names.changes.iter().rev() {
            match &change.what {
                What::Create(path, file) | What::Rename { to: path, file, .. } => call(path, *file),
                What::Folder(_) | What::Remove(_) => {}
            }
        }
        self.names.durable.iter().filter_map(files).for_each(|(path, file)| call(path, file));
        labels.into_iter().map(|label| label.unwrap_or_else(|| Label::new(Path::root()))).collect()
    }
}

/// Whether an operation can leave something behind that a later sync or crash decides about.
pub(super) fn changes_disk(op: &DiskOp) -> bool {
    !matches!(op, DiskOp::Read { .. } | DiskOp::List(_) | DiskOp::Sync { .. } | DiskOp::SyncDir(_))
}

impl File {
    /// The file that a power loss leaves.
    fn after_loss(&self, label: &Label, fates: &Fates, geometry: &Geometry) -> File {
        let size = geometry.sector;
        let len = match fates.find(&Spot::Length(label)) {
            Some(Fate::Keep) => self.len,
            Some(Fate::KeepUpTo(len)) if self.lengths(geometry).contains(&len) => len,
            _ => self.durable_len,
        };
        let mut platter = self.platter.clone();
        platter.cut(len as usize);
        let mut unreadable = self.unreadable.clone();
        let mut undecided = Vec::new();
        for sector in self.open_sectors() {
            let start = u64::from(sector) * u64::from(size);
            if start >= len {
                continue;
            }
            let mut states = self.states(sector, size);
            let garbage = |states: &States| {
                let old_and_new = [&states.held[0], &states.held[states.newest]];
                garbage(sector, size, fates.seed, old_and_new)
            };
            let fate = fates.find(&Spot::Sector(label, sector));
            if fates.lazy && fate.is_none() && unreadable.binary_search(&sector).is_err() {
                if states.torn {
                    let torn = garbage(&states);
                    states.held.push(torn);
                }
                // Bytes behind the end cannot be told apart by any read.
                let inside = (len - start).min(u64::from(size)) as usize;
                states.held.iter_mut().for_each(|held| held[inside..].fill(0));
                let alternatives = distinct(states.held);
                platter.write(start as usize, &alternatives[0]);
                if alternatives.len() > 1 {
                    undecided.push(Undecided { sector, alternatives: Arc::new(alternatives) });
                }
                continue;
            }
            let (version, torn) = match fate {
                Some(Fate::Garble) if states.torn => (0, Some(garbage(&states))),
                Some(Fate::Keep) => (states.newest, None),
                Some(Fate::KeepUpTo(version)) if version < states.held.len() as u64 => {
                    (version as usize, None)
                }
                _ => (0, None),
            };
            platter.write(start as usize, torn.as_ref().unwrap_or(&states.held[version]));
            if version > 0 || torn.is_some() {
                unreadable.retain(|bad| *bad != sector);
            }
        }
        platter.cut(len as usize);
        let sectors = len.div_ceil(u64::from(size));
        unreadable.retain(|sector| u64::from(*sector) < sectors);
        let space = sectors * u64::from(size);
        let (pieces, lengths) = (Vec::new(), Vec::new());
        let cache = platter.clone();
        File { cache, len, platter, durable_len: len, pieces, lengths, undecided, unreadable, space }
    }

    /// The lengths that a power loss may leave, the old one first.
    pub(super) fn lengths(&self, geometry: &Geometry) -> Vec<u64> {
        let size = u64::from(geometry.sector);
        let mut lengths = vec![self.durable_len];
        let mut before = self.durable_len;
        for change in &self.lengths {
            if geometry.tear_lengths {
                let (from, to) = (before / size + 1, change.len.div_ceil(size));
                lengths.extend((from..to).map(|sectors| sectors * size));
            }
            lengths.push(change.len);
            before = change.len;
        }
        let mut seen = std::collections::BTreeSet::new();
        lengths.retain(|len| seen.insert(*len));
        lengths
    }

    /// The sectors that a power loss decides about, by number.
    pub(super) fn open_sectors(&self) -> Vec<u32> {
        let changed = self.pieces.iter().map(|piece| piece.sector);
        let mut sectors: Vec<u32> = changed.chain(self.undecided.iter().map(|open| open.sector)).collect();
        sectors.sort_unstable();
        sectors.dedup();
        sectors
    }

    pub(super) fn states(&self, sector: u32, size: u32) -> States {
        let start = sector as usize * size as usize;
        let bases = self.undecided.iter().find(|open| open.sector == sector);
        let bases = bases.map_or_else(
            || vec![self.platter.read(start..start + size as usize)],
            |open| open.alternatives.to_vec(),
        );
        let pieces = self.pieces_of(sector);
        let unanswered: Vec<&Patch> =
            pieces.iter().filter(|p| p.state == State::Maybe).map(|piece| &piece.patch).collect();
        let mut held = bases.clone();
        let mut newest = bases[0].clone();
        for (number, base) in bases.into_iter().enumerate() {
            let mut state = base;
            for piece in pieces.iter().filter(|piece| piece.state != State::Maybe) {
                piece.patch.apply(&mut state);
                if piece.state != State::Astray {
                    held.push(state.clone());
                }
            }
            let count = unanswered.len();
            let done: Vec<u64> = if count <= UNORDERED {
                (1..1 << count).collect()
            } else {
                (1..=count.min(63)).map(|done| (1u64 << done) - 1).collect()
            };
            for done in done {
                let mut state = state.clone();
                let chosen = unanswered.iter().enumerate().filter(|(at, _)| done >> at & 1 == 1);
                chosen.for_each(|(_, patch)| patch.apply(&mut state));
                held.push(state);
            }
            if number == 0
                && let Some(last) = held.last()
            {
                newest = last.clone();
            }
        }
        let held = distinct(held);
        let newest = held.iter().position(|state| *state == newest).unwrap_or(0);
        let torn = pieces.iter().any(|piece| piece.state != State::Astray && piece.patch != Patch::Cut);
        States { held, newest, torn }
    }
}

/// What a device leaves in a sector that it was interrupted in.
fn garbage(sector: u32, size: u32, seed: Option<u64>, [old, new]: [&Vec<u8>; 2]) -> Vec<u8> {
    let start = u64::from(sector) * u64::from(size);
    let Some(seed) = seed else {
        return (start..start + u64::from(size)).map(|at| (at.wrapping_mul(37) as u8) | 1).collect();
    };
    let mut state = mix(seed ^ mix(start));
    let mut draw = || {
        state = mix(state);
        state
    };
    match draw() % 5 {
        0 => (0..size).map(|_| draw() as u8).collect(),
        1 => {
            let cut = (draw() % u64::from(size)) as usize;
            [&new[..cut], &old[cut..]].concat()
        }
        2 => {
            let cut = (draw() % u64::from(size)) as usize;
            [&old[..cut], &new[cut..]].concat()
        }
        3 => {
            let mut flipped = new.clone();
            (0..1 + draw() % 3)
                .for_each(|_| flipped[(draw() % u64::from(size)) as usize] ^= 1 << (draw() % 8));
            flipped
        }
        _ => vec![if draw().is_multiple_of(2) { 0 } else { 0xff }; size as usize],
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): a seeded stream that is the same on every computer.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
