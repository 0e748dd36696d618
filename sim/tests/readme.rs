//! The README's table of promises is the code's: every promise with its words, and every mutant beside the promise that
//! it breaks.
#![allow(clippy::unwrap_used)]

use onceward_model::{
    system::System,
    systems::{log::LogSystem, pipeline::PipelineSystem},
};
use std::path::Path;

#[test]
fn the_readme_names_every_promise_and_what_breaks_it() {
    tables_agree::<LogSystem>();
    tables_agree::<PipelineSystem>();
}

fn tables_agree<S: System>() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let mutants = S::mutants();
    for promise in S::promises() {
        let start = format!("| `{}` | {} |", promise.id, promise.says);
        let row = readme.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("README.md has no row that begins with\n{start}"));
        for mutant in mutants.iter().filter(|mutant| mutant.about.kills == promise.id) {
            let name = mutant.about.name;
            assert!(
                row.contains(&format!("`{name}`")),
                "README.md does not say that {name} breaks {}",
                promise.id
            );
        }
        let named = row.rsplit('|').nth(1).unwrap().matches('`').count() / 2;
        let kills = mutants.iter().filter(|mutant| mutant.about.kills == promise.id).count();
        assert_eq!(named, kills, "README.md names other mutants for {}", promise.id);
    }
}
