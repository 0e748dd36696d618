//! Checkpoints: the broker's tables, written into the log once more, so that what is in front of them can be given up. It
//! decides when one is written, what a log may begin with, and how much of it is of no use.
//!
//! A checkpoint is a run of records from a beginning to an end ([`Part`]), with nothing in between, at the front of a segment.
//! While it is being written, nothing else is: the log is let run dry first, so that the tables are exactly what the records
//! before it say. One that a crash has cut short counts for nothing.
//!
//! A log that does not begin with record 0 has a checkpoint, or it is damaged: what stands before the first that is complete is
//! what a crash has left of a front that was being given up, and counts for nothing. Every later one must say what the records
//! before it have said. Producers are excepted: which of them are forgotten is known in service only
//! ([`super::producers`]); of those that both know, the numbers must be the same.
//!
//! The log is cut at the last checkpoint before which every message is drained; messages behind it stay where they are.

use super::catalogue::{Catalogue, File, Partition, PartitionId, TopicId};
use super::journal::{Effect, Then};
use super::mutants::mutant;
use super::producers::Producers;
use super::record::{Known, Part, Record};
use super::{Broker, Out, Owed, mark};
use crate::Clock;
use crate::log::segments;
use alloc::{
    collections::VecDeque,
    format,
    string::{String, ToString},
    vec::Vec,
};
use bytes::Bytes;

/// The interesting places.
pub(super) const MARKS: &[&str] = &[
    "checkpoint written",
    "checkpoint given up",
    "log cut",
    "begun from a checkpoint",
    "checkpoint compared",
];

/// About how many bytes a part has at most that could be split.
const PART_BYTES: usize = 16 << 10;

/// How it stands with checkpoints.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Checkpoints {
    /// Bytes of records since the last one began.
    since: u64,
    /// Bytes of the last one.
    size: u64,
    /// Where the one that is being written begins.
    writing: Option<u64>,
    /// What of it is not in the log.
    parts: VecDeque<Bytes>,
    /// Where those begin that are durable, behind the front of the log; rising.
    complete: VecDeque<u64>,
    /// How many there were in this life.
    count: u64,
    /// The log is cut up to here.
    cut: u64,
    /// What recovery makes of the next record.
    replay: Replay,
}

/// What recovery is in the middle of.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
enum Replay {
    /// Any record.
    #[default]
    Records,
    /// The log was cut: nothing counts before a checkpoint.
    Front,
    /// It is the source of everything.
    Taking { from: u64 },
    /// It must be this.
    Comparing { from: u64, expected: VecDeque<Part> },
}

impl Checkpoints {
    /// How many were completed in this life.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The log begins later than at its first record.
    pub(super) fn begins_late(&mut self) {
        self.replay = Replay::Front;
    }

    /// So many bytes of records have gone into the log.
    pub(super) fn appended(&mut self, bytes: usize) {
        self.since += bytes as u64;
    }
}

impl Broker {
    /// Writes what is to be written of a checkpoint. Says whether other records may follow now.
    pub(super) fn checkpoint(&mut self, clock: Clock, out: &mut Out) -> bool {
        if self.checkpoints.writing.is_none() && self.checkpoint_due() {
            // A disk that takes nothing will take no checkpoint either, and one that is full none that is too long.
            let least = if self.full { self.checkpoints.size } else { 0 };
            if self.segments.admits_urgent(1, least.max(PART_BYTES as u64)).is_err() {
                return true;
            }
            if self.journal.settled() < self.journal.end() {
                return false;
            }
            let parts = restate(&self.catalogue, &self.producers);
            let parts: VecDeque<Bytes> = parts.map(|part| Record::Part(part).encode()).collect();
            self.checkpoints.size = parts.iter().map(|part| part.len() as u64).sum();
            if self.full && self.segments.admits_urgent(parts.len(), self.checkpoints.size).is_err() {
                return true;
            }
            self.tell(clock, segments::Input::Roll, out);
            (self.checkpoints.since, self.checkpoints.parts) = (0, parts);
            self.checkpoints.writing = Some(self.journal.end());
        }
        while let Some(part) = self.checkpoints.parts.front() {
            match self.segments.admits_urgent(1, part.len() as u64) {
                Ok(()) => {}
                Err(segments::Refused::Overloaded) => return false,
                Err(_) => {
                    mark(out, "checkpoint given up");
                    self.checkpoints.parts.clear();
                    self.checkpoints.writing = None;
                    return true;
                }
            }
            let Some(bytes) = self.checkpoints.parts.pop_front() else { break };
            let last = self.checkpoints.parts.is_empty();
            let effect = Effect::Other(Record::Part(if last { Part::End } else { Part::Begin }));
            self.append(clock, Owed { bytes, urgent: true, effect, then: Then::Nothing }, out);
        }
        true
    }

    /// Whether the log is to be cut: when it has grown long, or when the disk is full and nothing else makes room.
    fn checkpoint_due(&self) -> bool {
        let Checkpoints { since, size, .. } = self.checkpoints;
        let rest = self.urgent.is_empty() && self.trimming.is_empty() && self.dropping.is_empty();
        since >= self.config.checkpoint_bytes.max(4 * size) || self.full && rest && since > 4 * size
    }

    /// The end of a checkpoint is durable.
    pub(super) fn checkpoint_complete(&mut self, clock: Clock, out: &mut Out) {
        let Some(from) = self.checkpoints.writing.take() else { return };
        mark(out, "checkpoint written");
        self.checkpoints.count += 1;
        self.checkpoints.complete.push_back(from);
        // What is in front of it alone holds the log up.
        self.pool.flush_all();
        self.cut_log(clock, out);
    }

    /// Gives up the front of the log, as far as it is of no use.
    pub(super) fn cut_log(&mut self, clock: Clock, out: &mut Out) {
        if self.checkpoints.complete.is_empty() {
            return;
        }
        let oldest = match mutant!(LogCutBeforeDrained) {
            true => u64::MAX,
            false => self.oldest_undrained(),
        };
        let complete = &mut self.checkpoints.complete;
        while let Some(upto) = complete.pop_front_if(|from| *from <= oldest) {
            self.checkpoints.cut = upto;
        }
        if self.segments.first_sequence() < self.checkpoints.cut {
            mark(out, "log cut");
            self.tell(clock, segments::Input::Release { upto: self.checkpoints.cut }, out);
        }
    }

    /// The sequence of the first record of messages that are in the log alone.
    fn oldest_undrained(&self) -> u64 {
        let partitions = self.pool.waiting().filter_map(|partition| self.catalogue.partition(partition));
        let first = partitions.filter_map(|of| of.undrained().next()).map(|span| span.sequence);
        first.min().unwrap_or(u64::MAX)
    }

    /// A record that recovery meets, before anything else is made of it. Says whether it is dealt with.
    pub(super) fn replay_part(
        &mut self,
        sequence: u64,
        bytes: u32,
        effect: &Effect,
        out: &mut Out,
    ) -> Result<bool, String> {
        let part = match effect {
            Effect::Other(Record::Part(part)) => Some(part),
            _ => None,
        };
        let replay = core::mem::take(&mut self.checkpoints.replay);
        self.checkpoints.since += u64::from(bytes);
        self.checkpoints.replay = match (replay, part) {
            (Replay::Front, Some(Part::Begin)) => {
                mark(out, "begun from a checkpoint");
                self.checkpoints.since = 0;
                Replay::Taking { from: sequence }
            }
            (Replay::Front, _) => {
                self.checkpoints.replay = Replay::Front;
                return Ok(true);
            }
            (Replay::Taking { from }, Some(Part::End)) => {
                self.checkpoints.size = self.checkpoints.since;
                self.checkpoints.complete.push_back(from);
                Replay::Records
            }
            // A crash has cut it short.
            (Replay::Taking { .. }, None | Some(Part::Begin)) => {
                (self.catalogue, self.producers) = (Catalogue::default(), Producers::default());
                self.checkpoints.since = 0;
                self.checkpoints.replay = match part {
                    Some(_) => Replay::Taking { from: sequence },
                    None => Replay::Front,
                };
                return Ok(true);
            }
            (Replay::Taking { from }, Some(part)) => {
                self.take_part(part)?;
                Replay::Taking { from }
            }
            (Replay::Records | Replay::Comparing { .. }, Some(Part::Begin)) => {
                self.checkpoints.since = 0;
                let parts = restate(&self.catalogue, &Producers::default());
                Replay::Comparing { from: sequence, expected: parts.skip(1).collect() }
            }
            (Replay::Comparing { from, expected }, Some(Part::Producers { topic, producers })) => {
                for known in producers {
                    let stored = self.producers.get(*topic, &known.name).map(|producer| producer.stored);
                    if stored.is_some_and(|stored| stored != known.stored) {
                        let (name, says) = (&known.name, known.stored);
                        return Err(format!(
                            "the checkpoint says {says} of the producer {name}, not {stored:?}"
                        ));
                    }
                }
                Replay::Comparing { from, expected }
            }
            (Replay::Comparing { from, mut expected }, Some(part)) => {
                if expected.pop_front().as_ref() != Some(part) {
                    return Err("the checkpoint does not say what the log says".to_string());
                }
                if *part == Part::End {
                    mark(out, "checkpoint compared");
                    self.checkpoints.size = self.checkpoints.since;
                    self.checkpoints.complete.push_back(from);
                    Replay::Records
                } else {
                    Replay::Comparing { from, expected }
                }
            }
            (Replay::Records, Some(_)) => return Err("part of no checkpoint".to_string()),
            // A crash has cut it short.
            (Replay::Records | Replay::Comparing { .. }, None) => Replay::Records,
        };
        Ok(part.is_some())
    }

    /// Recovery has met all records.
    pub(super) fn replay_over(&mut self) -> Result<(), String> {
        match core::mem::take(&mut self.checkpoints.replay) {
            Replay::Front | Replay::Taking { .. } => {
                Err("the log has lost its beginning and has no complete checkpoint".to_string())
            }
            Replay::Records | Replay::Comparing { .. } => Ok(()),
        }
    }

    fn take_part(&mut self, part: &Part) -> Result<(), String> {
        let unknown = || "the checkpoint speaks of a partition that it has not named".to_string();
        match part {
            Part::Topic { topic, path, created_at, settings } => {
                self.catalogue.create(*topic, path.clone(), settings.clone(), *created_at);
            }
            Part::Partition { partition, start, end, drained, last_write } => {
                let of = self.catalogue.partition_mut(*partition).ok_or_else(unknown)?;
                (of.start, of.end, of.next, of.drained) = (*start, *end, *end, *drained);
                of.last_write = *last_write;
            }
            Part::Files { partition, files } => {
                let of = self.catalogue.partition_mut(*partition).ok_or_else(unknown)?;
                of.bytes += files.iter().map(|file| file.bytes).sum::<u64>();
                let numbers = files.iter().map(|file| file.number.saturating_add(1));
                of.next_file = of.next_file.max(numbers.max().unwrap_or(0));
                of.files.extend(files);
            }
            Part::Commits { partition, commits } => {
                let of = self.catalogue.partition_mut(*partition).ok_or_else(unknown)?;
                of.committed.extend(commits.iter().cloned());
            }
            Part::Producers { topic, producers } => {
                for Known { name, partition, epoch, stored, latest } in producers {
                    self.producers.session(*topic, name, *partition, *epoch, *latest);
                    self.producers.stored(*topic, name, *stored, *latest);
                }
            }
            Part::Begin | Part::End => {}
        }
        Ok(())
    }
}

/// The tables as a checkpoint says them.
fn restate(catalogue: &Catalogue, producers: &Producers) -> impl Iterator<Item = Part> + use<> {
    let mut parts = alloc::vec![Part::Begin];
    for (topic, about) in catalogue.topics() {
        let (path, created_at) = (about.path.clone(), about.created_at);
        parts.push(Part::Topic { topic, path, created_at, settings: about.settings.clone() });
        for (number, of) in (0..).zip(&about.partitions) {
            restate_partition(PartitionId { topic, number }, of, &mut parts);
        }
        restate_producers(topic, producers, &mut parts);
    }
    parts.push(Part::End);
    parts.into_iter()
}

fn restate_partition(partition: PartitionId, of: &Partition, parts: &mut Vec<Part>) {
    let Partition { start, end, drained, last_write, .. } = *of;
    if end > 0 {
        parts.push(Part::Partition { partition, start, end, drained, last_write });
    }
    let mut files: Vec<File> = of.files.iter().copied().collect();
    while !files.is_empty() {
        let rest = files.split_off(files.len().min(PART_BYTES / 64));
        parts.push(Part::Files { partition, files });
        files = rest;
    }
    let commits = of.committed.iter().map(|(consumer, offset)| (consumer.clone(), *offset));
    let commits = commits.filter(|_| !mutant!(CheckpointForgetsCommits));
    for commits in portions(commits, |(consumer, _)| consumer.len() + 16) {
        parts.push(Part::Commits { partition, commits });
    }
}

fn restate_producers(topic: TopicId, producers: &Producers, parts: &mut Vec<Part>) {
    let known = producers.of(topic).map(|(name, producer)| Known {
        name: name.clone(),
        partition: producer.partition,
        epoch: producer.epoch,
        stored: producer.stored,
        latest: producer.latest(),
    });
    let known = known.filter(|_| !mutant!(CheckpointForgetsNumbers));
    for producers in portions(known, |known| known.name.len() + 32) {
        parts.push(Part::Producers { topic, producers });
    }
}

/// Values in portions of about [`PART_BYTES`].
fn portions<T>(values: impl Iterator<Item = T>, cost: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut portions: Vec<Vec<T>> = Vec::new();
    let mut bytes = PART_BYTES;
    for value in values {
        if bytes >= PART_BYTES {
            portions.push(Vec::new());
            bytes = 0;
        }
        bytes += cost(&value);
        if let Some(last) = portions.last_mut() {
            last.push(value);
        }
    }
    portions
}
