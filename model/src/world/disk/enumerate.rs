//! Every way in which a crash can end, for checkers, and one drawn way, for simulators. Fates are found in stages
//! (names, then the lengths of the files that are left, then the sectors within those lengths), so that no choice
//! is made about what does not exist any more. What a fate does is decided elsewhere.

use super::crash::{States, changes_disk};
use super::fates::{Fate, Fates, Slot, Target};
use super::file::{File, State};
use super::landed::named;
use super::names::{Node, Tree};
use super::{Bound, Disk, Label, Landed};
use std::collections::{BTreeMap, HashSet};

/// Counts through all combinations of digits, the last one fastest.
pub(super) struct Counter {
    digits: Vec<usize>,
    bases: Vec<usize>,
    count: usize,
}

impl Counter {
    pub(super) fn new(bases: Vec<usize>) -> Counter {
        Counter { digits: vec![0; bases.len()], bases, count: 0 }
    }

    /// Moves on to the next combination. False, and back at the first, after the last.
    pub(super) fn advance(&mut self) -> bool {
        self.count += 1;
        for (digit, base) in self.digits.iter_mut().zip(&self.bases).rev() {
            *digit += 1;
            if *digit < *base {
                return true;
            }
            *digit = 0;
        }
        false
    }

    pub(super) fn digits(&self) -> &[usize] {
        &self.digits
    }

    /// How often it has advanced.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

impl Disk {
    /// Every disk that a power loss can leave, once, with fates that lead there; at most so many. With `lazy`, sectors
    /// are left open for the reads of recovery to decide.
    pub fn power_losses(&self, lazy: bool, limit: usize) -> (Vec<(Fates, Disk)>, Bound) {
        let landed = self.landed();
        let mut found = Found { list: Vec::new(), seen: HashSet::new(), tries: 0, limit };
        let bound = landed.try_names(lazy, &mut found);
        (found.list, bound)
    }

    /// Draws the fates of a power loss: `pick` is asked for a number below the number of fates of each slot.
    pub fn draw_fates(&self, seed: Option<u64>, pick: &mut dyn FnMut(&Slot) -> usize) -> Fates {
        let landed = self.landed();
        let mut fates = Fates { seed, ..Fates::DROP };
        let labels = landed.labels();
        let mut draw = |slot: &Slot, fates: &mut Fates| {
            let fate = slot.fates[pick(slot) % slot.fates.len()];
            if fate != Fate::Drop {
                fates.push(fate, slot.target.clone());
            }
            fate
        };
        let kept: BTreeMap<_, _> = landed
            .name_slots()
            .into_iter()
            .map(|slot| (slot.target.clone(), draw(&slot, &mut fates)))
            .collect();
        let tree = landed.tree(&kept);
        for (label, file) in landed.left(&tree, &labels) {
            let slot = file.length_slot(label, &landed);
            let fate = draw(&slot, &mut fates);
            for slot in file.sector_slots(label, file.len_after(fate), landed.geometry.sector) {
                draw(&slot, &mut fates);
            }
        }
        fates
    }

    /// Everything that a power loss would decide about, as it is now: for pictures and reports.
    pub fn open_slots(&self) -> Vec<Slot> {
        let landed = self.landed();
        let labels = landed.labels();
        let mut slots = landed.name_slots();
        for (label, file) in labels.iter().zip(&landed.files) {
            slots.extend(Some(file.length_slot(label, &landed)).filter(|slot| slot.fates.len() > 1));
            slots.extend(file.sector_slots(label, u64::MAX, landed.geometry.sector));
        }
        slots
    }

    /// Every disk that a kill can leave, once, with the operations that had landed; at most so many. Writes have
    /// landed whole or not at all.
    pub fn kills(&self, limit: usize) -> (Vec<(Landed, Disk)>, Bound) {
        let changes: Vec<_> =
            named(self.pending.iter().map(|(_, op)| op)).filter(|(op, _)| changes_disk(op)).collect();
        let mut counter = Counter::new(vec![2; changes.len()]);
        let (mut list, mut seen) = (Vec::new(), HashSet::new());
        loop {
            if counter.count() >= limit {
                return (list, Bound::Cut);
            }
            let chosen = changes.iter().zip(counter.digits()).filter(|(_, digit)| **digit == 1);
            let these: Vec<_> = chosen.map(|((_, landing), _)| landing.clone()).collect();
            let landed = if these.is_empty() { Landed::Nothing } else { Landed::These(these) };
            let mut disk = self.clone();
            disk.kill(&landed);
            if seen.insert(disk.clone()) {
                list.push((landed, disk));
            }
            if !counter.advance() {
                return (list, Bound::Complete);
            }
        }
    }

    /// This disk with everything done that is pending.
    fn landed(&self) -> Disk {
        let mut landed = self.clone();
        landed.land(Some(State::Maybe));
        landed
    }

    fn name_slots(&self) -> Vec<Slot> {
        let open = self.names.open();
        let slots = open.into_iter().map(|(name, count)| Slot {
            target: Target::Name(Label::new(name.clone())),
            fates: versions(count as u64 + 1, count as u64),
        });
        slots.collect()
    }

    fn tree(&self, kept: &BTreeMap<Target, Fate>) -> Tree {
        self.names.after_loss(|name| match kept.get(&Target::Name(Label::new(name.clone()))) {
            Some(Fate::Keep) => usize::MAX,
            Some(Fate::KeepUpTo(count)) => *count as usize,
            _ => 0,
        })
    }

    /// The files that are left under these names.
    fn left<'a>(&'a self, tree: &Tree, labels: &'a [Label]) -> Vec<(&'a Label, &'a File)> {
        let files =
            tree.values().filter_map(|node| if let Node::File(file) = node { Some(*file) } else { None });
        files.map(|file| (&labels[file as usize], &*self.files[file as usize])).collect()
    }

    fn try_names(&self, lazy: bool, found: &mut Found) -> Bound {
        let slots = self.name_slots();
        let labels = self.labels();
        let mut trees = HashSet::new();
        let mut counter = Counter::new(slots.iter().map(|slot| slot.fates.len()).collect());
        loop {
            let mut fates = Fates { lazy, ..Fates::DROP };
            let mut kept = BTreeMap::new();
            for (slot, digit) in slots.iter().zip(counter.digits()) {
                choose(slot, *digit, &mut fates);
                kept.insert(slot.target.clone(), slot.fates[*digit]);
            }
            let tree = self.tree(&kept);
            if trees.insert(tree.clone())
                && self.try_files(&self.left(&tree, &labels), fates, found) == Bound::Cut
            {
                return Bound::Cut;
            }
            if counter.count() >= found.limit {
                return Bound::Cut;
            }
            if !counter.advance() {
                return Bound::Complete;
            }
        }
    }

    /// Tries everything that can become of the first of these files, and for each of that all of the others.
    fn try_files(&self, files: &[(&Label, &File)], fates: Fates, found: &mut Found) -> Bound {
        let Some(((label, file), others)) = files.split_first() else { return found.add(self, fates) };
        let length = file.length_slot(label, self);
        for (digit, fate) in length.fates.iter().enumerate() {
            let mut with_length = fates.clone();
            choose(&length, digit, &mut with_length);
            let slots = if fates.lazy {
                Vec::new()
            } else {
                file.sector_slots(label, file.len_after(*fate), self.geometry.sector)
            };
            let mut counter = Counter::new(slots.iter().map(|slot| slot.fates.len()).collect());
            loop {
                let mut fates = with_length.clone();
                slots.iter().zip(counter.digits()).for_each(|(slot, digit)| choose(slot, *digit, &mut fates));
                if self.try_files(others, fates, found) == Bound::Cut {
                    return Bound::Cut;
                }
                if !counter.advance() {
                    break;
                }
            }
        }
        Bound::Complete
    }
}

struct Found {
    list: Vec<(Fates, Disk)>,
    seen: HashSet<Disk>,
    tries: usize,
    limit: usize,
}

impl Found {
    fn add(&mut self, landed: &Disk, fates: Fates) -> Bound {
        if self.tries >= self.limit {
            return Bound::Cut;
        }
        self.tries += 1;
        let mut disk = landed.clone();
        disk.power_loss(&fates);
        if self.seen.insert(disk.clone()) {
            self.list.push((fates, disk));
        }
        Bound::Complete
    }
}

fn choose(slot: &Slot, digit: usize, fates: &mut Fates) {
    if slot.fates[digit] != Fate::Drop {
        fates.push(slot.fates[digit], slot.target.clone());
    }
}

/// The fates of something that has so many states, the old one included.
fn versions(count: u64, newest: u64) -> Vec<Fate> {
    let newer =
        (1..count).map(|version| if version == newest { Fate::Keep } else { Fate::KeepUpTo(version) });
    std::iter::once(Fate::Drop).chain(newer).collect()
}

impl File {
    fn length_slot(&self, label: &Label, disk: &Disk) -> Slot {
        let newer = self.lengths(&disk.geometry).into_iter().skip(1);
        let newer = newer.map(|len| if len == self.len { Fate::Keep } else { Fate::KeepUpTo(len) });
        let fates = std::iter::once(Fate::Drop).chain(newer).collect();
        Slot { target: Target::Length(label.clone()), fates }
    }

    fn len_after(&self, fate: Fate) -> u64 {
        match fate {
            Fate::Keep => self.len,
            Fate::KeepUpTo(len) => len,
            Fate::Drop | Fate::Garble => self.durable_len,
        }
    }

    fn sector_slots(&self, label: &Label, len: u64, size: u32) -> Vec<Slot> {
        let inside =
            self.open_sectors().into_iter().filter(|sector| u64::from(*sector) * u64::from(size) < len);
        let slots = inside.map(|sector| {
            let States { held, newest, torn } = self.states(sector, size);
            let mut fates = versions(held.len() as u64, newest as u64);
            fates.extend(torn.then_some(Fate::Garble));
            Slot { target: Target::Sectors(label.clone(), sector, sector), fates }
        });
        slots.filter(|slot| slot.fates.len() > 1).collect()
    }
}
