//! Runs of one seed, from a plan to an outcome: where they happen, what is remembered of them, and how two runs are
//! compared. What is promised is not decided here.

mod compare;
pub mod host;
mod job;
mod outcome;
pub(crate) mod panics;
mod signature;
mod watch;

pub use compare::{Difference, compare};
pub use job::{How, Job, Replay, ScenarioJob, Smaller, SwarmJob, Worker};
pub use outcome::{NEVER_PANICS, Outcome};
pub use signature::Signature;
pub(crate) use watch::Glance;
