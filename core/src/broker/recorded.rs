//! The broker as a recording needs to know it: payloads are the bulky contents of what writers say and readers are told.
//! A payload stands in its partition at the offset that its writer was acknowledged.

use super::Broker;
use super::api::{Message, Request, Response};
use super::catalogue::PartitionId;
use super::record::Record;
use crate::reader::wire::{self as read, Batch, PartitionData, PartitionSessionId};
use crate::recorded::{Bulky, Each, Held, Place, Recorded, Shelf};
use crate::writer::wire::{self as write, AckStatus, Codec, Numbered, Payload};
use crate::{ConnId, OpId, Wall};
use alloc::{sync::Arc, vec::Vec};
use bytes::Bytes;
use serde::{Serialize, Serializer};

impl Recorded for Broker {
    const SYSTEM: &'static str = "pipeline";

    fn places(_response: &Response) -> Option<Vec<Place>> {
        None
    }

    fn shelf(&self, conn: ConnId) -> Option<Shelf> {
        self.writers.partition(conn).map(shelf)
    }

    fn within(&self, op: OpId, read: &Bytes) -> Vec<Held> {
        if let Some(record) = self.segments.record_in(op, read) {
            return match Record::decode(&record.body) {
                Ok(Record::Messages { partition, batch }) => held(partition, &batch, read).collect(),
                _ => Vec::new(),
            };
        }
        let Some((partition, loaded)) = self.loaded_in(op, read) else { return Vec::new() };
        loaded.records.iter().flat_map(|(_, batch)| held(partition, batch, read)).collect()
    }

    fn settled(said: &Message) -> Vec<Option<u64>> {
        let Message::WriteReply(write::FromServer::Acks(acks)) = said else { return Vec::new() };
        let offset = |ack: &write::Ack| match ack.status {
            AckStatus::Written { offset } => Some(offset),
            AckStatus::Skipped | AckStatus::WrittenInTx => None,
        };
        acks.iter().map(offset).collect()
    }
}

/// Where the payloads of a batch are in the bytes that it was decoded from.
fn held(partition: PartitionId, batch: &Batch, read: &Bytes) -> impl Iterator<Item = Held> {
    let shelf = shelf(partition);
    let within =
        (batch.offset..).zip(&batch.messages).filter(|(_, message)| !message.payload.data.is_empty());
    within.filter_map(move |(position, Numbered { payload: Payload { data, .. }, .. })| {
        // A payload is a slice of what was read.
        let at = (data.as_ptr() as usize).checked_sub(read.as_ptr() as usize)?;
        let whole = at.checked_add(data.len()).is_some_and(|end| end <= read.len());
        whole.then_some(Held {
            at: u32::try_from(at).ok()?,
            len: u32::try_from(data.len()).ok()?,
            shelf,
            position,
        })
    })
}

fn shelf(partition: PartitionId) -> Shelf {
    Shelf { topic: partition.topic.0, partition: partition.number }
}

impl Bulky for Request {
    type Bare<'a> = &'a Request;

    fn bare(&self) -> &Request {
        self
    }

    fn contents(&self) -> Vec<Bytes> {
        Vec::new()
    }

    fn put_contents(&mut self, contents: Vec<Bytes>) -> bool {
        contents.is_empty()
    }
}

impl Bulky for Message {
    type Bare<'a> = Bare<'a>;

    fn bare(&self) -> Bare<'_> {
        Bare(self)
    }

    fn contents(&self) -> Vec<Bytes> {
        let data = |message: &Numbered| message.payload.data.clone();
        match self {
            Message::Write(write::FromClient::Write { messages, .. }) => messages.iter().map(data).collect(),
            Message::ReadReply(read::FromServer::Data { partitions, .. }) => {
                let batches = partitions.iter().flat_map(|partition| &partition.batches);
                batches.flat_map(|batch| &batch.messages).map(data).collect()
            }
            _ => Vec::new(),
        }
    }

    fn put_contents(&mut self, contents: Vec<Bytes>) -> bool {
        let mut contents = contents.into_iter();
        let mut enough = true;
        let mut put = |message: &mut Numbered| match contents.next() {
            Some(data) => message.payload.data = data,
            None => enough = false,
        };
        match self {
            Message::Write(write::FromClient::Write { messages, .. }) => messages.iter_mut().for_each(put),
            Message::ReadReply(read::FromServer::Data { partitions, .. }) => {
                let batches = partitions.iter_mut().flat_map(|partition| &mut partition.batches);
                batches.flat_map(|batch| &mut batch.messages).for_each(&mut put);
            }
            _ => {}
        }
        enough && contents.next().is_none()
    }
}

/// Something said on a stream, serialised as if its payloads were empty. Nothing is copied: a thread that steps a machine
/// can afford it.
#[derive(Clone, Copy, Debug)]
pub struct Bare<'a>(&'a Message);

impl Serialize for Bare<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Message::Write(write::FromClient::Write { codec, messages }) => {
                let messages = Each(messages, BareMessage::of);
                BareStream::Write(BareWriter::Write { codec: *codec, messages }).serialize(to)
            }
            Message::ReadReply(read::FromServer::Data { partitions, bytes }) => {
                let partitions = Each(partitions, BarePartition::of);
                BareStream::ReadReply(BareReader::Data { partitions, bytes: *bytes }).serialize(to)
            }
            other => other.serialize(to),
        }
    }
}

/// [`Message`], as far as it has payloads; the others hold their places.
#[derive(Serialize)]
enum BareStream<'a> {
    Write(BareWriter<'a>),
    #[expect(dead_code, reason = "counts")]
    WriteReply,
    #[expect(dead_code, reason = "counts")]
    Read,
    ReadReply(BareReader<'a>),
}

/// [`write::FromClient`], as far as it has payloads.
#[derive(Serialize)]
enum BareWriter<'a> {
    #[expect(dead_code, reason = "counts")]
    Init,
    Write {
        codec: Codec,
        messages: Each<'a, Numbered, BareMessage<'a>>,
    },
}

/// [`read::FromServer`], as far as it has payloads.
#[derive(Serialize)]
enum BareReader<'a> {
    #[expect(dead_code, reason = "counts")]
    Init,
    Data {
        partitions: Each<'a, PartitionData, BarePartition<'a>>,
        bytes: u64,
    },
}

/// [`PartitionData`], field by field.
#[derive(Serialize)]
struct BarePartition<'a> {
    session: PartitionSessionId,
    batches: Each<'a, Batch, BareBatch<'a>>,
}

impl BarePartition<'_> {
    fn of(data: &PartitionData) -> BarePartition<'_> {
        // Whoever adds a field, here or below, is reminded by the pattern.
        let PartitionData { session, batches } = data;
        BarePartition { session: *session, batches: Each(batches, BareBatch::of) }
    }
}

/// [`Batch`], field by field.
#[derive(Serialize)]
struct BareBatch<'a> {
    offset: u64,
    producer_id: &'a Arc<str>,
    session_meta: &'a Arc<[(Arc<str>, Arc<str>)]>,
    codec: Codec,
    written_at: Wall,
    messages: Each<'a, Numbered, BareMessage<'a>>,
}

impl BareBatch<'_> {
    fn of(batch: &Batch) -> BareBatch<'_> {
        let Batch { offset, producer_id, session_meta, codec, written_at, messages } = batch;
        BareBatch {
            offset: *offset,
            producer_id,
            session_meta,
            codec: *codec,
            written_at: *written_at,
            messages: Each(messages, BareMessage::of),
        }
    }
}

/// [`Numbered`], field by field.
#[derive(Serialize)]
struct BareMessage<'a> {
    seq_no: u64,
    payload: BarePayload<'a>,
}

/// [`Payload`], field by field.
#[derive(Serialize)]
struct BarePayload<'a> {
    data: Bytes,
    codec: Codec,
    uncompressed_size: u64,
    created_at: Wall,
    metadata: &'a [(Arc<str>, Bytes)],
}

impl BareMessage<'_> {
    fn of(message: &Numbered) -> BareMessage<'_> {
        let Numbered { seq_no, payload } = message;
        let Payload { data: _, codec, uncompressed_size, created_at, metadata } = payload;
        let payload = BarePayload {
            data: Bytes::new(),
            codec: *codec,
            uncompressed_size: *uncompressed_size,
            created_at: *created_at,
            metadata,
        };
        BareMessage { seq_no: *seq_no, payload }
    }
}
