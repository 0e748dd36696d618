//! The explorer on the reader's scopes: pinned counts, a second engine that agrees, recoverability, witnesses as scenario text.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use onceward_model::{
    check::{Limits, run_named},
    system::System,
    systems::reader::ReaderSystem,
};

#[test]
fn every_scope_is_exhausted_with_the_pinned_counts_and_together_they_reach_the_marks() {
    let missing = support::pinned::<ReaderSystem>(u64::MAX, ReaderSystem::marks().to_vec());
    assert_eq!(missing, Vec::<&str>::new(), "no scope reaches these marks");
}

#[cfg(feature = "stateright")]
#[test]
fn stateright_counts_alike() {
    support::stateright_counts_alike::<ReaderSystem>(u64::MAX);
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
    support::settle_again::<ReaderSystem>(&[
        "read-and-commit",
        "session-lost",
        "late",
        "commits-in-part",
        "gaps",
        "swallowed",
    ]);
}

#[test]
fn reductions_change_no_verdict_and_no_witness_length() {
    support::reductions_change_nothing::<ReaderSystem>("partition-taken");
}

#[test]
fn a_witness_replays_from_its_text() {
    support::witnesses_replay::<ReaderSystem>();
}
