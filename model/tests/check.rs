//! The explorer on the toy's scopes: verdicts, pinned counts, threads, reductions, limits, scenario text.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward_model::{
    check::{CheckReport, Limits, Verdict, explore, run_named},
    scenario::{Expect, Mode, parse, print, replay_exact},
    system::{NamedScope, System},
    toy::{Toy, ToySystem},
    world::{Nobody, Reductions, Resource, World},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

fn scope(name: &str) -> NamedScope<Toy> {
    ToySystem::scopes().into_iter().find(|scope| scope.name == name).unwrap()
}

#[test]
fn every_scope_is_exhausted_with_the_pinned_counts_and_together_they_reach_every_mark() {
    let mut missing = ToySystem::marks().to_vec();
    for named in ToySystem::scopes() {
        assert_eq!(ToySystem::build(&named.header).as_deref(), Ok(&*named.protocol), "{}", named.name);
        let report = run_named::<ToySystem>(&named, &Limits { threads: 2, ..Limits::default() });
        println!("{report}");
        assert!(named.pinned.is_some() && report.holds(), "{report}");
        missing.retain(|mark| !report.reached.contains_key(mark));
        #[cfg(feature = "stateright")]
        {
            use onceward_model::check::stateright::{Counts, count};
            let second = count(&named.protocol, &named.scope);
            assert_eq!(second, Counts { unique: report.unique, generated: report.generated, broken: false });
        }
    }
    assert_eq!(missing, Vec::<&str>::new(), "no scope reaches these marks");
}

/// What must not depend on how a scope is explored.
fn gist(report: &CheckReport<Toy>) -> (bool, u64, u64, u32, BTreeMap<&'static str, String>) {
    let path = |moves: &[_]| format!("{moves:?}");
    let reached = report.reached.iter().map(|(mark, witness)| (*mark, path(&witness.moves))).collect();
    (matches!(report.verdict, Verdict::Exhausted), report.unique, report.generated, report.depth, reached)
}

#[test]
fn threads_change_nothing() {
    // One thread goes depth first, several go level by level.
    for (name, recovery) in [("retries", false), ("retries", true), ("crashes", false)] {
        let named = scope(name);
        let [one, two, three] = [1, 2, 3].map(|threads| {
            run_named::<ToySystem>(&named, &Limits { threads, recovery, ..Limits::default() })
        });
        assert_eq!(gist(&one), gist(&two));
        assert_eq!(gist(&one), gist(&three));
        assert_eq!(one.recovery, two.recovery);
        assert_eq!(one.recovery, three.recovery);
    }
}

#[test]
fn reductions_change_no_verdict_and_no_witness_length() {
    let mut helped = [false; 4];
    for name in ["retries", "crashes"] {
        let mut named = scope(name);
        // Witnesses of a budget that runs out may differ in what they spend, so leave one kind of fault.
        if name == "crashes" {
            named.scope.budget = named.scope.budget.with(Resource::Kill, 0).with(Resource::DiskFault, 0);
        }
        named.scope.reductions = Reductions::NONE;
        let plain = explore(&named.protocol, &named.scope, &Limits::default());
        assert!(plain.holds());
        for (reductions, helped) in Reductions::EACH.into_iter().zip(&mut helped) {
            named.scope.reductions = reductions;
            let reduced = explore(&named.protocol, &named.scope, &Limits::default());
            assert!(reduced.holds());
            assert_eq!(reduced.reached.keys().collect::<Vec<_>>(), plain.reached.keys().collect::<Vec<_>>());
            assert_eq!(reduced.witness_lengths(), plain.witness_lengths());
            assert!(reduced.unique <= plain.unique);
            *helped |= reduced.unique < plain.unique;
        }
    }
    assert_eq!(helped, [true; 4], "each reduces something");
}

/// Without re-basing, time must be bounded; what happens within the bound must be the same.
#[test]
fn rebasing_changes_no_verdict_and_no_witness_length() {
    let mut named = scope("drift");
    named.scope.budget = named.scope.budget.with(Resource::Tick, 3).with(Resource::Clock, 0);
    let [with, without] = [true, false].map(|rebase| {
        named.scope.reductions.rebase = rebase;
        explore(&named.protocol, &named.scope, &Limits::default())
    });
    assert!(with.holds() && without.holds());
    assert_eq!(with.witness_lengths(), without.witness_lengths());
    assert!(with.unique < without.unique, "{} and {}", with.unique, without.unique);
}

#[test]
fn a_bounded_run_is_never_a_proof() {
    let named = scope("retries");
    let limits = [
        Limits { states: 100, ..Limits::default() },
        Limits { depth: 5, ..Limits::default() },
        Limits { time: Some(Duration::ZERO), ..Limits::default() },
    ];
    for (limits, word) in limits.into_iter().zip(["100 states", "5 steps", "time"]) {
        let report = run_named::<ToySystem>(&named, &limits);
        let Verdict::Bounded(why) = &report.verdict else { panic!("{report}") };
        assert!(why.contains(word), "{why}");
        assert!(!report.holds());
        assert!(report.to_string().contains("not a proof"));
    }
    // Steps with more actions than the places where one may be cut short cannot be enumerated; the toy has none.
    let mut named = scope("retries");
    named.scope.budget = named.scope.budget.with(Resource::KillWithin, 1).with(Resource::Fire, 0);
    assert!(explore(&named.protocol, &named.scope, &Limits::default()).holds());
    named.scope.image_cap = 0;
    named.scope.budget = named.scope.budget.with(Resource::PowerLoss, 1);
    let report = explore(&named.protocol, &named.scope, &Limits::default());
    assert!(matches!(report.verdict, Verdict::Bounded(_)), "{report}");
}

/// Retries are limited in this scope, since every one adds a message: where they are used up, there is no verdict.
#[test]
fn the_toy_settles_again_wherever_the_bounds_leave_it_a_retry() {
    let report = run_named::<ToySystem>(&scope("retries"), &Limits { recovery: true, ..Limits::default() });
    assert!(report.holds(), "{report}");
    let recovery = report.recovery.unwrap();
    assert_eq!(recovery.decided + recovery.undecided, report.unique);
    assert!(recovery.decided > recovery.undecided, "{report}");
}

#[test]
fn a_witness_replays_from_its_text() {
    for name in ["retries", "drift"] {
        let named = scope(name);
        let report = run_named::<ToySystem>(&named, &Limits::default());
        for (mark, path) in &report.reached {
            let written = path.scenario(&named.header, *mark, Expect::Reaches((*mark).into()));
            let text = print(&*named.protocol, &written);
            let read = parse::<ToySystem>(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(read, written);
            let mut world = World::new(Arc::clone(&named.protocol), named.scope.memory);
            let replayed = replay_exact(&mut world, &read.entries, Mode::Replay, &mut Nobody)
                .unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(replayed.violation, None);
        }
    }
}
