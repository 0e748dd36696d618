//! The broker's machine in production: a thread of its own that steps it and hands its words to the connections, beside
//! those that perform its disk operations. Decides who waits when there is too much to do; what is said on a connection is not its
//! business.
//!
//! Invariants: words for the machine are taken in the order in which they came; at most [`INBOX`] of them wait, and at
//! most [`CALLS`] calls; a connection that the machine has closed, or that a new incarnation does not know, ends for its
//! client, too. A machine that has panicked too often is not started again: [`Backend::dead`] says so.

use super::connections::{Connections, NetPort, Sink};
use super::disk::DiskThreads;
use crate::driver::call::{Call, Lost};
use crate::driver::engine::{Engine, Waiting};
use crate::driver::files::Files;
use crate::driver::metrics::Metrics;
use crate::driver::port::{HostPort, nanos};
use crate::driver::record::Recorder;
use crate::driver::supervise::{Restart, Supervisor};
use crate::driver::tap::Tap;
use onceward_core::broker::api::{Message, Request, Response};
use onceward_core::{CallId, ClientId, Closed, ConnId, Input, Mono, Node};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Words of clients that wait for the machine; who has more to say waits.
const INBOX: usize = 4096;
/// Calls that wait for the machine; more are refused.
const CALLS: usize = 4096;

/// What the gRPC side needs of the machine's side.
pub(crate) trait Backend: Send + Sync {
    /// Asks.
    fn call(&self, request: Request) -> Call<Response>;
    /// A client has opened a connection.
    fn open(&self, sink: Sink) -> ConnId;
    /// Room for one word, to be had before it is said.
    fn room(&self) -> Arc<Semaphore>;
    /// A client says something; the room is given back once the machine has heard it.
    fn received(&self, conn: ConnId, message: Message, room: Option<OwnedSemaphorePermit>);
    /// A client is gone. Told twice, or of a connection that is over already, it does nothing.
    fn closed(&self, conn: ConnId, how: Closed);
    /// Becomes true when the machine has stopped for good by itself.
    fn dead(&self) -> watch::Receiver<bool>;
}

enum Incoming {
    Opened(ConnId),
    Received(ConnId, Message, Option<OwnedSemaphorePermit>),
    Closed(ConnId, Closed),
}

struct Inbox<N: Node> {
    incoming: Vec<Incoming>,
    calls: Vec<Waiting<N>>,
    count: u64,
    /// A disk operation was performed since the machine last had a turn.
    performed: bool,
    stopping: bool,
}

struct Shared<N: Node> {
    inbox: Mutex<Inbox<N>>,
    changed: Condvar,
    connections: Connections,
    room: Arc<Semaphore>,
    origin: Instant,
    dead: watch::Sender<bool>,
}

/// A broker that lives in this process. Dropping it stops it as a crash would.
pub(crate) struct Host<N: Node> {
    shared: Arc<Shared<N>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<N: Node> std::fmt::Debug for Host<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl<N> Host<N>
where
    N: Node<Message = Message, Request = Request, Response = Response> + Send + 'static,
    N::Timer: Send,
{
    /// Starts a machine on a folder. `make` gives that of each incarnation; `tap` sees every step of them.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(
        files: Files,
        metrics: Arc<dyn Metrics>,
        recorder: Option<&Arc<dyn Recorder>>,
        make: impl FnMut() -> N + Send + 'static,
        tap: Option<Box<dyn Tap<N>>>,
    ) -> std::io::Result<Host<N>> {
        let origin = Instant::now();
        let connections = Connections::default();
        let inbox =
            Inbox { incoming: Vec::new(), calls: Vec::new(), count: 0, performed: false, stopping: false };
        let shared = Arc::new(Shared {
            inbox: Mutex::new(inbox),
            changed: Condvar::new(),
            connections: connections.clone(),
            room: Arc::new(Semaphore::new(INBOX)),
            origin,
            dead: watch::Sender::new(false),
        });
        let woken = shared.clone();
        let disk = DiskThreads::start(files, &metrics, recorder, move || woken.performed())?;
        let port = NetPort { disk: HostPort::on(disk, origin, metrics.clone()), connections };
        let mut engine = Engine::new(make, port, Supervisor::new(Restart::default()), metrics);
        if let Some(tap) = tap {
            engine.tap(tap);
        }
        let led = shared.clone();
        let thread = std::thread::Builder::new().name("onceward".into()).spawn(move || led.run(engine))?;
        Ok(Host { shared, thread: Mutex::new(Some(thread)) })
    }
}

impl<N: Node> Host<N> {
    /// Stops stepping the machine, as a crash would, and frees the folder. A second time it does nothing.
    pub(crate) fn stop(&self) {
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.shared.lock().stopping = true;
        self.shared.changed.notify_one();
        // The machine's panics are caught before; one of the thread itself has nothing to add here.
        let _ = thread.join();
    }
}

impl<N: Node> Drop for Host<N> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<N> Backend for Host<N>
where
    N: Node<Message = Message, Request = Request, Response = Response> + Send,
    N::Timer: Send,
{
    fn call(&self, request: Request) -> Call<Response> {
        let mut inbox = self.shared.lock();
        inbox.count += 1;
        let (waiting, call) = Waiting::new(CallId { client: ClientId(0), number: inbox.count }, request);
        // Whoever stops the machine must be heard in any case.
        if inbox.stopping {
            waiting.refuse(Lost::Closed);
        } else if inbox.calls.len() >= CALLS {
            waiting.refuse(Lost::Overloaded);
        } else {
            inbox.calls.push(waiting);
            self.shared.changed.notify_one();
        }
        call
    }

    fn open(&self, sink: Sink) -> ConnId {
        let conn = self.shared.connections.add(sink);
        self.shared.tell(Incoming::Opened(conn));
        conn
    }

    fn room(&self) -> Arc<Semaphore> {
        self.shared.room.clone()
    }

    fn received(&self, conn: ConnId, message: Message, room: Option<OwnedSemaphorePermit>) {
        self.shared.tell(Incoming::Received(conn, message, room));
    }

    fn closed(&self, conn: ConnId, how: Closed) {
        self.shared.tell(Incoming::Closed(conn, how));
    }

    fn dead(&self) -> watch::Receiver<bool> {
        self.shared.dead.subscribe()
    }
}

impl<N: Node> Shared<N> {
    fn lock(&self) -> MutexGuard<'_, Inbox<N>> {
        // Nothing under this lock can panic half-way.
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, what: Incoming) {
        self.lock().incoming.push(what);
        self.changed.notify_one();
    }

    fn performed(&self) {
        self.lock().performed = true;
        self.changed.notify_one();
    }

    fn now(&self) -> Mono {
        Mono(nanos(self.origin.elapsed()))
    }
}

impl<N: Node<Message = Message>> Shared<N> {
    /// The machine's thread.
    fn run<F: FnMut() -> N>(&self, mut engine: Engine<N, NetPort, F>) {
        let (mut incoming, mut calls) = (Vec::new(), Vec::new());
        let mut more = true;
        let mut due: Option<Mono> = None;
        while self.wait(more, due, &mut incoming, &mut calls) {
            for what in incoming.drain(..) {
                // What belongs to a connection that is over is not for a machine that may have forgotten it.
                match what {
                    Incoming::Opened(conn) if self.connections.has(conn) => {
                        engine.push(Input::Accepted(conn));
                    }
                    Incoming::Received(conn, message, _room) if self.connections.has(conn) => {
                        engine.push(Input::Received(conn, message));
                    }
                    Incoming::Closed(conn, how) if self.connections.remove(conn) => {
                        engine.push(Input::Closed(conn, how));
                    }
                    Incoming::Opened(_) | Incoming::Received(..) | Incoming::Closed(..) => {}
                }
            }
            let turn = engine.turn(&mut calls);
            if engine.stopped() {
                self.connections.clear();
                self.dead.send_replace(true);
            }
            (more, due) = (turn.more, turn.next);
        }
        engine.end();
        self.connections.clear();
    }

    /// Waits until there is something to do, and takes it. False once the host is stopped.
    fn wait(
        &self,
        more: bool,
        due: Option<Mono>,
        incoming: &mut Vec<Incoming>,
        calls: &mut Vec<Waiting<N>>,
    ) -> bool {
        let mut inbox = self.lock();
        loop {
            if inbox.stopping {
                for waiting in inbox.calls.drain(..) {
                    waiting.refuse(Lost::Closed);
                }
                return false;
            }
            if more || inbox.performed || !inbox.incoming.is_empty() || !inbox.calls.is_empty() {
                break;
            }
            inbox = match due {
                None => self.changed.wait(inbox).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let left = at.since(self.now());
                    if left.0 == 0 {
                        break;
                    }
                    let woken = self.changed.wait_timeout(inbox, Duration::from_nanos(left.0));
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        inbox.performed = false;
        std::mem::swap(&mut inbox.incoming, incoming);
        std::mem::swap(&mut inbox.calls, calls);
        true
    }
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
