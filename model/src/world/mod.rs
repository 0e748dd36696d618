//! The world that machines live in: one transition system in which everything nondeterministic is a [`Choice`] by
//! value. [`World::enabled`] lists the choices of a bounded scope, [`World::apply`] performs one; checker, simulator,
//! fuzzer and replay share that one `apply`, so that nothing needs translation between them.
//!
//! The world never draws a random number, never reads a clock and never judges whether a fault is fair: a scheduler
//! gives the time of each step, a scope gives the budgets. Invariants: equal states behave alike under equal choices;
//! `apply` leaves the state untouched when it answers anything but [`Applied::Done`]; every possibility that a step
//! brings about is reported to the [`Sink`] once.

mod apply;
pub mod choice;
pub mod clock;
pub mod disk;
mod host;
mod ignored;
mod key;
mod net;
mod offers;
mod outside;
pub mod protocol;
mod sink;
mod ticks;

pub use apply::ANSWERED_ONCE;
pub use choice::{Choice, Side};
pub use clock::{ClockChange, Clocks, EPOCH, Time};
pub use disk::{Disk, Geometry, Landed};
pub use host::{Armed, Host};
pub use ignored::Ignored;
pub use key::Key;
pub use net::{Conn, End, Item, Link, Net};
pub use offers::{Bound, Budget, CUT_POINTS, Reductions, Resource, Scope, Script, Spent, UNLIMITED};
pub use protocol::{ChoiceOf, Event, Msg, PROBER, Protocol, Req, Resp, Seen, Timer, Violation, client_name};
pub use sink::{Nobody, Sink, When};

use onceward_core::{CallId, Clock, NodeId};
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// A cluster with everything around it.
pub struct World<P: Protocol> {
    protocol: Arc<P>,
    hosts: Vec<Arc<Host<P::Node>>>,
    net: Net<Msg<P>>,
    ghost: P::Ghost,
    /// Calls that may still be answered, sorted.
    calls: Vec<(CallId, NodeId)>,
    /// What a scope's budgets were used for, and how far its script has come.
    spent: Spent,
    /// The true time of a scope in which time passes in ticks; without, timers fire whenever they like.
    now: Option<Time>,
    step: Ignored<u64>,
    scratch: Ignored<Vec<onceward_core::NodeAction<P::Node>>>,
    /// What machines that live elsewhere are to be given; none in a world that has its own.
    outside: Option<Vec<(NodeId, onceward_core::NodeInput<P::Node>)>>,
}

/// What became of an attempt to perform a choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// It happened.
    Done,
    /// It cannot happen any more: what it names is gone.
    Stale,
    /// It cannot happen now, but may later: the process is paused, the link is held, the timer is not due.
    Blocked,
}

impl<P: Protocol> World<P> {
    /// All nodes down, disks empty, nothing under way. `memory`: how many delivered datagrams the network keeps for
    /// replays.
    pub fn new(protocol: Arc<P>, memory: usize) -> World<P> {
        let hosts = (0..protocol.nodes())
            .map(|n| Arc::new(Host::new(Disk::new(protocol.geometry(NodeId(n))))))
            .collect();
        World {
            hosts,
            net: Net::new(memory),
            ghost: protocol.ghost(),
            calls: Vec::new(),
            spent: Spent::default(),
            now: None,
            step: Ignored(0),
            scratch: Ignored(Vec::new()),
            outside: None,
            protocol,
        }
    }

    /// What is hosted.
    pub fn protocol(&self) -> &Arc<P> {
        &self.protocol
    }

    /// The observed history.
    pub fn ghost(&self) -> &P::Ghost {
        &self.ghost
    }

    /// One computer.
    ///
    /// # Panics
    /// If there is no such node: a number that the protocol itself gave is in range.
    pub fn host(&self, node: NodeId) -> &Host<P::Node> {
        &self.hosts[usize::from(node.0)]
    }

    /// A computer, if there is one of that number.
    pub fn get(&self, node: NodeId) -> Option<&Host<P::Node>> {
        self.hosts.get(usize::from(node.0)).map(|host| &**host)
    }

    /// All computers, in order.
    pub fn hosts(&self) -> impl Iterator<Item = (NodeId, &Host<P::Node>)> {
        self.hosts.iter().enumerate().map(|(n, host)| (NodeId(n as u16), &**host))
    }

    /// The network.
    pub fn net(&self) -> &Net<Msg<P>> {
        &self.net
    }

    /// Calls that may still be answered, with the node that was called.
    pub fn calls(&self) -> &[(CallId, NodeId)] {
        &self.calls
    }

    /// What was used of a scope's budgets.
    pub fn spent(&self) -> &Spent {
        &self.spent
    }

    /// How many choices were performed.
    pub fn steps(&self) -> u64 {
        *self.step
    }

    /// What a node's clocks show at a true time.
    #[inline]
    pub fn clock(&self, node: NodeId, at: Time) -> Clock {
        self.host(node).clocks.read(at)
    }

    /// Judges the whole state; see [`Protocol::check`].
    pub fn check(&self) -> Result<(), Violation> {
        self.protocol.check(&self.ghost, self)
    }

    /// See [`Protocol::settled`].
    pub fn settled(&self) -> bool {
        self.protocol.settled(&self.ghost, self)
    }

    fn host_mut(&mut self, node: NodeId) -> &mut Host<P::Node> {
        Arc::make_mut(&mut self.hosts[usize::from(node.0)])
    }
}

impl<P: Protocol> Clone for World<P> {
    fn clone(&self) -> Self {
        World {
            protocol: Arc::clone(&self.protocol),
            hosts: self.hosts.clone(),
            net: self.net.clone(),
            ghost: self.ghost.clone(),
            calls: self.calls.clone(),
            spent: self.spent.clone(),
            now: self.now,
            step: self.step,
            scratch: Ignored(Vec::new()),
            outside: self.outside.clone(),
        }
    }
}

impl<P: Protocol> PartialEq for World<P> {
    fn eq(&self, other: &Self) -> bool {
        self.spent == other.spent
            && self.calls == other.calls
            && self.net == other.net
            && self.ghost == other.ghost
            && self.hosts == other.hosts
            && self.now == other.now
            && self.deadlines().eq(other.deadlines())
    }
}

impl<P: Protocol> Eq for World<P> {}

impl<P: Protocol> Hash for World<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hosts.hash(state);
        self.net.hash(state);
        self.ghost.hash(state);
        self.calls.hash(state);
        self.spent.hash(state);
        if let Some(now) = self.now {
            now.hash(state);
            self.deadlines().for_each(|due| due.hash(state));
        }
    }
}

impl<P: Protocol> fmt::Debug for World<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("hosts", &self.hosts)
            .field("net", &self.net)
            .field("ghost", &self.ghost)
            .field("calls", &self.calls)
            .field("spent", &self.spent)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
