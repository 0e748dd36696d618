//! Who stands behind a machine under the real driver and tells the engine what it was given and what it asked for. It
//! changes neither.

use super::env::{Env, What};
use crate::pane::{Onlooker, Pane, Watched};
use onceward_core::{Clock, Input, NodeAction, NodeId, NodeInput};
use onceward_model::world::Protocol;
use std::sync::Arc;

/// A machine under observation.
pub(super) type Spied<P> = Watched<<P as Protocol>::Node, Spy<P>>;

/// Tells of one process's machine.
pub(super) struct Spy<P: Protocol> {
    env: Arc<Env<P>>,
    who: (NodeId, u32),
}

impl<P: Protocol> Spy<P> {
    /// Puts a machine under observation.
    pub(super) fn watch(env: Arc<Env<P>>, who: (NodeId, u32), machine: P::Node) -> Spied<P> {
        let pane = Pane::new(machine);
        env.show(who, pane.clone());
        Watched::new(pane, Spy { env, who })
    }
}

impl<P: Protocol> Clone for Spy<P> {
    fn clone(&self) -> Self {
        Spy { env: self.env.clone(), who: self.who }
    }
}

impl<P: Protocol> Onlooker<P::Node> for Spy<P> {
    fn witness(
        &self,
        clock: Clock,
        input: NodeInput<P::Node>,
        actions: &mut Vec<NodeAction<P::Node>>,
        step: impl FnOnce(NodeInput<P::Node>, &mut Vec<NodeAction<P::Node>>),
    ) {
        let before = actions.len();
        let given = input.clone();
        if let Input::Call(call, _) = &given {
            self.env.tell(self.who, What::Saw(*call));
        }
        step(input, actions);
        let actions = actions[before..].to_vec();
        self.env.tell(self.who, What::Stepped { clock, input: given, actions });
    }
}
