//! What a broker knows of topics, partitions and consumers: tables, and no decisions. What is in them is durable, but
//! for what is named otherwise; the log's records are applied here once they are proven, in the order of the log, in
//! recovery as in service.

use super::api::{Consumer, Settings};
use crate::Wall;
use crate::log::segments::Location;
use crate::reader::wire::Range;
use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec::Vec,
};

/// A topic, by the sequence of the record that made it: a topic that is dropped and made again is another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(super) struct TopicId(pub(super) u64);

/// A partition of a topic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(super) struct PartitionId {
    pub(super) topic: TopicId,
    pub(super) number: u32,
}

/// All topics.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Catalogue {
    topics: BTreeMap<TopicId, Topic>,
    paths: BTreeMap<Arc<str>, TopicId>,
}

/// A topic.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Topic {
    pub(super) path: Arc<str>,
    pub(super) settings: Settings,
    pub(super) created_at: Wall,
    pub(super) partitions: Vec<Partition>,
}

/// A partition.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Partition {
    /// The first offset that is there.
    pub(super) start: u64,
    /// The offset after the last one that is shown to readers: all below are durable.
    pub(super) end: u64,
    /// The offset that the next message gets; those between `end` and this are accepted and not durable yet.
    pub(super) next: u64,
    /// Where the messages from `start` to `end` stand, by rising offsets, without gaps. The first may begin before
    /// `start`.
    pub(super) spans: VecDeque<Span>,
    /// Bytes of their records.
    pub(super) bytes: u64,
    /// By consumer: everything below is committed. A consumer without an entry has committed nothing.
    pub(super) committed: BTreeMap<Arc<str>, u64>,
}

/// Messages of one record of the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Span {
    /// The offset of the first.
    pub(super) first: u64,
    /// How many.
    pub(super) count: u32,
    /// The sequence of the record.
    pub(super) sequence: u64,
    /// Where it stands.
    pub(super) at: Location,
    /// When the broker took it in, by its clock: it may run back.
    pub(super) written_at: Wall,
}

impl Span {
    /// The offset after the last.
    pub(super) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }
}

impl Partition {
    /// The offsets that are there and shown.
    pub(super) fn available(&self) -> Range {
        Range { start: self.start, end: self.end }
    }

    /// The record that holds this offset.
    pub(super) fn span(&self, offset: u64) -> Option<&Span> {
        if offset < self.start || offset >= self.end {
            return None;
        }
        let after = self.spans.partition_point(|span| span.first <= offset);
        self.spans.get(after.checked_sub(1)?)
    }

    /// Where a consumer stands.
    pub(super) fn committed(&self, consumer: &str) -> u64 {
        self.committed.get(consumer).copied().unwrap_or(0)
    }

    /// The first offset of a record that was written at `wall` or later, or the end: where to begin for a reader who does
    /// not want older ones. As clocks run back, younger messages may be before it, in records between older ones.
    pub(super) fn written_from(&self, wall: Wall) -> u64 {
        let old = self.spans.iter().take_while(|span| span.written_at < wall).count();
        self.spans.get(old).map_or(self.end, |span| span.first.max(self.start))
    }

    /// Shows readers the messages of a record, which is durable.
    pub(super) fn show(&mut self, span: Span) {
        self.end = span.end();
        self.next = self.next.max(self.end);
        self.bytes += u64::from(span.at.len);
        self.spans.push_back(span);
    }

    /// Gives up everything below an offset.
    pub(super) fn trim(&mut self, start: u64) {
        self.start = self.start.max(start.min(self.end));
        while let Some(span) = self.spans.front().filter(|span| span.end() <= self.start) {
            self.bytes -= u64::from(span.at.len);
            self.spans.pop_front();
        }
    }
}

impl Catalogue {
    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }

    pub(super) fn id(&self, path: &str) -> Option<TopicId> {
        self.paths.get(path).copied()
    }

    pub(super) fn topic(&self, id: TopicId) -> Option<&Topic> {
        self.topics.get(&id)
    }

    pub(super) fn find(&self, path: &str) -> Option<(TopicId, &Topic)> {
        let id = self.id(path)?;
        Some((id, self.topics.get(&id)?))
    }

    pub(super) fn partition(&self, id: PartitionId) -> Option<&Partition> {
        self.topics.get(&id.topic)?.partitions.get(id.number as usize)
    }

    pub(super) fn partition_mut(&mut self, id: PartitionId) -> Option<&mut Partition> {
        self.topics.get_mut(&id.topic)?.partitions.get_mut(id.number as usize)
    }

    pub(super) fn consumer(&self, id: TopicId, name: &str) -> Option<&Consumer> {
        self.topics.get(&id)?.settings.consumers.get(name)
    }

    /// All topics in the order of their making.
    pub(super) fn topics(&self) -> impl Iterator<Item = (TopicId, &Topic)> {
        self.topics.iter().map(|(id, topic)| (*id, topic))
    }

    /// Paths that begin so, in order.
    pub(super) fn paths<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Arc<str>> {
        let from: (core::ops::Bound<&str>, core::ops::Bound<&str>) =
            (core::ops::Bound::Included(prefix), core::ops::Bound::Unbounded);
        self.paths
            .range::<str, _>(from)
            .map(|(path, _)| path)
            .take_while(move |path| path.starts_with(prefix))
    }

    /// A new topic.
    pub(super) fn create(&mut self, id: TopicId, path: Arc<str>, settings: Settings, created_at: Wall) {
        let partitions = (0..settings.partitions).map(|_| Partition::default()).collect();
        self.paths.insert(path.clone(), id);
        self.topics.insert(id, Topic { path, settings, created_at, partitions });
    }

    /// New settings. Partitions are never taken away; commits of consumers that are gone are.
    pub(super) fn alter(&mut self, id: TopicId, settings: Settings) {
        let Some(topic) = self.topics.get_mut(&id) else { return };
        let partitions = topic.partitions.len().max(settings.partitions as usize);
        topic.partitions.resize_with(partitions, Partition::default);
        for partition in &mut topic.partitions {
            partition.committed.retain(|consumer, _| settings.consumers.contains_key(consumer));
        }
        topic.settings = settings;
    }

    /// The end of a topic.
    pub(super) fn remove(&mut self, id: TopicId) {
        if let Some(topic) = self.topics.remove(&id)
            && self.paths.get(&topic.path) == Some(&id)
        {
            self.paths.remove(&topic.path);
        }
    }
}
