//! What the scopes of every system are held to.
#![allow(dead_code, reason = "each test takes what it needs")]

use onceward_model::{
    check::{Limits, Verdict, explore, run_named},
    scenario::{Expect, Mode, parse, print, replay_exact},
    system::{NamedScope, System},
    world::{Nobody, Reductions, World},
};
use std::{fmt::Debug, sync::Arc};

/// A scope of a system.
pub(crate) fn named<S: System>(name: &str) -> NamedScope<S::Protocol> {
    S::scopes().into_iter().find(|scope| scope.name == name).unwrap()
}

/// Those of at most so many states, to be exhausted with the counts that are pinned: whoever changes a machine on purpose
/// writes the new ones down, and a change that should change nothing, and does, is seen here. What of `missing` no scope
/// reaches.
pub(crate) fn pinned<S: System>(most: u64, mut missing: Vec<&'static str>) -> Vec<&'static str>
where
    S::Protocol: PartialEq + Debug,
{
    let mut wrong = String::new();
    for named in S::scopes() {
        assert_eq!(S::build(&named.header).unwrap(), named.protocol, "{}", named.name);
        if named.pinned.is_some_and(|(unique, _)| unique > most) {
            continue;
        }
        let report = run_named::<S>(&named, &Limits { threads: 2, ..Limits::default() });
        println!("{report}");
        assert!(matches!(report.verdict, Verdict::Exhausted), "{report}");
        missing.retain(|mark| !report.reached.contains_key(mark));
        let counts = (report.unique, report.generated);
        if named.pinned != Some(counts) {
            wrong += &format!("\n{}: {:?}, not {:?}", named.name, counts, named.pinned);
        }
    }
    assert_eq!(wrong, "", "the counts of `model/src/systems/{}/scopes.rs` are others now", S::NAME);
    missing
}

/// The second engine counts alike.
#[cfg(feature = "stateright")]
pub(crate) fn stateright_counts_alike<S: System>(most: u64) {
    use onceward_model::check::stateright::{Counts, count};
    for named in S::scopes() {
        let (unique, generated) = named.pinned.unwrap();
        if unique <= most {
            let second = count(&named.protocol, &named.scope);
            assert_eq!(second, Counts { unique, generated, broken: false }, "{}", named.name);
        }
    }
}

/// Most states of each scope settle again once nothing goes wrong any more; the others are at the scope's bounds.
pub(crate) fn settle_again<S: System>(names: &[&str]) {
    for name in names {
        let report = run_named::<S>(&named::<S>(name), &Limits { recovery: true, ..Limits::default() });
        assert!(matches!(report.verdict, Verdict::Exhausted), "{report}");
        let recovery = report.recovery.unwrap();
        println!("{name}: {} states settle again, {} reach the bounds", recovery.decided, recovery.undecided);
        assert!(recovery.decided > recovery.undecided, "{report}");
    }
}

/// Reductions change no verdict and no length of a witness.
pub(crate) fn reductions_change_nothing<S: System>(name: &str) {
    let mut named = named::<S>(name);
    named.scope.reductions = Reductions::NONE;
    let plain = explore(&named.protocol, &named.scope, &Limits::default());
    assert!(plain.holds(), "{plain}");
    named.scope.reductions = Reductions::ALL;
    let reduced = explore(&named.protocol, &named.scope, &Limits::default());
    assert!(reduced.holds(), "{reduced}");
    assert_eq!(reduced.witness_lengths(), plain.witness_lengths());
}

/// The witness of every mark replays from its text.
pub(crate) fn witnesses_replay<S: System>()
where
    S::Protocol: Debug,
{
    for named in S::scopes() {
        let report = run_named::<S>(&named, &Limits::default());
        for (mark, path) in &report.reached {
            let written = path.scenario(&named.header, *mark, Expect::Reaches((*mark).into()));
            let text = print(&*named.protocol, &written);
            let read = parse::<S>(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(read, written);
            let mut world = World::new(Arc::clone(&named.protocol), named.scope.memory);
            let replayed = replay_exact(&mut world, &read.entries, Mode::Replay, &mut Nobody)
                .unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(replayed.violation, None);
        }
    }
}

/// Each known bug of a system, switched on in turn, breaks the promise in some scope that it is known to break. To be
/// called once in a process, as a switch is for the whole of it.
pub(crate) fn known_bugs_are_found<S: System>() {
    for mutant in S::mutants() {
        (mutant.activate)();
        let (about, mut seen) = (mutant.about, Vec::new());
        for named in S::scopes() {
            let report = run_named::<S>(&named, &Limits::default());
            if let Verdict::Violated(found) = &report.verdict {
                seen.push((named.name, found.violation.promise, found.path.steps.len()));
            }
        }
        println!("{}: {seen:?}", about.name);
        let intended = seen.iter().any(|(_, promise, _)| *promise == about.kills);
        assert!(intended, "{} breaks {seen:?}, not {}", about.name, about.kills);
    }
}
