//! A machine under observation. It stands in a machine's place under the real driver, steps it, and tells the engine
//! what it was given and what it asked for. It changes neither. Its copies are machines of their own.

use super::env::{Env, What};
use onceward_core::{Clock, Input, Machine, Node, NodeAction, NodeId, NodeInput};
use onceward_model::world::{Msg, Protocol, Req, Resp, Timer};
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

/// A machine that can be looked at while it belongs to a driver.
pub(super) type Cell<N> = Arc<Mutex<N>>;

/// A copy of what is in a cell.
pub(super) fn copy<N: Clone>(cell: &Cell<N>) -> N {
    // A machine that panicked half-way is looked at, not used.
    cell.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A machine under observation.
pub(super) struct Spy<P: Protocol> {
    cell: Cell<P::Node>,
    env: Arc<Env<P>>,
    who: (NodeId, u32),
}

impl<P: Protocol> Spy<P> {
    pub(super) fn new(env: Arc<Env<P>>, who: (NodeId, u32), machine: P::Node) -> Spy<P> {
        let cell = Arc::new(Mutex::new(machine));
        env.show(who, cell.clone());
        Spy { cell, env, who }
    }
}

impl<P: Protocol> Machine for Spy<P> {
    type Input = NodeInput<P::Node>;
    type Action = NodeAction<P::Node>;

    fn step(&mut self, clock: Clock, input: Self::Input, actions: &mut Vec<Self::Action>) {
        let before = actions.len();
        let given = input.clone();
        if let Input::Call(call, _) = &given {
            self.env.tell(self.who, What::Saw(*call));
        }
        self.cell.lock().unwrap_or_else(PoisonError::into_inner).step(clock, input, actions);
        let actions = actions[before..].to_vec();
        self.env.tell(self.who, What::Stepped { clock, input: given, actions });
    }
}

impl<P: Protocol> Node for Spy<P> {
    type Message = Msg<P>;
    type Timer = Timer<P>;
    type Request = Req<P>;
    type Response = Resp<P>;
}

impl<P: Protocol> Clone for Spy<P> {
    fn clone(&self) -> Self {
        Spy { cell: Arc::new(Mutex::new(copy(&self.cell))), env: self.env.clone(), who: self.who }
    }
}

impl<P: Protocol> PartialEq for Spy<P> {
    fn eq(&self, other: &Self) -> bool {
        copy(&self.cell) == copy(&other.cell)
    }
}

impl<P: Protocol> Eq for Spy<P> {}

impl<P: Protocol> Hash for Spy<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        copy(&self.cell).hash(state);
    }
}

impl<P: Protocol> fmt::Debug for Spy<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        copy(&self.cell).fmt(f)
    }
}
