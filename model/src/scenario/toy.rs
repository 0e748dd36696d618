//! A small system for tests of the language and of traces: post boxes that keep letters on disk, tell their neighbour,
//! talk over connections and beat now and then. It promises nothing of interest.

use super::{Header, pending, quote, unknown};
use crate::{
    scenario::line::problem,
    system::{Mutant, NamedScope, Numbering, Problem, Promise, System, Verb, Word},
    world::{Choice, ChoiceOf, Event, Key, Protocol, Seen, Time, Violation, World, disk::Faults},
};
use onceward_core::{
    Action, CallId, ClientId, Clock, ConnId, DiskOp, Dur, Input, Machine, Node, NodeAction, NodeId,
    NodeInput, OpId, Path, SyncKind, Window,
};
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Msg {
    Copy(String),
    Beat(u8),
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Ask {
    Post(String),
    Dial(NodeId),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct PostBox {
    me: NodeId,
    nodes: u16,
    beat: Dur,
    beats: u8,
    end: u64,
    next: u32,
    /// Letters whose write or sync is under way.
    open: BTreeMap<OpId, (CallId, String, bool)>,
}

impl PostBox {
    fn neighbour(&self) -> NodeId {
        NodeId((self.me.0 + 1) % self.nodes)
    }

    fn op(&mut self) -> OpId {
        self.next += 1;
        OpId(self.next)
    }
}

fn log() -> Path {
    Path::from("box.log")
}

impl Machine for PostBox {
    type Input = NodeInput<PostBox>;
    type Action = NodeAction<PostBox>;

    fn step(&mut self, _: Clock, input: Self::Input, out: &mut Vec<Self::Action>) {
        match input {
            Input::Boot => {
                out.push(Action::Disk(OpId(0), DiskOp::Create(log())));
                out.push(Action::Arm((), Window { from: self.beat, to: Dur(self.beat.0 * 2) }));
            }
            Input::Call(call, Ask::Post(text)) => {
                let (op, data) = (self.op(), text.clone().into_bytes().into());
                self.open.insert(op, (call, text.clone(), false));
                out.push(Action::Disk(op, DiskOp::Write { path: log(), offset: self.end, data }));
                self.end += text.len() as u64;
            }
            Input::Call(call, Ask::Dial(to)) => {
                out.push(Action::Connect(to, self.next));
                out.push(Action::Reply(call, "dialled"));
            }
            Input::Disk(op, result) => match (self.open.remove(&op), result) {
                (Some((call, text, false)), Ok(_)) => {
                    let sync = self.op();
                    self.open.insert(sync, (call, text, true));
                    out.push(Action::Disk(sync, DiskOp::Sync { path: log(), kind: SyncKind::Data }));
                }
                (Some((call, text, true)), Ok(_)) => {
                    out.push(Action::Send(self.neighbour(), Msg::Copy(text)));
                    out.push(Action::Reply(call, "posted"));
                }
                (Some((call, ..)), Err(_)) => out.push(Action::Reply(call, "failed")),
                (None, _) => {}
            },
            Input::Timer(()) => {
                self.beats = self.beats.wrapping_add(1) % 4;
                out.push(Action::Send(self.neighbour(), Msg::Beat(self.beats)));
                out.push(Action::Arm((), Window { from: self.beat, to: Dur(self.beat.0 * 2) }));
            }
            Input::Opened(conn) => out.push(Action::Write(conn, Msg::Beat(0))),
            Input::Received(conn, _) => out.push(Action::Close(conn)),
            Input::Message(..) | Input::Accepted(_) | Input::Closed(..) => {}
        }
    }
}

impl Node for PostBox {
    type Message = Msg;
    type Timer = ();
    type Request = Ask;
    type Response = &'static str;
}

#[derive(Debug)]
pub(crate) struct Boxes {
    pub(crate) nodes: u16,
    pub(crate) beat: Dur,
}

impl Protocol for Boxes {
    type Node = PostBox;
    type Ghost = ();

    fn nodes(&self) -> u16 {
        self.nodes
    }

    fn boot(&self, me: NodeId, _: u8) -> PostBox {
        PostBox { me, nodes: self.nodes, beat: self.beat, beats: 0, end: 0, next: 0, open: BTreeMap::new() }
    }

    fn ghost(&self) {}

    fn observe(&self, _: &mut (), _: Seen, event: Event<'_, PostBox>) -> Result<(), Violation> {
        match event {
            Event::Replied(_, _, &"failed") => {
                Err(Violation::new("never-fails", "a letter could not be kept"))
            }
            _ => Ok(()),
        }
    }

    fn settled(&self, _: &(), _: &World<Boxes>) -> bool {
        true
    }

    fn node_name(&self, node: NodeId) -> String {
        format!("box-{}", node.0 + 1)
    }

    fn message_label(&self, message: &Msg) -> String {
        match message {
            // Not the letter itself: several messages may have the same label.
            Msg::Copy(text) => format!("copy of {} bytes", text.len()),
            Msg::Beat(n) => format!("beat {n}"),
        }
    }

    fn timer_label(&self, (): &()) -> String {
        "beat".to_owned()
    }

    fn call_label(&self, node: NodeId, call: CallId, ask: &Ask) -> String {
        let (client, at) = (call.client.0, self.node_name(node));
        match ask {
            Ask::Post(text) => format!("client-{client} posts {} to {at}", quote(text)),
            Ask::Dial(to) => format!("client-{client} dials {} from {at}", self.node_name(*to)),
        }
    }
}

/// The system around it.
pub(crate) struct Post;

impl System for Post {
    type Protocol = Boxes;

    const NAME: &'static str = "post";
    const ABOUT: &'static str = "Post boxes.";

    fn build(header: &Header) -> Result<Arc<Boxes>, String> {
        let mut boxes = Boxes { nodes: 0, beat: Dur::millis(10) };
        for (role, count) in &header.cluster {
            if role != "box" {
                return Err(unknown("role", role, ["box"]));
            }
            boxes.nodes = *count;
        }
        for (key, value) in &header.config {
            match key.as_str() {
                "beat" => boxes.beat = super::parse_span(value)?,
                "note" => {}
                _ => return Err(unknown("setting", key, ["beat", "note"])),
            }
        }
        if boxes.nodes == 0 {
            Err("there must be at least one `box`".to_owned())
        } else {
            Ok(Arc::new(boxes))
        }
    }

    fn verbs() -> &'static [Verb] {
        &[
            Verb { word: "posts", usage: "client-N posts TEXT to NODE", help: "Posts a letter." },
            Verb { word: "dials", usage: "client-N dials NODE from NODE", help: "Opens a connection." },
        ]
    }

    fn parse_call(
        boxes: &Boxes,
        numbering: &mut Numbering,
        words: &[Word],
    ) -> Result<(NodeId, CallId, Ask), Problem> {
        let [client, verb, what, _, at] = words else {
            let end = words.last().map_or(0, |word| word.to);
            return Err(problem("a call looks like `client-1 posts \"hello\" to box-1`", end, end));
        };
        let number = client.text.strip_prefix("client-").and_then(|n| n.parse().ok());
        let number =
            number.ok_or_else(|| problem("a client looks like `client-1`", client.from, client.to))?;
        let names: Vec<String> = (0..boxes.nodes).map(|n| boxes.node_name(NodeId(n))).collect();
        let node = |word: &Word| {
            let found = names.iter().position(|name| *name == word.text).map(|n| NodeId(n as u16));
            let missing = || unknown("node", &word.text, names.iter().map(String::as_str));
            found.ok_or_else(|| problem(missing(), word.from, word.to))
        };
        let ask = if verb.text == "posts" { Ask::Post(what.text.clone()) } else { Ask::Dial(node(what)?) };
        Ok((node(at)?, numbering.next(ClientId(number)), ask))
    }

    fn draw_header(_: Key) -> Header {
        Header::default()
    }

    fn draw_workload(_: &Boxes, _: Key, _: u32, _: Dur) -> Vec<(Time, ChoiceOf<Boxes>)> {
        Vec::new()
    }

    fn promises() -> &'static [Promise] {
        &[Promise { id: "never-fails", says: "No letter is refused." }]
    }

    fn marks() -> &'static [&'static str] {
        &["letter kept twice", "box full"]
    }

    fn mutants() -> Vec<Mutant> {
        Vec::new()
    }

    fn scopes() -> Vec<NamedScope<Boxes>> {
        Vec::new()
    }
}

/// The protocol and a world of so many boxes.
pub(crate) fn boxes(nodes: u16) -> World<Boxes> {
    World::new(Arc::new(Boxes { nodes, beat: Dur::millis(10) }), 4)
}

/// Names a connection.
pub(crate) fn conn(initiator: NodeId, number: u32) -> ConnId {
    ConnId { initiator, number }
}

pub(crate) fn post(node: u16, number: u64, text: &str) -> ChoiceOf<Boxes> {
    Choice::Call(NodeId(node), CallId { client: ClientId(1), number }, Ask::Post(text.to_owned()))
}

pub(crate) fn dial(node: u16, number: u64, to: u16) -> ChoiceOf<Boxes> {
    Choice::Call(NodeId(node), CallId { client: ClientId(2), number }, Ask::Dial(NodeId(to)))
}

/// Everything that can happen in a world, calls aside.
pub(crate) fn possible(world: &World<Boxes>) -> Vec<ChoiceOf<Boxes>> {
    let mut all = pending(world);
    for (from, to, message) in world.net().bag() {
        all.push(Choice::Drop(from, to, message.clone()));
        all.push(Choice::Duplicate(from, to, message.clone()));
        all.push(Choice::Corrupt(from, to, message.clone()));
    }
    all.extend(world.net().past().map(|(from, to, message)| Choice::Replay(*from, *to, message.clone())));
    let faults = Faults { short_writes: true, sync_errors: true, lies: true, ..Faults::NONE };
    for (node, host) in world.hosts() {
        for op in host.ops() {
            let mut outcomes = Vec::new();
            let _ = host.disk.outcomes(op, &faults, &mut outcomes);
            all.extend(outcomes.into_iter().map(|outcome| Choice::Disk(node, op, outcome)));
        }
        all.push(Choice::Kill(node, Default::default()));
        all.push(Choice::PowerLoss(node, Default::default()));
        all.push(Choice::Pause(node));
        all.push(Choice::Hold(node, NodeId(0)));
    }
    all
}
