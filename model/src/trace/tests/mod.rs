//! Traces: what they look like, that they replay to the same chain, that they part where runs part, and that a file
//! that is not whole is not believed.

mod files;

use super::{Beside, Chain, Parting, Recorder, ReplayError, StepHash, Trace, TraceHeader, compare, replay};
use crate::{
    scenario::{
        Header, Scenario, print,
        toy::{Boxes, Post, boxes, dial, possible, post},
    },
    system::System,
    toy::ToySystem,
    world::{Applied, Choice, ChoiceOf, Key, Nobody, Time, Violation, World},
};
use onceward_core::{CallId, ClientId, Dur, NodeId};
use proptest::prelude::*;

fn header<S: System>(header: Header, memory: usize) -> TraceHeader {
    let (about, profile) = ("A run.\n\n Indented.".to_owned(), Default::default());
    let scenario = Scenario { about, header, profile, seed: 0, entries: Vec::new(), expect: Vec::new() };
    let protocol = S::build(&scenario.header).unwrap();
    TraceHeader { build: "test 1".into(), seed: 7, memory, scenario: print(&*protocol, &scenario) }
}

fn post_header() -> TraceHeader {
    header::<Post>(Header { system: "post".into(), cluster: vec![("box".into(), 3)], ..Header::default() }, 4)
}

/// A recorded run in which each step picks among what is possible, with the chain of a separate watcher.
fn run(picks: &[prop::sample::Index]) -> (Trace, Chain, Option<Violation>) {
    let mut world = boxes(3);
    let mut recorder = Recorder::new(&world.protocol().clone(), post_header());
    let (mut hash, mut at) = (StepHash::new(), Time(0));
    for (n, pick) in picks.iter().enumerate() {
        at = at.after(Dur::micros(n as u64 % 7 * 250));
        let mut all = possible(&world);
        all.extend([Choice::KillWithin(NodeId(0), 1), Choice::Boot(NodeId(1), 0)]);
        let number = n as u64 * 3;
        all.extend([post(0, number, "a \"letter\""), post(1, number, ""), dial(2, number, 0)]);
        let choice = all[pick.index(all.len())].clone();
        if let Err(violation) = recorder.apply(&mut world, at, &choice, Key::ANY, &mut hash) {
            return (recorder.finish(&world), hash.chain(), Some(violation));
        }
    }
    (recorder.finish(&world), hash.chain(), None)
}

fn picks(most: usize) -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..most)
}

proptest! {
    #[test]
    fn a_trace_replays_to_the_same_chain_and_the_same_end(picks in picks(120)) {
        let (trace, chain, violation) = run(&picks);
        prop_assert_eq!(trace.chain(), chain);
        let again = replay::<Post>(&trace).unwrap_or_else(|error| panic!("{error}"));
        prop_assert_eq!(again.chain, chain);
        // Evidence may name steps by number; the rest is the same.
        prop_assert_eq!(again.violation, violation);
    }

    #[test]
    fn traces_part_where_a_step_is_missing(picks in picks(60), which in any::<prop::sample::Index>()) {
        let (whole, ..) = run(&picks);
        prop_assert_eq!(compare(&whole, &whole), None);
        if !whole.steps.is_empty() {
            let mut less = whole.clone();
            let gone = which.index(less.steps.len());
            less.steps.remove(gone);
            let divergence = compare(&whole, &less).unwrap();
            prop_assert!(divergence.step > gone);
        }
    }
}

/// A run of the harness's toy under random choices: a protocol with messages, timers, a disk and connections.
fn toy_run(seed: u64, header: &Header) -> (Trace, World<crate::toy::Toy>) {
    let protocol = ToySystem::build(header).unwrap();
    let mut world = World::new(protocol.clone(), 0);
    let mut recorder = Recorder::new(&protocol, super::tests::header::<ToySystem>(header.clone(), 0));
    let mut numbers = [0; 3];
    for n in 0..400 {
        let key = Key::root(seed, n);
        let client = key.below(1, 2) as u16;
        let mut all: Vec<ChoiceOf<crate::toy::Toy>> = crate::scenario::pending(&world);
        if key.chance(2, 200_000) || all.is_empty() {
            let request =
                if key.chance(3, 500_000) { crate::toy::Request::Add } else { crate::toy::Request::Read };
            let number = numbers[usize::from(client)];
            numbers[usize::from(client)] += 1;
            all =
                vec![Choice::Call(NodeId(client + 1), CallId { client: ClientId(client), number }, request)];
        }
        let choice = all[key.below(4, all.len() as u64) as usize].clone();
        let at = Time(n * 100_000);
        recorder.apply(&mut world, at, &choice, Key::ANY, &mut Nobody).unwrap_or_else(|v| panic!("{v}"));
    }
    (recorder.finish(&world), world)
}

fn toy_header(lease: &str) -> Header {
    let cluster = vec![("server".into(), 1), ("client".into(), 2)];
    Header { system: "toy".into(), cluster, config: [("lease".into(), lease.into())].into() }
}

#[test]
fn the_toys_traces_replay() {
    for seed in 1..20 {
        let (trace, world) = toy_run(seed, &toy_header("0ms"));
        assert!(world.steps() > 300);
        let again = super::read(&super::write(&trace)).unwrap();
        assert_eq!(again, trace);
        assert_eq!(replay::<ToySystem>(&again).map(|replay| replay.chain), Ok(trace.chain()));
    }
}

#[test]
fn a_trace_of_another_cluster_is_seen_to_be_one() {
    let (mut trace, _) = toy_run(1, &toy_header("0ms"));
    trace.header = header::<ToySystem>(toy_header("50ms"), 0);
    match replay::<ToySystem>(&trace).unwrap_err() {
        ReplayError::Diverged(divergence) => assert_eq!(divergence.how, Parting::Behaviour),
        ReplayError::Impossible { .. } => {}
        other => panic!("{other}"),
    }
    trace.header.scenario = trace.header.scenario.replace("system    toy", "system    post");
    assert!(matches!(replay::<ToySystem>(&trace), Err(ReplayError::Scenario(_))));
}

/// Three boxes, one letter.
fn letter(text: &str) -> Trace {
    let mut world = boxes(3);
    let mut recorder = Recorder::new(&world.protocol().clone(), post_header());
    let steps = [
        (0, Choice::Boot(NodeId(0), 0)),
        (1, Choice::Disk(NodeId(0), onceward_core::OpId(0), crate::world::disk::Outcome::Ok)),
        (2, post(0, 5, text)),
        (2, Choice::Boot(NodeId(0), 0)),
        (3, Choice::Disk(NodeId(0), onceward_core::OpId(1), crate::world::disk::Outcome::Ok)),
        (3, Choice::Cut(NodeId(0), NodeId(1))),
    ];
    for (at, choice) in steps {
        let applied = recorder.apply(&mut world, Time(at * 1_000_000), &choice, Key::ANY, &mut Nobody);
        assert_eq!(applied.unwrap() == Applied::Stale, at == 2 && matches!(choice, Choice::Boot(..)));
    }
    recorder.finish(&world)
}

#[test]
fn what_was_not_possible_is_not_recorded() {
    let lines: Vec<String> = letter("hello").steps.into_iter().map(|step| step.line).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_first_difference_is_shown_from_both_sides() {
    let choice = compare(&letter("hello"), &letter("hullo")).unwrap();
    let (one, mut other) = (letter("hello"), letter("hello"));
    other.steps[1].link = Chain(1);
    other.steps[1].taken[0].actions.push("something else".into());
    let behaviour = compare(&one, &other).unwrap();
    other.steps.truncate(1);
    let end = compare(&one, &other).unwrap();
    assert_eq!((choice.how, behaviour.how, end.how), (Parting::Choice, Parting::Behaviour, Parting::End));
    insta::assert_snapshot!(format!("{choice}\n\n{behaviour}\n\n{end}"));
}

#[test]
fn a_replay_that_behaves_differently_names_the_step() {
    let mut trace = letter("hello");
    trace.steps[2].link = Chain(1);
    let Err(ReplayError::Diverged(divergence)) = replay::<Post>(&trace) else { panic!("not noticed") };
    assert_eq!((divergence.step, divergence.how), (3, Parting::Behaviour));
    let mut trace = letter("hello");
    trace.steps[4].line = "heal box-3 -> box-1".into();
    assert!(matches!(replay::<Post>(&trace), Err(ReplayError::Impossible { step: 5, .. })));
    let mut trace = letter("hello");
    trace.steps[0].line = "box-9 boots".into();
    assert!(matches!(replay::<Post>(&trace), Err(ReplayError::Unreadable { step: 1, .. })));
}

#[test]
fn nothing_happens_after_a_broken_promise() {
    let mut world = boxes(3);
    let mut recorder = Recorder::new(&world.protocol().clone(), post_header());
    let failed = "fails with EIO".parse().unwrap();
    for choice in
        [Choice::Boot(NodeId(0), 0), Choice::Disk(NodeId(0), onceward_core::OpId(0), "ok".parse().unwrap())]
    {
        recorder.apply(&mut world, Time(0), &choice, Key::ANY, &mut Nobody).unwrap();
    }
    recorder.apply(&mut world, Time(0), &post(0, 0, "x"), Key::ANY, &mut Nobody).unwrap();
    let last = Choice::Disk(NodeId(0), onceward_core::OpId(1), failed);
    recorder.apply(&mut world, Time(0), &last, Key::ANY, &mut Nobody).unwrap_err();
    let trace = recorder.finish(&world);
    assert_eq!(trace.steps.len(), 4);
    assert_eq!(replay::<Post>(&trace).unwrap().violation.unwrap().promise, "never-fails");
    let mut more = trace.clone();
    more.steps.push(trace.steps[3].clone());
    assert!(matches!(replay::<Post>(&more), Err(ReplayError::Impossible { step: 5, .. })));
}

#[test]
fn the_chain_covers_time_node_clock_and_actions_in_order() {
    use crate::world::Seen;
    use onceward_core::{Clock, Mono, Wall};
    let link = |at, node, mono, wall, actions: &[u8]| {
        let mut hash = StepHash::new();
        let clock = Clock { mono: Mono(mono), wall: Wall(wall) };
        hash.add(Seen { step: 1, at: Time(at) }, NodeId(node), clock, actions);
        hash.chain()
    };
    let one = link(1, 1, 1, 1, &[1, 2]);
    let others = [
        link(2, 1, 1, 1, &[1, 2]),
        link(1, 2, 1, 1, &[1, 2]),
        link(1, 1, 2, 1, &[1, 2]),
        link(1, 1, 1, 2, &[1, 2]),
        link(1, 1, 1, 1, &[2, 1]),
        link(1, 1, 1, 1, &[1, 2, 0]),
        link(1, 1, 1, 1, &[]),
    ];
    assert!(others.iter().all(|other| *other != one));
    // One value for ever: traces of different computers are compared.
    assert_eq!(one.to_string(), "0871ff6342d95489b17fff7f070781fa");
}

#[test]
fn a_chain_is_read_as_it_is_written() {
    let chain = Chain(0x0123_4567_89ab_cdef);
    assert_eq!(chain.to_string(), "00000000000000000123456789abcdef");
    assert_eq!(chain.to_string().parse(), Ok(chain));
    for bad in ["", "0123", "0000000000000000+123456789abcdef", "00000000000000000123456789ABCDEF"] {
        assert!(bad.parse::<Chain>().is_err(), "{bad}");
    }
}

#[test]
fn two_sinks_see_the_same_steps() {
    let mut world = boxes(2);
    let (mut one, mut other) = (StepHash::new(), StepHash::new());
    let boot: ChoiceOf<Boxes> = Choice::Boot(NodeId(1), 0);
    world.apply(Time(0), &boot, Key::ANY, &mut Beside { watch: &mut one, sink: &mut other }).unwrap();
    assert_eq!((one.chain(), one.steps()), (other.chain(), 1));
    assert_ne!(one.chain(), Chain::START);
    one.reset();
    assert_eq!((one.chain(), one.steps()), (Chain::START, 0));
}
