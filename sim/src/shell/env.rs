//! What lies between the simulated world and the nodes that run as tasks: for each node a room with what it is to be
//! given, and one list of everything that nodes tell. Both sides wake each other; this module decides nothing.
//! Invariant: what a node tells stays in the order in which it happened there.

use super::spy::Spied;
use crate::pane::Pane;
use madsim::time::{Sleep, TimeHandle};
use onceward::driver::{Turn, call::Lost, engine::Waiting};
use onceward_core::{CallId, Clock, DiskResult, NodeAction, NodeId, NodeInput, OpId};
use onceward_model::world::{Clocks, Key, Protocol, Resp, Time};
use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

/// Something that a node, or a client, has to tell.
pub(super) struct Told<P: Protocol> {
    /// Which node, and which of its processes.
    pub(super) who: (NodeId, u32),
    pub(super) what: What<P>,
}

/// What is told.
pub(super) enum What<P: Protocol> {
    /// The machine is given a call, which it may not survive.
    Saw(CallId),
    /// The machine took a step.
    Stepped { clock: Clock, input: NodeInput<P::Node>, actions: Vec<NodeAction<P::Node>> },
    /// The driver performs an action.
    Did(NodeAction<P::Node>),
    /// The driver has taken these completions.
    Handed(Vec<OpId>),
    /// The driver has done a turn.
    Turned(Turn),
    /// The driver starts over after a panic, and nothing that it asked for is wanted any more.
    Abandoned,
    /// The machine has panicked.
    Panicked,
    /// A client has an answer, or knows that it will have none.
    Answered(CallId, Result<Resp<P>, Lost>),
}

/// What one node is to be given.
pub(super) struct Room<P: Protocol> {
    /// How often its process was started.
    pub(super) process: u32,
    pub(super) config: u8,
    pub(super) clocks: Clocks,
    pub(super) completed: VecDeque<(OpId, DiskResult)>,
    pub(super) inputs: VecDeque<NodeInput<P::Node>>,
    pub(super) calls: Vec<Waiting<Spied<P>>>,
    /// Something else has changed: its clocks.
    pub(super) nudged: bool,
    pub(super) machine: Option<Pane<P::Node>>,
    waker: Option<Waker>,
    draws: u32,
}

impl<P: Protocol> Room<P> {
    fn has_news(&self) -> bool {
        self.nudged || !(self.completed.is_empty() && self.inputs.is_empty() && self.calls.is_empty())
    }

    /// Empties the room for a new process.
    pub(super) fn vacate(&mut self) {
        self.completed.clear();
        self.inputs.clear();
        self.calls.clear();
        self.machine = None;
        self.waker = None;
    }

    /// Has the node look at its room.
    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

struct State<P: Protocol> {
    told: Vec<Told<P>>,
    main: Option<Waker>,
    rooms: Vec<Room<P>>,
}

/// What lies between the world and the nodes.
pub(super) struct Env<P: Protocol> {
    time: TimeHandle,
    seed: u64,
    state: Mutex<State<P>>,
}

impl<P: Protocol> Env<P> {
    pub(super) fn new(seed: u64, nodes: u16) -> Env<P> {
        let room = |_| Room {
            process: 0,
            config: 0,
            clocks: Clocks::new(),
            completed: VecDeque::new(),
            inputs: VecDeque::new(),
            calls: Vec::new(),
            nudged: false,
            machine: None,
            waker: None,
            draws: 0,
        };
        let state = State { told: Vec::new(), main: None, rooms: (0..nodes).map(room).collect() };
        Env { time: TimeHandle::current(), seed, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State<P>> {
        // Nothing under this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True time.
    pub(super) fn now(&self) -> Time {
        Time(u64::try_from(self.time.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// A sleep that can be set to any moment.
    pub(super) fn sleep(&self) -> Pin<Box<Sleep>> {
        Box::pin(self.time.sleep(Duration::ZERO))
    }

    /// Sets a sleep to a moment.
    pub(super) fn set(&self, sleep: &mut Pin<Box<Sleep>>, at: Time) {
        let left = Duration::from_nanos(at.since(self.now()).0);
        sleep.as_mut().reset(self.time.now_instant() + left);
    }

    /// Does something with a node's room.
    pub(super) fn room<R>(&self, node: NodeId, with: impl FnOnce(&mut Room<P>) -> R) -> R {
        with(&mut self.lock().rooms[usize::from(node.0)])
    }

    /// A node's clocks, now.
    pub(super) fn clock(&self, node: NodeId) -> Clock {
        let now = self.now();
        self.room(node, |room| room.clocks.read(now))
    }

    /// A key that a node draws from, another one each time.
    pub(super) fn draw(&self, node: NodeId) -> Key {
        let seed = self.seed;
        self.room(node, |room| {
            room.draws = room.draws.wrapping_add(1);
            Key::root(seed, super::root::DRAW + u64::from(node.0)).child(room.draws)
        })
    }

    /// Tells the engine something.
    pub(super) fn tell(&self, who: (NodeId, u32), what: What<P>) {
        let mut state = self.lock();
        state.told.push(Told { who, what });
        if let Some(waker) = state.main.take() {
            waker.wake();
        }
    }

    /// Lets a machine be looked at.
    pub(super) fn show(&self, (node, process): (NodeId, u32), pane: Pane<P::Node>) {
        self.room(node, |room| {
            if room.process == process {
                room.machine = Some(pane);
            }
        });
    }

    /// Takes what was told.
    pub(super) fn told(&self) -> Vec<Told<P>> {
        std::mem::take(&mut self.lock().told)
    }

    /// Waits, as the engine, until something is told or the time has come.
    pub(super) async fn until_told(&self, sleep: &mut Pin<Box<Sleep>>, at: Time) {
        self.set(sleep, at);
        poll_fn(|context| {
            let mut state = self.lock();
            if !state.told.is_empty() {
                return Poll::Ready(());
            }
            state.main = Some(context.waker().clone());
            drop(state);
            sleep.as_mut().poll(context)
        })
        .await;
    }

    /// Waits, as a node, until there is news in its room or the time has come.
    pub(super) async fn until_news(&self, node: NodeId, sleep: &mut Pin<Box<Sleep>>, at: Option<Time>) {
        if let Some(at) = at {
            self.set(sleep, at);
        }
        poll_fn(|context| {
            let news = self.room(node, |room| {
                room.waker = Some(context.waker().clone());
                room.has_news()
            });
            match at {
                _ if news => Poll::Ready(()),
                Some(_) => sleep.as_mut().poll(context),
                None => Poll::Pending,
            }
        })
        .await;
    }

    /// Waits until the time has come.
    pub(super) async fn nap(&self, sleep: &mut Pin<Box<Sleep>>, at: Time) {
        self.set(sleep, at);
        sleep.as_mut().await;
    }
}
