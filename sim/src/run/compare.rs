//! Two runs of one seed must be the same run, step for step. This module names the first step at which they are not.

use super::{Job, Outcome, host};
use onceward_model::world::Seen;
use std::fmt;

/// How two runs of one seed differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The seed.
    pub seed: u64,
    /// The first step that differs; none if the steps agree and the verdicts or figures do not.
    pub step: Option<Seen>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(seen) => {
                write!(f, "seed {} takes another course at step {} ({} ns)", self.seed, seen.step, seen.at.0)
            }
            None => write!(f, "seed {} takes the same steps, and ends differently", self.seed),
        }
    }
}

/// Whether a fresh thread gives what was seen before; what differs if not.
pub fn compare(job: &dyn Job, before: &Outcome) -> Option<Difference> {
    let seed = before.seed;
    let again = host::fresh(|| job.worker().run(seed));
    if same(before, &again) {
        return None;
    }
    // Once more with every link kept, on this thread and on a fresh one. What made the difference the first time may
    // not make it now; that it was there is a finding all the same.
    let (_, here) = job.worker().links(seed);
    let (_, there) = host::fresh(|| job.worker().links(seed));
    let differs = here.iter().zip(&there).find(|(a, b)| a != b).map(|(a, _)| a.0);
    let longer = || here.get(there.len()).or(there.get(here.len())).map(|(seen, _)| *seen);
    Some(Difference { seed, step: differs.or_else(longer) })
}

fn same(a: &Outcome, b: &Outcome) -> bool {
    a.chain == b.chain && a.violation == b.violation && a.events == b.events && a.simulated == b.simulated
}
