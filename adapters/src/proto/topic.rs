//! The unary calls of `Ydb.Topic`.

use super::common::{Attributes, Duration, OffsetsRange, SupportedCodecs, Timestamp};
use super::services::Entry;

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct CreateTopicRequest {
    #[prost(string, tag = "2")]
    pub(crate) path: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) partitioning_settings: Option<PartitioningSettings>,
    #[prost(message, optional, tag = "4")]
    pub(crate) retention_period: Option<Duration>,
    #[prost(int64, tag = "5")]
    pub(crate) retention_storage_mb: i64,
    #[prost(message, optional, tag = "7")]
    pub(crate) supported_codecs: Option<SupportedCodecs>,
    #[prost(btree_map = "string, string", tag = "10")]
    pub(crate) attributes: Attributes,
    #[prost(message, repeated, tag = "11")]
    pub(crate) consumers: Vec<Consumer>,
    #[prost(bool, tag = "14")]
    pub(crate) content_based_deduplication: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct PartitioningSettings {
    #[prost(int64, tag = "1")]
    pub(crate) min_active_partitions: i64,
    #[prost(int64, tag = "2")]
    pub(crate) partition_count_limit: i64,
    #[prost(int64, tag = "3")]
    pub(crate) max_active_partitions: i64,
    #[prost(message, optional, tag = "4")]
    pub(crate) auto_partitioning_settings: Option<AutoPartitioningSettings>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct AutoPartitioningSettings {
    #[prost(int32, tag = "1")]
    pub(crate) strategy: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Consumer {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bool, tag = "2")]
    pub(crate) important: bool,
    #[prost(message, optional, tag = "3")]
    pub(crate) read_from: Option<Timestamp>,
    #[prost(message, optional, tag = "5")]
    pub(crate) supported_codecs: Option<SupportedCodecs>,
    #[prost(btree_map = "string, string", tag = "6")]
    pub(crate) attributes: Attributes,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct AlterTopicRequest {
    #[prost(string, tag = "2")]
    pub(crate) path: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) alter_partitioning_settings: Option<AlterPartitioningSettings>,
    #[prost(message, optional, tag = "4")]
    pub(crate) set_retention_period: Option<Duration>,
    #[prost(int64, optional, tag = "5")]
    pub(crate) set_retention_storage_mb: Option<i64>,
    #[prost(message, optional, tag = "7")]
    pub(crate) set_supported_codecs: Option<SupportedCodecs>,
    #[prost(btree_map = "string, string", tag = "10")]
    pub(crate) alter_attributes: Attributes,
    #[prost(message, repeated, tag = "11")]
    pub(crate) add_consumers: Vec<Consumer>,
    #[prost(string, repeated, tag = "12")]
    pub(crate) drop_consumers: Vec<String>,
    #[prost(message, repeated, tag = "13")]
    pub(crate) alter_consumers: Vec<AlterConsumer>,
    #[prost(bool, optional, tag = "17")]
    pub(crate) set_content_based_deduplication: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct AlterPartitioningSettings {
    #[prost(int64, optional, tag = "1")]
    pub(crate) set_min_active_partitions: Option<i64>,
    #[prost(int64, optional, tag = "3")]
    pub(crate) set_max_active_partitions: Option<i64>,
    #[prost(message, optional, tag = "4")]
    pub(crate) alter_auto_partitioning_settings: Option<AlterAutoPartitioningSettings>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct AlterAutoPartitioningSettings {
    #[prost(int32, optional, tag = "1")]
    pub(crate) set_strategy: Option<i32>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct AlterConsumer {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bool, optional, tag = "2")]
    pub(crate) set_important: Option<bool>,
    #[prost(message, optional, tag = "3")]
    pub(crate) set_read_from: Option<Timestamp>,
    #[prost(message, optional, tag = "5")]
    pub(crate) set_supported_codecs: Option<SupportedCodecs>,
    #[prost(btree_map = "string, string", tag = "6")]
    pub(crate) alter_attributes: Attributes,
}

/// `DropTopicRequest`, `ListDirectoryRequest` and `DescribePathRequest` alike.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct PathRequest {
    #[prost(string, tag = "2")]
    pub(crate) path: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct DescribeTopicRequest {
    #[prost(string, tag = "2")]
    pub(crate) path: String,
    #[prost(bool, tag = "3")]
    pub(crate) include_stats: bool,
    #[prost(bool, tag = "4")]
    pub(crate) include_location: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct DescribePartitionRequest {
    #[prost(string, tag = "2")]
    pub(crate) path: String,
    #[prost(int64, tag = "3")]
    pub(crate) partition_id: i64,
    #[prost(bool, tag = "4")]
    pub(crate) include_stats: bool,
    #[prost(bool, tag = "5")]
    pub(crate) include_location: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct DescribeConsumerRequest {
    #[prost(string, tag = "2")]
    pub(crate) path: String,
    #[prost(string, tag = "3")]
    pub(crate) consumer: String,
    #[prost(bool, tag = "4")]
    pub(crate) include_stats: bool,
    #[prost(bool, tag = "5")]
    pub(crate) include_location: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct CommitOffsetRequest {
    #[prost(string, tag = "2")]
    pub(crate) path: String,
    #[prost(int64, tag = "3")]
    pub(crate) partition_id: i64,
    #[prost(string, tag = "4")]
    pub(crate) consumer: String,
    #[prost(int64, tag = "5")]
    pub(crate) offset: i64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct DescribeTopicResult {
    #[prost(message, optional, tag = "1")]
    pub(crate) entry: Option<Entry>,
    #[prost(message, optional, tag = "2")]
    pub(crate) partitioning_settings: Option<PartitioningSettings>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) partitions: Vec<PartitionInfo>,
    #[prost(message, optional, tag = "4")]
    pub(crate) retention_period: Option<Duration>,
    #[prost(int64, tag = "5")]
    pub(crate) retention_storage_mb: i64,
    #[prost(message, optional, tag = "7")]
    pub(crate) supported_codecs: Option<SupportedCodecs>,
    #[prost(btree_map = "string, string", tag = "10")]
    pub(crate) attributes: Attributes,
    #[prost(message, repeated, tag = "11")]
    pub(crate) consumers: Vec<Consumer>,
    #[prost(message, optional, tag = "13")]
    pub(crate) topic_stats: Option<TopicStats>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct PartitionInfo {
    #[prost(int64, tag = "1")]
    pub(crate) partition_id: i64,
    #[prost(bool, tag = "2")]
    pub(crate) active: bool,
    #[prost(message, optional, tag = "5")]
    pub(crate) partition_stats: Option<PartitionStats>,
    #[prost(message, optional, tag = "6")]
    pub(crate) partition_location: Option<PartitionLocation>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct PartitionStats {
    #[prost(message, optional, tag = "1")]
    pub(crate) partition_offsets: Option<OffsetsRange>,
    #[prost(int64, tag = "2")]
    pub(crate) store_size_bytes: i64,
    #[prost(message, optional, tag = "3")]
    pub(crate) last_write_time: Option<Timestamp>,
    #[prost(message, optional, tag = "4")]
    pub(crate) max_write_time_lag: Option<Duration>,
    #[prost(message, optional, tag = "5")]
    pub(crate) bytes_written: Option<MultipleWindowsStat>,
}

/// Sums over the last minute, hour and day.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct MultipleWindowsStat {
    #[prost(int64, tag = "1")]
    pub(crate) per_minute: i64,
    #[prost(int64, tag = "2")]
    pub(crate) per_hour: i64,
    #[prost(int64, tag = "3")]
    pub(crate) per_day: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct PartitionLocation {
    #[prost(int32, tag = "1")]
    pub(crate) node_id: i32,
    #[prost(int64, tag = "2")]
    pub(crate) generation: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct TopicStats {
    #[prost(int64, tag = "1")]
    pub(crate) store_size_bytes: i64,
    #[prost(message, optional, tag = "2")]
    pub(crate) min_last_write_time: Option<Timestamp>,
    #[prost(message, optional, tag = "3")]
    pub(crate) max_write_time_lag: Option<Duration>,
    #[prost(message, optional, tag = "4")]
    pub(crate) bytes_written: Option<MultipleWindowsStat>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct DescribePartitionResult {
    #[prost(message, optional, tag = "1")]
    pub(crate) partition: Option<PartitionInfo>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct DescribeConsumerResult {
    #[prost(message, optional, tag = "1")]
    pub(crate) entry: Option<Entry>,
    #[prost(message, optional, tag = "2")]
    pub(crate) consumer: Option<Consumer>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) partitions: Vec<ConsumerPartitionInfo>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct ConsumerPartitionInfo {
    #[prost(int64, tag = "1")]
    pub(crate) partition_id: i64,
    #[prost(bool, tag = "2")]
    pub(crate) active: bool,
    #[prost(message, optional, tag = "5")]
    pub(crate) partition_stats: Option<PartitionStats>,
    #[prost(message, optional, tag = "6")]
    pub(crate) partition_consumer_stats: Option<PartitionConsumerStats>,
    #[prost(message, optional, tag = "7")]
    pub(crate) partition_location: Option<PartitionLocation>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct PartitionConsumerStats {
    #[prost(int64, tag = "2")]
    pub(crate) committed_offset: i64,
    #[prost(string, tag = "3")]
    pub(crate) read_session_id: String,
}
