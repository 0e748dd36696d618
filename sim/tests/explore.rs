//! What strategies are worth, on a machine whose only interest is the order in which things happen.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward_core::{Action, ClientId, Clock, Dur, Input, Machine, Mark, Node, NodeId};
use onceward_model::{
    scenario::Header,
    system::{Calls, Numbering, Parsed, Promise, System, Verb, Word},
    toy::ToySystem,
    world::{Event, Key, Protocol, Seen, Violation, World},
};
use onceward_sim::{
    batch::{self, Lane, Options},
    explore::{EPISODE, Strategy},
    run::{Job, ScenarioJob, SwarmJob, compare},
};
use std::sync::Arc;

/// Three nodes that each go to and fro between themselves and a hub so many times.
const HOPS: u8 = 20;

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Relay {
    /// Of the hub: how far each node has come.
    seen: [u8; 3],
    /// Whether one began before another had ended.
    mixed: bool,
    /// How far the first had come when the second began.
    first: u8,
}

impl Machine for Relay {
    type Input = Input<u8, (), ()>;
    type Action = Action<u8, (), ()>;

    fn step(&mut self, _: Clock, input: Self::Input, actions: &mut Vec<Self::Action>) {
        match input {
            Input::Call(call, ()) => actions.extend([Action::Send(NodeId(0), 1), Action::Reply(call, ())]),
            Input::Message(NodeId(0), hop) if hop < HOPS => actions.push(Action::Send(NodeId(0), hop + 1)),
            Input::Message(NodeId(from @ 1..=3), hop) => {
                let me = usize::from(from - 1);
                let before = self.seen[..me].iter().all(|seen| *seen == HOPS);
                self.seen[me] = hop;
                let after = self.seen[me + 1..].iter().all(|seen| *seen == 0);
                self.mixed |= hop == 1 && !(before && after);
                if me == 2 && hop == HOPS && !self.mixed {
                    actions.push(Action::Mark(Mark("one after the other")));
                }
                if me == 1 && hop == 1 {
                    self.first = self.seen[0];
                }
                // All of the second between two steps of the first.
                if me == 1 && hop == HOPS && self.seen[0] == self.first && (1..HOPS).contains(&self.first) {
                    actions.push(Action::Mark(Mark("overtaken")));
                }
                actions.push(Action::Send(NodeId(from), hop));
            }
            _ => {}
        }
    }
}

impl Node for Relay {
    type Message = u8;
    type Timer = ();
    type Request = ();
    type Response = ();
}

struct Relays;

impl Protocol for Relays {
    type Node = Relay;
    type Ghost = ();

    fn nodes(&self) -> u16 {
        4
    }
    fn boot(&self, _: NodeId, _: u8) -> Relay {
        Relay::default()
    }
    fn ghost(&self) {}
    fn observe(&self, _: &mut (), _: Seen, _: Event<'_, Relay>) -> Result<(), Violation> {
        Ok(())
    }
    fn settled(&self, _: &(), world: &World<Relays>) -> bool {
        world.calls().is_empty()
    }
}

struct RelaySystem;

impl System for RelaySystem {
    type Protocol = Relays;
    const NAME: &'static str = "relay";
    const ABOUT: &'static str = "machines that go to and fro";

    fn build(_: &Header) -> Result<Arc<Relays>, String> {
        Ok(Arc::new(Relays))
    }
    fn verbs() -> &'static [Verb] {
        &[Verb { word: "runs", usage: "client-N runs", help: "To and fro." }]
    }
    fn parse_call(_: &Relays, numbering: &mut Numbering, words: &[Word]) -> Parsed<Relays> {
        let node = words[0].numbered("client", 3)?;
        Ok((NodeId(node), numbering.next(ClientId(node - 1)), ()))
    }
    fn draw_header(_: Key) -> Header {
        Header::default()
    }
    fn draw_workload(_: &Relays, _: Key, _: u32, _: Dur) -> Calls<Relays> {
        Vec::new()
    }
    fn promises() -> &'static [Promise] {
        &[]
    }
}

/// In how many of 2,000 runs of three calls at once a mark is reached.
fn times(profile: &str, mark: &str) -> usize {
    let text = format!(
        "system relay\ncluster one\nprofile {profile}\n\n\
         at 0ms client-1 runs\nat 0ms client-2 runs\nat 0ms client-3 runs\n"
    );
    let job = ScenarioJob::<RelaySystem>::read("relay", &text).unwrap();
    let mut worker = job.worker();
    (1..=2_000).filter(|seed| worker.run(*seed).marks.of(mark) > 0).count()
}

#[test]
fn priorities_find_two_ordering_constraints_over_long_chains_more_often_than_latencies() {
    let mark = "one after the other";
    let by_priority = times("none priorities=yes", mark);
    let others = ["calm", "rough", "untimed"].map(|profile| times(profile, mark));
    println!("{by_priority} by priority, {others:?} by latency");
    assert!(by_priority >= 30 && others.iter().all(|other| by_priority > 5 * other), "{others:?}");
}

#[test]
fn change_points_find_what_priorities_alone_do_not() {
    let mark = "overtaken";
    assert_eq!(times("none priorities=yes", mark), 0);
    let changing = times("none priorities=yes change=2%", mark);
    assert!(changing > 0);
}

#[test]
fn runs_with_priorities_are_the_same_in_every_thread_and_from_their_text() {
    let job = SwarmJob::<ToySystem>::exploring(Strategy::Pct);
    let (mut worker, plain) = (job.worker(), SwarmJob::<ToySystem>::new());
    for seed in 1..=100 {
        let outcome = worker.run(seed);
        assert!(compare(&job, &outcome).is_none());
        let plan = worker.replay(seed, &Default::default()).unwrap().plan;
        assert!(plan.contains("priorities=yes"), "{plan}");
        let written = plain.other("plan", &plan).unwrap();
        assert_eq!(written.worker().run(written.seed()).chain, outcome.chain, "{plan}");
    }
    let others = (1..=100).filter(|seed| plain.worker().run(*seed).chain != worker.run(*seed).chain).count();
    assert!(others > 90, "{others}");
}

#[test]
fn under_guidance_too_a_seed_is_one_run_with_a_text() {
    for strategy in [Strategy::Guided, Strategy::Mix] {
        let job = SwarmJob::<ToySystem>::exploring(strategy);
        let mut worker = job.worker();
        let outcomes: Vec<_> = (0..240).map(|seed| worker.run(seed)).collect();
        let drawn = SwarmJob::<ToySystem>::new();
        let mut others = 0;
        for seed in [0, 100, 239] {
            let outcome = &outcomes[seed as usize];
            assert!(compare(&job, outcome).is_none(), "{seed}");
            let plan = job.worker().replay(seed, &Default::default()).unwrap().plan;
            let written = drawn.other("plan", &plan).unwrap();
            assert_eq!(written.worker().run(written.seed()).chain, outcome.chain, "{plan}");
        }
        for outcome in &outcomes {
            others += u32::from(drawn.worker().run(outcome.seed).chain != outcome.chain);
        }
        assert!((100..=240).contains(&others), "{others} of 240 plans are made of others");
    }
}

#[test]
fn neither_threads_nor_shards_change_what_is_learned() {
    let run = |jobs, shard| {
        let job = Box::new(SwarmJob::<ToySystem>::exploring(Strategy::Guided));
        let lanes = [Lane { job, seeds: 0..EPISODE + 60 }];
        let options = Options { shard, ..Options::new(jobs) };
        batch::run(&lanes, &options, &|_| {}).tallies.swap_remove(0)
    };
    let whole = run(2, (0, 1));
    let (one, two) = (run(1, (0, 2)), run(1, (1, 2)));
    assert_eq!((one.runs, two.runs), (EPISODE, 60));
    assert_eq!(whole.runs, one.runs + two.runs);
    assert_eq!(whole.events, one.events + two.events);
    let mut marks = one.marks.clone();
    marks.merge(&two.marks);
    assert_eq!(whole.marks.sorted(), marks.sorted());
}
