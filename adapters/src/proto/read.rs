//! `Ydb.Topic.StreamReadMessage`.

use super::common::{
    Attributes, Duration, Issue, MetadataItem, OffsetsRange, Timestamp, UpdateTokenRequest,
    UpdateTokenResponse,
};
use super::topic::PartitionLocation;
use bytes::Bytes;

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct FromClient {
    #[prost(oneof = "ClientMessage", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
    pub(crate) client_message: Option<ClientMessage>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(crate) enum ClientMessage {
    #[prost(message, tag = "1")]
    InitRequest(InitRequest),
    #[prost(message, tag = "2")]
    ReadRequest(ReadRequest),
    #[prost(message, tag = "3")]
    CommitOffsetRequest(CommitOffsetRequest),
    #[prost(message, tag = "4")]
    PartitionSessionStatusRequest(PartitionSessionStatusRequest),
    #[prost(message, tag = "5")]
    UpdateTokenRequest(UpdateTokenRequest),
    #[prost(message, tag = "6")]
    StartPartitionSessionResponse(StartPartitionSessionResponse),
    #[prost(message, tag = "7")]
    StopPartitionSessionResponse(StopPartitionSessionResponse),
    #[prost(message, tag = "8")]
    DirectReadAck(DirectReadAck),
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct InitRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) topics_read_settings: Vec<TopicReadSettings>,
    #[prost(string, tag = "2")]
    pub(crate) consumer: String,
    /// For people, and not kept.
    #[prost(string, tag = "3")]
    pub(crate) reader_name: String,
    #[prost(bool, tag = "4")]
    pub(crate) direct_read: bool,
    /// Partitions never split here: nothing to support.
    #[prost(bool, tag = "5")]
    pub(crate) auto_partitioning_support: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct TopicReadSettings {
    #[prost(string, tag = "1")]
    pub(crate) path: String,
    #[prost(int64, repeated, tag = "2")]
    pub(crate) partition_ids: Vec<i64>,
    #[prost(message, optional, tag = "3")]
    pub(crate) max_lag: Option<Duration>,
    #[prost(message, optional, tag = "4")]
    pub(crate) read_from: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct ReadRequest {
    #[prost(int64, tag = "1")]
    pub(crate) bytes_size: i64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct CommitOffsetRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) commit_offsets: Vec<PartitionCommitOffset>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct PartitionCommitOffset {
    #[prost(int64, tag = "1")]
    pub(crate) partition_session_id: i64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) offsets: Vec<OffsetsRange>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct PartitionSessionStatusRequest {
    #[prost(int64, tag = "1")]
    pub(crate) partition_session_id: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct StartPartitionSessionResponse {
    #[prost(int64, tag = "1")]
    pub(crate) partition_session_id: i64,
    #[prost(int64, optional, tag = "2")]
    pub(crate) read_offset: Option<i64>,
    #[prost(int64, optional, tag = "3")]
    pub(crate) commit_offset: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct StopPartitionSessionResponse {
    #[prost(int64, tag = "1")]
    pub(crate) partition_session_id: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct DirectReadAck {
    #[prost(int64, tag = "1")]
    pub(crate) partition_session_id: i64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct FromServer {
    #[prost(int32, tag = "1")]
    pub(crate) status: i32,
    #[prost(message, repeated, tag = "2")]
    pub(crate) issues: Vec<Issue>,
    #[prost(oneof = "ServerMessage", tags = "3, 4, 5, 6, 7, 8, 9")]
    pub(crate) server_message: Option<ServerMessage>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(crate) enum ServerMessage {
    #[prost(message, tag = "3")]
    InitResponse(InitResponse),
    #[prost(message, tag = "4")]
    ReadResponse(ReadResponse),
    #[prost(message, tag = "5")]
    CommitOffsetResponse(CommitOffsetResponse),
    #[prost(message, tag = "6")]
    PartitionSessionStatusResponse(PartitionSessionStatusResponse),
    #[prost(message, tag = "7")]
    UpdateTokenResponse(UpdateTokenResponse),
    #[prost(message, tag = "8")]
    StartPartitionSessionRequest(StartPartitionSessionRequest),
    #[prost(message, tag = "9")]
    StopPartitionSessionRequest(StopPartitionSessionRequest),
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct InitResponse {
    #[prost(string, tag = "1")]
    pub(crate) session_id: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct ReadResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) partition_data: Vec<PartitionData>,
    #[prost(int64, tag = "2")]
    pub(crate) bytes_size: i64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct PartitionData {
    #[prost(int64, tag = "1")]
    pub(crate) partition_session_id: i64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) batches: Vec<Batch>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Batch {
    #[prost(message, repeated, tag = "1")]
    pub(crate) message_data: Vec<MessageData>,
    #[prost(string, tag = "2")]
    pub(crate) producer_id: String,
    #[prost(btree_map = "string, string", tag = "3")]
    pub(crate) write_session_meta: Attributes,
    #[prost(int32, tag = "4")]
    pub(crate) codec: i32,
    #[prost(message, optional, tag = "5")]
    pub(crate) written_at: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct MessageData {
    #[prost(int64, tag = "1")]
    pub(crate) offset: i64,
    #[prost(int64, tag = "2")]
    pub(crate) seq_no: i64,
    #[prost(message, optional, tag = "3")]
    pub(crate) created_at: Option<Timestamp>,
    #[prost(bytes = "bytes", tag = "5")]
    pub(crate) data: Bytes,
    #[prost(int64, tag = "6")]
    pub(crate) uncompressed_size: i64,
    #[prost(string, tag = "7")]
    pub(crate) message_group_id: String,
    #[prost(message, repeated, tag = "8")]
    pub(crate) metadata_items: Vec<MetadataItem>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct CommitOffsetResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) partitions_committed_offsets: Vec<PartitionCommittedOffset>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct PartitionCommittedOffset {
    #[prost(int64, tag = "1")]
    pub(crate) partition_session_id: i64,
    #[prost(int64, tag = "2")]
    pub(crate) committed_offset: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct PartitionSessionStatusResponse {
    #[prost(int64, tag = "1")]
    pub(crate) partition_session_id: i64,
    #[prost(message, optional, tag = "2")]
    pub(crate) partition_offsets: Option<OffsetsRange>,
    #[prost(int64, tag = "3")]
    pub(crate) committed_offset: i64,
    #[prost(message, optional, tag = "4")]
    pub(crate) write_time_high_watermark: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct StartPartitionSessionRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) partition_session: Option<PartitionSession>,
    #[prost(int64, tag = "2")]
    pub(crate) committed_offset: i64,
    #[prost(message, optional, tag = "3")]
    pub(crate) partition_offsets: Option<OffsetsRange>,
    #[prost(message, optional, tag = "4")]
    pub(crate) partition_location: Option<PartitionLocation>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct PartitionSession {
    #[prost(int64, tag = "1")]
    pub(crate) partition_session_id: i64,
    #[prost(string, tag = "2")]
    pub(crate) path: String,
    #[prost(int64, tag = "3")]
    pub(crate) partition_id: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct StopPartitionSessionRequest {
    #[prost(int64, tag = "1")]
    pub(crate) partition_session_id: i64,
    #[prost(bool, tag = "2")]
    pub(crate) graceful: bool,
    #[prost(int64, tag = "3")]
    pub(crate) committed_offset: i64,
}
