//! What tests of engines share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward_sim::run::{Job, Outcome};
use std::path::Path;

/// The shipped scenarios, by name.
pub(crate) fn shipped() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<(String, String)> = files
        .filter(|path| path.extension().is_some_and(|end| end == "scenario"))
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    all.sort();
    assert!(!all.is_empty(), "no scenario in {}", folder.display());
    all
}

/// What is wrong with an outcome, if it did not end as the job must.
pub(crate) fn failure_of(job: &dyn Job, outcome: &Outcome) -> Option<String> {
    let broken = outcome.violation.as_ref().map(|violation| violation.promise);
    if broken == job.must_break() {
        return None;
    }
    Some(match &outcome.violation {
        Some(violation) => format!("{violation}\n{:?}", violation.evidence),
        None => "it should break a promise, and does not".into(),
    })
}
