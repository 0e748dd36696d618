//! One trial, in this process: a bug is switched on and looked for by one means until it is seen or the processor time is
//! used up. Memory is limited, so that a bug that fills it ends this process and no other.

use super::{Means, Part, board::Board, board::watched};
use crate::{
    catalog::Catalog,
    gate::{Candidate, DRIVER, cpu, whose},
    run::{Job, NEVER_PANICS, ScenarioJob, Worker, panics},
    selftest,
    shell::fragile::{self, FragileSystem},
    support::Kind,
};
use onceward_model::check::Limits;
use std::{io::Write, time::Duration};

/// Bytes of address space that a trial may have.
const MEMORY: u64 = 4 << 30;
/// A run that takes more processor time does not come back. The longest that do are a hundred times shorter.
const RUN: Duration = Duration::from_secs(5);
/// The same for a self-test, which is many runs.
const SELF_TEST: Duration = Duration::from_secs(60);
/// A written scenario leaves little to chance: this many seeds of it are tried.
const SCENARIO_SEEDS: u64 = 20;
/// A sample ends after so much processor time, or so many runs that broke a promise.
const SAMPLE: (Duration, u64) = (Duration::from_secs(2), 200);
/// A control trial is so many runs.
pub const CONTROL_SEEDS: u64 = 5_000;
/// A control trial in the shell is so many runs.
pub const SHELL_CONTROL_SEEDS: u64 = 500;
/// An exhaustive check looks at no more states: a bug may make a scope boundless.
const STATES: u64 = 2_000_000;

/// A trial to be performed.
pub struct Task<'a> {
    /// All systems.
    pub catalog: &'a Catalog,
    /// The bug.
    pub candidate: &'a Candidate,
    /// What it is looked for with.
    pub means: Means,
    /// The run to begin with.
    pub first: u64,
    /// The processor time there is.
    pub cpu: Duration,
    /// The shipped scenarios of its system.
    pub scenarios: Vec<Box<dyn Job>>,
}

/// Performs a trial and tells `out` what comes of it, a line now and then. To be called once in a process.
///
/// # Errors
/// The trial cannot be performed at all.
pub fn perform(task: &Task<'_>, out: &mut (dyn Write + Send)) -> Result<(), String> {
    limit_memory()?;
    (task.candidate.activate)();
    let most = match task.means {
        Means::SelfTests => SELF_TEST,
        // It looks at the time itself, but for the way to what it found.
        Means::Check => task.cpu.saturating_add(SELF_TEST),
        _ => RUN,
    };
    watched(task.first, most, out, |board| match task.means {
        Means::SelfTests => {
            task.self_tests(board);
            Ok(())
        }
        Means::Check => task.check(board),
        Means::Scenarios => {
            task.written(board);
            Ok(())
        }
        Means::Plans | Means::Sample | Means::Control => task.drawn(board, Kind::Loop),
        Means::Pct | Means::Guided | Means::Mix => task.drawn(board, Kind::Loop),
        Means::Shell | Means::ShellControl => task.drawn(board, Kind::Shell),
    })
}

#[cfg(unix)]
fn limit_memory() -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::As).maximum;
    let current = Some(maximum.map_or(MEMORY, |maximum| maximum.min(MEMORY)));
    setrlimit(Resource::As, Rlimit { current, maximum })
        .map_err(|error| format!("the memory of a trial cannot be limited: {error}"))
}

#[cfg(not(unix))]
fn limit_memory() -> Result<(), String> {
    Ok(())
}

impl Task<'_> {
    /// Plans of the system; of the driver, a machine that panics and plans of every system.
    fn drawn(&self, board: &Board, kind: Kind) -> Result<(), String> {
        let mut jobs: Vec<Box<dyn Job>> = Vec::new();
        if self.candidate.of == DRIVER {
            let fragile = ScenarioJob::<FragileSystem>::read("a machine that panics", fragile::TEXT);
            jobs.push(Box::new(fragile.map_err(|error| error.to_string())?));
            jobs.extend(self.catalog.all().map(|subject| subject.swarm()));
        } else {
            let strategy = self.means.strategy().unwrap_or_default();
            jobs.push(self.catalog.find(self.candidate.of)?.exploring(strategy));
        }
        let mut workers = Vec::new();
        for job in &jobs {
            workers.push((&**job, job.worker_in(kind)?));
        }
        // Whoever goes on behind a run that did not come back must not come to it again.
        let together = jobs.iter().map(|job| job.together()).max().unwrap_or(1);
        for seed in self.first.next_multiple_of(together).. {
            for (job, worker) in &mut workers {
                let shown = self.run(board, &mut **worker, *job, seed, seed);
                if shown && self.means.is_random() {
                    return Ok(());
                }
            }
            if board.change(|said| self.is_over(&said.part)) {
                break;
            }
        }
        Ok(())
    }

    fn is_over(&self, part: &Part) -> bool {
        match self.means {
            Means::Control => part.seeds >= CONTROL_SEEDS,
            Means::ShellControl => part.seeds >= SHELL_CONTROL_SEEDS,
            Means::Sample => cpu() >= SAMPLE.0.min(self.cpu) || part.broken.values().sum::<u64>() >= SAMPLE.1,
            _ => cpu() >= self.cpu,
        }
    }

    /// Every scenario, those that have shown the bug aside: which ones do is the result.
    fn written(&self, board: &Board) {
        let mut number = 0;
        for job in &self.scenarios {
            let mut worker = job.worker();
            let seeds = if job.is_certain() { 1 } else { SCENARIO_SEEDS };
            let mut shown = false;
            for seed in job.seed()..job.seed().saturating_add(seeds) {
                number += 1;
                if number > self.first && !shown && cpu() < self.cpu {
                    shown = self.run(board, &mut *worker, &**job, seed, number);
                }
            }
        }
    }

    /// Performs a run; whether it showed the bug by the promise that it is meant to break.
    fn run(&self, board: &Board, worker: &mut dyn Worker, job: &dyn Job, seed: u64, at: u64) -> bool {
        board.begin(at);
        reached();
        let violation = worker.run(seed).violation;
        let reached = reached();
        board.change(|said| {
            said.part.seeds += 1;
            said.part.reached += u64::from(reached);
            let Some(violation) = violation else { return false };
            said.part.broke(violation.promise);
            let shown = violation.promise == self.candidate.about.kills;
            self.shown(&mut said.part, shown || self.means.is_control(), || {
                let whose = whose(job, seed);
                if shown { whose } else { format!("{whose}: {}: {}", violation.promise, violation.what) }
            });
            shown
        })
    }

    /// What showed a bug first stays.
    fn shown(&self, part: &mut Part, shown: bool, by: impl FnOnce() -> String) {
        part.caught |= shown;
        if shown && part.by.is_none() {
            part.by = Some(by());
        }
    }

    fn check(&self, board: &Board) -> Result<(), String> {
        let subject = self.catalog.find(self.candidate.of)?;
        for (at, scope) in (1..).zip(subject.scopes()) {
            let left = self.cpu.saturating_sub(cpu());
            if at <= self.first || left.is_zero() {
                continue;
            }
            board.begin(at);
            reached();
            let limits = Limits { states: STATES, time: Some(left), ..Limits::default() };
            let checked = panics::catch(|| subject.check(scope.name, &limits));
            let reached = reached();
            board.change(|said| {
                said.part.reached += u64::from(reached);
                let broken = match checked {
                    Ok(checked) => {
                        let Some(checked) = checked else { return };
                        said.part.seeds += checked.states;
                        checked.broken
                    }
                    Err(_) => Some((NEVER_PANICS, 0)),
                };
                let Some((promise, steps)) = broken else { return };
                said.part.broke(promise);
                let shown = promise == self.candidate.about.kills;
                self.shown(&mut said.part, shown, || format!("{}, {steps} steps", scope.name));
            });
            if board.change(|said| said.part.caught) {
                break;
            }
        }
        Ok(())
    }

    fn self_tests(&self, board: &Board) {
        for (at, test) in (1..).zip(selftest::all()) {
            if at <= self.first {
                continue;
            }
            board.begin(at);
            let seen = (test.check)();
            board.change(|said| {
                said.part.seeds += 1;
                let Err(seen) = seen else { return };
                said.part.broke(test.name);
                let shown = test.name == self.candidate.about.kills;
                self.shown(&mut said.part, shown, || seen.lines().next().unwrap_or("").to_owned());
            });
        }
    }
}

/// Whether the bug's place has been reached since this was asked last.
fn reached() -> bool {
    #[cfg(feature = "mutants")]
    return onceward_core::mutants::take_reached();
    #[cfg(not(feature = "mutants"))]
    false
}
