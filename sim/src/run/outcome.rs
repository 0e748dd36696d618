//! What is left of a run: a verdict, and figures. Small enough to be kept for each failure of a large batch.

use crate::engine::Marks;
use onceward_core::Dur;
use onceward_model::{trace::Chain, world::Violation};
use std::fmt;

/// The promise that every engine checks for every machine: no input makes it panic.
pub const NEVER_PANICS: &str = "never-panics";

/// What is left of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What its chances were drawn from.
    pub seed: u64,
    /// The promise that was broken, if any.
    pub violation: Option<Violation>,
    /// Choices performed.
    pub events: u64,
    /// Simulated time.
    pub simulated: Dur,
    /// The last link of the step-hash chain: equal chains, equal behaviour.
    pub chain: Chain,
    /// The interesting places that were reached.
    pub marks: Marks,
}

/// Which failures are taken for the same: those of one promise broken in the same words.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Signature {
    /// The broken promise.
    pub promise: &'static str,
    /// In what way, numbers left out.
    pub what: String,
}

impl Signature {
    /// The signature of a violation.
    pub fn of(violation: &Violation) -> Signature {
        let mut what = String::with_capacity(violation.what.len());
        for c in violation.what.chars() {
            match c {
                '0'..='9' if what.ends_with('N') => {}
                '0'..='9' => what.push('N'),
                c => what.push(c),
            }
        }
        Signature { promise: violation.promise, what }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}
