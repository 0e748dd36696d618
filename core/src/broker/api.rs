//! What a broker is told and what it says: values only, nothing is decided here.
//!
//! Two kinds of callers. Streams ([`Message`]s on a connection) write and read messages; the first thing said on a
//! connection makes it the one or the other. Calls ([`Request`]) create, change and describe topics.

use crate::reader::wire as read;
use crate::writer::wire::{self as write, Codec};
use crate::{Dur, Wall, log};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

/// What travels on a connection to a broker.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Message {
    /// A writer speaks.
    Write(write::FromClient),
    /// A writer is spoken to.
    WriteReply(write::FromServer),
    /// A reader speaks.
    Read(read::FromClient),
    /// A reader is spoken to.
    ReadReply(read::FromServer),
}

/// How a topic is set up.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Settings {
    /// How many partitions it has, from 1. It can grow, not shrink.
    pub partitions: u32,
    /// Messages older than this are given up; `None`: age does not matter.
    pub retention: Option<Dur>,
    /// Messages of a partition beyond so many bytes are given up, the oldest first; `None`: size does not matter.
    pub retention_bytes: Option<u64>,
    /// The codecs that may be written; empty: any.
    pub codecs: Vec<Codec>,
    /// Names and values that belong to the topic and mean nothing to the broker.
    pub attributes: BTreeMap<Arc<str>, Arc<str>>,
    /// Who reads and commits, by name.
    pub consumers: BTreeMap<Arc<str>, Consumer>,
}

/// A named reader of a topic, that may have many processes.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Consumer {
    /// Whether retention waits for its commits.
    pub important: bool,
    /// It begins behind messages that were written before this.
    pub read_from: Option<Wall>,
    /// The codecs that it understands, for people.
    pub codecs: Vec<Codec>,
    /// Names and values that mean nothing to the broker.
    pub attributes: BTreeMap<Arc<str>, Arc<str>>,
}

/// What a caller asks.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Request {
    /// Makes a topic. Answered by [`Response::Done`].
    Create {
        /// Its name.
        path: Arc<str>,
        /// How it is set up.
        settings: Settings,
    },
    /// Changes a topic. Answered by [`Response::Done`].
    Alter {
        /// Its name.
        path: Arc<str>,
        /// What changes.
        change: Change,
    },
    /// Gives up a topic with all its messages; its sessions end. Answered by [`Response::Done`].
    Drop {
        /// Its name.
        path: Arc<str>,
    },
    /// Answered by [`Response::Topic`].
    Describe {
        /// Its name.
        path: Arc<str>,
    },
    /// All topics whose names begin so. Answered by [`Response::Topics`].
    List {
        /// Empty: all.
        prefix: Arc<str>,
    },
    /// Moves a consumer's commit position, in either direction; who reads the partition has to begin anew. Answered by
    /// [`Response::Done`].
    Commit {
        /// The topic.
        path: Arc<str>,
        /// The partition.
        partition: u32,
        /// The consumer.
        consumer: Arc<str>,
        /// Everything below is committed.
        offset: u64,
    },
    /// How it stands. Always answered, by [`Response::Status`].
    Status,
    /// Takes in nothing more, answers everything that it has taken in, makes it durable and ends. Answered by
    /// [`Response::Done`].
    Shutdown,
}

/// What changes about a topic. What is `None` or empty stays.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Change {
    /// At least as many as there are.
    pub partitions: Option<u32>,
    /// A new age; `Some(None)`: age does not matter any more.
    pub retention: Option<Option<Dur>>,
    /// A new size; `Some(None)`: size does not matter any more.
    pub retention_bytes: Option<Option<u64>>,
    /// The codecs that may be written from now on.
    pub codecs: Option<Vec<Codec>>,
    /// Attributes to be set; an empty value takes one away.
    pub attributes: BTreeMap<Arc<str>, Arc<str>>,
    /// Consumers to be added.
    pub add_consumers: BTreeMap<Arc<str>, Consumer>,
    /// Consumers to be given up, with their commits.
    pub drop_consumers: Vec<Arc<str>>,
    /// Consumers to be set up anew; their commits stay.
    pub alter_consumers: BTreeMap<Arc<str>, Consumer>,
}

/// What a caller is answered.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Response {
    /// Done, and durable.
    Done,
    /// A topic.
    Topic(Description),
    /// Names of topics, in order.
    Topics(Vec<Arc<str>>),
    /// How the broker stands.
    Status(Status),
    /// Not done. Except for [`Refusal::Unknown`], nothing has changed.
    Refused(Refusal),
}

/// A topic as it is.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Description {
    /// Its name.
    pub path: Arc<str>,
    /// How it is set up.
    pub settings: Settings,
    /// When it was made, by the broker's clock.
    pub created_at: Wall,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition as it is.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PartitionDescription {
    /// The offsets that are there and shown to readers.
    pub available: read::Range,
    /// Bytes of these messages as they are stored.
    pub bytes: u64,
    /// When the last of them was written.
    pub last_write: Option<Wall>,
    /// Where each consumer stands: everything below is committed.
    pub committed: BTreeMap<Arc<str>, u64>,
    /// Who reads it, by consumer: the name of the read session.
    pub readers: BTreeMap<Arc<str>, Arc<str>>,
}

/// How the broker stands.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Status {
    /// What it is doing.
    pub phase: log::api::Phase,
    /// How far its log has come, in records.
    pub frontiers: log::api::Frontiers,
    /// What recovery found, once it is over.
    pub recovery: Option<Arc<log::api::Recovered>>,
    /// How many files hold the log.
    pub segments: u32,
    /// Bytes of messages that are in the log alone.
    pub undrained: u64,
    /// How many files of the pool messages may be added to.
    pub open_files: u64,
    /// How many files the pool has.
    pub pool_files: u64,
    /// How many checkpoints were written since the start.
    pub checkpoints: u64,
    /// How many topics there are.
    pub topics: u64,
    /// How many producers it remembers.
    pub producers: u64,
    /// Open write sessions.
    pub write_sessions: u64,
    /// Open read sessions.
    pub read_sessions: u64,
}

/// Why a call was not carried out.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such topic.
    #[error("there is no topic {0}")]
    NoTopic(Arc<str>),
    /// The name is taken.
    #[error("the topic {0} exists")]
    Exists(Arc<str>),
    /// The topic has no such consumer.
    #[error("the topic has no consumer {0}")]
    NoConsumer(Arc<str>),
    /// The topic has no such partition.
    #[error("the topic has no partition {0}")]
    NoPartition(u32),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(Arc<str>),
    /// More than is allowed.
    #[error("{what}: {is}, at most {limit}")]
    Limit {
        /// What there is too much of.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::recorded::words"))]
        what: log::api::Words,
        /// How much it would be.
        is: u64,
        /// The bound.
        limit: u64,
    },
    /// Too much to do; later.
    #[error("overloaded")]
    Overloaded,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The broker is not ready yet; later.
    #[error("the broker is recovering")]
    Recovering,
    /// The broker is ending.
    #[error("the broker is shutting down")]
    Closing,
    /// The broker's files are damaged.
    #[error("damaged: {0}")]
    Damaged(log::api::Damage),
    /// The disk fails: whether it is done shows after a restart.
    #[error("the disk fails, the outcome is unknown")]
    Unknown,
}

/// The broker's timers.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// One of the log's.
    Segments(log::segments::Timer),
    /// A reader has not answered a stop in time, or the like: the earliest deadline of the read sessions.
    Readers,
    /// Time to look for messages that are too old.
    Retention,
    /// Messages have been in the log alone for long enough.
    Flush,
    /// What failed in the pool may be tried again.
    Pool,
}
