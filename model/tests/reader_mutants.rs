//! The reader's known bugs. One test, as a switch is for the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "mutants")]

mod support;

#[test]
fn each_known_bug_of_the_reader_breaks_its_promise_in_some_scope() {
    support::known_bugs_are_found::<onceward_model::systems::reader::ReaderSystem>();
}
