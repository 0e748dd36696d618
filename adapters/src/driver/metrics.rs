//! What a running driver can report to a metrics system. Decides nothing; every method does nothing unless it is
//! overridden. Methods are called on the path of every operation and must return quickly without blocking.

use onceward_core::{DiskOp, DiskResult, Dur, Mark};

/// A receiver of measurements.
pub trait Metrics: Send + Sync {
    /// So many calls waited when the driver took them in together.
    fn taken(&self, calls: usize) {
        let _ = calls;
    }

    /// One step answered so many calls: the size of a commit group, where the step was the completion of a sync.
    fn answered(&self, calls: usize) {
        let _ = calls;
    }

    /// A disk operation was performed and took so long.
    fn disk(&self, op: &DiskOp, result: &DiskResult, took: Dur) {
        let _ = (op, result, took);
    }

    /// So many disk operations wait to be performed.
    fn queued(&self, operations: usize) {
        let _ = operations;
    }

    /// The node reached a mark.
    fn mark(&self, mark: Mark) {
        let _ = mark;
    }

    /// The node panicked; whether a new incarnation was started.
    fn panicked(&self, restarted: bool) {
        let _ = restarted;
    }
}

/// Reports nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMetrics;

impl Metrics for NoMetrics {}
