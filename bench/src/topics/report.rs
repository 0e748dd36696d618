//! Tables for people. This module decides how figures look; the median is taken over the rounds.

use super::{
    BATCH, Figures, Held, Late, PAYLOAD, Peer, RATE, Recording, Row, SLOW, Storing, Trouble, broker::Loaded,
    memory, paced::Latencies,
};
use crate::report::{median, micros, thousands};
use std::fmt::Write;

/// The table of clients that do the same.
pub(super) fn clients(doing: &str, rows: &[Row]) -> String {
    let mut text = format!("\n{doing}, messages of {PAYLOAD} bytes, one stream, in memory\n");
    let _ = writeln!(
        text,
        "  {:<18} {:>12} {:>7} {:>17} {:>7} {:>17} {:>12}",
        "client", "messages/s", "x ydb", "(of all rounds)", "x bare", "(of all rounds)", "cpu/message"
    );
    for row in rows {
        let of = |field: fn(&Figures) -> f64| median(row.rounds.iter().map(field));
        let (ydb, ydb_range) = against(row, rows, Peer::Ydb);
        let (bare, bare_range) = against(row, rows, Peer::Bare);
        let _ = writeln!(
            text,
            "  {:<18} {:>12} {ydb:>7} {ydb_range:>17} {bare:>7} {bare_range:>17} {:>12}",
            row.peer.name(),
            thousands(of(|f| f.rate)),
            micros(of(|f| f.cpu_us)),
        );
    }
    text
}

/// The rate of a peer by another one's of the same round: median and range.
fn against(row: &Row, rows: &[Row], other: Peer) -> (String, String) {
    let Some(other) = rows.iter().find(|row| row.peer == other) else {
        return ("-".to_owned(), "-".to_owned());
    };
    ratios(row.rounds.iter().zip(&other.rounds).map(|(mine, theirs)| mine.rate / theirs.rate))
}

/// Median and range.
fn ratios(ratios: impl Iterator<Item = f64> + Clone) -> (String, String) {
    let low = ratios.clone().fold(f64::INFINITY, f64::min);
    let high = ratios.clone().fold(0.0, f64::max);
    (format!("{:.2}", median(ratios)), format!("{low:.2} to {high:.2}"))
}

/// The table of the broker on a device.
pub(super) fn stored(rows: &[Storing]) -> String {
    let mut text = format!("\nbroker, messages of {PAYLOAD} bytes, durable before they are acknowledged\n");
    let _ = writeln!(
        text,
        "  {:>9} {:>10} {:>10} {:>11} {:>9} {:>9} {:>11} {:>12} {:>12} {:>9} {:>17}",
        "producers",
        "unanswered",
        "partitions",
        "messages/s",
        "p50",
        "p99",
        "bytes/sync",
        "plain writes",
        "bare stream",
        "x smaller",
        "(of all rounds)"
    );
    for row in rows {
        let of = |field: fn(&Loaded) -> f64| median(row.broker.iter().map(field));
        let (ratio, range) = ratios(row.ratios());
        let _ = writeln!(
            text,
            "  {:>9} {:>10} {:>10} {:>11} {:>9} {:>9} {:>11} {:>12} {:>12} {ratio:>9} {range:>17}",
            row.producers,
            row.window,
            row.partitions,
            thousands(of(|l| l.figures.rate)),
            micros(of(|l| l.p50_us)),
            micros(of(|l| l.p99_us)),
            thousands(of(|l| l.group)),
            thousands(median(row.raw.iter().copied())),
            thousands(median(row.bare.iter().map(|l| l.figures.rate))),
        );
    }
    let _ =
        writeln!(text, "  (unanswered: by producer, at most; p50 and p99: of requests of {BATCH} messages)");
    text
}

/// The table of what a recording costs.
pub(super) fn recorded(rows: &[Recording]) -> String {
    let mut text = format!("\nbroker, messages of {PAYLOAD} bytes, 1 partition, while it is recorded\n");
    let _ = writeln!(
        text,
        "  {:>9} {:>10} {:>11} {:>11} {:>10} {:>17} {:>14}",
        "producers", "unanswered", "plain", "recorded", "x plain", "(of all rounds)", "bytes/message"
    );
    for row in rows {
        let rate = |loads: &[Loaded]| median(loads.iter().map(|load| load.figures.rate));
        let pairs = row.recorded.iter().zip(&row.plain);
        let (ratio, range) = ratios(pairs.map(|(with, without)| with.figures.rate / without.figures.rate));
        let _ = writeln!(
            text,
            "  {:>9} {:>10} {:>11} {:>11} {ratio:>10} {range:>17} {:>14.0}",
            row.producers,
            row.window,
            thousands(rate(&row.plain)),
            thousands(rate(&row.recorded)),
            median(row.bytes.iter().copied()),
        );
    }
    text
}

/// The table of latencies.
pub(super) fn latencies(rows: &[Late]) -> String {
    let mut text =
        format!("\nbroker, {RATE} messages a second, durable; from when each was due to its answer\n");
    let _ = writeln!(
        text,
        "  {:<18} {:>10} {:>10} {:>10} {:>10} {:>14}",
        "client", "p50", "p99", "p99.9", "worst", "fdatasync"
    );
    for row in rows {
        let of = |field: fn(&Latencies) -> f64| micros(median(row.rounds.iter().map(field)));
        let _ = writeln!(
            text,
            "  {:<18} {:>10} {:>10} {:>10} {:>10} {:>14}",
            row.peer.name(),
            of(|l| l.p50_us),
            of(|l| l.p99_us),
            of(|l| l.p999_us),
            of(|l| l.worst_us),
            micros(median(row.fdatasync_us.iter().copied())),
        );
    }
    text
}

/// The tables of memory.
pub(super) fn held(held: &Held) -> String {
    let mib = |bytes: u64| format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20));
    let mut text = format!(
        "\nmemory of a writer that is never answered; {} messages are offered, onceward may hold {}\n",
        thousands(memory::OFFERED as f64),
        mib(memory::BOUND),
    );
    let _ = writeln!(text, "  {:<18} {:>12} {:>12} {:>12}", "client", "accepted", "payloads", "memory");
    for (peer, hoard) in &held.writers {
        let _ = writeln!(
            text,
            "  {:<18} {:>12} {:>12} {:>12}",
            peer.name(),
            thousands(hoard.accepted as f64),
            mib(hoard.accepted * PAYLOAD as u64),
            mib(hoard.grown),
        );
    }
    let _ = writeln!(text, "\nmemory of the broker, 8 producers, 1 partition");
    let _ = writeln!(text, "  {:<36} {:>12} {:>12} {:>12}", "held up by", "stored", "before", "most");
    for serving in &held.brokers {
        let trouble = match serving.trouble {
            Trouble::None => "nothing".to_owned(),
            Trouble::Reader => "a reader asks for 1 GiB, takes none".to_owned(),
            Trouble::Disk => format!("a sync takes {} ms", SLOW.as_millis()),
        };
        let _ = writeln!(
            text,
            "  {trouble:<36} {:>12} {:>12} {:>12}",
            mib(serving.stored),
            mib(serving.before),
            mib(serving.most)
        );
    }
    text
}
