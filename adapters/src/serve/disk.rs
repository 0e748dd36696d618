//! A thread that performs disk operations, so that the machine goes on while the device is busy: a broker has much to do for
//! each message, and prepares the next group meanwhile. Decides nothing: what is next is the [`Queue`]'s decision.
//!
//! Invariants: one operation at a time; one completion for each, in the order in which they were performed; whoever was
//! told to wake up finds a completion; after [`Disk::abandon`] nothing of what was asked for before is begun, under
//! way or handed over.

use crate::driver::port::{Disk, Performer};
use crate::driver::queue::Queue;
use onceward_core::{DiskError, DiskOp, DiskResult, OpId};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// The thread. Dropped, it ends what is under way and frees the folder.
pub(super) struct DiskThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// The thread waits here for something to do.
    asked: Condvar,
    /// Whoever abandons waits here for the end of what is under way.
    idle: Condvar,
}

#[derive(Default)]
struct State {
    queue: Queue,
    done: Vec<(OpId, DiskResult)>,
    busy: bool,
    end: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut performer: Performer, wake: impl Fn()) {
        let mut state = self.lock();
        while !state.end {
            let Some((id, op)) = state.queue.pop() else {
                state = self.asked.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.busy = true;
            drop(state);
            // Nobody can tell what a panic has left half done: to the machine it is a failure as any other.
            let result = catch_unwind(AssertUnwindSafe(|| performer.perform(&op)));
            let result = result.unwrap_or(Err(DiskError::Io));
            state = self.lock();
            state.busy = false;
            state.done.push((id, result));
            drop(state);
            self.idle.notify_one();
            wake();
            state = self.lock();
        }
    }
}

impl DiskThread {
    /// Starts the thread. It calls `wake` after each completion.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(
        performer: Performer,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<DiskThread> {
        let shared = Arc::new(Shared::default());
        let of = shared.clone();
        let thread = std::thread::Builder::new().name("onceward-disk".into());
        Ok(DiskThread { shared, thread: Some(thread.spawn(move || of.run(performer, wake))?) })
    }
}

impl Disk for DiskThread {
    fn ask(&mut self, id: OpId, op: DiskOp) -> usize {
        let mut state = self.shared.lock();
        let queued = state.queue.push(id, op);
        // One that is busy looks for more by itself.
        if !state.busy {
            self.shared.asked.notify_one();
        }
        queued
    }

    fn completions(&mut self, into: &mut Vec<(OpId, DiskResult)>) {
        into.append(&mut self.shared.lock().done);
    }

    fn ready(&self) -> bool {
        !self.shared.lock().done.is_empty()
    }

    fn abandon(&mut self) {
        let mut state = self.shared.lock();
        state.queue.clear();
        while state.busy {
            state = self.shared.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.done.clear();
    }
}

impl Drop for DiskThread {
    fn drop(&mut self) {
        self.shared.lock().end = true;
        self.shared.asked.notify_one();
        if let Some(thread) = self.thread.take() {
            // It ends by itself; what panics in it is caught, but for `wake`, which has nothing to add here.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::files::Files;
    use crate::driver::metrics::{Metrics, NoMetrics};
    use bytes::Bytes;
    use onceward_core::{DiskOk, Dur, Path};
    use std::sync::mpsc::{Receiver, channel};

    struct Rig {
        disk: DiskThread,
        woken: Receiver<()>,
        folder: tempfile::TempDir,
    }

    fn rig(metrics: Arc<dyn Metrics>) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let (wake, woken) = channel();
        let performer = Performer { files: Files::open(folder.path()).unwrap(), metrics, recorder: None };
        let disk = DiskThread::start(performer, move || wake.send(()).unwrap_or(())).unwrap();
        Rig { disk, woken, folder }
    }

    impl Rig {
        /// So many completions.
        fn take(&mut self, n: usize) -> Vec<(OpId, DiskResult)> {
            let mut done = Vec::new();
            while done.len() < n {
                self.woken.recv().unwrap();
                self.disk.completions(&mut done);
            }
            done
        }
    }

    fn write(offset: u64, data: &'static [u8]) -> DiskOp {
        DiskOp::Write { path: Path::from("a"), offset, data: Bytes::from_static(data) }
    }

    #[test]
    fn operations_are_performed_in_order_and_answered_once() {
        let mut rig = rig(Arc::new(NoMetrics));
        rig.disk.ask(OpId(0), DiskOp::Create(Path::from("a")));
        for n in 1..=100 {
            rig.disk.ask(OpId(n), write(u64::from(n) - 1, b"xy"));
        }
        rig.disk.ask(OpId(101), DiskOp::Read { path: Path::from("a"), offset: 98, len: 9 });
        rig.disk.ask(OpId(102), DiskOp::Remove(Path::from("b")));
        let done = rig.take(103);
        assert!(done.iter().map(|(id, _)| id.0).eq(0..=102));
        assert_eq!(done[100].1, Ok(DiskOk::Wrote(2)));
        assert_eq!(done[101].1, Ok(DiskOk::Read(Bytes::from_static(b"xxy"))));
        assert_eq!(done[102].1, Err(DiskError::NotFound));
        assert!(!rig.disk.ready());
    }

    #[test]
    fn what_is_abandoned_is_not_begun_nor_handed_over() {
        let mut rig = rig(Arc::new(NoMetrics));
        for n in 0..200 {
            rig.disk.ask(OpId(n), DiskOp::Create(Path::from(&*format!("f{n}"))));
        }
        rig.disk.abandon();
        let count = |rig: &Rig| std::fs::read_dir(rig.folder.path()).unwrap().count();
        let made = count(&rig);
        assert!(!rig.disk.ready());
        rig.disk.ask(OpId(7), DiskOp::List(Path::root()));
        let done = rig.take(1);
        assert_eq!((done[0].0, count(&rig)), (OpId(7), made), "the next incarnation starts with its own");
    }

    #[test]
    fn a_dropped_one_frees_the_folder() {
        let Rig { disk, folder, .. } = rig(Arc::new(NoMetrics));
        assert!(Files::open(folder.path()).is_err());
        drop(disk);
        assert!(Files::open(folder.path()).is_ok());
    }

    struct Panicky;

    impl Metrics for Panicky {
        fn disk(&self, op: &DiskOp, _: &DiskResult, _: Dur) {
            assert!(!matches!(op, DiskOp::Sync { .. }), "as it was told");
        }
    }

    #[test]
    fn a_panic_is_a_failure_and_the_thread_goes_on() {
        let mut rig = rig(Arc::new(Panicky));
        rig.disk.ask(OpId(0), DiskOp::Create(Path::from("a")));
        rig.disk.ask(OpId(1), DiskOp::Sync { path: Path::from("a"), kind: onceward_core::SyncKind::Data });
        rig.disk.ask(OpId(2), write(0, b"z"));
        let done = rig.take(3);
        assert_eq!((&done[1].1, &done[2].1), (&Err(DiskError::Io), &Ok(DiskOk::Wrote(1))));
    }
}
