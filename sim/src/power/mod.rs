//! What the harness is worth, as numbers: how many seeds, and how much processor time, it takes to see each known bug.
//! Each bug is hunted by each means in many independent trials, every trial a process of its own that begins at seeds no
//! other uses, until the median is known well enough. A trial that sees nothing is kept as one that saw nothing; a bug
//! that lets a machine never come back ends no measurement: its process is given up and the seed is named.
//!
//! [`trial`] hunts in this process, [`ask`] starts the processes, [`measure`] decides which trial comes next, [`store`]
//! keeps those that are over, and [`result`] says what they come to. None of them judges a run.

pub mod ask;
mod baseline;
mod board;
pub mod measure;
mod page;
pub mod result;
pub mod stats;
pub mod store;
mod strategies;
mod table;
#[cfg(test)]
mod tests;
pub mod trial;

pub use baseline::{Baseline, compare};
pub use page::page;
pub use result::Power;
pub use table::table;

use crate::{explore::Strategy, gate::Candidate};
use onceward_core::mutants::About;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// What a bug is looked for with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// Random plans in the loop engine: the default swarm.
    Plans,
    /// The shipped scenarios in the loop engine, once or, where they leave something to chance, under a few seeds.
    Scenarios,
    /// Random plans in the shell.
    Shell,
    /// Every state of the bounded scopes.
    Check,
    /// The harness's own self-tests.
    SelfTests,
    /// Random plans in the loop engine that go on after the bug was seen: which promises it breaks, and in how many runs
    /// its place is reached at all.
    Sample,
    /// Random plans in the loop engine without any bug.
    Control,
    /// Random plans in the shell without any bug.
    ShellControl,
    /// Random plans in the loop engine, with priorities.
    Pct,
    /// Plans in the loop engine, guided by coverage.
    Guided,
    /// The same, half of the drawn ones with priorities.
    Mix,
}

impl Means {
    /// Each of them.
    pub const ALL: [Means; 11] = [
        Means::Plans,
        Means::Scenarios,
        Means::Shell,
        Means::Check,
        Means::SelfTests,
        Means::Sample,
        Means::Control,
        Means::ShellControl,
        Means::Pct,
        Means::Guided,
        Means::Mix,
    ];

    /// Those that a person may choose; samples and controls go with them.
    pub const CHOICE: [Means; 8] = [
        Means::Plans,
        Means::Scenarios,
        Means::Shell,
        Means::Check,
        Means::SelfTests,
        Means::Pct,
        Means::Guided,
        Means::Mix,
    ];

    /// Those that are chosen if nobody chooses: the other strategies are there to be compared with that of the plans.
    pub const USUAL: [Means; 5] =
        [Means::Plans, Means::Scenarios, Means::Shell, Means::Check, Means::SelfTests];

    /// Its name on command lines and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Means::Plans => "plans",
            Means::Scenarios => "scenarios",
            Means::Shell => "shell",
            Means::Check => "check",
            Means::SelfTests => "self-tests",
            Means::Sample => "sample",
            Means::Control => "control",
            Means::ShellControl => "shell-control",
            Means::Pct => "pct",
            Means::Guided => "guided",
            Means::Mix => "mix",
        }
    }

    /// Whether another trial may end differently: its seeds are others.
    pub fn is_random(self) -> bool {
        self == Means::Shell || self.strategy().is_some()
    }

    /// The strategy that it explores by, if it hunts in the loop engine and another trial may end differently.
    pub const fn strategy(self) -> Option<Strategy> {
        match self {
            Means::Plans => Some(Strategy::Plain),
            Means::Pct => Some(Strategy::Pct),
            Means::Guided => Some(Strategy::Guided),
            Means::Mix => Some(Strategy::Mix),
            _ => None,
        }
    }

    /// Whether it runs without any bug.
    pub const fn is_control(self) -> bool {
        matches!(self, Means::Control | Means::ShellControl)
    }

    /// Where a trial begins. Each has 2^32 seeds that no other trial, by whatever means, ever comes to.
    pub const fn first(self, nth: u32) -> u64 {
        match self {
            Means::Scenarios | Means::Check | Means::SelfTests => 0,
            random => (((random as u64 + 1) << 16) | (nth as u64 & 0xffff)) << 32,
        }
    }
}

/// What has come of a trial, or of the part of it that is over.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Part {
    /// Whether the promise was seen broken that the bug must be seen to break.
    pub caught: bool,
    /// What showed it.
    pub by: Option<String>,
    /// Runs; of an exhaustive check, states.
    pub seeds: u64,
    /// Processor seconds, those of starting the process included.
    pub cpu: f64,
    /// Runs that came to the bug's place.
    pub reached: u64,
    /// Runs that broke a promise, by promise, the intended one included.
    pub broken: BTreeMap<String, u64>,
    /// Runs that did not come back, and why.
    pub stuck: Vec<Stuck>,
}

/// A run that did not come back.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Stuck {
    /// Its seed, or its number where there are no seeds.
    pub at: u64,
    /// What it did instead.
    pub how: String,
}

impl Part {
    /// Adds what came of going on with the same trial behind a run that did not come back.
    pub fn join(&mut self, later: Part) {
        self.caught |= later.caught;
        self.by = self.by.take().or(later.by);
        self.seeds += later.seeds;
        self.cpu += later.cpu;
        self.reached += later.reached;
        later
            .broken
            .into_iter()
            .for_each(|(promise, times)| *self.broken.entry(promise).or_default() += times);
        self.stuck.extend(later.stuck);
    }

    /// Counts a run that broke a promise.
    fn broke(&mut self, promise: &str) {
        match self.broken.get_mut(promise) {
            Some(times) => *times += 1,
            None => drop(self.broken.insert(promise.to_owned(), 1)),
        }
    }
}

/// A trial that is over.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// A system's name, the driver, or the harness.
    pub of: String,
    /// The bug; [`NO_MUTANT`] in a control.
    pub mutant: String,
    /// What it was looked for with.
    pub means: Means,
    /// Which trial of its kind, from 0.
    pub nth: u32,
    /// What came of it.
    #[serde(flatten)]
    pub part: Part,
}

/// What stands for the bug where there is none.
pub const NO_MUTANT: &str = "none";

/// The means without a bug, each with the one whose false alarms it looks for.
pub(crate) const CONTROL_MEANS: [(Means, Means); 2] =
    [(Means::Control, Means::Plans), (Means::ShellControl, Means::Shell)];

/// No bug, of a system.
pub fn control(of: &'static str) -> Candidate {
    Candidate { of, about: About { name: NO_MUTANT, what: "", kills: "" }, activate: || () }
}

/// All trials of one bug by one means.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The bug.
    pub candidate: Candidate,
    /// The means.
    pub means: Means,
    /// Trials that are over.
    pub trials: Vec<Trial>,
}

impl Cell {
    /// Without a trial yet.
    pub fn new(candidate: Candidate, means: Means) -> Cell {
        Cell { candidate, means, trials: Vec::new() }
    }

    /// Processor seconds of all its trials.
    pub fn cpu(&self) -> f64 {
        self.trials.iter().map(|trial| trial.part.cpu).sum()
    }
}

/// How much is measured.
#[derive(Clone, PartialEq, Debug)]
pub struct Rules {
    /// Processor time of each trial.
    pub cpu: Duration,
    /// At most so many trials of one bug by random plans; of the shell a quarter.
    pub trials: u32,
    /// Runs of each system without any bug, at least.
    pub control: u64,
}
