//! A toy: the harness's own test subject, small enough to be explored whole, rich enough that every fault of the world
//! can break it. A server counts adds; client machines add (datagrams, retried under one number) and read (a
//! connection; the server may lend the sum, and promises to count nothing until the lease is over). This module holds
//! the vocabulary, the promises and the known bugs; the machines are in [`server`] and [`client`].
//!
//! It survives whatever loses, doubles, delays or reorders messages, breaks connections, kills processes, takes power
//! or fails disk operations with an error, as long as no clock runs at less than half the speed of another's.

pub mod client;
mod protocol;
pub mod server;
mod system;

pub use protocol::{Ghost, Toy};
pub use system::ToySystem;

use client::Client;
use onceward_core::{Clock, Machine, Node, NodeId, Wall};
use server::Server;

/// The number of the server; clients follow.
pub const SERVER: NodeId = NodeId(0);

/// What the machines say to each other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Msg {
    /// Count one more, under this number of yours.
    Add(u32),
    /// The add of that number is counted.
    Added(u32),
    /// What is the sum?
    Fetch,
    /// The sum; if leased, it stays so for the length of a lease.
    Grant {
        /// All adds so far.
        sum: u32,
        /// Whether it may be remembered.
        leased: bool,
    },
}

/// What the caller of a client machine may ask.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Request {
    /// Count one more.
    Add,
    /// How many are counted?
    Read,
    /// What does your wall clock show?
    Wall,
}

/// What it is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Response {
    /// It is counted, for good.
    Added,
    /// So many.
    Sum(u32),
    /// This.
    Wall(Wall),
    /// Nothing was done: one request at a time.
    Busy,
}

/// Names of timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// Try again.
    Retry,
    /// A lease is over.
    Lease,
}

pub(crate) type Input = onceward_core::Input<Msg, Timer, Request>;
pub(crate) type Action = onceward_core::Action<Msg, Timer, Response>;

/// Either kind of machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ToyNode {
    /// Counts.
    Server(Server),
    /// Adds and reads.
    Client(Client),
}

impl Machine for ToyNode {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, clock: Clock, input: Input, out: &mut Vec<Action>) {
        match self {
            ToyNode::Server(server) => server.step(clock, input, out),
            ToyNode::Client(client) => client.step(clock, input, out),
        }
    }
}

impl Node for ToyNode {
    type Message = Msg;
    type Timer = Timer;
    type Request = Request;
    type Response = Response;
}

onceward_core::mutants! {
    /// A known bug of the toy.
    pub enum Mutant {
        /// BUGS-B1: an add is answered when it is written, before it is durable.
        AckBeforeDurable => "reads-see-acked",
        /// A retried add is counted again.
        DuplicateNotRecognised => "adds-count-once",
        /// BUGS-C3: the late answer to an earlier add is taken for the answer to this one.
        StaleAckAccepted => "reads-see-acked",
        /// BUGS-R12: a lease is measured by a clock that may be slower than the server's.
        LeaseIgnoresDrift => "reads-see-acked",
        /// A server that starts again does not wait for the leases that it had granted before.
        LeaseForgotten => "reads-see-acked",
    }
}

/// Whether a known bug of the toy is switched on.
macro_rules! mutant {
    ($name:ident) => {
        onceward_core::mutant_in!($crate::toy::Mutant, $name)
    };
}
pub(crate) use mutant;
