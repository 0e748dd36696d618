//! The explorer on the writer's scopes: pinned counts, a second engine that agrees, recoverability, witnesses as scenario text.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use onceward_model::{system::System, systems::writer::WriterSystem};

#[test]
fn every_scope_is_exhausted_with_the_pinned_counts_and_together_they_reach_the_marks() {
    let missing = support::pinned::<WriterSystem>(u64::MAX, WriterSystem::marks().to_vec());
    assert_eq!(missing, Vec::<&str>::new(), "no scope reaches these marks");
}

#[cfg(feature = "stateright")]
#[test]
fn stateright_counts_alike() {
    support::stateright_counts_alike::<WriterSystem>(u64::MAX);
}

#[test]
fn wherever_the_bounds_leave_a_try_everybody_is_answered_in_the_end() {
    support::settle_again::<WriterSystem>(&["flush", "swallowed", "rivals", "room"]);
}

#[test]
fn reductions_change_no_verdict_and_no_witness_length() {
    support::reductions_change_nothing::<WriterSystem>("codecs");
}

#[test]
fn a_witness_replays_from_its_text() {
    support::witnesses_replay::<WriterSystem>();
}
