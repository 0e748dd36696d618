//! A machine behind a pane: looked at from outside while a driver owns it. The driver gets a [`Watched`] in the machine's
//! place, whose steps an [`Onlooker`] may witness; neither changes what the machine does. Copies of a watched machine are
//! machines of their own.

use onceward_core::{Clock, Machine, Node, NodeAction, NodeInput};
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What is looked through. Clones show the same machine.
pub(crate) struct Pane<N>(Arc<Mutex<N>>);

impl<N> Pane<N> {
    pub(crate) fn new(machine: N) -> Pane<N> {
        Pane(Arc::new(Mutex::new(machine)))
    }

    /// Puts another incarnation behind the pane.
    pub(crate) fn replace(&self, machine: N) {
        *self.lock() = machine;
    }

    fn lock(&self) -> MutexGuard<'_, N> {
        // A machine that panicked half-way is looked at, not used.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<N: Clone> Pane<N> {
    /// A copy of the machine as it is now.
    pub(crate) fn copy(&self) -> N {
        self.lock().clone()
    }
}

impl<N> Clone for Pane<N> {
    fn clone(&self) -> Self {
        Pane(self.0.clone())
    }
}

/// Witnesses the steps of a machine.
pub(crate) trait Onlooker<N: Node>: Clone {
    /// Lets the machine take one step: `step` gives it the input and appends its actions.
    fn witness(
        &self,
        _clock: Clock,
        input: NodeInput<N>,
        actions: &mut Vec<NodeAction<N>>,
        step: impl FnOnce(NodeInput<N>, &mut Vec<NodeAction<N>>),
    ) {
        step(input, actions);
    }
}

impl<N: Node> Onlooker<N> for () {}

/// A machine that is looked at.
pub(crate) struct Watched<N, O = ()> {
    pane: Pane<N>,
    onlooker: O,
}

impl<N, O> Watched<N, O> {
    pub(crate) fn new(pane: Pane<N>, onlooker: O) -> Watched<N, O> {
        Watched { pane, onlooker }
    }
}

impl<N: Node, O: Onlooker<N>> Machine for Watched<N, O> {
    type Input = NodeInput<N>;
    type Action = NodeAction<N>;

    fn step(&mut self, clock: Clock, input: Self::Input, actions: &mut Vec<Self::Action>) {
        let pane = &self.pane;
        self.onlooker
            .witness(clock, input, actions, |input, actions| pane.lock().step(clock, input, actions));
    }
}

impl<N: Node, O: Onlooker<N>> Node for Watched<N, O> {
    type Message = N::Message;
    type Timer = N::Timer;
    type Request = N::Request;
    type Response = N::Response;
}

impl<N: Clone, O: Clone> Clone for Watched<N, O> {
    fn clone(&self) -> Self {
        Watched { pane: Pane::new(self.pane.copy()), onlooker: self.onlooker.clone() }
    }
}

// Copies are compared, for a machine may be compared with itself.
impl<N: Clone + PartialEq, O> PartialEq for Watched<N, O> {
    fn eq(&self, other: &Self) -> bool {
        self.pane.copy() == other.pane.copy()
    }
}

impl<N: Clone + Eq, O> Eq for Watched<N, O> {}

impl<N: Hash, O> Hash for Watched<N, O> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.pane.lock().hash(state);
    }
}

impl<N: fmt::Debug, O> fmt::Debug for Watched<N, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pane.lock().fmt(f)
    }
}
