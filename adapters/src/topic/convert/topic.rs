//! Unary calls about topics.

use super::read::offsets;
use super::{Understood, duration, moment, natural, partition, signed, timestamp};
use crate::proto::common::{Attributes, SupportedCodecs};
use crate::proto::services;
use crate::proto::topic as proto;
use crate::topic::calls::{ConsumerDescription, Entry, EntryKind, PartitionDescription, TopicDescription};
use onceward_core::broker::api::{Change, Consumer, Settings};
use onceward_core::writer::wire::Codec;
use onceward_core::{Dur, Wall};
use std::collections::BTreeMap;
use std::sync::Arc;

const MIB: u64 = 1 << 20;

pub(crate) fn create(path: &str, settings: &Settings) -> proto::CreateTopicRequest {
    proto::CreateTopicRequest {
        path: path.to_owned(),
        partitioning_settings: Some(proto::PartitioningSettings {
            min_active_partitions: settings.partitions.into(),
            ..proto::PartitioningSettings::default()
        }),
        retention_period: settings.retention.map(duration),
        retention_storage_mb: settings.retention_bytes.map_or(0, megabytes),
        supported_codecs: Some(codecs(&settings.codecs)),
        attributes: attributes(&settings.attributes),
        consumers: settings.consumers.iter().map(consumer).collect(),
        content_based_deduplication: false,
    }
}

pub(crate) fn alter(path: &str, change: &Change) -> proto::AlterTopicRequest {
    let alter_consumers = change.alter_consumers.iter().map(|(name, is)| proto::AlterConsumer {
        name: name.to_string(),
        set_important: Some(is.important),
        set_read_from: Some(timestamp(is.read_from.unwrap_or_default())),
        set_supported_codecs: Some(codecs(&is.codecs)),
        alter_attributes: attributes(&is.attributes),
    });
    proto::AlterTopicRequest {
        path: path.to_owned(),
        alter_partitioning_settings: change.partitions.map(|number| proto::AlterPartitioningSettings {
            set_min_active_partitions: Some(number.into()),
            set_max_active_partitions: None,
            alter_auto_partitioning_settings: None,
        }),
        set_retention_period: change.retention.map(|age| duration(age.unwrap_or(Dur::ZERO))),
        set_retention_storage_mb: change.retention_bytes.map(|bytes| bytes.map_or(0, megabytes)),
        set_supported_codecs: change.codecs.as_deref().map(codecs),
        alter_attributes: attributes(&change.attributes),
        add_consumers: change.add_consumers.iter().map(consumer).collect(),
        drop_consumers: change.drop_consumers.iter().map(|name| name.to_string()).collect(),
        alter_consumers: alter_consumers.collect(),
        set_content_based_deduplication: None,
    }
}

/// A size as the protocol carries it, not less than it is.
fn megabytes(bytes: u64) -> i64 {
    signed(bytes.div_ceil(MIB))
}

fn codecs(codecs: &[Codec]) -> SupportedCodecs {
    SupportedCodecs { codecs: codecs.iter().map(|codec| codec.0).collect() }
}

fn attributes(attributes: &BTreeMap<Arc<str>, Arc<str>>) -> Attributes {
    attributes.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn consumer((name, is): (&Arc<str>, &Consumer)) -> proto::Consumer {
    proto::Consumer {
        name: name.to_string(),
        important: is.important,
        read_from: is.read_from.map(timestamp),
        supported_codecs: Some(codecs(&is.codecs)),
        attributes: attributes(&is.attributes),
    }
}

pub(crate) fn described(topic: proto::DescribeTopicResult) -> Understood<TopicDescription> {
    let entry = topic.entry.unwrap_or_default();
    let active = topic.partitions.iter().filter(|partition| partition.active).count();
    let age = topic.retention_period.map_or(0, |age| super::nanos(age.seconds, age.nanos));
    let bytes = natural("retention_storage_mb", topic.retention_storage_mb)?.saturating_mul(MIB);
    Ok(TopicDescription {
        name: entry.name,
        created_at: Wall(entry.created_at.map_or(0, |at| at.plan_step.saturating_mul(1_000_000))),
        settings: Settings {
            partitions: u32::try_from(active).unwrap_or(u32::MAX),
            retention: Some(Dur(age)).filter(|age| age.0 != 0),
            retention_bytes: Some(bytes).filter(|bytes| *bytes != 0),
            codecs: known_codecs(topic.supported_codecs),
            attributes: known_attributes(topic.attributes),
            consumers: topic
                .consumers
                .into_iter()
                .map(|is| (Arc::from(is.name.as_str()), known_consumer(is)))
                .collect(),
        },
        partitions: topic.partitions.into_iter().map(described_partition).collect::<Understood<_>>()?,
    })
}

fn described_partition(is: proto::PartitionInfo) -> Understood<PartitionDescription> {
    let stats = is.partition_stats.unwrap_or_default();
    Ok(PartitionDescription {
        number: partition("partitions.partition_id", is.partition_id)?,
        active: is.active,
        available: offsets("partitions.partition_stats.partition_offsets", stats.partition_offsets)?,
        bytes: natural("partitions.partition_stats.store_size_bytes", stats.store_size_bytes)?,
        last_write: moment(stats.last_write_time),
    })
}

pub(crate) fn standing(is: proto::DescribeConsumerResult) -> Understood<ConsumerDescription> {
    let mut partitions = Vec::with_capacity(is.partitions.len());
    for partition in is.partitions {
        let stats = partition.partition_consumer_stats.unwrap_or_default();
        let committed = natural("partitions.partition_consumer_stats", stats.committed_offset)?;
        let described = described_partition(proto::PartitionInfo {
            partition_id: partition.partition_id,
            active: partition.active,
            partition_stats: partition.partition_stats,
            partition_location: None,
        })?;
        partitions.push((described, committed));
    }
    Ok(ConsumerDescription { consumer: known_consumer(is.consumer.unwrap_or_default()), partitions })
}

fn known_consumer(is: proto::Consumer) -> Consumer {
    Consumer {
        important: is.important,
        read_from: Some(moment(is.read_from)).filter(|from| from.0 != 0),
        codecs: known_codecs(is.supported_codecs),
        attributes: known_attributes(is.attributes),
    }
}

fn known_codecs(codecs: Option<SupportedCodecs>) -> Vec<Codec> {
    codecs.unwrap_or_default().codecs.into_iter().map(Codec).collect()
}

fn known_attributes(attributes: Attributes) -> BTreeMap<Arc<str>, Arc<str>> {
    attributes.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

pub(crate) fn entry(is: services::Entry) -> Entry {
    let kind = match is.kind {
        services::Entry::DIRECTORY => EntryKind::Directory,
        services::Entry::DATABASE => EntryKind::Database,
        services::Entry::TOPIC => EntryKind::Topic,
        other => EntryKind::Other(other),
    };
    Entry { name: is.name, kind }
}
