//! The explorer on the reader's scopes: pinned counts, a second engine that agrees, recoverability, witnesses as scenario text.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward_model::{
    check::{Limits, Verdict, explore, run_named},
    scenario::{Expect, Mode, parse, print, replay_exact},
    system::{NamedScope, System},
    systems::reader::{Feed, ReaderSystem},
    world::{Nobody, Reductions, World},
};
use std::sync::Arc;

fn named(name: &str) -> NamedScope<Feed> {
    ReaderSystem::scopes().into_iter().find(|scope| scope.name == name).unwrap()
}

/// Whoever changes the reader on purpose writes the new counts down: a change that should change nothing, and does, is
/// seen here.
#[test]
fn every_scope_is_exhausted_with_the_pinned_counts_and_together_they_reach_the_marks() {
    let (mut wrong, mut missing) = (String::new(), ReaderSystem::marks().to_vec());
    for named in ReaderSystem::scopes() {
        assert_eq!(ReaderSystem::build(&named.header).unwrap(), named.protocol, "{}", named.name);
        let report = run_named::<ReaderSystem>(&named, &Limits { threads: 2, ..Limits::default() });
        println!("{report}");
        assert!(matches!(report.verdict, Verdict::Exhausted), "{report}");
        missing.retain(|mark| !report.reached.contains_key(mark));
        let counts = (report.unique, report.generated);
        if named.pinned != Some(counts) {
            wrong += &format!("\n{}: {:?}, not {:?}", named.name, counts, named.pinned);
        }
    }
    assert_eq!(wrong, "", "the counts of `model/src/systems/reader/scopes.rs` are others now");
    assert_eq!(missing, Vec::<&str>::new(), "no scope reaches these marks");
}

#[cfg(feature = "stateright")]
#[test]
fn stateright_counts_alike() {
    use onceward_model::check::stateright::{Counts, count};
    for named in ReaderSystem::scopes() {
        let (unique, generated) = named.pinned.unwrap();
        let second = count(&named.protocol, &named.scope);
        assert_eq!(second, Counts { unique, generated, broken: false }, "{}", named.name);
    }
}

/// Each lie is noticed where it matters, and nothing else is ever taken for one.
#[test]
fn lies_are_noticed_and_nothing_else_is() {
    for named in ReaderSystem::scopes() {
        let report = run_named::<ReaderSystem>(&named, &Limits::default());
        let lies =
            ["repeats", "overdraws", "understates", "gives-twice", "unbegun", "claims"].contains(&named.name);
        assert_eq!(report.reached.contains_key("protocol broken by the server"), lies, "{report}");
    }
}

#[test]
fn wherever_the_bounds_leave_a_try_everything_is_read_in_the_end() {
    for name in ["read-and-commit", "session-lost", "late", "commits-in-part", "gaps", "swallowed"] {
        let report = run_named::<ReaderSystem>(&named(name), &Limits { recovery: true, ..Limits::default() });
        assert!(matches!(report.verdict, Verdict::Exhausted), "{report}");
        let recovery = report.recovery.unwrap();
        println!("{name}: {} states settle again, {} reach the bounds", recovery.decided, recovery.undecided);
        assert!(recovery.decided > recovery.undecided, "{report}");
    }
}

#[test]
fn reductions_change_no_verdict_and_no_witness_length() {
    let mut named = named("partition-taken");
    named.scope.reductions = Reductions::NONE;
    let plain = explore(&named.protocol, &named.scope, &Limits::default());
    assert!(plain.holds(), "{plain}");
    named.scope.reductions = Reductions::ALL;
    let reduced = explore(&named.protocol, &named.scope, &Limits::default());
    assert!(reduced.holds(), "{reduced}");
    assert_eq!(reduced.witness_lengths(), plain.witness_lengths());
}

#[test]
fn a_witness_replays_from_its_text() {
    for named in ReaderSystem::scopes() {
        let report = run_named::<ReaderSystem>(&named, &Limits::default());
        for (mark, path) in &report.reached {
            let written = path.scenario(&named.header, *mark, Expect::Reaches((*mark).into()));
            let text = print(&*named.protocol, &written);
            let read = parse::<ReaderSystem>(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(read, written);
            let mut world = World::new(Arc::clone(&named.protocol), named.scope.memory);
            let replayed = replay_exact(&mut world, &read.entries, Mode::Replay, &mut Nobody)
                .unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(replayed.violation, None);
        }
    }
}
