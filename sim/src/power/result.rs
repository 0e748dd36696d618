//! What the trials come to: for each bug and each means how often it was seen and how soon, which promises it broke, and
//! in how many runs its place was reached; and the verdict over all of them.

use super::{
    CONTROL_MEANS, Cell, Means, NO_MUTANT, Stuck, Trial,
    stats::{Point, Quantile},
};
use crate::gate::{DRIVER, HARNESS};
use serde::Serialize;
use std::collections::BTreeMap;

/// At least so large a share of the bugs of systems must fall to random plans.
pub const WANTED: f64 = 0.95;

/// A whole measurement.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Power {
    /// A hash of the program and the shipped scenarios.
    pub build: String,
    /// Processor seconds of each trial.
    pub budget: f64,
    /// Processor seconds of all trials.
    pub cpu: f64,
    /// Whether every bug was tried as often as the rule wants.
    pub complete: bool,
    /// One for each bug.
    pub mutants: Vec<Row>,
    /// Runs without any bug.
    pub controls: Vec<Control>,
    /// What is left out, and why.
    pub not_measured: Vec<String>,
    /// Why the measurement has failed; empty if it has not.
    pub reasons: Vec<String>,
}

/// What is known of one bug.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Row {
    /// A system's name, the driver, or the harness.
    pub of: String,
    /// Its name.
    pub mutant: String,
    /// The promise that it must be seen to break.
    pub intended: String,
    /// By means.
    pub by: BTreeMap<Means, Seen>,
    /// Runs that broke a promise, by promise, over all random trials.
    pub broken: BTreeMap<String, u64>,
    /// Those of them that broke another promise than the intended one.
    pub wrong: u64,
    /// Runs of the sample that came to the bug's place, and all of them.
    pub reached: Option<(u64, u64)>,
}

/// What one means saw of a bug.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Seen {
    /// Trials.
    pub trials: usize,
    /// Those that saw the intended promise broken.
    pub caught: usize,
    /// What showed it in the first of them.
    pub first: Option<String>,
    /// Runs (of an exhaustive check, states) until then.
    pub seeds: Spread,
    /// Processor seconds until then.
    pub cpu: Spread,
    /// Runs, or states, of all trials.
    pub all_seeds: u64,
    /// Processor seconds of all trials.
    pub all_cpu: f64,
    /// Scenarios, scopes or self-tests that broke the intended promise.
    pub shown: u64,
    /// Runs that did not come back.
    pub stuck: Vec<Stuck>,
}

/// Where the middle is, and where nearly all.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Spread {
    /// The median.
    pub median: Quantile,
    /// The 95th percentile.
    pub p95: Quantile,
}

/// Runs of one system without any bug.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Control {
    /// The system.
    pub system: String,
    /// The means.
    pub means: Means,
    /// Runs.
    pub seeds: u64,
    /// Runs that broke a promise all the same, by promise.
    pub alarms: BTreeMap<String, u64>,
    /// The first of each trial that had one, and runs that did not come back.
    pub examples: Vec<String>,
}

impl Spread {
    fn of(trials: &[Trial], value: impl Fn(&Trial) -> f64) -> Spread {
        let seen: Vec<f64> = trials.iter().filter(|trial| trial.part.caught).map(value).collect();
        let quantile = |q| Quantile::of(q, &seen, trials.len());
        Spread { median: quantile(0.5), p95: quantile(0.95) }
    }
}

impl Seen {
    fn of(cell: &Cell) -> Seen {
        let trials = &cell.trials;
        let parts = || trials.iter().map(|trial| &trial.part);
        Seen {
            trials: trials.len(),
            caught: parts().filter(|part| part.caught).count(),
            first: parts().find_map(|part| part.by.clone()),
            seeds: Spread::of(trials, |trial| trial.part.seeds as f64),
            cpu: Spread::of(trials, |trial| trial.part.cpu),
            all_seeds: parts().map(|part| part.seeds).sum(),
            all_cpu: cell.cpu(),
            shown: parts().filter_map(|part| part.broken.get(cell.candidate.about.kills)).sum(),
            stuck: parts().flat_map(|part| part.stuck.clone()).collect(),
        }
    }

    /// Whether at least half of the trials saw it.
    pub fn falls(&self) -> bool {
        matches!(self.seeds.median.value, Point::At(_))
    }
}

impl Row {
    /// Whether any trial by any means saw it.
    pub fn is_visible(&self) -> bool {
        self.by.values().any(|seen| seen.caught > 0)
    }

    /// What it must fall to: random plans, where it is a system's.
    pub fn main(&self) -> Means {
        match &*self.of {
            DRIVER => Means::Shell,
            HARNESS => Means::SelfTests,
            _ => Means::Plans,
        }
    }

    /// Whether it is a bug of a system.
    pub fn is_of_system(&self) -> bool {
        self.main() == Means::Plans
    }
}

impl Power {
    /// Sums the trials of all cells up.
    pub fn of(build: &str, budget: f64, cells: &[Cell], complete: bool, not_measured: Vec<String>) -> Power {
        let mut mutants: Vec<Row> = Vec::new();
        for cell in cells.iter().filter(|cell| !cell.means.is_control() && !cell.trials.is_empty()) {
            let (of, about) = (cell.candidate.of, cell.candidate.about);
            let known = mutants.iter().position(|row| row.of == of && row.mutant == about.name);
            let at = known.unwrap_or_else(|| {
                mutants.push(Row::new(of, about.name, about.kills));
                mutants.len() - 1
            });
            mutants[at].add(cell);
        }
        let controls = controls(cells);
        let cpu = cells.iter().map(Cell::cpu).sum();
        let build = build.to_owned();
        let reasons = Vec::new();
        let mut power = Power { build, budget, cpu, complete, mutants, controls, not_measured, reasons };
        power.reasons = power.shortcomings();
        power
    }

    /// Bugs of systems that were hunted by random plans, and those of them that fell.
    pub fn by_plans(&self) -> (usize, usize) {
        self.fallen(|row| row.is_of_system())
    }

    /// Bugs of a kind that were hunted by what they must fall to, and those of them that fell.
    pub fn fallen(&self, of: impl Fn(&Row) -> bool) -> (usize, usize) {
        let seen = || self.mutants.iter().filter(|row| of(row)).filter_map(|row| row.by.get(&row.main()));
        (seen().count(), seen().filter(|seen| seen.falls()).count())
    }

    fn shortcomings(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        let (all, fallen) = self.by_plans();
        if (fallen as f64) < WANTED * all as f64 {
            let least = WANTED * 100.0;
            reasons.push(format!(
                "{fallen} of {all} mutants fall to random plans within {} CPU-s each: at least {least} % are wanted",
                self.budget
            ));
        }
        let elsewhere = self.mutants.iter().filter(|row| !row.is_of_system());
        for row in elsewhere.filter(|row| row.by.get(&row.main()).is_some_and(|seen| !seen.falls())) {
            reasons.push(format!("{} of the {} is not noticed", row.mutant, row.of));
        }
        for row in self.mutants.iter().filter(|row| row.is_of_system() && !row.is_visible()) {
            reasons.push(format!("{} of {} is seen by nothing", row.mutant, row.of));
        }
        for control in self.controls.iter().filter(|control| !control.examples.is_empty()) {
            let times: u64 = control.alarms.values().sum();
            let first = &control.examples[0];
            reasons.push(format!(
                "{times} false alarms of {} ({}): {first}",
                control.system,
                control.means.name()
            ));
        }
        reasons
    }
}

impl Row {
    fn new(of: &str, mutant: &str, intended: &str) -> Row {
        Row {
            of: of.into(),
            mutant: mutant.into(),
            intended: intended.into(),
            by: BTreeMap::new(),
            broken: BTreeMap::new(),
            wrong: 0,
            reached: None,
        }
    }

    fn add(&mut self, cell: &Cell) {
        for part in cell.trials.iter().map(|trial| &trial.part) {
            if cell.means.is_random() || cell.means == Means::Sample {
                for (promise, times) in &part.broken {
                    *self.broken.entry(promise.clone()).or_default() += times;
                    self.wrong += if *promise == self.intended { 0 } else { *times };
                }
            }
            if cell.means == Means::Sample {
                let (reached, of) = self.reached.unwrap_or_default();
                self.reached = Some((reached + part.reached, of + part.seeds));
            }
        }
        if cell.means != Means::Sample {
            self.by.insert(cell.means, Seen::of(cell));
        }
    }
}

fn controls(cells: &[Cell]) -> Vec<Control> {
    let mut controls: Vec<Control> = Vec::new();
    for (means, _) in CONTROL_MEANS {
        let without = |cell: &&Cell| cell.means == means && cell.candidate.about.name == NO_MUTANT;
        for cell in cells.iter().filter(without).filter(|cell| !cell.trials.is_empty()) {
            let mut control = Control {
                system: cell.candidate.of.into(),
                means,
                seeds: 0,
                alarms: BTreeMap::new(),
                examples: Vec::new(),
            };
            for part in cell.trials.iter().map(|trial| &trial.part) {
                control.seeds += part.seeds;
                for (promise, times) in &part.broken {
                    *control.alarms.entry(promise.clone()).or_default() += times;
                }
                control.examples.extend(part.by.clone());
                control
                    .examples
                    .extend(part.stuck.iter().map(|stuck| format!("seed {} {}", stuck.at, stuck.how)));
            }
            controls.push(control);
        }
    }
    controls
}
