//! The writer's known bugs, each switched on in turn: some scope must show the promise broken that the bug is known to
//! break. One test, as a switch is for the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "mutants")]

use onceward_model::{
    check::{Limits, Verdict, run_named},
    system::System,
    systems::writer::WriterSystem,
};

#[test]
fn each_known_bug_of_the_writer_breaks_its_promise_in_some_scope() {
    for mutant in WriterSystem::mutants() {
        (mutant.activate)();
        let (about, mut seen) = (mutant.about, Vec::new());
        for named in WriterSystem::scopes() {
            let report = run_named::<WriterSystem>(&named, &Limits::default());
            if let Verdict::Violated(found) = &report.verdict {
                seen.push((named.name, found.violation.promise, found.path.steps.len()));
            }
        }
        println!("{}: {seen:?}", about.name);
        let intended = seen.iter().any(|(_, promise, _)| *promise == about.kills);
        assert!(intended, "{} breaks {seen:?}, not {}", about.name, about.kills);
    }
}
