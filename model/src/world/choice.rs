//! Everything nondeterministic, by value. A run of a world is a sequence of choices; a checker enumerates them, a
//! simulator and a fuzzer pick them, a file replays them. This module only names them: what each one does is in
//! [`World::apply`](super::World::apply), when it is possible in [`World::enabled`](super::World::enabled).

use super::{
    clock::ClockChange,
    disk::{Damage, Fates, Landed, Outcome},
};
use onceward_core::{CallId, ConnId, NodeId, OpId};

/// One of the two directions of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// The node that opened it.
    Initiator,
    /// The other one.
    Acceptor,
}

impl Side {
    /// The other end.
    pub fn other(self) -> Side {
        match self {
            Side::Initiator => Side::Acceptor,
            Side::Acceptor => Side::Initiator,
        }
    }
}

/// One thing that the environment does. `M`, `T` and `Q` are the messages, timers and requests of the hosted nodes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Choice<M, T, Q> {
    /// A client calls a node.
    Call(NodeId, CallId, Q),
    /// A disk operation ends, in this way.
    Disk(NodeId, OpId, Outcome),
    /// A datagram arrives (from, to).
    Deliver(NodeId, NodeId, M),
    /// The next thing that is under way on a connection arrives at this side.
    Advance(ConnId, Side),
    /// A timer fires.
    Fire(NodeId, T),
    /// A process starts, under this configuration.
    Boot(NodeId, u8),
    /// A datagram is lost.
    Drop(NodeId, NodeId, M),
    /// A datagram is doubled.
    Duplicate(NodeId, NodeId, M),
    /// A datagram that had arrived long ago arrives again.
    Replay(NodeId, NodeId, M),
    /// A datagram is damaged on its way: the receiver's checksum finds it, or it gets what
    /// [`Protocol::corrupt`](super::Protocol::corrupt) makes of it.
    Corrupt(NodeId, NodeId, M),
    /// One side of a connection learns that it is broken. What was under way to that side is lost; the other side
    /// knows nothing of it.
    Break(ConnId, Side),
    /// A link goes dead in this direction: what is under way is lost, what is sent is lost.
    Cut(NodeId, NodeId),
    /// A link works again.
    Heal(NodeId, NodeId),
    /// A link keeps everything back in this direction.
    Hold(NodeId, NodeId),
    /// A link lets everything go that it kept back.
    Release(NodeId, NodeId),
    /// A process is killed. Its page cache survives; of the operations not answered yet, these took effect.
    Kill(NodeId, Landed),
    /// The next step of a node is cut short: after so many of its actions the process is killed.
    KillWithin(NodeId, u16),
    /// A node loses power, and what was not durable on its disk has these fates.
    PowerLoss(NodeId, Fates),
    /// A node loses everything on its disk (while down).
    Wipe(NodeId),
    /// A process stops being scheduled.
    Pause(NodeId),
    /// A paused process goes on.
    Resume(NodeId),
    /// The medium is damaged.
    Damage(NodeId, Damage),
    /// A node's clock changes its ways.
    Clock(NodeId, ClockChange),
}

impl<M, T, Q> Choice<M, T, Q> {
    /// Whether this is something that can go wrong, rather than something that happens anyway.
    pub fn is_fault(&self) -> bool {
        match self {
            Choice::Call(..)
            | Choice::Deliver(..)
            | Choice::Advance(..)
            | Choice::Fire(..)
            | Choice::Boot(..)
            | Choice::Resume(..)
            | Choice::Heal(..)
            | Choice::Release(..) => false,
            Choice::Disk(_, _, outcome) => !matches!(outcome, Outcome::Ok | Outcome::Decide(_)),
            _ => true,
        }
    }

    /// The node whose state it touches first; the receiver of a message.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Choice::Call(n, ..)
            | Choice::Disk(n, ..)
            | Choice::Fire(n, _)
            | Choice::Boot(n, _)
            | Choice::Kill(n, _)
            | Choice::KillWithin(n, _)
            | Choice::PowerLoss(n, _)
            | Choice::Wipe(n)
            | Choice::Pause(n)
            | Choice::Resume(n)
            | Choice::Damage(n, _)
            | Choice::Clock(n, _)
            | Choice::Deliver(_, n, _)
            | Choice::Drop(_, n, _)
            | Choice::Duplicate(_, n, _)
            | Choice::Replay(_, n, _)
            | Choice::Corrupt(_, n, _)
            | Choice::Cut(_, n)
            | Choice::Heal(_, n)
            | Choice::Hold(_, n)
            | Choice::Release(_, n) => Some(*n),
            Choice::Advance(..) | Choice::Break(..) => None,
        }
    }
}
