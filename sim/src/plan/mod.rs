//! Plans: what a run does, fixed before it starts. A plan is a scenario, written by a person or drawn from a seed; this
//! module gives its entries their causal roots. It performs nothing.

mod dice;
mod priorities;
mod swarm;

pub(crate) use dice::Dice;
pub(crate) use priorities::prioritise;
pub use swarm::{Drawn, draw};

use crate::mutants::mutant;
use onceward_model::{
    scenario::{Entry, Planned, Scenario},
    trace::Collector,
    world::{Choice, Key, Protocol},
};
use std::hash::{Hash, Hasher};

/// A scenario under a seed, with the root key of each entry.
pub struct Rooted<'a, P: Protocol> {
    /// What is performed.
    pub scenario: &'a Scenario<P>,
    /// What its chances are drawn from.
    pub seed: u64,
    keys: Vec<Key>,
}

impl<'a, P: Protocol> Rooted<'a, P> {
    /// Gives every entry its root. A root is made of what an entry *says* and when, not of where it stands: removing one
    /// entry, or reading the plan back from its text, changes nothing for the others.
    pub fn new(scenario: &'a Scenario<P>, seed: u64) -> Rooted<'a, P> {
        let mut seen: Vec<u64> = Vec::with_capacity(scenario.entries.len());
        let mut keys = Vec::with_capacity(scenario.entries.len());
        for entry in &scenario.entries {
            let says = fingerprint(entry);
            let before = seen.iter().filter(|other| **other == says).count() as u64;
            seen.push(says);
            let root = if mutant!(RootsByPosition) {
                Key::root(seed, keys.len() as u64)
            } else {
                Key::root(seed ^ says, before)
            };
            keys.push(root);
        }
        Rooted { scenario, seed, keys }
    }

    /// Whether the plan names each step rather than leaving steps to chance.
    pub fn is_exact(&self) -> bool {
        self.scenario.entries.iter().any(|entry| matches!(entry.what, Planned::Step(_)))
    }

    /// The entries with their roots.
    pub fn entries(&self) -> impl Iterator<Item = (&'a Entry<P>, Key)> + use<'a, '_, P> {
        self.scenario.entries.iter().zip(self.keys.iter().copied())
    }
}

fn fingerprint<P: Protocol>(entry: &Entry<P>) -> u64 {
    let mut hasher = Collector::new();
    hasher.write_u64(entry.at.0);
    match &entry.what {
        // The number of a call depends on the calls before it: it is no part of what the entry says.
        Planned::Do(Choice::Call(node, call, request)) => (0u8, node, call.client, request).hash(&mut hasher),
        Planned::Do(choice) => (1u8, choice).hash(&mut hasher),
        Planned::Next(node, kind, outcome) => (2u8, node, kind, outcome).hash(&mut hasher),
        Planned::Step(label) => (3u8, label).hash(&mut hasher),
    }
    hasher.finish()
}
