//! The settings of a pipeline in a scenario: names, units, defaults, and what a random run chooses. Refuses what it does not
//! know, naming what it does. The defaults are small, so that windows, records and segments fill.

use super::{CONSUMER, Pipeline, TOPIC, header};
use crate::{
    scenario::{Header, parse_span, unknown},
    systems::{reader::consumer::Habits, writer::config::small},
    world::{Key, disk::Geometry},
};
use onceward_core::{
    Dur, Path, Window,
    broker::{self, api},
    log::segments::SyncPolicy,
    reader,
    writer::api::MESSAGE_COST,
};

/// One setting: its name and what it means.
const SETTINGS: &[(&str, &str)] = &[
    ("partitions", "how many partitions the topic has"),
    ("stubborn", "so many writers, the last ones, send again under their old numbers without asking"),
    ("batch", "most messages of a request; that many are sent at once"),
    ("window", "most messages in flight"),
    ("room", "how many small messages of a writer may be unanswered"),
    ("ack-timeout", "an acknowledgement must come this often"),
    ("close-timeout", "a close gives up after this"),
    ("record", "messages of a request that are stored together have so many bytes at most"),
    ("segment", "a file of the broker's log is sealed before it would have more bytes than this"),
    ("pipelined", "yes: the broker writes while it syncs what was written before"),
    ("checkpoint", "after so many bytes of its log the broker writes a checkpoint"),
    ("reserve", "bytes that the broker holds back for a full disk"),
    ("flush", "messages are in the log alone for so long, or never"),
    ("file", "a file of drained messages has no more bytes than this"),
    ("file-age", "a file of drained messages gets nothing more when it is so old"),
    ("tail", "bytes of messages that the broker keeps in memory for readers"),
    ("response", "a reader is sent no more bytes than this at once"),
    ("credit", "bytes that a reader lets the broker send ahead"),
    (
        "commits",
        "whole or split: whether each commit is confirmed at once, or all but the last offset before the rest",
    ),
    ("deals", "how long a reader deals with messages before it commits them"),
    ("token", "how often a reader sends a fresh token, or never"),
    ("stop-timeout", "how long a reader may take to give up a partition"),
    ("capacity", "bytes that the broker's disk holds, or none"),
];

/// The interesting places that a default batch must reach.
pub(super) const MARKS: &[&str] = &[
    "older session of a producer ended",
    "producer known again",
    "number known again",
    "messages read from the disk",
    "a commit waits for one that is not durable",
    "a partition passes to another reader",
    "a partition waits for a commit that is not durable",
    "a reader has used up its credit",
    "a reader was too slow to give a partition up",
    "a record is sent in parts",
    "a commit of a partition that is gone",
    "a commit answered in part",
    "a commit lost",
    "a partition given back",
    "a partition lost with its session",
    "a partition taken away",
    "a partition waits for its commits",
    "messages drained",
    "messages read from the pool",
    "checkpoint written",
    "begun from a checkpoint",
    "log cut",
];

/// Builds the cluster of a header.
pub(super) fn build(header: &Header) -> Result<Pipeline, String> {
    let (mut writers, mut readers, mut clients) = (1, 1, 1);
    for (role, count) in &header.cluster {
        match role.as_str() {
            "broker" if *count == 1 => {}
            "broker" => return Err("there is exactly one broker".into()),
            "writer" if (1..=64).contains(count) => writers = *count,
            "writer" => return Err("1 to 64 writers".into()),
            "reader" if *count <= 64 => readers = *count,
            "reader" => return Err("up to 64 readers".into()),
            "client" if (1..=1000).contains(count) => clients = *count,
            "client" => return Err("1 to 1000 clients".into()),
            other => return Err(unknown("role", other, ["broker", "writer", "reader", "client"])),
        }
    }
    let mut pipeline = Pipeline {
        broker: small_broker(),
        writer: small(),
        writers,
        stubborn: 0,
        readers,
        clients,
        partitions: 1,
        reader: small_reader(),
        habits: Habits::default(),
        split: false,
        geometry: Geometry::SIMULATED,
    };
    for (name, value) in &header.config {
        let wrong = |what: &str| format!("{name}={value}: {what}");
        let number = || value.parse::<u32>().map_err(|_| wrong("write a number"));
        let span = || parse_span(value).map_err(|what| wrong(&what));
        let (broker, writer) = (&mut pipeline.broker, &mut pipeline.writer);
        match name.as_str() {
            "partitions" => pipeline.partitions = number()?,
            "stubborn" => {
                let all = wrong("there are not so many writers");
                pipeline.stubborn = value.parse().ok().filter(|n| *n <= writers).ok_or(all)?;
            }
            "batch" => writer.batch_messages = number()?,
            "window" => writer.in_flight = number()?,
            "room" => writer.buffer_bytes = u64::from(number()?).saturating_mul(MESSAGE_COST + 64),
            "ack-timeout" => writer.ack_timeout = span()?,
            "close-timeout" => writer.close_timeout = span()?,
            "record" => broker.record_bytes = number()?,
            "segment" => broker.segments.segment_bytes = number()?.into(),
            "pipelined" => {
                broker.segments.policy = match value.as_str() {
                    "yes" => SyncPolicy::Pipelined,
                    "no" => SyncPolicy::PerGroup,
                    _ => return Err(wrong("write yes or no")),
                }
            }
            "checkpoint" => broker.checkpoint_bytes = number()?.into(),
            "reserve" => broker.segments.reserve_bytes = number()?.into(),
            "flush" if value == "never" => broker.pool.flush_interval = None,
            "flush" => broker.pool.flush_interval = Some(span()?),
            "file" => {
                broker.pool.segment_bytes = number()?.into();
                broker.pool.flush_bytes = broker.pool.segment_bytes;
            }
            "file-age" => broker.pool.segment_age = span()?,
            "tail" => broker.tail_bytes = number()?.into(),
            "response" => broker.response_bytes = number()?,
            "credit" => pipeline.reader.buffer_bytes = number()?.into(),
            "commits" => match value.as_str() {
                "whole" => pipeline.split = false,
                "split" => pipeline.split = true,
                _ => return Err(wrong("write whole or split")),
            },
            "deals" => pipeline.habits.deals = span()?,
            "token" => pipeline.reader.token_interval = if value == "never" { None } else { Some(span()?) },
            "stop-timeout" => broker.stop_timeout = span()?,
            "capacity" if value == "none" => pipeline.geometry.capacity = None,
            "capacity" => pipeline.geometry.capacity = Some(number()?.into()),
            other => return Err(unknown("setting", other, SETTINGS.iter().map(|(name, _)| *name))),
        }
    }
    if !(1..=64).contains(&pipeline.partitions) {
        return Err(format!("partitions={}: 1 to 64", pipeline.partitions));
    }
    if pipeline.reader.buffer_bytes == 0 {
        return Err("credit=0: nobody would be sent anything".into());
    }
    pipeline.broker.validate().map_err(|error| error.to_string())?;
    pipeline.writer.validate().map_err(|error| error.to_string())?;
    pipeline.reader.validate().map_err(|error| error.to_string())?;
    Ok(pipeline)
}

/// A broker of which everything is small.
fn small_broker() -> broker::Config {
    let mut config = broker::Config::new(Path::root(), 0xb0b);
    config.message_bytes = 4 << 10;
    config.record_bytes = 1 << 10;
    config.session_bytes = 8 << 10;
    config.response_bytes = 1 << 10;
    config.tail_bytes = 2 << 10;
    config.fetches = 4;
    config.stop_timeout = Dur::millis(50);
    config.checkpoint_bytes = 4 << 10;
    let pool = &mut config.pool;
    pool.flush_interval = Some(Dur::millis(20));
    pool.segment_bytes = 1 << 10;
    pool.flush_bytes = 1 << 10;
    pool.segment_age = Dur::millis(500);
    pool.undrained_bytes = 4 << 10;
    pool.backlog_bytes = 32 << 10;
    pool.flushes = 2;
    pool.loads = 2;
    pool.cache_bytes = 2 << 10;
    let segments = &mut config.segments;
    segments.policy = SyncPolicy::PerGroup;
    segments.segment_bytes = 8 << 10;
    segments.group_bytes = 4 << 10;
    segments.queue_bytes = 96 << 10;
    segments.reserve_bytes = 0;
    segments.read_chunk = 4 << 10;
    segments.preallocate = false;
    segments.retry = Window { from: Dur::millis(1), to: Dur::millis(2) };
    config
}

/// A reader of which everything is small.
fn small_reader() -> reader::Config {
    reader::Config {
        buffer_bytes: 4096,
        commits: 1000,
        start_timeout: Dur::millis(200),
        commit_timeout: Dur::millis(200),
        token_interval: Some(Dur::millis(300)),
        backoff: Dur::millis(5),
        backoff_max: Dur::millis(200),
        ..reader::Config::new(TOPIC, CONSUMER)
    }
}

/// Draws a cluster.
pub(super) fn draw(key: Key) -> Header {
    let pick = |purpose, of: &[&'static str]| of[key.below(purpose, of.len() as u64) as usize];
    let settings = [
        ("partitions", pick(0, &["1", "2", "3"])),
        ("batch", pick(1, &["1", "2", "4"])),
        ("window", pick(2, &["4", "8", "1000"])),
        ("ack-timeout", pick(3, &["50ms", "200ms", "10s"])),
        ("close-timeout", pick(4, &["20ms", "5s"])),
        ("record", pick(5, &["40", "1024"])),
        ("segment", pick(6, &["2048", "8192"])),
        ("checkpoint", pick(14, &["500", "2000", "8000"])),
        ("flush", pick(15, &["5ms", "50ms", "never"])),
        ("file", pick(16, &["600", "2000"])),
        ("reserve", pick(20, &["0", "0", "16384", "131072"])),
        ("tail", pick(7, &["0", "2048", "100000"])),
        ("response", pick(8, &["1", "1024"])),
        ("credit", pick(9, &["1", "200", "4096"])),
        ("stubborn", pick(13, &["0", "0", "1"])),
        ("commits", pick(17, &["whole", "whole", "split"])),
        ("deals", pick(18, &["0ms", "0ms", "1ms", "80ms"])),
        ("pipelined", pick(21, &["no", "yes"])),
    ];
    let (writers, readers) = (1 + key.below(10, 3) as u16, key.below(11, 4) as u16);
    header(writers, readers, 1 + key.below(12, 6) as u16, &settings)
}

/// A reader's name in scenarios, by its place after the writers.
pub(super) fn reader_name(place: u16, readers: u16) -> String {
    if place >= readers { "auditor".into() } else { format!("reader-{}", place + 1) }
}

/// A broker's timer in reports.
pub(super) fn timer_name(timer: &api::Timer) -> String {
    match timer {
        api::Timer::Segments(timer) => format!("log-{timer:?}").to_lowercase(),
        api::Timer::Readers => "readers".into(),
        api::Timer::Retention => "retention".into(),
        api::Timer::Flush => "flush".into(),
        api::Timer::Pool => "pool".into(),
    }
}
