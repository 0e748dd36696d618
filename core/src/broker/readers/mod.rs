//! Read sessions: who reads which partition, what each reader is sent and when, and what it has committed.
//!
//! It decides which session of a consumer has which partition, when a partition passes to another, which records are
//! fetched for whom, how they are cut to a reader's credit, and which commits count. It never reads the log, never makes
//! a commit durable and never looks at what is not durable: the broker carries out its [`Wish`]es, and tells it what has
//! become of them.
//!
//! # Promises
//!
//! - Of the sessions of a consumer, at most one has a partition. It passes to another once the reader has given it up,
//!   was too slow to ([`Config::stop_timeout`]) or is gone, and not before the commits that were taken from it are
//!   durable: the next one begins where they end.
//! - Partitions are shared evenly (`balance`), and nothing moves while nothing changes.
//! - A partition session is sent every offset that is there from its position on, in order and once. Offsets that
//!   retention has given up meanwhile are passed over.
//! - A reader is sent no more than it has asked for, and one message; in portions of [`Config::response_bytes`].
//! - What is committed is a prefix, and only grows, unless a call moves it. A reader is told once it is durable. What a
//!   reader says about a partition session that is over changes nothing.
//! - At most [`Config::fetches`] records are fetched at a time; sessions take turns, and in each its partitions.
//!
//! # Memory
//!
//! For each session: its name and topics; for each of its partitions, a few numbers, and up to `commits::WAITING` ranges
//! that wait for an earlier one; and messages of up to one response (by what is stored of them) and one record that are
//! fetched or wait for others. Besides, the last few records that readers with little credit have read in part, as many
//! as may be fetched at a time.
//!
//! What is sent is out of these bounds: a reader that asks for more than it takes off its connection fills that.

mod balance;
mod commits;
mod deliver;
mod group;
mod parts;
mod session;
mod sessions;
#[cfg(test)]
mod tests;
use super::catalogue::{Catalogue, PartitionId, Span, TopicId};
use super::config::Config;
use crate::reader::wire::{Batch, FromClient, FromServer, PartitionSessionId, Range};
use crate::writer::wire::Status;
use crate::{Clock, ConnId, Mono};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use deliver::Fetches;
use group::{Group, GroupId};
use session::Session;

/// The interesting places.
pub(super) const MARKS: &[&str] = &[
    "a partition passes to another reader",
    "a reader was too slow to give a partition up",
    "a reader goes on behind what was given up",
    "a commit waits for an earlier one",
    "a commit waits for one that is not durable",
    "a partition waits for a commit that is not durable",
    "a stale commit",
    "readers share a fetch",
    "a record moved under a reader",
    "a record is sent in parts",
    "a reader has used up its credit",
];

/// What a message costs of a reader's credit besides its payload and its metadata, so that empty messages cost as well.
pub(super) const MESSAGE_COST: u64 = 64;

/// What is to be done, in order.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Wish {
    /// A reader is told something.
    Send(ConnId, FromServer),
    /// A session is over: its connection is to be closed, and nothing that comes from it counts.
    Close(ConnId),
    /// A record is to be read. Answered by [`Readers::fetched`], always and once, now or later.
    Fetch {
        /// Names it; below 1 << 62.
        token: u64,
        /// Whose messages it holds.
        at: PartitionId,
        /// Where it stands.
        span: Span,
    },
    /// A file of the pool is to be read: the one that holds this offset. Answered by [`Readers::shown`] when its records are
    /// at hand or it is gone, or by [`Readers::unreadable`].
    Load {
        /// The partition.
        at: PartitionId,
        /// The offset.
        offset: u64,
    },
    /// A commit is to be made durable. Answered by [`Readers::committed`], or not at all if the topic or the consumer
    /// ends. There is one at a time for a partition and a consumer.
    Commit {
        /// The partition.
        partition: PartitionId,
        /// The consumer.
        consumer: Arc<str>,
        /// Everything below is committed.
        offset: u64,
    },
    /// When [`Readers::timer`] is to be called; replaces what was said before.
    Alarm(Option<Mono>),
    /// An interesting place was reached.
    Mark(&'static str),
}

/// What became of a fetch.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Fetched {
    /// All messages of the record, also those that are given up.
    Batch(Arc<Batch>),
    /// The record stands elsewhere, or is gone: the catalogue knows.
    Moved,
    /// It cannot be read now.
    Failed,
}

/// What every step knows: the time, the settings, and how topics stand.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) clock: Clock,
    pub(super) config: &'a Config,
    pub(super) catalogue: &'a Catalogue,
}

/// What it says.
type Out = Vec<Wish>;

/// A partition session anywhere.
type Reader = (ConnId, PartitionSessionId);

/// All read sessions. See the module's documentation.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Readers {
    sessions: BTreeMap<ConnId, Session>,
    /// How many sessions there ever were.
    opened: u64,
    groups: BTreeMap<GroupId, Group>,
    /// Groups in which partitions are to be shared out anew; none between steps.
    unsettled: BTreeSet<GroupId>,
    /// Who has a partition, of whatever consumer.
    watchers: BTreeMap<PartitionId, BTreeSet<Reader>>,
    fetches: Fetches,
    /// Sessions with messages that are about to be sent.
    loaded: BTreeSet<ConnId>,
    /// Partition sessions that are to be given up, and until when.
    deadlines: BTreeSet<(Mono, Reader)>,
    alarm: Option<Mono>,
}

impl Readers {
    /// How many sessions there are.
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether a connection has a session.
    pub(super) fn has(&self, conn: ConnId) -> bool {
        self.sessions.contains_key(&conn)
    }

    /// The name of the session that has a partition.
    pub(super) fn reader_of(&self, partition: PartitionId, consumer: &str) -> Option<Arc<str>> {
        let group = self.groups.get(&GroupId { topic: partition.topic, consumer: consumer.into() })?;
        let (conn, _) = group.slots.get(partition.number as usize)?.holder?;
        Some(self.sessions.get(&conn)?.name.clone())
    }

    /// A reader says something. The first thing has to be [`FromClient::Init`].
    pub(super) fn received(&mut self, ask: Ask<'_>, conn: ConnId, said: FromClient, out: &mut Out) {
        if let Err(status) = self.hear(ask, conn, said, out) {
            self.fail(conn, status, out);
        }
        self.settle(ask, out);
    }

    /// A connection is gone. Nothing happens if its session is over already.
    pub(super) fn closed(&mut self, ask: Ask<'_>, conn: ConnId, out: &mut Out) {
        self.end(conn);
        self.settle(ask, out);
    }

    /// The moment of the last [`Wish::Alarm`] has come. It may be called at any other moment too.
    pub(super) fn timer(&mut self, ask: Ask<'_>, out: &mut Out) {
        self.alarm = None;
        while let Some((_, reader)) = self.deadlines.first().copied().filter(|(at, _)| *at <= ask.clock.mono)
        {
            out.push(Wish::Mark("a reader was too slow to give a partition up"));
            self.stop_at_once(ask, reader, out);
        }
        self.settle(ask, out);
    }

    /// A partition has new messages for readers, or has given up old ones.
    pub(super) fn shown(&mut self, ask: Ask<'_>, partition: PartitionId, out: &mut Out) {
        for reader in self.watchers(partition) {
            self.look(ask, reader, out);
        }
        self.settle(ask, out);
    }

    /// A topic has changed: more partitions, other consumers; or it is gone.
    pub(super) fn topic_changed(&mut self, ask: Ask<'_>, topic: TopicId, out: &mut Out) {
        self.changed(ask, topic, out);
        self.settle(ask, out);
    }

    /// A fetch is answered.
    pub(super) fn fetched(&mut self, ask: Ask<'_>, token: u64, result: Fetched, out: &mut Out) {
        self.take(ask, token, &result, out);
        self.settle(ask, out);
    }

    /// These offsets of a partition cannot be read now: answers [`Wish::Load`].
    pub(super) fn unreadable(&mut self, ask: Ask<'_>, partition: PartitionId, range: Range, out: &mut Out) {
        self.cannot_read(partition, range, out);
        self.settle(ask, out);
    }

    /// A [`Wish::Commit`] is durable, and the catalogue has it.
    pub(super) fn committed(&mut self, ask: Ask<'_>, partition: PartitionId, consumer: &str, out: &mut Out) {
        self.commit_durable(ask, partition, consumer, out);
        self.settle(ask, out);
    }

    /// A call has moved the position of a consumer, and the catalogue has it: who has the partition loses it and begins
    /// anew. Commits that are wished for and not durable stay so: they come later in the log.
    pub(super) fn commit_moved(
        &mut self,
        ask: Ask<'_>,
        partition: PartitionId,
        consumer: &str,
        out: &mut Out,
    ) {
        self.moved(ask, partition, consumer, out);
        self.settle(ask, out);
    }

    /// Every session fails. Fetches and commits that are wished for may still be answered.
    pub(super) fn close_all(&mut self, out: &mut Out, status: &Status) {
        for conn in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.fail(conn, status.clone(), out);
        }
        self.unsettled.clear();
        self.groups.retain(|_, group| !group.is_idle());
        self.alarm(out);
    }

    /// Does what has become possible: partitions to readers, fetches, messages; and sets the alarm.
    fn settle(&mut self, ask: Ask<'_>, out: &mut Out) {
        while let Some(group) = self.unsettled.pop_first() {
            self.share_out(ask, group, out);
        }
        while {
            self.fetch(ask, out);
            self.send_loads(ask, out)
        } {}
        self.alarm(out);
    }

    fn alarm(&mut self, out: &mut Out) {
        let next = self.deadlines.first().map(|(at, _)| *at);
        if next != self.alarm {
            self.alarm = next;
            out.push(Wish::Alarm(next));
        }
    }

    fn watchers(&self, partition: PartitionId) -> Vec<Reader> {
        self.watchers.get(&partition).into_iter().flatten().copied().collect()
    }
}
