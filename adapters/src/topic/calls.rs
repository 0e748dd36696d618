//! What is asked of a server once and answered once: topics are made, changed, looked at and dropped.

use super::convert::topic as convert;
use super::{TopicClient, TopicError};
use crate::proto::common::Ignored;
use crate::proto::services::ListDirectoryResult;
use crate::proto::topic::{
    DescribeConsumerRequest, DescribeConsumerResult, DescribeTopicRequest, DescribeTopicResult, PathRequest,
};
use onceward_core::Wall;
use onceward_core::broker::api::{Change, Consumer, Settings};
use onceward_core::reader::wire::Range;
use std::collections::BTreeMap;

/// A topic as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicDescription {
    /// The last part of its name.
    pub name: String,
    /// How it is set up.
    pub settings: Settings,
    /// When it was made, by the server's clock; 0 if the server does not say so.
    pub created_at: Wall,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartitionDescription {
    /// Its number.
    pub number: u32,
    /// Whether it still takes messages.
    pub active: bool,
    /// The offsets that are there.
    pub available: Range,
    /// Bytes of its messages.
    pub bytes: u64,
    /// When something was written last, by the server's clock; 0: never, or not known.
    pub last_write: Wall,
}

/// How a consumer of a topic stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerDescription {
    /// How it is set up.
    pub consumer: Consumer,
    /// Each partition by number, with the offset below which everything is committed.
    pub partitions: Vec<(PartitionDescription, u64)>,
}

/// Something in a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its name within the folder.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What something in a folder is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum EntryKind {
    /// A folder.
    Directory,
    /// A database.
    Database,
    /// A topic.
    Topic,
    /// Something else: its number in the YDB API.
    Other(i32),
}

/// Sensible settings of a new topic with so many partitions: it takes any codec, keeps everything, and has no consumers.
pub fn settings(partitions: u32) -> Settings {
    Settings {
        partitions,
        retention: None,
        retention_bytes: None,
        codecs: Vec::new(),
        attributes: BTreeMap::new(),
        consumers: BTreeMap::new(),
    }
}

impl TopicClient {
    /// Makes a topic. `path` is relative to the database or absolute, as in all calls.
    ///
    /// # Errors
    /// If there is one of that name (ALREADY_EXISTS), or the settings make no sense to the server, or it cannot be
    /// reached.
    pub async fn create(&self, path: &str, settings: &Settings) -> Result<(), TopicError> {
        let asked = convert::create(path, settings);
        let Ignored {} = self.dialler.call("Ydb.Topic.V1.TopicService/CreateTopic", &asked).await?;
        Ok(())
    }

    /// Changes a topic.
    ///
    /// # Errors
    /// If there is none of that name (SCHEME_ERROR), or the change makes no sense to the server, or it cannot be reached.
    pub async fn alter(&self, path: &str, change: &Change) -> Result<(), TopicError> {
        let asked = convert::alter(path, change);
        let Ignored {} = self.dialler.call("Ydb.Topic.V1.TopicService/AlterTopic", &asked).await?;
        Ok(())
    }

    /// Drops a topic with its messages.
    ///
    /// # Errors
    /// If there is none of that name (SCHEME_ERROR), or the server cannot be reached.
    pub async fn drop(&self, path: &str) -> Result<(), TopicError> {
        let asked = PathRequest { path: path.to_owned() };
        let Ignored {} = self.dialler.call("Ydb.Topic.V1.TopicService/DropTopic", &asked).await?;
        Ok(())
    }

    /// How a topic is set up, and what is in it.
    ///
    /// # Errors
    /// If there is none of that name (SCHEME_ERROR), or the server cannot be reached.
    pub async fn describe(&self, path: &str) -> Result<TopicDescription, TopicError> {
        let asked =
            DescribeTopicRequest { path: path.to_owned(), include_stats: true, include_location: false };
        let is: DescribeTopicResult =
            self.dialler.call("Ydb.Topic.V1.TopicService/DescribeTopic", &asked).await?;
        convert::described(is).map_err(TopicError::Answer)
    }

    /// How a consumer of a topic stands.
    ///
    /// # Errors
    /// If there is no such topic or consumer (SCHEME_ERROR), or the server cannot be reached.
    pub async fn describe_consumer(
        &self,
        path: &str,
        consumer: &str,
    ) -> Result<ConsumerDescription, TopicError> {
        let asked = DescribeConsumerRequest {
            path: path.to_owned(),
            consumer: consumer.to_owned(),
            include_stats: true,
            include_location: false,
        };
        let is: DescribeConsumerResult =
            self.dialler.call("Ydb.Topic.V1.TopicService/DescribeConsumer", &asked).await?;
        convert::standing(is).map_err(TopicError::Answer)
    }

    /// What is in a folder, by name; an empty path is the database.
    ///
    /// # Errors
    /// If there is no such folder (SCHEME_ERROR), or the server cannot be reached.
    pub async fn list(&self, path: &str) -> Result<Vec<Entry>, TopicError> {
        let path = if path.is_empty() { self.dialler.database() } else { path };
        let asked = PathRequest { path: path.to_owned() };
        let is: ListDirectoryResult =
            self.dialler.call("Ydb.Scheme.V1.SchemeService/ListDirectory", &asked).await?;
        let mut entries: Vec<Entry> = is.children.into_iter().map(convert::entry).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}
