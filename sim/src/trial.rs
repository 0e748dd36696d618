//! The harness in a test: random plans, scenarios and exhaustive checks of a [`System`] in a plain `cargo test`, on all
//! cores, without a flag. Without the cfg `madsim` nothing stands under the runs that would notice a stray clock or
//! random number in a machine; the runs themselves are the same, and so are their seeds.

use crate::{
    batch::{self, Lane, Options},
    report::{Report, Rules, summary},
    run::{Job, ScenarioJob, SwarmJob},
};
use onceward_model::{
    check::{CheckReport, Limits, run_named},
    scenario::{ScenarioError, unknown},
    system::System,
};
use std::{ops::Range, thread};

/// Runs the random plans of these seeds. All declared marks must be reached: a place that no run came to is as good
/// as untested.
pub fn swarm<S: System>(seeds: Range<u64>) -> Report {
    run(Box::new(SwarmJob::<S>::new()), seeds)
}

/// Runs a scenario under its own seed and as many more as are asked for; one is enough where nothing is left to chance.
///
/// # Errors
/// Everything that is wrong with the text, with its place.
pub fn scenario<S: System>(name: &str, text: &str, seeds: u64) -> Result<Report, ScenarioError> {
    let job = ScenarioJob::<S>::read(name, text).map_err(|error| error.in_file(name))?;
    let first = job.seed();
    Ok(run(Box::new(job), first..first.saturating_add(seeds)))
}

/// Explores one of the system's scopes to its end.
///
/// # Errors
/// The system has no scope of that name, with those it has.
pub fn check<S: System>(scope: &str) -> Result<CheckReport<S::Protocol>, String> {
    let scopes = S::scopes();
    let found = scopes.iter().find(|known| known.name == scope);
    let found = found.ok_or_else(|| unknown("scope", scope, scopes.iter().map(|known| known.name)))?;
    Ok(run_named::<S>(found, &Limits::default()))
}

impl Report {
    /// Panics with the whole report unless it has passed.
    #[track_caller]
    pub fn expect_passed(&self) {
        assert!(self.passed(), "\n{}", summary(self));
    }

    /// Whether a run broke this promise, as a test of a test may want.
    pub fn broke(&self, promise: &str) -> bool {
        self.lanes.iter().flat_map(|lane| &lane.findings).any(|finding| finding.promise == promise)
    }
}

fn run(job: Box<dyn Job>, seeds: Range<u64>) -> Report {
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let options = Options::new(jobs);
    let lanes = [Lane { job, seeds }];
    let results = batch::run(&lanes, &options, &|_| {});
    Report::of(&lanes, &options, &results, Rules { marks: true }, None, None)
}
