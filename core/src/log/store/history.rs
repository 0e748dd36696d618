//! What the log says so far: the state that every accepted event changes and that recovery rebuilds. This module
//! decides what one atomic unit does to that state; appending, opening and verifying all go through it, so that they
//! cannot disagree. It asks nobody for anything. Invariant: it is a function of the records and the horizon alone.

use super::{
    clock::HybridClock,
    hash::{self, UnitDigest},
    heads::Heads,
    index::{Index, NewEntry, Recent, SegmentIndex},
    keys::{self, Done, DonePart, Keys},
    record::{self, BadRecord, Content, Keyed},
};
use crate::log::{
    api::{Hash256, Name},
    mutants::mutant,
    segments::Location,
};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use bytes::Bytes;

/// The state after all accepted records.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct History {
    pub(crate) heads: Arc<Heads>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) index: Index,
    pub(crate) clock: HybridClock,
    /// Readers' cursors.
    pub(crate) cursors: Arc<BTreeMap<Name, u64>>,
    /// How many events there are: the next position.
    pub(crate) events: u64,
    /// The store's digest.
    pub(crate) digest: Hash256,
}

/// A unit that is being taken up.
#[derive(Debug)]
pub(crate) struct OpenUnit {
    digest: UnitDigest,
    position: u64,
    request: Option<[u8; 16]>,
    pub(crate) parts: Vec<DonePart>,
}

/// Why a unit of the log cannot be.
#[derive(Clone, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("{0}")]
    Record(#[from] BadRecord),
    #[error("the store's digest does not follow: the history was changed at or before this unit")]
    Digest,
}

impl History {
    /// Begins a unit.
    pub(crate) fn open(&self) -> OpenUnit {
        let digest = UnitDigest::after(&self.digest);
        OpenUnit { digest, position: self.events, request: None, parts: Vec::new() }
    }

    /// Takes up the unit's next event: `encoded` is its array as it stands in the log. Sequence, position and link
    /// are worked out here; those in `entry` are ignored.
    pub(crate) fn event(
        &mut self,
        unit: &mut OpenUnit,
        encoded: &[u8],
        keyed: Option<&Keyed>,
        mut entry: NewEntry<'_>,
    ) {
        let number = entry.entity;
        let heads = Arc::make_mut(&mut self.heads);
        let chain = hash::link_encoded(&heads.get(number).chain, encoded);
        let (position, time) = (self.events, entry.time);
        let sequence = heads.push(number, position, chain);
        (entry.position, entry.sequence, entry.chain) = (position, sequence, chain);
        unit.digest.event(&chain, keyed);
        match unit.parts.last_mut() {
            Some(part) if part.entity == number => {
                (part.count, part.time, part.chain) = (part.count + 1, time, chain);
            }
            _ => {
                let key = keyed.map(|keyed| keyed.key);
                unit.parts.push(DonePart { entity: number, key, position, sequence, count: 1, time, chain });
            }
        }
        unit.request = unit.request.or(keyed.map(|keyed| keyed.request));
        Arc::make_mut(&mut self.index.recent).push_event(entry);
        self.clock.saw(time);
        self.events += 1;
    }

    /// Takes up a saved cursor.
    pub(crate) fn cursor(
        &mut self,
        unit: &mut OpenUnit,
        encoded: &[u8],
        at: Location,
        reader: Name,
        position: u64,
    ) {
        unit.digest.cursor(encoded);
        Arc::make_mut(&mut self.cursors).insert(reader.clone(), position);
        Arc::make_mut(&mut self.index.recent).push_cursor(at, self.events, reader, position);
    }

    /// Ends the unit; its digest is the store's from now on. Answers what it led to, and whether a key expired.
    pub(crate) fn close(&mut self, unit: OpenUnit, horizon: u64) -> (Vec<DonePart>, bool) {
        self.digest = unit.digest.finish();
        let OpenUnit { position, request, parts, .. } = unit;
        let done = request
            .map(|request| Arc::new(Done { position, end: self.events, request, parts: parts.clone() }));
        Arc::make_mut(&mut self.index.recent).end_unit(self.events, self.digest, done.clone());
        (parts, self.remember(done, horizon))
    }

    fn remember(&mut self, done: Option<Arc<Done>>, horizon: u64) -> bool {
        let keys = Arc::make_mut(&mut self.keys);
        if let Some(done) = done {
            keys.insert(done);
        }
        keys.expire(self.events, horizon)
    }

    /// Takes up a unit that was read from the log.
    pub(crate) fn replay(
        &mut self,
        records: &[(Location, Bytes)],
        horizon: u64,
    ) -> Result<(), (usize, Flaw)> {
        let mut unit = self.open();
        let mut stored = None;
        for (n, (at, body)) in records.iter().enumerate() {
            let record = record::decode(body).map_err(|bad| (n, Flaw::from(bad)))?;
            let encoded = &body[..record.body];
            stored = record.digest;
            match record.content {
                Content::Event(event) => {
                    let entity = Arc::make_mut(&mut self.heads).intern(&event.entity);
                    let entry = NewEntry::read(&event, *at, (0, 0), entity, Hash256::default());
                    self.event(&mut unit, encoded, event.key.as_ref(), entry);
                }
                Content::Cursor { reader, position } => {
                    self.cursor(&mut unit, encoded, *at, reader, position)
                }
            }
        }
        let kept = (mutant!(DedupNotRecovered)).then(|| self.keys.clone());
        self.close(unit, horizon);
        if let Some(kept) = kept {
            self.keys = kept;
        }
        if stored != Some(hash::short(&self.digest)) {
            return Err((records.len().saturating_sub(1), Flaw::Digest));
        }
        Ok(())
    }

    /// Takes up a whole segment from its footer. Answers whether the footer continues this history; if not, nothing is
    /// changed.
    pub(crate) fn jump(&mut self, index: &SegmentIndex, (first, end): (u64, u64), horizon: u64) -> bool {
        let here = self.index.recent.end();
        let fits = here == first && index.continues(first, end, self.events, &self.digest, &self.heads);
        if !fits && !mutant!(FooterLagsAndIsTrusted) {
            return false;
        }
        let heads = Arc::make_mut(&mut self.heads);
        let mut numbers = Vec::with_capacity(index.entities.len());
        for entity in &index.entities {
            let number = heads.intern(&entity.name);
            heads.jump(number, entity.next, entity.position, entity.chain);
            numbers.push(number);
        }
        let cursors = Arc::make_mut(&mut self.cursors);
        for (_, reader, saved) in &index.cursors {
            cursors.insert(reader.clone(), *saved);
        }
        self.clock.saw(index.time);
        (self.events, self.digest) = (index.positions_end(), index.after);
        self.index.seal(index, None);
        self.index.recent = Arc::new(Recent::starting(end, self.events, self.digest));
        if mutant!(DedupNotRecovered) {
            return true;
        }
        for done in &index.done {
            if keys::expired(done.position, self.events, horizon) {
                continue;
            }
            let mut done = done.clone();
            for part in &mut done.parts {
                part.entity = numbers.get(part.entity as usize).copied().unwrap_or(u32::MAX);
            }
            self.remember(Some(Arc::new(done)), horizon);
        }
        // What came before this segment may have expired, too.
        self.remember(None, horizon);
        true
    }
}
