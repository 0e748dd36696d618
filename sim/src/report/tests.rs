//! What machines that build and test are told is what people are told, in a form that they can read.

use super::*;

const EVIL: &str = "</failure>&\"' ]]> 100%\r\n::error::no \u{0}```";

fn lane(name: &str, findings: Vec<FindingReport>) -> LaneReport {
    LaneReport {
        name: name.into(),
        system: "log",
        swarm: true,
        first_seed: 1,
        runs: 1000,
        events: 54_321,
        simulated: 12.5,
        failures: findings.iter().map(|finding| finding.times).sum(),
        marks: Vec::new(),
        findings,
        differences: Vec::new(),
    }
}

fn report() -> Report {
    let finding = |what: &str| FindingReport {
        promise: "acked-is-durable",
        what: what.into(),
        seed: 7,
        times: 3,
        evidence: vec![Evidence { step: 12, nanos: 10_150_000, what: "client-2 was told so".into() }],
        replay: "cargo sim replay target/failures/7/plan.scenario".into(),
        confirmed: true,
        smaller: None,
        picture: Some("target/failures/7/report.html".into()),
    };
    Report {
        madsim: true,
        optimised: true,
        version: "0.1.0",
        jobs: 2,
        seconds: 1.25,
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
