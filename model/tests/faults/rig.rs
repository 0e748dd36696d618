//! A toy cluster that does what it is told, one choice after the other.

use onceward_core::{Action, CallId, ClientId, Clock, DiskOp, DiskResult, Dur, Input, NodeId, OpId};
use onceward_model::{
    toy::{Msg, Request, Response, SERVER, Timer, Toy, ToyNode},
    world::{
        Applied, Choice, ChoiceOf, Key, Nobody, Scope, Seen, Sink, Time, Violation, When, World,
        disk::{Fates, Outcome},
    },
};
use std::sync::Arc;

pub(crate) type Step = ChoiceOf<Toy>;

/// What machines were told and what callers heard.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) replies: Vec<(CallId, Response)>,
    pub(crate) inputs: Vec<(NodeId, Input<Msg, Timer, Request>)>,
    pub(crate) marks: Vec<&'static str>,
}

impl Sink<Toy> for Heard {
    fn born(&mut self, _: Key, _: Step, _: When) {}

    fn input(&mut self, _: Seen, node: NodeId, _: Clock, input: &Input<Msg, Timer, Request>) {
        self.inputs.push((node, input.clone()));
    }

    fn actions(&mut self, _: Seen, _: NodeId, _: Clock, actions: &[Action<Msg, Timer, Response>]) {
        for action in actions {
            match action {
                Action::Reply(call, response) => self.replies.push((*call, *response)),
                Action::Mark(mark) => self.marks.push(mark.0),
                _ => {}
            }
        }
    }
}

pub(crate) struct Rig {
    pub(crate) world: World<Toy>,
    pub(crate) now: Time,
    pub(crate) heard: Heard,
    calls: u64,
}

impl Rig {
    /// A cluster of a server and clients, nobody started.
    pub(crate) fn asleep(toy: Toy) -> Rig {
        let world = World::new(Arc::new(toy), 8);
        Rig { world, now: Time(0), heard: Heard::default(), calls: 0 }
    }

    /// A cluster without leases, everybody started and at rest.
    pub(crate) fn new(clients: u16) -> Rig {
        Rig::with(Toy::untimed(clients))
    }

    pub(crate) fn with(toy: Toy) -> Rig {
        let mut rig = Rig::asleep(toy);
        for n in 0..rig.world.hosts().count() {
            rig.does(&Choice::Boot(NodeId(n as u16), 0));
        }
        rig.calm();
        rig
    }

    /// Performs a choice that must be possible and break nothing.
    pub(crate) fn does(&mut self, choice: &Step) {
        assert_eq!(self.tries(choice), Ok(Applied::Done), "{choice:?}");
    }

    pub(crate) fn tries(&mut self, choice: &Step) -> Result<Applied, Violation> {
        self.world.apply(self.now, choice, Key::ANY, &mut self.heard)
    }

    pub(crate) fn passes(&mut self, span: Dur) {
        self.now = self.now.after(span);
    }

    /// What may happen of itself now, without waiting for time to pass.
    pub(crate) fn possible(&self) -> Vec<Step> {
        let mut all = Vec::new();
        let _ = self.world.enabled(&Scope::new(Vec::new()), &mut all);
        let asked = |c: &Step| {
            use Choice::{Boot, Fire, Heal, Release, Resume};
            matches!(c, Boot(..) | Fire(..) | Heal(..) | Release(..) | Resume(..))
        };
        all.retain(|c| !self.world.is_fault(c) && !asked(c));
        all
    }

    /// Lets happen what happens of itself, until `stop` is about to or nothing is left.
    pub(crate) fn until(&mut self, stop: impl Fn(&Rig, &Step) -> bool) -> Option<Step> {
        for _ in 0..10_000 {
            let next = self.possible().into_iter().next()?;
            if stop(self, &next) {
                return Some(next);
            }
            self.does(&next);
        }
        panic!("the cluster never rests");
    }

    pub(crate) fn calm(&mut self) {
        assert_eq!(self.until(|_, _| false), None);
    }

    /// Lets happen what happens of itself until the server's next disk operation is such a one.
    pub(crate) fn until_disk(&mut self, wanted: impl Fn(&DiskOp) -> bool) -> OpId {
        let found = self.until(|rig, choice| {
            let Choice::Disk(SERVER, op, _) = choice else { return false };
            rig.world.host(SERVER).disk.pending().any(|(id, what)| id == *op && wanted(what))
        });
        let Some(Choice::Disk(_, op, _)) = found else { panic!("the server never asks for that") };
        op
    }

    /// Lets the server's next operation of a kind end in some way.
    pub(crate) fn ends(&mut self, wanted: impl Fn(&DiskOp) -> bool, outcome: Outcome) {
        let op = self.until_disk(wanted);
        self.does(&Choice::Disk(SERVER, op, outcome));
    }

    /// A client machine is called.
    pub(crate) fn calls(&mut self, client: u16, request: Request) -> CallId {
        let call = CallId { client: ClientId(client - 1), number: self.calls };
        self.calls += 1;
        self.does(&Choice::Call(NodeId(client), call, request));
        call
    }

    pub(crate) fn answer(&self, call: CallId) -> Option<Response> {
        self.heard.replies.iter().find(|(id, _)| *id == call).map(|(_, response)| *response)
    }

    /// Calls a client machine and lets happen what happens of itself.
    pub(crate) fn asks(&mut self, client: u16, request: Request) -> Option<Response> {
        let call = self.calls(client, request);
        self.calm();
        self.answer(call)
    }

    /// The client's patience is over.
    pub(crate) fn retries(&mut self, client: u16) {
        self.does(&Choice::Fire(NodeId(client), Timer::Retry));
        self.calm();
    }

    /// The server loses power, with these fates, and starts again.
    pub(crate) fn power_cycles(&mut self, fates: &str) {
        self.does(&power_loss(fates));
        self.does(&Choice::Boot(SERVER, 0));
        self.calm();
    }

    /// The sum that a fresh read shows, or the promise that it breaks.
    pub(crate) fn sum(&mut self) -> Result<u32, &'static str> {
        let client = self.world.hosts().count() as u16 - 1;
        let call = self.calls(client, Request::Read);
        while let Some(next) = self.possible().into_iter().next() {
            if let Err(violation) = self.tries(&next) {
                return Err(violation.promise);
            }
        }
        match self.answer(call) {
            Some(Response::Sum(sum)) => Ok(sum),
            other => panic!("a read got {other:?}"),
        }
    }

    /// What the server was told of its last disk operation.
    pub(crate) fn told(&self) -> &DiskResult {
        let results = self.heard.inputs.iter().rev().filter_map(|(node, input)| match input {
            Input::Disk(_, result) if *node == SERVER => Some(result),
            _ => None,
        });
        results.into_iter().next().unwrap()
    }

    pub(crate) fn received(&self, node: NodeId, wanted: &Msg) -> usize {
        let same = |input: &Input<Msg, Timer, Request>| match input {
            Input::Message(_, m) | Input::Received(_, m) => m == wanted,
            _ => false,
        };
        self.heard.inputs.iter().filter(|(to, input)| *to == node && same(input)).count()
    }

    /// A copy on which something can be tried.
    pub(crate) fn copy(&self) -> Rig {
        Rig { world: self.world.clone(), now: self.now, heard: Heard::default(), calls: self.calls }
    }

    pub(crate) fn is_possible(&self, choice: &Step) -> bool {
        let tried = self.world.clone().apply(self.now, choice, Key::ANY, &mut Nobody);
        matches!(tried, Ok(Applied::Done))
    }

    pub(crate) fn server(&self) -> Option<&ToyNode> {
        self.world.host(SERVER).node.as_ref()
    }
}

pub(crate) fn power_loss(fates: &str) -> Step {
    Choice::PowerLoss(SERVER, fates.parse::<Fates>().unwrap_or_else(|e| panic!("{fates}: {e:?}")))
}

pub(crate) fn write_log(op: &DiskOp) -> bool {
    matches!(op, DiskOp::Write { path, .. } if path.as_str() == "log")
}

pub(crate) fn sync_log(op: &DiskOp) -> bool {
    matches!(op, DiskOp::Sync { path, .. } if path.as_str() == "log")
}

pub(crate) fn read_log(op: &DiskOp) -> bool {
    matches!(op, DiskOp::Read { path, .. } if path.as_str() == "log")
}
