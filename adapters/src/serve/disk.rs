//! Threads that perform disk operations, so that the machine goes on while the device is busy: a broker has much to do for
//! each message, and prepares the next group meanwhile. What a machine does in the background, by the number of its
//! operations (from [`OP_IDS`] on), has a thread of its own, so that no acknowledgement waits for it. The log's thread syncs
//! what it has written before it is asked to, where that is what will be asked for: see [`Early`]. Decides nothing else.
//!
//! Invariants: of each of the two kinds one operation at a time, in the order in which they were asked for; a machine has
//! each file in one of them; one completion for each operation; whoever was told to wake up finds one; after
//! [`Disk::abandon`] nothing of what was asked for before is begun, under way or handed over.

use super::early::Early;
use crate::driver::files::Files;
use crate::driver::metrics::Metrics;
use crate::driver::port::{Disk, Performer};
use crate::driver::record::Recorder;
use onceward_core::log::segments::OP_IDS;
use onceward_core::{DiskError, DiskOp, DiskResult, OpId};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// The two threads of a folder.
pub(super) struct DiskThreads {
    log: Lane,
    background: Lane,
}

impl DiskThreads {
    /// Starts them. They call `wake` after each completion.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(
        files: Files,
        metrics: &Arc<dyn Metrics>,
        recorder: Option<&Arc<dyn Recorder>>,
        wake: impl Fn() + Clone + Send + 'static,
    ) -> std::io::Result<DiskThreads> {
        let performer = |files| Performer { files, metrics: metrics.clone(), recorder: recorder.cloned() };
        let background = Lane::start("onceward-pool", performer(files.beside()), None, wake.clone())?;
        let log = Lane::start("onceward-log", performer(files), Some(Early::default()), wake)?;
        Ok(DiskThreads { log, background })
    }
}

impl Disk for DiskThreads {
    fn ask(&mut self, id: OpId, op: DiskOp) -> usize {
        let lane = if id.0 < OP_IDS { &self.log } else { &self.background };
        lane.ask(id, op)
    }

    fn completions(&mut self, into: &mut Vec<(OpId, DiskResult)>) {
        self.log.completions(into);
        self.background.completions(into);
    }

    fn ready(&self) -> bool {
        self.log.ready() || self.background.ready()
    }

    fn abandon(&mut self) {
        self.log.abandon();
        self.background.abandon();
    }
}

/// One thread. Dropped, it ends what is under way and gives up its files.
struct Lane {
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
    waiting: VecDeque<(OpId, DiskOp)>,
    done: Vec<(OpId, DiskResult)>,
    busy: bool,
    end: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut performer: Performer, mut early: Option<Early>, wake: impl Fn()) {
        // Nobody can tell what a panic has left half done: to the machine it is a failure as any other.
        let mut perform = |op: &DiskOp| {
            catch_unwind(AssertUnwindSafe(|| performer.perform(op))).unwrap_or(Err(DiskError::Io))
        };
        let mut state = self.lock();
        while !state.end {
            let Some((id, op)) = state.waiting.pop_front() else {
                state = self.asked.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.busy = true;
            drop(state);
            let mut next = None;
            let result = early.as_mut().and_then(|early| early.answer(&op)).unwrap_or_else(|| {
                let result = perform(&op);
                next = early.as_mut().and_then(|early| early.performed(&op, &result));
                result
            });
            state = self.lock();
            state.done.push((id, result));
            state.busy = next.is_some();
            drop(state);
            wake();
            if let (Some(early), Some(op)) = (&mut early, next) {
                let result = perform(&op);
                early.synced(op, result);
            }
            state = self.lock();
            state.busy = false;
            self.idle.notify_one();
        }
    }
}

impl Lane {
    fn start(
        name: &str,
        performer: Performer,
        early: Option<Early>,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<Lane> {
        let shared = Arc::new(Shared::default());
        let of = shared.clone();
        let thread = std::thread::Builder::new().name(name.into());
        Ok(Lane { shared, thread: Some(thread.spawn(move || of.run(performer, early, wake))?) })
    }

    fn ask(&self, id: OpId, op: DiskOp) -> usize {
        let mut state = self.shared.lock();
        state.waiting.push_back((id, op));
        // One that is busy looks for more by itself.
        if !state.busy {
            self.shared.asked.notify_one();
        }
        state.waiting.len()
    }

    fn completions(&self, into: &mut Vec<(OpId, DiskResult)>) {
        into.append(&mut self.shared.lock().done);
    }

    fn ready(&self) -> bool {
        !self.shared.lock().done.is_empty()
    }

    fn abandon(&self) {
        let mut state = self.shared.lock();
        state.waiting.clear();
        while state.busy {
            state = self.shared.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.done.clear();
    }
}

impl Drop for Lane {
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
    use crate::driver::metrics::NoMetrics;
    use crate::driver::record::Recording;
    use bytes::Bytes;
    use onceward_core::{DiskOk, Dur, Path, SyncKind};
    use std::sync::mpsc::{Receiver, channel};

    struct Rig {
        disk: DiskThreads,
        woken: Receiver<()>,
        folder: tempfile::TempDir,
        record: Arc<Recording>,
    }

    fn rig(metrics: Arc<dyn Metrics>) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let (wake, woken) = channel();
        let files = Files::open(folder.path()).unwrap();
        let record = Arc::new(Recording::new());
        let recorder = record.clone() as Arc<dyn Recorder>;
        let wake = move || wake.send(()).unwrap_or(());
        let disk = DiskThreads::start(files, &metrics, Some(&recorder), wake).unwrap();
        Rig { disk, woken, folder, record }
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

    fn sync() -> DiskOp {
        DiskOp::Sync { path: Path::from("a"), kind: SyncKind::Data }
    }

    #[test]
    fn a_group_is_synced_once_and_before_it_is_asked_for() {
        let mut rig = rig(Arc::new(NoMetrics));
        rig.disk.ask(OpId(0), DiskOp::Create(Path::from("a")));
        rig.disk.ask(OpId(1), write(0, b"first"));
        rig.disk.ask(OpId(2), sync());
        rig.disk.ask(OpId(3), write(5, b"second"));
        rig.take(4);
        while rig.record.started() < 5 {
            std::thread::yield_now();
        }
        rig.disk.ask(OpId(4), sync());
        assert_eq!(rig.take(1), [(OpId(4), Ok(DiskOk::Done))]);
        let performed = rig.record.operations();
        assert_eq!((performed.len(), &performed[4]), (5, &(sync(), Some(Ok(DiskOk::Done)))));
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
    fn the_background_holds_nobody_up() {
        let held = Arc::new(Gate::default());
        let mut rig = rig(held.clone());
        rig.disk.ask(OpId(OP_IDS), DiskOp::Create(Path::from("b")));
        for n in 0..3 {
            rig.disk.ask(OpId(n), DiskOp::Create(Path::from(&*format!("a{n}"))));
        }
        assert!(rig.take(3).iter().map(|(id, _)| id.0).eq(0..3), "while the other is under way");
        held.open();
        assert_eq!(rig.take(1)[0], (OpId(OP_IDS), Ok(DiskOk::Done)));
    }

    /// Lets no operation on `b` end before it is opened.
    #[derive(Default)]
    struct Gate(Mutex<bool>, Condvar);

    impl Gate {
        fn open(&self) {
            *self.0.lock().unwrap() = true;
            self.1.notify_all();
        }
    }

    impl Metrics for Gate {
        fn disk(&self, op: &DiskOp, _: &DiskResult, _: Dur) {
            if op.path().as_str() == "b" {
                drop(self.1.wait_while(self.0.lock().unwrap(), |open| !*open).unwrap());
            }
        }
    }

    #[test]
    fn what_is_abandoned_is_not_begun_nor_handed_over() {
        let mut rig = rig(Arc::new(NoMetrics));
        for n in 0..200 {
            rig.disk.ask(OpId(n), DiskOp::Create(Path::from(&*format!("f{n}"))));
            rig.disk.ask(OpId(OP_IDS + n), DiskOp::Create(Path::from(&*format!("b{n}"))));
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
        rig.disk.ask(OpId(1), sync());
        rig.disk.ask(OpId(2), write(0, b"z"));
        let done = rig.take(3);
        assert_eq!((&done[1].1, &done[2].1), (&Err(DiskError::Io), &Ok(DiskOk::Wrote(1))));
    }
}
