//! Watches a run and takes it down as plain data. It sees each choice before it is performed, and what became of it when
//! the next one comes; it changes nothing. Messages are recognised by their causal keys, or by what they say where a run
//! has no keys.

mod messages;
mod troubles;

use super::{
    causes::{Causes, Event},
    frame::Frame,
    recording::{Broken, Kind, Lane, LaneKind, MOST_FAULTS, Recording, Span, Step, Taken, Trouble},
    stays::Shelf,
};
use crate::engine::Watch;
use onceward_core::{Action, CallId, ClientId, Clock, DiskOp, NodeAction, NodeId, NodeInput, OpId};
use onceward_model::{
    trace::{Recorder, TraceHeader},
    world::{
        Choice, ChoiceOf, EPOCH, Key, PROBER, Protocol, Seen, Side, Sink, Violation, When, World, client_name,
    },
};
use std::sync::Arc;

/// Watches a run.
pub(crate) struct Camera<P: Protocol> {
    protocol: Arc<P>,
    frame: Frame,
    recorder: Recorder<P>,
    seen: usize,
    recording: Recording,
    shelves: Vec<Shelf>,
    flying: Vec<Flying<P>>,
    clients: Vec<ClientId>,
    outside: usize,
    causes: Causes,
    /// The messages that arrived or were lost in the step that is being closed.
    landed: Vec<usize>,
    open: Option<Open<P>>,
}

/// Something under way: as what it will arrive.
struct Flying<P: Protocol> {
    key: Key,
    choice: ChoiceOf<P>,
    message: usize,
}

/// A choice that was announced, and what was seen of it.
struct Open<P: Protocol> {
    step: u64,
    choice: ChoiceOf<P>,
    key: Key,
    node: Option<NodeId>,
    /// The node at the other end of the connection that breaks.
    peer: Option<NodeId>,
    /// What the operation is that ends here.
    op: Option<(OpId, DiskOp)>,
    pending: Vec<(OpId, DiskOp)>,
    before: Option<usize>,
    calls: Vec<(CallId, NodeId)>,
    cut_short: Option<u16>,
    born: Vec<(Key, ChoiceOf<P>)>,
    actions: Vec<(NodeId, Vec<NodeAction<P::Node>>)>,
    clocks: Vec<(Seen, Clock)>,
}

impl<P: Protocol> Camera<P> {
    /// Before the first step.
    pub(crate) fn new(protocol: &Arc<P>, header: TraceHeader, frame: Frame) -> Camera<P> {
        let nodes = 0..protocol.nodes();
        let lane =
            |n: u16| Lane { name: protocol.node_name(NodeId(n)), kind: LaneKind::Node, number: n.into() };
        let lanes = nodes.clone().map(lane);
        let down = |lane| Span { trouble: Trouble::Down, lane, to: None, from: 0, until: None };
        let recording = Recording {
            seed: header.seed,
            plan: header.scenario.clone(),
            lanes: lanes.collect(),
            spans: (0..usize::from(protocol.nodes())).map(down).collect(),
            ..Recording::default()
        };
        Camera {
            protocol: Arc::clone(protocol),
            frame,
            recorder: Recorder::new(protocol, header),
            seen: 0,
            recording,
            shelves: nodes.map(|n| Shelf::new(usize::from(n))).collect(),
            flying: Vec::new(),
            clients: Vec::new(),
            outside: 0,
            causes: Causes::new(usize::from(protocol.nodes())),
            landed: Vec::new(),
            open: None,
        }
    }

    /// The recording; `world` is what the run has left, unless it ended in a panic. `broken` is the broken promise and
    /// what it says.
    pub(crate) fn finish(
        mut self,
        world: Option<&World<P>>,
        broken: Option<(&Violation, &str)>,
    ) -> Recording {
        match world {
            Some(world) => {
                self.recorder.settle(world.steps());
                self.close(world);
            }
            None => {
                self.recorder.violated();
                // The step that panicked has no world after it: its line is all that is left of it.
                if let (Some(open), Some(line)) = (&self.open, self.recorder.steps().get(self.seen)) {
                    let step = self.recording.step(open.step, line, open.node, &open.choice);
                    self.recording.steps.push(Step { before: open.before, ..step });
                    let (step, node) = (open.step, open.node.map(|node| usize::from(node.0)));
                    node.iter().for_each(|node| self.causes.step(step, *node, &Event::Machine, &[], false));
                }
            }
        }
        self.recording.total = self.recorder.steps().len() as u64;
        self.recording.broken = broken.map(|(violation, says)| {
            let evidence = violation.evidence.iter();
            Broken {
                promise: violation.promise.to_owned(),
                says: says.to_owned(),
                what: violation.what.clone(),
                evidence: evidence.map(|(seen, what)| (seen.step, seen.at.0, what.clone())).collect(),
            }
        });
        if self.recording.broken.is_some() {
            let mut leading = self.causes.leading(&self.recording.contradiction());
            // A judgement of the whole comes after the last step and is none.
            leading.retain(|step| *step <= self.recording.total);
            self.recording.leading = Some(leading.len() as u64);
            let leads = |step: &mut Step| step.leads = leading.binary_search(&step.n).is_ok();
            self.recording.steps.iter_mut().for_each(leads);
        }
        self.recording.keep(&self.frame, MOST_FAULTS);
        self.recording
    }

    fn tell_causes(&mut self, open: &Open<P>, after: Option<usize>) {
        let sent: Vec<u64> = self.landed.drain(..).map(|at| self.recording.messages[at].sent).collect();
        let event = match (&open.choice, &open.op) {
            (Choice::Disk(..), Some((id, op))) => Event::Ended(*id, op),
            (Choice::Kill(..) | Choice::PowerLoss(..), _) => Event::Down(&open.pending),
            (Choice::Wipe(_) | Choice::Damage(..), _) => Event::Medium,
            (Choice::KillWithin(..) | Choice::Pause(_) | Choice::Resume(_), _) => Event::Process,
            (Choice::Deliver(..) | Choice::Advance(..), _) => Event::Arrival(&sent),
            (Choice::Break(..), _) => Event::Broken(open.peer.map(|peer| usize::from(peer.0))),
            (Choice::Call(..) | Choice::Fire(..) | Choice::Boot(..) | Choice::Disk(..), _) => Event::Machine,
            (Choice::Drop(..) | Choice::Duplicate(..) | Choice::Replay(..) | Choice::Corrupt(..), _) => {
                Event::Link(&sent)
            }
            (
                Choice::Cut(..)
                | Choice::Heal(..)
                | Choice::Hold(..)
                | Choice::Release(..)
                | Choice::Clock(..),
                _,
            ) => Event::Lasting(&sent),
        };
        let Some(node) = open.node else { return self.causes.elsewhere(open.step) };
        let asked: Vec<OpId> = open
            .actions
            .iter()
            .filter(|(by, _)| *by == node)
            .flat_map(|(_, actions)| actions)
            .filter_map(|action| if let Action::Disk(id, _) = action { Some(*id) } else { None })
            .collect();
        let machine =
            matches!(event, Event::Machine | Event::Arrival(_) | Event::Broken(_) | Event::Ended(..));
        let quiet = open.actions.iter().all(|(_, actions)| actions.is_empty());
        let idle = machine && quiet && after.is_some() && after == open.before;
        self.causes.step(open.step, usize::from(node.0), &event, &asked, idle);
    }

    fn is_shown(&mut self, step: u64, choice: &ChoiceOf<P>) -> bool {
        let fault = choice.is_fault()
            && !matches!(choice, Choice::Disk(..) | Choice::Drop(..) | Choice::Duplicate(..));
        let extra = !self.frame.shows(step) && fault && self.outside < MOST_FAULTS;
        self.outside += usize::from(extra);
        self.frame.shows(step) || extra
    }

    fn client(&mut self, client: ClientId) -> usize {
        let nodes = usize::from(self.protocol.nodes());
        if let Some(at) = self.clients.iter().position(|known| *known == client) {
            return nodes + at;
        }
        self.clients.push(client);
        // Where machines are called clients, who calls them is not.
        let mut name = client_name(client);
        if self.recording.lanes.iter().any(|lane| lane.name == name) {
            name = format!("caller-{}", u32::from(client.0) + 1);
        }
        let kind = if client == PROBER { LaneKind::Probe } else { LaneKind::Client };
        self.recording.lanes.push(Lane { name, kind, number: client.0.into() });
        nodes + self.clients.len() - 1
    }

    /// What was announced last has ended; this is the world after it.
    fn close(&mut self, world: &World<P>) {
        let Some(mut open) = self.open.take() else { return };
        // The recorder knows whether it happened: it has one step more then.
        let Some(line) = self.recorder.steps().get(self.seen).cloned() else { return };
        self.seen += 1;
        self.track(&mut open, world);
        self.tell_disks(&open, world);
        self.tell_spans(&open, world);
        let after = open.node.filter(|_| self.frame.shows(open.step)).and_then(|node| state(world, node));
        let after = after.map(|text| self.recording.states.add(&text));
        self.tell_causes(&open, after);
        if !self.is_shown(open.step, &open.choice) {
            return;
        }
        let mut step = self.recording.step(open.step, &line, open.node, &open.choice);
        if let Choice::Call(_, call, _) = &open.choice {
            step.lane = open.node.map(|node| usize::from(node.0)).or(Some(self.client(call.client)));
        }
        for ((taken, (seen, clock)), (node, actions)) in
            line.taken.iter().zip(&open.clocks).zip(&open.actions)
        {
            let cut = open.cut_short.map(usize::from).filter(|cut| *cut < actions.len());
            step.taken.push(Taken {
                lane: usize::from(node.0),
                mono: clock.mono.0,
                ahead: (i128::from(clock.wall.0) - i128::from(EPOCH.0) - i128::from(seen.at.0))
                    .clamp(i64::MIN.into(), i64::MAX.into()) as i64,
                input: taken.input.clone(),
                actions: taken.actions.clone(),
                performed: cut,
            });
        }
        step.before = open.before;
        step.after = after;
        self.recording.steps.push(step);
    }
}

impl Recording {
    fn step<M, T, Q>(
        &self,
        n: u64,
        line: &onceward_model::trace::Step,
        node: Option<NodeId>,
        choice: &Choice<M, T, Q>,
    ) -> Step {
        Step {
            n,
            at: line.at.0,
            lane: node.map(|node| usize::from(node.0)),
            kind: kind(choice),
            fault: choice.is_fault(),
            text: line.line.strip_prefix("step ").unwrap_or(&line.line).to_owned(),
            taken: Vec::new(),
            before: None,
            after: None,
            leads: true,
        }
    }
}

fn kind<M, T, Q>(choice: &Choice<M, T, Q>) -> Kind {
    match choice {
        Choice::Call(..) => Kind::Call,
        Choice::Disk(..) => Kind::Disk,
        Choice::Deliver(..) | Choice::Advance(..) => Kind::Message,
        Choice::Fire(..) => Kind::Timer,
        Choice::Boot(..) => Kind::Boot,
        Choice::Kill(..) | Choice::KillWithin(..) | Choice::PowerLoss(..) => Kind::Crash,
        Choice::Clock(..) => Kind::Clock,
        Choice::Drop(..)
        | Choice::Duplicate(..)
        | Choice::Replay(..)
        | Choice::Corrupt(..)
        | Choice::Break(..)
        | Choice::Cut(..)
        | Choice::Heal(..)
        | Choice::Hold(..)
        | Choice::Release(..)
        | Choice::Wipe(..)
        | Choice::Pause(..)
        | Choice::Resume(..)
        | Choice::Damage(..) => Kind::Fault,
    }
}

/// The node that a choice is about: for connections, the one at which something arrives.
fn node_of<P: Protocol>(world: &World<P>, choice: &ChoiceOf<P>) -> Option<NodeId> {
    match choice {
        Choice::Advance(conn, side) | Choice::Break(conn, side) => match side {
            Side::Initiator => Some(conn.initiator),
            Side::Acceptor => world.net().conn(*conn).map(|conn| conn.acceptor),
        },
        other => other.node().filter(|node| world.get(*node).is_some()),
    }
}

/// The node at the other end of a connection that breaks.
fn peer_of<P: Protocol>(world: &World<P>, choice: &ChoiceOf<P>) -> Option<NodeId> {
    let Choice::Break(conn, side) = choice else { return None };
    node_of(world, &Choice::Break(*conn, side.other()))
}

fn state<P: Protocol>(world: &World<P>, node: NodeId) -> Option<String> {
    let host = world.get(node)?;
    Some(match &host.node {
        Some(machine) => format!("{machine:#?}"),
        None if host.powered => "the process is down".to_owned(),
        None => "the computer has no power".to_owned(),
    })
}

impl<P: Protocol> Sink<P> for Camera<P> {
    fn born(&mut self, _: Key, _: ChoiceOf<P>, _: When) {}

    fn input(&mut self, seen: Seen, node: NodeId, clock: Clock, input: &NodeInput<P::Node>) {
        self.recorder.input(seen, node, clock, input);
    }

    fn actions(&mut self, seen: Seen, node: NodeId, clock: Clock, actions: &[NodeAction<P::Node>]) {
        self.recorder.actions(seen, node, clock, actions);
        if let Some(open) = &mut self.open {
            open.actions.push((node, actions.to_vec()));
            open.clocks.push((seen, clock));
        }
    }
}

impl<P: Protocol> Watch<P> for Camera<P> {
    fn choice(&mut self, world: &World<P>, seen: Seen, key: Key, choice: &ChoiceOf<P>) {
        self.recorder.choice(world, seen.at, choice);
        self.close(world);
        let node = node_of(world, choice);
        let host = node.and_then(|node| world.get(node));
        let pending: Vec<(OpId, DiskOp)> =
            host.iter().flat_map(|host| host.disk.pending()).map(|(id, op)| (id, op.clone())).collect();
        let op = match choice {
            Choice::Disk(_, id, _) => pending.iter().find(|(other, _)| other == id).cloned(),
            _ => None,
        };
        let shows = self.frame.shows(seen.step);
        let before = node.filter(|_| shows).and_then(|node| state(world, node));
        self.open = Some(Open {
            step: seen.step,
            choice: choice.clone(),
            key,
            node,
            peer: peer_of(world, choice),
            op,
            pending,
            before: before.map(|text| self.recording.states.add(&text)),
            calls: world.calls().to_vec(),
            cut_short: host.and_then(|host| host.cut_short),
            born: Vec::new(),
            actions: Vec::new(),
            clocks: Vec::new(),
        });
    }

    fn possible(&mut self, key: Key, choice: &ChoiceOf<P>) {
        if let Some(open) = &mut self.open
            && matches!(choice, Choice::Deliver(..) | Choice::Advance(..))
        {
            open.born.push((key, choice.clone()));
        }
    }

    fn broke(&mut self) {
        self.recorder.violated();
    }
}
