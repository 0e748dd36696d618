//! Commands as a user types them, on a system that fails: the toy, on a disk that rots and lies.

use super::*;
use crate::{
    run::{How, Job, ScenarioJob, panics},
    seeds::Seeds,
    support::Kind,
};
use clap::Parser;
use onceward_core::{Dur, NodeId};
use onceward_model::{
    check::{self, Walk},
    scenario::{self, Header},
    system::{Allowed, Calls, NamedScope, Numbering, Parsed, Promise, System, Verb, Word},
    systems::log::LogSystem,
    toy::{Toy, ToySystem},
    trace::{Chain, StepHash},
    world::{
        Applied, Key, World,
        disk::{Damage, Faults},
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The toy, on a disk that it does not survive.
struct Loose;

impl System for Loose {
    type Protocol = Toy;
    const NAME: &'static str = "loose";
    const ABOUT: &'static str = "the toy on a bad disk";

    fn build(header: &Header) -> Result<Arc<Toy>, String> {
        ToySystem::build(header)
    }
    fn verbs() -> &'static [Verb] {
        ToySystem::verbs()
    }
    fn parse_call(toy: &Toy, numbering: &mut Numbering, words: &[Word]) -> Parsed<Toy> {
        ToySystem::parse_call(toy, numbering, words)
    }
    fn draw_header(key: Key) -> Header {
        Header { system: Self::NAME.into(), ..ToySystem::draw_header(key) }
    }
    fn draw_workload(toy: &Toy, key: Key, calls: u32, span: Dur) -> Calls<Toy> {
        ToySystem::draw_workload(toy, key, calls, span)
    }
    fn allowed(toy: &Toy) -> Allowed {
        ToySystem::allowed(toy)
    }
    fn draw_damage(_: &Toy, key: Key) -> Option<(NodeId, Damage)> {
        let file = "log".parse().ok()?;
        Some((NodeId(0), Damage::Rot { file, at: key.below(0, 48), mask: 1 }))
    }
    fn promises() -> &'static [Promise] {
        ToySystem::promises()
    }
    /// One in which a device may lie, too.
    fn scopes() -> Vec<NamedScope<Toy>> {
        let mut scope = ToySystem::scopes().swap_remove(1);
        scope.scope.disk = Faults { lies: true, ..Faults::NONE };
        scope.header.system = Self::NAME.into();
        vec![scope]
    }
}

fn sim(words: &[&str]) -> Result<(Verdict, String), String> {
    let args = Args::parse_from([&["cargo sim"], words].concat());
    let catalog = Catalog::new().with::<Loose>();
    let mut out = Vec::new();
    let verdict = carry_out(&args, &catalog, &mut out).map_err(|refused| refused.to_string())?;
    Ok((verdict, String::from_utf8(out).unwrap()))
}

/// A file of its own for a test, which is not there yet.
fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tmp/command");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(name);
    let _ = fs::remove_file(&file);
    file
}

fn run(seeds: &str, first: &str, file: &Path) -> (Verdict, String) {
    let file = file.to_str().unwrap();
    sim(&["run", "--seeds", seeds, "--seed", first, "--jobs", "2", "--seeds-file", file]).unwrap()
}

fn kept(file: &Path) -> Seeds {
    Seeds::read(&fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn failing_seeds_are_kept_run_first_and_known_when_they_are_mended() {
    let file = file("kept.jsonl");
    let (verdict, text) = run("300", "1", &file);
    assert_eq!(verdict, Verdict::Failed, "{text}");
    let found = kept(&file);
    let first = found.0.first().unwrap_or_else(|| panic!("nothing was kept\n{text}")).clone();
    assert!(first.scenario.is_some() && first.mutant.is_none() && !first.mended, "{first:?}");

    // They come first, whatever else is run, and are in there once.
    let count = found.0.len();
    let (verdict, text) = run("1", "1000001", &file);
    let plural = if count == 1 { "seed run first: 1 still fails" } else { "seeds run first: " };
    assert!(text.contains(&format!("{count} known failing {plural}")), "{text}");
    assert!(text.contains(&format!("✗ known  {}, loose seed {}: still fails", first.promise, first.seed)));
    assert_eq!((verdict, kept(&file)), (Verdict::Failed, found.clone()));

    // Another build draws other plans: the scenario knows.
    let mut passing = 1_000_001;
    while found.0.iter().any(|entry| entry.seed == passing) {
        passing += 1;
    }
    let only = |entry| Seeds(vec![entry]).text();
    let moved = crate::seeds::Entry { seed: passing, ..first.clone() };
    fs::write(&file, only(moved.clone())).unwrap();
    let (verdict, text) = run("1", "1000001", &file);
    assert!(text.contains("1 known failing seed run first: 1 still fails"), "{text}");
    assert!(text.contains(&format!("loose seed {passing}, as scenario")), "{text}");
    assert_eq!(verdict, Verdict::Failed);

    // Without it the seed is all there is, and that passes: it is mended, stays in the file, and is run again.
    fs::write(&file, only(crate::seeds::Entry { scenario: None, ..moved })).unwrap();
    let (verdict, text) = run("1", "1000001", &file);
    assert!(text.contains("1 known failing seed run first: 1 mended\n"), "{text}");
    assert_eq!((verdict, kept(&file).0[0].mended), (Verdict::Passed, true), "{text}");
    let (_, text) = run("1", "1000001", &file);
    assert!(text.contains("1 known failing seed run first: 1 mended before\n"), "{text}");

    // What was mended and fails again is a failure like any other.
    fs::write(&file, only(crate::seeds::Entry { mended: true, ..first })).unwrap();
    let (verdict, text) = run("1", "1000001", &file);
    assert!(text.contains("1 known failing seed run first: 1 mended before fails again\n"), "{text}");
    assert_eq!((verdict, kept(&file).0[0].mended), (Verdict::Failed, false));

    // Another shard than the first does not run them.
    let name = file.to_str().unwrap();
    let words = ["run", "--seeds", "2", "--seed", "1000001", "--shard", "2/2", "--seeds-file", name];
    assert!(!sim(&words).unwrap().1.contains("known"));
}

#[test]
fn kept_seeds_are_listed_and_forgotten() {
    let file = file("listed.jsonl");
    let name = file.to_str().unwrap();
    let entry = |seed: u64, mended: bool| {
        format!(
            "{{\"system\":\"loose\",\"seed\":{seed},\"promise\":\"reads-see-acked\",\"what\":\"a read did not show an \
             add\",\"steps\":[],\"found_by\":\"a build\",\"mended\":{mended}}}\n"
        )
    };
    fs::write(&file, entry(7, false) + "\n" + &entry(8, true) + &entry(9, false)).unwrap();
    let (_, text) = sim(&["seeds", "--seeds-file", name]).unwrap();
    insta::assert_snapshot!(text.replace(name, "FILE"));
    let (_, text) = sim(&["seeds", "--seeds-file", name, "--forget", "mended", "9"]).unwrap();
    assert_eq!(text.replace(name, "FILE"), "2 failing seeds forgotten, 1 left in FILE\n");
    assert_eq!(kept(&file).0.iter().map(|entry| entry.seed).collect::<Vec<_>>(), [7]);
    let no = |what: &str| {
        sim(&["seeds", "--seeds-file", name, "--forget", what]).unwrap_err().replace(name, "FILE")
    };
    assert_eq!(no("8"), "seed 8 is not in FILE");
    assert_eq!(no("some"), "`some` is neither a seed nor `mended` nor `all`");
}

#[test]
fn a_file_that_is_no_list_of_seeds_is_refused_by_its_line() {
    let file = file("broken.jsonl");
    let name = file.to_str().unwrap();
    let refused = |text: &str| {
        fs::write(&file, text).unwrap();
        sim(&["run", "--seeds", "1", "--seeds-file", name]).unwrap_err().replace(name, "FILE")
    };
    let good = "{\"system\":\"loose\",\"seed\":1,\"promise\":\"p\",\"what\":\"w\",\"steps\":[],\"found_by\":\"b\"}\n";
    insta::assert_snapshot!(
        [
            refused(&format!("{good}{{\"system\":\"loose\"}}\n")),
            refused(&format!("{good}\n{good}not JSON\n")),
            refused(&good.replace("seed\":1", "seed\":-1")),
            refused(&good.replace("what", "why")),
        ]
        .join("\n")
    );
    assert!(
        fs::read_to_string(&file).unwrap().contains("why"),
        "a file that cannot be read is left as it is"
    );
}

#[test]
fn what_was_learned_is_not_run_twice() {
    let refused = sim(&["run", "--seeds", "1", "--explore", "guided", "--twice"]).unwrap_err();
    assert!(refused.contains("depends on those before it"), "{refused}");
    let refused = sim(&["replay", "7", "--explore", "mix", "--engine", "shell"]).unwrap_err();
    assert!(refused.contains("is learned in the loop engine"), "{refused}");
}

#[test]
fn failing_seeds_of_other_strategies_are_kept_with_them() {
    let file = file("explored.jsonl");
    let words = ["run", "--seeds", "150", "--jobs", "1", "--seeds-file", file.to_str().unwrap()];
    let (verdict, text) = sim(&[&words[..], &["--explore", "guided", "--shrink", "0s"]].concat()).unwrap();
    assert_eq!(verdict, Verdict::Failed, "{text}");
    let found = kept(&file);
    let first = found.0.first().unwrap_or_else(|| panic!("nothing was kept\n{text}"));
    assert!(first.scenario.is_none() && first.explore == crate::explore::Strategy::Guided, "{first:?}");
    // What it stands for under another strategy is another run; it is run as it was found.
    let (verdict, text) = sim(&words).unwrap();
    assert_eq!(verdict, Verdict::Failed);
    assert!(
        text.contains(&format!("✗ known  {}, loose seed {}: still fails", first.promise, first.seed)),
        "{text}"
    );
}

/// Bytes without a pattern, the same each time, after one that names a scope. Most are small: what happens by itself comes
/// before faults.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let rest = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [odds, byte, ..] = state.to_be_bytes();
        if odds.is_multiple_of(4) { byte } else { byte % 32 }
    });
    std::iter::once(seed as u8).chain(rest).take(len).collect()
}

/// What the fuzz target finds if it tries such bytes.
fn crash() -> Vec<u8> {
    let mut tries = (0..20_000).map(|seed| noise(seed, 80));
    tries.find(|bytes| panics::catch(|| check::fuzz::<Loose>(bytes)).is_err()).expect("nothing was found")
}

/// The same steps give the same links in a world alone, as the explorer performs them, and in both engines that perform
/// steps, in which they were read from text.
fn chains_agree<S: System>(paths: u64) {
    let mut most = 0;
    for seed in 0..paths {
        let bytes = noise(seed, 100);
        let mut walk = Walk::new::<S>(&bytes).unwrap();
        walk.go(&bytes).unwrap();
        let scope = S::scopes().into_iter().find(|scope| scope.name == walk.scope()).unwrap();
        let mut world = World::new(Arc::clone(&scope.protocol), scope.scope.memory);
        let mut hash = StepHash::new();
        let alone: Vec<Chain> = (walk.path(false).0.steps.iter())
            .map(|step| {
                assert_eq!(world.apply(step.at, &step.choice, Key::ANY, &mut hash), Ok(Applied::Done));
                hash.chain()
            })
            .collect();
        let text = scenario::print(&*scope.protocol, &walk.scenario(false).0);
        let job = ScenarioJob::<S>::read("path", &text).unwrap();
        for engine in [Kind::Check, Kind::Loop] {
            // The loop engine would go on with healing.
            let how = How { until: Some(alone.len() as u64), ..How::default() };
            let steps = job.worker_in(engine).unwrap().replay(0, &how).unwrap().trace.steps;
            let links: Vec<Chain> = steps.iter().map(|step| step.link).collect();
            assert_eq!(links, alone, "{engine:?}\n{text}");
        }
        most = most.max(alone.len());
    }
    assert!(most > 10, "{most} links are no chain");
}

#[test]
fn loop_and_check_give_equal_chains_for_equal_steps() {
    chains_agree::<ToySystem>(60);
    chains_agree::<LogSystem>(40);
}

#[test]
fn what_the_fuzzer_finds_replays_in_every_engine_that_performs_steps_and_becomes_bytes_again() {
    let (found, text, bytes) = (file("crash"), file("crash.scenario"), file("crash.bytes"));
    let names = [&found, &text, &bytes].map(|file| file.to_str().unwrap().to_owned());
    fs::write(&found, crash()).unwrap();
    let (_, said) = sim(&["convert", &names[0], "--out", &names[1]]).unwrap();
    assert!(said.contains("steps of the scope loose/crashes, breaks reads-see-acked"), "{said}");
    let scenario = fs::read_to_string(&text).unwrap();
    assert_eq!(sim(&["convert", &names[0]]).unwrap().1, scenario, "without --out it is printed");
    for engine in ["loop", "check"] {
        let (verdict, said) = sim(&["replay", &names[1], "--engine", engine, "--quiet"]).unwrap();
        assert_eq!(verdict, Verdict::Passed, "{said}");
        assert!(said.contains("✓ reads-see-acked"), "{engine}: {said}");
    }
    // There and back: other bytes, perhaps, for the same path.
    sim(&["convert", &names[1]]).unwrap();
    let (_, again) = sim(&["convert", &names[2]]).unwrap();
    assert_eq!(again, scenario);
    assert!(panics::catch(|| check::fuzz::<Loose>(&fs::read(&bytes).unwrap())).is_err());
}

#[test]
fn what_is_no_path_is_refused() {
    let (empty, text) = (file("empty"), file("none.scenario"));
    fs::write(&empty, "").unwrap();
    let plan = "system loose\ncluster server client\nprofile none\n\nat 0ms client-1 adds\n";
    fs::write(&text, plan).unwrap();
    let no = |file: &Path| {
        sim(&["convert", file.to_str().unwrap()]).unwrap_err().replace(file.to_str().unwrap(), "FILE")
    };
    assert_eq!(no(&empty), "FILE: no bytes, or loose has no scope to walk in");
    assert_eq!(no(&text), "FILE: no scope has this cluster with these settings; there are crashes");
}
