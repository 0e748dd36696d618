//! The five duties of a driver (the crate documentation of `onceward_core`), each against a port whose clock,
//! completions and entropy the test holds in its hands.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward::driver::{Driver, Outgoing, Port};
use onceward_core::{
    Action, CallId, ClientId, Clock, DiskOk, DiskOp, DiskResult, Dur, Input, Machine, Mark, Mono, Never,
    Node, OpId, Path, Wall, Window,
};
use proptest::prelude::*;

type Given = Input<Never, u8, Vec<Do>>;

/// Does what its calls say and remembers what it was given.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Puppet {
    seen: Vec<(Mono, Given)>,
    /// What it does when a timer fires.
    on_timer: Vec<Do>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Do {
    Disk(OpId, DiskOp),
    Arm(u8, u64, u64),
    Disarm(u8),
    Reply(u32),
    Mark,
}

impl Machine for Puppet {
    type Input = Given;
    type Action = Action<Never, u8, u32>;

    fn step(&mut self, clock: Clock, input: Self::Input, actions: &mut Vec<Self::Action>) {
        let (call, what) = match &input {
            Input::Call(call, what) => (*call, what.clone()),
            Input::Timer(_) => (CallId::default(), self.on_timer.clone()),
            _ => Default::default(),
        };
        self.seen.push((clock.mono, input));
        actions.extend(what.into_iter().map(|what| match what {
            Do::Disk(id, op) => Action::Disk(id, op),
            Do::Arm(name, from, to) => Action::Arm(name, Window { from: Dur(from), to: Dur(to) }),
            Do::Disarm(name) => Action::Disarm(name),
            Do::Reply(n) => Action::Reply(call, n),
            Do::Mark => Action::Mark(Mark("here")),
        }));
    }
}

impl Node for Puppet {
    type Message = Never;
    type Timer = u8;
    type Request = Vec<Do>;
    type Response = u32;
}

#[derive(Default)]
struct Hands {
    now: u64,
    entropy: u64,
    done: Vec<(OpId, DiskResult)>,
    /// Everything the driver handed over, in order.
    performed: Vec<String>,
}

impl Port<Puppet> for Hands {
    fn now(&mut self) -> Clock {
        Clock { mono: Mono(self.now), wall: Wall(0) }
    }
    fn entropy(&mut self) -> u64 {
        self.entropy
    }
    fn disk(&mut self, id: OpId, op: DiskOp) {
        self.performed.push(format!("disk {} {}", id.0, op.path()));
    }
    fn completions(&mut self, into: &mut Vec<(OpId, DiskResult)>) {
        into.append(&mut self.done);
    }
    fn ready(&self) -> bool {
        !self.done.is_empty()
    }
    fn reply(&mut self, call: CallId, response: u32) {
        self.performed.push(format!("reply {} {response}", call.number));
    }
    fn network(&mut self, action: Outgoing<Never>) {
        self.performed.push(format!("{action:?}"));
    }
    fn mark(&mut self, mark: Mark) {
        self.performed.push(mark.0.into());
    }
    fn abandon(&mut self) {
        self.done.clear();
        self.performed.push("abandon".into());
    }
}

fn call(number: u64, what: impl Into<Vec<Do>>) -> Given {
    Input::Call(CallId { client: ClientId(0), number }, what.into())
}

fn driver() -> Driver<Puppet, Hands> {
    Driver::new(Puppet::default(), Hands::default())
}

fn inputs(driver: &Driver<Puppet, Hands>) -> Vec<Given> {
    driver.node().seen.iter().map(|(_, input)| input.clone()).collect()
}

#[test]
fn boot_is_the_first_input_and_given_once() {
    let mut driver = driver();
    driver.push(call(1, []));
    driver.port().done.push((OpId(9), Ok(DiskOk::Done)));
    driver.turn();
    driver.turn();
    assert_eq!(inputs(&driver), [Input::Boot, call(1, []), Input::Disk(OpId(9), Ok(DiskOk::Done))]);
}

#[test]
fn actions_are_performed_in_the_order_given_and_each_operation_is_answered_once() {
    let mut driver = driver();
    let op = |name: &str| DiskOp::Create(Path::from(name));
    driver.push(call(7, [Do::Disk(OpId(2), op("b")), Do::Reply(5), Do::Disk(OpId(1), op("a")), Do::Mark]));
    driver.push(call(8, [Do::Reply(6)]));
    driver.turn();
    assert_eq!(driver.port().performed, ["disk 2 b", "reply 7 5", "disk 1 a", "here", "reply 8 6"]);

    driver.port().done.push((OpId(1), Ok(DiskOk::Done)));
    driver.port().done.push((OpId(2), Ok(DiskOk::Done)));
    assert_eq!(driver.turn().steps, 2);
    assert_eq!(driver.turn().steps, 0);
    assert_eq!(inputs(&driver)[3..], [1, 2].map(|id| Input::Disk(OpId(id), Ok(DiskOk::Done))));
}

#[test]
fn calls_are_stepped_before_completions_so_that_they_join_the_next_group() {
    let mut driver = driver();
    driver.turn();
    driver.port().done.push((OpId(1), Ok(DiskOk::Done)));
    driver.push(call(1, []));
    driver.push(call(2, []));
    driver.turn();
    assert_eq!(inputs(&driver)[1..], [call(1, []), call(2, []), Input::Disk(OpId(1), Ok(DiskOk::Done))]);
}

#[test]
fn the_monotonic_clock_never_goes_back() {
    let mut driver = driver();
    for (at, number) in [(100, 1), (50, 2), (70, 3), (110, 4)] {
        driver.port().now = at;
        driver.push(call(number, []));
        driver.turn();
    }
    let times: Vec<u64> = driver.node().seen.iter().map(|(at, _)| at.0).collect();
    assert_eq!(times, [100, 100, 100, 100, 110]);
}

#[test]
fn a_timer_that_is_always_due_does_not_keep_the_turn() {
    let puppet = Puppet { on_timer: vec![Do::Arm(0, 0, 0)], ..Puppet::default() };
    let mut driver = Driver::new(puppet, Hands::default());
    driver.push(call(1, [Do::Arm(0, 0, 0)]));
    let turn = driver.turn();
    assert_eq!((turn.steps, turn.more), (3, true));
    assert_eq!(driver.turn().steps, 1);
}

#[test]
fn an_ended_driver_leaves_nothing_but_what_was_not_stepped() {
    let mut driver = driver();
    driver.push(call(1, [Do::Disk(OpId(0), DiskOp::List(Path::root()))]));
    driver.turn();
    driver.push(call(2, []));
    let (port, unstepped) = driver.end();
    assert_eq!(port.performed.last().map(String::as_str), Some("abandon"));
    assert_eq!(unstepped, [call(2, [])]);
}

#[derive(Clone, Debug)]
enum Event {
    Arm(u8, u64, u64, u64),
    Disarm(u8),
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..4u8, 0..20u64, 0..20u64, any::<u64>()).prop_map(|(n, from, width, e)| Event::Arm(
            n,
            from,
            from + width,
            e
        )),
        (0..4u8).prop_map(Event::Disarm),
        (0..15u64).prop_map(Event::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Once, never before the window opens, never after it was disarmed or armed anew; and not later than the first
    /// turn after the window has closed.
    #[test]
    fn timers_fire_once_within_their_windows(events in prop::collection::vec(event(), 1..60)) {
        let mut driver = driver();
        let mut armed: [Option<(u64, u64)>; 4] = [None; 4];
        driver.turn();
        for event in events {
            let seen = driver.node().seen.len();
            let now = driver.port().now;
            match event {
                Event::Arm(name, from, to, entropy) => {
                    driver.port().entropy = entropy;
                    armed[usize::from(name)] = Some((now + from, now + to));
                    driver.push(call(1, [Do::Arm(name, from, to)]));
                }
                Event::Disarm(name) => {
                    armed[usize::from(name)] = None;
                    driver.push(call(1, [Do::Disarm(name)]));
                }
                Event::Pass(span) => driver.port().now += span,
            }
            driver.turn();
            let now = driver.port().now;
            for (at, input) in driver.node().seen[seen..].iter().cloned() {
                if let Input::Timer(name) = input {
                    let window = armed[usize::from(name)].take();
                    prop_assert!(window.is_some_and(|(from, _)| from <= at.0), "{name} at {at:?}, armed for {window:?}");
                }
            }
            for window in armed.iter().flatten() {
                prop_assert!(window.1 >= now, "{window:?} has passed at {now}");
            }
        }
    }
}
