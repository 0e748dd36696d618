//! Along random paths, what a scheduler knows to be possible (born, less done, less stale) is what
//! [`World::enabled`] lists, less faults and what plans ask for. The simulator depends on it: it never asks
//! `enabled`.

use onceward_model::{
    system::{NamedScope, System},
    systems::log::LogSystem,
    toy::ToySystem,
    world::{
        Applied, Choice, ChoiceOf, Key, Nobody, Protocol, Reductions, Resource, Sink, UNLIMITED, When, World,
        disk::{Faults, Outcome},
    },
};
use std::{collections::BTreeSet, sync::Arc};

struct Known<P: Protocol>(Vec<(Key, ChoiceOf<P>)>);

impl<P: Protocol> Sink<P> for Known<P> {
    fn born(&mut self, key: Key, choice: ChoiceOf<P>, _: When) {
        self.0.push((key, choice));
    }
}

/// What is born by itself, rather than asked for by a plan.
fn is_born<P: Protocol>(world: &World<P>, choice: &ChoiceOf<P>) -> bool {
    match choice {
        Choice::Deliver(..) | Choice::Advance(..) | Choice::Fire(..) => true,
        Choice::Disk(_, _, outcome) => *outcome == Outcome::Ok,
        Choice::Break(..) => !world.is_fault(choice),
        _ => false,
    }
}

/// Walks one random path; how many choices of the incremental kind it compared.
fn walk<P: Protocol>(named: &NamedScope<P>, seed: u64, steps: u32) -> usize {
    let mut scope = named.scope.clone();
    scope.reductions = Reductions::NONE;
    scope.tick = onceward_core::Dur::ZERO;
    scope.image_cap = 64;
    scope.memory = 4;
    scope.disk = Faults {
        short_writes: true,
        write_errors: true,
        sync_errors: true,
        read_errors: true,
        ..Faults::NONE
    };
    for what in [
        Resource::Kill,
        Resource::KillWithin,
        Resource::PowerLoss,
        Resource::DiskFault,
        Resource::Drop,
        Resource::Duplicate,
        Resource::Replay,
        Resource::Corrupt,
        Resource::Break,
        Resource::Cut,
        Resource::Hold,
        Resource::Pause,
        Resource::Fire,
    ] {
        scope.budget = scope.budget.with(what, UNLIMITED);
    }
    let mut world = World::start(Arc::clone(&named.protocol), &scope);
    let (mut known, mut enabled, mut compared) = (Known::<P>(Vec::new()), Vec::new(), 0);
    for step in 0..steps {
        let _ = world.enabled(&scope, &mut enabled);
        let listed: BTreeSet<&ChoiceOf<P>> = enabled.iter().filter(|c| is_born(&world, c)).collect();
        // A key names which of several equal things is meant: each must be possible by its own.
        let mut left = BTreeSet::new();
        known.0.retain(|(key, choice)| {
            let tried = world.clone().apply(onceward_model::world::Time(0), choice, *key, &mut Nobody);
            let tried = tried.unwrap_or(Applied::Done);
            // The notice that a peer is dead waits until that is all there is to say.
            if matches!(choice, Choice::Break(..)) && world.is_fault(choice) {
                return tried != Applied::Stale;
            }
            if tried == Applied::Done {
                left.insert(choice.clone());
            }
            tried != Applied::Stale
        });
        let left: BTreeSet<&ChoiceOf<P>> = left.iter().collect();
        assert_eq!(left, listed, "seed {seed}, step {step}");
        compared += listed.len();
        let key = Key::root(seed, u64::from(step));
        // Faults are many and would drown everything else.
        let calm = key.chance(0, 850_000);
        let among: Vec<&ChoiceOf<P>> = enabled.iter().filter(|c| !calm || !world.is_fault(c)).collect();
        if among.is_empty() {
            continue;
        }
        let choice = among[key.below(1, among.len() as u64) as usize].clone();
        if world.apply_in(&scope, &choice, &mut known).is_err() {
            break;
        }
    }
    compared
}

#[test]
fn on_the_toy() {
    let scopes = ToySystem::scopes();
    let compared: usize = (0..1500).map(|seed| walk(&scopes[seed as usize % scopes.len()], seed, 60)).sum();
    assert!(compared > 100_000, "only {compared}: the paths go nowhere");
}

#[test]
fn on_the_event_store() {
    let scopes = LogSystem::scopes();
    let compared: usize = (0..60).map(|seed| walk(&scopes[seed as usize % scopes.len()], seed, 60)).sum();
    assert!(compared > 1_000, "only {compared}: the paths go nowhere");
}
