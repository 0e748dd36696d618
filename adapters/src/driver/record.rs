//! A recording of file operations and their results, in the order in which they were started. Decides nothing and
//! changes nothing; for tests that perform the same operations on a simulated disk.
//!
//! The order of starts is the one that matters: a sync covers the writes that were answered before it was started.

use onceward_core::{DiskOp, DiskResult};
use std::sync::{Mutex, PoisonError};

/// A receiver of file operations.
pub trait Recorder: Send + Sync {
    /// An operation is about to be performed. Gives a number for [`Recorder::finished`].
    fn started(&self, op: &DiskOp) -> u64;

    /// The operation of that number was performed.
    fn finished(&self, number: u64, result: &DiskResult);
}

/// An operation and what came of it; `None` if it had not returned.
pub type Recorded = (DiskOp, Option<DiskResult>);

/// A recording in memory.
#[derive(Debug, Default)]
pub struct Recording(Mutex<Vec<Recorded>>);

impl Recording {
    /// An empty recording.
    pub fn new() -> Recording {
        Recording::default()
    }

    /// How many operations were started so far.
    pub fn started(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Everything recorded so far.
    pub fn operations(&self) -> Vec<Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Recorder for Recording {
    fn started(&self, op: &DiskOp) -> u64 {
        let mut operations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        operations.push((op.clone(), None));
        operations.len() as u64 - 1
    }

    fn finished(&self, number: u64, result: &DiskResult) {
        let mut operations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, slot)) = usize::try_from(number).ok().and_then(|at| operations.get_mut(at)) {
            *slot = Some(result.clone());
        }
    }
}
