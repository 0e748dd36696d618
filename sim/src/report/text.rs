//! What a batch has shown, for people at a terminal.

use super::{FindingReport, KnownReport, LaneReport, Report, Slice, SmallerReport, at};
use crate::{
    minimise::{Nearest, Parting, Passing},
    mutants,
    run::Job,
};
use std::{fmt::Write, path::Path};

/// The one-line command that shows a run again, with the known bug that it needs.
pub(crate) fn repro(job: &dyn Job, seed: u64, plan: Option<&Path>) -> String {
    let run = match plan {
        Some(plan) => plan.display().to_string(),
        None if job.is_swarm() => format!("{seed} --system {}{}", job.system(), job.strategy().flag()),
        None => format!("{} --seed {seed}", job.name()),
    };
    let mutant = mutants::which().map_or_else(String::new, |name| format!(" --mutant {name}"));
    format!("cargo sim replay {run}{mutant}")
}

/// One failure: the promise, the steps that contradict it, and how to see it again.
pub fn failure(lane: &LaneReport, finding: &FindingReport) -> String {
    let mut text = String::new();
    let whose = if lane.swarm { "system" } else { "scenario" };
    let _ = write!(text, "✗ {}   {whose} {}, seed {}", finding.promise, lane.name, finding.seed);
    if finding.times > 1 {
        let _ = write!(text, "   and {} more", grouped(finding.times - 1));
    }
    let smaller = finding.smaller.as_ref();
    let _ = writeln!(
        text,
        "{}",
        smaller.map_or_else(String::new, |smaller| format!("   {}", smaller.headline()))
    );
    // The short run bears witness in the long one's place.
    let short = smaller.and_then(SmallerReport::scenario);
    let (what, steps) =
        short.map_or((&finding.what, &finding.evidence), |short| (&short.what, &short.evidence));
    for line in what.lines() {
        let _ = writeln!(text, "  {line}");
    }
    let times: Vec<String> = steps.iter().map(|e| format!("at {}", at(e.nanos))).collect();
    let wide = times.iter().map(String::len).max().unwrap_or(0);
    for (time, evidence) in times.iter().zip(steps) {
        let _ = writeln!(text, "  {time:<wide$}  step {}: {}", evidence.step, evidence.what);
    }
    if let Some(Slice { leading, of }) = finding.slice {
        let _ = writeln!(text, "  {} of {} steps lead to it", grouped(leading), grouped(of));
    }
    if let Some(nearest) = &finding.nearest {
        text.push_str(&parting(nearest));
    }
    if !finding.confirmed {
        let _ = writeln!(
            text,
            "  It did not come again in a thread of its own: something outside the seed decides."
        );
    }
    if let Some(short) = short {
        let _ = writeln!(text, "\n{}\n", short.plain().trim_end());
    }
    let _ = writeln!(text, "  replay  {}", finding.replay);
    if let Some(file) = &finding.passing {
        let _ = writeln!(text, "  passing {}", file.display());
    }
    if let Some(picture) = &finding.picture {
        let _ = writeln!(text, "  picture {picture}");
    }
    text
}

/// What is different in the closest run that passes, and where the two part.
pub(crate) fn parting(nearest: &Nearest) -> String {
    let Some(Passing { change, step, here, there, .. }) = &nearest.passing else {
        // Where there is no line there is none to be changed.
        return match nearest.tried {
            0 => String::new(),
            tried => format!("  none of {} runs that are one change away passes\n", grouped(tried)),
        };
    };
    let side = |side: &Option<Parting>| match side {
        Some(Parting { nanos, what }) => (format!("at {}", at(*nanos)), what.clone()),
        None => ("then".to_owned(), "nothing more happens".to_owned()),
    };
    let ((here_at, here), (there_at, there)) = (side(here), side(there));
    let wide = here_at.len().max(there_at.len());
    format!(
        "  it passes {change}: the runs part at step {step}\n    here   {here_at:<wide$}  {here}\n    there  \
         {there_at:<wide$}  {there}\n"
    )
}

/// The whole report.
pub fn summary(report: &Report) -> String {
    let mut text = String::new();
    for lane in &report.lanes {
        for finding in &lane.findings {
            text.push_str(&failure(lane, finding));
            text.push('\n');
        }
        for difference in &lane.differences {
            let _ = writeln!(text, "✗ not deterministic   {}: {difference}\n", lane.name);
        }
    }
    known(&mut text, report);
    table(&mut text, report);
    marks(&mut text, report);
    totals(&mut text, report);
    text
}

/// What has become of seeds that had failed before.
fn known(text: &mut String, report: &Report) {
    for KnownReport { system, seed, promise, state } in &report.known {
        let sign = if state.fails() { '✗' } else { '✓' };
        let _ = writeln!(text, "{sign} known  {promise}, {system} seed {seed}: {}", state.words());
    }
    if !report.known.is_empty() {
        text.push('\n');
    }
}

pub(super) fn table(text: &mut String, report: &Report) {
    let wide = report.lanes.iter().map(|lane| lane.name.chars().count()).max().unwrap_or(0).max(8);
    let _ = writeln!(text, "{:<wide$}  {:>9}  {:>13}  {:>11}  failures", "", "seeds", "events", "simulated");
    for lane in &report.lanes {
        let (seeds, events) = (grouped(lane.runs), grouped(lane.events));
        let time = duration(lane.simulated);
        let failures = if lane.failures == 0 { "none".to_owned() } else { grouped(lane.failures) };
        let _ = writeln!(text, "{:<wide$}  {seeds:>9}  {events:>13}  {time:>11}  {failures}", lane.name);
    }
}

fn marks(text: &mut String, report: &Report) {
    for lane in report.lanes.iter().filter(|lane| lane.swarm && lane.runs > 0 && !lane.marks.is_empty()) {
        let _ = writeln!(text, "\nmarks of {}", lane.name);
        for mark in &lane.marks {
            let missed = mark.times == 0;
            let sign = if missed && mark.must { '✗' } else { ' ' };
            let times = if missed { "never".to_owned() } else { grouped(mark.times) };
            let _ = writeln!(text, "{sign} {times:>11}  {}", mark.mark);
        }
    }
}

fn totals(text: &mut String, report: &Report) {
    let runs: u64 = report.lanes.iter().map(|lane| lane.runs).sum();
    let events: u64 = report.lanes.iter().map(|lane| lane.events).sum();
    let simulated: f64 = report.lanes.iter().map(|lane| lane.simulated).sum();
    let seconds = report.seconds.max(1e-9);
    let _ = writeln!(
        text,
        "\n{} seeds, {} events, {} simulated in {seconds:.1} s on {} {}: {} events/s, {} seeds/s, {} x real time",
        grouped(runs),
        grouped(events),
        duration(simulated),
        report.jobs,
        if report.jobs == 1 { "thread" } else { "threads" },
        grouped((events as f64 / seconds) as u64),
        grouped((runs as f64 / seconds) as u64),
        grouped((simulated / seconds) as u64),
    );
    if report.passed() {
        let _ = writeln!(text, "passed");
    }
    for reason in &report.reasons {
        let _ = writeln!(text, "FAILED  {reason}");
    }
}

/// 1234567 as 1,234,567.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A long time in its largest unit.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s >= 2.0 * 86_400.0 => format!("{:.1} days", s / 86_400.0),
        s if s >= 2.0 * 3_600.0 => format!("{:.1} h", s / 3_600.0),
        s if s >= 120.0 => format!("{:.1} min", s / 60.0),
        s => format!("{s:.1} s"),
    }
}
