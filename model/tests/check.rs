//! The explorer on the toy's scopes: verdicts, pinned counts, threads, reductions, limits, scenario text.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use onceward_model::{
    check::{CheckReport, Limits, Verdict, explore, run_named},
    system::System,
    toy::{Toy, ToySystem},
    world::{Reductions, Resource},
};
use std::{collections::BTreeMap, time::Duration};

#[test]
fn every_scope_is_exhausted_with_the_pinned_counts_and_together_they_reach_every_mark() {
    let missing = support::pinned::<ToySystem>(u64::MAX, ToySystem::marks().to_vec());
    assert_eq!(missing, Vec::<&str>::new(), "no scope reaches these marks");
}

#[cfg(feature = "stateright")]
#[test]
fn stateright_counts_alike() {
    support::stateright_counts_alike::<ToySystem>(u64::MAX);
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
        let named = support::named::<ToySystem>(name);
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
        let mut named = support::named::<ToySystem>(name);
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
    let mut named = support::named::<ToySystem>("drift");
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
    let named = support::named::<ToySystem>("retries");
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
    let mut named = support::named::<ToySystem>("retries");
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
    let report = run_named::<ToySystem>(
        &support::named::<ToySystem>("retries"),
        &Limits { recovery: true, ..Limits::default() },
    );
    assert!(report.holds(), "{report}");
    let recovery = report.recovery.unwrap();
    assert_eq!(recovery.decided + recovery.undecided, report.unique);
    assert!(recovery.decided > recovery.undecided, "{report}");
}

#[test]
fn a_witness_replays_from_its_text() {
    support::witnesses_replay::<ToySystem>();
}
