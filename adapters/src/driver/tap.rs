//! A tap on a driver: sees what its machine is given and what it answers with, before anything of that is performed.
//! Changes nothing and decides nothing.

use onceward_core::{Clock, Node, NodeAction, NodeInput};

/// Sees every step of a machine. Called by the thread that steps it: must be quick and must not block.
pub trait Tap<N: Node>: Send {
    /// A new incarnation: this node has not been given anything. One before it may have ended in the middle of a step, by
    /// a panic.
    fn begins(&mut self, node: &N);

    /// The node is about to be given this.
    fn input(&mut self, node: &N, clock: Clock, input: &NodeInput<N>);

    /// It has answered with these actions, which are about to be performed.
    fn actions(&mut self, actions: &[NodeAction<N>]);
}
