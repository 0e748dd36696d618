//! The explorer on the pipeline's scopes: pinned counts, and a second engine that agrees.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward_model::{
    check::{Limits, Verdict, run_named},
    system::System,
    systems::pipeline::PipelineSystem,
};

/// Scopes with more states are left to `cargo sim check`, which compares as well and is not built for debugging.
const SMALL: u64 = 300_000;

/// Whoever changes the broker or the writer on purpose writes the new counts down: a change that should change nothing, and
/// does, is seen here.
#[test]
fn every_scope_is_exhausted_with_the_pinned_counts() {
    let mut wrong = String::new();
    for named in PipelineSystem::scopes() {
        assert_eq!(PipelineSystem::build(&named.header).unwrap(), named.protocol, "{}", named.name);
        if named.pinned.is_some_and(|(unique, _)| unique > SMALL) {
            continue;
        }
        let report = run_named::<PipelineSystem>(&named, &Limits { threads: 2, ..Limits::default() });
        println!("{report}");
        assert!(matches!(report.verdict, Verdict::Exhausted), "{report}");
        let counts = (report.unique, report.generated);
        if named.pinned != Some(counts) {
            wrong += &format!("\n{}: {:?}, not {:?}", named.name, counts, named.pinned);
        }
    }
    assert_eq!(wrong, "", "the counts of `model/src/systems/pipeline/scopes.rs` are others now");
}

#[cfg(feature = "stateright")]
#[test]
fn stateright_counts_alike() {
    use onceward_model::check::stateright::{Counts, count};
    for named in PipelineSystem::scopes()
        .into_iter()
        .filter(|scope| scope.pinned.is_some_and(|(unique, _)| unique <= SMALL))
    {
        let (unique, generated) = named.pinned.unwrap();
        let second = count(&named.protocol, &named.scope);
        assert_eq!(second, Counts { unique, generated, broken: false }, "{}", named.name);
    }
}

#[test]
fn a_stubborn_writer_is_served_in_the_end_wherever_the_bounds_leave_a_try() {
    let named = PipelineSystem::scopes().into_iter().find(|scope| scope.name == "write-and-read").unwrap();
    let report = run_named::<PipelineSystem>(&named, &Limits { recovery: true, ..Limits::default() });
    assert!(matches!(report.verdict, Verdict::Exhausted), "{report}");
    let recovery = report.recovery.unwrap();
    println!("{} states settle again, {} reach the bounds", recovery.decided, recovery.undecided);
    assert!(recovery.decided > 0, "{report}");
}
