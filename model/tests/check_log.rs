//! The explorer on the event store's scopes: pinned counts, a second engine that agrees, recoverability, reductions on
//! and off, and counterexamples as scenario text.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward_model::{
    check::{Limits, Verdict, explore, run_named},
    scenario::{Mode, parse, print, replay_exact},
    system::{NamedScope, System},
    systems::log::{Log, LogSystem},
    world::{Budget, Nobody, Reductions, Resource, World, disk::Faults},
};
use std::sync::Arc;

fn scope(name: &str) -> NamedScope<Log> {
    LogSystem::scopes().into_iter().find(|scope| scope.name == name).unwrap()
}

/// One append, one power loss: small enough for every reduction to be switched off.
fn small() -> NamedScope<Log> {
    let mut named = scope("power-loss");
    named.scope.scripts[0].truncate(1);
    named.scope.budget = Budget::none().with(Resource::PowerLoss, 1);
    named
}

/// Whoever changes the store on purpose writes the new counts down: a change that should change nothing, and does,
/// is seen here.
#[test]
fn every_scope_is_exhausted_with_the_pinned_counts() {
    let mut wrong = String::new();
    for named in LogSystem::scopes() {
        assert_eq!(
            LogSystem::build(&named.header).unwrap().configs,
            named.protocol.configs,
            "{}",
            named.name
        );
        let report = run_named::<LogSystem>(&named, &Limits { threads: 2, ..Limits::default() });
        println!("{report}");
        assert!(matches!(report.verdict, Verdict::Exhausted), "{report}");
        let counts = (report.unique, report.generated);
        if named.pinned != Some(counts) {
            wrong += &format!("\n{}: {:?}, not {:?}", named.name, counts, named.pinned);
        }
    }
    assert_eq!(wrong, "", "the counts of `model/src/systems/log/scopes.rs` are others now");
}

#[cfg(feature = "stateright")]
#[test]
fn stateright_counts_alike() {
    use onceward_model::check::stateright::{Counts, count};
    for name in ["rivals", "rolling", "failed-sync"] {
        let named = scope(name);
        let (unique, generated) = named.pinned.unwrap();
        let second = count(&named.protocol, &named.scope);
        assert_eq!(second, Counts { unique, generated, broken: false }, "{name}");
    }
}

/// Which engine is faster on one world. Figures of a loaded machine prove nothing: for people, in a release build.
#[cfg(feature = "stateright")]
#[test]
#[ignore = "a measurement"]
fn rates() {
    use onceward_model::check::stateright::count;
    for name in ["power-loss", "kill-and-power-loss", "failed-write"] {
        let named = scope(name);
        let start = std::time::Instant::now();
        let ours = explore(&named.protocol, &named.scope, &Limits::default());
        let first = start.elapsed().as_secs_f64();
        let start = std::time::Instant::now();
        let theirs = count(&named.protocol, &named.scope);
        let second = start.elapsed().as_secs_f64();
        assert_eq!((ours.unique, ours.generated), (theirs.unique, theirs.generated));
        let rate = |seconds: f64| ours.unique as f64 / seconds;
        println!(
            "{name}: {} states; ours {:.0}/s, stateright's depth-first search {:.0}/s: {:.2} x",
            ours.unique,
            rate(first),
            rate(second),
            second / first,
        );
    }
}

#[test]
fn from_every_state_the_store_opens_again_by_itself() {
    for name in ["rolling", "failed-sync"] {
        let mut named = scope(name);
        named.scope.scripts[0].truncate(1);
        let report = run_named::<LogSystem>(&named, &Limits { recovery: true, ..Limits::default() });
        assert!(matches!(report.verdict, Verdict::Exhausted), "{report}");
        let recovery = report.recovery.unwrap();
        assert_eq!((recovery.decided, recovery.undecided), (report.unique, 0), "{report}");
    }
}

#[test]
fn reductions_change_no_verdict_and_no_witness_length() {
    let mut named = small();
    named.scope.reductions = Reductions::NONE;
    let plain = explore(&named.protocol, &named.scope, &Limits::default());
    assert!(plain.holds(), "{plain}");
    let mut helped = Vec::new();
    for reductions in Reductions::EACH.into_iter().chain([Reductions::ALL]) {
        named.scope.reductions = reductions;
        let reduced = explore(&named.protocol, &named.scope, &Limits::default());
        assert!(reduced.holds(), "{reduced}");
        assert_eq!(reduced.witness_lengths(), plain.witness_lengths());
        helped.push(reduced.unique < plain.unique);
    }
    // One node and no message: only the disk can be reduced.
    assert_eq!(helped, [false, false, true, true, true]);
}

/// A device that lies is beyond what any store can promise: so that there is a counterexample without a bug.
#[test]
fn a_counterexample_replays_from_its_text_and_reductions_do_not_lengthen_it() {
    let mut named = small();
    named.scope.disk = Faults { lies: true, ..Faults::NONE };
    named.scope.budget = named.scope.budget.with(Resource::DiskFault, 1);
    // A read after the crash is what shows the loss.
    let read = parse::<LogSystem>("system log\ncluster store client\nat 0s client-1 reads all\n").unwrap();
    let onceward_model::scenario::Planned::Do(onceward_model::world::Choice::Call(node, _, request)) =
        &read.entries[0].what
    else {
        panic!("a call is a call");
    };
    named.scope.scripts[0].push((*node, request.clone()));
    let mut lengths = Vec::new();
    for reductions in [Reductions::ALL, Reductions::NONE] {
        named.scope.reductions = reductions;
        let report = explore(&named.protocol, &named.scope, &Limits::default());
        let Verdict::Violated(found) = &report.verdict else { panic!("{report}") };
        assert_eq!(found.violation.promise, "acked-is-durable");
        assert!(found.replays);
        lengths.push(found.path.moves.len());
        let written = found.scenario(&named.header);
        let text = print(&*named.protocol, &written);
        let read = parse::<LogSystem>(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let mut world = World::new(Arc::clone(&named.protocol), named.scope.memory);
        let replayed = replay_exact(&mut world, &read.entries, Mode::Replay, &mut Nobody)
            .unwrap_or_else(|e| panic!("{e}\n{text}"));
        let broken = replayed.violation.map(|(_, violation)| violation).or_else(|| world.check().err());
        let violation = broken.unwrap_or_else(|| panic!("nothing is broken:\n{text}"));
        assert_eq!(violation.promise, found.violation.promise, "{text}");
    }
    assert_eq!(lengths[0], lengths[1]);
}
