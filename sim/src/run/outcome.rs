//! What is left of a run: a verdict, and figures. Small enough to be kept for each failure of a large batch.

use crate::engine::Marks;
use onceward_core::Dur;
use onceward_model::{trace::Chain, world::Violation};

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
