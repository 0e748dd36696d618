//! The outcome of each shipped scenario, as its clients saw it: what was asked, what was answered, what happened to
//! the store in between, and how it ended. Whoever changes an outcome looks at the difference before accepting it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward_model::trace::Trace;
use onceward_sim::{catalog::Catalog, run::How};
use std::{fmt::Write, fs, path::Path};

/// Asks once faults have stopped, for the harness rather than for the scenario.
const PROBE: u16 = u16::MAX;

fn story(trace: &Trace) -> String {
    let mut text = String::new();
    let happens = ["loses power", "is killed", "boots", "wipes", "is paused", "goes on", "clock"];
    for step in &trace.steps {
        let told = step.call.is_some_and(|call| call.client.0 != PROBE)
            || step.call.is_none() && happens.iter().any(|word| step.line.contains(word));
        if told {
            writeln!(text, "{}", step.line).unwrap();
        }
        for action in step.taken.iter().flat_map(|taken| &taken.actions) {
            // As in `answer call 3 of client 0: …`: clients are counted from 0 there, from 1 in scenario text.
            let Some((who, what)) = action.strip_prefix("answer call ").and_then(|a| a.split_once(": "))
            else {
                continue;
            };
            let client: u16 = who.rsplit(' ').next().unwrap().parse().unwrap();
            if client != PROBE {
                writeln!(text, "    client-{} is told: {what}", client + 1).unwrap();
            }
        }
    }
    text
}

#[test]
fn shipped_scenarios_end_as_they_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let catalog = Catalog::shipped();
    let mut count = 0;
    for file in files.iter().filter(|file| file.extension().is_some_and(|ext| ext == "scenario")) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let job = catalog.read(name, &fs::read(file).unwrap()).unwrap();
        let replay = job.worker().replay(job.seed(), &How::default()).unwrap();
        let end = match &replay.outcome.violation {
            None => "every promise was kept".to_owned(),
            Some(violation) => violation.to_string(),
        };
        let reached: Vec<&str> = replay.outcome.marks.sorted().into_iter().map(|(mark, _)| mark).collect();
        let about = job.about();
        let text = format!("{about}\n\n{}\n{end}\nreached: {}", story(&replay.trace), reached.join(", "));
        insta::assert_snapshot!(name, text);
        count += 1;
    }
    assert!(count >= 15, "only {count} scenarios");
}
