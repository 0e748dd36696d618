//! The parts of a checkpoint: the broker's tables, said once more. This module decides their bytes, no more.
//!
//! | kind | part | then |
//! |---|---|---|
//! | 8 | beginning | |
//! | 9 | topic | topic `uint`, path `str`, time `uint`, settings |
//! | 10 | partition | topic, partition, first offset, end, end of what is drained `uint`, time `uint` or `nil` |
//! | 11 | files of a partition | topic, partition `uint`, files |
//! | 12 | commits of a partition | topic, partition `uint`, consumers `str` and offsets `uint` by turns |
//! | 13 | producers of a topic | topic `uint`, producers |
//! | 14 | end | |
//!
//! A producer is an array of five: name `str`, partition, epoch, highest number stored, sequence of its latest record.

use super::{
    BadRecord, File, PartitionId, Reader, Settings, TopicId, Wall, begin, exactly, file, list, optional,
    pairs, partition, put_array, put_file, put_len, put_optional, put_partition, put_settings, put_text,
    put_uint, settings, small, text, topic,
};
use alloc::{sync::Arc, vec::Vec};
use rmp::encode::ByteBuf;

/// Part of a checkpoint.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(in super::super) enum Part {
    /// What follows, up to the end, is one checkpoint.
    Begin,
    /// A topic.
    Topic { topic: TopicId, path: Arc<str>, created_at: Wall, settings: Settings },
    /// A partition, unless nothing was ever written to it.
    Partition { partition: PartitionId, start: u64, end: u64, drained: u64, last_write: Option<Wall> },
    /// Some of a partition's files, in order.
    Files { partition: PartitionId, files: Vec<File> },
    /// Some of a partition's commits.
    Commits { partition: PartitionId, commits: Vec<(Arc<str>, u64)> },
    /// Some of a topic's producers.
    Producers { topic: TopicId, producers: Vec<Known> },
    /// It is complete.
    End,
}

/// What is known of a producer.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Known {
    pub(in super::super) name: Arc<str>,
    pub(in super::super) partition: u32,
    pub(in super::super) epoch: u64,
    /// The highest number stored.
    pub(in super::super) stored: u64,
    /// Sequence of its latest record.
    pub(in super::super) latest: u64,
}

const BEGIN: u64 = 8;
const TOPIC: u64 = 9;
const PARTITION: u64 = 10;
const FILES: u64 = 11;
const COMMITS: u64 = 12;
const PRODUCERS: u64 = 13;
const END: u64 = 14;

impl Part {
    pub(super) fn put(&self, out: &mut ByteBuf) {
        match self {
            Part::Begin => begin(out, BEGIN, 0),
            Part::Topic { topic, path, created_at, settings } => {
                begin(out, TOPIC, 4);
                put_uint(out, topic.0);
                put_text(out, path);
                put_uint(out, created_at.0);
                put_settings(out, settings);
            }
            Part::Partition { partition, start, end, drained, last_write } => {
                begin(out, PARTITION, 6);
                put_partition(out, *partition);
                [*start, *end, *drained].into_iter().for_each(|value| put_uint(out, value));
                put_optional(out, last_write.map(|wall| wall.0));
            }
            Part::Files { partition, files } => {
                begin(out, FILES, 3);
                put_partition(out, *partition);
                put_len(out, files.len());
                files.iter().for_each(|file| put_file(out, file));
            }
            Part::Commits { partition, commits } => {
                begin(out, COMMITS, 3);
                put_partition(out, *partition);
                put_len(out, 2 * commits.len());
                for (consumer, offset) in commits {
                    put_text(out, consumer);
                    put_uint(out, *offset);
                }
            }
            Part::Producers { topic, producers } => {
                begin(out, PRODUCERS, 2);
                put_uint(out, topic.0);
                put_len(out, producers.len());
                for Known { name, partition, epoch, stored, latest } in producers {
                    put_array(out, 5);
                    put_text(out, name);
                    put_uint(out, (*partition).into());
                    [*epoch, *stored, *latest].into_iter().for_each(|value| put_uint(out, value));
                }
            }
            Part::End => begin(out, END, 0),
        }
    }

    pub(super) fn read(from: &mut Reader<'_>, kind: u64, arity: u32) -> Result<Part, BadRecord> {
        Ok(match (kind, arity) {
            (BEGIN, 1) => Part::Begin,
            (TOPIC, 5) => Part::Topic {
                topic: topic(from)?,
                path: text(from)?,
                created_at: Wall(from.uint("a time")?),
                settings: settings(from)?,
            },
            (PARTITION, 7) => Part::Partition {
                partition: partition(from)?,
                start: from.uint("an offset")?,
                end: from.uint("an offset")?,
                drained: from.uint("an offset")?,
                last_write: optional(from, "a time")?.map(Wall),
            },
            (FILES, 4) => Part::Files { partition: partition(from)?, files: list(from, file)? },
            (COMMITS, 4) => Part::Commits {
                partition: partition(from)?,
                commits: pairs(from, text, |from| from.uint("an offset"))?,
            },
            (PRODUCERS, 3) => {
                Part::Producers { topic: topic(from)?, producers: list(from, |from| known(from))? }
            }
            (END, 1) => Part::End,
            _ => return Err(from.expected("a record of a known kind")),
        })
    }
}

fn known(from: &mut Reader<'_>) -> Result<Known, BadRecord> {
    exactly(from, 5, "a producer: an array of 5")?;
    Ok(Known {
        name: text(from)?,
        partition: small(from, "a partition")?,
        epoch: from.uint("an epoch")?,
        stored: from.uint("a number")?,
        latest: from.uint("a sequence")?,
    })
}
