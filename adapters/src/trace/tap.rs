//! What the thread that steps the machine does for a recording: it takes note, and hands over. Decides when notes are
//! left out for want of memory. Never encodes, writes or waits.

use super::{Begins, Recording, chunk::ToldTo, writer};
use crate::driver::tap::Tap;
use onceward_core::{
    Clock, NodeAction, NodeInput,
    recorded::{Recorded, Told},
};
use std::{
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

/// How many notes may wait to be written; about 64 MiB of them.
const WAITING: usize = 65_536;

/// What the writer is told.
pub(super) enum Note<N: Recorded> {
    /// A snapshot, with which a new chunk begins.
    Machine(Begins, Box<N>),
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
    Ok(Box::new(Recorder { shared, told: None, gap: false, writer: Some(thread) }))
}

impl<N: Recorded> Recorder<N> {
    fn note(&mut self, note: Note<N>) {
        let mut queue = self.shared.lock();
        if queue.notes.len() >= WAITING {
            self.gap = true;
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
        self.note(Note::Machine(Begins::Boot, Box::new(node.clone())));
    }

    fn input(&mut self, node: &N, clock: Clock, input: &NodeInput<N>) {
        if self.gap {
            if self.shared.lock().notes.is_empty() {
                self.gap = false;
                self.note(Note::Machine(Begins::Gap, Box::new(node.clone())));
            }
        } else if self.shared.full.swap(false, Ordering::Relaxed) {
            self.note(Note::Machine(Begins::Goes, Box::new(node.clone())));
        }
        self.told = Told::of(input.clone()).map(|told| (clock, told));
    }

    fn actions(&mut self, actions: &[NodeAction<N>]) {
        if let Some((clock, told)) = self.told.take().filter(|_| !self.gap) {
            self.note(Note::Step(clock, told, actions.to_vec()));
        }
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
