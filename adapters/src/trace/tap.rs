//! What the thread that steps the machine does for a recording: it encodes what the machine is told, takes note of what
//! it answers, and hands over. Decides when notes are left out for want of memory. Never writes or waits.
//!
//! What is told is encoded here and not by the writer's thread, as requests are many small parts that callers share:
//! to count references to them up in one thread and down in another costs both more than the bytes do.

use super::{
    Begins, Contents, Ends, Recording, Whose,
    chunk::put,
    owed::{Brought, OpenCall, Owed},
    writer,
};
use crate::driver::tap::Tap;
use bytes::Bytes;
use onceward_core::{
    Clock, DiskOk, Input, NodeAction, NodeInput,
    recorded::{Bulky, Held, Recorded, Told},
};
use std::{
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

/// What the writer is told. The bytes that some of them speak of stand beside them, one after the other.
pub(super) enum Note<N: Recorded> {
    /// A new chunk begins, with the machine as it is and the calls that are under way.
    Begin(Begins, Box<N>, Vec<OpenCall>),
    /// So many bytes of a step, and its actions.
    Step(usize, Vec<NodeAction<N>>),
    /// So many bytes of a step in which the machine panicked.
    Panic(usize),
    /// Where contents are that a step of this chunk was recorded without.
    Contents(Whose, Contents),
    /// The chunk ends.
    End(Ends),
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
    bytes: Vec<u8>,
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
    pub(super) fn take(&self, into: &mut Vec<Note<N>>, bytes: &mut Vec<u8>, idle: bool) -> Option<()> {
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
        std::mem::swap(&mut queue.bytes, bytes);
        (!into.is_empty() || !queue.over).then_some(())
    }
}

/// How often the writer looks for notes.
const LOOK: std::time::Duration = std::time::Duration::from_millis(2);

/// The tap of one host.
struct Recorder<N: Recorded> {
    shared: Arc<Shared<N>>,
    /// How many notes may wait.
    most: usize,
    state: State,
    /// A step is under way; what the machine was told in it is in `told`.
    stepping: bool,
    /// Clocks and what the machine was told, but for contents.
    told: Vec<u8>,
    /// What that was, and its contents.
    brought: Option<(Brought, Vec<Bytes>)>,
    owed: Owed,
    writer: Option<JoinHandle<()>>,
}

/// Of a recording.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// No machine yet.
    Before,
    /// A chunk is being written.
    Chunk,
    /// Notes were left out: nothing is of use before the next snapshot.
    Gap,
}

/// Begins a recording of a machine whose disk is this folder.
///
/// # Errors
/// If its folder cannot be worked in, or the system gives no thread.
pub fn record<N>(recording: &Recording, disk: &Path) -> std::io::Result<Box<dyn Tap<N>>>
where
    N: Recorded + Send + 'static,
    N::Message: Send,
    N::Timer: Send,
    N::Response: Send,
{
    std::fs::create_dir_all(&recording.folder)?;
    if recording.folder.canonicalize()?.starts_with(disk.canonicalize()?) {
        // If it was made just now, it goes again.
        let _ = std::fs::remove_dir(&recording.folder);
        return Err(std::io::Error::other("it lies within what is recorded"));
    }
    let queue = Queue { notes: Vec::new(), bytes: Vec::new(), asleep: false, over: false };
    let shared =
        Arc::new(Shared { queue: Mutex::new(queue), more: Condvar::new(), full: AtomicBool::new(false) });
    let mut writer = writer::Writer::<N>::new(recording, disk)?;
    let notes = shared.clone();
    let thread =
        std::thread::Builder::new().name("onceward-record".into()).spawn(move || writer.run(&notes))?;
    Ok(Box::new(Recorder {
        shared,
        most: recording.waiting,
        state: State::Before,
        stepping: false,
        told: Vec::new(),
        brought: None,
        owed: Owed::default(),
        writer: Some(thread),
    }))
}

impl<N: Recorded> Recorder<N> {
    /// Hands notes over that belong together, with the bytes that one of them speaks of.
    fn note(&self, notes: impl IntoIterator<Item = Note<N>>, bytes: &[u8]) {
        let mut queue = self.shared.lock();
        queue.notes.extend(notes);
        queue.bytes.extend_from_slice(bytes);
        if queue.asleep {
            drop(queue);
            self.shared.more.notify_one();
        }
    }

    /// Whether steps must be left out.
    fn overrun(&self) -> bool {
        self.shared.lock().notes.len() >= self.most
    }

    fn begin(&mut self, begins: Begins, node: &N) {
        self.note([Note::Begin(begins, Box::new(node.clone()), self.owed.open())], &[]);
        self.state = State::Chunk;
    }

    /// Ends the chunk that is being written, if there is one.
    fn end(&mut self, ends: Ends) {
        if self.state == State::Before {
            return;
        }
        let mut notes = Vec::new();
        self.owed.end(&mut notes);
        notes.push(Note::End(ends));
        self.note(notes, &[]);
    }
}

impl<N: Recorded + Send + 'static> Tap<N> for Recorder<N>
where
    N::Message: Send,
    N::Timer: Send,
    N::Response: Send,
{
    fn begins(&mut self, node: &N) {
        let stepping = std::mem::take(&mut self.stepping);
        if stepping && self.state == State::Chunk && self.overrun() {
            self.state = State::Gap;
        }
        let panicked = stepping && self.state == State::Chunk;
        if panicked {
            let mut notes = Vec::new();
            self.owed.step(self.brought.take(), true, &mut notes);
            notes.push(Note::Panic(self.told.len()));
            self.note(notes, &self.told);
        }
        self.end(match self.state {
            State::Gap => Ends::Lost,
            _ if panicked => Ends::Panic,
            _ => Ends::Stop,
        });
        self.brought = None;
        self.owed.clear();
        self.begin(Begins::Boot, node);
    }

    fn input(&mut self, node: &N, clock: Clock, input: &NodeInput<N>) {
        if self.state == State::Gap {
            if self.shared.lock().notes.is_empty() {
                self.end(Ends::Gap);
                self.begin(Begins::Gap, node);
            }
        } else if self.shared.full.swap(false, Ordering::Relaxed) {
            self.end(Ends::Goes);
            self.begin(Begins::Goes, node);
        }
        self.told.clear();
        self.stepping = true;
        if let Input::Disk(op, Ok(DiskOk::Read(read))) = input
            && read.len() >= WORTH
        {
            let held = node.within(*op, read);
            if !held.is_empty() {
                let around = Ok(DiskOk::Read(around(read, &held)));
                put(&(clock, Told::<(), N::Timer, ()>::Disk(*op, around)), &mut self.told);
                self.brought = Some((Brought::Read(held), Vec::new()));
                return;
            }
        }
        // What a call asks, or was said, stands last: the bytes are those of the whole.
        put(&(clock, Told::of(input)), &mut self.told);
        let from = self.told.len();
        self.brought = match input {
            Input::Call(call, request) => {
                put(&request.bare(), &mut self.told);
                Some((Brought::Call(*call, self.told[from..].to_vec()), request.contents()))
            }
            Input::Received(conn, message) => {
                put(&message.bare(), &mut self.told);
                let shelf = node.shelf(*conn).map(|shelf| (*conn, shelf));
                Some((Brought::Word(shelf), message.contents()))
            }
            Input::Message(_, message) => {
                put(&message.bare(), &mut self.told);
                Some((Brought::Word(None), message.contents()))
            }
            Input::Closed(conn, _) => {
                let mut notes = Vec::new();
                self.owed.closed(*conn, &mut notes);
                if !notes.is_empty() {
                    self.note(notes, &[]);
                }
                None
            }
            Input::Boot | Input::Disk(..) | Input::Timer(_) | Input::Opened(_) | Input::Accepted(_) => None,
        };
    }

    fn actions(&mut self, actions: &[NodeAction<N>]) {
        if !std::mem::take(&mut self.stepping) {
            return;
        }
        if self.state == State::Chunk && self.overrun() {
            self.state = State::Gap;
        }
        let recorded = self.state == State::Chunk;
        let mut notes = Vec::new();
        // What is known of contents by now goes first: whoever finds the step, of a killed process too, finds it there.
        self.owed.step(self.brought.take(), recorded, &mut notes);
        if recorded {
            notes.push(Note::Step(self.told.len(), actions.to_vec()));
        }
        self.owed.answered(actions, &mut notes);
        if !notes.is_empty() {
            self.note(notes, if recorded { &self.told } else { &[] });
        }
    }
}

/// It is not worth while to look for contents in fewer bytes.
const WORTH: usize = 256;

/// What stands around contents.
fn around(read: &Bytes, held: &[Held]) -> Bytes {
    let mut around = Vec::new();
    let mut from = 0;
    for Held { at, len, .. } in held {
        around.extend_from_slice(read.get(from..*at as usize).unwrap_or_default());
        from = *at as usize + *len as usize;
    }
    around.extend_from_slice(read.get(from..).unwrap_or_default());
    around.into()
}

impl<N: Recorded> Drop for Recorder<N> {
    fn drop(&mut self) {
        self.end(if self.state == State::Gap { Ends::Lost } else { Ends::Stop });
        self.shared.lock().over = true;
        self.shared.more.notify_one();
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has been printed by then.
            let _ = writer.join();
        }
    }
}
