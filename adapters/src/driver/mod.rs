//! The driver: what feeds a [`Node`] its inputs and performs its actions, written once over a small [`Port`].
//!
//! It decides the order of inputs that are ready at the same moment and draws timers from their windows; it decides
//! nothing else. It never reads a clock, blocks, spawns or touches a file: the port does, and differs between
//! production ([`host`]: threads and files) and a simulation (virtual time and fault models).
//!
//! The contract is that of `onceward_core`'s crate documentation. How it is kept:
//!
//! 1. `Boot` is stepped by the first turn of a driver, before anything else; a driver is one incarnation.
//! 2. Actions are handed to the port in the order given, before the next input is stepped. The port owes one
//!    completion per operation and starts operations of one file in order.
//! 3. [`timers`] holds at most one deadline per name.
//! 4. A port's monotonic clock that goes back is held at the highest value seen.
//! 5. Dropping the driver leaves nothing: what the port still has under way is abandoned by [`Port::abandon`].
//!
//! Calls that wait are all stepped before completions are: whoever is there when a sync returns joins the group that
//! its completion starts.

mod answers;
pub mod call;
mod deadlines;
pub mod engine;
pub mod files;
pub mod host;
pub mod metrics;
pub(crate) mod port;
mod queue;
pub mod record;
#[cfg(feature = "streams")]
pub mod streams;
pub mod supervise;
pub mod tap;
pub mod timers;

use crate::mutants::mutant;
use onceward_core::{
    Action, CallId, Clock, ConnId, DiskOp, DiskResult, Input, Mark, Mono, Node, NodeAction, NodeId,
    NodeInput, OpId,
};
use std::collections::VecDeque;
use tap::Tap;
use timers::Timers;

/// What a driver needs of the outside world.
pub trait Port<N: Node> {
    /// Both clocks, now. Read once for each step.
    fn now(&mut self) -> Clock;

    /// 64 random bits, for drawing a timer from its window.
    fn entropy(&mut self) -> u64;

    /// Accepts a disk operation. It need not be done, nor begun, when this returns.
    fn disk(&mut self, id: OpId, op: DiskOp);

    /// Appends what is completed and was not yet taken. May do part of the work that [`Port::disk`] accepted, and
    /// may block for it; must not block when there is nothing to be done.
    fn completions(&mut self, into: &mut Vec<(OpId, DiskResult)>);

    /// Whether [`Port::completions`] would find anything to do or to hand over.
    fn ready(&self) -> bool;

    /// Hands an answer to whoever called. A port under an [`engine::Engine`] gets the answers that nobody waits for.
    fn reply(&mut self, call: CallId, response: N::Response);

    /// Performs a network action.
    fn network(&mut self, action: Outgoing<N::Message>);

    /// Counts a mark.
    fn mark(&mut self, mark: Mark);

    /// The incarnation is over. Returns once nothing of what it asked for runs or will be started, and forgets it.
    fn abandon(&mut self);
}

/// A network action of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outgoing<M> {
    /// See [`Action::Send`].
    Send(NodeId, M),
    /// See [`Action::Connect`].
    Connect(NodeId, u32),
    /// See [`Action::Write`].
    Write(ConnId, M),
    /// See [`Action::Close`].
    Close(ConnId),
}

/// One incarnation of a node together with its port.
pub struct Driver<N: Node, P> {
    node: N,
    port: P,
    timers: Timers<N::Timer>,
    inputs: VecDeque<NodeInput<N>>,
    actions: Vec<NodeAction<N>>,
    completed: Vec<(OpId, DiskResult)>,
    booted: bool,
    latest: Mono,
    tap: Option<Box<dyn Tap<N>>>,
}

/// What a turn did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    /// How many inputs were stepped.
    pub steps: usize,
    /// Whether another turn would find something to do at once.
    pub more: bool,
    /// When the first timer is due.
    pub next: Option<Mono>,
}

impl<N: Node, P: Port<N>> Driver<N, P> {
    /// An incarnation that has not booted yet: its first turn does that.
    pub fn new(node: N, port: P) -> Driver<N, P> {
        Driver {
            node,
            port,
            timers: Timers::new(),
            inputs: VecDeque::new(),
            actions: Vec::new(),
            completed: Vec::new(),
            booted: false,
            latest: Mono(0),
            tap: None,
        }
    }

    /// Lets somebody see every step from now on. To be called before the first turn.
    pub fn tap(&mut self, mut tap: Box<dyn Tap<N>>) {
        tap.begins(&self.node);
        self.tap = Some(tap);
    }

    /// Takes the tap off again.
    pub fn untap(&mut self) -> Option<Box<dyn Tap<N>>> {
        self.tap.take()
    }

    /// Queues a call or something that arrived from the network, for the next turn. Boot, disk completions and timers
    /// are the driver's own business and do not belong here.
    pub fn push(&mut self, input: NodeInput<N>) {
        self.inputs.push_back(input);
    }

    /// The node, to look at.
    pub fn node(&self) -> &N {
        &self.node
    }

    /// The port.
    pub fn port(&mut self) -> &mut P {
        &mut self.port
    }

    /// Ends the incarnation. Gives the port back, with nothing under way, and the inputs that were not stepped.
    pub fn end(mut self) -> (P, VecDeque<NodeInput<N>>) {
        self.port.abandon();
        (self.port, self.inputs)
    }

    /// Steps everything that is ready: what was pushed, then completions, then due timers. To be called whenever
    /// something was pushed, the port has completions, or the time of [`Turn::next`] has come; calling it more often
    /// does no harm.
    pub fn turn(&mut self) -> Turn {
        let mut steps = 0;
        if !self.booted {
            self.booted = true;
            self.step(Input::Boot);
            steps += 1;
        }
        while let Some(input) = self.inputs.pop_front() {
            self.step(input);
            steps += 1;
        }
        let mut completed = std::mem::take(&mut self.completed);
        self.port.completions(&mut completed);
        if mutant!(ForgetCompletions) {
            completed.truncate(1);
        }
        for (id, result) in completed.drain(..) {
            self.step(Input::Disk(id, result));
            steps += 1;
        }
        self.completed = completed;
        if !self.timers.is_empty() {
            let now = self.port.now().mono.max(self.latest);
            // A timer that arms itself anew for at once must not keep the turn for ever.
            for _ in 0..self.timers.len() {
                let Some(name) = self.timers.pop_due(now) else { break };
                self.step(Input::Timer(name));
                steps += 1;
            }
        }
        let next = self.timers.next();
        let more = !self.inputs.is_empty() || self.port.ready() || next.is_some_and(|at| at <= self.latest);
        Turn { steps, more, next }
    }

    fn step(&mut self, input: NodeInput<N>) {
        let mut clock = self.port.now();
        clock.mono = clock.mono.max(self.latest);
        self.latest = clock.mono;
        if let Some(tap) = &mut self.tap {
            tap.input(&self.node, clock, &input);
        }
        self.node.step(clock, input, &mut self.actions);
        if let Some(tap) = &mut self.tap {
            tap.actions(&self.actions);
        }
        if mutant!(ReverseActions) {
            self.actions.reverse();
        }
        for action in self.actions.drain(..) {
            match action {
                Action::Disk(id, op) => self.port.disk(id, op),
                Action::Reply(call, response) => self.port.reply(call, response),
                Action::Arm(name, window) => {
                    let entropy = if window.to > window.from { self.port.entropy() } else { 0 };
                    self.timers.arm(name, clock.mono, window, entropy);
                }
                Action::Disarm(name) => self.timers.disarm(name),
                Action::Mark(mark) => self.port.mark(mark),
                Action::Send(to, message) => self.port.network(Outgoing::Send(to, message)),
                Action::Connect(to, number) => self.port.network(Outgoing::Connect(to, number)),
                Action::Write(conn, message) => self.port.network(Outgoing::Write(conn, message)),
                Action::Close(conn) => self.port.network(Outgoing::Close(conn)),
            }
        }
    }
}
