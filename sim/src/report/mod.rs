//! What a batch has shown, as data: the same for terminals, machines and exit codes. Before a finding is reported it is
//! run once more in a thread of its own, and its plan and trace are written down; a finding that does not come again is
//! reported as what it is.

mod ci;
mod files;
mod smaller;
#[cfg(test)]
mod tests;
mod text;

pub use ci::{annotations, job_summary, junit};
pub use files::Files;
pub use smaller::{Shrinker, SmallerReport};
pub(crate) use text::grouped;
pub use text::{failure, summary};

use crate::{
    batch::{Lane, Options, Results, Tally},
    run::{How, host},
};
use onceward_core::Dur;
use onceward_model::scenario::print_span;
use serde::Serialize;
use std::path::PathBuf;

/// What a batch has shown.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether stray clocks, entropy and threads were under control.
    pub madsim: bool,
    /// Whether the build is optimised.
    pub optimised: bool,
    /// The version of the harness.
    pub version: &'static str,
    /// Worker threads.
    pub jobs: usize,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// One for each scenario and for each system's random plans.
    pub lanes: Vec<LaneReport>,
    /// Why the batch failed; empty if it passed.
    pub reasons: Vec<String>,
}

/// What the runs of one lane have shown.
#[derive(Clone, Debug, Serialize)]
pub struct LaneReport {
    /// The scenario, or the system.
    pub name: String,
    /// The system.
    pub system: &'static str,
    /// Whether each seed drew a plan of its own.
    pub swarm: bool,
    /// The first seed.
    pub first_seed: u64,
    /// Runs.
    pub runs: u64,
    /// Their events.
    pub events: u64,
    /// Their simulated time in seconds.
    pub simulated: f64,
    /// Runs that broke a promise.
    pub failures: u64,
    /// Marks that were reached or must be.
    pub marks: Vec<MarkReport>,
    /// How runs failed.
    pub findings: Vec<FindingReport>,
    /// Seeds whose second run was another one, with where they parted.
    pub differences: Vec<String>,
}

/// One mark.
#[derive(Clone, Debug, Serialize)]
pub struct MarkReport {
    /// Its words.
    pub mark: String,
    /// How often it was reached.
    pub times: u64,
    /// Whether it must be.
    pub must: bool,
}

/// One way in which runs failed.
#[derive(Clone, Debug, Serialize)]
pub struct FindingReport {
    /// The broken promise.
    pub promise: &'static str,
    /// In what way.
    pub what: String,
    /// The lowest seed.
    pub seed: u64,
    /// How many runs failed so.
    pub times: u64,
    /// The steps that contradict the promise.
    pub evidence: Vec<Evidence>,
    /// The command that shows it again.
    pub replay: String,
    /// Whether a run in a thread of its own failed in the same way.
    pub confirmed: bool,
    /// What is left of it when it is made smaller, if that was asked for.
    pub smaller: Option<SmallerReport>,
    /// The page that shows it, if it could be written.
    pub picture: Option<String>,
}

/// One step that takes part in a contradiction.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// Its number.
    pub step: u64,
    /// When, in simulated nanoseconds.
    pub nanos: u64,
    /// What happened there.
    pub what: String,
}

/// What beside broken promises makes a batch fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Random plans of a system must reach all of its marks.
    pub marks: bool,
}

impl Report {
    /// Puts together what a batch has shown. Findings are confirmed, made smaller, if there is somebody to do it, and
    /// written to `files`, if there is a place.
    pub fn of(
        lanes: &[Lane],
        options: &Options,
        results: &Results,
        rules: Rules,
        files: Option<&Files>,
        mut shrinker: Option<&mut Shrinker<'_>>,
    ) -> Report {
        let all = lanes.iter().zip(&results.tallies);
        let reports: Vec<LaneReport> = all
            .map(|(lane, tally)| lane_report(lane, tally, rules, files, shrinker.as_deref_mut()))
            .collect();
        let reasons = reports.iter().zip(&results.tallies).zip(lanes);
        let reasons = reasons.flat_map(|((report, tally), lane)| reasons_of(report, tally, lane)).collect();
        Report {
            madsim: host::MADSIM,
            optimised: !cfg!(debug_assertions),
            version: env!("CARGO_PKG_VERSION"),
            jobs: options.jobs,
            seconds: results.elapsed.as_secs_f64(),
            lanes: reports,
            reasons,
        }
    }

    /// Whether nothing is wrong.
    pub fn passed(&self) -> bool {
        self.reasons.is_empty()
    }
}

fn lane_report(
    lane: &Lane,
    tally: &Tally,
    rules: Rules,
    files: Option<&Files>,
    mut shrinker: Option<&mut Shrinker<'_>>,
) -> LaneReport {
    let job = &*lane.job;
    let must = job.must_reach();
    let ruled = rules.marks || !job.is_swarm();
    let mut marks: Vec<MarkReport> = must
        .iter()
        .map(|mark| MarkReport { mark: (*mark).to_owned(), times: tally.marks.of(mark), must: ruled })
        .collect();
    let others = tally.marks.sorted().into_iter().filter(|(mark, _)| !must.contains(mark));
    marks.extend(others.map(|(mark, times)| MarkReport { mark: mark.to_owned(), times, must: false }));
    let findings = tally.findings.iter().map(|(signature, finding)| {
        let seed = finding.seed;
        let again = host::fresh(|| job.worker().replay(seed, &How::default()));
        let confirmed =
            again.as_ref().is_ok_and(|again| again.outcome.violation.as_ref() == Some(&finding.violation));
        let folder = again.as_ref().ok().and_then(|again| files?.write(job, seed, again));
        let plan = folder.as_ref().map(|folder| folder.join(files::PLAN));
        let smaller = shrinker.as_deref_mut().filter(|_| confirmed);
        let smaller = smaller.map(|shrinker| shrinker.shrink(job, seed, signature, plan.as_deref()));
        let short = smaller.as_ref().and_then(SmallerReport::file);
        let replay = text::repro(job, seed, short.or(plan.as_deref()));
        // What is left of it says more than the whole.
        let scenario = smaller.as_ref().and_then(SmallerReport::scenario);
        let small = scenario.and_then(|scenario| job.other(job.name(), &scenario.shrunk.text));
        let picture = match (&again, &folder, &small) {
            (Ok(_), Some(folder), Some(small)) => {
                let outcome = host::fresh(|| small.worker().run(small.seed()));
                files::picture(&**small, &outcome, &replay, folder)
            }
            (Ok(again), Some(folder), None) => files::picture(job, &again.outcome, &replay, folder),
            _ => None,
        };
        let report = FindingReport {
            promise: signature.promise,
            what: finding.violation.what.clone(),
            seed,
            times: finding.times,
            evidence: evidence(&finding.violation),
            replay,
            confirmed,
            smaller,
            picture: picture.map(|file| file.display().to_string()),
        };
        (report, folder)
    });
    let (findings, folders): (Vec<FindingReport>, Vec<Option<PathBuf>>) = findings.unzip();
    let report = LaneReport {
        name: job.name().to_owned(),
        system: job.system(),
        swarm: job.is_swarm(),
        first_seed: lane.seeds.start,
        runs: tally.runs,
        events: tally.events,
        simulated: tally.simulated as f64 / 1e9,
        failures: tally.failures,
        marks,
        findings,
        differences: tally.differences.iter().map(ToString::to_string).collect(),
    };
    for (finding, folder) in report.findings.iter().zip(&folders) {
        if let Some(folder) = folder {
            files::describe(folder, &failure(&report, finding));
        }
    }
    report
}

/// The steps of a violation.
pub(crate) fn evidence(violation: &onceward_model::world::Violation) -> Vec<Evidence> {
    let steps = violation.evidence.iter();
    steps.map(|(seen, what)| Evidence { step: seen.step, nanos: seen.at.0, what: what.clone() }).collect()
}

fn reasons_of(report: &LaneReport, tally: &Tally, lane: &Lane) -> Vec<String> {
    let name = &report.name;
    let mut reasons = Vec::new();
    if report.failures > 0 {
        let runs = if report.failures == 1 { "run" } else { "runs" };
        reasons.push(format!("{name}: {} {runs} of {} broke a promise", report.failures, report.runs));
    }
    if let Some(promise) = lane.job.must_break()
        && report.runs > 0
        && tally.broken_as_expected == 0
    {
        reasons.push(format!("{name}: no run violates {promise}, as it should"));
    }
    if tally.differing > 0 {
        reasons.push(format!("{name}: {} seeds were another run the second time", tally.differing));
    }
    if report.findings.iter().any(|finding| !finding.confirmed) {
        reasons.push(format!("{name}: a failure did not come again in a thread of its own"));
    }
    if report.runs > 0 {
        let never = report.marks.iter().filter(|mark| mark.must && mark.times == 0);
        reasons.extend(never.map(|mark| format!("{name}: never reached \"{}\"", mark.mark)));
    }
    reasons
}

/// Simulated time as people read it.
pub(crate) fn at(nanos: u64) -> String {
    let unit = 10u64.pow(nanos.checked_ilog10().unwrap_or(0).saturating_sub(4));
    print_span(Dur(nanos / unit * unit))
}
