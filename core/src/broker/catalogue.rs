//! What a broker knows of topics, partitions and consumers: tables, and no decisions. What is in them is durable, but
//! for what is named otherwise; the log's records are applied here once they are proven, in the order of the log, in
//! recovery as in service.

use super::api::{Consumer, Settings};
use crate::Wall;
use crate::log::segments::Location;
use crate::reader::wire::{Batch, Range};
use alloc::{
    collections::{BTreeMap, VecDeque},
    format,
    string::String,
    sync::Arc,
    vec::Vec,
};

/// A topic, by the sequence of the record that made it: a topic that is dropped and made again is another one.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(super) struct TopicId(pub(super) u64);

/// A partition of a topic.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(super) struct PartitionId {
    pub(super) topic: TopicId,
    pub(super) number: u32,
}

/// All topics.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Catalogue {
    topics: BTreeMap<TopicId, Topic>,
    paths: BTreeMap<Arc<str>, TopicId>,
}

/// A topic.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Topic {
    pub(super) path: Arc<str>,
    pub(super) settings: Settings,
    pub(super) created_at: Wall,
    pub(super) partitions: Vec<Partition>,
}

/// A partition.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Partition {
    /// The first offset that is there.
    pub(super) start: u64,
    /// The offset after the last one that is shown to readers: all below are durable.
    pub(super) end: u64,
    /// The offset that the next message gets; those between `end` and this are accepted and not durable yet.
    pub(super) next: u64,
    /// Everything below is in files of the pool, or given up.
    pub(super) drained: u64,
    /// What the pool has of it, by rising offsets. Between two of them only what was given up is missing.
    pub(super) files: VecDeque<File>,
    /// Where the messages up to `end` stand in the log, by rising offsets, without gaps: all from `drained` on, and before
    /// them those that are in memory all the same. The first may begin before `start`.
    pub(super) spans: VecDeque<Span>,
    /// What was read from files and is kept for a while, by the first offset of each.
    pub(super) loaded: BTreeMap<u64, Arc<Loaded>>,
    /// Bytes of the records that hold what is there.
    pub(super) bytes: u64,
    /// When the last record was taken in.
    pub(super) last_write: Option<Wall>,
    /// No file of the pool has this number or a higher one.
    pub(super) next_file: u64,
    /// By consumer: everything below is committed. A consumer without an entry has committed nothing.
    pub(super) committed: BTreeMap<Arc<str>, u64>,
}

/// Messages of a partition in a file of the pool.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct File {
    /// Names the file.
    pub(super) number: u64,
    /// Where in it they begin.
    pub(super) from: u64,
    /// Where they end.
    pub(super) to: u64,
    /// The offset of the first message.
    pub(super) first: u64,
    /// The offset after the last.
    pub(super) end: u64,
    /// Bytes of their records.
    pub(super) bytes: u64,
    /// When the latest of them was taken in.
    pub(super) newest: Wall,
}

/// What was read from a file.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Loaded {
    /// The offset after its last message.
    pub(super) end: u64,
    /// Its records, by rising offsets.
    pub(super) records: Vec<(Span, Arc<Batch>)>,
}

/// Where an offset stands.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Place {
    /// In this record, which can be fetched.
    Here(Span),
    /// In a file of the pool that is to be read first.
    Stored,
}

/// Messages of one record.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Span {
    /// The offset of the first.
    pub(super) first: u64,
    /// How many.
    pub(super) count: u32,
    /// The sequence of the record in the log; of no meaning for one in a file of the pool.
    pub(super) sequence: u64,
    /// Where it stands, in the log or in its file.
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

    /// Where an offset stands, if it is there.
    pub(super) fn place(&self, offset: u64) -> Option<Place> {
        if offset < self.start || offset >= self.end {
            return None;
        }
        let after = self.spans.partition_point(|span| span.first <= offset);
        if let Some(span) = after.checked_sub(1).and_then(|index| self.spans.get(index)) {
            return Some(Place::Here(*span));
        }
        let (span, _) = match self.record(offset) {
            Some(record) => record,
            None => return Some(Place::Stored),
        };
        Some(Place::Here(*span))
    }

    /// The record that holds this offset, if that can be told without reading.
    pub(super) fn span(&self, offset: u64) -> Option<Span> {
        match self.place(offset)? {
            Place::Here(span) => Some(span),
            Place::Stored => None,
        }
    }

    /// The file that holds this offset.
    pub(super) fn file(&self, offset: u64) -> Option<&File> {
        let after = self.files.partition_point(|file| file.first <= offset);
        self.files.get(after.checked_sub(1)?).filter(|file| offset < file.end)
    }

    /// The record of a file that holds this offset, if it was read.
    pub(super) fn record(&self, offset: u64) -> Option<&(Span, Arc<Batch>)> {
        let (_, loaded) =
            self.loaded.range(..=offset).next_back().filter(|(_, loaded)| offset < loaded.end)?;
        let after = loaded.records.partition_point(|(span, _)| span.first <= offset);
        loaded.records.get(after.checked_sub(1)?)
    }

    /// What is not drained, by rising offsets.
    pub(super) fn undrained(&self) -> impl Iterator<Item = &Span> + Clone {
        self.spans.range(self.spans.partition_point(|span| span.first < self.drained)..)
    }

    /// Where a consumer stands.
    pub(super) fn committed(&self, consumer: &str) -> u64 {
        self.committed.get(consumer).copied().unwrap_or(0)
    }

    /// The first offset of a record that was written at `wall` or later, or the end: where to begin for a reader who does
    /// not want older ones. As clocks run back, younger messages may be before it, in records between older ones. In a file
    /// of the pool it is the first offset of that: which of its records are old shows when it is read.
    pub(super) fn written_from(&self, wall: Wall) -> u64 {
        let file = self.files.iter().find(|file| file.newest >= wall).map(|file| file.first);
        let recent = || self.undrained().find(|span| span.written_at >= wall).map(|span| span.first);
        file.or_else(recent).map_or(self.end, |first| first.max(self.start))
    }

    /// Shows readers the messages of a record, which is durable.
    pub(super) fn show(&mut self, span: Span) {
        self.end = span.end();
        self.next = self.next.max(self.end);
        self.bytes += u64::from(span.at.len);
        self.last_write = Some(span.written_at);
        self.spans.push_back(span);
    }

    /// The pool has more of it. `kept`: whether the record that begins there is in memory.
    ///
    /// # Errors
    /// It does not follow what the pool has.
    pub(super) fn drain(&mut self, file: File, kept: impl Fn(u64) -> bool) -> Result<(), String> {
        // What was given up before it was drained leaves a gap.
        let follows = file.first == self.drained || file.first > self.drained && file.first <= self.start;
        if !follows || file.first >= file.end || file.end > self.end || file.from >= file.to {
            let File { first, end, .. } = file;
            let (drained, all) = (self.drained, self.end);
            return Err(format!("offsets {first} to {end} are drained, of {drained} to {all}"));
        }
        let moved = self.undrained().take_while(|span| span.first < file.end);
        self.bytes -= moved.map(|span| u64::from(span.at.len)).sum::<u64>();
        self.bytes += file.bytes;
        self.drained = file.end;
        self.next_file = self.next_file.max(file.number.saturating_add(1));
        match self.files.back_mut() {
            Some(last) if (last.number, last.to, last.end) == (file.number, file.from, file.first) => {
                (last.to, last.end) = (file.to, file.end);
                last.bytes += file.bytes;
                last.newest = last.newest.max(file.newest);
            }
            _ => self.files.push_back(file),
        }
        self.forget_drained(kept);
        self.trim(self.start);
        Ok(())
    }

    /// Forgets where drained records stand in the log, but for those in memory.
    pub(super) fn forget_drained(&mut self, kept: impl Fn(u64) -> bool) {
        while let Some(span) = self.spans.front().filter(|span| span.end() <= self.drained)
            && !kept(span.first)
        {
            self.spans.pop_front();
        }
    }

    /// Gives up everything below an offset.
    pub(super) fn trim(&mut self, start: u64) {
        self.start = self.start.max(start.min(self.end));
        while let Some(file) = self.files.front().filter(|file| file.end <= self.start) {
            self.bytes -= file.bytes;
            self.loaded.remove(&file.first);
            self.files.pop_front();
        }
        while let Some(span) = self.spans.front().filter(|span| span.end() <= self.start) {
            if span.first >= self.drained {
                self.bytes -= u64::from(span.at.len);
            }
            self.spans.pop_front();
        }
    }

    /// Whether something that must be there is nowhere.
    pub(super) fn missing(&self) -> Option<Range> {
        let mut from = self.start;
        let files = self.files.iter().map(|file| (file.first, file.end));
        for (first, end) in files.chain(self.spans.iter().map(|span| (span.first, span.end()))) {
            if first > from {
                return Some(Range { start: from, end: first });
            }
            from = from.max(end);
        }
        (from < self.end).then_some(Range { start: from, end: self.end })
    }

    /// Whether it refers to a file.
    pub(super) fn has_file(&self, number: u64) -> bool {
        self.files.iter().any(|file| file.number == number)
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

    /// All partitions.
    pub(super) fn partitions(&self) -> impl Iterator<Item = (PartitionId, &Partition)> {
        self.topics.iter().flat_map(|(topic, about)| {
            // There are fewer partitions than a u32 can count.
            (0..).zip(&about.partitions).map(|(number, of)| (PartitionId { topic: *topic, number }, of))
        })
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

    /// The files of a topic, by partition: the number of each and its first offset.
    pub(super) fn files_of(&self, id: TopicId) -> Vec<(PartitionId, Vec<(u64, u64)>)> {
        let partitions = self.topics.get(&id).into_iter().flat_map(|topic| &topic.partitions);
        let files = |of: &Partition| of.files.iter().map(|file| (file.number, file.first)).collect();
        (0..).zip(partitions).map(|(number, of)| (PartitionId { topic: id, number }, files(of))).collect()
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
