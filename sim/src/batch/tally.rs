//! What the runs of one lane have come to: sums, marks, and one finding for each way in which they failed. Adding up
//! is the same in any order, so that the number of threads changes no result.

use crate::{
    engine::Marks,
    run::{Difference, Job, Outcome, Signature},
};
use onceward_model::world::Violation;
use std::collections::BTreeMap;

/// More ways to fail than this are counted and not kept.
const MOST_FINDINGS: usize = 32;
/// More seeds that differ than this are counted and not kept.
const MOST_DIFFERENCES: usize = 8;

/// One way in which runs failed.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The lowest seed that did.
    pub seed: u64,
    /// How, in that run.
    pub violation: Violation,
    /// How many runs did.
    pub times: u64,
}

/// What the runs of one lane have come to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    system: &'static str,
    must_break: Option<String>,
    /// Runs.
    pub runs: u64,
    /// Their events.
    pub events: u64,
    /// Their simulated time in nanoseconds.
    pub simulated: u128,
    /// Marks that they reached.
    pub marks: Marks,
    /// Runs that broke a promise, except the one that they must break.
    pub failures: u64,
    /// Runs that broke the promise that they must break.
    pub broken_as_expected: u64,
    /// How they failed.
    pub findings: BTreeMap<Signature, Finding>,
    /// Runs that were not the same the second time.
    pub differing: u64,
    /// The first few of them.
    pub differences: Vec<Difference>,
}

impl Tally {
    /// No run yet.
    pub(super) fn new(job: &dyn Job) -> Tally {
        Tally { system: job.system(), must_break: job.must_break().map(str::to_owned), ..Tally::default() }
    }

    /// Adds a run.
    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.runs += 1;
        self.events += outcome.events;
        self.simulated += u128::from(outcome.simulated.0);
        self.marks.merge(&outcome.marks);
        let Some(violation) = outcome.violation else { return };
        if self.must_break.as_deref() == Some(violation.promise) {
            self.broken_as_expected += 1;
            return;
        }
        self.failures += 1;
        let finding = Finding { seed: outcome.seed, violation, times: 1 };
        self.find(Signature::of(self.system, &finding.violation), finding);
    }

    /// Adds a run that was not the same the second time.
    pub(super) fn differs(&mut self, difference: Difference) {
        self.differing += 1;
        self.differences.push(difference);
        self.differences.sort_by_key(|difference| difference.seed);
        self.differences.truncate(MOST_DIFFERENCES);
    }

    /// Adds other runs of the same lane.
    pub(super) fn merge(&mut self, other: Tally) {
        self.runs += other.runs;
        self.events += other.events;
        self.simulated += other.simulated;
        self.marks.merge(&other.marks);
        self.failures += other.failures;
        self.broken_as_expected += other.broken_as_expected;
        other.findings.into_iter().for_each(|(signature, finding)| self.find(signature, finding));
        let differing = self.differing + other.differing;
        other.differences.into_iter().for_each(|difference| self.differs(difference));
        self.differing = differing;
    }

    fn find(&mut self, signature: Signature, found: Finding) {
        if let Some(known) = self.findings.get_mut(&signature) {
            let times = known.times + found.times;
            if found.seed < known.seed {
                *known = found;
            }
            known.times = times;
            return;
        }
        self.findings.insert(signature, found);
        if self.findings.len() > MOST_FINDINGS {
            self.findings.pop_last();
        }
    }
}
