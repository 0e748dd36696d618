//! Who watches a world: a scheduler that gives times to what may happen, a trace, a report. A sink sees everything
//! and changes nothing.

use super::{ChoiceOf, Key, Protocol, Seen};
use onceward_core::{Clock, Mono, NodeAction, NodeId, NodeInput};

/// When something that has become possible should happen, in a world where nothing is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// After the latency of a link.
    Network {
        /// Sender.
        from: NodeId,
        /// Receiver.
        to: NodeId,
        /// How much it is, for links of limited bandwidth; see [`Protocol::message_size`].
        bytes: u32,
    },
    /// After the latency of a disk.
    Disk {
        /// Whose.
        node: NodeId,
    },
    /// When the node's monotonic clock shows a value within these bounds.
    Timer {
        /// Whose clock.
        node: NodeId,
        /// Not before.
        from: Mono,
        /// A healthy driver is not later.
        to: Mono,
    },
    /// When the operating system gives up on a dead connection: seconds to minutes.
    DeadPeer,
}

/// Watches a world.
pub trait Sink<P: Protocol> {
    /// Something has become possible: `choice` is its nominal form (a disk operation that succeeds). It stays possible
    /// until it happens or becomes stale, which `apply` tells whoever tries.
    fn born(&mut self, key: Key, choice: ChoiceOf<P>, when: When);

    /// A node is about to take a step with this input.
    #[inline]
    fn input(&mut self, _seen: Seen, _node: NodeId, _clock: Clock, _input: &NodeInput<P::Node>) {}

    /// The same node has answered that input with these actions, which are performed next.
    #[inline]
    fn actions(&mut self, _seen: Seen, _node: NodeId, _clock: Clock, _actions: &[NodeAction<P::Node>]) {}
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl<P: Protocol> Sink<P> for Nobody {
    #[inline]
    fn born(&mut self, _: Key, _: ChoiceOf<P>, _: When) {}
}
