//! One step of an exploration: which moves a state has, and what each leads to. Shared by every engine that explores,
//! so that all of them see one graph. Here, too, is the reduction that looks at a step's outcome: a delivery or a timer
//! that changes nothing but its own absence is no step.

use crate::world::{
    Applied, Bound, Choice, ChoiceOf, Key, Protocol, Req, Scope, Seen, Sink, Violation, When, World,
};
use onceward_core::{Action, Clock, NodeAction, NodeId};
use std::fmt;

/// Something that may happen next in a scope.
pub enum Move<P: Protocol> {
    /// A choice of the world.
    Do(ChoiceOf<P>),
    /// A tick of true time passes.
    Tick,
}

impl<P: Protocol> Clone for Move<P> {
    fn clone(&self) -> Self {
        match self {
            Move::Do(choice) => Move::Do(choice.clone()),
            Move::Tick => Move::Tick,
        }
    }
}

impl<P: Protocol> PartialEq for Move<P> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Move::Do(a), Move::Do(b)) => a == b,
            (Move::Tick, Move::Tick) => true,
            _ => false,
        }
    }
}

impl<P: Protocol> Eq for Move<P> {}

impl<P: Protocol> fmt::Debug for Move<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Move::Do(choice) => choice.fmt(f),
            Move::Tick => f.write_str("Tick"),
        }
    }
}

/// The graph of a scope.
pub(super) struct Graph<'a, P: Protocol> {
    pub(super) scope: &'a Scope<Req<P>>,
    /// Whether deliveries and timers without an effect are left out.
    pub(super) skip_no_ops: bool,
}

/// What a move leads to.
// One lives at a time, and not for long: a box would cost more than the room it saves.
#[allow(clippy::large_enum_variant)]
pub(super) enum Next<P: Protocol> {
    /// Another state, or the same.
    State(World<P>),
    /// Nothing: this is no step.
    Nothing,
    /// A broken promise.
    Broken(Violation),
}

impl<P: Protocol> Graph<'_, P> {
    /// Lists the moves of a state in a fixed order.
    pub(super) fn moves(
        &self,
        world: &World<P>,
        choices: &mut Vec<ChoiceOf<P>>,
        out: &mut Vec<Move<P>>,
    ) -> Bound {
        out.clear();
        let bound = world.enabled(self.scope, choices);
        out.extend(choices.drain(..).map(Move::Do));
        if world.can_tick(self.scope) {
            out.push(Move::Tick);
        }
        bound
    }

    /// Whether a move is part of what happens by itself, without faults and without new work.
    pub(super) fn is_recovery(&self, world: &World<P>, step: &Move<P>) -> bool {
        match step {
            Move::Tick => true,
            Move::Do(Choice::Call(..)) => false,
            Move::Do(choice) => !world.is_fault(choice),
        }
    }

    /// Performs a move.
    #[inline]
    pub(super) fn next(&self, world: &World<P>, step: &Move<P>, watch: &mut Watch) -> Next<P> {
        let Some(node) = self.may_be_no_op(step) else {
            return self.perform(world.clone(), step, watch);
        };
        if world.host(node).node.is_none() {
            return Next::Nothing;
        }
        match self.perform(world.clone(), step, watch) {
            Next::State(next)
                if !watch.acted
                    && world.host(node).node == next.host(node).node
                    && world.ghost() == next.ghost() =>
            {
                Next::Nothing
            }
            other => other,
        }
    }

    /// Performs a move of a state that is needed no more.
    #[inline]
    pub(super) fn last(&self, world: World<P>, step: &Move<P>, watch: &mut Watch) -> Next<P> {
        match self.may_be_no_op(step) {
            Some(_) => self.next(&world, step, watch),
            None => self.perform(world, step, watch),
        }
    }

    /// The node whose step alone may turn out to be none.
    fn may_be_no_op(&self, step: &Move<P>) -> Option<NodeId> {
        match step {
            Move::Do(Choice::Deliver(_, node, _) | Choice::Fire(node, _)) if self.skip_no_ops => Some(*node),
            _ => None,
        }
    }

    #[inline]
    fn perform(&self, mut next: World<P>, step: &Move<P>, watch: &mut Watch) -> Next<P> {
        let Move::Do(choice) = step else {
            next.tick(self.scope);
            return Next::State(next);
        };
        watch.acted = false;
        match next.apply_in(self.scope, choice, watch) {
            Err(violation) => Next::Broken(violation),
            Ok(Applied::Done) => Next::State(next),
            Ok(Applied::Stale | Applied::Blocked) => Next::Nothing,
        }
    }
}

/// What an exploration notices of a step beside its outcome.
#[derive(Default)]
pub(super) struct Watch {
    /// Whether the step had actions, marks aside.
    acted: bool,
    /// Marks that were reached since they were last taken out.
    pub(super) marks: Vec<&'static str>,
    /// The most actions of one step so far.
    pub(super) most_actions: usize,
}

impl<P: Protocol> Sink<P> for Watch {
    #[inline]
    fn born(&mut self, _: Key, _: ChoiceOf<P>, _: When) {}

    #[inline]
    fn actions(&mut self, _: Seen, _: NodeId, _: Clock, actions: &[NodeAction<P::Node>]) {
        self.most_actions = self.most_actions.max(actions.len());
        for action in actions {
            match action {
                Action::Mark(mark) => self.marks.push(mark.0),
                _ => self.acted = true,
            }
        }
    }
}
