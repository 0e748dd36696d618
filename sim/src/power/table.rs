//! A measurement for people, as text: a line for each bug, the promises that bugs were seen to break, and the verdict.

use super::{
    Means, Power,
    result::{Row, Seen},
    stats::{Point, Quantile},
    strategies::strategies,
};
use crate::{gate::HARNESS, report::grouped};
use std::{collections::BTreeSet, fmt::Write};

/// The measurement as text.
pub fn table(power: &Power) -> String {
    let mut text = String::new();
    let of: Vec<&str> = power.mutants.iter().map(|row| &*row.of).collect();
    let mut kinds = of.clone();
    kinds.dedup();
    for kind in kinds {
        let rows: Vec<&Row> = power.mutants.iter().filter(|row| row.of == kind).collect();
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(text, "mutants of {kind}{}", what_is_measured(rows[0]));
        let lines = rows.iter().map(|row| line(row));
        text.push_str(&columns(&[heads(rows[0])].into_iter().chain(lines).collect::<Vec<_>>()));
        text.push('\n');
    }
    text.push_str(&strategies(power));
    text.push_str(&matrix(power));
    text.push_str(&stuck(power));
    text.push_str(&verdict(power));
    text
}

fn what_is_measured(row: &Row) -> &'static str {
    match row.main() {
        Means::Plans => ": seeds of random plans until the promise is seen broken, with 95 % intervals",
        Means::Shell => ": runs in the shell until the driver's duty is seen neglected, with 95 % intervals",
        _ => ", which its self-tests must notice",
    }
}

fn heads(row: &Row) -> Vec<String> {
    let heads: &[&str] = match row.main() {
        Means::SelfTests => &["", "mutant", "CPU-s", "seen by"],
        Means::Shell => &["", "mutant", "caught", "median", "95th", "CPU-s", "95th"],
        _ => &[
            "",
            "mutant",
            "caught",
            "median",
            "95th",
            "CPU-s",
            "95th",
            "reached",
            "wrong",
            "scenarios",
            "shell",
            "check",
        ],
    };
    heads.iter().map(|head| (*head).to_owned()).collect()
}

pub(super) const NONE: &str = "–";

fn line(row: &Row) -> Vec<String> {
    let of = |means| row.by.get(&means);
    let main = of(row.main());
    let sign = match main {
        None => ' ',
        Some(seen) if seen.falls() => '✓',
        Some(_) => '✗',
    };
    let start = [sign.to_string(), row.mutant.clone()];
    let figure = |figure: &dyn Fn(&Seen) -> String| main.map_or(NONE.into(), figure);
    if row.main() == Means::SelfTests {
        let by = |seen: &Seen| seen.first.clone().unwrap_or_else(|| "NOTHING".into());
        let rest = [figure(&|seen| format!("{:.1}", seen.all_cpu)), figure(&by)];
        return start.into_iter().chain(rest).collect();
    }
    let figures = [
        figure(&|seen| format!("{}/{}", seen.caught, seen.trials)),
        figure(&|seen| seen.seeds.median.to_string()),
        figure(&|seen| upwards(&seen.seeds.p95)),
        figure(&|seen| seen.cpu.median.value.to_string()),
        figure(&|seen| upwards(&seen.cpu.p95)),
    ];
    if row.main() == Means::Shell {
        return start.into_iter().chain(figures).collect();
    }
    let reached = row.reached.filter(|(_, of)| *of > 0);
    let others = [
        reached.map_or(NONE.into(), |(seen, of)| percent(seen, of)),
        if row.wrong > 0 { grouped(row.wrong) } else { NONE.into() },
        of(Means::Scenarios).filter(|seen| seen.all_seeds > 0).map_or(String::new(), |seen| some(seen.shown)),
        of(Means::Shell).map_or(String::new(), shell),
        of(Means::Check).map_or(String::new(), |seen| seen.first.clone().unwrap_or_else(|| NONE.into())),
    ];
    start.into_iter().chain(figures).chain(others).collect()
}

/// A value and how much it may be: of a 95th percentile the upper end is what matters.
fn upwards(quantile: &Quantile) -> String {
    match quantile.high {
        Point::Unknown => format!("{} (≤ ?)", quantile.value),
        high => format!("{} (≤ {high})", quantile.value),
    }
}

fn shell(seen: &Seen) -> String {
    match (seen.caught, seen.seeds.median.value) {
        (0, _) => NONE.into(),
        (caught, Point::Beyond) => format!("{caught} of {} trials", seen.trials),
        _ => seen.seeds.median.to_string(),
    }
}

fn some(times: u64) -> String {
    if times == 0 { NONE.into() } else { grouped(times) }
}

/// A share, with as many digits as it takes to see that it is neither nothing nor all.
pub(super) fn percent(part: u64, of: u64) -> String {
    let share = part as f64 / of.max(1) as f64 * 100.0;
    match share {
        _ if part == 0 || part == of => format!("{share:.0} %"),
        share if !(0.1..=99.9).contains(&share) => format!("{share:.2} %"),
        share if !(10.0..=90.0).contains(&share) => format!("{share:.1} %"),
        share => format!("{share:.0} %"),
    }
}

/// Lines in columns as wide as they must be, the second and the last flush left.
pub(super) fn columns(lines: &[Vec<String>]) -> String {
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let wide =
        |at: usize| lines.iter().filter_map(|l| l.get(at)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(wide).collect();
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (at, cell) in line.iter().enumerate() {
            let width = widths[at];
            let gap = if at == 0 {
                ""
            } else if at == 1 {
                " "
            } else {
                "  "
            };
            if at == 1 || at + 1 == count {
                let _ = write!(row, "{gap}{cell:<width$}");
            } else {
                let _ = write!(row, "{gap}{cell:>width$}");
            }
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// Which promises the random runs with a bug were seen to break, and how often: the intended one first.
fn matrix(power: &Power) -> String {
    let rows = power.mutants.iter().filter(|row| row.of != HARNESS && !row.broken.is_empty());
    let lines: Vec<Vec<String>> = rows
        .map(|row| {
            let all: u64 = row.broken.values().sum();
            let share = |promise: &str, times: u64| format!("{promise} {}", percent(times, all));
            let intended = row.broken.get(&row.intended).copied().unwrap_or(0);
            let mut others: Vec<(&String, u64)> =
                row.broken.iter().filter(|(p, _)| **p != row.intended).map(|(p, n)| (p, *n)).collect();
            others.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
            let others: Vec<String> = others.iter().map(|(promise, times)| share(promise, *times)).collect();
            vec![
                String::new(),
                row.mutant.clone(),
                grouped(all),
                share(&row.intended, intended),
                others.join(", "),
            ]
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    let heads = ["", "mutant", "runs", "intended", "for another reason"].map(str::to_owned).to_vec();
    let all: Vec<Vec<String>> = [heads].into_iter().chain(lines).collect();
    format!("promises that runs with a mutant broke\n{}\n", columns(&all))
}

fn stuck(power: &Power) -> String {
    let mut seen = BTreeSet::new();
    for row in &power.mutants {
        let all: Vec<_> =
            row.by.iter().flat_map(|(means, of)| of.stuck.iter().map(move |s| (means, s))).collect();
        if let Some((means, one)) = all.first() {
            let more = if all.len() > 1 { format!(", and {} more", all.len() - 1) } else { String::new() };
            seen.insert(format!("  {}: {}, {} {}{more}\n", row.mutant, means.name(), one.at, one.how));
        }
    }
    if seen.is_empty() {
        return String::new();
    }
    format!("runs that did not come back\n{}\n", seen.into_iter().collect::<String>())
}

fn verdict(power: &Power) -> String {
    let mut text = String::new();
    let (all, fallen) = power.by_plans();
    if all > 0 {
        let share = percent(fallen as u64, all as u64);
        let _ = writeln!(
            text,
            "{fallen} of {all} mutants of systems ({share}) fall to random plans within {} CPU-s, in half of the trials at least",
            power.budget
        );
        let survive = |row: &&Row| row.by.get(&Means::Plans).is_some_and(|seen| !seen.falls());
        let survivors: Vec<&str> = power.mutants.iter().filter(survive).map(|row| &*row.mutant).collect();
        if !survivors.is_empty() {
            let _ = writeln!(text, "survivors: {}", survivors.join(", "));
        }
    }
    for (kind, by) in [(crate::gate::DRIVER, "the shell"), (HARNESS, "self-tests")] {
        let (all, fallen) = power.fallen(|row| row.of == kind);
        if all > 0 {
            let _ = writeln!(text, "{fallen} of {all} mutants of the {kind} fall to {by}");
        }
    }
    for control in &power.controls {
        let alarms: u64 = control.alarms.values().sum();
        let alarms = match (alarms, control.examples.is_empty()) {
            (0, true) => "no false alarm".to_owned(),
            _ => format!("{alarms} FALSE ALARMS: {}", control.examples.join("; ")),
        };
        let (seeds, means) = (grouped(control.seeds), control.means.name());
        let _ = writeln!(text, "{means}: {seeds} runs of {} without a mutant, {alarms}", control.system);
    }
    for what in &power.not_measured {
        let _ = writeln!(text, "not measured: {what}");
    }
    if !power.complete {
        text.push_str("INCOMPLETE: the time was up; the same command goes on from here\n");
    }
    for reason in &power.reasons {
        let _ = writeln!(text, "✗ {reason}");
    }
    text
}
