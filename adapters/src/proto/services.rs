//! The messages of the smaller services: discovery, login, directories, the sessions of tables and queries.

use super::common::Issue;

/// `Ydb.Discovery.ListEndpointsRequest`.
#[cfg(feature = "topic")]
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct ListEndpointsRequest {
    #[prost(string, tag = "1")]
    pub(crate) database: String,
}

/// `Ydb.Discovery.ListEndpointsResult`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListEndpointsResult {
    #[prost(message, repeated, tag = "1")]
    pub(crate) endpoints: Vec<EndpointInfo>,
    #[prost(string, tag = "2")]
    pub(crate) self_location: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EndpointInfo {
    #[prost(string, tag = "1")]
    pub(crate) address: String,
    #[prost(uint32, tag = "2")]
    pub(crate) port: u32,
    #[prost(float, tag = "3")]
    pub(crate) load_factor: f32,
    #[prost(bool, tag = "4")]
    pub(crate) ssl: bool,
    #[prost(string, tag = "6")]
    pub(crate) location: String,
    #[prost(uint32, tag = "7")]
    pub(crate) node_id: u32,
}

/// `Ydb.Discovery.WhoAmIResult`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct WhoAmIResult {
    #[prost(string, tag = "1")]
    pub(crate) user: String,
}

/// `Ydb.Auth.LoginRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct LoginRequest {
    #[prost(string, tag = "2")]
    pub(crate) user: String,
    #[prost(string, tag = "3")]
    pub(crate) password: String,
}

/// `Ydb.Auth.LoginResult`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct LoginResult {
    #[prost(string, tag = "1")]
    pub(crate) token: String,
}

/// `Ydb.Table.CreateSessionResult`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct CreateSessionResult {
    #[prost(string, tag = "1")]
    pub(crate) session_id: String,
}

/// `Ydb.Table.KeepAliveResult`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct KeepAliveResult {
    #[prost(int32, tag = "1")]
    pub(crate) session_status: i32,
}

impl KeepAliveResult {
    /// Nothing is going on in the session.
    pub(crate) const READY: i32 = 1;
}

/// `Ydb.Scheme.Entry`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) owner: String,
    #[prost(int32, tag = "5")]
    pub(crate) kind: i32,
    #[prost(uint64, tag = "8")]
    pub(crate) size_bytes: u64,
    #[prost(message, optional, tag = "9")]
    pub(crate) created_at: Option<VirtualTimestamp>,
}

impl Entry {
    pub(crate) const DIRECTORY: i32 = 1;
    pub(crate) const DATABASE: i32 = 4;
    pub(crate) const TOPIC: i32 = 17;
}

/// `Ydb.VirtualTimestamp`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct VirtualTimestamp {
    /// Milliseconds since the Unix epoch.
    #[prost(uint64, tag = "1")]
    pub(crate) plan_step: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) tx_id: u64,
}

/// `Ydb.Scheme.ListDirectoryResult`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct ListDirectoryResult {
    #[prost(message, optional, tag = "1")]
    pub(crate) entry: Option<Entry>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) children: Vec<Entry>,
}

/// `Ydb.Scheme.DescribePathResult`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct DescribePathResult {
    #[prost(message, optional, tag = "1")]
    pub(crate) entry: Option<Entry>,
}

/// What all answers of the query service begin with, and of streams of other services that are not served here.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct StatusResponse {
    #[prost(int32, tag = "1")]
    pub(crate) status: i32,
    #[prost(message, repeated, tag = "2")]
    pub(crate) issues: Vec<Issue>,
}
