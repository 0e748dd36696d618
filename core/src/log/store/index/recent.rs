//! The index of what no durable footer covers yet: the active segment, and whatever is on its way to a file. This
//! module keeps one entry for each record from a sequence on; it never looks at a disk. Invariants: entries are
//! dense in sequence; positions ascend; a place is known once the segments layer has told it.
//!
//! Memory: 176 bytes a record with its names shared, up to 21 for the table of ids, 56 for each atomic unit. Bounded by
//! the segments' size and queue.

use super::{
    super::{
        heads::Heads,
        keys::Done,
        record::Stored,
        table::{self, Table},
    },
    footer::{FooterEntity, Row, SegmentIndex},
};
use crate::log::{
    api::{EventId, Filter, Hash256, Hlc, Name},
    segments::Location,
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec,
    vec::Vec,
};

/// A record that was accepted or recovered.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Entry {
    /// Where it stands; length 0: not known yet.
    pub(crate) at: Location,
    /// Its position; of a cursor that of the next event.
    pub(crate) position: u64,
    /// Its sequence within the entity.
    pub(crate) sequence: u64,
    pub(crate) id: EventId,
    pub(crate) correlation: EventId,
    pub(crate) causation: Option<EventId>,
    pub(crate) time: Hlc,
    pub(crate) chain: Hash256,
    /// Number in the heads.
    pub(crate) entity: u32,
    /// Numbers in this index's own tables.
    scope: u32,
    kind: u32,
    /// Whether it is an event; otherwise a cursor.
    pub(crate) event: bool,
}

/// The end of an atomic unit.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct UnitMark {
    /// Sequence after its last record.
    pub(crate) end: u64,
    /// Position after its last event.
    pub(crate) positions: u64,
    /// The store's digest after it.
    pub(crate) digest: Hash256,
    /// What it answers to a retry.
    pub(crate) done: Option<Arc<Done>>,
}

/// The index. `first` and the three after it describe the state before the first entry.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Recent {
    pub(crate) first: u64,
    pub(crate) positions: u64,
    pub(crate) digest: Hash256,
    entries: VecDeque<Entry>,
    units: VecDeque<UnitMark>,
    ids: Table,
    scopes: Names,
    kinds: Names,
    /// Sequence of the record to what it says.
    cursors: BTreeMap<u64, (Name, u64)>,
}

/// Texts by number.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Names {
    list: Vec<Name>,
    table: Table,
}

impl Names {
    fn find(&self, name: &Name) -> Option<u32> {
        let hash = table::hash(name.as_str().as_bytes());
        self.table.find(hash, |number| self.list[number as usize] == *name)
    }

    /// A text's number, a new one if needed. `guess` may be it.
    fn intern(&mut self, name: &Name, guess: u32) -> u32 {
        if self.list.get(guess as usize) == Some(name) {
            return guess;
        }
        self.find(name).unwrap_or_else(|| {
            self.list.push(name.clone());
            let number = self.list.len() as u32 - 1;
            self.table.insert(table::hash(name.as_str().as_bytes()), number);
            number
        })
    }
}

/// What an event adds to the index, besides its names.
#[derive(Clone, Debug)]
pub(crate) struct NewEntry<'a> {
    pub(crate) at: Location,
    pub(crate) position: u64,
    pub(crate) sequence: u64,
    pub(crate) entity: u32,
    pub(crate) chain: Hash256,
    pub(crate) id: EventId,
    pub(crate) correlation: EventId,
    pub(crate) causation: Option<EventId>,
    pub(crate) time: Hlc,
    pub(crate) scope: &'a Name,
    pub(crate) kind: &'a Name,
}

impl Entry {
    /// Whether two entries say the same; tables of names may differ.
    pub(crate) fn same(&self, other: &Entry) -> bool {
        let key = |entry: &Entry| Entry { scope: 0, kind: 0, entity: 0, ..entry.clone() };
        key(self) == key(other)
    }
}

impl<'a> NewEntry<'a> {
    /// From a record that was read.
    pub(crate) fn read(
        event: &'a Stored,
        at: Location,
        (position, sequence): (u64, u64),
        entity: u32,
        chain: Hash256,
    ) -> NewEntry<'a> {
        let Stored { id, correlation, causation, time, scope, kind, .. } = event;
        NewEntry {
            at,
            position,
            sequence,
            entity,
            chain,
            id: *id,
            correlation: *correlation,
            causation: *causation,
            time: *time,
            scope,
            kind,
        }
    }
}

impl Recent {
    /// An index that begins after what a footer covers.
    pub(crate) fn starting(first: u64, positions: u64, digest: Hash256) -> Recent {
        Recent { first, positions, digest, ..Recent::default() }
    }

    pub(crate) fn push_event(&mut self, new: NewEntry<'_>) {
        let NewEntry { at, position, sequence, entity, chain, id, correlation, causation, time, .. } = new;
        // Most events have the names of the one before.
        let (scope, kind) = self.entries.back().map_or((0, 0), |last| (last.scope, last.kind));
        let (scope, kind) = (self.scopes.intern(new.scope, scope), self.kinds.intern(new.kind, kind));
        self.ids.insert(table::hash_id(id.0), self.entries.len() as u32);
        let event = true;
        self.entries.push_back(Entry {
            at,
            position,
            sequence,
            id,
            correlation,
            causation,
            time,
            chain,
            entity,
            scope,
            kind,
            event,
        });
    }

    pub(crate) fn push_cursor(&mut self, at: Location, position: u64, reader: Name, saved: u64) {
        self.cursors.insert(self.end(), (reader, saved));
        self.entries.push_back(Entry {
            at,
            position,
            sequence: 0,
            id: EventId(0),
            correlation: EventId(0),
            causation: None,
            time: Hlc::default(),
            chain: Hash256::default(),
            entity: 0,
            scope: 0,
            kind: 0,
            event: false,
        });
    }

    pub(crate) fn end_unit(&mut self, positions: u64, digest: Hash256, done: Option<Arc<Done>>) {
        self.units.push_back(UnitMark { end: self.end(), positions, digest, done });
    }

    /// The sequence after the last record.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// An event by id.
    pub(crate) fn find(&self, id: EventId) -> Option<&Entry> {
        let at = self.ids.find(table::hash_id(id.0), |n| {
            self.entries.get(n as usize).is_some_and(|entry| entry.event && entry.id == id)
        })?;
        self.entries.get(at as usize)
    }

    /// The event at a position.
    pub(crate) fn at_position(&self, position: u64) -> Option<(u64, &Entry)> {
        self.range(position, position + 1).next()
    }

    /// The events in a range of positions, with the sequence of the record of each.
    pub(crate) fn range(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let start = self.entries.partition_point(|entry| entry.position < from);
        self.entries
            .range(start..)
            .enumerate()
            .take_while(move |(_, entry)| entry.position < to)
            .filter(|(_, entry)| entry.event)
            .map(move |(n, entry)| (self.first + (start + n) as u64, entry))
    }

    /// A record by its sequence.
    pub(crate) fn by_sequence(&self, sequence: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(sequence.checked_sub(self.first)?).ok()?)
    }

    /// The segment of the oldest record, and its records before `end`: first, after the last.
    pub(crate) fn oldest_segment(&self, end: u64) -> Option<(u64, u64, u64)> {
        let segment = self.entries.front().filter(|_| self.first < end)?.at.segment;
        let count = self.entries.iter().take_while(|entry| entry.at.segment == segment).count() as u64;
        Some((segment, self.first, end.min(self.first + count)))
    }

    /// Learns where records stand.
    pub(crate) fn place(&mut self, first: u64, places: &[Location]) {
        for (sequence, at) in (first..).zip(places) {
            let index = sequence.checked_sub(self.first).and_then(|n| usize::try_from(n).ok());
            if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
                entry.at = *at;
            }
        }
    }

    /// BUGS-S8: what a failure touched never gets into the index.
    pub(crate) fn forget(&mut self, from: u64, upto: u64) {
        for sequence in from..upto {
            if let Some(entry) = sequence
                .checked_sub(self.first)
                .and_then(|n| usize::try_from(n).ok())
                .and_then(|n| self.entries.get_mut(n))
            {
                entry.event = false;
            }
        }
    }

    /// Whether an event of this index is one that a filter wants; exact.
    pub(crate) fn matches(&self, heads: &Heads, entry: &Entry, filter: &Filter) -> bool {
        let name =
            |names: &Names, number: u32, wanted: &Name| names.list.get(number as usize) == Some(wanted);
        match filter {
            Filter::All => true,
            Filter::Entity(wanted) => heads.get(entry.entity).name == *wanted,
            Filter::Scope(wanted) => name(&self.scopes, entry.scope, wanted),
            Filter::Kind(wanted) => name(&self.kinds, entry.kind, wanted),
            Filter::Id(wanted) => entry.id == *wanted,
            Filter::Correlation(wanted) => entry.correlation == *wanted,
            Filter::CausesOf(_) | Filter::EffectsOf(_) => false,
        }
    }

    /// Positions and digest after everything before this sequence, which must end a unit.
    pub(crate) fn upto(&self, sequence: u64) -> (u64, Hash256) {
        let units = self.units.partition_point(|unit| unit.end <= sequence);
        let unit = units.checked_sub(1).and_then(|last| self.units.get(last));
        unit.map_or((self.positions, self.digest), |unit| (unit.positions, unit.digest))
    }

    /// The unit that holds the event at this position.
    pub(crate) fn unit_of(&self, position: u64) -> Option<&UnitMark> {
        self.units.get(self.units.partition_point(|unit| unit.positions <= position))
    }

    /// The cursors saved by records in a range of sequences.
    pub(crate) fn cursors(&self, from: u64, to: u64) -> impl Iterator<Item = &(Name, u64)> {
        self.cursors.range(from..to.max(from)).map(|(_, cursor)| cursor)
    }

    /// The index of a segment that gets no more records. `end` must end a unit.
    pub(crate) fn freeze(&self, heads: &Heads, segment: u64, first: u64, end: u64) -> SegmentIndex {
        let (positions, before) = self.upto(first);
        let mut index = SegmentIndex { segment, first, end, positions, before, ..SegmentIndex::default() };
        (_, index.after) = self.upto(end);
        // Numbers here to numbers there.
        let (mut entities, mut last) = (BTreeMap::new(), None);
        let mut scopes = vec![None; self.scopes.list.len()];
        let mut kinds = vec![None; self.kinds.list.len()];
        let skip = usize::try_from(first.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let take = usize::try_from(end.saturating_sub(first)).unwrap_or(usize::MAX);
        index.rows.reserve(take.min(self.entries.len().saturating_sub(skip)));
        for (record, entry) in self.entries.iter().skip(skip).take(take).enumerate() {
            let record = record as u32;
            if !entry.event {
                if let Some((reader, saved)) = self.cursors.get(&(first + u64::from(record))) {
                    index.cursors.push((record, reader.clone(), *saved));
                }
                continue;
            }
            // Most events have the entity of the one before.
            let entity = match last {
                Some((number, entity)) if number == entry.entity => entity,
                _ => *entities.entry(entry.entity).or_insert(index.entities.len() as u32),
            };
            last = Some((entry.entity, entity));
            if let Some(known) = index.entities.get_mut(entity as usize) {
                (known.next, known.count) = (entry.sequence + 1, known.count + 1);
                (known.position, known.chain) = (entry.position, entry.chain);
            } else {
                let name = heads.get(entry.entity).name.clone();
                let (next, position, chain) = (entry.sequence + 1, entry.position, entry.chain);
                index.entities.push(FooterEntity { name, next, count: 1, position, chain });
            }
            let local = |map: &mut [Option<u32>], list: &mut Vec<Name>, names: &Names, number: u32| {
                *map[number as usize].get_or_insert_with(|| {
                    list.push(names.list[number as usize].clone());
                    list.len() as u32 - 1
                })
            };
            let scope = local(&mut scopes, &mut index.scopes, &self.scopes, entry.scope);
            let kind = local(&mut kinds, &mut index.kinds, &self.kinds, entry.kind);
            index.time = index.time.max(entry.time);
            let id = table::hash_id(entry.id.0);
            let own = entry.correlation == entry.id;
            index.rows.push(Row {
                offset: entry.at.offset,
                len: entry.at.len,
                record,
                entity,
                scope,
                kind,
                id,
                correlation: if own { table::narrow(id) } else { table::fingerprint(entry.correlation.0) },
                causation: entry.causation.map_or(0, |cause| table::fingerprint(cause.0)),
                sequence: entry.sequence,
            });
        }
        let units = self.units.iter().filter(|unit| unit.end > first && unit.end <= end);
        for done in units.filter_map(|unit| unit.done.as_deref()) {
            let mut done = done.clone();
            for part in &mut done.parts {
                part.entity = entities.get(&part.entity).copied().unwrap_or(u32::MAX);
            }
            index.done.push(done);
        }
        index
    }

    /// Drops everything before this sequence, which must end a unit.
    pub(crate) fn drop_before(&mut self, sequence: u64) {
        let (positions, digest) = self.upto(sequence);
        let gone = usize::try_from(sequence.saturating_sub(self.first)).unwrap_or(usize::MAX);
        // The room is kept: the next segment's index will be about as long.
        let mut entries = core::mem::take(&mut self.entries);
        entries.drain(..gone.min(entries.len()));
        let old = core::mem::replace(self, Recent::starting(sequence.max(self.first), positions, digest));
        self.units = old.units.into_iter().filter(|unit| unit.end > sequence).collect();
        self.cursors = old.cursors.into_iter().filter(|(at, _)| *at >= sequence).collect();
        for (number, entry) in (0..).zip(&mut entries) {
            if entry.event {
                self.ids.insert(table::hash_id(entry.id.0), number);
                let name = |names: &Names, number: u32| names.list.get(number as usize).cloned();
                let (scope, kind) = (name(&old.scopes, entry.scope), name(&old.kinds, entry.kind));
                entry.scope = scope.map_or(0, |scope| self.scopes.intern(&scope, 0));
                entry.kind = kind.map_or(0, |kind| self.kinds.intern(&kind, 0));
            }
        }
        self.entries = entries;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_stated_is_the_memory_used() {
        assert_eq!(size_of::<Entry>(), 176);
        assert_eq!(size_of::<UnitMark>(), 56);
        assert_eq!(size_of::<super::super::super::heads::EntityHead>(), 64);
    }
}
