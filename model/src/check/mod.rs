//! Exhaustive checks of bounded worlds. [`explore`] is the judge: a breadth-first search whose verdict is honest and
//! whose counterexamples are shortest. With the feature `stateright`, the same graph is a `stateright::Model`: a second
//! engine that must agree on the counts, and an Explorer for people.
//!
//! This module decides in which order states are looked at and what a run may conclude; what may happen in a state is
//! the [`world`](crate::world)'s business, what must hold the [`Protocol`]'s.

mod bytes;
mod deep;
mod explorer;
mod fingerprint;
mod moves;
mod path;
mod recover;
mod report;
#[cfg(feature = "stateright")]
pub mod stateright;
mod table;

pub use bytes::{NoPath, Walk, encode, fuzz};
pub use explorer::{RECOVERABLE, explore};
pub use fingerprint::fingerprint;
pub use moves::Move;
pub use report::{CheckReport, Counterexample, Path, Recovery, Step, Verdict};

use crate::system::{NamedScope, System};
use std::time::Duration;

#[cfg(doc)]
use crate::world::Protocol;

/// How far an exploration goes. Whatever cuts it makes its verdict [`Verdict::Bounded`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// At most so many different states.
    pub states: u64,
    /// At most so many steps.
    pub depth: u32,
    /// At most so much time.
    pub time: Option<Duration>,
    /// Threads. The result is the same for any number.
    pub threads: usize,
    /// Whether to judge recoverability: that [`Protocol::settled`] stays reachable from every state by what happens
    /// of itself. Takes memory for every edge, and leaves the reduction of no-op deliveries out, which does not
    /// preserve it.
    pub recovery: bool,
}

impl Default for Limits {
    /// Fifty million states, no other limit, one thread, safety alone.
    fn default() -> Limits {
        Limits { states: 50_000_000, depth: u32::MAX, time: None, threads: 1, recovery: false }
    }
}

/// Checks a named scope of a system.
pub fn run_named<S: System>(named: &NamedScope<S::Protocol>, limits: &Limits) -> CheckReport<S::Protocol> {
    let mut report = explore(&named.protocol, &named.scope, limits);
    report.name = format!("{} {}", S::NAME, named.name);
    report.missing = S::marks().iter().copied().filter(|mark| !report.reached.contains_key(mark)).collect();
    // A recovery check explores more, and a violation less, than what is pinned.
    let whole = matches!(report.verdict, Verdict::Exhausted) && !limits.recovery;
    report.pinned = named.pinned.filter(|_| whole);
    report
}
