//! The explorer on the pipeline's scopes: pinned counts, and a second engine that agrees.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use onceward_model::{
    check::{Limits, Verdict, run_named},
    systems::pipeline::PipelineSystem,
};

/// Scopes with more states are left to `cargo sim check`, which compares as well and is not built for debugging.
const SMALL: u64 = 300_000;

#[test]
fn every_scope_is_exhausted_with_the_pinned_counts() {
    support::pinned::<PipelineSystem>(SMALL, Vec::new());
}

#[cfg(feature = "stateright")]
#[test]
fn stateright_counts_alike() {
    support::stateright_counts_alike::<PipelineSystem>(SMALL);
}

#[test]
fn a_stubborn_writer_is_served_in_the_end_wherever_the_bounds_leave_a_try() {
    let named = support::named::<PipelineSystem>("write-and-read");
    let report = run_named::<PipelineSystem>(&named, &Limits { recovery: true, ..Limits::default() });
    assert!(matches!(report.verdict, Verdict::Exhausted), "{report}");
    let recovery = report.recovery.unwrap();
    println!("{} states settle again, {} reach the bounds", recovery.decided, recovery.undecided);
    assert!(recovery.decided > 0, "{report}");
}
