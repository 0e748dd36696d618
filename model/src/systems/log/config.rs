//! The event store's settings in a scenario: names, units, defaults, and what a random run chooses. Refuses what it
//! does not know, naming what it does. The defaults are those of small simulated stores, not of production: little
//! segments and a short memory, so that rotation and expiry happen within a few hundred events.

use super::protocol::Log;
use crate::{
    scenario::{Header, parse_span, print_span, unknown},
    world::{Geometry, Key},
};
use onceward_core::{
    Dur, Path, SyncKind, Window,
    log::{api::Promise, segments::SyncPolicy, store::Config},
};

/// One setting: its name and what it means, for help pages.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("durability", "per-append (answered when durable), or written (answered when written)"),
    ("sync-every", "with durability=written: a sync after so many records; 0: by age alone"),
    ("sync-age", "with durability=written: the oldest unsynced record waits no longer"),
    ("pipelined", "with durability=per-append: yes: a group may be written while the one before is synced"),
    ("sync", "data or full"),
    ("sector", "bytes that a torn write may spoil at most; the disk's sectors are as large"),
    ("segment", "bytes after which a segment is sealed"),
    ("first-segment", "the same for the first one; each may be twice as large as the one before"),
    ("segment-age", "age at which a segment is sealed, or never"),
    ("preallocate", "yes or no"),
    ("group", "most bytes of one commit group"),
    ("queue", "most bytes accepted and not yet durable; requests shrink with it, down to one event at 4KiB"),
    ("drain", "how many waiting appends a shutdown still carries out"),
    ("reserve", "bytes held back for a full disk"),
    ("dedup", "for how many positions a key is remembered"),
    ("folder", "where the store keeps its files; / for the disk's own folder"),
    ("capacity", "bytes of the disk, or unlimited"),
    ("read-chunk", "bytes read at once in recovery"),
    ("full-scan", "yes: recovery reads every record even where a footer would do"),
    ("cache", "bytes of footers kept for reads"),
    ("payload", "most bytes of one payload"),
];

/// Builds the cluster of a header.
pub(super) fn build(header: &Header) -> Result<Log, String> {
    let clients = super::roles(header)?;
    let mut config = small();
    let mut geometry = Geometry::SIMULATED;
    let (mut every, mut age, mut queue) = (0u32, Dur::millis(5), None);
    for (name, value) in &header.config {
        let wrong = |what: &str| format!("{name}={value}: {what}");
        let number = || bytes(value).ok_or_else(|| wrong("write a number, with KiB or MiB if you like"));
        let small = || number().and_then(|n| u32::try_from(n).map_err(|_| wrong("that is too much")));
        let span = || parse_span(value).map_err(|what| wrong(&what));
        let yes = || match value.as_str() {
            "yes" => Ok(true),
            "no" => Ok(false),
            _ => Err(wrong("write yes or no")),
        };
        let segments = &mut config.segments;
        match name.as_str() {
            "durability" => {
                config.promise = match value.as_str() {
                    "per-append" => Promise::Durable,
                    "written" => Promise::Written,
                    _ => return Err(wrong("write per-append or written")),
                }
            }
            "sync-every" => every = small()?,
            "sync-age" => age = span()?,
            "pipelined" => {
                segments.policy = if yes()? { SyncPolicy::Pipelined } else { SyncPolicy::PerGroup }
            }
            "sync" => {
                segments.kind = match value.as_str() {
                    "data" => SyncKind::Data,
                    "full" => SyncKind::Full,
                    _ => return Err(wrong("write data or full")),
                }
            }
            "sector" => {
                segments.sector = small()?;
                geometry.sector = segments.sector;
            }
            "segment" => segments.segment_bytes = number()?,
            "first-segment" => segments.first_segment_bytes = number()?,
            "segment-age" => segments.segment_age = if value == "never" { None } else { Some(span()?) },
            "preallocate" => segments.preallocate = yes()?,
            "group" => segments.group_bytes = small()?,
            "queue" => {
                segments.queue_bytes = number()?;
                queue = Some(segments.queue_bytes);
            }
            "drain" => config.drain_requests = small()?,
            "reserve" => segments.reserve_bytes = number()?,
            "dedup" => config.dedup_horizon = number()?,
            "folder" => {
                segments.folder = match value.as_str() {
                    "/" => Path::root(),
                    name => Path::from(name),
                }
            }
            "capacity" => geometry.capacity = if value == "unlimited" { None } else { Some(number()?) },
            "read-chunk" => segments.read_chunk = small()?,
            "full-scan" => segments.full_scan = yes()?,
            "cache" => config.cache_bytes = number()?,
            "payload" => {
                config.payload_bytes = small()?;
                config.request_bytes = config.request_bytes.max(config.payload_bytes);
            }
            other => return Err(unknown("setting", other, SETTINGS.iter().map(|(name, _)| *name))),
        }
    }
    if config.promise == Promise::Written {
        config.segments.policy = if every > 0 {
            SyncPolicy::EveryRecords { records: every, age }
        } else {
            SyncPolicy::Interval { age }
        };
    }
    if let Some(queue) = queue {
        // A small queue takes small requests only: a quarter of it for their records, the rest for their payloads.
        let quarter = queue / 4;
        config.request_events = config.request_events.min(u32::try_from(quarter >> 10).unwrap_or(u32::MAX));
        let most = u32::try_from(queue - quarter).unwrap_or(u32::MAX);
        config.request_bytes = config.request_bytes.min(most);
        config.payload_bytes = config.payload_bytes.min(most);
    }
    config.validate().map_err(|bad| bad.to_string())?;
    Ok(Log { configs: vec![config], clients, geometry })
}

/// A small store.
fn small() -> Config {
    let mut config = Config::new(Path::root(), 0xcead);
    config.payload_bytes = 8 << 10;
    config.request_events = 256;
    config.request_bytes = 64 << 10;
    config.queue_requests = 256;
    config.queue_bytes = 256 << 10;
    config.dedup_horizon = 64;
    config.cache_bytes = 16 << 10;
    config.notifications = 64;
    let segments = &mut config.segments;
    segments.segment_bytes = 16 << 10;
    segments.group_bytes = 32 << 10;
    segments.queue_bytes = 512 << 10;
    segments.reserve_bytes = 0;
    segments.read_chunk = 4 << 10;
    segments.preallocate = false;
    segments.retry = Window { from: Dur::millis(1), to: Dur::millis(2) };
    config
}

/// `64`, `64KiB`, `1MiB`.
fn bytes(text: &str) -> Option<u64> {
    let units = [("KiB", 1u64 << 10), ("MiB", 1 << 20)];
    for (unit, factor) in units {
        if let Some(number) = text.strip_suffix(unit) {
            return number.parse::<u64>().ok()?.checked_mul(factor);
        }
    }
    text.parse().ok()
}

/// What a random run is configured like.
pub(super) fn draw(key: Key) -> Header {
    let mut settings: Vec<(&str, String)> = Vec::new();
    let one = |purpose: u32, among: &[&'static str]| among[key.below(purpose, among.len() as u64) as usize];
    if key.chance(1, 200_000) {
        settings.push(("durability", "written".into()));
        settings.push(("sync-every", one(2, &["0", "3", "20"]).into()));
        settings.push((
            "sync-age",
            print_span(Dur(key.log_uniform(3, Dur::micros(50), Dur::millis(20)).0 / 1000 * 1000)),
        ));
    }
    if key.chance(4, 500_000) {
        settings.push(("segment", one(5, &["2KiB", "4KiB", "8KiB", "64KiB"]).into()));
    }
    if key.chance(6, 300_000) {
        settings.push(("segment-age", one(7, &["1ms", "5ms", "20ms"]).into()));
    }
    if key.chance(8, 300_000) {
        settings.push(("preallocate", "yes".into()));
    }
    if key.chance(9, 300_000) {
        settings.push(("group", one(10, &["600", "2KiB"]).into()));
    }
    if key.chance(11, 300_000) {
        settings.push(("dedup", one(12, &["1", "8", "1000"]).into()));
    }
    if key.chance(16, 200_000) {
        settings.push(("full-scan", "yes".into()));
    }
    if key.chance(17, 200_000) {
        settings.push(("cache", "0".into()));
    }
    if key.chance(18, 400_000) {
        settings.push(("drain", one(19, &["0", "2"]).into()));
    }
    if key.chance(20, 300_000) {
        settings.push(("read-chunk", one(21, &["512", "1024"]).into()));
    }
    if key.chance(22, 200_000) {
        settings.push(("sync", "full".into()));
    }
    if key.chance(23, 200_000) {
        settings.push(("queue", one(24, &["4KiB", "8KiB", "16KiB"]).into()));
    }
    if key.chance(25, 200_000) {
        settings.push(("reserve", one(26, &["2KiB", "16KiB"]).into()));
    }
    if key.chance(27, 100_000) {
        settings.push(("folder", "orders".into()));
    }
    if key.chance(28, 150_000) {
        settings.push(("first-segment", one(29, &["600", "1KiB", "3KiB"]).into()));
    }
    if key.chance(30, 300_000) {
        settings.push(("pipelined", "yes".into()));
    }
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    super::header(1 + key.below(0, 4) as u16, &settings)
}
