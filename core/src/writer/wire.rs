//! What a topic writer and a server say to each other on one write stream: the messages of the YDB Topic API's
//! `StreamWrite`, as values. Bytes, frames and statuses of the transport are the edge's business; nothing is decided
//! here.

use crate::Wall;
use alloc::{sync::Arc, vec::Vec};
use bytes::Bytes;

/// How a payload is encoded. Payloads are encoded and decoded at the edge; machines pass the number on unread, so that
/// codecs which nobody here knows travel as well.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Codec(pub i32);

impl Codec {
    /// As it is.
    pub const RAW: Codec = Codec(1);
    /// Compressed with gzip.
    pub const GZIP: Codec = Codec(2);
}

/// The highest sequence number that the protocol can carry.
pub const MAX_SEQ_NO: u64 = i64::MAX as u64;

/// A message of a topic, without its number.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Payload {
    /// The payload as its codec encodes it.
    pub data: Bytes,
    /// How it is encoded.
    pub codec: Codec,
    /// Bytes of the payload before it was encoded.
    pub uncompressed_size: u64,
    /// When it came to be.
    pub created_at: Wall,
    /// Names and values that travel beside the payload.
    pub metadata: Vec<(Arc<str>, Bytes)>,
}

/// A message under its number.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Numbered {
    /// Unique for its producer in the topic, and rising.
    pub seq_no: u64,
    /// The message.
    pub payload: Payload,
}

/// What a writer says.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FromClient {
    /// First of all: who writes, and where.
    Init(Init),
    /// Messages, all in one codec, in the order of their numbers.
    Write {
        /// How all their payloads are encoded.
        codec: Codec,
        /// The messages; at least one.
        messages: Vec<Numbered>,
    },
    /// A fresh access token.
    UpdateToken(Bytes),
}

/// Who writes, and where. The last sequence number of the producer is always asked for.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Init {
    /// The topic.
    pub path: Arc<str>,
    /// The producer.
    pub producer_id: Arc<str>,
    /// A partition if it is to be that one; else the group decides, or the producer's id.
    pub partition: Option<u32>,
    /// The group that the messages belong to: the producer's id, or empty for none.
    pub group: Arc<str>,
    /// What the session says of itself, for those who read its messages.
    pub session_meta: Arc<[(Arc<str>, Arc<str>)]>,
}

/// What a server says.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FromServer {
    /// The session is open.
    Init(Session),
    /// Messages are dealt with: one acknowledgement each, in the order in which they were sent.
    Acks(Vec<Ack>),
    /// The token was taken.
    TokenUpdated,
    /// Something went wrong; the stream is over.
    Failed(Status),
}

/// A session that a server has opened.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Session {
    /// Its name, for people.
    pub session_id: Arc<str>,
    /// Where the messages go.
    pub partition: u32,
    /// The highest number that is stored for this producer; 0 if none is.
    pub last_seq_no: u64,
    /// The codecs that the topic takes; empty: any.
    pub codecs: Vec<Codec>,
}

/// What became of one message.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ack {
    /// Its number.
    pub seq_no: u64,
    /// What became of it.
    pub status: AckStatus,
}

/// What became of one message.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AckStatus {
    /// It is stored at this offset.
    Written {
        /// Its place in the partition.
        offset: u64,
    },
    /// A message of this or a higher number was stored before; this one was passed over.
    Skipped,
    /// It is stored once a transaction commits. This writer asks for no transactions.
    WrittenInTx,
}

/// An answer that is none: a status of the YDB API with what it says about itself.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Status {
    /// The code, such as 400060 for an overload.
    pub code: u32,
    /// Details.
    pub issues: Vec<Issue>,
}

/// A detail of a status.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Issue {
    /// The kind of issue.
    pub code: u32,
    /// In words.
    pub message: Arc<str>,
}
