//! Which trial comes next, and when a bug has been tried often enough. The rule is fixed before anything is measured:
//! a bug is tried by a means that draws its runs until
//!
//! 1. it was tried as often as is allowed, or its trials have used [`MOST_CPU`] times the time of one; or
//! 2. none of at least [`FEWEST`] trials saw it (a median within the time of a trial would be missed so in 1 of 64
//!    measurements); or
//! 3. both ends of the interval of its median number of seeds lie within a factor of [`CLOSE`] of it, and its 95th
//!    percentile has an upper end too or another trial is dear: together they have used [`CHEAP`] seconds.
//!
//! A trial that has begun is always counted, so that long ones are not lost.

use super::{
    CONTROL_MEANS, Cell, Means, Rules, Trial, ask,
    stats::Quantile,
    trial::{CONTROL_SEEDS, SHELL_CONTROL_SEEDS},
};
use crate::gate::{Candidate, DRIVER, HARNESS};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Fewer trials have no interval of the median.
pub const FEWEST: usize = 6;
/// How near the ends of the interval of the median must be.
pub const CLOSE: f64 = 2.0;
/// So many trials' time is spent on one bug by one means.
pub const MOST_CPU: f64 = 10.0;
/// Processor seconds of all trials of a bug that are spent for the 95th percentile alone.
pub const CHEAP: f64 = 5.0;

/// What there is to be measured: each bug by each means that is wanted and that can show it at all.
pub fn cells(candidates: &[Candidate], wanted: &[Means], systems: &[&'static str]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for candidate in candidates {
        let means: &[Means] = match candidate.of {
            DRIVER => &[Means::Shell],
            HARNESS => &[Means::SelfTests],
            _ => &[
                Means::Plans,
                Means::Scenarios,
                Means::Shell,
                Means::Check,
                Means::Sample,
                Means::Pct,
                Means::Guided,
                Means::Mix,
            ],
        };
        // A sample belongs to random plans; self-tests are quick and there is nothing else for the harness.
        let wants = |means: Means| match means {
            Means::Sample => wanted.contains(&Means::Plans),
            means => wanted.contains(&means),
        };
        let means = means.iter().filter(|means| wants(**means));
        cells.extend(means.map(|means| Cell::new(*candidate, *means)));
    }
    for (means, of) in CONTROL_MEANS {
        let systems = systems.iter().filter(|_| wanted.contains(&of));
        cells.extend(systems.map(|system| Cell::new(super::control(system), means)));
    }
    cells
}

impl Rules {
    /// How many trials a cell has at most.
    pub fn most(&self, means: Means) -> u32 {
        match means {
            Means::Plans | Means::Pct | Means::Guided | Means::Mix => self.trials,
            Means::Shell => self.trials.div_ceil(4),
            Means::Control => self.control.div_ceil(CONTROL_SEEDS) as u32,
            Means::ShellControl => self.control.div_ceil(50).div_ceil(SHELL_CONTROL_SEEDS) as u32,
            Means::Scenarios | Means::Check | Means::SelfTests | Means::Sample => 1,
        }
    }

    /// Whether a cell needs no more trials.
    pub fn is_done(&self, cell: &Cell) -> bool {
        let trials = cell.trials.len();
        if trials >= self.most(cell.means) as usize {
            return true;
        }
        if !cell.means.is_random() || trials < FEWEST {
            return false;
        }
        let seen: Vec<f64> =
            cell.trials.iter().filter(|t| t.part.caught).map(|t| t.part.seeds as f64).collect();
        let spent = cell.cpu();
        let close = Quantile::of(0.5, &seen, trials).within(CLOSE);
        let bounded = Quantile::of(0.95, &seen, trials).high.at().is_some();
        seen.is_empty() || spent >= MOST_CPU * self.cpu.as_secs_f64() || close && (bounded || spent >= CHEAP)
    }
}

/// Adds trials that are known already to the cells that they belong to.
pub fn resume(cells: &mut [Cell], known: Vec<Trial>) {
    let mut at = HashMap::new();
    for (nth, cell) in cells.iter().enumerate() {
        at.insert((cell.candidate.of.to_owned(), cell.candidate.about.name.to_owned(), cell.means), nth);
    }
    for trial in known {
        let Some(nth) = at.get(&(trial.of.clone(), trial.mutant.clone(), trial.means)) else { continue };
        let trials = &mut cells[*nth].trials;
        if !trials.iter().any(|other| other.nth == trial.nth) {
            trials.push(trial);
        }
    }
    cells.iter_mut().for_each(|cell| cell.trials.sort_by_key(|trial| trial.nth));
}

/// How far a measurement is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Bugs and means that need no more trials.
    pub done: usize,
    /// All of them.
    pub all: usize,
    /// Trials so far.
    pub trials: usize,
    /// What begins.
    pub mutant: &'a str,
    /// By which means.
    pub means: Means,
}

struct State {
    cells: Vec<Cell>,
    /// Numbers of the trials under way, by cell.
    running: Vec<Vec<u32>>,
    /// Which cells need no more trials.
    done: Vec<bool>,
    failed: Option<String>,
}

impl State {
    /// The next trial: of the cell that has had the least processor time, so that a measurement that is cut short has
    /// something of each and much of what is cheap.
    fn take(&mut self, rules: &Rules) -> Option<(usize, u32)> {
        if self.failed.is_some() {
            return None;
        }
        let open = |cell: &usize| {
            let (known, running) = (&self.cells[*cell], &self.running[*cell]);
            let count = known.trials.len() + running.len();
            count < rules.most(known.means) as usize && !self.done[*cell]
        };
        // What is under way is expected to take as long as what went before it.
        let spent = |cell: usize| {
            let known = &self.cells[cell];
            let each = known.cpu() / known.trials.len().max(1) as f64;
            known.cpu() + each.max(1e-3) * self.running[cell].len() as f64
        };
        let order = |a: &usize, b: &usize| {
            let rank = |cell: usize| (self.cells[cell].means == Means::Shell, cell);
            spent(*a).total_cmp(&spent(*b)).then(rank(*a).cmp(&rank(*b)))
        };
        let cell = (0..self.cells.len()).filter(open).min_by(order)?;
        let taken = |nth: &u32| {
            self.running[cell].contains(nth) || self.cells[cell].trials.iter().any(|trial| trial.nth == *nth)
        };
        let nth = (0..).find(|nth| !taken(nth))?;
        self.running[cell].push(nth);
        Some((cell, nth))
    }
}

/// How a measurement is carried out.
pub struct Run<'a> {
    /// What is started for each trial.
    pub program: &'a Path,
    /// How much is measured.
    pub rules: &'a Rules,
    /// Processes at a time.
    pub jobs: usize,
    /// No trial begins later than so long from now.
    pub time: Duration,
}

/// Measures until every cell is done or the time is used up. `keep` is given each trial as it ends, `show` what begins.
///
/// # Errors
/// A trial cannot be performed, or not be kept.
pub fn measure(
    run: &Run<'_>,
    cells: Vec<Cell>,
    keep: &mut (dyn FnMut(&Trial) -> Result<(), String> + Send),
    show: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Vec<Cell>, String> {
    let end = Instant::now() + run.time;
    let running = cells.iter().map(|_| Vec::new()).collect();
    let done = cells.iter().map(|cell| run.rules.is_done(cell)).collect();
    let state = Mutex::new((State { cells, running, done, failed: None }, keep));
    let work = || {
        loop {
            let mut held = state.lock().unwrap_or_else(PoisonError::into_inner);
            let next = if Instant::now() < end { held.0.take(run.rules) } else { None };
            let Some((at, nth)) = next else {
                // What the other processes find may ask for more trials.
                let wait = !held.0.running.iter().all(Vec::is_empty) && Instant::now() < end;
                drop(held);
                if !wait {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
                continue;
            };
            let cell = Cell::new(held.0.cells[at].candidate, held.0.cells[at].means);
            let (all, trials) = (held.0.cells.len(), held.0.cells.iter().map(|cell| cell.trials.len()).sum());
            let done = held.0.done.iter().filter(|done| **done).count();
            drop(held);
            let name = cell.candidate.about.name;
            show(Progress { done, all, trials, mutant: name, means: cell.means });
            let trial = ask::ask(run.program, &cell, nth, run.rules.cpu);
            let mut held = state.lock().unwrap_or_else(PoisonError::into_inner);
            let (state, keep) = &mut *held;
            state.running[at].retain(|other| *other != nth);
            let kept = trial.and_then(|trial| {
                keep(&trial)?;
                state.cells[at].trials.push(trial);
                state.cells[at].trials.sort_by_key(|trial| trial.nth);
                state.done[at] = run.rules.is_done(&state.cells[at]);
                Ok(())
            });
            if let Err(why) = kept {
                state.failed.get_or_insert(why);
            }
        }
    };
    thread::scope(|scope| {
        (0..run.jobs.max(1)).for_each(|_| drop(scope.spawn(work)));
    });
    let (state, _) = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match state.failed {
        Some(why) => Err(why),
        None => Ok(state.cells),
    }
}
