//! What the thread that steps the machine does for a recording: it takes note, and hands over. Decides when notes are
//! left out for want of memory. Never encodes, writes or waits.

use super::{Begins, Recording, chunk::ToldTo, writer};
use crate::driver::tap::Tap;
use onceward_core::{
    Action, CallId, Clock, NodeAction, NodeInput,
    recorded::{Recorded, Told},
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

/// What the writer is told.
pub(super) enum Note<N: Recorded> {
    /// A snapshot, with which a new chunk begins.
    Machine(Begins, Box<N>),
    /// What became of calls in a gap: those that were made in it and those that were answered, except for both.
    Missed(BTreeMap<CallId, N::Request>, Vec<CallId>),
    /// A step.
    Step(Clock, ToldTo<N>, Vec<NodeAction<N>>),
    /// A step in which the machine panicked.
    Panic(Clock, ToldTo<N>),
}

/// Between the machine's thread and the writer's.
pub(super) struct Shared<N: Recorded> {
    queue: Mutex<Queue<N>>,
    /// The writer waits here.
    more: Condvar,
    /// The writer wants a new chunk.
    pub(super) full: AtomicBool,
}

struct Queue<N: Recorded> {
    notes: Vec<Note<N>>,
    /// The writer sleeps until it is woken.
    asleep: bool,
    over: bool,
}

impl<N: Recorded> Shared<N> {
    fn lock(&self) -> MutexGuard<'_, Queue<N>> {
        // Nothing under this lock can panic half-way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that was noted, in order; nothing if there has been nothing for a while. `None` when it is over.
    pub(super) fn take(&self, into: &mut Vec<Note<N>>, idle: bool) -> Option<()> {
        let mut queue = self.lock();
        if queue.notes.is_empty() && !queue.over {
            // A note that wakes nobody costs the machine's thread next to nothing: while there is something to do, the
            // writer looks by itself.
            if idle {
                queue.asleep = true;
                queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.asleep = false;
            } else {
                queue = self.more.wait_timeout(queue, LOOK).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        std::mem::swap(&mut queue.notes, into);
        (!into.is_empty() || !queue.over).then_some(())
    }
}

/// How often the writer looks for notes.
const LOOK: std::time::Duration = std::time::Duration::from_millis(2);

/// The tap of one host.
struct Recorder<N: Recorded> {
    shared: Arc<Shared<N>>,
    /// What the machine was told in the step that is under way.
    told: Option<(Clock, ToldTo<N>)>,
    /// Notes were left out: nothing is of use before the next snapshot.
    gap: bool,
    /// Calls made in the gap and not answered.
    made: BTreeMap<CallId, N::Request>,
    /// Calls answered in the gap that were made before it.
    answered: Vec<CallId>,
    /// How many notes may wait.
    most: usize,
    writer: Option<JoinHandle<()>>,
}

/// Begins a recording of a machine whose disk is this folder.
///
/// # Errors
/// If its folder cannot be worked in, or the system gives no thread.
pub fn record<N>(recording: &Recording, disk: &Path) -> std::io::Result<Box<dyn Tap<N>>>
where
    N: Recorded + Send + 'static,
    N::Timer: Send,
    N::Request: Send,
    N::Response: Send,
{
    std::fs::create_dir_all(&recording.folder)?;
    if recording.folder.canonicalize()?.starts_with(disk.canonicalize()?) {
        // If it was made just now, it goes again.
        let _ = std::fs::remove_dir(&recording.folder);
        return Err(std::io::Error::other("it lies within what is recorded"));
    }
    let queue = Queue { notes: Vec::new(), asleep: false, over: false };
    let shared =
        Arc::new(Shared { queue: Mutex::new(queue), more: Condvar::new(), full: AtomicBool::new(false) });
    let mut writer = writer::Writer::<N>::new(recording, disk)?;
    let notes = shared.clone();
    let thread =
        std::thread::Builder::new().name("onceward-record".into()).spawn(move || writer.run(&notes))?;
    Ok(Box::new(Recorder {
        shared,
        told: None,
        gap: false,
        made: BTreeMap::new(),
        answered: Vec::new(),
        most: recording.waiting,
        writer: Some(thread),
    }))
}

impl<N: Recorded> Recorder<N> {
    /// Which calls are under way must be known once the gap is over.
    fn missed(&mut self, told: ToldTo<N>, actions: &[NodeAction<N>]) {
        if let Told::Call(call, request) = told {
            self.made.insert(call, request);
        }
        for action in actions {
            if let Action::Reply(call, _) = action
                && self.made.remove(call).is_none()
            {
                self.answered.push(*call);
            }
        }
    }

    fn note(&mut self, note: Note<N>) {
        let mut queue = self.shared.lock();
        // A snapshot is taken in at any rate: without it, nothing that follows is of use.
        if queue.notes.len() >= self.most && !matches!(note, Note::Machine(..) | Note::Missed(..)) {
            drop(queue);
            self.gap = true;
            if let Note::Step(_, told, actions) = note {
                self.missed(told, &actions);
            }
            return;
        }
        queue.notes.push(note);
        if queue.asleep {
            drop(queue);
            self.shared.more.notify_one();
        }
    }
}

impl<N: Recorded + Send + 'static> Tap<N> for Recorder<N>
where
    N::Timer: Send,
    N::Request: Send,
    N::Response: Send,
{
    fn begins(&mut self, node: &N) {
        if let Some((clock, told)) = self.told.take().filter(|_| !self.gap) {
            self.note(Note::Panic(clock, told));
        }
        self.gap = false;
        self.made.clear();
        self.answered.clear();
        self.note(Note::Machine(Begins::Boot, Box::new(node.clone())));
    }

    fn input(&mut self, node: &N, clock: Clock, input: &NodeInput<N>) {
        if self.gap {
            if self.shared.lock().notes.is_empty() {
                self.gap = false;
                let made = std::mem::take(&mut self.made);
                let answered = std::mem::take(&mut self.answered);
                self.note(Note::Missed(made, answered));
                self.note(Note::Machine(Begins::Gap, Box::new(node.clone())));
            }
        } else if self.shared.full.swap(false, Ordering::Relaxed) {
            self.note(Note::Machine(Begins::Goes, Box::new(node.clone())));
        }
        self.told = Told::of(input.clone()).map(|told| (clock, told));
    }

    fn actions(&mut self, actions: &[NodeAction<N>]) {
        let Some((clock, told)) = self.told.take() else { return };
        if self.gap {
            return self.missed(told, actions);
        }
        self.note(Note::Step(clock, told, actions.to_vec()));
    }
}

impl<N: Recorded> Drop for Recorder<N> {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.more.notify_one();
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has been printed by then.
            let _ = writer.join();
        }
    }
}
