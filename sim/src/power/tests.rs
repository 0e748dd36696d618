//! What a measurement says of trials that are made up, and when it stops.

use super::{
    Cell, Means, Part, Power, Rules, Stuck, Trial, control,
    measure::{self, FEWEST},
    page, table,
};
use crate::gate::{Candidate, DRIVER, HARNESS};
use onceward_core::mutants::About;
use std::{collections::BTreeSet, time::Duration};

const RULES: Rules = Rules { cpu: Duration::from_secs(60), trials: 80, control: 10_000 };

fn candidate(of: &'static str, name: &'static str, kills: &'static str) -> Candidate {
    Candidate { of, about: About { name, what: "", kills }, activate: || () }
}

/// A bug of the toy by random plans; what is no number of seeds is a trial that saw nothing.
pub(super) fn leaky(seeds: &[Option<u64>]) -> Cell {
    let mut cell = Cell::new(candidate("toy", "Leaky", "holds-water"), Means::Plans);
    for seeds in seeds {
        let mut part = Part { seeds: seeds.unwrap_or(70_000), ..Part::default() };
        part.cpu = part.seeds as f64 / 1_000.0;
        if seeds.is_some() {
            part.caught = true;
            part.by = Some("random plan, seed 7".into());
            part.broken.insert("holds-water".into(), 1);
        }
        add(&mut cell, part);
    }
    cell
}

fn add(cell: &mut Cell, part: Part) {
    let Cell { candidate, means, trials } = cell;
    let (of, mutant) = (candidate.of.into(), candidate.about.name.into());
    trials.push(Trial { of, mutant, means: *means, nth: trials.len() as u32, part });
}

fn one(candidate: Candidate, means: Means, part: Part) -> Cell {
    let mut cell = Cell::new(candidate, means);
    add(&mut cell, part);
    cell
}

fn caught(by: &str, seeds: u64, cpu: f64) -> Part {
    Part { caught: true, by: Some(by.into()), seeds, cpu, ..Part::default() }
}

/// One of everything.
pub(super) fn cells() -> Vec<Cell> {
    let leaky_bug = candidate("toy", "Leaky", "holds-water");
    let hidden = candidate("toy", "Hidden", "shows-itself");
    let mut sample = Part { seeds: 4_000, reached: 3_999, cpu: 2.0, ..Part::default() };
    sample.broken = [("holds-water".to_owned(), 90), ("never-panics".to_owned(), 10)].into();
    let mut blind = Part { seeds: 70_000, cpu: 60.0, ..Part::default() };
    blind.broken.insert("never-panics".into(), 3);
    blind.stuck.push(Stuck { at: 77, how: "does not come back in 5 CPU-s".into() });
    let mut cells = vec![
        leaky(&[Some(3), Some(1), Some(4), Some(1), Some(5), Some(9), Some(2), None]),
        one(leaky_bug, Means::Scenarios, caught("leak, seed 0", 25, 0.1)),
        one(leaky_bug, Means::Shell, caught("random plan, seed 9", 12, 0.2)),
        one(leaky_bug, Means::Check, caught("drops, 9 steps", 812, 0.02)),
        one(leaky_bug, Means::Sample, sample),
    ];
    let mut plans = Cell::new(hidden, Means::Plans);
    (0..FEWEST).for_each(|_| add(&mut plans, blind.clone()));
    cells.extend([plans, one(hidden, Means::Check, Part { seeds: 90_000, cpu: 3.0, ..Part::default() })]);
    let slips = candidate(DRIVER, "Slips", "driver-holds");
    cells.push(one(slips, Means::Shell, caught("toy, seed 3", 3, 0.3)));
    let kind = candidate(HARNESS, "TooKind", "is-strict");
    cells.push(one(kind, Means::SelfTests, caught("never strict in 400 runs", 9, 1.25)));
    cells.push(one(control("toy"), Means::Control, Part { seeds: 5_000, cpu: 1.0, ..Part::default() }));
    cells
}

fn power(cells: &[Cell]) -> Power {
    Power::of("0123456789abcdef", 60.0, cells, true, vec!["real: not here".into()])
}

#[test]
fn the_table() {
    insta::assert_snapshot!(table(&power(&cells())));
}

#[test]
fn the_page_is_whole_and_asks_nothing_of_anybody() {
    let page = page(&power(&cells()));
    let body = page.strip_prefix("<!DOCTYPE html>").unwrap();
    roxmltree::Document::parse(body).unwrap();
    for outside in ["http:", "https:", "src=", "url(", "<script", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for shown in
        ["Leaky", "Hidden", "Slips", "TooKind", "drops, 9 steps", "holds-water", "does not come back"]
    {
        assert!(page.contains(shown), "{shown}");
    }
}

#[test]
fn what_a_bug_says_is_no_markup() {
    let mut cells = cells();
    cells[0].trials[0].part.by = Some("<b>&\"'".into());
    cells[0].trials[0].part.broken.insert("<i>".into(), 1);
    let page = page(&power(&cells));
    assert!(
        !page.contains("<b>&\"") && !page.contains("<i>\"") && page.contains("&lt;b&gt;&amp;&quot;&#39;")
    );
    roxmltree::Document::parse(page.strip_prefix("<!DOCTYPE html>").unwrap()).unwrap();
}

#[test]
fn what_was_not_seen_is_in_the_table_and_fails_it() {
    let power = power(&cells());
    assert_eq!(power.by_plans(), (2, 1));
    assert!(power.reasons.iter().any(|reason| reason.contains("1 of 2 mutants fall")), "{:?}", power.reasons);
    assert!(power.reasons.contains(&"Hidden of toy is seen by nothing".to_owned()));
    let hidden = power.mutants.iter().find(|row| row.mutant == "Hidden").unwrap();
    assert_eq!((hidden.by[&Means::Plans].trials, hidden.by[&Means::Plans].caught), (FEWEST, 0));
    // Each of its trials broke another promise, which is no kill.
    assert_eq!(hidden.wrong, 18);
}

#[test]
fn a_false_alarm_fails_the_measurement_and_is_named() {
    let mut part = caught("random plan, seed 5: holds-water: it is dry", 5_000, 1.0);
    part.broken.insert("holds-water".into(), 1);
    let cells = [one(control("toy"), Means::Control, part)];
    let power = power(&cells);
    assert_eq!(
        power.reasons,
        ["1 false alarms of toy (control): random plan, seed 5: holds-water: it is dry"]
    );
    let stuck = Part { stuck: vec![Stuck { at: 8, how: "spins".into() }], ..Part::default() };
    let cells = [one(control("toy"), Means::Control, stuck)];
    assert_eq!(Power::of("", 60.0, &cells, true, vec![]).reasons.len(), 1);
}

#[test]
fn a_bug_is_tried_until_its_median_is_known() {
    let is_done = |seeds: &[Option<u64>]| RULES.is_done(&leaky(seeds));
    // Fewer trials than an interval needs are never enough.
    assert!(!is_done(&[Some(5); 5]));
    assert!(!is_done(&[None; 5]));
    // Nothing seen six times is.
    assert!(is_done(&[None; 6]));
    // Seen once, it is tried on, until its trials have used ten times what one may take.
    assert!(!is_done(&[None, None, None, None, None, Some(1)]));
    assert!(is_done(&[&[Some(1)][..], &[None; 9]].concat()));
    // Cheap trials go on for the 95th percentile, dear ones end with the median.
    assert!(!is_done(&[Some(5); 71]));
    assert!(is_done(&[Some(5); 72]));
    assert!(is_done(&[Some(5_000); 6]));
    // A wide interval does not end anything.
    let wide: Vec<Option<u64>> = (0..6).map(|n| Some(1_000 << n)).collect();
    assert!(!is_done(&wide));
    assert!(RULES.is_done(&leaky(&[Some(1); 80])));
}

#[test]
fn means_without_chance_are_tried_once() {
    let bug = candidate("toy", "Leaky", "holds-water");
    for means in [Means::Scenarios, Means::Check, Means::SelfTests, Means::Sample] {
        assert!(!RULES.is_done(&Cell::new(bug, means)));
        assert!(RULES.is_done(&one(bug, means, Part::default())), "{means:?}");
    }
    assert_eq!(RULES.most(Means::Control), 2);
}

#[test]
fn no_two_random_trials_begin_at_the_same_seed_or_near_it() {
    let mut firsts = BTreeSet::new();
    let random = [Means::Plans, Means::Shell, Means::Sample, Means::Control, Means::ShellControl];
    for means in random {
        firsts.extend((0..1_000).map(|nth| means.first(nth)));
    }
    assert_eq!(firsts.len(), 5_000);
    let gap = firsts.iter().zip(firsts.iter().skip(1)).map(|(a, b)| b - a).min();
    assert!(gap >= Some(1 << 32));
    // They are told to JavaScript, which has no larger whole numbers.
    assert!(firsts.last() < Some(&(1 << 53)));
}

#[test]
fn what_is_known_is_not_measured_again() {
    let mut cells = vec![leaky(&[]), one(control("toy"), Means::Control, Part::default())];
    let known = leaky(&[Some(3), None]).trials;
    // Known twice counts once; of bugs that are not wanted nothing is taken over.
    let other = one(candidate("log", "Leaky", "holds-water"), Means::Plans, Part::default()).trials;
    measure::resume(&mut cells, [known.clone(), known.clone(), other].concat());
    assert_eq!(cells[0].trials, known);
    assert_eq!(cells[1].trials.len(), 1);
}

#[test]
fn a_trial_goes_on_behind_a_run_that_does_not_come_back() {
    let mut part = blind_part(7, 5.5);
    part.join(caught("random plan, seed 9", 2, 0.5));
    assert_eq!((part.caught, part.seeds, part.cpu, part.stuck.len()), (true, 9, 6.0, 1));
    assert_eq!(part.by.as_deref(), Some("random plan, seed 9"));
}

fn blind_part(seeds: u64, cpu: f64) -> Part {
    Part { seeds, cpu, stuck: vec![Stuck { at: 7, how: "spins".into() }], ..Part::default() }
}

#[test]
fn strategies_stand_side_by_side_where_more_than_one_was_measured() {
    let plain = leaky(&[Some(4), Some(1), Some(9), Some(2), None]);
    let (mut pct, mut blind) = (leaky(&[Some(2), Some(1), Some(3)]), leaky(&[None, None, Some(5)]));
    pct.means = Means::Pct;
    blind.candidate = candidate("toy", "Hidden", "shows-itself");
    let power = |cells: &[Cell]| table(&power(cells));
    assert!(!power(std::slice::from_ref(&plain)).contains("strategies"));
    let text = power(&[plain, pct, blind]);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let has = |words: &str| {
        let words: Vec<&str> = words.split_whitespace().collect();
        assert!(lines.contains(&words), "{words:?}\n{text}");
    };
    has("mutant plans runs CPU-s pct runs CPU-s");
    has("Leaky 4/5 4 0.004 3/3 2 0.002");
    has("Hidden 1/3 > > – – –");
    // The one that half of the trials did not see counts with the 60 s that they had: the root of 0.004 × 60.
    assert!(
        text.contains(
            "plans   1 of 2 mutants fall, 5 of 8 trials see theirs; geometric mean of medians 0.490"
        )
    );
    assert!(
        text.contains(
            "pct     1 of 1 mutants fall, 3 of 3 trials see theirs; geometric mean of medians 0.002"
        )
    );
}
