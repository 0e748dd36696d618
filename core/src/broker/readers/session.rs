//! A read session and the partitions that it has: what is remembered of them, and nothing decided.

use super::super::catalogue::{Catalogue, PartitionId, TopicId};
use super::commits::Commits;
use crate::reader::wire::{Batch, PartitionSessionId};
use crate::{Clock, Dur, Mono, Wall};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    vec::Vec,
};

/// A read session.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Session {
    /// Rises with each session: the order in which they came.
    pub(super) number: u64,
    pub(super) name: Arc<str>,
    /// Empty: none.
    pub(super) consumer: Arc<str>,
    /// What it reads; each topic once.
    pub(super) wants: Vec<Want>,
    /// What the reader has asked for, less what it was sent or is about to be. Below zero by no more than one message.
    pub(super) credit: i64,
    /// The last partition session.
    pub(super) last: PartitionSessionId,
    pub(super) parts: BTreeMap<PartitionSessionId, Part>,
    /// Those of them that have something to be fetched.
    pub(super) ready: BTreeSet<PartitionSessionId>,
    /// Which of them had its turn last.
    pub(super) turn: PartitionSessionId,
    /// It is in the queue of sessions that have a turn to come.
    pub(super) queued: bool,
    /// Bytes of what was asked for and is not sent yet, as they are stored.
    pub(super) planned: u64,
    /// How many answers are outstanding.
    pub(super) awaited: usize,
    pub(super) load: Load,
}

/// What a session reads of a topic.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Want {
    pub(super) topic: TopicId,
    /// As the reader calls it.
    pub(super) path: Arc<str>,
    /// These partitions, rising; empty: any.
    pub(super) only: Vec<u32>,
    pub(super) max_lag: Option<Dur>,
    pub(super) read_from: Option<Wall>,
}

/// A partition session.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Part {
    pub(super) at: PartitionId,
    /// The first offset that was there when it was offered to the reader.
    pub(super) offered: u64,
    /// Where it begins by the broker's own choice.
    pub(super) first: u64,
    /// Records that were written before are passed over, up to the first that was not.
    pub(super) young: Option<Wall>,
    /// The reader is ready for it.
    pub(super) started: bool,
    /// It has to be given up until then.
    pub(super) stopping: Option<Mono>,
    /// Everything below is sent or passed over.
    pub(super) position: u64,
    /// Everything below was sent or passed over at some time.
    pub(super) read: u64,
    /// What is being fetched, by rising offsets.
    pub(super) asked: VecDeque<Asked>,
    pub(super) commits: Commits,
    /// What the reader was told to be committed.
    pub(super) told: u64,
}

/// A record that is being fetched for a partition session.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Asked {
    /// 0: it was at hand.
    pub(super) token: u64,
    /// The offset of its first message.
    pub(super) record: u64,
    /// The first offset of it that is wanted.
    pub(super) first: u64,
    /// The offset after its last message.
    pub(super) end: u64,
    /// As it is stored.
    pub(super) bytes: u64,
    /// It is here, and waits for one before it.
    pub(super) batch: Option<Arc<Batch>>,
}

/// Messages that are about to be sent.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Load {
    pub(super) partitions: BTreeMap<PartitionSessionId, Vec<Batch>>,
    pub(super) bytes: u64,
}

impl Session {
    pub(super) fn want(&self, topic: TopicId) -> Option<&Want> {
        self.wants.iter().find(|want| want.topic == topic)
    }

    /// Whether it would take more than it has asked for.
    pub(super) fn hungry(&self, response: u64) -> bool {
        !self.ready.is_empty()
            && u64::try_from(self.credit).is_ok_and(|credit| credit > self.planned)
            && self.load.bytes.saturating_add(self.planned) < response
    }

    /// Which partition session has its turn.
    pub(super) fn next_ready(&mut self) -> Option<PartitionSessionId> {
        let after = self.ready.range(PartitionSessionId(self.turn.0.saturating_add(1))..).next();
        let next = *after.or_else(|| self.ready.first())?;
        self.turn = next;
        Some(next)
    }
}

impl Want {
    /// Where a partition begins for this session: behind what is committed, gone, or older than anybody wants.
    /// In a file of the pool that is only known about: then also the time before which records are too old.
    pub(super) fn first(
        &self,
        clock: Clock,
        catalogue: &Catalogue,
        consumer: &str,
        at: PartitionId,
    ) -> (u64, Option<Wall>) {
        let Some(partition) = catalogue.partition(at) else { return (0, None) };
        let of_consumer = catalogue.consumer(at.topic, consumer).and_then(|consumer| consumer.read_from);
        let of_lag = self.max_lag.map(|lag| Wall(clock.wall.0.saturating_sub(lag.0)));
        let young = [of_consumer, self.read_from, of_lag].into_iter().flatten().max();
        let from = young.map_or(0, |young| partition.written_from(young));
        let first = partition.committed(consumer).max(partition.start).max(from);
        let stored = partition.file(from).is_some_and(|file| first < file.end);
        (first, young.filter(|_| stored))
    }
}

impl Part {
    /// A partition session that begins.
    pub(super) fn new(
        at: PartitionId,
        offered: u64,
        (first, young): (u64, Option<Wall>),
        committed: u64,
    ) -> Part {
        Part {
            at,
            offered,
            first,
            young,
            started: false,
            stopping: None,
            position: first,
            read: first,
            asked: VecDeque::new(),
            commits: Commits::new(committed),
            told: committed,
        }
    }

    /// Where the next record to be fetched begins, or is cut.
    pub(super) fn next(&self) -> u64 {
        self.asked.back().map_or(self.position, |last| last.end)
    }

    /// Whether it may be sent messages.
    pub(super) fn reads(&self) -> bool {
        self.started && self.stopping.is_none()
    }

    pub(super) fn move_to(&mut self, position: u64) {
        self.position = position;
        self.read = self.read.max(position);
    }
}
