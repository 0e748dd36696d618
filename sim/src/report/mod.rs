//! What a batch has shown, as data: the same for terminals, machines and exit codes. Before a finding is reported it is
//! run once more in a thread of its own, and its plan and trace are written down; a finding that does not come again is
//! reported as what it is.

mod ci;
mod files;
mod merge;
mod smaller;
#[cfg(test)]
mod tests;
mod text;

pub use ci::{annotations, job_summary, junit};
pub use files::Files;
pub use merge::{MergeError, merge};
pub use smaller::{Shrinker, SmallerReport};
pub use text::{failure, summary};
pub(crate) use text::{grouped, parting, repro};

use crate::{
    batch::{Lane, Options, Results, Tally},
    explore::Strategy,
    minimise::Nearest,
    run::{How, host},
    seeds::State,
};
use onceward_core::Dur;
use onceward_model::scenario::print_span;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a batch has shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Whether stray clocks, entropy and threads were under control.
    pub madsim: bool,
    /// Whether the build is optimised.
    pub optimised: bool,
    /// The version of the harness.
    pub version: String,
    /// Which part of the seeds, counted from 0, of how many parts.
    pub shard: (u64, u64),
    /// Worker threads.
    pub jobs: usize,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Seeds that had failed before, and were run first.
    pub known: Vec<KnownReport>,
    /// One for each scenario and for each system's random plans.
    pub lanes: Vec<LaneReport>,
    /// Why the batch failed; empty if it passed.
    pub reasons: Vec<String>,
}

/// What has become of a seed that had failed before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KnownReport {
    /// The system.
    pub system: String,
    /// The seed.
    pub seed: u64,
    /// The promise that it had broken.
    pub promise: String,
    /// What has become of it.
    pub state: State,
}

/// What the runs of one lane have shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LaneReport {
    /// The scenario, or the system.
    pub name: String,
    /// The system.
    pub system: String,
    /// Whether each seed drew a plan of its own.
    pub swarm: bool,
    /// How they were explored.
    #[serde(default)]
    pub explore: Strategy,
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
    /// The promise that they must break, if they are there to show that it can be.
    pub must_break: Option<String>,
    /// Runs that broke it.
    pub broken_as_expected: u64,
    /// Marks that were reached or must be.
    pub marks: Vec<MarkReport>,
    /// How runs failed.
    pub findings: Vec<FindingReport>,
    /// Seeds whose second run was another one.
    pub differing: u64,
    /// Where the first few of them parted.
    pub differences: Vec<String>,
}

/// One mark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MarkReport {
    /// Its words.
    pub mark: String,
    /// How often it was reached.
    pub times: u64,
    /// Whether it is declared: one that random plans come to if there are enough of them.
    pub declared: bool,
    /// Whether it must be reached here.
    pub must: bool,
}

/// One way in which runs failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindingReport {
    /// The broken promise.
    pub promise: String,
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
    /// How much of the run that is shown leads to the contradiction.
    pub slice: Option<Slice>,
    /// The closest run that passes, if one was looked for.
    pub nearest: Option<Nearest>,
    /// Where its scenario is, if there is one that could be written.
    pub passing: Option<PathBuf>,
}

/// How much of a run leads to its contradiction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Slice {
    /// Steps that the contradicting ones depend on, themselves included.
    pub leading: u64,
    /// All steps.
    pub of: u64,
}

/// One step that takes part in a contradiction.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
        let reasons = reports.iter().flat_map(reasons_of).collect();
        Report {
            madsim: host::MADSIM,
            optimised: !cfg!(debug_assertions),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            shard: options.shard,
            jobs: options.jobs,
            seconds: results.elapsed.as_secs_f64(),
            known: Vec::new(),
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
    let ruled = !job.is_swarm() || rules.marks && job.strategy().is_default();
    let mut marks: Vec<MarkReport> = must
        .iter()
        .map(|mark| MarkReport {
            mark: (*mark).to_owned(),
            times: tally.marks.of(mark),
            declared: true,
            must: ruled,
        })
        .collect();
    let others = tally.marks.sorted().into_iter().filter(|(mark, _)| !must.contains(mark));
    marks.extend(others.map(|(mark, times)| MarkReport {
        mark: mark.to_owned(),
        times,
        declared: false,
        must: false,
    }));
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
        let nearest =
            small.as_ref().and_then(|small| host::fresh(|| small.worker().nearest(small.seed())).ok());
        let recording = match (&again, &small) {
            (Ok(_), Some(small)) => {
                let outcome = host::fresh(|| small.worker().run(small.seed()));
                files::picture(&**small, &outcome, &replay, nearest.as_ref())
            }
            (Ok(again), None) => files::picture(job, &again.outcome, &replay, None),
            (Err(_), _) => None,
        };
        let picture = recording.as_ref().zip(folder.as_ref());
        let picture = picture.and_then(|(recording, folder)| files::page(recording, folder));
        let passing = nearest.as_ref().and_then(|nearest| nearest.passing.as_ref()).zip(folder.as_ref());
        let passing = passing.and_then(|(passing, folder)| files::passing(passing, folder));
        let slice = recording.and_then(|run| Some(Slice { leading: run.leading?, of: run.total }));
        let report = FindingReport {
            promise: signature.promise.to_owned(),
            what: finding.violation.what.clone(),
            seed,
            times: finding.times,
            evidence: evidence(&finding.violation),
            replay,
            confirmed,
            smaller,
            picture: picture.map(|file| file.display().to_string()),
            slice,
            nearest,
            passing,
        };
        (report, folder)
    });
    let (findings, folders): (Vec<FindingReport>, Vec<Option<PathBuf>>) = findings.unzip();
    let report = LaneReport {
        name: job.name().to_owned(),
        system: job.system().to_owned(),
        swarm: job.is_swarm(),
        explore: job.strategy(),
        first_seed: lane.seeds.start,
        runs: tally.runs,
        events: tally.events,
        simulated: tally.simulated as f64 / 1e9,
        failures: tally.failures,
        must_break: job.must_break().map(str::to_owned),
        broken_as_expected: tally.broken_as_expected,
        marks,
        findings,
        differing: tally.differing,
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

fn reasons_of(report: &LaneReport) -> Vec<String> {
    let name = &report.name;
    let mut reasons = Vec::new();
    if report.failures > 0 {
        let runs = if report.failures == 1 { "run" } else { "runs" };
        reasons.push(format!("{name}: {} {runs} of {} broke a promise", report.failures, report.runs));
    }
    if let Some(promise) = &report.must_break
        && report.runs > 0
        && report.broken_as_expected == 0
    {
        reasons.push(format!("{name}: no run violates {promise}, as it should"));
    }
    if report.differing > 0 {
        reasons.push(format!("{name}: {} seeds were another run the second time", report.differing));
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

/// Simulated time as people read it, and as scenarios may have it: five digits at most, in the largest unit that leaves
/// a whole part.
pub(crate) fn at(nanos: u64) -> String {
    let digit = 10u64.pow(nanos.checked_ilog10().unwrap_or(0).saturating_sub(4));
    let nanos = nanos / digit * digit;
    let units = [("s", 1_000_000_000u64), ("ms", 1_000_000), ("us", 1_000)];
    let Some((unit, size)) = units.into_iter().find(|(_, size)| nanos >= *size) else {
        return print_span(Dur(nanos));
    };
    let part = format!("{:0wide$}", nanos % size, wide = size.ilog10() as usize);
    match part.trim_end_matches('0') {
        "" => format!("{}{unit}", nanos / size),
        part => format!("{}.{part}{unit}", nanos / size),
    }
}
