//! The driver in production: threads, files and callers around one node. Decides which thread steps the machine and
//! when; what the machine does is its own business.
//!
//! One thread at a time *leads*: it owns the driver, steps the machine and performs its disk operations. A thread
//! that asks and finds nobody leading leads until its own call is answered or there is nothing to do, so that a
//! single caller pays for no switch of threads. Whoever finds somebody leading leaves its call in the inbox and
//! waits. When a leader goes and there is work left, or a timer to be waited for, the host's own background thread
//! leads. Calls with a deadline never lead: a leader can be held up by the device for as long as the device likes
//! (PEERS-B33).
//!
//! Invariants: at most one leader; nothing waits in the inbox while nobody leads and the background thread was not
//! woken; a call is answered exactly once, by the machine or with a [`Lost`]; the inbox is bounded.

use super::call::{Call, Lost, Slot};
use super::deadlines::Deadlines;
use super::engine::{Engine, Waiting};
use super::files::Files;
use super::metrics::{Metrics, NoMetrics};
use super::port::{HostPort, nanos};
use super::record::Recorder;
use super::supervise::{Restart, Supervisor};
use super::tap::Tap;
use onceward_core::{CallId, ClientId, Dur, Mono, Never, Node};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How a node is hosted.
#[derive(Clone)]
pub struct Options {
    /// How many panics are forgiven.
    pub restart: Restart,
    /// How many calls may wait before they are taken in; more are refused with [`Lost::Overloaded`].
    pub inbox: usize,
    /// Who is told of measurements.
    pub metrics: Arc<dyn Metrics>,
    /// Who is told of every file operation.
    pub recorder: Option<Arc<dyn Recorder>>,
}

impl Default for Options {
    fn default() -> Options {
        Options { restart: Restart::default(), inbox: 65_536, metrics: Arc::new(NoMetrics), recorder: None }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("restart", &self.restart)
            .field("inbox", &self.inbox)
            .finish_non_exhaustive()
    }
}

/// A node that lives in this process and can be called from any thread. Dropping it is [`Host::stop`].
pub struct Host<N: Node<Message = Never>> {
    shared: Arc<Shared<N>>,
    deadlines: Deadlines<N::Response>,
    background: Mutex<Option<JoinHandle<()>>>,
}

struct Shared<N: Node> {
    inbox: Mutex<Inbox<N>>,
    /// The background thread waits here.
    background: Condvar,
    /// Locked by the leader only.
    led: Mutex<Led<N>>,
    age: fn(&mut N::Request, Dur),
    origin: Instant,
    bound: usize,
}

struct Led<N: Node> {
    engine: Engine<N, HostPort, Box<dyn FnMut() -> N + Send>>,
    /// Calls on their way from the inbox to the engine; both are empty between two turns.
    taken: Vec<(Mono, Waiting<N>)>,
    calls: Vec<Waiting<N>>,
}

struct Inbox<N: Node> {
    /// Calls, and when each was made.
    calls: Vec<(Mono, Waiting<N>)>,
    /// How many calls there were: each one's number is its own.
    count: u64,
    leading: bool,
    /// The last leader went although there was more to do.
    left_over: bool,
    /// When the machine's first timer is due, as the last leader left it.
    due: Option<Mono>,
    /// The background thread sleeps and will wake up by itself at this time: `None` if it does not sleep, or has
    /// nothing to wake up for.
    alarm: Option<Mono>,
    stopping: bool,
}

impl<N: Node<Message = Never>> std::fmt::Debug for Host<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl<N> Host<N>
where
    N: Node<Message = Never> + Send + 'static,
    N::Timer: Send,
    N::Request: Send,
    N::Response: Send,
{
    /// Starts a node on a folder. `make` gives the node of each incarnation. `age` is told how long a request has waited
    /// before the node sees it: to shorten a deadline that it carries.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        files: Files,
        options: Options,
        age: fn(&mut N::Request, Dur),
        make: impl FnMut() -> N + Send + 'static,
    ) -> std::io::Result<Host<N>> {
        Host::start_tapped(files, options, age, make, None)
    }

    /// Like [`Host::start`], and lets somebody see every step of the node.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start_tapped(
        files: Files,
        options: Options,
        age: fn(&mut N::Request, Dur),
        make: impl FnMut() -> N + Send + 'static,
        tap: Option<Box<dyn Tap<N>>>,
    ) -> std::io::Result<Host<N>> {
        let origin = Instant::now();
        let port = HostPort::new(files, origin, options.metrics.clone(), options.recorder);
        let mut engine =
            Engine::new(Box::new(make) as Box<_>, port, Supervisor::new(options.restart), options.metrics);
        if let Some(tap) = tap {
            engine.tap(tap);
        }
        let inbox = Inbox {
            calls: Vec::new(),
            count: 0,
            leading: false,
            left_over: true,
            due: None,
            alarm: None,
            stopping: false,
        };
        let shared = Arc::new(Shared {
            inbox: Mutex::new(inbox),
            background: Condvar::new(),
            led: Mutex::new(Led { engine, taken: Vec::new(), calls: Vec::new() }),
            age,
            origin,
            bound: options.inbox,
        });
        let background = shared.clone();
        let thread = std::thread::Builder::new().name("onceward".into()).spawn(move || background.run())?;
        Ok(Host { shared, deadlines: Deadlines::new(), background: Mutex::new(Some(thread)) })
    }

    /// Asks, to be answered later; the work is done by other threads.
    pub fn call(&self, request: N::Request) -> Call<N::Response> {
        let slot = Slot::new();
        self.shared.enqueue(request, &slot, false);
        Call::new(slot)
    }

    /// Like [`Host::call`], and answered [`Lost::Late`] at the deadline if nothing else came before.
    pub fn call_by(&self, request: N::Request, deadline: Instant) -> Call<N::Response> {
        let slot = Slot::new();
        if let Err(error) = self.deadlines.watch(deadline, &slot) {
            tracing::error!(%error, "no thread to watch deadlines: refused");
            slot.answer(Err(Lost::Overloaded));
        } else {
            self.shared.enqueue(request, &slot, false);
        }
        Call::new(slot)
    }

    /// Asks and blocks until the answer is there; this thread does the work if no other does.
    ///
    /// # Errors
    /// If the machine gave no answer.
    pub fn ask(&self, request: N::Request) -> Result<N::Response, Lost> {
        let slot = Slot::new();
        if self.shared.enqueue(request, &slot, true) {
            self.shared.lead(Some(&slot));
        }
        Call::new(slot).wait()
    }

    /// Asks and blocks until the answer is there or the deadline has come.
    ///
    /// # Errors
    /// If the machine gave no answer in time.
    pub fn ask_by(&self, request: N::Request, deadline: Instant) -> Result<N::Response, Lost> {
        self.call(request).wait_until(deadline)
    }
}

impl<N: Node<Message = Never>> Host<N> {
    /// Stops stepping the node, as a crash would: whatever the machine had not asked for is not done. Calls under way
    /// are answered [`Lost::Stopped`], later ones [`Lost::Closed`]. Returns when nothing of it runs and the folder is
    /// free. A second time it does nothing.
    pub fn stop(&self) {
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = background.take() else { return };
        self.shared.lock().stopping = true;
        self.shared.background.notify_one();
        // The machine's panics are caught before; one of the thread itself has nothing to add here.
        let _ = thread.join();
    }
}

impl<N: Node<Message = Never>> Drop for Host<N> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<N: Node<Message = Never>> Shared<N> {
    fn lock(&self) -> MutexGuard<'_, Inbox<N>> {
        // Nothing under this lock can panic half-way.
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Mono {
        Mono(nanos(self.origin.elapsed()))
    }

    /// Leaves a call for the leader. Whether the caller is that leader now, which it must have offered to be.
    fn enqueue(&self, request: N::Request, caller: &Arc<Slot<N::Response>>, would_lead: bool) -> bool {
        let mut inbox = self.lock();
        let refused = if inbox.stopping {
            Some(Lost::Closed)
        } else if inbox.calls.len() >= self.bound {
            Some(Lost::Overloaded)
        } else {
            None
        };
        if let Some(why) = refused {
            drop(inbox);
            caller.answer(Err(why));
            return false;
        }
        inbox.count += 1;
        let call = CallId { client: ClientId(0), number: inbox.count };
        inbox.calls.push((self.now(), Waiting { call, request, caller: caller.clone() }));
        if inbox.leading {
            return false;
        }
        if would_lead {
            inbox.leading = true;
        } else {
            drop(inbox);
            self.background.notify_one();
        }
        would_lead
    }

    /// The background thread.
    fn run(&self) {
        let mut inbox = self.lock();
        loop {
            if !inbox.leading {
                let now = self.now();
                let due = inbox.due.is_some_and(|at| at <= now);
                if inbox.stopping {
                    inbox.leading = true;
                    drop(inbox);
                    return self.end();
                }
                if inbox.left_over || due || !inbox.calls.is_empty() {
                    inbox.leading = true;
                    drop(inbox);
                    self.lead(None);
                    inbox = self.lock();
                    continue;
                }
                if let Some(at) = inbox.due {
                    inbox.alarm = Some(at);
                    let left = Duration::from_nanos(at.since(now).0);
                    inbox =
                        self.background.wait_timeout(inbox, left).unwrap_or_else(PoisonError::into_inner).0;
                    inbox.alarm = None;
                    continue;
                }
            }
            // Whoever leads wakes this thread when there is something for it.
            inbox = self.background.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Steps the machine until `mine` is answered or there is nothing to do. To be called by whoever has set
    /// `leading`, which is cleared again.
    fn lead(&self, mine: Option<&Slot<N::Response>>) {
        let mut led = self.led.lock().unwrap_or_else(PoisonError::into_inner);
        let Led { engine, taken, calls } = &mut *led;
        loop {
            std::mem::swap(&mut self.lock().calls, taken);
            if !taken.is_empty() {
                let now = self.now();
                // What was given up before anybody saw it need not be done.
                for (asked, mut waiting) in taken.drain(..).filter(|(_, waiting)| waiting.caller.is_open()) {
                    (self.age)(&mut waiting.request, now.since(asked));
                    calls.push(waiting);
                }
            }
            let turn = engine.turn(calls);
            let served = mine.is_some_and(|slot| !slot.is_open());
            let mut inbox = self.lock();
            if !served && !inbox.stopping && (turn.more || !inbox.calls.is_empty()) {
                continue;
            }
            inbox.leading = false;
            inbox.left_over = turn.more;
            inbox.due = turn.next;
            if mine.is_some() {
                let sooner = turn.next.is_some_and(|at| inbox.alarm.is_none_or(|alarm| at < alarm));
                if inbox.stopping || inbox.left_over || sooner || !inbox.calls.is_empty() {
                    drop(inbox);
                    self.background.notify_one();
                }
            }
            return;
        }
    }

    /// Takes the node down and answers everybody.
    fn end(&self) {
        self.led.lock().unwrap_or_else(PoisonError::into_inner).engine.end();
        let calls = std::mem::take(&mut self.lock().calls);
        for (_, waiting) in calls {
            waiting.caller.answer(Err(Lost::Closed));
        }
    }
}
