//! What machines that build and test are told is what people are told, in a form that they can read.

use super::*;
use crate::{batch, run::SwarmJob};
use onceward_model::{scenario::parse_span, toy::ToySystem};
use std::collections::BTreeSet;

const EVIL: &str = "</failure>&\"' ]]> 100%\r\n::error::no \u{0}```";

fn lane(name: &str, findings: Vec<FindingReport>) -> LaneReport {
    LaneReport {
        name: name.into(),
        system: "log".into(),
        explore: crate::explore::Strategy::Plain,
        swarm: true,
        first_seed: 1,
        runs: 1000,
        events: 54_321,
        simulated: 12.5,
        failures: findings.iter().map(|finding| finding.times).sum(),
        must_break: None,
        broken_as_expected: 0,
        marks: Vec::new(),
        findings,
        differing: 0,
        differences: Vec::new(),
    }
}

fn report() -> Report {
    let finding = |what: &str| FindingReport {
        promise: "acked-is-durable".into(),
        what: what.into(),
        seed: 7,
        times: 3,
        evidence: vec![Evidence { step: 12, nanos: 10_150_000, what: "client-2 was told so".into() }],
        replay: "cargo sim replay target/failures/7/plan.scenario".into(),
        confirmed: true,
        smaller: None,
        picture: Some("target/failures/7/report.html".into()),
        slice: Some(Slice { leading: 12, of: 40 }),
        nearest: None,
        passing: None,
    };
    Report {
        madsim: true,
        optimised: true,
        version: "0.1.0".into(),
        shard: (0, 1),
        jobs: 2,
        seconds: 1.25,
        known: Vec::new(),
        lanes: vec![lane("good", Vec::new()), lane("bad", vec![finding("it is gone"), finding(EVIL)])],
        reasons: vec![
            "bad: 6 runs of 1000 broke a promise".into(),
            "good: never reached \"recovery cut a torn tail\"".into(),
            "two builds differ".into(),
        ],
    }
}

#[test]
fn junit_is_read_back_as_what_was_found() {
    let xml = junit(&report());
    let tree = roxmltree::Document::parse(&xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
    let root = tree.root_element();
    let number =
        |node: &roxmltree::Node<'_, '_>, name: &str| node.attribute(name).unwrap().parse::<usize>().unwrap();
    assert!(root.has_tag_name("testsuites"));
    let mut failures = Vec::new();
    for suite in root.children().filter(roxmltree::Node::is_element) {
        let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
        let failed =
            cases.iter().filter_map(|case| case.children().find(|node| node.has_tag_name("failure")));
        let failed: Vec<_> = failed.collect();
        assert_eq!((number(&suite, "tests"), number(&suite, "failures")), (cases.len(), failed.len()));
        failures.extend(failed.iter().map(|node| (suite.attribute("name").unwrap(), node.text().unwrap())));
    }
    assert_eq!(number(&root, "failures"), failures.len());
    let suites: Vec<&str> = failures.iter().map(|(suite, _)| *suite).collect();
    assert_eq!(suites, ["good", "bad", "bad", "batch"]);
    assert!(failures[1].1.contains("step 12: client-2 was told so"), "{failures:?}");
    // The control character is shown as what it is: something that has no place in XML.
    assert!(failures[2].1.contains("</failure>&\"' ]]> 100%"), "{failures:?}");
}

#[test]
fn what_passes_has_no_failure() {
    let mut passed = report();
    passed.lanes.truncate(1);
    passed.reasons.clear();
    let xml = junit(&passed);
    let tree = roxmltree::Document::parse(&xml).unwrap();
    assert_eq!(tree.descendants().filter(|node| node.has_tag_name("testcase")).count(), 1);
    assert!(!tree.descendants().any(|node| node.has_tag_name("failure")));
    assert_eq!(annotations(&passed), "");
}

#[test]
fn annotations_are_one_command_a_line() {
    insta::assert_snapshot!(annotations(&report()));
    assert!(annotations(&report()).lines().all(|line| line.starts_with("::error ")));
}

#[test]
fn the_job_summary_shows_texts_as_they_are() {
    insta::assert_snapshot!(job_summary(&report()));
}

#[test]
fn times_are_short_and_scenarios_accept_them() {
    let times = [
        (0, "0ms"),
        (7, "7ns"),
        (1_000, "1us"),
        (2_100_000, "2.1ms"),
        (9_289_600, "9.2896ms"),
        (1_157_300_000, "1.1573s"),
        (3_600_000_000_001, "3600s"),
    ];
    for (nanos, text) in times {
        assert_eq!(at(nanos), text);
        assert!(parse_span(text).is_ok_and(|span| span.0 <= nanos), "{text}");
    }
    assert!(parse_span(&at(u64::MAX)).is_ok());
}

/// A batch of random plans, or one shard of it, as it comes out of a JSON file.
fn ran(seeds: std::ops::Range<u64>, shard: (u64, u64)) -> Report {
    let lanes = [Lane { job: Box::new(SwarmJob::<ToySystem>::new()), seeds }];
    let options = Options { shard, ..Options::new(1) };
    let results = batch::run(&lanes, &options, &|_| {});
    let report = Report::of(&lanes, &options, &results, Rules { marks: shard == (0, 1) }, None, None);
    serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap()
}

#[test]
fn shards_together_are_the_whole() {
    let gist = |report: &Report| {
        let lane = &report.lanes[0];
        let marks: BTreeSet<_> =
            lane.marks.iter().map(|m| (m.mark.clone(), m.times, m.declared, m.must)).collect();
        (report.shard, lane.runs, lane.events, lane.failures, marks, report.reasons.clone())
    };
    let shards = || (0..3).map(|n| (format!("{n}.json"), ran(1..301, (n, 3)))).collect::<Vec<_>>();
    let merged = merge(shards(), 300).unwrap();
    assert_eq!(gist(&merged), gist(&ran(1..301, (0, 1))));
    assert!(merged.lanes[0].marks.iter().any(|mark| mark.must));
    // Too few runs owe no mark.
    assert!(merge(shards(), 301).unwrap().lanes[0].marks.iter().all(|mark| !mark.must));
}

#[test]
fn what_is_not_all_shards_of_one_batch_is_refused() {
    let shard = |n: u64| (format!("{n}.json"), ran(1..31, (n, 3)));
    let refused = |reports| merge(reports, 30).unwrap_err().to_string();
    assert_eq!(refused(vec![]), "no report");
    assert_eq!(refused(vec![shard(1)]), "of 3 shards, [1, 3] are missing");
    assert_eq!(refused(vec![shard(0), shard(1), shard(1)]), "1.json and 1.json are the same shard, 2 of 3");
    let other = ("other.json".to_owned(), ran(2..32, (1, 3)));
    let what = "other.json is not of the batch that 0.json is of: other scenarios, systems or seeds";
    assert_eq!(refused(vec![shard(0), other]), what);
}
