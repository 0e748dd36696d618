//! Tables for people. This module decides how figures look; the median is taken over the rounds.

use crate::{
    engines::Kind,
    plan::{Case, Kept, Row},
};
use std::fmt::Write;

/// The middle one, the lower of two.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// The table of a case.
pub(crate) fn appends(case: Case, place: &str, rows: &[Row]) -> String {
    let what =
        if case.group == 1 { "one event each".to_owned() } else { format!("groups of {}", case.group) };
    let who = if case.clients == 1 { "one client".to_owned() } else { format!("{} clients", case.clients) };
    let mut text = format!("\n{who}, {what}, {place}\n");
    let _ = writeln!(
        text,
        "  {:<16} {:>12} {:>8} {:>17} {:>11} {:>11} {:>11} {:>11}",
        "engine", "events/s", "x raw", "(of all rounds)", "fdatasync", "p50", "p99", "cpu/event"
    );
    for row in rows {
        let of = |field: fn(&crate::job::Figures) -> f64| median(row.rounds.iter().map(field));
        let low = row.ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let high = row.ratios.iter().copied().fold(0.0, f64::max);
        let (ratio, range) = if row.ratios.is_empty() {
            (String::from("-"), String::from("-"))
        } else {
            (format!("{:.2}", median(row.ratios.iter().copied())), format!("{low:.2} to {high:.2}"))
        };
        let _ = writeln!(
            text,
            "  {:<16} {:>12} {:>8} {:>17} {:>11} {:>11} {:>11} {:>11}",
            row.engine.name(),
            thousands(of(|f| f.rate)),
            ratio,
            range,
            micros(of(|f| f.fdatasync_us)),
            micros(of(|f| f.p50_us)),
            micros(of(|f| f.p99_us)),
            micros(of(|f| f.cpu_us)),
        );
    }
    text
}

/// The table of what is kept.
pub(crate) fn kept(place: &str, all: &[Kept]) -> String {
    let mut text = format!("\nkept after a clean close, filled in groups of 100, {place}\n");
    let _ = writeln!(
        text,
        "  {:<16} {:>10} {:>12} {:>9} {:>10} {:>10} {:>10} {:>12} {:>12}",
        "engine",
        "events",
        "bytes/event",
        "(blocks)",
        "close",
        "open",
        "open cold",
        "peak memory",
        "bytes/event"
    );
    for kept in all {
        let events = kept.fill.events as f64;
        let _ = writeln!(
            text,
            "  {:<16} {:>10} {:>12.0} {:>9.0} {:>10} {:>10} {:>10} {:>8} MiB {:>12.0}",
            kept.engine.name(),
            thousands(events),
            kept.fill.bytes as f64 / events,
            kept.fill.block_bytes as f64 / events,
            micros(kept.fill.close_seconds * 1e6),
            micros(kept.warm.seconds * 1e6),
            micros(kept.cold.seconds * 1e6),
            kept.warm.peak_rss >> 20,
            kept.warm.open_rss as f64 / events,
        );
    }
    let _ = writeln!(
        text,
        "  (peak memory: of the opening process; the last column: resident memory once open, by event)"
    );
    if all.iter().any(|kept| kept.engine == Kind::Okaywal) {
        let _ = writeln!(
            text,
            "  (okaywal with its checkpoints put off; as it comes it keeps the last megabyte)"
        );
    }
    text
}

/// A whole number with commas.
pub(crate) fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.max(0.0));
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in the unit that fits.
pub(crate) fn micros(value: f64) -> String {
    match value {
        v if v < 100.0 => format!("{v:.1} us"),
        v if v < 10_000.0 => format!("{v:.0} us"),
        v if v < 1_000_000.0 => format!("{:.0} ms", v / 1e3),
        v => format!("{:.2} s", v / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_lower_one() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), 2.0);
        assert!(median([]).is_nan());
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(thousands(0.4), "0");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(thousands(1_000.0), "1,000");
        assert_eq!(thousands(1_234_567.0), "1,234,567");
        assert_eq!(micros(1.234), "1.2 us");
        assert_eq!(micros(12_345.0), "12 ms");
        assert_eq!(micros(2_500_000.0), "2.50 s");
    }
}
