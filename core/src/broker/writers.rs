//! Write sessions: from a producer's requests to records of the log, and from durable records to acknowledgements.
//!
//! This module decides who may write where, which messages are new, and what each is told. It never writes: records go
//! through the broker's pump, as far as the log has room.
//!
//! # Promises
//!
//! - Of a producer, each number is stored once at most: a number up to the highest one that is in the log, or on its way
//!   there, is passed over.
//! - Each message of a session is acknowledged once, in the order of the requests, and not before it and everything that
//!   its answer rests on is durable.
//! - A producer has one session. A newer one ends the older: nothing that the older one still sends is taken in.
//! - The number that a session is opened with is the highest one stored, whoever stored it.
//!
//! Memory: for each session up to [`Config::session_bytes`](super::Config::session_bytes) of messages that wait for room.

use super::api::Message;
use super::catalogue::{PartitionId, TopicId};
use super::journal::{Effect, Then, Written};
use super::mutants::mutant;
use super::record::{self, Record};
use super::status::{self, BAD_REQUEST, OVERLOADED, SCHEME_ERROR, status};
use super::{Broker, Out, Owed, mark};
use crate::log::segments::Refused;
use crate::reader::wire::Batch;
use crate::writer::api::METADATA_BYTES;
use crate::writer::wire::{
    Ack, AckStatus, Codec, FromClient, FromServer, Init, MAX_SEQ_NO, Numbered, Session as Opened, Status,
};
use crate::{Action, Clock, ConnId};
use alloc::{
    collections::{BTreeMap, VecDeque},
    format,
    sync::Arc,
    vec::Vec,
};

/// All write sessions.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Writers {
    sessions: BTreeMap<ConnId, Session>,
    /// Sessions with something for the log, in the order of their turns.
    turns: VecDeque<ConnId>,
    /// Acknowledgements that wait until everything below a sequence is durable; the sequences rise.
    acks: VecDeque<(u64, ConnId, Vec<Ack>)>,
    /// Where the next session without a producer goes.
    next_partition: u32,
}

/// A write session.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Session {
    partition: PartitionId,
    /// Empty: nobody; then nothing is known again.
    producer: Arc<str>,
    meta: Arc<[(Arc<str>, Arc<str>)]>,
    epoch: u64,
    open: bool,
    /// What waits for room in the log.
    pieces: VecDeque<Piece>,
    /// Its bytes.
    bytes: u64,
}

/// Messages of one request that are stored together.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Piece {
    codec: Codec,
    messages: Vec<Numbered>,
    bytes: u64,
}

impl Writers {
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn has(&self, conn: ConnId) -> bool {
        self.sessions.contains_key(&conn)
    }

    /// Where the messages of a session go.
    #[cfg(feature = "serde")]
    pub(super) fn partition(&self, conn: ConnId) -> Option<PartitionId> {
        self.sessions.get(&conn).map(|session| session.partition)
    }

    fn remove(&mut self, conn: ConnId) -> Option<Session> {
        let session = self.sessions.remove(&conn)?;
        // The name of a connection may be used again.
        self.turns.retain(|turn| *turn != conn);
        self.acks.retain(|(_, to, _)| *to != conn);
        Some(session)
    }

    /// The sessions of a topic.
    fn of(&self, topic: TopicId) -> Vec<ConnId> {
        let of = self.sessions.iter().filter(|(_, session)| session.partition.topic == topic);
        of.map(|(conn, _)| *conn).collect()
    }
}

impl Broker {
    /// A writer speaks.
    pub(super) fn write_said(&mut self, clock: Clock, conn: ConnId, said: FromClient, out: &mut Out) {
        let result = match said {
            FromClient::Init(init) => self.open_writer(conn, init, out),
            _ if !self.writers.has(conn) => {
                Err(status(BAD_REQUEST, "the first message must be init_request"))
            }
            FromClient::Write { codec, messages } => self.take_messages(conn, codec, messages),
            FromClient::UpdateToken(_) => {
                reply(out, conn, FromServer::TokenUpdated);
                Ok(())
            }
        };
        match result {
            Ok(()) => self.pump(clock, out),
            Err(status) => self.fail_writer(conn, status, out),
        }
    }

    /// Ends a write session, or a stream that was to become one.
    pub(super) fn fail_writer(&mut self, conn: ConnId, status: Status, out: &mut Out) {
        self.leave_writer(conn);
        reply(out, conn, FromServer::Failed(status));
        self.hang_up(conn, out);
    }

    /// A connection is gone, and a session with it.
    pub(super) fn leave_writer(&mut self, conn: ConnId) {
        if let Some(session) = self.writers.remove(conn) {
            self.producers.leave(session.partition.topic, &session.producer, conn);
        }
    }

    /// Ends the sessions of a topic that goes.
    pub(super) fn fail_writers_of(&mut self, topic: TopicId, out: &mut Out) {
        for conn in self.writers.of(topic) {
            self.fail_writer(conn, status(SCHEME_ERROR, "the topic was dropped"), out);
        }
    }

    /// Ends all sessions.
    pub(super) fn fail_writers(&mut self, why: &Status, out: &mut Out) {
        let all: Vec<ConnId> = self.writers.sessions.keys().copied().collect();
        all.into_iter().for_each(|conn| self.fail_writer(conn, why.clone(), out));
    }

    fn open_writer(&mut self, conn: ConnId, init: Init, out: &mut Out) -> Result<(), Status> {
        if self.writers.has(conn) {
            return Err(status(BAD_REQUEST, "a second init_request"));
        }
        self.segments.admits(1, 0).or_else(|refused| match refused {
            Refused::Overloaded => Ok(()),
            refused => Err(status::refused(refused)),
        })?;
        if self.writers.len() >= self.config.sessions as usize {
            return Err(status(OVERLOADED, "too many write sessions"));
        }
        let Init { path, producer_id: producer, partition, group, session_meta: meta } = init;
        if producer.len() > 2048 {
            return Err(status(BAD_REQUEST, "producer_id is longer than 2048 bytes"));
        }
        if !(producer.is_empty() || group.is_empty() || group == producer || partition.is_some()) {
            let words = "unsupported producer_id / message_group_id / partition_id settings";
            return Err(status(BAD_REQUEST, words));
        }
        let (topic, partitions) = match self.catalogue.find(&path) {
            Some((id, topic)) if !self.dropping.contains(&id) => (id, topic.partitions.len() as u32),
            _ => return Err(status(SCHEME_ERROR, format!("there is no topic {path}"))),
        };
        let bound = self.producers.get(topic, &producer).map(|known| known.partition);
        let number = match (bound, partition) {
            (Some(bound), Some(wanted)) if bound != wanted => {
                let words = format!("producer {producer} writes to partition {bound}, not to {wanted}");
                return Err(status(BAD_REQUEST, words));
            }
            (Some(bound), _) => bound,
            (None, Some(wanted)) => wanted,
            (None, None) => match [&group, &producer].into_iter().find(|id| !id.is_empty()) {
                Some(source) => choose(source, partitions),
                None => {
                    self.writers.next_partition = self.writers.next_partition.wrapping_add(1);
                    self.writers.next_partition % partitions
                }
            },
        };
        if number >= partitions {
            return Err(status(BAD_REQUEST, format!("the topic has no partition {number}")));
        }
        let partition = PartitionId { topic, number };
        let mut session =
            Session { partition, producer, meta, epoch: 0, open: false, pieces: VecDeque::new(), bytes: 0 };
        if session.producer.is_empty() {
            session.open = true;
            self.writers.sessions.insert(conn, session);
            self.greet(conn, out);
            return Ok(());
        }
        let older = self.producers.get(topic, &session.producer).and_then(|known| known.session);
        if let Some(older) = older
            && !mutant!(OlderSessionLives)
        {
            mark(out, "older session of a producer ended");
            self.fail_writer(older, status::fenced(), out);
        }
        session.epoch = self.producers.get(topic, &session.producer).map_or(0, |known| known.epoch) + 1;
        let sequence = self.journal.end();
        self.producers.session(topic, &session.producer, number, session.epoch, sequence);
        if let Some(known) = self.producers.get_mut(topic, &session.producer) {
            known.session = Some(conn);
        }
        let record = Record::Session { partition, epoch: session.epoch, producer: session.producer.clone() };
        self.owe(record, Then::Open(conn));
        self.writers.sessions.insert(conn, session);
        Ok(())
    }

    /// Tells a session that it is open. Everything that its producer has in the log is durable.
    pub(super) fn greet(&mut self, conn: ConnId, out: &mut Out) {
        let Some(session) = self.writers.sessions.get_mut(&conn) else { return };
        session.open = true;
        let PartitionId { topic, number } = session.partition;
        let codecs = self.catalogue.topic(topic).map(|topic| topic.settings.codecs.clone());
        let greeting = Opened {
            session_id: Arc::from(format!("{}-{}-{}", session.producer, number, session.epoch)),
            partition: number,
            last_seq_no: self.producers.get(topic, &session.producer).map_or(0, |known| known.stored),
            codecs: codecs.unwrap_or_default(),
        };
        if greeting.last_seq_no > 0 {
            mark(out, "producer known again");
        }
        if !session.pieces.is_empty() {
            self.writers.turns.push_back(conn);
        }
        reply(out, conn, FromServer::Init(greeting));
    }

    /// Puts messages where they wait for room in the log.
    fn take_messages(&mut self, conn: ConnId, codec: Codec, messages: Vec<Numbered>) -> Result<(), Status> {
        let Some(session) = self.writers.sessions.get_mut(&conn) else { return Ok(()) };
        let bad = |words: Arc<str>| Err(status(BAD_REQUEST, words));
        if messages.is_empty() {
            return bad("a write request without messages".into());
        }
        let supported = self.catalogue.topic(session.partition.topic).map(|topic| &topic.settings.codecs);
        if codec == Codec(0) || supported.is_some_and(|codecs| !codecs.is_empty() && !codecs.contains(&codec))
        {
            return bad(format!("the topic does not take codec {}", codec.0).into());
        }
        let most = record::MESSAGE_BYTES as u64 + u64::from(self.config.message_bytes);
        let mut pieces = Vec::new();
        let mut piece = Piece { codec, messages: Vec::new(), bytes: 0 };
        for message in messages {
            let metadata: usize =
                message.payload.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
            let bytes = record::message_bytes(&message.payload) as u64;
            if metadata as u64 > METADATA_BYTES {
                return bad(format!("message {}: {metadata} bytes of metadata", message.seq_no).into());
            }
            if bytes > most + 10 * message.payload.metadata.len() as u64 {
                let is = message.payload.data.len() + metadata;
                let limit = self.config.message_bytes;
                return bad(format!("message {}: {is} bytes, at most {limit}", message.seq_no).into());
            }
            if !session.producer.is_empty() && !(1..=MAX_SEQ_NO).contains(&message.seq_no) {
                return bad(format!("{} is no sequence number", message.seq_no).into());
            }
            if !piece.messages.is_empty() && piece.bytes + bytes > self.config.record_bytes.into() {
                pieces.push(core::mem::replace(&mut piece, Piece { codec, messages: Vec::new(), bytes: 0 }));
            }
            piece.bytes += bytes;
            piece.messages.push(message);
        }
        pieces.push(piece);
        let bytes: u64 = pieces.iter().map(|piece| piece.bytes).sum();
        if !session.pieces.is_empty() && session.bytes + bytes > self.config.session_bytes {
            return Err(status(OVERLOADED, "too much is waiting in this session"));
        }
        session.bytes += bytes;
        if session.open && session.pieces.is_empty() {
            self.writers.turns.push_back(conn);
        }
        session.pieces.extend(pieces);
        Ok(())
    }

    /// Lets the sessions that have something take turns while the log has room.
    pub(super) fn pump_writers(&mut self, clock: Clock, out: &mut Out) {
        if self.pool.undrained() > self.config.pool.backlog_bytes && !self.writers.turns.is_empty() {
            return mark(out, "writers wait for the pool");
        }
        while let Some(conn) = self.writers.turns.front().copied() {
            let Some(session) = self.writers.sessions.get(&conn) else {
                self.writers.turns.pop_front();
                continue;
            };
            let Some(piece) = session.pieces.front() else {
                self.writers.turns.pop_front();
                continue;
            };
            let room = piece.bytes + session.producer.len() as u64 + meta_bytes(session) + 128;
            if mutant!(NumbersBeforeRoom) {
                let highest = piece.messages.iter().map(|message| message.seq_no).max().unwrap_or(0);
                let (topic, producer) = (session.partition.topic, session.producer.clone());
                let known = self.producers.get_mut(topic, &producer);
                let fails = !matches!(self.segments.admits(1, room), Ok(()) | Err(Refused::Overloaded));
                if let Some(known) = known.filter(|_| fails) {
                    known.accepted = known.accepted.max(highest);
                }
            }
            match self.segments.admits(1, room) {
                Ok(()) => {}
                Err(Refused::Overloaded) => {
                    mark(out, "writer waits for room");
                    return;
                }
                Err(refused) => {
                    mark(out, "writer refused for want of a disk");
                    self.fail_writer(conn, status::refused(refused), out);
                    continue;
                }
            }
            self.writers.turns.rotate_left(1);
            self.store_piece(clock, conn, out);
        }
    }

    /// Appends the next piece of a session.
    fn store_piece(&mut self, clock: Clock, conn: ConnId, out: &mut Out) {
        let Some(session) = self.writers.sessions.get_mut(&conn) else { return };
        let Some(Piece { codec, messages, bytes }) = session.pieces.pop_front() else { return };
        session.bytes -= bytes;
        let partition = session.partition;
        let (producer_id, session_meta) = (session.producer.clone(), session.meta.clone());
        let Some(offset) = self.catalogue.partition(partition).map(|partition| partition.next) else {
            return;
        };
        let mut known = self.producers.get_mut(partition.topic, &producer_id);
        let mut acks = Vec::with_capacity(messages.len());
        let mut new = Vec::with_capacity(messages.len());
        for message in messages {
            let seq_no = message.seq_no;
            let is_known = known.as_ref().is_some_and(|known| {
                if mutant!(OnlyLatestNumberKnown) {
                    seq_no == known.accepted
                } else {
                    seq_no <= known.accepted
                }
            });
            let status = if is_known {
                AckStatus::Skipped
            } else {
                if let Some(known) = &mut known {
                    known.accepted = known.accepted.max(seq_no);
                }
                new.push(message);
                AckStatus::Written { offset: offset + new.len() as u64 - 1 }
            };
            acks.push(Ack { seq_no, status });
        }
        if acks.iter().any(|ack| ack.status == AckStatus::Skipped) {
            mark(out, "number known again");
        }
        if !new.is_empty() {
            let count = new.len() as u64;
            let written_at = clock.wall;
            let batch = Batch { offset, producer_id, session_meta, codec, written_at, messages: new };
            let batch = Arc::new(batch);
            self.remember(partition, batch.clone());
            let effect = Effect::Messages(Written::of(partition, &batch));
            let bytes = record::messages(partition, &batch);
            self.append(clock, Owed { bytes, urgent: false, effect, then: Then::Nothing }, out);
            if let Some(partition) = self.catalogue.partition_mut(partition) {
                partition.next = offset + count;
            }
        }
        self.writers.acks.push_back((self.journal.end(), conn, acks));
    }

    /// Keeps a record in memory for readers. Those that make way for it are read from the pool from now on if they are there.
    fn remember(&mut self, partition: PartitionId, batch: Arc<Batch>) {
        for gone in self.tail.push(partition, batch, self.config.tail_bytes) {
            if let Some(of) = self.catalogue.partition_mut(gone) {
                of.forget_drained(|first| self.tail.get(gone, first).is_some());
            }
        }
    }

    /// Sends the acknowledgements for which everything below `durable` is enough. Those of one session travel together.
    pub(super) fn acknowledge(&mut self, durable: u64, out: &mut Out) {
        let mut ready: Vec<(ConnId, Vec<Ack>)> = Vec::new();
        while let Some((_, conn, acks)) = self.writers.acks.pop_front_if(|(needs, ..)| *needs <= durable) {
            match ready.iter_mut().rev().take(8).find(|(to, _)| *to == conn) {
                Some((_, more)) => more.extend(acks),
                None => ready.push((conn, acks)),
            }
        }
        for (conn, acks) in ready {
            reply(out, conn, FromServer::Acks(acks));
        }
    }
}

/// The bytes of what a session says of itself.
fn meta_bytes(session: &Session) -> u64 {
    session.meta.iter().map(|(name, value)| (name.len() + value.len() + 10) as u64).sum()
}

fn reply(out: &mut Out, conn: ConnId, said: FromServer) {
    out.push(Action::Write(conn, Message::WriteReply(said)));
}

/// The partition of a source that has none yet: the first 128-bit range of equal ones that its MD5 falls into, as YDB does.
fn choose(source: &str, partitions: u32) -> u32 {
    let hash = u128::from_be_bytes(md5::compute(source).0);
    let partitions = u128::from(partitions.max(1));
    // The last range takes what does not divide.
    (hash / (u128::MAX / partitions)).min(partitions - 1) as u32
}

impl Effect {
    /// The numbers that a record in the log stands for are taken, as far as this can be known from the log.
    pub(super) fn known(&self, broker: &mut Broker, sequence: u64) {
        match self {
            // Its topic may have been dropped while it waited for room.
            Effect::Other(Record::Session { partition, epoch, producer })
                if broker.catalogue.topic(partition.topic).is_some() =>
            {
                broker.producers.session(partition.topic, producer, partition.number, *epoch, sequence);
            }
            Effect::Messages(written) if !written.producer.is_empty() => {
                broker.producers.stored(
                    written.partition.topic,
                    &written.producer,
                    written.highest,
                    sequence,
                );
            }
            _ => {}
        }
    }
}
