//! The settings of writers and their server in a scenario: names, units, defaults, and what a random run chooses. Refuses
//! what it does not know, naming what it does. The defaults are small, so that windows fill and batches end.

use super::{Topic, header};
use crate::{
    scenario::{Header, parse_span, unknown},
    world::Key,
};
use onceward_core::{
    Dur,
    writer::{Config, api::MESSAGE_COST},
};

/// One setting: its name and what it means.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("batch", "most messages of a request; that many are sent at once"),
    ("batch-bytes", "most bytes of a request; that many are sent at once"),
    ("batch-wait", "the longest wait of a message for company"),
    ("window", "most messages in flight"),
    ("room", "how many small messages may be unanswered: the budget is that many times their cost"),
    ("start-timeout", "a session must be open after this"),
    ("ack-timeout", "an acknowledgement must come this often"),
    ("close-timeout", "a close gives up after this"),
    ("token", "how often a fresh token is sent, or never"),
    ("backoff", "the first wait before a new session"),
    ("backoff-max", "the longest"),
    ("fencing", "yes: a new session of a producer ends the older one"),
    ("disk", "yes: the server keeps what it stores on its disk; no: it must not crash"),
    ("before", "the last number that each producer had used before"),
    ("producers", "own: each writer is a producer; shared: all are the same"),
    ("sessions", "numbered: their names tell how many the producer has had; plain: they tell nothing"),
];

/// The interesting places that a default batch must reach. Two more are reached in scopes alone: callers that number
/// messages themselves, and writers that share a producer.
pub(super) const MARKS: &[&str] = &[
    "sent again after a lost session",
    "confirmed by the last number",
    "refused for want of room",
    "flush outlived a session",
    "close outlived a session",
    "close gave up",
    "another writer noticed",
    "protocol broken by the server",
    "no acknowledgement in time",
    "token refreshed",
];

/// Bytes of a message that count as small.
const SMALL: u64 = 64;

/// Builds the cluster of a header.
pub(super) fn build(header: &Header) -> Result<Topic, String> {
    let (mut writers, mut clients) = (1, 1);
    for (role, count) in &header.cluster {
        match role.as_str() {
            "server" if *count == 1 => {}
            "server" => return Err("there is exactly one server".into()),
            "writer" if (1..=64).contains(count) => writers = *count,
            "writer" => return Err("1 to 64 writers".into()),
            "client" if (1..=1000).contains(count) => clients = *count,
            "client" => return Err("1 to 1000 clients".into()),
            other => return Err(unknown("role", other, ["server", "writer", "client"])),
        }
    }
    let mut topic = Topic {
        config: small(),
        writers,
        clients,
        fencing: true,
        shared: false,
        disk: true,
        before: 0,
        numbered: false,
    };
    let config = &mut topic.config;
    for (name, value) in &header.config {
        let wrong = |what: &str| format!("{name}={value}: {what}");
        let number = || value.parse::<u32>().map_err(|_| wrong("write a number"));
        let span = || parse_span(value).map_err(|what| wrong(&what));
        let one_of = |words: [&str; 2]| match words.iter().position(|word| word == value) {
            Some(at) => Ok(at == 0),
            None => Err(wrong(&format!("write {} or {}", words[0], words[1]))),
        };
        match name.as_str() {
            "batch" => config.batch_messages = number()?,
            "batch-bytes" => config.batch_bytes = number()?,
            "batch-wait" => config.batch_wait = span()?,
            "window" => config.in_flight = number()?,
            "room" => config.buffer_bytes = u64::from(number()?).saturating_mul(MESSAGE_COST + SMALL),
            "start-timeout" => config.start_timeout = span()?,
            "ack-timeout" => config.ack_timeout = span()?,
            "close-timeout" => config.close_timeout = span()?,
            "token" => config.token_interval = if value == "never" { None } else { Some(span()?) },
            "backoff" => config.backoff = span()?,
            "backoff-max" => config.backoff_max = span()?,
            "fencing" => topic.fencing = one_of(["yes", "no"])?,
            "disk" => topic.disk = one_of(["yes", "no"])?,
            "before" => topic.before = number()?,
            "sessions" => topic.numbered = one_of(["numbered", "plain"])?,
            "producers" => topic.shared = one_of(["shared", "own"])?,
            other => return Err(unknown("setting", other, SETTINGS.iter().map(|(name, _)| *name))),
        }
    }
    topic.config.validate().map_err(|error| error.to_string())?;
    Ok(topic)
}

/// A writer of which everything is small.
pub(in crate::systems) fn small() -> Config {
    Config {
        message_bytes: SMALL as u32,
        buffer_bytes: 16 * (MESSAGE_COST + SMALL),
        in_flight: 4,
        batch_messages: 2,
        start_timeout: Dur::millis(200),
        ack_timeout: Dur::millis(200),
        close_timeout: Dur::secs(5),
        backoff: Dur::millis(5),
        backoff_max: Dur::millis(200),
        ..Config::new("topic", "producer")
    }
}

/// Draws a cluster.
pub(super) fn draw(key: Key) -> Header {
    let pick = |purpose, of: &[&'static str]| of[key.below(purpose, of.len() as u64) as usize];
    let settings = [
        ("batch", pick(0, &["1", "2", "4"])),
        ("window", pick(1, &["4", "8", "1000"])),
        ("batch-wait", pick(2, &["0ms", "1ms", "10ms"])),
        ("room", pick(3, &["2", "8", "1000"])),
        ("ack-timeout", pick(4, &["50ms", "200ms", "10s"])),
        ("close-timeout", pick(5, &["20ms", "5s"])),
        ("token", pick(6, &["never", "50ms"])),
    ];
    header(1 + key.below(7, 3) as u16, 1 + key.below(8, 6) as u16, &settings)
}
