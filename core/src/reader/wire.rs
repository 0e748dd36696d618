//! What a topic reader and a server say to each other on one read stream: the messages of the YDB Topic API's
//! `StreamRead`, as values. Bytes, frames and statuses of the transport are the edge's business; nothing is decided
//! here.

use crate::writer::wire::{Codec, Numbered, Status};
use crate::{Dur, Wall};
use alloc::{sync::Arc, vec::Vec};
use bytes::Bytes;

/// A partition that a server has given to one read stream, for as long as it leaves it there. Unique within the stream,
/// never used twice in it.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PartitionSessionId(pub u64);

/// Offsets from `start` to before `end`.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Range {
    /// The first offset.
    pub start: u64,
    /// The first offset after them.
    pub end: u64,
}

/// What a reader says.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FromClient {
    /// First of all: who reads what.
    Init(Init),
    /// The server may send so many bytes more.
    Read {
        /// Added to what is left of earlier credit.
        bytes: u64,
    },
    /// Messages are dealt with and need not come again.
    Commit(Vec<Commit>),
    /// How does a partition session stand? Answered by [`FromServer::Status`].
    Status(PartitionSessionId),
    /// Ready for messages of a partition; answers [`FromServer::Start`].
    Started {
        /// The partition session.
        session: PartitionSessionId,
        /// Where to read from instead of the committed offset.
        read_offset: Option<u64>,
        /// Committed at the same time: everything below.
        commit_offset: Option<u64>,
    },
    /// The partition may go; answers a graceful [`FromServer::Stop`].
    Stopped(PartitionSessionId),
    /// A fresh access token.
    UpdateToken(Bytes),
}

/// Who reads what.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Init {
    /// The topics; at least one, each once.
    pub topics: Vec<TopicFilter>,
    /// The consumer that shares the partitions among its readers and keeps the commits; empty: without one, everything is
    /// read and nothing can be committed.
    pub consumer: Arc<str>,
}

/// What to read of a topic.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicFilter {
    /// The topic.
    pub path: Arc<str>,
    /// These partitions only; empty: any.
    pub partitions: Vec<u32>,
    /// Pass over messages that were written longer ago than this.
    pub max_lag: Option<Dur>,
    /// Pass over messages that were written before this.
    pub read_from: Option<Wall>,
}

/// A commit of messages of one partition.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Commit {
    /// Where they were read.
    pub session: PartitionSessionId,
    /// Which; neither empty nor overlapping.
    pub ranges: Vec<Range>,
}

/// What a server says.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FromServer {
    /// The stream is a read session now.
    Init {
        /// Its name, for people.
        session_id: Arc<str>,
    },
    /// Messages.
    Data {
        /// By partition, each once.
        partitions: Vec<PartitionData>,
        /// What this takes of the credit.
        bytes: u64,
    },
    /// A partition for this reader, if it answers with [`FromClient::Started`].
    Start {
        /// Names it within the stream.
        session: PartitionSessionId,
        /// The topic, as the reader called it.
        path: Arc<str>,
        /// The partition.
        partition: u32,
        /// Everything below is committed.
        committed: u64,
        /// The offsets that are there.
        available: Range,
    },
    /// A partition goes to somebody else.
    Stop {
        /// Which.
        session: PartitionSessionId,
        /// Whether the server waits for [`FromClient::Stopped`], for a while.
        graceful: bool,
        /// Everything below is committed.
        committed: u64,
    },
    /// Commits are durable.
    Committed(Vec<(PartitionSessionId, u64)>),
    /// Answers [`FromClient::Status`].
    Status {
        /// Which.
        session: PartitionSessionId,
        /// The offsets that are there.
        available: Range,
        /// Everything below is committed.
        committed: u64,
        /// Everything before this moment, by the broker's clock, is written.
        written_until: Wall,
    },
    /// The token was taken.
    TokenUpdated,
    /// Something went wrong; the stream is over.
    Failed(Status),
}

/// Messages of one partition.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PartitionData {
    /// The partition session.
    pub session: PartitionSessionId,
    /// In the order of their offsets.
    pub batches: Vec<Batch>,
}

/// Messages that were written together: of one producer, in one codec, with dense offsets.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Batch {
    /// The offset of the first message; those of the others follow.
    pub offset: u64,
    /// Who wrote them; empty if nobody said so.
    pub producer_id: Arc<str>,
    /// What the write session said of itself.
    pub session_meta: Arc<[(Arc<str>, Arc<str>)]>,
    /// How the payloads are encoded.
    pub codec: Codec,
    /// When the broker took them in, by its clock.
    pub written_at: Wall,
    /// The messages, with their sequence numbers.
    pub messages: Vec<Numbered>,
}
