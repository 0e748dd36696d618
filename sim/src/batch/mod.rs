//! Many runs on several threads. A batch is a list of lanes (a job and a range of seeds); workers take chunks of seeds
//! from the lanes in turn until seeds or time are used up, and add what they saw to one tally per lane. Which runs
//! happen depends on nothing but the seeds, unless a time limit cuts the batch short. Memory does not grow with the
//! number of runs.

mod tally;
mod vigil;

pub use tally::{Finding, Tally};
pub use vigil::PATIENCE;
pub(crate) use vigil::{Last, alone};

use crate::{
    mutants::mutant,
    run::{Job, Worker, compare},
};
use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use vigil::Vigil;

/// How many seeds a worker takes at a time.
const CHUNK: u64 = 32;

/// A job and the seeds to run it with.
pub struct Lane {
    /// What is run.
    pub job: Box<dyn Job>,
    /// The seeds.
    pub seeds: Range<u64>,
}

/// How a batch is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Worker threads.
    pub jobs: usize,
    /// No run begins after this.
    pub time: Option<Duration>,
    /// Of so many shards this one (counted from 0): every so-manieth seed of each lane, or every so-manieth lot of seeds that belong together.
    pub shard: (u64, u64),
    /// Whether each seed is run a second time, in a thread of its own.
    pub twice: bool,
    /// A run that takes longer than this is taken for one that never ends: the process says so, and fails.
    pub patience: Duration,
}

impl Options {
    /// So many workers, and nothing out of the ordinary.
    pub fn new(jobs: usize) -> Options {
        Options { jobs, time: None, shard: (0, 1), twice: false, patience: PATIENCE }
    }
}

/// What a batch has come to.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// One for each lane.
    pub tallies: Vec<Tally>,
    /// Wall-clock time.
    pub elapsed: Duration,
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Runs that are over.
    pub runs: u64,
    /// Their events.
    pub events: u64,
    /// Those that broke a promise they should have kept.
    pub failures: u64,
    /// Since the beginning.
    pub elapsed: Duration,
}

/// What is still to be run.
struct Cursor {
    next: Vec<u64>,
    lane: usize,
}

impl Cursor {
    /// The next chunk: lanes take turns, so that a batch that is cut short has shown something of each.
    fn take(&mut self, lanes: &[Lane]) -> Option<(usize, Range<u64>)> {
        for _ in 0..lanes.len() {
            let lane = self.lane;
            self.lane = (lane + 1) % lanes.len();
            let (from, end) = (self.next[lane], lanes[lane].seeds.end);
            if from < end {
                let together = lanes[lane].job.together();
                // All of those that belong together, as far as they are wanted.
                let last = if together == 1 {
                    from.saturating_add(CHUNK)
                } else {
                    (from / together + 1).saturating_mul(together)
                };
                let to = end.min(last);
                self.next[lane] = if mutant!(SeedCountedTwice) && to < end { to - 1 } else { to };
                return Some((lane, from..to));
            }
        }
        None
    }
}

/// Runs a batch. `watch` is called now and then, from one of the workers.
pub fn run(lanes: &[Lane], options: &Options, watch: &(dyn Fn(Progress) + Sync)) -> Results {
    let start = Instant::now();
    let cursor = Mutex::new(Cursor { next: lanes.iter().map(|lane| lane.seeds.start).collect(), lane: 0 });
    let tallies = Mutex::new(lanes.iter().map(|lane| Tally::new(&*lane.job)).collect::<Vec<_>>());
    let lock = |chunk: &Mutex<Cursor>| chunk.lock().unwrap_or_else(PoisonError::into_inner).take(lanes);
    let is_over = || options.time.is_some_and(|time| start.elapsed() >= time);
    let workers = options.jobs.max(1);
    let vigil = Vigil::over(workers);
    let work = |worker| {
        let seat = vigil.sit(worker);
        let mut workers: Vec<Option<Box<dyn Worker + '_>>> = lanes.iter().map(|_| None).collect();
        while let Some((lane, seeds)) = lock(&cursor) {
            let job = &*lanes[lane].job;
            let worker = workers[lane].get_or_insert_with(|| job.worker());
            let mut tally = Tally::new(job);
            let together = job.together();
            for seed in seeds.filter(|seed| seed / together % options.shard.1 == options.shard.0) {
                if is_over() {
                    break;
                }
                seat.runs(lane, seed);
                let outcome = worker.run(seed);
                if options.twice
                    && let Some(difference) = compare(job, &outcome)
                {
                    tally.differs(difference);
                }
                tally.add(outcome);
            }
            let mut all = tallies.lock().unwrap_or_else(PoisonError::into_inner);
            all[lane].merge(tally);
            let sum = |of: fn(&Tally) -> u64| all.iter().map(of).sum();
            let (runs, events, failures) = (sum(|t| t.runs), sum(|t| t.events), sum(|t| t.failures));
            let elapsed = start.elapsed();
            drop(all);
            watch(Progress { runs, events, failures, elapsed });
            if is_over() {
                break;
            }
        }
    };
    std::thread::scope(|scope| {
        (0..workers).for_each(|worker| drop(scope.spawn(move || work(worker))));
        vigil.keep(lanes, options.patience);
    });
    let tallies = tallies.into_inner().unwrap_or_else(PoisonError::into_inner);
    Results { tallies, elapsed: start.elapsed() }
}
