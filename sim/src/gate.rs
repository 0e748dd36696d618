//! The gate that measures the harness: every known bug is switched on, one in each process, and must be caught by the
//! promise that it is said to break. A bug of a system is hunted with the system's shipped scenarios and with random
//! plans; a bug of the driver with random plans in the [shell](crate::shell); a bug of the harness itself with its
//! [self-tests](crate::selftest). This module hunts in this process; who starts the processes is the command.

use crate::{
    catalog::Catalog,
    minimise::{self, Shrunk},
    run::{Job, ScenarioJob, Worker},
    selftest,
    shell::fragile::{self, FragileSystem},
    support::Kind,
};
use onceward_core::mutants::About;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// A known bug and what it is a bug of.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// A system's name, [`DRIVER`], or [`HARNESS`].
    pub of: &'static str,
    /// What is known of it.
    pub about: About,
    /// Switches it on for the whole process.
    pub activate: fn(),
}

/// What bugs of the driver are listed under.
pub const DRIVER: &str = "driver";
/// What bugs of the harness itself are listed under.
pub const HARNESS: &str = "harness";

/// What became of a hunt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Hunt {
    /// A system's name, [`DRIVER`], or [`HARNESS`].
    pub of: String,
    /// The bug's name.
    pub mutant: String,
    /// The promise that it must be seen to break.
    pub intended: String,
    /// Whether that was seen.
    pub caught: bool,
    /// What showed it: a scenario and a seed, or a self-test.
    pub by: Option<String>,
    /// Runs until then.
    pub seeds: u64,
    /// Processor seconds until then.
    pub cpu: f64,
    /// Other promises that were seen broken, and how often.
    pub others: BTreeMap<String, u64>,
    /// What became of its failures when they were made smaller, if that was asked for.
    pub shrunk: Vec<Shrinking>,
}

/// What became of a failure of a known bug.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Shrinking {
    /// The failing run: a scenario and a seed.
    pub of: String,
    /// The scenario that is left, or why there is none.
    pub end: Result<Shrunk, String>,
}

/// Every known bug.
pub fn candidates(catalog: &Catalog) -> Vec<Candidate> {
    let of_systems = catalog.all().flat_map(|subject| {
        let mutants = subject.mutants().into_iter();
        mutants.map(|mutant| Candidate { of: subject.name(), about: mutant.about, activate: mutant.activate })
    });
    let model = onceward_model::mutants::Mutant::ALL.iter().map(|m| (m.about(), m.switch_on()));
    let own = crate::mutants::Mutant::ALL.iter().map(|m| (m.about(), m.switch_on()));
    let of_harness = model.chain(own).map(|(about, activate)| Candidate { of: HARNESS, about, activate });
    let driver = onceward::mutants::Mutant::ALL.iter();
    let of_driver = driver.map(|m| Candidate { of: DRIVER, about: m.about(), activate: m.switch_on() });
    of_systems.chain(of_driver).chain(of_harness).collect()
}

/// Switches a bug on and hunts it until it is caught or the time is used up. To be called once in a process. `shrink`:
/// makes the failure of a system's bug smaller, for so much processor time. `scenarios`: those to begin with.
///
/// # Errors
/// The system is not in the catalog.
pub fn hunt(
    catalog: &Catalog,
    candidate: &Candidate,
    scenarios: Vec<Box<dyn Job>>,
    budget: Duration,
    shrink: Option<Duration>,
) -> Result<Hunt, String> {
    (candidate.activate)();
    let mut hunt = Hunt::of(candidate);
    if candidate.of == HARNESS {
        hunt.self_tests(candidate.about.kills);
    } else if candidate.of == DRIVER {
        hunt.driver(catalog, budget)?;
    } else {
        let jobs =
            scenarios.into_iter().filter(|job| job.system() == candidate.of && job.must_break().is_none());
        let swarm = catalog.find(candidate.of)?.swarm();
        hunt.runs(&jobs.collect::<Vec<_>>(), &*swarm, budget, shrink);
    }
    // Shrinking is no part of the hunt.
    if hunt.shrunk.is_empty() {
        hunt.cpu = cpu().as_secs_f64();
    }
    Ok(hunt)
}

/// A written scenario leaves little to chance: this many seeds of it are tried.
const SCENARIO_SEEDS: u64 = 20;
/// The time is looked at after so many runs.
const LOOK_EVERY: u64 = 16;

/// How failures of random plans are called.
pub const RANDOM_PLAN: &str = "random plan";

impl Hunt {
    /// A hunt that has not begun.
    pub fn of(candidate: &Candidate) -> Hunt {
        Hunt {
            of: candidate.of.into(),
            mutant: candidate.about.name.into(),
            intended: candidate.about.kills.into(),
            caught: false,
            by: None,
            seeds: 0,
            cpu: 0.0,
            others: BTreeMap::new(),
            shrunk: Vec::new(),
        }
    }

    fn self_tests(&mut self, intended: &str) {
        for test in selftest::all() {
            let Err(seen) = (test.check)() else { continue };
            if test.name == intended {
                (self.caught, self.by) = (true, Some(seen.lines().next().unwrap_or("").to_owned()));
            } else {
                *self.others.entry(test.name.to_owned()).or_default() += 1;
            }
        }
    }

    /// Hunts a bug of the driver with a machine that panics, and with random plans for every system, in the shell.
    fn driver(&mut self, catalog: &Catalog, budget: Duration) -> Result<(), String> {
        let fragile = ScenarioJob::<FragileSystem>::read("a machine that panics", fragile::TEXT)
            .map_err(|error| error.to_string())?;
        if self.shows(&mut *fragile.worker_in(Kind::Shell)?, &fragile, fragile.seed()) {
            return Ok(());
        }
        let swarms: Vec<Box<dyn Job>> = catalog.all().map(|subject| subject.swarm()).collect();
        for seed in 1.. {
            for job in &swarms {
                if self.shows(&mut *job.worker_in(Kind::Shell)?, &**job, seed) {
                    return Ok(());
                }
            }
            if seed.is_multiple_of(LOOK_EVERY) && cpu() >= budget {
                break;
            }
        }
        Ok(())
    }

    fn runs(
        &mut self,
        scenarios: &[Box<dyn Job>],
        swarm: &dyn Job,
        budget: Duration,
        shrink: Option<Duration>,
    ) {
        for job in scenarios {
            let mut worker = job.worker();
            let seeds = if job.is_certain() { 1 } else { SCENARIO_SEEDS };
            for seed in job.seed()..job.seed().saturating_add(seeds) {
                if self.shows(&mut *worker, &**job, seed) {
                    self.shrink(&mut *worker, &**job, seed, shrink);
                    return;
                }
            }
        }
        let mut worker = swarm.worker();
        for seed in 1.. {
            if self.shows(&mut *worker, swarm, seed) {
                self.shrink(&mut *worker, swarm, seed, shrink);
                return;
            }
            if seed.is_multiple_of(LOOK_EVERY) && cpu() >= budget {
                return;
            }
        }
    }

    fn shrink(&mut self, worker: &mut dyn Worker, job: &dyn Job, seed: u64, within: Option<Duration>) {
        self.cpu = cpu().as_secs_f64();
        let Some(cpu) = within else { return };
        let of = whose(job, seed);
        let mut options = minimise::Options { cpu, progress: &mut |_| () };
        let end = worker.shrink(seed, &of, &mut options).map(|(shrunk, _)| shrunk);
        self.shrunk.push(Shrinking { of, end });
    }

    /// Whether this run shows the bug by the promise that it is meant to break.
    fn shows(&mut self, worker: &mut dyn Worker, job: &dyn Job, seed: u64) -> bool {
        self.seeds += 1;
        let Some(violation) = worker.run(seed).violation else { return false };
        if violation.promise != self.intended {
            *self.others.entry(violation.promise.to_owned()).or_default() += 1;
            return false;
        }
        (self.caught, self.by) = (true, Some(whose(job, seed)));
        true
    }
}

pub(crate) fn whose(job: &dyn Job, seed: u64) -> String {
    let whose = if job.is_swarm() { RANDOM_PLAN } else { job.name() };
    format!("{whose}, seed {seed}")
}

/// Processor time of this process; where the system does not say, the time since it first asked.
pub fn cpu() -> Duration {
    #[cfg(unix)]
    {
        let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let (seconds, nanos) = (u64::try_from(spent.tv_sec), u32::try_from(spent.tv_nsec));
        if let (Ok(seconds), Ok(nanos)) = (seconds, nanos) {
            return Duration::new(seconds, nanos);
        }
    }
    static FIRST: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed()
}
