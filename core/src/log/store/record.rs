//! The body of a record: MessagePack, mapped by hand, self-contained. This module decides how an event or a saved
//! cursor is written and read back; it never looks at other records. Invariants: encoding is canonical (one value
//! has one encoding: the shortest), so that a hash over the bytes is a hash over the value; decoding is total, every
//! byte string gives a record or a [`BadRecord`] that names the byte.
//!
//! # Layout
//!
//! An event is an array of eight, followed by up to two attachments:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | `fixarray 8` |
//! | 1 to 2 + n | entity: `str` |
//! | 18 | event id: `bin 8` of 16 bytes, big endian |
//! | 1 to 2 + n | kind: `str` |
//! | 1 to 2 + n | scope: `str` |
//! | 1 or 18 | correlation: `nil` if it is the event's own id, else as the id |
//! | 1 or 18 | causation: `nil` if there is none, else as the id |
//! | 1 to 9 | logical time: `uint`, milliseconds in the upper 48 bits, counter in the lower 16 |
//! | 2 to 5 + n | payload: `bin` |
//! | 38 | on the first event of a part with an idempotency key: `fixarray 2` of key and request digest, `bin 8` of 16 bytes each (37 bytes) |
//! | 1 to 9 | on the last record of an atomic unit: the first 8 bytes of the store's digest after the unit, `uint` |
//!
//! The array of eight is what the entity's hash chain covers. What can be recomputed is not stored: position,
//! sequence, content hash, chain. With names of 20 bytes, a kind of 8 and no cause an event of 256 bytes takes
//! 256 + 84 bytes, and each unit 9 more.
//!
//! A cursor is an array of two, reader (`str`) and position (`uint`), followed by the digest as above.

use crate::log::api::{self, EventId, Hlc, Key, Name};
pub use crate::pack::{BadRecord, Problem};
pub(crate) use crate::pack::{Reader, put_bin, put_uint};
use crate::pack::{put_array, put_nil, put_text};
use alloc::vec::Vec;
use bytes::Bytes;
use rmp::{Marker, encode::ByteBuf};

/// A record as it is stored.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Record {
    /// What it says.
    pub(crate) content: Content,
    /// Only on a unit's last record: the beginning of the store's digest after the unit.
    pub(crate) digest: Option<u64>,
    /// How many bytes from the start the array takes.
    pub(crate) body: usize,
}

/// What a record says.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Content {
    /// An event.
    Event(Stored),
    /// A reader's cursor.
    Cursor { reader: Name, position: u64 },
}

/// An event as it is stored.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Stored {
    pub(crate) entity: Name,
    pub(crate) id: EventId,
    pub(crate) kind: Name,
    pub(crate) scope: Name,
    pub(crate) correlation: EventId,
    pub(crate) causation: Option<EventId>,
    pub(crate) time: Hlc,
    pub(crate) payload: Bytes,
    /// Only on the first event of a part that has a key.
    pub(crate) key: Option<Keyed>,
}

/// An idempotency key with the digest of the request that used it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Keyed {
    pub(crate) key: Key,
    pub(crate) request: [u8; 16],
}

/// What is to be written of an event; borrowed, as it is encoded once and not kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) entity: &'a Name,
    pub(crate) id: EventId,
    pub(crate) kind: &'a Name,
    pub(crate) scope: &'a Name,
    pub(crate) correlation: EventId,
    pub(crate) causation: Option<EventId>,
    pub(crate) time: Hlc,
    pub(crate) payload: &'a [u8],
}

impl<'a> From<&'a Stored> for Fields<'a> {
    fn from(event: &'a Stored) -> Fields<'a> {
        let Stored { entity, id, kind, scope, correlation, causation, time, payload, .. } = event;
        let (id, correlation, causation, time) = (*id, *correlation, *causation, *time);
        Fields { entity, id, kind, scope, correlation, causation, time, payload }
    }
}

impl<'a> From<&'a api::Event> for Fields<'a> {
    fn from(event: &'a api::Event) -> Fields<'a> {
        let api::Event { entity, id, kind, scope, correlation, causation, time, payload, .. } = event;
        let (id, correlation, causation, time) = (*id, *correlation, *causation, *time);
        Fields { entity, id, kind, scope, correlation, causation, time, payload }
    }
}

/// Appends the array of an event to `out`.
pub(crate) fn put_event(out: &mut ByteBuf, event: Fields<'_>) {
    put_array(out, 8);
    put_text(out, event.entity.as_str());
    put_id(out, event.id.0);
    put_text(out, event.kind.as_str());
    put_text(out, event.scope.as_str());
    match (event.correlation != event.id).then_some(event.correlation) {
        Some(id) => put_id(out, id.0),
        None => put_nil(out),
    }
    match event.causation {
        Some(id) => put_id(out, id.0),
        None => put_nil(out),
    }
    put_uint(out, pack(event.time));
    put_bin(out, event.payload);
}

/// Appends the key attachment.
pub(crate) fn put_key(out: &mut ByteBuf, keyed: &Keyed) {
    put_array(out, 2);
    put_id(out, keyed.key.0);
    put_bin(out, &keyed.request);
}

/// Appends the array of a cursor.
pub(crate) fn put_cursor(out: &mut ByteBuf, reader: &Name, position: u64) {
    put_array(out, 2);
    put_text(out, reader.as_str());
    put_uint(out, position);
}

/// Appends the digest of a unit.
pub(crate) fn put_digest(out: &mut ByteBuf, digest: u64) {
    put_uint(out, digest);
}

fn put_id(out: &mut ByteBuf, id: u128) {
    put_bin(out, &id.to_be_bytes());
}

pub(crate) fn put_name(out: &mut ByteBuf, name: &Name) {
    put_text(out, name.as_str());
}

/// Milliseconds and counter in one number; order is kept.
pub(crate) fn pack(time: Hlc) -> u64 {
    time.millis << 16 | u64::from(time.counter & 0xffff)
}

pub(crate) fn unpack(time: u64) -> Hlc {
    // The lower 16 bits fit any u32.
    Hlc { millis: time >> 16, counter: (time & 0xffff) as u32 }
}

/// Reads a whole record. The payload shares `bytes`.
pub(crate) fn decode(bytes: &Bytes) -> Result<Record, BadRecord> {
    let mut cursor = Reader::new(bytes);
    let arity = cursor.array()?;
    let mut content = match arity {
        8 => Content::Event(cursor.event()?),
        2 => {
            let reader = cursor.name()?;
            Content::Cursor { reader, position: cursor.uint("a position")? }
        }
        _ => return Err(BadRecord { at: 0, problem: Problem::Expected("an array of 8 or 2") }),
    };
    let body = cursor.at();
    if let Content::Event(event) = &mut content {
        event.key = cursor.key()?;
    }
    let digest = if cursor.left() == 0 { None } else { Some(cursor.uint("a digest")?) };
    cursor.end()?;
    Ok(Record { content, digest, body })
}

impl Reader<'_> {
    pub(crate) fn name(&mut self) -> Result<Name, BadRecord> {
        let (at, text) = self.text()?;
        Name::new(text).map_err(|bad| BadRecord { at, problem: Problem::Name(bad) })
    }

    fn id(&mut self) -> Result<EventId, BadRecord> {
        Ok(EventId(u128::from_be_bytes(self.bin("an id of 16 bytes")?)))
    }

    fn optional_id(&mut self) -> Result<Option<EventId>, BadRecord> {
        if self.nil() {
            return Ok(None);
        }
        self.id().map(Some)
    }

    fn event(&mut self) -> Result<Stored, BadRecord> {
        let entity = self.name()?;
        let id = self.id()?;
        let kind = self.name()?;
        let scope = self.name()?;
        let correlation = self.optional_id()?.unwrap_or(id);
        let causation = self.optional_id()?;
        let time = unpack(self.uint("a time")?);
        let payload = self.bytes("a payload")?;
        Ok(Stored { entity, id, kind, scope, correlation, causation, time, payload, key: None })
    }

    /// The key attachment, if one follows.
    fn key(&mut self) -> Result<Option<Keyed>, BadRecord> {
        if self.next() != Some(Marker::FixArray(2)) {
            return Ok(None);
        }
        self.array()?;
        let key = Key(u128::from_be_bytes(self.bin("a key of 16 bytes")?));
        Ok(Some(Keyed { key, request: self.bin("a digest of 16 bytes")? }))
    }
}

/// Gives the records of one unit their bytes, all in one allocation.
pub(crate) struct UnitWriter {
    pub(crate) out: ByteBuf,
    ends: Vec<usize>,
}

impl UnitWriter {
    /// For about this many bytes and records.
    pub(crate) fn new(bytes: usize, records: usize) -> UnitWriter {
        UnitWriter { out: ByteBuf::with_capacity(bytes), ends: Vec::with_capacity(records) }
    }

    /// What was written since the last record ended.
    pub(crate) fn current(&self) -> &[u8] {
        &self.out.as_slice()[self.ends.last().copied().unwrap_or(0)..]
    }

    /// Ends a record.
    pub(crate) fn end(&mut self) {
        self.ends.push(self.out.as_slice().len());
    }

    /// The unit's records.
    pub(crate) fn finish(self) -> Vec<Bytes> {
        let whole = Bytes::from(self.out.into_vec());
        let mut from = 0;
        self.ends
            .into_iter()
            .map(|end| {
                let record = whole.slice(from..end);
                from = end;
                record
            })
            .collect()
    }
}

/// A record as it was before it was decoded, if it was encoded canonically.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn encode(record: &Record) -> Bytes {
    let mut out = ByteBuf::new();
    match &record.content {
        Content::Event(event) => {
            put_event(&mut out, Fields::from(event));
            if let Some(keyed) = &event.key {
                put_key(&mut out, keyed);
            }
        }
        Content::Cursor { reader, position } => put_cursor(&mut out, reader, *position),
    }
    if let Some(digest) = record.digest {
        put_digest(&mut out, digest);
    }
    Bytes::from(out.into_vec())
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
