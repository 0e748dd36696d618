//! The settings of readers and their server in a scenario: names, units, defaults, and what a random run chooses. Refuses what
//! it does not know, naming what it does. The defaults are small, so that credit and limits are used up.

use super::{Feed, Habits, header};
use crate::{
    scenario::{Header, parse_span, unknown},
    world::Key,
};
use onceward_core::{Dur, reader::Config};

/// One setting: its name and what it means.
const SETTINGS: &[(&str, &str)] = &[
    ("partitions", "how many partitions there are"),
    ("messages", "how many messages each partition has; one counts 10 bytes"),
    ("response", "most messages that the server sends at once"),
    ("credit", "bytes that a reader lets the server send ahead"),
    ("commits", "most commits of a reader under way"),
    ("deals", "how long a reader's caller deals with messages before it commits them"),
    ("release", "at-once or after: whether the caller deals with what it has before it gives a partition up"),
    ("order", "forwards or backwards: which of the messages that it has dealt with the caller commits first"),
    (
        "begin",
        "server or caller: whether a partition is begun at once, or when the caller has dealt with the news",
    ),
    (
        "stop-timeout",
        "how long a reader may take to give up a partition that goes to another; 0ms: it is not asked",
    ),
    ("start-timeout", "a session must be open after this"),
    ("commit-timeout", "an answer to a commit must come this often"),
    ("close-timeout", "a close gives up after this"),
    ("token", "how often a fresh token is sent, or never"),
    ("backoff", "the first wait before a new session"),
    ("backoff-max", "the longest"),
];

/// The interesting places that a default batch must reach.
pub(super) const MARKS: &[&str] = onceward_core::reader::MARKS;

/// Builds the cluster of a header.
pub(super) fn build(header: &Header) -> Result<Feed, String> {
    let (mut readers, mut clients) = (1, 1);
    for (role, count) in &header.cluster {
        match role.as_str() {
            "server" if *count == 1 => {}
            "server" => return Err("there is exactly one server".into()),
            "reader" if (1..=64).contains(count) => readers = *count,
            "reader" => return Err("1 to 64 readers".into()),
            "client" if (1..=1000).contains(count) => clients = *count,
            "client" => return Err("1 to 1000 clients".into()),
            other => return Err(unknown("role", other, ["server", "reader", "client"])),
        }
    }
    let mut feed = Feed {
        config: small(),
        habits: Habits::default(),
        readers,
        clients,
        partitions: 1,
        messages: 4,
        response: 2,
        stop_timeout: Dur::millis(50),
    };
    let (config, habits) = (&mut feed.config, &mut feed.habits);
    for (name, value) in &header.config {
        let wrong = |what: &str| format!("{name}={value}: {what}");
        let number = |from, to: u32| {
            let number = value.parse::<u32>().map_err(|_| wrong("write a number"))?;
            let within = (from..=to).contains(&number);
            if within { Ok(number) } else { Err(wrong(&format!("{from} to {to}"))) }
        };
        let span = || parse_span(value).map_err(|what| wrong(&what));
        let one_of = |words: [&str; 2]| match words.iter().position(|word| word == value) {
            Some(at) => Ok(at == 1),
            None => Err(wrong(&format!("write {} or {}", words[0], words[1]))),
        };
        match name.as_str() {
            "partitions" => feed.partitions = number(1, 64)?,
            "messages" => feed.messages = number(1, 1000)?.into(),
            "response" => feed.response = number(1, 1000)?,
            "credit" => config.buffer_bytes = number(1, u32::MAX)?.into(),
            "commits" => config.commits = number(1, u32::MAX)?,
            "deals" => habits.deals = span()?,
            "release" => habits.patient = one_of(["at-once", "after"])?,
            "order" => habits.backwards = one_of(["forwards", "backwards"])?,
            "begin" => config.caller_begins = one_of(["server", "caller"])?,
            "stop-timeout" => feed.stop_timeout = span()?,
            "start-timeout" => config.start_timeout = span()?,
            "commit-timeout" => config.commit_timeout = span()?,
            "close-timeout" => config.close_timeout = span()?,
            "token" => config.token_interval = if value == "never" { None } else { Some(span()?) },
            "backoff" => config.backoff = span()?,
            "backoff-max" => config.backoff_max = span()?,
            other => return Err(unknown("setting", other, SETTINGS.iter().map(|(name, _)| *name))),
        }
    }
    feed.config.validate().map_err(|error| error.to_string())?;
    let all = u64::from(feed.partitions) * feed.messages;
    if feed.habits.backwards && u64::from(feed.config.commits) < all {
        // The commit that all others wait for might find no room.
        return Err(format!(
            "order=backwards: with commits below {all}, those under way may wait for one that is not"
        ));
    }
    Ok(feed)
}

/// A reader of which everything is small.
fn small() -> Config {
    Config {
        buffer_bytes: 40,
        commits: 1000,
        start_timeout: Dur::millis(200),
        commit_timeout: Dur::millis(200),
        close_timeout: Dur::secs(5),
        token_interval: Some(Dur::millis(300)),
        backoff: Dur::millis(5),
        backoff_max: Dur::millis(200),
        ..Config::new("topic", "consumer")
    }
}

/// Draws a cluster.
pub(super) fn draw(key: Key) -> Header {
    let pick = |purpose, of: &[&'static str]| of[key.below(purpose, of.len() as u64) as usize];
    let order = pick(0, &["forwards", "forwards", "backwards"]);
    let settings = [
        ("partitions", pick(1, &["1", "2", "5"])),
        ("messages", pick(2, &["3", "20", "100"])),
        ("response", pick(3, &["1", "2", "8"])),
        ("credit", pick(4, &["1", "25", "40", "4096"])),
        ("commits", if order == "backwards" { "1000" } else { pick(5, &["1", "3", "1000"]) }),
        ("deals", pick(6, &["0ms", "1ms", "5ms", "80ms"])),
        ("release", pick(7, &["at-once", "after"])),
        ("order", order),
        ("begin", pick(8, &["server", "server", "caller"])),
        ("stop-timeout", pick(9, &["0ms", "5ms", "100ms"])),
        ("commit-timeout", pick(10, &["20ms", "200ms"])),
        ("close-timeout", pick(11, &["5ms", "5s"])),
        ("token", pick(12, &["300ms", "1s"])),
    ];
    header(1 + key.below(13, 4) as u16, 1 + key.below(14, 6) as u16, &settings)
}
