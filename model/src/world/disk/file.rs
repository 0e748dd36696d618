//! One file: what its cache shows, what the platter holds, and the changes in between, sector by sector. It
//! decides which changes a sync covers and what a failed one leaves; names, other files and the choice of fates are
//! not its business.
//!
//! Invariants: the changes of one sector are in the order in which they took effect, and the platter's sector with
//! all of them applied is what the cache shows. The same holds for lengths. Nothing is stored beyond the cached
//! length in the cache. A file whose changes are all synced has no residue of them.

use super::content::Content;
use super::undecided::Undecided;
use bytes::Bytes;

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct File {
    /// What reads see.
    pub(super) cache: Content,
    pub(super) len: u64,
    /// What the device holds.
    pub(super) platter: Content,
    pub(super) durable_len: u64,
    /// Changes of sectors that are not known to be durable, by sector, then by age.
    pub(super) pieces: Vec<Piece>,
    /// Changes of the length that are not known to be durable, oldest first.
    pub(super) lengths: Vec<LengthChange>,
    /// Sectors whose fate a power loss left open, by number.
    pub(super) undecided: Vec<Undecided>,
    /// Sectors that the device cannot read, by number.
    pub(super) unreadable: Vec<u32>,
    /// Bytes of space taken, in whole sectors.
    pub(super) space: u64,
}

/// A change of one sector.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Piece {
    pub(super) sector: u32,
    pub(super) patch: Patch,
    pub(super) state: State,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Patch {
    /// Bytes from a position within the sector on.
    Bytes(u32, Bytes),
    /// The file was cut before this sector. The sector itself is not written: it cannot be torn by that.
    Cut,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct LengthChange {
    pub(super) len: u64,
    pub(super) state: State,
}

/// How near to being durable a change is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum State {
    /// Done, and waiting for a sync. That many of the syncs under way started too early to cover it.
    Dirty(u16),
    /// A sync of it failed: the cache shows it, no sync will write it again, unless a newer change of the same
    /// sector (or of the length) takes it along.
    Lost,
    /// The device put it elsewhere: like a lost change, but never there after a power loss either.
    Astray,
    /// Power was lost before it was answered: it may have been done or not.
    Maybe,
}

impl State {
    /// Whether the sync with that many others under way before it covers this change.
    pub(super) fn covered(self, sync: u16) -> bool {
        matches!(self, State::Dirty(after) if after <= sync)
    }

    /// That sync is no longer under way.
    pub(super) fn sync_over(&mut self, sync: u16) {
        if let State::Dirty(after) = self
            && *after > sync
        {
            *after -= 1;
        }
    }
}

impl Patch {
    pub(super) fn apply(&self, sector: &mut [u8]) {
        match self {
            Patch::Bytes(at, bytes) => sector[*at as usize..][..bytes.len()].copy_from_slice(bytes),
            Patch::Cut => sector.fill(0),
        }
    }

    fn apply_to(&self, content: &mut Content, start: usize, size: usize) {
        match self {
            Patch::Bytes(at, bytes) => content.write(start + *at as usize, bytes),
            Patch::Cut => content.zero(start..start + size),
        }
    }

    pub(super) fn is_whole(&self, size: u32) -> bool {
        match self {
            Patch::Bytes(_, bytes) => bytes.len() == size as usize,
            Patch::Cut => true,
        }
    }
}

impl Piece {
    /// Where in the file its bytes end; 0 for a cut.
    fn end(&self, size: u32) -> u64 {
        match &self.patch {
            Patch::Bytes(at, bytes) => {
                u64::from(self.sector) * u64::from(size) + u64::from(*at) + bytes.len() as u64
            }
            Patch::Cut => 0,
        }
    }
}

/// How the changes covered by a sync end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SyncEnd {
    Durable,
    Failed,
    Lied,
}

impl File {
    pub(super) fn durable(bytes: Vec<u8>, sector: u32) -> File {
        let len = bytes.len() as u64;
        let platter = Content::new(bytes);
        File {
            cache: platter.clone(),
            len,
            platter,
            durable_len: len,
            space: len.next_multiple_of(u64::from(sector)),
            ..File::default()
        }
    }

    /// Writes into the cache. The caller has checked that the end is within the largest file.
    pub(super) fn write(&mut self, offset: u64, data: &Bytes, state: State, size: u32) {
        let end = offset + data.len() as u64;
        if data.is_empty() {
            return;
        }
        self.cache.write(offset as usize, data);
        let mut at = offset;
        while at < end {
            let within = (at % u64::from(size)) as u32;
            let upto = end.min(at - u64::from(within) + u64::from(size));
            let bytes = data.slice((at - offset) as usize..(upto - offset) as usize);
            self.push(Piece {
                sector: (at / u64::from(size)) as u32,
                patch: Patch::Bytes(within, bytes),
                state,
            });
            at = upto;
        }
        if end > self.len {
            self.grow(end, state);
        }
        self.space = self.space.max(end.next_multiple_of(u64::from(size)));
    }

    fn push(&mut self, piece: Piece) {
        match self.pieces.last() {
            Some(last) if last.sector > piece.sector => {
                let at = self.pieces.partition_point(|other| other.sector <= piece.sector);
                self.pieces.insert(at, piece);
            }
            _ => self.pieces.push(piece),
        }
    }

    fn grow(&mut self, len: u64, state: State) {
        self.len = len;
        self.lengths.push(LengthChange { len, state });
    }

    /// Reserves space and makes the file at least that long.
    pub(super) fn allocate(&mut self, len: u64, state: State, size: u32) {
        self.space = self.space.max(len.next_multiple_of(u64::from(size)));
        if len > self.len {
            self.grow(len, state);
        }
    }

    /// Cuts the file or extends it with zeros.
    pub(super) fn set_len(&mut self, len: u64, state: State, size: u32) {
        if len == self.len {
            return;
        }
        let wide = u64::from(size);
        let mut at = len;
        while at < self.len {
            let (sector, within) = ((at / wide) as u32, (at % wide) as u32);
            let upto = (at - u64::from(within)) + wide;
            // A sector that reads as zeros in the cache and on the platter is not touched.
            let range = at as usize..upto as usize;
            let untouched = self.cache.is_zero(range.clone())
                && self.platter.is_zero(range)
                && self.open_is_zero(sector, within as usize)
                && self.pieces_of(sector).is_empty();
            if !untouched {
                let zeros = || Bytes::from(vec![0; (size - within) as usize]);
                let patch = if within == 0 { Patch::Cut } else { Patch::Bytes(within, zeros()) };
                self.push(Piece { sector, patch, state });
            }
            at = upto;
        }
        self.cache.cut(len as usize);
        self.grow(len, state);
        self.space = self.space.min(len.next_multiple_of(wide));
    }

    /// The changes of one sector, oldest first.
    pub(super) fn pieces_of(&self, sector: u32) -> &[Piece] {
        let from = self.pieces.partition_point(|piece| piece.sector < sector);
        let rest = &self.pieces[from..];
        &rest[..rest.iter().take_while(|piece| piece.sector == sector).count()]
    }

    /// Ends the sync that has that many others under way before it.
    pub(super) fn sync(&mut self, sync: u16, end: SyncEnd, size: u32) {
        match end {
            SyncEnd::Durable => self.fold(sync, size),
            SyncEnd::Failed => {
                let pieces = self.pieces.iter_mut().map(|piece| &mut piece.state);
                let lengths = self.lengths.iter_mut().map(|change| &mut change.state);
                pieces.chain(lengths).filter(|s| s.covered(sync)).for_each(|s| *s = State::Lost);
            }
            SyncEnd::Lied => {}
        }
        self.pieces.iter_mut().for_each(|piece| piece.state.sync_over(sync));
        self.lengths.iter_mut().for_each(|change| change.state.sync_over(sync));
    }

    /// Writes what the sync covers to the platter: of each sector everything up to its last covered change, as the
    /// cache writes whole sectors.
    fn fold(&mut self, sync: u16, size: u32) {
        let mut pieces = std::mem::take(&mut self.pieces);
        let mut written = 0;
        if pieces.iter().all(|piece| piece.state.covered(sync)) {
            pieces.iter().for_each(|piece| self.put(piece, size));
            written = pieces.iter().map(|piece| piece.end(size)).max().unwrap_or(0);
            pieces.clear();
        } else {
            let mut kept = Vec::new();
            for here in pieces.chunk_by(|one, next| one.sector == next.sector) {
                let upto = here.iter().rposition(|p| p.state.covered(sync)).map_or(0, |last| last + 1);
                here[..upto].iter().for_each(|piece| self.put(piece, size));
                let covered = here.iter().filter(|piece| piece.state.covered(sync));
                written = covered.map(|piece| piece.end(size)).fold(written, u64::max);
                kept.extend_from_slice(&here[upto..]);
            }
            pieces = kept;
        }
        self.pieces = pieces;
        if let Some(last) = self.lengths.iter().rposition(|change| change.state.covered(sync)) {
            self.durable_len = self.lengths[last].len;
            self.lengths.drain(..=last);
        }
        // What is written after a failed sync and synced well can be read back, although the failed one has lost
        // the length that the file had then.
        let lost = self.lengths.iter().take_while(|change| change.state == State::Lost);
        if let Some(lost) = lost.map(|change| change.len).max() {
            self.durable_len = self.durable_len.max(written.min(lost));
        }
    }

    /// Writes one change to the platter.
    fn put(&mut self, piece: &Piece, size: u32) {
        let start = piece.sector as usize * size as usize;
        piece.patch.apply_to(&mut self.platter, start, size as usize);
        if !self.undecided.is_empty() {
            self.change_undecided(piece.sector, |held| piece.patch.apply(held));
        }
        // The device gives a sector that is written anew another place.
        if !self.unreadable.is_empty() {
            self.unreadable.retain(|bad| *bad != piece.sector);
        }
    }

    /// Forgets which syncs were under way: the process that waited for them is gone.
    pub(super) fn forget_syncs(&mut self) {
        let pieces = self.pieces.iter_mut().map(|piece| &mut piece.state);
        for state in pieces.chain(self.lengths.iter_mut().map(|change| &mut change.state)) {
            if let State::Dirty(after) = state {
                *after = 0;
            }
        }
    }

    /// Marks the newest change of each of these sectors as one that the device puts elsewhere.
    pub(super) fn lead_astray(&mut self, sectors: std::ops::RangeInclusive<u32>) {
        for sector in sectors {
            if let Some(piece) = self.pieces.iter_mut().rfind(|piece| piece.sector == sector) {
                piece.state = State::Astray;
            }
        }
    }

    /// Whether the cache can show a sector only by reading it from the device, which cannot.
    pub(super) fn is_unreadable(&self, sector: u32, size: u32) -> bool {
        !self.unreadable.is_empty()
            && self.unreadable.binary_search(&sector).is_ok()
            && !self.pieces_of(sector).iter().any(|piece| piece.patch.is_whole(size))
    }
}
