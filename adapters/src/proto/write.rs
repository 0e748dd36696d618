//! `Ydb.Topic.StreamWriteMessage`.

use super::common::{
    Attributes, Issue, MetadataItem, PartitionWithGeneration, SupportedCodecs, Timestamp,
    TransactionIdentity, UpdateTokenRequest, UpdateTokenResponse,
};
use bytes::Bytes;

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct FromClient {
    #[prost(oneof = "ClientMessage", tags = "1, 2, 3")]
    pub(crate) client_message: Option<ClientMessage>,
}

// The protocol's own names.
#[expect(clippy::enum_variant_names)]
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(crate) enum ClientMessage {
    #[prost(message, tag = "1")]
    InitRequest(InitRequest),
    #[prost(message, tag = "2")]
    WriteRequest(WriteRequest),
    #[prost(message, tag = "3")]
    UpdateTokenRequest(UpdateTokenRequest),
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct InitRequest {
    #[prost(string, tag = "1")]
    pub(crate) path: String,
    #[prost(string, tag = "2")]
    pub(crate) producer_id: String,
    #[prost(btree_map = "string, string", tag = "3")]
    pub(crate) write_session_meta: Attributes,
    #[prost(oneof = "Partitioning", tags = "4, 5, 7")]
    pub(crate) partitioning: Option<Partitioning>,
    /// Not asked for: the answer always has it.
    #[prost(bool, tag = "6")]
    pub(crate) get_last_seq_no: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(crate) enum Partitioning {
    #[prost(string, tag = "4")]
    MessageGroupId(String),
    #[prost(int64, tag = "5")]
    PartitionId(i64),
    #[prost(message, tag = "7")]
    PartitionWithGeneration(PartitionWithGeneration),
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) messages: Vec<MessageData>,
    #[prost(int32, tag = "2")]
    pub(crate) codec: i32,
    #[prost(message, optional, tag = "3")]
    pub(crate) tx: Option<TransactionIdentity>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct MessageData {
    #[prost(int64, tag = "1")]
    pub(crate) seq_no: i64,
    #[prost(message, optional, tag = "2")]
    pub(crate) created_at: Option<Timestamp>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) data: Bytes,
    #[prost(int64, tag = "4")]
    pub(crate) uncompressed_size: i64,
    #[prost(oneof = "MessagePartitioning", tags = "5, 6, 8")]
    pub(crate) partitioning: Option<MessagePartitioning>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) metadata_items: Vec<MetadataItem>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(crate) enum MessagePartitioning {
    #[prost(string, tag = "5")]
    MessageGroupId(String),
    #[prost(int64, tag = "6")]
    PartitionId(i64),
    #[prost(message, tag = "8")]
    PartitionWithGeneration(PartitionWithGeneration),
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct FromServer {
    #[prost(int32, tag = "1")]
    pub(crate) status: i32,
    #[prost(message, repeated, tag = "2")]
    pub(crate) issues: Vec<Issue>,
    #[prost(oneof = "ServerMessage", tags = "3, 4, 5")]
    pub(crate) server_message: Option<ServerMessage>,
}

// The protocol's own names.
#[expect(clippy::enum_variant_names)]
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(crate) enum ServerMessage {
    #[prost(message, tag = "3")]
    InitResponse(InitResponse),
    #[prost(message, tag = "4")]
    WriteResponse(WriteResponse),
    #[prost(message, tag = "5")]
    UpdateTokenResponse(UpdateTokenResponse),
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct InitResponse {
    #[prost(int64, tag = "1")]
    pub(crate) last_seq_no: i64,
    #[prost(string, tag = "2")]
    pub(crate) session_id: String,
    #[prost(int64, tag = "3")]
    pub(crate) partition_id: i64,
    #[prost(message, optional, tag = "4")]
    pub(crate) supported_codecs: Option<SupportedCodecs>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct WriteResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) acks: Vec<WriteAck>,
    #[prost(int64, tag = "2")]
    pub(crate) partition_id: i64,
    #[prost(message, optional, tag = "3")]
    pub(crate) write_statistics: Option<WriteStatistics>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct WriteAck {
    #[prost(int64, tag = "1")]
    pub(crate) seq_no: i64,
    #[prost(oneof = "MessageWriteStatus", tags = "2, 3, 4")]
    pub(crate) message_write_status: Option<MessageWriteStatus>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Oneof)]
pub(crate) enum MessageWriteStatus {
    #[prost(message, tag = "2")]
    Written(Written),
    #[prost(message, tag = "3")]
    Skipped(Skipped),
    #[prost(message, tag = "4")]
    WrittenInTx(WrittenInTx),
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Written {
    #[prost(int64, tag = "1")]
    pub(crate) offset: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Skipped {
    #[prost(int32, tag = "1")]
    pub(crate) reason: i32,
}

impl Skipped {
    /// The reason: such a number was stored before.
    pub(crate) const ALREADY_WRITTEN: i32 = 1;
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct WrittenInTx {}

/// Times that the broker does not measure for a client; the message must be there for clients that read it unasked.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct WriteStatistics {}
