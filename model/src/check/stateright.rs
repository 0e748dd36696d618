//! The same graph for another engine: stateright, whose depth-first search must count the same states, and whose
//! Explorer lets people walk through a scope in a browser. It judges nothing by itself here.
//!
//! stateright counts as *generated* every initial state and every successor, as *unique* their different fingerprints
//! (of its own hasher); [`explore`](super::explore) counts alike. Where a promise is broken the counts differ: each
//! engine stops in its own order.

use super::{
    Move,
    moves::{Graph, Next, Watch},
};
use crate::world::{Protocol, Req, Scope, Violation, World};
use ::stateright::{Checker, Model, Property};
use std::{
    fmt::Debug,
    hash::{Hash, Hasher},
    io,
    net::{TcpListener, ToSocketAddrs},
    sync::Arc,
};

/// A scope as stateright sees it.
pub struct Scoped<P: Protocol> {
    /// The cluster.
    pub protocol: Arc<P>,
    /// The bounds.
    pub scope: Scope<Req<P>>,
}

/// A state of it.
pub struct State<P: Protocol> {
    /// The world.
    pub world: World<P>,
    /// The promise that the last step broke. Nothing happens any more then.
    pub broken: Option<Violation>,
}

/// What stateright's depth-first search counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Different states.
    pub unique: u64,
    /// All states, equal ones included.
    pub generated: u64,
    /// Whether a promise was broken.
    pub broken: bool,
}

impl<P: Protocol> Scoped<P> {
    fn graph(&self) -> Graph<'_, P> {
        Graph { scope: &self.scope, skip_no_ops: self.scope.reductions.no_op_deliveries }
    }
}

impl<P: Protocol> Model for Scoped<P> {
    type State = State<P>;
    type Action = Move<P>;

    fn init_states(&self) -> Vec<State<P>> {
        vec![State { world: World::start(Arc::clone(&self.protocol), &self.scope), broken: None }]
    }

    fn actions(&self, state: &State<P>, actions: &mut Vec<Move<P>>) {
        actions.clear();
        if state.broken.is_none() {
            let _ = self.graph().moves(&state.world, &mut Vec::new(), actions);
        }
    }

    fn next_state(&self, state: &State<P>, action: Move<P>) -> Option<State<P>> {
        match self.graph().next(&state.world, &action, &mut Watch::default()) {
            Next::State(world) => Some(State { world, broken: None }),
            Next::Nothing => None,
            Next::Broken(violation) => Some(State { world: state.world.clone(), broken: Some(violation) }),
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("promises", |_, state: &State<P>| {
            state.broken.is_none() && state.world.check().is_ok()
        })]
    }
}

/// Counts the states of a scope with stateright's depth-first search on one thread.
pub fn count<P: Protocol>(protocol: &Arc<P>, scope: &Scope<Req<P>>) -> Counts {
    let model = Scoped { protocol: Arc::clone(protocol), scope: scope.clone() };
    let checker = model.checker().spawn_dfs().join();
    Counts {
        unique: checker.unique_state_count() as u64,
        generated: checker.state_count() as u64,
        broken: checker.discovery("promises").is_some(),
    }
}

/// Serves stateright's Explorer at an address, for ever.
///
/// # Errors
/// The address cannot be had.
pub fn serve<P: Protocol>(
    protocol: &Arc<P>,
    scope: &Scope<Req<P>>,
    address: impl ToSocketAddrs,
) -> io::Result<()> {
    // stateright panics where it cannot listen: find out first.
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    drop(listener);
    let model = Scoped { protocol: Arc::clone(protocol), scope: scope.clone() };
    model.checker().serve(address);
    Ok(())
}

impl<P: Protocol> Clone for State<P> {
    fn clone(&self) -> Self {
        State { world: self.world.clone(), broken: self.broken.clone() }
    }
}

impl<P: Protocol> Hash for State<P> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.world.hash(hasher);
        self.broken.hash(hasher);
    }
}

impl<P: Protocol> PartialEq for State<P> {
    fn eq(&self, other: &Self) -> bool {
        self.broken == other.broken && self.world == other.world
    }
}

impl<P: Protocol> Debug for State<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(violation) = &self.broken {
            return write!(f, "broken: {violation}");
        }
        self.world.fmt(f)
    }
}
