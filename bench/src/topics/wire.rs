//! The few messages of the YDB Topic API that the sink, the source and the bare streams speak. Decides nothing.
//!
//! A sink need not know more of a message than its number, so it reads no more: what is measured is the client. One-of
//! fields are written as optional ones, which is the same on the wire.

use bytes::Bytes;

/// The status of everything that went well.
pub(super) const SUCCESS: i32 = 400_000;
/// The codec of payloads that are as they are.
pub(super) const RAW: i32 = 1;

/// `StreamWrite`, from a client, as the bare stream says it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WriterSays {
    #[prost(message, optional, tag = "1")]
    pub(super) init: Option<WriterInit>,
    #[prost(message, optional, tag = "2")]
    pub(super) write: Option<Write>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WriterInit {
    #[prost(string, tag = "1")]
    pub(super) path: String,
    #[prost(string, tag = "2")]
    pub(super) producer_id: String,
    #[prost(int64, optional, tag = "5")]
    pub(super) partition_id: Option<i64>,
    #[prost(bool, tag = "6")]
    pub(super) get_last_seq_no: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Write {
    #[prost(message, repeated, tag = "1")]
    pub(super) messages: Vec<Written>,
    #[prost(int32, tag = "2")]
    pub(super) codec: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Written {
    #[prost(int64, tag = "1")]
    pub(super) seq_no: i64,
    #[prost(message, optional, tag = "2")]
    pub(super) created_at: Option<Timestamp>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) data: Bytes,
    #[prost(int64, tag = "4")]
    pub(super) uncompressed_size: i64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

/// `StreamWrite`, from a client, as far as the sink reads it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SinkHears {
    #[prost(message, optional, tag = "1")]
    pub(super) init: Option<Unread>,
    #[prost(message, optional, tag = "2")]
    pub(super) write: Option<Numbers>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Numbers {
    #[prost(message, repeated, tag = "1")]
    pub(super) messages: Vec<Number>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Number {
    #[prost(int64, tag = "1")]
    pub(super) seq_no: i64,
}

/// A message of which only matters that it is there.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Unread {}

/// `StreamWrite`, from a server.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WriterHears {
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
    #[prost(message, repeated, tag = "2")]
    pub(super) issues: Vec<Issue>,
    #[prost(message, optional, tag = "3")]
    pub(super) init: Option<WriterSession>,
    #[prost(message, optional, tag = "4")]
    pub(super) acks: Option<Acks>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Issue {
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WriterSession {
    #[prost(int64, tag = "1")]
    pub(super) last_seq_no: i64,
    #[prost(string, tag = "2")]
    pub(super) session_id: String,
    #[prost(int64, tag = "3")]
    pub(super) partition_id: i64,
    #[prost(message, optional, tag = "4")]
    pub(super) supported_codecs: Option<Codecs>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Codecs {
    #[prost(int32, repeated, tag = "1")]
    pub(super) codecs: Vec<i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Acks {
    #[prost(message, repeated, tag = "1")]
    pub(super) acks: Vec<Ack>,
    #[prost(int64, tag = "2")]
    pub(super) partition_id: i64,
    /// Some clients read it unasked.
    #[prost(message, optional, tag = "3")]
    pub(super) write_statistics: Option<Unread>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Ack {
    #[prost(int64, tag = "1")]
    pub(super) seq_no: i64,
    #[prost(message, optional, tag = "2")]
    pub(super) written: Option<Offset>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Offset {
    #[prost(int64, tag = "1")]
    pub(super) offset: i64,
}

/// `StreamRead`, from a client.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReaderSays {
    #[prost(message, optional, tag = "1")]
    pub(super) init: Option<ReaderInit>,
    #[prost(message, optional, tag = "2")]
    pub(super) credit: Option<Credit>,
    #[prost(message, optional, tag = "3")]
    pub(super) commit: Option<Commit>,
    #[prost(message, optional, tag = "6")]
    pub(super) started: Option<Started>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReaderInit {
    #[prost(message, repeated, tag = "1")]
    pub(super) topics: Vec<TopicPath>,
    #[prost(string, tag = "2")]
    pub(super) consumer: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TopicPath {
    #[prost(string, tag = "1")]
    pub(super) path: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Credit {
    #[prost(int64, tag = "1")]
    pub(super) bytes_size: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Commit {
    #[prost(message, repeated, tag = "1")]
    pub(super) partitions: Vec<PartitionCommit>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PartitionCommit {
    #[prost(int64, tag = "1")]
    pub(super) partition_session_id: i64,
    #[prost(message, repeated, tag = "2")]
    pub(super) offsets: Vec<Range>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Range {
    #[prost(int64, tag = "1")]
    pub(super) start: i64,
    #[prost(int64, tag = "2")]
    pub(super) end: i64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Started {
    #[prost(int64, tag = "1")]
    pub(super) partition_session_id: i64,
}

/// `StreamRead`, from a server.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReaderHears {
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
    #[prost(message, repeated, tag = "2")]
    pub(super) issues: Vec<Issue>,
    #[prost(message, optional, tag = "3")]
    pub(super) init: Option<ReaderSession>,
    #[prost(message, optional, tag = "4")]
    pub(super) data: Option<Data>,
    #[prost(message, optional, tag = "5")]
    pub(super) committed: Option<Committed>,
    #[prost(message, optional, tag = "8")]
    pub(super) start: Option<Start>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReaderSession {
    #[prost(string, tag = "1")]
    pub(super) session_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Data {
    #[prost(message, repeated, tag = "1")]
    pub(super) partitions: Vec<PartitionData>,
    #[prost(int64, tag = "2")]
    pub(super) bytes_size: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PartitionData {
    #[prost(int64, tag = "1")]
    pub(super) partition_session_id: i64,
    #[prost(message, repeated, tag = "2")]
    pub(super) batches: Vec<Batch>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Batch {
    #[prost(message, repeated, tag = "1")]
    pub(super) messages: Vec<Stored>,
    #[prost(string, tag = "2")]
    pub(super) producer_id: String,
    #[prost(int32, tag = "4")]
    pub(super) codec: i32,
    #[prost(message, optional, tag = "5")]
    pub(super) written_at: Option<Timestamp>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Stored {
    #[prost(int64, tag = "1")]
    pub(super) offset: i64,
    #[prost(int64, tag = "2")]
    pub(super) seq_no: i64,
    #[prost(message, optional, tag = "3")]
    pub(super) created_at: Option<Timestamp>,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) data: Bytes,
    #[prost(int64, tag = "6")]
    pub(super) uncompressed_size: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Committed {
    #[prost(message, repeated, tag = "1")]
    pub(super) partitions: Vec<PartitionCommitted>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct PartitionCommitted {
    #[prost(int64, tag = "1")]
    pub(super) partition_session_id: i64,
    #[prost(int64, tag = "2")]
    pub(super) committed_offset: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Start {
    #[prost(message, optional, tag = "1")]
    pub(super) session: Option<PartitionSession>,
    #[prost(int64, tag = "2")]
    pub(super) committed_offset: i64,
    #[prost(message, optional, tag = "3")]
    pub(super) offsets: Option<Range>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PartitionSession {
    #[prost(int64, tag = "1")]
    pub(super) partition_session_id: i64,
    #[prost(string, tag = "2")]
    pub(super) path: String,
    #[prost(int64, tag = "3")]
    pub(super) partition_id: i64,
}
