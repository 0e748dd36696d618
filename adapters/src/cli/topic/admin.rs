//! `onceward topic create`, `alter`, `describe`, `list` and `drop`.

use crate::cli::session::{Session, count};
use clap::Args;
use onceward::topic::{Change, Codec, Consumer, EntryKind, TopicClient, settings};
use onceward_core::Dur;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

#[derive(Args, Debug)]
pub(super) struct Create {
    /// The topic
    topic: String,
    /// How many partitions it has
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    partitions: u32,
    /// Who will read and commit; may be given many times
    #[arg(long, value_name = "NAME")]
    consumer: Vec<String>,
    /// How old messages become, such as 90s, 15m, 24h or 7d, or none
    #[arg(long, value_name = "AGE", value_parser = age, default_value = "none")]
    retention: Age,
    /// How many megabytes of each partition are kept; 0: all
    #[arg(long, value_name = "MB", default_value_t = 0)]
    retention_mb: u32,
    /// A codec that may be written: raw, gzip, or a number; may be given many times; without it, any may
    #[arg(long, value_parser = codec)]
    codec: Vec<Codec>,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub(super) struct Changes {
    /// How many partitions it is to have; at least as many as it has
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    partitions: Option<u32>,
    /// How old messages become, such as 90s, 15m, 24h or 7d, or none
    #[arg(long, value_name = "AGE", value_parser = age)]
    retention: Option<Age>,
    /// How many megabytes of each partition are kept; 0: all
    #[arg(long, value_name = "MB")]
    retention_mb: Option<u32>,
    /// A codec that may be written from now on: raw, gzip, or a number; may be given many times
    #[arg(long, value_parser = codec)]
    codec: Vec<Codec>,
    /// A consumer to be added; may be given many times
    #[arg(long, value_name = "NAME")]
    add_consumer: Vec<String>,
    /// A consumer to be given up with its commits; may be given many times
    #[arg(long, value_name = "NAME")]
    drop_consumer: Vec<String>,
}

#[derive(Args, Debug)]
pub(super) struct Alter {
    /// The topic
    topic: String,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Args, Debug)]
pub(super) struct Named {
    /// The topic
    topic: String,
}

#[derive(Args, Debug)]
pub(super) struct List {
    /// The folder; without it, the database
    #[arg(default_value = "")]
    folder: String,
}

/// An age, or none.
#[derive(Clone, Copy, Debug)]
struct Age(Option<Dur>);

fn age(text: &str) -> Result<Age, String> {
    if text == "none" {
        return Ok(Age(None));
    }
    let wrong = || "wanted a number with s, m, h or d behind it, or none".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    match number.checked_mul(seconds).filter(|seconds| *seconds <= u64::from(u32::MAX)) {
        Some(0) => {
            Err("messages that become no age would be gone at once; wanted an age, or none".to_owned())
        }
        Some(seconds) => Ok(Age(Some(Dur::secs(seconds)))),
        None => Err("that is more than a hundred years".to_owned()),
    }
}

pub(super) fn codec(text: &str) -> Result<Codec, String> {
    match text {
        "raw" => Ok(Codec::RAW),
        "gzip" => Ok(Codec::GZIP),
        number => match number.parse() {
            Ok(number) if number > 0 => Ok(Codec(number)),
            _ => Err("wanted raw, gzip, or a number from 1".to_owned()),
        },
    }
}

fn name(codec: Codec) -> String {
    match codec {
        Codec::RAW => "raw".to_owned(),
        Codec::GZIP => "gzip".to_owned(),
        Codec(number) => number.to_string(),
    }
}

fn consumers(names: &[String]) -> BTreeMap<Arc<str>, Consumer> {
    names.iter().map(|name| (Arc::from(name.as_str()), Consumer::default())).collect()
}

fn bytes(megabytes: u32) -> Option<u64> {
    Some(u64::from(megabytes) << 20).filter(|bytes| *bytes > 0)
}

impl Create {
    pub(super) async fn run(self, client: &TopicClient, session: &Session) -> anyhow::Result<()> {
        let mut settings = settings(self.partitions);
        settings.consumers = consumers(&self.consumer);
        settings.retention = self.retention.0;
        settings.retention_bytes = bytes(self.retention_mb);
        settings.codecs = self.codec;
        client.create(&self.topic, &settings).await?;
        let text =
            format!("made {} with {}", self.topic, count(self.partitions.into(), "partition", "partitions"));
        Ok(session.result(&text, &json!({ "made": self.topic, "partitions": self.partitions }))?)
    }
}

impl Alter {
    pub(super) async fn run(self, client: &TopicClient, session: &Session) -> anyhow::Result<()> {
        let change = Change {
            partitions: self.changes.partitions,
            retention: self.changes.retention.map(|age| age.0),
            retention_bytes: self.changes.retention_mb.map(bytes),
            codecs: Some(self.changes.codec).filter(|codecs| !codecs.is_empty()),
            attributes: BTreeMap::new(),
            add_consumers: consumers(&self.changes.add_consumer),
            drop_consumers: self.changes.drop_consumer.iter().map(|name| name.as_str().into()).collect(),
            alter_consumers: BTreeMap::new(),
        };
        client.alter(&self.topic, &change).await?;
        Ok(session.result(&format!("changed {}", self.topic), &json!({ "changed": self.topic }))?)
    }
}

impl Named {
    pub(super) async fn drop(self, client: &TopicClient, session: &Session) -> anyhow::Result<()> {
        client.drop(&self.topic).await?;
        Ok(session.result(&format!("dropped {}", self.topic), &json!({ "dropped": self.topic }))?)
    }

    pub(super) async fn describe(self, client: &TopicClient, session: &Session) -> anyhow::Result<()> {
        let is = client.describe(&self.topic).await?;
        let codecs: Vec<_> = is.settings.codecs.iter().map(|codec| name(*codec)).collect();
        let age = is.settings.retention.map(|age| age.0 / 1_000_000_000);
        let mut text = format!("topic       {}\n", self.topic);
        let _ = writeln!(
            text,
            "codecs      {}",
            if codecs.is_empty() { "any".into() } else { codecs.join(", ") }
        );
        let kept = match (age, is.settings.retention_bytes) {
            (None, None) => "everything".to_owned(),
            (Some(age), None) => format!("for {age} s"),
            (None, Some(bytes)) => format!("the last {bytes} bytes of each partition"),
            (Some(age), Some(bytes)) => format!("for {age} s, the last {bytes} bytes of each partition"),
        };
        let _ = write!(text, "kept        {kept}");
        let mut partitions = Vec::new();
        for partition in &is.partitions {
            let there = partition.available;
            let offsets = match there.end.saturating_sub(there.start) {
                0 => format!("empty, next offset {}", there.end),
                1 => format!("offset {}", there.start),
                _ => format!("offsets {} to {}", there.start, there.end - 1),
            };
            let _ = write!(text, "\npartition   {}: {offsets}, {} bytes", partition.number, partition.bytes);
            partitions.push(json!({
                "partition": partition.number,
                "active": partition.active,
                "start": there.start,
                "end": there.end,
                "bytes": partition.bytes,
                "last_write_millis": partition.last_write.millis(),
            }));
        }
        let mut consumers = serde_json::Map::new();
        for name in is.settings.consumers.keys() {
            let standing = client.describe_consumer(&self.topic, name).await?;
            let behind = |(partition, committed): &(onceward::topic::PartitionDescription, u64)| {
                partition.available.end.saturating_sub((*committed).max(partition.available.start))
            };
            let left: u64 = standing.partitions.iter().map(behind).sum();
            let _ = write!(text, "\nconsumer    {name}: {} to read", count(left, "message", "messages"));
            let committed: BTreeMap<String, Value> = standing
                .partitions
                .iter()
                .map(|(partition, committed)| (partition.number.to_string(), (*committed).into()))
                .collect();
            consumers.insert(name.to_string(), json!({ "behind": left, "committed": committed }));
        }
        let value = json!({
            "topic": self.topic,
            "codecs": codecs,
            "retention_seconds": age,
            "retention_bytes": is.settings.retention_bytes,
            "partitions": partitions,
            "consumers": consumers,
        });
        Ok(session.result(&text, &value)?)
    }
}

impl List {
    pub(super) async fn run(self, client: &TopicClient, session: &Session) -> anyhow::Result<()> {
        for entry in client.list(&self.folder).await? {
            let (mark, kind) = match entry.kind {
                EntryKind::Directory | EntryKind::Database => ("/", "directory"),
                EntryKind::Topic => ("", "topic"),
                _ => ("?", "other"),
            };
            session.result(&format!("{}{mark}", entry.name), &json!({ "name": entry.name, "kind": kind }))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read() {
        let seconds = |text| age(text).map(|age| age.0.map(|age| age.0 / 1_000_000_000));
        assert_eq!(seconds("90s"), Ok(Some(90)));
        assert_eq!(seconds("15m"), Ok(Some(900)));
        assert_eq!(seconds("7d"), Ok(Some(604_800)));
        assert_eq!(seconds("none"), Ok(None));
        for wrong in ["", "h", "1", "1w", "-1h", "1.5h", "0s", "99999999999999999999s", "99999999d", "1€"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }
}
