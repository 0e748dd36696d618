//! The reader's known bugs, each switched on in turn: some scope must show the promise broken that the bug is known to
//! break. One test, as a switch is for the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "mutants")]

use onceward_model::{
    check::{Limits, Verdict, run_named},
    system::System,
    systems::reader::ReaderSystem,
};

#[test]
fn each_known_bug_of_the_reader_breaks_its_promise_in_some_scope() {
    for mutant in ReaderSystem::mutants() {
        (mutant.activate)();
        let (about, mut seen) = (mutant.about, Vec::new());
        for named in ReaderSystem::scopes() {
            let report = run_named::<ReaderSystem>(&named, &Limits::default());
            if let Verdict::Violated(found) = &report.verdict {
                seen.push((named.name, found.violation.promise, found.path.steps.len()));
            }
        }
        println!("{}: {seen:?}", about.name);
        let intended = seen.iter().any(|(_, promise, _)| *promise == about.kills);
        assert!(intended, "{} breaks {seen:?}, not {}", about.name, about.kills);
    }
}
