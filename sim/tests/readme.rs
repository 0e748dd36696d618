//! The README's table of promises is the code's: every promise with its words, and every mutant, of whichever system,
//! beside the promise that it breaks.
#![allow(clippy::unwrap_used)]

use onceward_model::{
    system::{Promise, System},
    systems::{log::LogSystem, pipeline::PipelineSystem, reader::ReaderSystem, writer::WriterSystem},
};
use std::{collections::BTreeMap, path::Path};

#[test]
fn the_readme_names_every_promise_and_what_breaks_it() {
    let mut table = BTreeMap::new();
    collect::<LogSystem>(&mut table);
    collect::<PipelineSystem>(&mut table);
    collect::<WriterSystem>(&mut table);
    collect::<ReaderSystem>(&mut table);
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    for (promise, mutants) in table.into_values() {
        let start = format!("| `{}` | {} |", promise.id, promise.says);
        let row = readme.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("README.md has no row that begins with\n{start}"));
        let named: Vec<&str> = row.rsplit('|').nth(1).unwrap().split('`').skip(1).step_by(2).collect();
        assert_eq!(named, mutants, "README.md names other mutants for {}", promise.id);
    }
}

/// Adds a system's promises, and its mutants beside those that they break.
fn collect<S: System>(table: &mut BTreeMap<&'static str, (Promise, Vec<&'static str>)>) {
    for promise in S::promises() {
        let (_, mutants) = table.entry(promise.id).or_insert_with(|| (*promise, Vec::new()));
        let breaks = S::mutants().into_iter().filter(|mutant| mutant.about.kills == promise.id);
        mutants.extend(breaks.map(|mutant| mutant.about.name));
    }
}
