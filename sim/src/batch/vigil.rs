//! What becomes of a run that does not end. A step of a machine that spins cannot be stopped from outside, and nothing can be
//! concluded about the other runs while it goes on: so the process ends, and says which run it was, and which step. Decides
//! how long is too long; never touches a run that ends.
//!
//! Time is counted in looks, not by a clock: a process that was stopped and continued has looked no more often meanwhile.

use super::Lane;
use crate::{
    report::{at, repro},
    run::{How, Job},
};
use onceward_model::world::Seen;
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How long a run may take, unless something else is said. The longest ones take a second or two.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often is looked, at least so many times before patience ends.
const LOOKS: u32 = 20;

/// How long the last step of the second run may take, which is to show where the first has stopped.
const AGAIN: Duration = Duration::from_secs(5);

/// The step that a run is at, in words.
pub(crate) type Last = Mutex<Option<(Seen, String)>>;

/// What each worker is running: the place of a lane, and the seed.
pub(super) struct Vigil {
    seats: Vec<Mutex<Option<(usize, u64)>>>,
    working: Mutex<usize>,
    over: Condvar,
}

impl Vigil {
    pub(super) fn over(workers: usize) -> Vigil {
        Vigil {
            seats: (0..workers).map(|_| Mutex::default()).collect(),
            working: Mutex::new(workers),
            over: Condvar::new(),
        }
    }

    /// A worker's place, which it leaves when it drops this.
    pub(super) fn sit(&self, worker: usize) -> Seat<'_> {
        Seat { vigil: self, worker }
    }

    /// Waits for the next look, or for less if somebody leaves. Says whether it is time to look.
    fn wait<'a>(&self, working: MutexGuard<'a, usize>, patience: Duration) -> (MutexGuard<'a, usize>, bool) {
        let waited = self.over.wait_timeout(working, patience / LOOKS);
        let (working, result) = waited.unwrap_or_else(PoisonError::into_inner);
        (working, result.timed_out())
    }

    /// Looks on until all workers have left. Does not return if a run takes longer than that.
    pub(super) fn keep(&self, lanes: &[Lane], patience: Duration) {
        let mut seen = vec![(None, 0); self.seats.len()];
        let mut working = lock(&self.working);
        while *working > 0 {
            let it_is_time;
            (working, it_is_time) = self.wait(working, patience);
            if !it_is_time {
                continue;
            }
            for (seat, (before, looks)) in self.seats.iter().zip(&mut seen) {
                let run = *lock(seat);
                *looks = if run == *before { *looks + 1 } else { 0 };
                *before = run;
                if let Some((lane, seed)) = run.filter(|_| *looks > LOOKS) {
                    give_up(&*lanes[lane].job, seed, patience);
                }
            }
        }
    }
}

/// The place of a worker.
pub(super) struct Seat<'a> {
    vigil: &'a Vigil,
    worker: usize,
}

impl Seat<'_> {
    /// Begins a run.
    pub(super) fn runs(&self, lane: usize, seed: u64) {
        *lock(&self.vigil.seats[self.worker]) = Some((lane, seed));
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        *lock(&self.vigil.seats[self.worker]) = None;
        *lock(&self.vigil.working) -= 1;
        self.vigil.over.notify_all();
    }
}

/// Says which run does not end, and where, and ends the process as one that has failed.
fn give_up(job: &dyn Job, seed: u64, patience: Duration) -> ! {
    let (name, span) = (job.name(), patience.as_secs_f32());
    eprintln!(
        "\n✗ a run does not end   {name}, seed {seed}\n  it has taken {span} s so far, and ends the batch"
    );
    let again = |last: &Last| drop(job.worker().replay(seed, &How { last: Some(last), ..How::default() }));
    alone(AGAIN, again, || repro(job, seed, None));
    eprintln!("  a second run of it has ended: whatever it waits for lies outside");
    std::process::exit(1)
}

/// Performs a run in a thread of its own, which writes down each step before it is performed. If one of them takes longer
/// than patience lasts, says which one it is, and ends the process as one that has failed; `again` is the command for the
/// same run.
pub(crate) fn alone<R: Send>(
    patience: Duration,
    run: impl FnOnce(&Last) -> R + Send,
    again: impl FnOnce() -> String,
) -> R {
    let (last, vigil) = (Last::default(), Vigil::over(1));
    thread::scope(|scope| {
        let (seat, written) = (vigil.sit(0), &last);
        let running = scope.spawn(move || {
            let _seat = seat;
            run(written)
        });
        let (mut before, mut looks) = (None, 0);
        let mut working = lock(&vigil.working);
        while *working > 0 {
            let it_is_time;
            (working, it_is_time) = vigil.wait(working, patience);
            if !it_is_time {
                continue;
            }
            let step = lock(&last).clone();
            looks = if step == before { looks + 1 } else { 0 };
            before = step;
            if looks > LOOKS && *working > 0 {
                stuck(before, &again());
            }
        }
        drop(working);
        running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn stuck(last: Option<(Seen, String)>, again: &str) -> ! {
    match last {
        Some((Seen { step, at: time }, line)) => {
            eprintln!("  at {}  step {step} does not end: {line}", at(time.0));
            if step > 1 {
                eprintln!("\n  until then  {again} --until {}", step - 1);
            }
        }
        None => eprintln!("  it does not come to a first step"),
    }
    std::process::exit(1)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_leave_do_not_hurry_the_others() {
        let vigil = Vigil::over(50);
        thread::scope(|scope| {
            for worker in 0..50 {
                let seat = vigil.sit(worker);
                scope.spawn(move || {
                    seat.runs(0, worker as u64);
                    let millis = if worker == 0 { 300 } else { 2 * worker as u64 };
                    thread::sleep(Duration::from_millis(millis));
                    drop(seat);
                });
            }
            // A run that was given up would be looked for among no lanes at all.
            vigil.keep(&[], PATIENCE);
        });
    }
}
