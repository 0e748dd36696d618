//! What a machine is. This module fixes the shape that every engine and every driver relies on; it holds no logic.
//!
//! A [`Machine`] is anything that takes one input and pushes actions. A [`Node`] is a machine that speaks to the
//! outside world: the only kind that engines and drivers host. Parts of a node (sessions, a log, a pool) are
//! machines with inputs and actions of their own, held as plain fields; the node routes between them.

use crate::{CallId, Clock, ConnId, DiskOp, DiskResult, NodeId, OpId, Window};
use alloc::vec::Vec;
use core::{fmt::Debug, hash::Hash};

/// A pure state machine.
pub trait Machine {
    /// What can happen to it.
    type Input;
    /// What it can ask for.
    type Action;

    /// Takes one input and appends the actions that follow, in the order in which they are to be performed.
    ///
    /// Total: every input is legal in every state, and leads to actions or to none, never to a panic.
    fn step(&mut self, clock: Clock, input: Self::Input, actions: &mut Vec<Self::Action>);
}

/// The input type of a [`Node`].
pub type NodeInput<N> = Input<<N as Node>::Message, <N as Node>::Timer, <N as Node>::Request>;
/// The action type of a [`Node`].
pub type NodeAction<N> = Action<<N as Node>::Message, <N as Node>::Timer, <N as Node>::Response>;

/// A machine with a disk, a network, timers and callers.
///
/// Equality and hash must cover everything that can influence a later action: a checker takes two equal nodes for
/// one state.
pub trait Node:
    Machine<Input = NodeInput<Self>, Action = NodeAction<Self>> + Clone + Eq + Hash + Debug
{
    /// What nodes send each other. [`Never`] for a node without a network.
    type Message: Clone + Ord + Hash + Debug;
    /// Names of timers.
    type Timer: Copy + Ord + Hash + Debug;
    /// What clients ask.
    type Request: Clone + Ord + Hash + Debug;
    /// What they are answered.
    type Response: Clone + Ord + Hash + Debug;
}

/// Something that happens to a node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Input<M, T, Q> {
    /// The process has started: the first input of each incarnation.
    Boot,
    /// A disk operation is done.
    Disk(OpId, DiskResult),
    /// A datagram has arrived. It may be a duplicate, late, or out of order; it is never corrupt.
    Message(NodeId, M),
    /// A connection that this node asked for is open.
    Opened(ConnId),
    /// The named initiator has opened a connection to this node.
    Accepted(ConnId),
    /// The next message of a connection, in the order written, none missing before it.
    Received(ConnId, M),
    /// The connection is over: nothing more arrives on it, and how much of what was written did is not known.
    Closed(ConnId, Closed),
    /// A timer has fired.
    Timer(T),
    /// A client asks; it is answered by [`Action::Reply`] with the same id.
    Call(CallId, Q),
}

/// Something that a node wants done.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action<M, T, R> {
    /// Starts a disk operation.
    Disk(OpId, DiskOp),
    /// Sends a datagram: it may be lost, late, doubled or overtaken.
    Send(NodeId, M),
    /// Opens a connection to a node under a number that this node is not using; answered by [`Input::Opened`] or
    /// [`Input::Closed`], or by silence.
    Connect(NodeId, u32),
    /// Writes a message to an open connection.
    Write(ConnId, M),
    /// Ends a connection at this side. The other side learns of it after what was written before, or never.
    Close(ConnId),
    /// Starts a timer, or starts it anew.
    Arm(T, Window),
    /// Stops a timer.
    Disarm(T),
    /// Answers a call. A call is answered at most once in an incarnation.
    Reply(CallId, R),
    /// Says that an interesting place was reached. Drivers may count marks; they change nothing.
    Mark(Mark),
}

/// Why a connection is over.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Closed {
    /// The other side closed it, and everything it had written before has arrived.
    Finished,
    /// It broke.
    Reset,
    /// The other side does not answer to connections.
    Refused,
}

/// The name of an interesting place, as `sometimes` assertions name them: a batch of simulations that never
/// reaches a declared mark has proven nothing about it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Mark(pub &'static str);

/// A value that cannot exist: the message type of a node without a network.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Never {}
