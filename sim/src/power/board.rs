//! Where a trial writes up what it is doing, and who reads it meanwhile: a second thread that tells the parent process now
//! and then, and that ends the process when one run does not come back. The machine under trial has the first thread to
//! itself and cannot be interrupted; so what is known when it spins has been said before.

use super::{Part, Stuck};
use crate::gate::cpu;
use serde::{Deserialize, Serialize};
use std::{
    io::Write,
    process,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);
/// The parent hears something at least as often as this.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);

/// One line from a trial to its parent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Said {
    /// What has come of it so far.
    pub(super) part: Part,
    /// The run that is under way or was the last.
    pub(super) at: u64,
    /// Whether nothing is left to be done.
    pub(super) over: bool,
}

/// What a trial writes up.
pub(super) struct Board(Mutex<Said>);

impl Board {
    /// A run begins.
    pub(super) fn begin(&self, at: u64) {
        self.change(|said| said.at = at);
    }

    /// Something has come of it.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Said) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Does something that writes up what it does, tells `out`, and ends the process if a run takes more than `most` of
/// processor time.
pub(super) fn watched(
    first: u64,
    most: Duration,
    out: &mut (dyn Write + Send),
    work: impl FnOnce(&Board) -> Result<(), String>,
) -> Result<(), String> {
    let board = Board(Mutex::new(Said { part: Part::default(), at: first, over: false }));
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&board, most, out));
        let worked = work(&board);
        if worked.is_ok() {
            board.change(|said| said.over = true);
        }
        watcher.thread().unpark();
        worked
    })
}

fn watch(board: &Board, most: Duration, out: &mut (dyn Write + Send)) {
    let mut heard = None;
    let (mut told, mut since) = (Instant::now(), cpu());
    loop {
        let mut now = board.change(|said| said.clone());
        now.part.cpu = cpu().as_secs_f64();
        let run = |said: &Said| (said.at, said.part.seeds);
        if heard.as_ref().map(run) != Some(run(&now)) {
            since = cpu();
        }
        let stuck = !now.over && cpu().saturating_sub(since) > most;
        if stuck {
            let how = format!("does not come back in {} CPU-s", most.as_secs());
            now.part.stuck.push(Stuck { at: now.at, how });
        }
        let moved = heard.as_ref().is_none_or(|heard| run(heard) != run(&now));
        if moved || now.over || stuck || told.elapsed() >= HEARTBEAT {
            told = Instant::now();
            let line = serde_json::to_string(&now).unwrap_or_default();
            let said = writeln!(out, "{line}").and_then(|()| out.flush());
            if said.is_err() || stuck {
                // Nobody listens, or nothing more will come.
                process::exit(0);
            }
        }
        if now.over {
            return;
        }
        heard = Some(now);
        thread::park_timeout(LOOK);
    }
}
