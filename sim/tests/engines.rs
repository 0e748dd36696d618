//! The table of what each engine performs: it covers the whole language, and the README shows it as it is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward_model::{scenario, toy::ToySystem};
use onceward_sim::support::{Deed, table};
use std::path::Path;

#[test]
fn every_verb_of_the_language_has_a_row() {
    let mut seen = vec![Deed::Step, Deed::Profile, Deed::Silence];
    let mut look = |line: &str| {
        let line = line.replace("store", "server").replace("backup", "client-1");
        let text = format!("system toy\ncluster server client\nprofile none\n\n{line}\n");
        let scenario = scenario::parse::<ToySystem>(&text).unwrap_or_else(|error| panic!("{line}: {error}"));
        for entry in &scenario.entries {
            let deed = Deed::of(&entry.what);
            assert_ne!(deed, Deed::Step, "{line} is taken for an exact step");
            seen.push(deed);
        }
    };
    scenario::verbs().iter().for_each(|verb| look(verb.example));
    // What one verb can say in several ways that engines tell apart.
    for line in [
        "at 1ms store is killed",
        "at 1ms store is killed within 1 action",
        "at 1ms store's disk loses 1.seg:4",
        "at 1ms store's disk has capacity 512",
        "at 1ms client-1 adds",
    ] {
        look(line);
    }
    for deed in Deed::ALL {
        assert!(seen.contains(&deed), "{deed:?} is no verb of the language");
    }
}

#[test]
fn the_readme_shows_the_table() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let table = table();
    assert!(readme.contains(&table), "the table of verbs in README.md should be:\n\n{table}");
}
