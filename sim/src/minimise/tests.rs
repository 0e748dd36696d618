//! The minimiser on failures that need no bug: of the toy under syncs that lie, and of the event store
//! under one that does.

use super::{Nearest, Options, Passing, Shrunk};
use crate::{
    batch::{self, Lane},
    report::{Report, Rules, Shrinker, SmallerReport, failure},
    run::{Job, ScenarioJob, Signature},
};
use onceward_model::{system::System, systems::log::LogSystem, toy::ToySystem};
use std::time::Duration;

/// A day on which syncs lie, and much else goes on.
const LIES: &str = "\
system    toy
cluster   server client*3
config    lease=100ms retry=20ms
profile   rough sync-lie=60% network=50us..30ms
seed      11

at 1ms    client-1 adds
at 5ms    client-2 reads
at 9ms    client-3 adds
at 30ms   hold client-2 -> server
at 40ms   client-2 adds
at 50ms   client-1 reads
at 60ms   release client-2 -> server
at 200ms  server's clock steps -1h
at 300ms  server is killed
at 350ms  server boots
at 600ms  client-1 adds
at 700ms  client-3 reads
at 800ms  client-2 asks-time
at 900ms  server loses power
at 950ms  server boots
at 1s     client-3 reads
at 1100ms client-2 adds
at 1200ms client-1 reads
";

/// A sync that lies, and then the power goes.
const LOG: &str = "\
system    log
cluster   store client*3
config    segment=4KiB sync=full
profile   rough
seed      3

at 20ms   client-2 reads all waiting 5ms
at 40ms   client-1 appends a \"first\" \"second\" times 3 kind strange key 17 and b \"third\"
at 300ms  next sync of store lies
at 310ms  client-3 appends b \"some longer payload\" kind strange scope wide
at 500ms  client-1 reads entity b
at 600ms  store loses power
at 700ms  store boots
at 900ms  client-2 reads all
";

fn job<S: System>(text: &str) -> ScenarioJob<S> {
    ScenarioJob::read("noisy.scenario", text).unwrap()
}

fn shrink<S: System>(text: &str) -> Result<Shrunk, String> {
    let job = job::<S>(text);
    // Time enough for a build without optimisation on a busy computer: none of these takes a second otherwise.
    let mut options = Options { cpu: Duration::from_secs(300), progress: &mut |_| () };
    job.worker().shrink(job.seed(), "a test", &mut options).map(|(shrunk, _)| shrunk)
}

fn signature<S: System>(text: &str) -> Option<Signature> {
    let job = ScenarioJob::<S>::read("candidate.scenario", text).ok()?;
    let outcome = job.worker().run(job.seed());
    outcome.violation.map(|violation| Signature::of(S::NAME, &violation))
}

fn plain(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

/// Everything that must be true of any result.
fn is_right<S: System>(text: &str) -> Shrunk {
    let shrunk = shrink::<S>(text).unwrap();
    assert!(shrunk.replays && shrunk.minimal, "{shrunk:?}");
    let wanted = signature::<S>(text).unwrap();
    assert_eq!(signature::<S>(&shrunk.text), Some(wanted.clone()), "{}", shrunk.text);
    assert_eq!(shrink::<S>(text).unwrap().text, shrunk.text, "the same failure gives another text");
    let again = shrink::<S>(&shrunk.text).unwrap();
    assert_eq!(plain(&again.text), plain(&shrunk.text), "a minimal text gives another");
    no_line_is_idle::<S>(&shrunk.text, &wanted);
    shrunk
}

/// Takes out each line of the plan, and each setting, in turn.
fn no_line_is_idle<S: System>(text: &str, wanted: &Signature) {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for n in (0..lines.len()).filter(|n| lines[*n].starts_with("at ") || lines[*n].starts_with("step ")) {
        let rest: Vec<&str> =
            lines.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, line)| *line).collect();
        assert_ne!(signature::<S>(&rest.join("\n")).as_ref(), Some(wanted), "`{}` is not needed", lines[n]);
    }
    let settings = lines.iter().find_map(|line| line.strip_prefix("config")).unwrap_or("");
    for setting in settings.split_whitespace() {
        let rest = lines.join("\n").replace(setting, "");
        assert_ne!(signature::<S>(&rest).as_ref(), Some(wanted), "`{setting}` is not needed");
    }
}

#[test]
fn lies_of_a_disk_come_down_to_a_few_lines() {
    let shrunk = is_right::<ToySystem>(LIES);
    insta::assert_snapshot!(shrunk.text);
    assert!(shrunk.certain && shrunk.lines <= 8);
}

#[test]
fn a_lost_append_comes_down_to_a_few_lines() {
    let shrunk = is_right::<LogSystem>(LOG);
    insta::assert_snapshot!(shrunk.text);
    assert!(shrunk.certain && shrunk.lines <= 8);
}

#[test]
fn what_does_not_fail_is_refused() {
    let passes = LIES.replace(" sync-lie=60%", "");
    assert_eq!(signature::<ToySystem>(&passes), None);
    assert_eq!(shrink::<ToySystem>(&passes), Err("this run breaks no promise".into()));
}

#[test]
fn without_time_the_failure_is_said_as_it_is() {
    let job = job::<ToySystem>(LIES);
    let mut options = Options { cpu: Duration::ZERO, progress: &mut |_| () };
    let end = job.worker().shrink(job.seed(), "a test", &mut options);
    let shrunk = end.unwrap().0;
    assert!(shrunk.replays && !shrunk.minimal && !shrunk.certain, "{shrunk:?}");
    assert_eq!(signature::<ToySystem>(&shrunk.text), signature::<ToySystem>(LIES));
}

#[test]
fn a_batch_shrinks_each_way_to_fail_once() {
    let lane =
        |name: &str| Lane { job: Box::new(ScenarioJob::<LogSystem>::read(name, LOG).unwrap()), seeds: 1..9 };
    let lanes = [lane("noisy"), lane("noisy again")];
    let options = batch::Options::new(1);
    let results = batch::run(&lanes, &options, &|_| ());
    let mut shrinker = Shrinker::new(Duration::from_secs(300), &|_| ());
    let rules = Rules { marks: false };
    let mut report = Report::of(&lanes, &options, &results, rules, None, Some(&mut shrinker));
    let (first, second) = (&report.lanes[0].findings, &report.lanes[1].findings);
    assert!(!first.is_empty() && first.len() == second.len());
    assert!(first.iter().all(|finding| finding.smaller.as_ref().is_some_and(|one| one.scenario().is_some())));
    assert!(second.iter().all(|finding| matches!(finding.smaller, Some(SmallerReport::SameAs(_)))));
    // The one figure that no two runs share.
    if let Some(SmallerReport::Scenario(scenario)) = &mut report.lanes[0].findings[0].smaller {
        scenario.shrunk.seconds = 0.25;
    }
    let texts = report.lanes.iter().map(|lane| failure(lane, &lane.findings[0]));
    insta::assert_snapshot!(texts.collect::<Vec<_>>().join("\n"));
}

/// A lie of the disk, and then the power goes; what was acknowledged is lost.
const TOY_LIE: &str = "\
system    toy
cluster   server  client
profile   none

at 0ms    client-1 adds
at 700us  next sync of server lies
at 300ms  server loses power
";

fn closest<S: System>(text: &str) -> Result<Nearest, String> {
    let job = job::<S>(text);
    job.worker().nearest(job.seed())
}

/// The closest run passes, and nothing that is said of it is wrong.
fn is_closest<S: System>(text: &str) -> Passing {
    let nearest = closest::<S>(text).unwrap();
    let passing = nearest.passing.unwrap_or_else(|| panic!("none of {}", nearest.tried));
    assert_eq!(signature::<S>(&passing.text), None, "it does not pass:\n{}", passing.text);
    let links = |text: &str| job::<S>(text).worker().links(0).1;
    let (here, there) = (links(text), links(&passing.text));
    let parted = here.iter().zip(&there).find(|(a, b)| a != b).map(|(here, _)| here.0.step);
    assert!(parted.is_none_or(|step| step >= passing.step), "they part at {parted:?} already: {passing:?}");
    assert_ne!(passing.here, passing.there);
    passing
}

#[test]
fn the_closest_run_that_passes_is_one_change_away() {
    is_closest::<ToySystem>(TOY_LIE);
    insta::assert_snapshot!(crate::report::parting(&closest::<ToySystem>(TOY_LIE).unwrap()));
}

#[test]
fn the_closest_run_of_a_failure_of_the_store_passes_too() {
    let shrunk = shrink::<LogSystem>(LOG).unwrap();
    is_closest::<LogSystem>(&shrunk.text);
    insta::assert_snapshot!(crate::report::parting(&closest::<LogSystem>(&shrunk.text).unwrap()));
}

#[test]
fn what_passes_has_no_closest_run() {
    let passes = TOY_LIE.replace("at 700us  next sync of server lies\n", "");
    assert_eq!(closest::<ToySystem>(&passes), Err("this run breaks no promise".into()));
}
