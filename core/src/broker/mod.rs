//! A topic broker: topics with partitions, written to and read from over streams, kept in one log, as one [`Node`].
//!
//! It decides who may write and read where, which messages are new, what offset each has, who is given which partition,
//! what is committed, given up and answered; the [*segments*](crate::log::segments) below it decide where bytes go and
//! when they are proven. It never reads a clock, never waits for a reader and never touches a byte of a file. What is said
//! on streams are the messages of the YDB Topic API as values ([`crate::writer::wire`], [`crate::reader::wire`]).
//!
//! # From a message to an acknowledgement
//!
//! ```text
//!  Write ─▶ session ─▶ piece ─▶ pump ─▶ known number? ─▶ record ─▶ log ─▶ Durable ─▶ acknowledged, shown to readers
//!           bounded           room in                 offset            (group)        in the order of the log
//!                             the log                 given
//! ```
//!
//! All partitions share one log, so that one sync makes durable what came for any of them. Everything that must not be
//! forgotten is a record of it: topics, producers' sessions, messages, commits, what was given up. The tables in memory
//! (topics and producers) are those records applied in the order of the log, once they are durable; recovery does
//! the same. What is accepted and not durable yet counts in two places only: the next offset of a partition, and the
//! numbers that a producer has used.
//!
//! # Promises
//!
//! - A message that was acknowledged survives every crash, and is shown to readers at its offset.
//! - Per producer and topic a sequence number is stored once at most, also across crashes, for as long as the producer is
//!   remembered ([`Config::producers`]).
//! - Offsets of a partition are dense from 0; an offset that was acknowledged or shown never means another message.
//! - Messages of a producer have offsets in the order of their numbers.
//! - Readers see durable messages only, each partition in order, without a gap except where messages were given up.
//! - Of a consumer, each partition has one reader; commits of another one have no effect.
//! - Every call is answered once, every message that was taken in is acknowledged or its session ends.
//!
//! # Memory
//!
//! Each topic, partition, consumer and commit: what its names take and about 200 bytes; each producer that is remembered
//! its name and about 150; each file of the pool about 80, each record of messages 56 while it is in the log alone. All
//! else is bounded by [`Config`].
//!
//! # On disk
//!
//! The log is the segments in the broker's folder. What it says of messages is drained in the background into the files of
//! the [`pool`]; now and then it says all tables once more, a *checkpoint*, and what is in front of that is given up once all
//! messages there are drained. So a start reads about two times [`Config::checkpoint_bytes`], and lists the pool's folder.

pub mod api;
mod calls;
mod catalogue;
mod checkpoint;
mod config;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod journal;
pub mod mutants;
pub mod pool;
mod producers;
mod progress;
mod readers;
mod record;
#[cfg(feature = "serde")]
mod recorded;
mod retention;
mod status;
mod tail;
#[cfg(test)]
mod tests;
mod writers;

pub use config::Config;
pub use mutants::Mutant;

use crate::log::api::{Damage, Frontiers, Phase, Recovered};
use crate::log::segments::{self, Location, Segments};
use crate::reader::wire as read;
use crate::{Action, Clock, ConfigError, ConnId, Input, Machine, Mark, Mono, Node, Window};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    vec::Vec,
};
use api::{Message, Request, Response, Timer};
use bytes::Bytes;
use calls::Calls;
use catalogue::{Catalogue, PartitionId, Span, TopicId};
use checkpoint::Checkpoints;
use journal::{Effect, Journal, Then};
use pool::Pool;
use producers::Producers;
use readers::{Ask, Readers, Wish};
use record::Record;
use tail::Tail;
use writers::Writers;

const PARTS: &[&[&str]] =
    &[segments::MARKS, segments::RELEASE_MARKS, OWN_MARKS, readers::MARKS, pool::MARKS, checkpoint::MARKS];

/// How many marks there are.
const MARK_COUNT: usize = {
    let (mut count, mut part) = (0, 0);
    while part < PARTS.len() {
        count += PARTS[part].len();
        part += 1;
    }
    count
};

/// The interesting places of the broker, its read sessions, its log and its pool, as [`crate::Mark`]s.
pub const MARKS: &[&str] = &{
    let mut all = [""; MARK_COUNT];
    let (mut part, mut n, mut at) = (0, 0, 0);
    while at < all.len() {
        if n == PARTS[part].len() {
            (part, n) = (part + 1, 0);
            continue;
        }
        all[at] = PARTS[part][n];
        (n, at) = (n + 1, at + 1);
    }
    all
};

const OWN_MARKS: &[&str] = &[
    "older session of a producer ended",
    "producer known again",
    "number known again",
    "writer waits for room",
    "writer refused for want of a disk",
    "outcome of a call unknown",
    "commit position moved by a call",
    "messages given up",
    "messages read from the disk",
    "room made on a full disk",
];

/// What the broker pushes.
type Out = Vec<Action<Message, Timer, Response>>;

/// A topic broker. See the module's documentation; [`api`] is its contract.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Broker {
    config: Arc<Config>,
    segments: Segments,
    stage: Stage,
    recovery: Option<Arc<Recovered>>,
    full: bool,
    catalogue: Catalogue,
    producers: Producers,
    /// Records that the log has and has not proven.
    journal: Journal,
    /// Records that make room, and wait for some in the log; before any others.
    urgent: VecDeque<Owed>,
    /// Records that wait for room in the log; before any messages.
    owed: VecDeque<Owed>,
    tail: Tail,
    pool: Pool,
    checkpoints: Checkpoints,
    writers: Writers,
    readers: Readers,
    calls: Calls,
    /// Connections that are open at this side.
    connections: BTreeSet<ConnId>,
    /// Topics whose end is on its way into the log.
    dropping: BTreeSet<TopicId>,
    /// Partitions of which a decision to give messages up is on its way.
    trimming: BTreeSet<PartitionId>,
    /// Reads of the log for the readers.
    fetching: BTreeMap<u64, (PartitionId, Span)>,
    /// Partitions that readers have to be told of.
    shown: Vec<PartitionId>,
    /// What the readers want. Empty between steps.
    #[cfg_attr(feature = "serde", serde(skip))]
    wishes: VecDeque<Wish>,
    /// What the log has said and was not dealt with. Empty between steps.
    #[cfg_attr(feature = "serde", serde(skip))]
    said: VecDeque<segments::Action>,
    /// When the readers' timer is due.
    alarm: Option<Mono>,
    /// The log is to be closed once everything is drained.
    draining: bool,
}

#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Stage {
    New,
    Recovering,
    Ready,
    Closing,
    Closed,
    Damaged(Damage),
}

/// A record that waits for room in the log.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Owed {
    bytes: Bytes,
    /// A full disk takes it all the same.
    urgent: bool,
    effect: Effect,
    then: Then,
}

impl Broker {
    /// A broker that has not started; [`Input::Boot`] starts it.
    ///
    /// # Errors
    /// If the configuration is out of its bounds.
    pub fn new(config: Config) -> Result<Broker, ConfigError> {
        config.validate()?;
        Ok(Broker {
            segments: Segments::new(config.segments.clone())?,
            config: Arc::new(config),
            stage: Stage::New,
            recovery: None,
            full: false,
            catalogue: Catalogue::default(),
            producers: Producers::default(),
            journal: Journal::default(),
            urgent: VecDeque::new(),
            owed: VecDeque::new(),
            tail: Tail::default(),
            pool: Pool::default(),
            checkpoints: Checkpoints::default(),
            writers: Writers::default(),
            readers: Readers::default(),
            calls: Calls::default(),
            connections: BTreeSet::new(),
            dropping: BTreeSet::new(),
            trimming: BTreeSet::new(),
            fetching: BTreeMap::new(),
            shown: Vec::new(),
            wishes: VecDeque::new(),
            said: VecDeque::new(),
            alarm: None,
            draining: false,
        })
    }

    /// The configuration that it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What it is doing.
    pub fn phase(&self) -> Phase {
        match &self.stage {
            Stage::New | Stage::Recovering => Phase::Recovering,
            Stage::Ready if self.full => Phase::Full,
            Stage::Ready => Phase::Ready,
            Stage::Closing => Phase::Closing,
            Stage::Closed => Phase::Closed,
            Stage::Damaged(damage) => Phase::Damaged(damage.clone()),
        }
    }

    /// The topics that there are, each with its number: the sequence of the record that made it.
    pub fn topics(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        self.catalogue.topics().map(|(id, topic)| (&topic.path, id.0))
    }

    /// How many producers it remembers.
    pub fn producers(&self) -> u64 {
        self.producers.len() as u64
    }

    /// How far its log has come, in records.
    pub fn frontiers(&self) -> Frontiers {
        self.segments.frontiers()
    }

    /// How many messages it has ever shown to readers, over all topics that are there.
    pub fn shown(&self) -> u64 {
        let partitions = self.catalogue.topics().flat_map(|(_, topic)| &topic.partitions);
        partitions.map(|partition| partition.end).sum()
    }

    /// A record for the log, as soon as there is room.
    fn owe(&mut self, record: Record, then: Then) {
        let urgent = record.makes_room();
        let owed = Owed { bytes: record.encode(), urgent, effect: Effect::of(record), then };
        if urgent { &mut self.urgent } else { &mut self.owed }.push_back(owed);
    }

    /// Appends what waits, as far as there is room: first what sessions and callers wait for, then messages.
    fn pump(&mut self, clock: Clock, out: &mut Out) {
        let ready = self.stage == Stage::Ready;
        if !(ready || self.draining) || ready && !self.checkpoint(clock, out) {
            return;
        }
        while let Some(owed) = self.urgent.front().or(self.owed.front()) {
            let bytes = owed.bytes.len() as u64;
            let admitted = match owed.urgent {
                true => self.segments.admits_urgent(1, bytes),
                false => self.segments.admits(1, bytes),
            };
            if let Err(refused) = admitted {
                self.pool.ending &= refused == segments::Refused::Overloaded;
                return;
            }
            let Some(owed) = self.urgent.pop_front().or_else(|| self.owed.pop_front()) else { return };
            if owed.urgent && self.full {
                mark(out, "room made on a full disk");
            }
            self.append(clock, owed, out);
        }
        if ready {
            self.pump_writers(clock, out);
        }
        // Messages that were all known leave nothing behind in the log whose end could be waited for.
        self.acknowledge(self.journal.settled(), out);
    }

    /// Appends a record that the log admits.
    fn append(&mut self, clock: Clock, owed: Owed, out: &mut Out) {
        let Owed { bytes, urgent, effect, then } = owed;
        self.journal.push(Location::default(), effect, then);
        self.checkpoints.appended(bytes.len());
        self.tell(clock, segments::Input::Append { records: alloc::vec![bytes], urgent }, out);
    }

    /// Gives the log an input; what it wants of the world is passed on at once, the rest is dealt with later.
    fn tell(&mut self, clock: Clock, input: segments::Input, out: &mut Out) {
        let mut said = Vec::new();
        self.segments.step(clock, input, &mut said);
        for action in said {
            match action {
                segments::Action::Disk(id, op) => out.push(Action::Disk(id, op)),
                segments::Action::Arm(timer, window) => out.push(Action::Arm(Timer::Segments(timer), window)),
                segments::Action::Disarm(timer) => out.push(Action::Disarm(Timer::Segments(timer))),
                segments::Action::Mark(mark) => out.push(Action::Mark(mark)),
                other => self.said.push_back(other),
            }
        }
    }

    /// Tells the readers something; what they want is carried out later.
    fn ask_readers(&mut self, clock: Clock, tell: impl FnOnce(&mut Readers, Ask<'_>, &mut Vec<Wish>)) {
        let ask = Ask { clock, config: &self.config, catalogue: &self.catalogue };
        let mut wishes = Vec::new();
        tell(&mut self.readers, ask, &mut wishes);
        self.wishes.extend(wishes);
    }

    /// Carries out what the readers want.
    fn grant(&mut self, clock: Clock, wish: Wish, out: &mut Out) {
        match wish {
            Wish::Send(conn, said) => out.push(Action::Write(conn, Message::ReadReply(said))),
            Wish::Close(conn) => self.hang_up(conn, out),
            Wish::Fetch { token, at, span } => self.fetch(clock, token, at, span, out),
            Wish::Load { at, offset } => self.load(at, offset, out),
            Wish::Commit { partition, consumer, offset } => {
                self.owe(Record::Commit { partition, offset, consumer }, Then::Nothing);
            }
            Wish::Alarm(at) => {
                self.alarm = at;
                out.push(match at {
                    Some(at) => Action::Arm(Timer::Readers, Window::exactly(at.since(clock.mono))),
                    None => Action::Disarm(Timer::Readers),
                });
            }
            Wish::Mark(name) => mark(out, name),
        }
    }

    /// Ends a connection at this side.
    fn hang_up(&mut self, conn: ConnId, out: &mut Out) {
        if self.connections.remove(&conn) {
            out.push(Action::Close(conn));
        }
    }

    /// Something was said on a connection.
    fn received(&mut self, clock: Clock, conn: ConnId, message: Message, out: &mut Out) {
        if !self.connections.contains(&conn) {
            return;
        }
        let unready = match &self.stage {
            Stage::Ready => None,
            Stage::New | Stage::Recovering => Some("the broker is recovering"),
            Stage::Closing | Stage::Closed => Some("the broker is shutting down"),
            Stage::Damaged(_) => Some("the broker's files are damaged"),
        };
        let unready = unready.map(|words| status::status(status::UNAVAILABLE, words));
        match (message, unready) {
            (Message::Write(_), Some(_)) if self.writers.has(conn) => {}
            (Message::Write(_), Some(status)) => self.fail_writer(conn, status, out),
            (Message::Write(said), None) if !self.readers.has(conn) => {
                self.write_said(clock, conn, said, out)
            }
            (Message::Read(_), Some(status)) => {
                out.push(Action::Write(conn, Message::ReadReply(read::FromServer::Failed(status))));
                self.hang_up(conn, out);
            }
            (Message::Read(said), None) if !self.writers.has(conn) => {
                self.ask_readers(clock, |readers, ask, wishes| readers.received(ask, conn, said, wishes));
            }
            // Nobody may speak with two tongues, or as a server.
            _ => self.hang_up_both(clock, conn, out),
        }
    }

    /// Ends a connection and whatever session it had.
    fn hang_up_both(&mut self, clock: Clock, conn: ConnId, out: &mut Out) {
        self.hang_up(conn, out);
        self.gone(clock, conn, out);
    }

    /// A connection is gone.
    fn gone(&mut self, clock: Clock, conn: ConnId, out: &mut Out) {
        self.connections.remove(&conn);
        self.leave_writer(conn);
        self.ask_readers(clock, |readers, ask, wishes| {
            readers.closed(ask, conn, wishes);
        });
        self.pump(clock, out);
    }

    /// Deals with everything that follows from an input.
    fn follow_up(&mut self, clock: Clock, out: &mut Out) {
        loop {
            if let Some(said) = self.said.pop_front() {
                self.heard(clock, said, out);
            } else if let Some(wish) = self.wishes.pop_front() {
                self.grant(clock, wish, out);
            } else if !self.shown.is_empty() {
                let mut shown = core::mem::take(&mut self.shown);
                shown.sort_unstable();
                shown.dedup();
                for partition in shown {
                    self.ask_readers(clock, |readers, ask, wishes| {
                        readers.shown(ask, partition, wishes);
                    });
                }
            } else {
                self.pump(clock, out);
                self.work(clock, out);
                self.end_when_drained(clock, out);
                if self.said.is_empty() && self.wishes.is_empty() && self.shown.is_empty() {
                    return;
                }
            }
        }
    }
}

fn mark(out: &mut Out, name: &'static str) {
    out.push(Action::Mark(Mark(name)));
}

impl Machine for Broker {
    type Input = Input<Message, Timer, Request>;
    type Action = Action<Message, Timer, Response>;

    fn step(&mut self, clock: Clock, input: Self::Input, out: &mut Out) {
        match input {
            Input::Boot if self.stage == Stage::New => {
                self.stage = Stage::Recovering;
                self.tell(clock, segments::Input::Boot, out);
            }
            Input::Disk(id, result) if id.0 >= segments::OP_IDS => self.pool_disk(clock, id, result, out),
            Input::Disk(id, result) => self.tell(clock, segments::Input::Disk(id, result), out),
            Input::Timer(Timer::Segments(timer)) => self.tell(clock, segments::Input::Timer(timer), out),
            Input::Timer(Timer::Readers) => {
                self.alarm = None;
                self.ask_readers(clock, |readers, ask, wishes| {
                    readers.timer(ask, wishes);
                });
            }
            Input::Timer(Timer::Retention) => {
                if self.stage == Stage::Ready {
                    self.retain(out);
                    self.cut_log(clock, out);
                }
            }
            Input::Timer(Timer::Flush) => self.flush_timer(clock, out),
            Input::Timer(Timer::Pool) => self.pool_timer(out),
            Input::Call(call, request) => self.call(clock, call, request, out),
            Input::Accepted(conn) => {
                self.connections.insert(conn);
            }
            Input::Received(conn, message) => self.received(clock, conn, message, out),
            Input::Closed(conn, _) => self.gone(clock, conn, out),
            Input::Boot | Input::Opened(_) | Input::Message(..) => {}
        }
        self.follow_up(clock, out);
    }
}

impl Node for Broker {
    type Message = Message;
    type Timer = Timer;
    type Request = Request;
    type Response = Response;
}
