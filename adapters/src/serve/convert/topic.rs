//! Unary calls about topics.

use super::{
    GENERATION, NODE, codecs, duration, moment, natural, offsets, partition, signed, span, supported,
    timestamp,
};
use crate::serve::path::Database;
use crate::serve::proto::common::Attributes;
use crate::serve::proto::services::{Entry, VirtualTimestamp};
use crate::serve::proto::topic as proto;
use crate::serve::status::{Checked, NOT_FOUND, SCHEME_ERROR, bad, failure, unsupported};
use crate::serve::traffic::{Lately, Traffic};
use onceward_core::Dur;
use onceward_core::broker::api::{Change, Consumer, Description, PartitionDescription, Request, Settings};
use std::collections::BTreeMap;
use std::sync::Arc;

const MIB: u64 = 1 << 20;

/// A request to make a topic. Write speeds, metering and quotas mean nothing to this broker and are passed over.
pub(crate) fn create(database: &Database, request: proto::CreateTopicRequest) -> Checked<Request> {
    if request.content_based_deduplication {
        return Err(unsupported(
            "content_based_deduplication: messages are told apart by their numbers alone",
        ));
    }
    let partitioning = request.partitioning_settings.unwrap_or_default();
    let strategy = partitioning.auto_partitioning_settings.unwrap_or_default().strategy;
    fixed("partitioning_settings.auto_partitioning_settings.strategy", strategy)?;
    let partitions =
        partition("partitioning_settings.min_active_partitions", partitioning.min_active_partitions)?.max(1);
    natural("partitioning_settings.partition_count_limit", partitioning.partition_count_limit)?;
    most(partitions, partitioning.max_active_partitions, "partitioning_settings.max_active_partitions")?;
    let settings = Settings {
        partitions,
        retention: request.retention_period.map(|it| age("retention_period", it)).transpose()?.flatten(),
        retention_bytes: size("retention_storage_mb", request.retention_storage_mb)?,
        codecs: codecs("supported_codecs", request.supported_codecs)?,
        attributes: attributes(request.attributes),
        consumers: consumers("consumers", request.consumers)?,
    };
    Ok(Request::Create { path: database.topic(&request.path)?, settings })
}

/// A request to change a topic. `is` is how it is set up, and is asked for only if a consumer is to be changed: the
/// protocol names what is to be different about it, the broker wants all of it.
pub(crate) fn alter(
    database: &Database,
    request: proto::AlterTopicRequest,
    is: Option<&Settings>,
) -> Checked<Request> {
    if request.set_content_based_deduplication == Some(true) {
        return Err(unsupported(
            "set_content_based_deduplication: messages are told apart by their numbers alone",
        ));
    }
    let partitioning = request.alter_partitioning_settings.unwrap_or_default();
    let strategy = partitioning.alter_auto_partitioning_settings.and_then(|auto| auto.set_strategy);
    fixed(
        "alter_partitioning_settings.alter_auto_partitioning_settings.set_strategy",
        strategy.unwrap_or(0),
    )?;
    let partitions = partitioning
        .set_min_active_partitions
        .map(|number| partition("alter_partitioning_settings.set_min_active_partitions", number))
        .transpose()?;
    let limit = partitioning.set_max_active_partitions.unwrap_or(0);
    most(partitions.unwrap_or(0), limit, "alter_partitioning_settings.set_max_active_partitions")?;
    let mut alter_consumers = BTreeMap::new();
    for change in request.alter_consumers {
        let known = is.and_then(|settings| settings.consumers.get(&*change.name));
        let Some(known) = known else {
            return Err(failure(NOT_FOUND, format!("alter_consumers: there is no consumer {}", change.name)));
        };
        let (name, consumer) = altered(known.clone(), change)?;
        if alter_consumers.insert(name, consumer).is_some() {
            return Err(bad("alter_consumers", "a consumer is named twice"));
        }
    }
    let change = Change {
        partitions,
        retention: request.set_retention_period.map(|it| age("set_retention_period", it)).transpose()?,
        retention_bytes: request
            .set_retention_storage_mb
            .map(|megabytes| size("set_retention_storage_mb", megabytes))
            .transpose()?,
        codecs: match request.set_supported_codecs {
            Some(set) => Some(codecs("set_supported_codecs", Some(set))?),
            None => None,
        },
        attributes: attributes(request.alter_attributes),
        add_consumers: consumers("add_consumers", request.add_consumers)?,
        drop_consumers: request.drop_consumers.into_iter().map(Arc::from).collect(),
        alter_consumers,
    };
    Ok(Request::Alter { path: database.topic(&request.path)?, change })
}

/// A request to move a commit position.
pub(crate) fn commit(database: &Database, request: proto::CommitOffsetRequest) -> Checked<Request> {
    if request.consumer.is_empty() {
        return Err(bad("consumer", "it is missing"));
    }
    Ok(Request::Commit {
        path: database.topic(&request.path)?,
        partition: partition("partition_id", request.partition_id)?,
        consumer: request.consumer.into(),
        offset: natural("offset", request.offset)?,
    })
}

/// What to tell of a topic besides how it is set up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Include {
    pub(crate) stats: bool,
    pub(crate) location: bool,
}

/// A topic as it is. The client for Rust takes no answer in which a span or a moment is missing: one that there is not is 0,
/// as in requests.
pub(crate) fn described(
    topic: &Description,
    traffic: &Traffic,
    include: Include,
) -> proto::DescribeTopicResult {
    let settings = &topic.settings;
    let bytes = topic.partitions.iter().map(|partition| partition.bytes).sum();
    let active = topic.partitions.len() as i64;
    proto::DescribeTopicResult {
        entry: Some(entry(topic)),
        partitioning_settings: Some(proto::PartitioningSettings {
            min_active_partitions: active,
            max_active_partitions: active,
            partition_count_limit: 0,
            auto_partitioning_settings: Some(proto::AutoPartitioningSettings { strategy: DISABLED }),
        }),
        partitions: (0..)
            .zip(&topic.partitions)
            .map(|(number, partition)| described_partition(topic, traffic, (number, partition), include))
            .collect(),
        retention_period: Some(duration(settings.retention.unwrap_or(Dur::ZERO))),
        retention_storage_mb: settings.retention_bytes.map_or(0, |bytes| signed(bytes.div_ceil(MIB))),
        supported_codecs: supported(&settings.codecs),
        attributes: plain(&settings.attributes),
        consumers: settings.consumers.iter().map(|(name, is)| described_consumer(name, is)).collect(),
        topic_stats: include.stats.then(|| {
            let each = (0..).zip(&topic.partitions).map(|(number, _)| traffic.lately(&topic.path, number));
            let lately = each.fold(Lately::default(), Lately::and);
            let last = topic.partitions.iter().filter_map(|partition| partition.last_write).min();
            proto::TopicStats {
                store_size_bytes: signed(bytes),
                min_last_write_time: Some(timestamp(last.unwrap_or_default())),
                max_write_time_lag: Some(duration(lately.lag)),
                bytes_written: Some(windows(lately)),
            }
        }),
    }
}

/// One partition of a topic as it is.
pub(crate) fn described_one(
    topic: &Description,
    traffic: &Traffic,
    request: &proto::DescribePartitionRequest,
) -> Checked<proto::DescribePartitionResult> {
    let number = partition("partition_id", request.partition_id)?;
    let Some(found) = topic.partitions.get(number as usize) else {
        return Err(failure(SCHEME_ERROR, format!("{} has no partition {number}", topic.path)));
    };
    let include = Include { stats: request.include_stats, location: request.include_location };
    let partition = Some(described_partition(topic, traffic, (number, found), include));
    Ok(proto::DescribePartitionResult { partition })
}

/// How a consumer of a topic stands.
pub(crate) fn standing(
    topic: &Description,
    traffic: &Traffic,
    request: &proto::DescribeConsumerRequest,
) -> Checked<proto::DescribeConsumerResult> {
    let name = &*request.consumer;
    let Some(consumer) = topic.settings.consumers.get(name) else {
        return Err(failure(SCHEME_ERROR, format!("{} has no consumer {name:?}", topic.path)));
    };
    let include = Include { stats: request.include_stats, location: request.include_location };
    let partition = |(number, partition): (u32, &PartitionDescription)| {
        let described = described_partition(topic, traffic, (number, partition), include);
        proto::ConsumerPartitionInfo {
            partition_id: described.partition_id,
            active: described.active,
            partition_stats: described.partition_stats,
            partition_consumer_stats: include.stats.then(|| proto::PartitionConsumerStats {
                committed_offset: signed(partition.committed.get(name).copied().unwrap_or(0)),
                read_session_id: partition.readers.get(name).map(|id| id.to_string()).unwrap_or_default(),
            }),
            partition_location: described.partition_location,
        }
    };
    Ok(proto::DescribeConsumerResult {
        entry: Some(entry(topic)),
        consumer: Some(described_consumer(name, consumer)),
        partitions: (0..).zip(&topic.partitions).map(partition).collect(),
    })
}

fn described_partition(
    topic: &Description,
    traffic: &Traffic,
    (number, is): (u32, &PartitionDescription),
    include: Include,
) -> proto::PartitionInfo {
    proto::PartitionInfo {
        partition_id: number.into(),
        active: true,
        partition_stats: include.stats.then(|| {
            let lately = traffic.lately(&topic.path, number);
            proto::PartitionStats {
                partition_offsets: Some(offsets(is.available)),
                store_size_bytes: signed(is.bytes),
                last_write_time: Some(timestamp(is.last_write.unwrap_or_default())),
                max_write_time_lag: Some(duration(lately.lag)),
                bytes_written: Some(windows(lately)),
            }
        }),
        partition_location: include
            .location
            .then_some(proto::PartitionLocation { node_id: NODE, generation: GENERATION }),
    }
}

fn windows(lately: Lately) -> proto::MultipleWindowsStat {
    proto::MultipleWindowsStat {
        per_minute: signed(lately.bytes_per_minute),
        per_hour: signed(lately.bytes_per_hour),
        per_day: signed(lately.bytes_per_day),
    }
}

fn described_consumer(name: &str, is: &Consumer) -> proto::Consumer {
    proto::Consumer {
        name: name.to_owned(),
        important: is.important,
        read_from: is.read_from.map(timestamp),
        supported_codecs: supported(&is.codecs),
        attributes: plain(&is.attributes),
    }
}

/// A topic as an entry of its folder.
pub(crate) fn entry(topic: &Description) -> Entry {
    let name = topic.path.rsplit('/').next().unwrap_or_default();
    Entry {
        name: name.to_owned(),
        owner: String::new(),
        kind: Entry::TOPIC,
        size_bytes: topic.partitions.iter().map(|partition| partition.bytes).sum(),
        created_at: Some(VirtualTimestamp { plan_step: topic.created_at.millis(), tx_id: 0 }),
    }
}

const DISABLED: i32 = 1;

/// Partitions that split by themselves are not to be had; a strategy that splits none is.
fn fixed(field: &str, strategy: i32) -> Checked<()> {
    const UNSPECIFIED: i32 = 0;
    const PAUSED: i32 = 4;
    match strategy {
        UNSPECIFIED | DISABLED | PAUSED => Ok(()),
        _ => Err(unsupported(format!("{field}: partitions do not split by themselves here"))),
    }
}

fn most(partitions: u32, limit: i64, field: &str) -> Checked<()> {
    match natural(field, limit)? {
        0 => Ok(()),
        limit if limit >= u64::from(partitions) => Ok(()),
        limit => Err(bad(field, format_args!("{limit} is below the {partitions} that are asked for"))),
    }
}

/// An age, where nothing stands for no limit.
fn age(field: &str, period: crate::serve::proto::common::Duration) -> Checked<Option<Dur>> {
    Ok(Some(span(field, period)?).filter(|age| age.0 != 0))
}

/// A size, where nothing stands for no limit.
fn size(field: &str, megabytes: i64) -> Checked<Option<u64>> {
    let bytes = natural(field, megabytes)?.checked_mul(MIB);
    let bytes = bytes.ok_or_else(|| bad(field, format_args!("{megabytes} is more than can be counted")))?;
    Ok(Some(bytes).filter(|bytes| *bytes != 0))
}

fn attributes(attributes: Attributes) -> BTreeMap<Arc<str>, Arc<str>> {
    attributes.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn plain(attributes: &BTreeMap<Arc<str>, Arc<str>>) -> Attributes {
    attributes.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn consumers(field: &str, consumers: Vec<proto::Consumer>) -> Checked<BTreeMap<Arc<str>, Consumer>> {
    let mut named = BTreeMap::new();
    for consumer in consumers {
        if consumer.name.is_empty() {
            return Err(bad(field, "a consumer has no name"));
        }
        let name: Arc<str> = consumer.name.into();
        let read_from = consumer.read_from.map(|from| moment(&format!("{field}.read_from"), from));
        let consumer = Consumer {
            important: consumer.important,
            read_from: read_from.transpose()?.filter(|from| from.0 != 0),
            codecs: codecs(&format!("{field}.supported_codecs"), consumer.supported_codecs)?,
            attributes: attributes(consumer.attributes),
        };
        if named.insert(name.clone(), consumer).is_some() {
            return Err(bad(field, format_args!("the consumer {name} is named twice")));
        }
    }
    Ok(named)
}

fn altered(mut consumer: Consumer, change: proto::AlterConsumer) -> Checked<(Arc<str>, Consumer)> {
    if let Some(important) = change.set_important {
        consumer.important = important;
    }
    if let Some(from) = change.set_read_from {
        consumer.read_from = Some(moment("alter_consumers.set_read_from", from)?).filter(|from| from.0 != 0);
    }
    if let Some(set) = change.set_supported_codecs {
        consumer.codecs = codecs("alter_consumers.set_supported_codecs", Some(set))?;
    }
    for (name, value) in attributes(change.alter_attributes) {
        if value.is_empty() {
            consumer.attributes.remove(&name);
        } else {
            consumer.attributes.insert(name, value);
        }
    }
    Ok((change.name.into(), consumer))
}

#[cfg(test)]
#[path = "topic_tests.rs"]
mod tests;
