//! What happened in a run, in the form that all engines share: a header (scenario, seed, build) and the sequence of
//! choices with the inputs that machines got and the actions they answered with. As machines are pure, the choices
//! determine everything; the *step-hash chain* says so in 128 bits after each step, and the first unequal link of two
//! chains names the step where two runs part.
//!
//! [`StepHash`] is the chain alone, cheap enough for every simulation. [`Recorder`] keeps a whole [`Trace`], which
//! [`write()`] makes a text file of, [`read()`] reads back, [`compare()`] holds against another one, and [`replay()`]
//! performs again in a fresh world. This module decides nothing about a run.
//!
//! Invariants: equal chains mean equal behaviour, on every computer and in every build; a trace that was read is, as its
//! check sums say, as it was written.

mod chain;
mod compare;
mod describe;
mod encode;
mod file;
mod record;
mod replay;

#[cfg(test)]
mod tests;

pub use chain::{Chain, StepHash};
pub use compare::{Divergence, Parting, compare};
pub use describe::{describe_action, describe_input};
pub use encode::Collector;
pub use file::{TraceError, read, write};
pub use record::{Beside, Recorder};
pub use replay::{Replay, ReplayError, replay};

use crate::world::Time;
use onceward_core::{CallId, Clock};

/// What a run was.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TraceHeader {
    /// The build that ran, on one line: its chain need not be that of another build.
    pub build: String,
    /// The seed of the run, which may differ from the scenario's own.
    pub seed: u64,
    /// How many delivered datagrams the network kept for replays.
    pub memory: usize,
    /// The scenario as text, as [`print`](crate::scenario::print()) writes it: system, cluster, configuration, plan.
    pub scenario: String,
}

/// A whole run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trace {
    /// What it was.
    pub header: TraceHeader,
    /// What happened, in order.
    pub steps: Vec<Step>,
}

/// One choice and what followed from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// When, in true time.
    pub at: Time,
    /// What, as a line of scenario text after the time.
    pub line: String,
    /// The call's number, where it is a call: text does not have it.
    pub call: Option<CallId>,
    /// What machines did about it: one of them, or none.
    pub taken: Vec<Taken>,
    /// The chain after it.
    pub link: Chain,
}

/// A step of a machine, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// The node's name.
    pub node: String,
    /// Its clocks.
    pub clock: Clock,
    /// What it was given.
    pub input: String,
    /// What it answered, in order.
    pub actions: Vec<String>,
}

impl Trace {
    /// The chain at the end.
    pub fn chain(&self) -> Chain {
        self.steps.last().map_or(Chain::START, |step| step.link)
    }
}
