//! The index of a sealed segment, as it is kept in the segment's footer: a hint that makes opening and reading
//! fast. This module decides its bytes; the segments layer puts a checksum around them. Invariants: decoding is total
//! and checks every number it hands out; what a footer says is believed only if it continues exactly where the log
//! before it ended ([`SegmentIndex::continues`]), and every record fetched through it is compared with it.
//!
//! # Layout
//!
//! MessagePack values one after the other, all numbers `uint` in their shortest form:
//!
//! | value | what |
//! |---|---|
//! | `1` | version |
//! | 3 numbers | sequences of first record and after the last, position of the first event |
//! | 2 × `bin` 32 | the store's digest before and after the segment |
//! | number | greatest logical time, as in a record |
//! | count, then each `str`, 3 numbers, `bin` 32 | entities in order of appearance: name, next sequence, events in this segment, last position, last link |
//! | count, then each `str` | scopes |
//! | count, then each `str` | kinds |
//! | count, then each 2 numbers and a `str` | cursors: record within the segment, position saved, reader |
//! | count, then each 8 numbers | events: bytes between the frame before and this one, frame length, entity, scope, kind, hash of the id, fingerprints of correlation (0: its own id) and cause (0: none) |
//! | count, then each 2 numbers, `bin` 16, count of parts | requests with a key: first position, position after, digest |
//! | … of which each 6 numbers, `bin` 32, `bin` 0 or 16 | entity, position, sequence, count, time, link, key |
//!
//! An event takes 18 to 24 bytes, an entity about 60, a keyed request about 110.

use super::super::{
    heads::Heads,
    keys::{Done, DonePart},
    record::{BadRecord, Reader, pack, put_bin, put_name, put_uint, unpack},
    table::{self, Aspect, Filter},
};
use crate::log::{
    api::{self, EventId, Hash256, Hlc, Key, Name},
    segments::Location,
};
use alloc::{sync::Arc, vec::Vec};
use bytes::Bytes;
use rmp::encode::ByteBuf;

/// What a sealed segment holds.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct SegmentIndex {
    pub(crate) segment: u64,
    pub(crate) first: u64,
    pub(crate) end: u64,
    /// Position of the first event.
    pub(crate) positions: u64,
    pub(crate) before: Hash256,
    pub(crate) after: Hash256,
    pub(crate) time: Hlc,
    pub(crate) entities: Vec<FooterEntity>,
    pub(crate) scopes: Vec<Name>,
    pub(crate) kinds: Vec<Name>,
    /// Record within the segment, reader, position saved.
    pub(crate) cursors: Vec<(u32, Name, u64)>,
    pub(crate) rows: Vec<Row>,
    /// With entities by their number in this footer.
    pub(crate) done: Vec<Done>,
}

/// Where an entity stood at the end of the segment.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct FooterEntity {
    pub(crate) name: Name,
    pub(crate) next: u64,
    pub(crate) count: u32,
    pub(crate) position: u64,
    pub(crate) chain: Hash256,
}

/// An event.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Row {
    pub(crate) offset: u64,
    pub(crate) len: u32,
    /// Record within the segment.
    pub(crate) record: u32,
    pub(crate) entity: u32,
    pub(crate) scope: u32,
    pub(crate) kind: u32,
    /// All 64 bits of the id's hash: appends ask for ids that are nowhere, and each wrong "maybe" is a footer read.
    pub(crate) id: u64,
    /// Fingerprints; of the cause 0: none.
    pub(crate) correlation: u32,
    pub(crate) causation: u32,
    /// Sequence within the entity.
    pub(crate) sequence: u64,
}

const VERSION: u64 = 1;

impl SegmentIndex {
    /// The position after the last event.
    pub(crate) fn positions_end(&self) -> u64 {
        self.positions.saturating_add(self.rows.len() as u64)
    }

    /// Whether the footer continues a history that ends as given.
    pub(crate) fn continues(
        &self,
        first: u64,
        end: u64,
        positions: u64,
        digest: &Hash256,
        heads: &Heads,
    ) -> bool {
        let records = (self.rows.len() + self.cursors.len()) as u64;
        let follows = |entity: &FooterEntity| {
            let before = heads.head(&entity.name).map_or(0, |head| head.next);
            before.checked_add(entity.count.into()) == Some(entity.next)
        };
        self.first == first
            && self.end == end
            && end.checked_sub(first) == Some(records)
            && self.positions == positions
            && self.before == *digest
            && self.entities.iter().all(follows)
    }

    /// Where an event stands.
    pub(crate) fn location(&self, row: &Row) -> Location {
        Location { segment: self.segment, offset: row.offset, len: row.len }
    }

    /// The hashes of all ids, sorted.
    pub(crate) fn ids(&self) -> Arc<[u64]> {
        let mut ids: Vec<u64> = self.rows.iter().map(|row| row.id).collect();
        ids.sort_unstable();
        ids.into()
    }

    /// The filter over what the segment holds.
    pub(crate) fn filter(&self) -> Filter {
        let names =
            |aspect, names: &[Name]| names.iter().map(|name| (aspect, name_print(name))).collect::<Vec<_>>();
        let mut items = names(Aspect::Scope, &self.scopes);
        items.extend(names(Aspect::Kind, &self.kinds));
        items.reserve(self.entities.len() + self.rows.len());
        items.extend(self.entities.iter().map(|entity| (Aspect::Entity, name_print(&entity.name))));
        for row in &self.rows {
            let id = table::narrow(row.id);
            items.push((Aspect::Id, id));
            if row.correlation != id {
                items.push((Aspect::Correlation, row.correlation));
            }
            if row.causation != 0 {
                items.push((Aspect::Causation, row.causation));
            }
        }
        Filter::new(&items)
    }

    /// Bytes of memory, about.
    pub(crate) fn bytes(&self) -> u64 {
        (size_of::<SegmentIndex>()
            + self.rows.len() * size_of::<Row>()
            + self.entities.len() * (size_of::<FooterEntity>() + 48)
            + (self.scopes.len() + self.kinds.len()) * 64
            + self.done.len() * (size_of::<Done>() + size_of::<DonePart>())) as u64
    }

    /// The footer's bytes.
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = ByteBuf::with_capacity(self.rows.len() * 20 + self.entities.len() * 70 + 256);
        for number in [VERSION, self.first, self.end, self.positions] {
            put_uint(&mut out, number);
        }
        put_bin(&mut out, &self.before.0);
        put_bin(&mut out, &self.after.0);
        put_uint(&mut out, pack(self.time));
        put_uint(&mut out, self.entities.len() as u64);
        for entity in &self.entities {
            put_name(&mut out, &entity.name);
            for number in [entity.next, entity.count.into(), entity.position] {
                put_uint(&mut out, number);
            }
            put_bin(&mut out, &entity.chain.0);
        }
        for names in [&self.scopes, &self.kinds] {
            put_uint(&mut out, names.len() as u64);
            names.iter().for_each(|name| put_name(&mut out, name));
        }
        put_uint(&mut out, self.cursors.len() as u64);
        for (record, reader, saved) in &self.cursors {
            put_uint(&mut out, (*record).into());
            put_uint(&mut out, *saved);
            put_name(&mut out, reader);
        }
        put_uint(&mut out, self.rows.len() as u64);
        let mut before = 0u64;
        for row in &self.rows {
            put_uint(&mut out, row.offset.wrapping_sub(before));
            let correlation = if row.correlation == table::narrow(row.id) { 0 } else { row.correlation };
            for number in [row.len, row.entity, row.scope, row.kind] {
                put_uint(&mut out, number.into());
            }
            put_uint(&mut out, row.id);
            for number in [correlation, row.causation] {
                put_uint(&mut out, number.into());
            }
            before = row.offset.wrapping_add(row.len.into());
        }
        put_uint(&mut out, self.done.len() as u64);
        for done in &self.done {
            put_uint(&mut out, done.position);
            put_uint(&mut out, done.end);
            put_bin(&mut out, &done.request);
            put_uint(&mut out, done.parts.len() as u64);
            for part in &done.parts {
                let numbers = [part.entity.into(), part.position, part.sequence, part.count.into()];
                numbers.into_iter().for_each(|number| put_uint(&mut out, number));
                put_uint(&mut out, pack(part.time));
                put_bin(&mut out, &part.chain.0);
                put_bin(
                    &mut out,
                    part.key.map(|key| key.0.to_be_bytes()).as_ref().map_or(&[], |key| &key[..]),
                );
            }
        }
        Bytes::from(out.into_vec())
    }

    /// Reads a footer of the given segment.
    pub(crate) fn decode(segment: u64, bytes: &Bytes) -> Result<SegmentIndex, BadRecord> {
        let mut from = Reader::new(bytes);
        if from.uint("a version")? != VERSION {
            return Err(from.expected("version 1"));
        }
        let (first, end, positions) =
            (from.uint("a sequence")?, from.uint("a sequence")?, from.uint("a position")?);
        let (before, after) = (Hash256(from.bin("a digest")?), Hash256(from.bin("a digest")?));
        let time = unpack(from.uint("a time")?);
        let entities = list(&mut from, |from| {
            Ok(FooterEntity {
                name: from.name()?,
                next: from.uint("a sequence")?,
                count: small(from, "a count")?,
                position: from.uint("a position")?,
                chain: Hash256(from.bin("a link")?),
            })
        })?;
        let scopes = list(&mut from, Reader::name)?;
        let kinds = list(&mut from, Reader::name)?;
        let cursors = list(&mut from, |from| {
            let (record, saved) = (small(from, "a record")?, from.uint("a position")?);
            Ok((record, from.name()?, saved))
        })?;
        let mut given: Vec<u64> =
            entities.iter().map(|entity| entity.next.saturating_sub(entity.count.into())).collect();
        let mut saved = cursors.iter().map(|(record, ..)| *record).peekable();
        let (mut record, mut before_row) = (0u32, 0u64);
        let rows = list(&mut from, |from| {
            let offset = before_row.wrapping_add(from.uint("an offset")?);
            let len = small(from, "a length")?;
            before_row = offset.wrapping_add(len.into());
            let entity = within(from, entities.len(), "an entity")?;
            let scope = within(from, scopes.len(), "a scope")?;
            let kind = within(from, kinds.len(), "a kind")?;
            let id = from.uint("a hash")?;
            let correlation = small(from, "a fingerprint")?;
            let causation = small(from, "a fingerprint")?;
            while saved.next_if(|taken| *taken == record).is_some() {
                record += 1;
            }
            let sequence = given[entity as usize];
            // Beyond the last sequence there is, the count below no longer adds up.
            given[entity as usize] = sequence.wrapping_add(1);
            record += 1;
            let correlation = if correlation == 0 { table::narrow(id) } else { correlation };
            let record = record - 1;
            Ok(Row { offset, len, record, entity, scope, kind, id, correlation, causation, sequence })
        })?;
        if entities.iter().zip(&given).any(|(entity, given)| entity.next != *given) {
            return Err(from.expected("as many events as the entities have"));
        }
        let done = list(&mut from, |from| {
            let (position, end, request) =
                (from.uint("a position")?, from.uint("a position")?, from.bin("a digest")?);
            let parts = list(from, |from| done_part(from, entities.len()))?;
            Ok(Done { position, end, request, parts })
        })?;
        from.end()?;
        Ok(SegmentIndex {
            segment,
            first,
            end,
            positions,
            before,
            after,
            time,
            entities,
            scopes,
            kinds,
            cursors,
            rows,
            done,
        })
    }
}

fn done_part(from: &mut Reader<'_>, entities: usize) -> Result<DonePart, BadRecord> {
    let entity = within(from, entities, "an entity")?;
    let (position, sequence, count) =
        (from.uint("a position")?, from.uint("a sequence")?, small(from, "a count")?);
    let (time, chain) = (unpack(from.uint("a time")?), Hash256(from.bin("a link")?));
    let key = from.optional_bin("a key")?.map(|key| Key(u128::from_be_bytes(key)));
    Ok(DonePart { entity, key, position, sequence, count, time, chain })
}

/// A count, then so many items. Nothing is reserved for a count that the bytes cannot hold.
fn list<'a, T>(
    from: &mut Reader<'a>,
    mut item: impl FnMut(&mut Reader<'a>) -> Result<T, BadRecord>,
) -> Result<Vec<T>, BadRecord> {
    let count = from.uint("a count")?;
    if count > from.left() as u64 {
        return Err(from.expected("fewer items than bytes"));
    }
    let mut items = Vec::with_capacity(count as usize);
    for _ in 0..count {
        items.push(item(from)?);
    }
    Ok(items)
}

fn small(from: &mut Reader<'_>, what: &'static str) -> Result<u32, BadRecord> {
    let value = from.uint(what)?;
    u32::try_from(value).map_err(|_| from.expected(what))
}

fn within(from: &mut Reader<'_>, len: usize, what: &'static str) -> Result<u32, BadRecord> {
    let value = small(from, what)?;
    if (value as usize) < len { Ok(value) } else { Err(from.expected(what)) }
}

/// 32 bits of a name.
pub(crate) fn name_print(name: &Name) -> u32 {
    (table::hash(name.as_str().as_bytes()) >> 32) as u32
}

/// Whether a segment may hold events that a reader wants, by its filter alone.
pub(super) fn may_hold(filter: &Filter, wanted: &api::Filter) -> bool {
    let id = |aspect, id: &EventId| filter.maybe(aspect, table::fingerprint(id.0));
    match wanted {
        api::Filter::All | api::Filter::CausesOf(_) | api::Filter::EffectsOf(_) => true,
        api::Filter::Entity(name) => filter.maybe(Aspect::Entity, name_print(name)),
        api::Filter::Scope(name) => filter.maybe(Aspect::Scope, name_print(name)),
        api::Filter::Kind(name) => filter.maybe(Aspect::Kind, name_print(name)),
        api::Filter::Id(wanted) => id(Aspect::Id, wanted),
        // A conversation's first event is known by its id alone.
        api::Filter::Correlation(wanted) => id(Aspect::Correlation, wanted) || id(Aspect::Id, wanted),
    }
}

impl SegmentIndex {
    /// A test for the rows that a reader may want; ids are compared by fingerprint.
    pub(crate) fn matcher(&self, wanted: &api::Filter) -> Match {
        let number =
            |name: &Name, names: &[Name]| names.iter().position(|known| known == name).map(|n| n as u32);
        match wanted {
            api::Filter::All => Match::All,
            api::Filter::Entity(name) => {
                let entity = self.entities.iter().position(|known| known.name == *name);
                entity.map_or(Match::None, |n| Match::Entity(n as u32))
            }
            api::Filter::Scope(name) => number(name, &self.scopes).map_or(Match::None, Match::Scope),
            api::Filter::Kind(name) => number(name, &self.kinds).map_or(Match::None, Match::Kind),
            api::Filter::Id(id) => Match::Id(table::hash_id(id.0)),
            api::Filter::Correlation(id) => Match::Correlation(table::fingerprint(id.0)),
            api::Filter::CausesOf(_) | api::Filter::EffectsOf(_) => Match::None,
        }
    }
}

/// See [`SegmentIndex::matcher`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Match {
    All,
    None,
    Entity(u32),
    Scope(u32),
    Kind(u32),
    Id(u64),
    Correlation(u32),
}

impl Match {
    pub(crate) fn takes(self, row: &Row) -> bool {
        match self {
            Match::All => true,
            Match::None => false,
            Match::Entity(number) => row.entity == number,
            Match::Scope(number) => row.scope == number,
            Match::Kind(number) => row.kind == number,
            Match::Id(hash) => row.id == hash,
            Match::Correlation(print) => row.correlation == print,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// The last sequence there is, given to an entity that has no event in the segment, and yet has one.
    #[test]
    fn a_footer_whose_sequences_run_over_is_refused() {
        let name = |text| Name::new(text).unwrap();
        let row = Row {
            offset: 0,
            len: 9,
            record: 0,
            entity: 0,
            scope: 0,
            kind: 0,
            id: 1,
            correlation: 1,
            causation: 0,
            sequence: 0,
        };
        let index = SegmentIndex {
            segment: 9,
            first: 0,
            end: 1,
            positions: u64::MAX,
            before: Hash256::default(),
            after: Hash256::default(),
            time: Hlc::default(),
            entities: vec![FooterEntity {
                name: name("a"),
                next: u64::MAX,
                count: 0,
                position: 0,
                chain: Hash256::default(),
            }],
            scopes: vec![name("s")],
            kinds: vec![name("k")],
            cursors: Vec::new(),
            rows: vec![row],
            done: Vec::new(),
        };
        assert_eq!(index.positions_end(), u64::MAX);
        assert!(SegmentIndex::decode(9, &index.encode()).is_err());
    }
}
