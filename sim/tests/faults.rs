//! The faults that are a matter of time, shown to happen on the toy: what links carry, and devices that stall.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward_core::{Clock, Input, NodeId, NodeInput};
use onceward_model::{
    scenario,
    systems::pipeline::PipelineSystem,
    toy::{Msg, SERVER, ToyNode, ToySystem},
    world::{ChoiceOf, Key, Nobody, Seen, Sink, Time, When},
};
use onceward_sim::{
    engine::{Engine, Limits, NoTicker, Watch},
    plan::Rooted,
};

type Toy = onceward_model::toy::Toy;

/// When the server was told what.
#[derive(Default)]
struct Told(Vec<(Time, NodeInput<ToyNode>)>);

impl Sink<Toy> for Told {
    fn born(&mut self, _: Key, _: ChoiceOf<Toy>, _: When) {}

    fn input(&mut self, seen: Seen, node: NodeId, _: Clock, input: &NodeInput<ToyNode>) {
        if node == SERVER {
            self.0.push((seen.at, input.clone()));
        }
    }
}

impl Watch<Toy> for Told {}

fn run(text: &str) -> Told {
    let (protocol, scenario) = scenario::load::<ToySystem>(text).unwrap_or_else(|e| panic!("{e}"));
    let mut told = Told::default();
    let finished = Engine::new().run(
        &protocol,
        &Rooted::new(&scenario, 1),
        &Limits::default(),
        &mut told,
        &mut NoTicker,
    );
    assert_eq!(finished.violation, None);
    told
}

/// When the server got the first add of each client.
fn adds(told: &Told) -> Vec<u64> {
    let adds = told.0.iter().filter(|(_, input)| matches!(input, Input::Message(_, Msg::Add(_))));
    adds.map(|(at, _)| at.0 / 1_000_000).collect()
}

#[test]
fn a_link_carries_so_much_and_the_rest_queues_up() {
    let script = |bandwidth: &str| {
        format!(
            "system toy\ncluster server client\nconfig retry=10ms\n\
             profile none network=1us..1us bandwidth={bandwidth}\n\
             at 1ms client-1 adds\nat 500ms client-1 adds\n"
        )
    };
    let fast = adds(&run(&script("unlimited")));
    // The adds are tried again every 10 to 20 ms, each time with a message of 256 bytes: 25 ms on this link.
    let slow = adds(&run(&script("10kB/s")));
    assert_eq!(fast[0], 1);
    assert_eq!(slow[0], 1 + 25, "{slow:?}");
    assert!(slow.windows(2).take(3).all(|pair| pair[1] - pair[0] >= 25), "{slow:?}");
}

#[test]
fn a_device_stalls() {
    let script = |tail: &str| {
        format!(
            "system toy\ncluster server client\nconfig retry=10000ms\n\
             profile none disk=50us..60us {tail}\nat 1ms client-1 adds\n"
        )
    };
    // Six operations make a server ready: read, create, write, sync, rename, sync the folder.
    let ready = |text: &str| {
        let told = run(text);
        let disk = told.0.iter().filter(|(_, input)| matches!(input, Input::Disk(..)));
        disk.map(|(at, _)| at.0).nth(5).unwrap()
    };
    assert!(ready(&script("")) <= 6 * 60_000);
    assert!(
        ready(&script("tail=100% tail-max=5s")) > 100_000_000,
        "one of them takes a good part of a second"
    );
}

#[test]
fn hours_pass_in_silence_unless_something_goes_on() {
    let script = |silence: &str| {
        format!("system toy\ncluster server client\nprofile none silence={silence}\nat 1ms client-1 adds\n")
    };
    // The last add is a probe: new work, asked for once faults are over.
    let asked = |silence: &str| *adds(&run(&script(silence))).last().unwrap();
    let day = 86_400_000;
    assert!(asked("0ms") < 60_000);
    assert!((day..day + 60_000).contains(&asked("24h")));

    // A reader that has nothing to read refreshes its token all the same, again and again.
    let noisy = "system pipeline\ncluster broker reader\nconfig token=100ms\nprofile none silence=1h\n";
    let (protocol, scenario) = scenario::load::<PipelineSystem>(noisy).unwrap_or_else(|e| panic!("{e}"));
    let plan = Rooted::new(&scenario, 1);
    let limits = Limits::default();
    let finished = Engine::new().run(&protocol, &plan, &limits, &mut Nobody, &mut NoTicker);
    assert_eq!(finished.violation, None);
    assert!(finished.ended_at.0 < 60_000_000_000, "{:?}", finished.ended_at);
}
