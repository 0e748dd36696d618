//! Watches a run and takes it down as plain data. It sees each choice before it is performed, and what became of it when
//! the next one comes; it changes nothing. Messages are recognised by their causal keys, or by what they say where a run
//! has no keys.

use super::{
    frame::Frame,
    recording::{
        Broken, Fate, Kind, Lane, LaneKind, MOST_FAULTS, Message, Recording, Span, Step, Taken, Trouble,
    },
    stays::{Deed, Shelf},
};
use crate::engine::Watch;
use onceward_core::{Action, CallId, ClientId, Clock, ConnId, DiskOp, NodeAction, NodeId, NodeInput, OpId};
use onceward_model::{
    trace::{Recorder, TraceHeader},
    world::{Choice, ChoiceOf, EPOCH, Item, Key, Protocol, Seen, Side, Sink, Violation, When, World},
};
use std::sync::Arc;

/// The last number is that of no client of a scenario: whoever looks at the outcome takes it.
const PROBE: u16 = u16::MAX;

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
        self.recording.keep(&self.frame, MOST_FAULTS);
        self.recording
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
        // Clients are counted from 1 in scenario text. Where machines are called clients, who calls them is not.
        let mut name = format!("client-{}", u32::from(client.0) + 1);
        if self.recording.lanes.iter().any(|lane| lane.name == name) {
            name = format!("caller-{}", u32::from(client.0) + 1);
        }
        let (name, kind) =
            if client.0 == PROBE { ("probe".to_owned(), LaneKind::Probe) } else { (name, LaneKind::Client) };
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
        step.after =
            open.node.and_then(|node| state(world, node)).map(|text| self.recording.states.add(&text));
        self.recording.steps.push(step);
    }

    // Messages

    fn track(&mut self, open: &mut Open<P>, world: &World<P>) {
        let step = open.step;
        let stepped = !open.actions.is_empty();
        let arrived = if stepped { Fate::Arrived } else { Fate::Lost };
        match &open.choice {
            Choice::Deliver(..) => self.land(&open.choice.clone(), open.key, step, arrived),
            Choice::Drop(from, to, m) => {
                self.land(&Choice::Deliver(*from, *to, m.clone()), open.key, step, Fate::Lost);
            }
            Choice::Corrupt(from, to, m) => {
                self.land(&Choice::Deliver(*from, *to, m.clone()), open.key, step, Fate::Damaged);
            }
            Choice::Advance(..) => {
                // What arrives is what was put under way first.
                let first =
                    self.flying.iter().position(|f| f.choice == open.choice && f.key.matches(open.key));
                let first = first.or_else(|| self.flying.iter().position(|f| f.choice == open.choice));
                if let Some(at) = first {
                    let flying = self.flying.remove(at);
                    let message = &mut self.recording.messages[flying.message];
                    (message.until, message.fate) = (Some(step), arrived);
                }
            }
            Choice::Call(node, call, request) => {
                let client = self.client(call.client);
                let label = self.protocol.call_label(*node, *call, request);
                self.send(label, client, usize::from(node.0), step, false);
                let fate = if stepped { Fate::Arrived } else { Fate::Lost };
                self.at_once(step, fate);
            }
            _ => {}
        }
        self.departures(open, world);
        self.lost_calls(open, world);
        // What is under way may have been lost with its link or its connection.
        let (messages, flying) = (&mut self.recording.messages, &mut self.flying);
        flying.retain(|flying| {
            let there = match &flying.choice {
                Choice::Deliver(from, to, message) => world.net().has(*from, *to, message, flying.key),
                Choice::Advance(conn, side) => {
                    let queue = world.net().conn(*conn).map(|conn| conn.queue(*side));
                    queue.is_some_and(|queue| queue.iter().any(|(_, key)| key.0.matches(flying.key)))
                }
                _ => false,
            };
            if !there {
                let message = &mut messages[flying.message];
                (message.until, message.fate) = (Some(step), Fate::Lost);
            }
            there
        });
    }

    fn departures(&mut self, open: &mut Open<P>, world: &World<P>) {
        let (step, copy) = (open.step, matches!(open.choice, Choice::Duplicate(..) | Choice::Replay(..)));
        let mut born = std::mem::take(&mut open.born);
        for (node, actions) in &open.actions {
            let performed = open.cut_short.map_or(actions.len(), |cut| actions.len().min(usize::from(cut)));
            for action in &actions[..performed] {
                match action {
                    Action::Send(to, message) => {
                        let deliver = Choice::Deliver(*node, *to, message.clone());
                        let at = born.iter().position(|(_, choice)| *choice == deliver);
                        let label = self.protocol.message_label(message);
                        if usize::from(to.0) >= usize::from(self.protocol.nodes()) {
                            continue;
                        }
                        let number = self.send(label, usize::from(node.0), usize::from(to.0), step, false);
                        match at {
                            Some(at) => {
                                let (key, choice) = born.remove(at);
                                self.flying.push(Flying { key, choice, message: number });
                            }
                            // The link is cut.
                            None => self.at_once(step, Fate::Lost),
                        }
                    }
                    Action::Reply(call, response) => {
                        let client = self.client(call.client);
                        let label = self.protocol.response_label(response);
                        self.send(label, usize::from(node.0), client, step, false);
                        self.at_once(step, Fate::Arrived);
                    }
                    _ => {}
                }
            }
        }
        for (key, choice) in born {
            let (label, from, to) = match &choice {
                Choice::Deliver(from, to, message) => (self.protocol.message_label(message), *from, *to),
                Choice::Advance(conn, side) => {
                    let Some(item) = on_its_way(&*self.protocol, world, *conn, *side, key) else { continue };
                    item
                }
                _ => continue,
            };
            let message = self.send(label, usize::from(from.0), usize::from(to.0), step, copy);
            self.flying.push(Flying { key, choice, message });
        }
    }

    /// Calls that nobody will answer any more.
    fn lost_calls(&mut self, open: &Open<P>, world: &World<P>) {
        let crash =
            matches!(open.choice, Choice::Kill(..) | Choice::PowerLoss(..)) || open.cut_short.is_some();
        if !crash {
            return;
        }
        for (call, node) in &open.calls {
            let answered = open.actions.iter().flat_map(|(_, actions)| actions);
            let answered = answered.into_iter().any(|a| matches!(a, Action::Reply(c, _) if c == call));
            let waits = world.calls().iter().any(|(other, _)| other == call);
            if !waits && !answered {
                let client = self.client(call.client);
                let label = format!("no answer to call {}: its outcome is unknown", call.number);
                self.send(label, usize::from(node.0), client, open.step, false);
                self.at_once(open.step, Fate::Lost);
            }
        }
    }

    fn send(&mut self, label: String, from: usize, to: usize, sent: u64, copy: bool) -> usize {
        let fate = Fate::Underway;
        let label = label.chars().take(200).collect();
        self.recording.messages.push(Message { label, from, to, sent, until: None, fate, copy });
        self.recording.messages.len() - 1
    }

    /// What was sent last ends in the same step.
    fn at_once(&mut self, step: u64, fate: Fate) {
        if let Some(message) = self.recording.messages.last_mut() {
            (message.until, message.fate) = (Some(step), fate);
        }
    }

    fn land(&mut self, choice: &ChoiceOf<P>, key: Key, step: u64, fate: Fate) {
        let is = |flying: &Flying<P>| flying.choice == *choice;
        let named = self.flying.iter().position(|flying| is(flying) && flying.key == key);
        if let Some(at) = named.or_else(|| self.flying.iter().position(is)) {
            let flying = self.flying.remove(at);
            let message = &mut self.recording.messages[flying.message];
            (message.until, message.fate) = (Some(step), fate);
        }
    }

    // Disks and troubles

    fn tell_disks(&mut self, open: &Open<P>, world: &World<P>) {
        for (node, host) in world.hosts() {
            let touched = open.node == Some(node) || open.actions.iter().any(|(by, _)| *by == node);
            if !touched {
                continue;
            }
            let shelf = &mut self.shelves[usize::from(node.0)];
            let killed = open.cut_short.is_some() && host.node.is_none();
            let deed = match (&open.choice, &open.op) {
                (Choice::Disk(_, _, outcome), Some((id, op))) => Deed::Ended(*id, op, outcome),
                (Choice::PowerLoss(_, fates), _) => Deed::PowerLost(fates),
                (Choice::Kill(..), _) => Deed::Killed,
                (Choice::Wipe(_), _) => Deed::Wiped,
                _ if killed => Deed::Killed,
                _ => Deed::Nothing,
            };
            let Recording { stays, syncs, .. } = &mut self.recording;
            shelf.step(open.step, &deed, &open.pending, &host.disk, stays, syncs);
        }
    }

    fn tell_spans(&mut self, open: &Open<P>, world: &World<P>) {
        let step = open.step;
        if let Some(node) = open.node
            && let Some(host) = world.get(node)
        {
            let is = [
                (Trouble::Dark, host.node.is_none() && !host.powered),
                (Trouble::Down, host.node.is_none() && host.powered),
                (Trouble::Paused, host.paused),
            ];
            for (trouble, wrong) in is {
                self.span(trouble, usize::from(node.0), None, step, wrong);
            }
        }
        if let Choice::Cut(from, to)
        | Choice::Heal(from, to)
        | Choice::Hold(from, to)
        | Choice::Release(from, to) = &open.choice
        {
            let (link, lanes) =
                (world.net().link(*from, *to), (usize::from(from.0), Some(usize::from(to.0))));
            self.span(Trouble::Cut, lanes.0, lanes.1, step, link.cut);
            self.span(Trouble::Held, lanes.0, lanes.1, step, link.held);
        }
    }

    fn span(&mut self, trouble: Trouble, lane: usize, to: Option<usize>, step: u64, wrong: bool) {
        let spans = &mut self.recording.spans;
        let same = |span: &&mut Span| {
            span.until.is_none() && (span.trouble, span.lane, span.to) == (trouble, lane, to)
        };
        match (spans.iter_mut().rev().find(same), wrong) {
            (Some(span), false) => span.until = Some(step),
            (None, true) => spans.push(Span { trouble, lane, to, from: step, until: None }),
            _ => {}
        }
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

/// What was put under way on a connection, from whom and to whom.
fn on_its_way<P: Protocol>(
    protocol: &P,
    world: &World<P>,
    id: ConnId,
    towards: Side,
    key: Key,
) -> Option<(String, NodeId, NodeId)> {
    let conn = world.net().conn(id)?;
    let (item, _) = conn.queue(towards).iter().rev().find(|(_, other)| other.0.matches(key))?;
    let label = match item {
        Item::Open => "opening".to_owned(),
        Item::Accept => "acceptance".to_owned(),
        Item::Refuse => "refusal".to_owned(),
        Item::Message(message) => protocol.message_label(message),
        Item::Finish => "end".to_owned(),
        Item::Reset => "reset".to_owned(),
    };
    Some(match towards {
        Side::Acceptor => (label, id.initiator, conn.acceptor),
        Side::Initiator => (label, conn.acceptor, id.initiator),
    })
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
