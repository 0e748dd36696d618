//! What every service uses: moments, spans, statuses, the envelope of unary answers.

use bytes::Bytes;
use std::collections::BTreeMap;

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Duration {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
}

/// `Ydb.Issue.IssueMessage`, without positions in a query.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Issue {
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(uint32, tag = "4")]
    pub(crate) issue_code: u32,
    #[prost(uint32, tag = "5")]
    pub(crate) severity: u32,
    /// What lies behind it.
    #[prost(message, repeated, tag = "6")]
    pub(crate) issues: Vec<Issue>,
}

/// `Ydb.Operations.Operation`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Operation {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(bool, tag = "2")]
    pub(crate) ready: bool,
    #[prost(int32, tag = "3")]
    pub(crate) status: i32,
    #[prost(message, repeated, tag = "4")]
    pub(crate) issues: Vec<Issue>,
    #[prost(message, optional, tag = "5")]
    pub(crate) result: Option<Any>,
}

/// The answer of every unary call of the services that answer with an operation.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct OperationResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) operation: Option<Operation>,
}

/// A request of which nothing is read.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Ignored {}

/// `Ydb.Topic.SupportedCodecs`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct SupportedCodecs {
    #[prost(int32, repeated, tag = "1")]
    pub(crate) codecs: Vec<i32>,
}

/// `Ydb.Topic.OffsetsRange`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct OffsetsRange {
    #[prost(int64, tag = "1")]
    pub(crate) start: i64,
    #[prost(int64, tag = "2")]
    pub(crate) end: i64,
}

/// `Ydb.Topic.UpdateTokenRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct UpdateTokenRequest {
    // On the wire strings and bytes are the same, and a token need not be text to be refused.
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) token: Bytes,
}

/// `Ydb.Topic.UpdateTokenResponse`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct UpdateTokenResponse {}

/// `Ydb.Topic.MetadataItem`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct MetadataItem {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
}

/// `Ydb.Topic.TransactionIdentity`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct TransactionIdentity {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) session: String,
}

/// `Ydb.Topic.PartitionWithGeneration`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct PartitionWithGeneration {
    #[prost(int64, tag = "1")]
    pub(crate) partition_id: i64,
    #[prost(int64, tag = "2")]
    pub(crate) generation: i64,
}

/// Names and values.
pub(crate) type Attributes = BTreeMap<String, String>;
