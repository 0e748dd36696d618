//! What a broker writes into its log: one record for each thing that it must not forget. This module decides the bytes;
//! it knows no state. Invariants: self-contained records, a canonical encoding (one value has one: the shortest), and a
//! total decoder: any bytes give a record or a [`BadRecord`] that names the byte.
//!
//! # Layout
//!
//! MessagePack. Each record is an array whose first value is its kind, a `uint`:
//!
//! | kind | record | then |
//! |---|---|---|
//! | 0 | topic made | path `str`, time `uint`, settings |
//! | 1 | topic changed | topic `uint`, settings |
//! | 2 | topic dropped | topic `uint` |
//! | 3 | producer's session | topic, partition, epoch `uint`, producer `str` |
//! | 4 | messages | topic, partition, offset, time, codec `uint`, producer `str`, pairs of `str` about the session, messages |
//! | 5 | commit | topic, partition, offset `uint`, consumer `str` |
//! | 6 | messages given up | topic, partition, offset `uint` |
//! | 7 | messages drained | topic, partition `uint`, file |
//! | 8 to 14 | part of a checkpoint | see [`parts`] |
//!
//! A topic is named by the sequence of the record that made it. Settings are an array of six: partitions `uint`,
//! retention in nanoseconds and in bytes (`uint` or `nil`), codecs (array of `uint`), pairs, consumers; a consumer is an
//! array of five: name `str`, importance 0 or 1, time `uint` or `nil`, codecs, pairs. Pairs are an array of names and
//! values by turns. A message is an array of five: number, time, size before encoding `uint`, pairs of `str` and `bin`,
//! payload `bin`. Times are nanoseconds since the Unix epoch. A codec's number is taken as unsigned. A file is an array of
//! seven `uint`: its number, where in it the messages begin and end, the first offset and the one after the last, bytes of
//! the records, and the time of the latest.

use super::api::{Consumer, Settings};
use super::catalogue::{File, PartitionId, TopicId};
use crate::pack::{BadRecord, Reader, put_array, put_bin, put_nil, put_text, put_uint};
use crate::reader::wire::Batch;
use crate::writer::wire::{Codec, Numbered, Payload};
use crate::{Dur, Wall};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use bytes::Bytes;
use rmp::encode::ByteBuf;

/// A record.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Record {
    /// A topic was made; its id is the sequence of this record.
    Create { path: Arc<str>, created_at: Wall, settings: Settings },
    /// A topic is set up so from now on.
    Alter { topic: TopicId, settings: Settings },
    /// A topic is gone.
    Drop { topic: TopicId },
    /// A producer has opened a session: older ones of it are over.
    Session { partition: PartitionId, epoch: u64, producer: Arc<str> },
    /// Messages of one producer.
    Messages { partition: PartitionId, batch: Batch },
    /// A consumer has dealt with everything below an offset.
    Commit { partition: PartitionId, offset: u64, consumer: Arc<str> },
    /// Everything below an offset was given up.
    Trim { partition: PartitionId, offset: u64 },
    /// Messages are in a file of the pool, durably.
    Drained { partition: PartitionId, file: File },
    /// Part of a checkpoint.
    Part(Part),
}

const CREATE: u64 = 0;
const ALTER: u64 = 1;
const DROP: u64 = 2;
const SESSION: u64 = 3;
const MESSAGES: u64 = 4;
const COMMIT: u64 = 5;
const TRIM: u64 = 6;
const DRAINED: u64 = 7;

/// What a message takes in a record besides its payload and metadata, at most.
pub(super) const MESSAGE_BYTES: usize = 48;

mod parts;

pub(super) use parts::{Known, Part};

impl Record {
    /// Whether it is what a full disk takes first: it gives something up, or lets the log be cut.
    pub(super) fn makes_room(&self) -> bool {
        matches!(
            self,
            Record::Alter { .. } | Record::Drop { .. } | Record::Trim { .. } | Record::Drained { .. }
        )
    }

    /// The bytes.
    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = ByteBuf::with_capacity(128);
        let out = &mut bytes;
        match self {
            Record::Create { path, created_at, settings } => {
                begin(out, CREATE, 3);
                put_text(out, path);
                put_uint(out, created_at.0);
                put_settings(out, settings);
            }
            Record::Alter { topic, settings } => {
                begin(out, ALTER, 2);
                put_uint(out, topic.0);
                put_settings(out, settings);
            }
            Record::Drop { topic } => {
                begin(out, DROP, 1);
                put_uint(out, topic.0);
            }
            Record::Session { partition, epoch, producer } => {
                begin(out, SESSION, 4);
                put_partition(out, *partition);
                put_uint(out, *epoch);
                put_text(out, producer);
            }
            Record::Messages { partition, batch } => return messages(*partition, batch),
            Record::Commit { partition, offset, consumer } => {
                begin(out, COMMIT, 4);
                put_partition(out, *partition);
                put_uint(out, *offset);
                put_text(out, consumer);
            }
            Record::Trim { partition, offset } => {
                begin(out, TRIM, 3);
                put_partition(out, *partition);
                put_uint(out, *offset);
            }
            Record::Drained { partition, file } => {
                begin(out, DRAINED, 3);
                put_partition(out, *partition);
                put_file(out, file);
            }
            Record::Part(part) => part.put(out),
        }
        Bytes::from(bytes.into_vec())
    }

    /// Reads a record. Payloads share `bytes`.
    pub(super) fn decode(bytes: &Bytes) -> Result<Record, BadRecord> {
        let mut from = Reader::new(bytes);
        let arity = from.array()?;
        let kind = from.uint("the kind of a record")?;
        let record = match (kind, arity) {
            (CREATE, 4) => Record::Create {
                path: text(&mut from)?,
                created_at: Wall(from.uint("a time")?),
                settings: settings(&mut from)?,
            },
            (ALTER, 3) => Record::Alter { topic: topic(&mut from)?, settings: settings(&mut from)? },
            (DROP, 2) => Record::Drop { topic: topic(&mut from)? },
            (SESSION, 5) => Record::Session {
                partition: partition(&mut from)?,
                epoch: from.uint("an epoch")?,
                producer: text(&mut from)?,
            },
            (MESSAGES, 9) => Record::Messages { partition: partition(&mut from)?, batch: batch(&mut from)? },
            (COMMIT, 5) => Record::Commit {
                partition: partition(&mut from)?,
                offset: from.uint("an offset")?,
                consumer: text(&mut from)?,
            },
            (TRIM, 4) => Record::Trim { partition: partition(&mut from)?, offset: from.uint("an offset")? },
            (DRAINED, 4) => Record::Drained { partition: partition(&mut from)?, file: file(&mut from)? },
            (kind, arity) => Record::Part(Part::read(&mut from, kind, arity)?),
        };
        from.end()?;
        Ok(record)
    }
}

/// The bytes of a record of messages.
pub(super) fn messages(partition: PartitionId, batch: &Batch) -> Bytes {
    let bytes: usize = batch.messages.iter().map(|message| message_bytes(&message.payload)).sum();
    let mut out = ByteBuf::with_capacity(bytes + batch.producer_id.len() + 128);
    begin(&mut out, MESSAGES, 8);
    put_partition(&mut out, partition);
    put_batch(&mut out, batch);
    Bytes::from(out.into_vec())
}

/// About how many bytes a message takes.
pub(super) fn message_bytes(payload: &Payload) -> usize {
    let metadata: usize = payload.metadata.iter().map(|(name, value)| name.len() + value.len() + 10).sum();
    payload.data.len() + metadata + MESSAGE_BYTES
}

fn begin(out: &mut ByteBuf, kind: u64, values: u32) {
    put_array(out, values + 1);
    put_uint(out, kind);
}

fn put_partition(out: &mut ByteBuf, partition: PartitionId) {
    put_uint(out, partition.topic.0);
    put_uint(out, partition.number.into());
}

fn put_optional(out: &mut ByteBuf, value: Option<u64>) {
    match value {
        Some(value) => put_uint(out, value),
        None => put_nil(out),
    }
}

/// The length of an array; nothing that is put here comes near the bound.
fn put_len(out: &mut ByteBuf, len: usize) {
    put_array(out, u32::try_from(len).unwrap_or(u32::MAX));
}

fn put_codecs(out: &mut ByteBuf, codecs: &[Codec]) {
    put_len(out, codecs.len());
    codecs.iter().for_each(|codec| put_uint(out, u64::from(codec.0.cast_unsigned())));
}

fn put_pairs<'a>(out: &mut ByteBuf, pairs: impl ExactSizeIterator<Item = (&'a Arc<str>, &'a Arc<str>)>) {
    put_len(out, 2 * pairs.len());
    for (name, value) in pairs {
        put_text(out, name);
        put_text(out, value);
    }
}

fn put_settings(out: &mut ByteBuf, settings: &Settings) {
    let Settings { partitions, retention, retention_bytes, codecs, attributes, consumers } = settings;
    put_array(out, 6);
    put_uint(out, (*partitions).into());
    put_optional(out, retention.map(|span| span.0));
    put_optional(out, *retention_bytes);
    put_codecs(out, codecs);
    put_pairs(out, attributes.iter());
    put_len(out, consumers.len());
    for (name, Consumer { important, read_from, codecs, attributes }) in consumers {
        put_array(out, 5);
        put_text(out, name);
        put_uint(out, u64::from(*important));
        put_optional(out, read_from.map(|wall| wall.0));
        put_codecs(out, codecs);
        put_pairs(out, attributes.iter());
    }
}

fn put_file(out: &mut ByteBuf, file: &File) {
    let File { number, from, to, first, end, bytes, newest } = *file;
    put_array(out, 7);
    [number, from, to, first, end, bytes, newest.0].into_iter().for_each(|value| put_uint(out, value));
}

fn put_batch(out: &mut ByteBuf, batch: &Batch) {
    let Batch { offset, producer_id, session_meta, codec, written_at, messages } = batch;
    put_uint(out, *offset);
    put_uint(out, written_at.0);
    put_uint(out, u64::from(codec.0.cast_unsigned()));
    put_text(out, producer_id);
    put_pairs(out, session_meta.iter().map(|(name, value)| (name, value)));
    put_len(out, messages.len());
    for Numbered { seq_no, payload } in messages {
        put_array(out, 5);
        put_uint(out, *seq_no);
        put_uint(out, payload.created_at.0);
        put_uint(out, payload.uncompressed_size);
        put_len(out, 2 * payload.metadata.len());
        for (name, value) in &payload.metadata {
            put_text(out, name);
            put_bin(out, value);
        }
        put_bin(out, &payload.data);
    }
}

fn text(from: &mut Reader<'_>) -> Result<Arc<str>, BadRecord> {
    Ok(Arc::from(from.text()?.1))
}

fn topic(from: &mut Reader<'_>) -> Result<TopicId, BadRecord> {
    from.uint("a topic").map(TopicId)
}

fn partition(from: &mut Reader<'_>) -> Result<PartitionId, BadRecord> {
    Ok(PartitionId { topic: topic(from)?, number: small(from, "a partition")? })
}

fn small(from: &mut Reader<'_>, what: &'static str) -> Result<u32, BadRecord> {
    let value = from.uint(what)?;
    u32::try_from(value).map_err(|_| from.expected(what))
}

fn optional(from: &mut Reader<'_>, what: &'static str) -> Result<Option<u64>, BadRecord> {
    if from.nil() { Ok(None) } else { from.uint(what).map(Some) }
}

/// An array of values that `read` reads one by one. What the length claims is not believed before it is there.
fn list<'a, T>(
    from: &mut Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Result<T, BadRecord>,
) -> Result<Vec<T>, BadRecord> {
    let len = from.array()?;
    let mut values = Vec::with_capacity((len as usize).min(from.left()).min(1 << 16));
    for _ in 0..len {
        values.push(read(from)?);
    }
    Ok(values)
}

/// Names and values by turns.
fn pairs<'a, K, V>(
    from: &mut Reader<'a>,
    name: impl Fn(&mut Reader<'a>) -> Result<K, BadRecord>,
    value: impl Fn(&mut Reader<'a>) -> Result<V, BadRecord>,
) -> Result<Vec<(K, V)>, BadRecord> {
    let len = from.array()?;
    if !len.is_multiple_of(2) {
        return Err(from.expected("names and values by turns"));
    }
    let mut values = Vec::with_capacity((len as usize / 2).min(from.left()).min(1 << 10));
    for _ in 0..len / 2 {
        values.push((name(from)?, value(from)?));
    }
    Ok(values)
}

fn exactly(from: &mut Reader<'_>, len: u32, what: &'static str) -> Result<(), BadRecord> {
    if from.array()? == len { Ok(()) } else { Err(from.expected(what)) }
}

fn file(from: &mut Reader<'_>) -> Result<File, BadRecord> {
    exactly(from, 7, "a file: an array of 7")?;
    Ok(File {
        number: from.uint("a file's number")?,
        from: from.uint("where messages begin")?,
        to: from.uint("where messages end")?,
        first: from.uint("an offset")?,
        end: from.uint("an offset")?,
        bytes: from.uint("a size")?,
        newest: Wall(from.uint("a time")?),
    })
}

fn codec(from: &mut Reader<'_>) -> Result<Codec, BadRecord> {
    Ok(Codec(small(from, "a codec")?.cast_signed()))
}

fn attributes(from: &mut Reader<'_>) -> Result<BTreeMap<Arc<str>, Arc<str>>, BadRecord> {
    Ok(pairs(from, text, text)?.into_iter().collect())
}

fn settings(from: &mut Reader<'_>) -> Result<Settings, BadRecord> {
    exactly(from, 6, "settings: an array of 6")?;
    Ok(Settings {
        partitions: small(from, "how many partitions")?,
        retention: optional(from, "a retention")?.map(Dur),
        retention_bytes: optional(from, "a retention in bytes")?,
        codecs: list(from, codec)?,
        attributes: attributes(from)?,
        consumers: list(from, consumer)?.into_iter().collect(),
    })
}

fn consumer(from: &mut Reader<'_>) -> Result<(Arc<str>, Consumer), BadRecord> {
    exactly(from, 5, "a consumer: an array of 5")?;
    let name = text(from)?;
    let important = match from.uint("an importance")? {
        0 => false,
        1 => true,
        _ => return Err(from.expected("an importance of 0 or 1")),
    };
    let read_from = optional(from, "a time")?.map(Wall);
    Ok((name, Consumer { important, read_from, codecs: list(from, codec)?, attributes: attributes(from)? }))
}

fn batch(from: &mut Reader<'_>) -> Result<Batch, BadRecord> {
    let offset = from.uint("an offset")?;
    let written_at = Wall(from.uint("a time")?);
    let codec = codec(from)?;
    let producer_id = text(from)?;
    let session_meta = pairs(from, text, text)?.into();
    let messages = list(from, |from| {
        exactly(from, 5, "a message: an array of 5")?;
        let seq_no = from.uint("a sequence number")?;
        let created_at = Wall(from.uint("a time")?);
        let uncompressed_size = from.uint("a size")?;
        let metadata = pairs(from, text, |from| from.bytes("a value"))?;
        let data = from.bytes("a payload")?;
        Ok(Numbered { seq_no, payload: Payload { data, codec, uncompressed_size, created_at, metadata } })
    })?;
    if messages.is_empty() || offset.checked_add(messages.len() as u64).is_none() {
        return Err(from.expected("messages"));
    }
    Ok(Batch { offset, producer_id, session_meta, codec, written_at, messages })
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
