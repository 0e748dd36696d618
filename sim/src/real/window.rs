//! A machine that can be looked at while the host owns it: to be asked whether it calls itself settled. It changes
//! nothing. Copies are machines of their own.

use onceward_core::{Clock, Machine, Node, NodeAction, NodeInput};
use onceward_model::world::{Msg, Protocol, Req, Resp, Timer};
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

/// The machine of the current incarnation.
pub(super) type Pane<N> = Arc<Mutex<N>>;

/// A copy of what is behind a pane.
pub(super) fn copy<N: Clone>(pane: &Pane<N>) -> N {
    // A machine that panicked half-way is looked at, not used.
    pane.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A machine behind a pane.
pub(super) struct Window<P: Protocol>(Pane<P::Node>);

impl<P: Protocol> Window<P> {
    /// Puts a new incarnation behind a pane.
    pub(super) fn new(pane: Pane<P::Node>, machine: P::Node) -> Window<P> {
        *pane.lock().unwrap_or_else(PoisonError::into_inner) = machine;
        Window(pane)
    }
}

impl<P: Protocol> Machine for Window<P> {
    type Input = NodeInput<P::Node>;
    type Action = NodeAction<P::Node>;

    fn step(&mut self, clock: Clock, input: Self::Input, actions: &mut Vec<Self::Action>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).step(clock, input, actions);
    }
}

impl<P: Protocol> Node for Window<P> {
    type Message = Msg<P>;
    type Timer = Timer<P>;
    type Request = Req<P>;
    type Response = Resp<P>;
}

impl<P: Protocol> Clone for Window<P> {
    fn clone(&self) -> Self {
        Window(Arc::new(Mutex::new(copy(&self.0))))
    }
}

impl<P: Protocol> PartialEq for Window<P> {
    fn eq(&self, other: &Self) -> bool {
        copy(&self.0) == copy(&other.0)
    }
}

impl<P: Protocol> Eq for Window<P> {}

impl<P: Protocol> Hash for Window<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        copy(&self.0).hash(state);
    }
}

impl<P: Protocol> fmt::Debug for Window<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        copy(&self.0).fmt(f)
    }
}
