//! Writers, a broker and readers as one system of the harness: the same writer and broker that programs use, over a
//! network that loses sessions and disks that fail; settings and verbs in the scenario language, promises, and bounded
//! scopes.

mod config;
mod host;
mod protocol;
mod recorded;
mod scopes;
mod stubborn;
#[cfg(test)]
mod tests;
mod verbs;
mod workload;

pub use protocol::Ghost;

use crate::{
    scenario::Header,
    spec::{publish, read, topic},
    system::{Allowed, Mutant, NamedScope, Numbering, Problem, Promise, RecordedVisitor, System, Verb, Word},
    systems::{
        reader::{
            consumer::{Consumer, Habits},
            wire as reading,
        },
        writer::{
            client::Client,
            wire::{Msg, Request as Ask, Response as Answer},
        },
    },
    world::{ChoiceOf, Key, Time, disk::Geometry},
};
use host::Host;
use onceward_core::{
    CallId, Clock, Dur, Machine, Node, NodeId,
    broker::{self, api::Message},
    reader, writer,
};
use std::sync::{Arc, OnceLock};
use stubborn::Stubborn;

/// The broker; writers follow, then readers, then the auditor.
pub const BROKER: NodeId = NodeId(0);

/// The topic that everybody uses.
pub(crate) const TOPIC: &str = "topic";
/// The consumer whose readers share the partitions.
pub(crate) const CONSUMER: &str = "consumer";

pub(crate) type Input = onceward_core::Input<Message, Timer, Request>;
pub(crate) type Action = onceward_core::Action<Message, Timer, Answer>;

/// What callers ask: of a writer.
pub type Request = Ask;

/// A broker, writers and readers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pipeline {
    /// How the broker is configured.
    pub broker: broker::Config,
    /// How each writer is configured.
    pub writer: writer::Config,
    /// How many writers there are.
    pub writers: u16,
    /// So many of them, the last ones, are stubborn.
    pub stubborn: u16,
    /// How many readers share the partitions. One more reads everything from the start, by itself.
    pub readers: u16,
    /// How many callers.
    pub clients: u16,
    /// How many partitions the topic has.
    pub partitions: u32,
    /// How each reader is configured; the auditor's consumer is none, and it reads everything from the start.
    pub reader: reader::Config,
    /// Whether a commit is confirmed in two steps, as a broker may.
    pub split: bool,
    /// What readers' callers are like.
    pub habits: Habits,
    /// The broker's disk.
    pub geometry: Geometry,
}

/// Names of timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// The broker's.
    Broker(broker::api::Timer),
    /// A writer's.
    Writer(writer::Timer),
    /// A stubborn writer's.
    Stubborn(stubborn::Timer),
    /// A reader's.
    Reader(reading::Timer),
}

/// Each kind of machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum PipelineNode {
    /// Keeps the topic.
    Broker(Box<Host>),
    /// Writes.
    Writer(Box<Client>),
    /// Writes, and sends again without asking.
    Stubborn(Stubborn),
    /// Reads and commits.
    Reader(Box<Consumer>),
}

impl Machine for PipelineNode {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, clock: Clock, input: Input, out: &mut Vec<Action>) {
        match self {
            PipelineNode::Broker(host) => host.step(clock, input, out),
            PipelineNode::Writer(client) => {
                let Some(input) = for_writer(input) else { return };
                let mut said = Vec::new();
                client.step(clock, input, &mut said);
                out.extend(said.into_iter().map(from_writer));
            }
            PipelineNode::Stubborn(writer) => writer.step(clock, input, out),
            PipelineNode::Reader(consumer) => {
                let Some(input) = for_reader(input) else { return };
                let mut said = Vec::new();
                consumer.step(clock, input, &mut said);
                out.extend(said.into_iter().filter_map(from_reader));
            }
        }
    }
}

impl Node for PipelineNode {
    type Message = Message;
    type Timer = Timer;
    type Request = Request;
    type Response = Answer;
}

/// What a writer hears, in its own words; nothing else concerns it.
fn for_writer(input: Input) -> Option<onceward_core::Input<Msg, writer::Timer, Ask>> {
    use onceward_core::Input as In;
    Some(match input {
        In::Boot => In::Boot,
        In::Opened(conn) => In::Opened(conn),
        In::Accepted(conn) => In::Accepted(conn),
        In::Received(conn, Message::WriteReply(said)) => In::Received(conn, Msg::Down(said)),
        In::Closed(conn, why) => In::Closed(conn, why),
        In::Timer(Timer::Writer(timer)) => In::Timer(timer),
        In::Call(call, request) => In::Call(call, request),
        In::Disk(..) | In::Message(..) | In::Received(..) | In::Timer(_) => return None,
    })
}

/// What a writer wants, in everybody's words.
fn from_writer(action: onceward_core::Action<Msg, writer::Timer, Answer>) -> Action {
    use onceward_core::Action as Act;
    let up = |message| match message {
        Msg::Up(said) => Message::Write(said),
        Msg::Down(said) => Message::WriteReply(said),
    };
    match action {
        Act::Disk(id, op) => Act::Disk(id, op),
        Act::Send(to, message) => Act::Send(to, up(message)),
        Act::Connect(to, number) => Act::Connect(to, number),
        Act::Write(conn, message) => Act::Write(conn, up(message)),
        Act::Close(conn) => Act::Close(conn),
        Act::Arm(timer, window) => Act::Arm(Timer::Writer(timer), window),
        Act::Disarm(timer) => Act::Disarm(Timer::Writer(timer)),
        Act::Reply(call, response) => Act::Reply(call, response),
        Act::Mark(mark) => Act::Mark(mark),
    }
}

/// What a reader hears, in its own words; nothing else concerns it, and nobody calls it.
fn for_reader(input: Input) -> Option<onceward_core::Input<reading::Msg, reading::Timer, reading::Request>> {
    use onceward_core::Input as In;
    Some(match input {
        In::Boot => In::Boot,
        In::Opened(conn) => In::Opened(conn),
        In::Received(conn, Message::ReadReply(said)) => In::Received(conn, reading::Msg::Down(said)),
        In::Closed(conn, why) => In::Closed(conn, why),
        In::Timer(Timer::Reader(timer)) => In::Timer(timer),
        _ => return None,
    })
}

/// What a reader wants, in everybody's words; it answers no calls.
fn from_reader(
    action: onceward_core::Action<reading::Msg, reading::Timer, reading::Response>,
) -> Option<Action> {
    use onceward_core::Action as Act;
    let up = |message| match message {
        reading::Msg::Up(said) => Message::Read(said),
        reading::Msg::Down(said) => Message::ReadReply(said),
    };
    Some(match action {
        Act::Disk(id, op) => Act::Disk(id, op),
        Act::Send(to, message) => Act::Send(to, up(message)),
        Act::Connect(to, number) => Act::Connect(to, number),
        Act::Write(conn, message) => Act::Write(conn, up(message)),
        Act::Close(conn) => Act::Close(conn),
        Act::Arm(timer, window) => Act::Arm(Timer::Reader(timer), window),
        Act::Disarm(timer) => Act::Disarm(Timer::Reader(timer)),
        Act::Mark(mark) => Act::Mark(mark),
        Act::Reply(..) => return None,
    })
}

/// The pipeline, with everything around it.
#[derive(Clone, Copy, Debug)]
pub struct PipelineSystem;

impl System for PipelineSystem {
    type Protocol = Pipeline;

    const NAME: &'static str = "pipeline";
    const ABOUT: &'static str = "topic writers, a broker and readers: from a write to a commit";

    fn build(header: &Header) -> Result<Arc<Pipeline>, String> {
        config::build(header).map(Arc::new)
    }

    fn verbs() -> &'static [Verb] {
        verbs::VERBS
    }

    fn parse_call(
        pipeline: &Pipeline,
        numbering: &mut Numbering,
        words: &[Word],
    ) -> Result<(NodeId, CallId, Request), Problem> {
        verbs::parse(pipeline, numbering, words)
    }

    fn draw_header(key: Key) -> Header {
        config::draw(key)
    }

    fn draw_workload(
        pipeline: &Pipeline,
        key: Key,
        calls: u32,
        span: Dur,
    ) -> Vec<(Time, ChoiceOf<Pipeline>)> {
        workload::draw(pipeline, key, calls, span)
    }

    fn allowed(pipeline: &Pipeline) -> Allowed {
        let all = Allowed::default();
        // The processes of a stubborn writer are told apart by their clock, which must not stand still.
        if pipeline.stubborn > 0 { Allowed { drift: 999_999, ..all } } else { all }
    }

    fn promises() -> &'static [Promise] {
        static ALL: OnceLock<Vec<Promise>> = OnceLock::new();
        ALL.get_or_init(|| [publish::PROMISES, topic::PROMISES, read::PROMISES].concat())
    }

    fn marks() -> &'static [&'static str] {
        config::MARKS
    }

    fn all_marks() -> Vec<&'static str> {
        [broker::MARKS, writer::MARKS, reader::MARKS].concat()
    }

    fn mutants() -> Vec<Mutant> {
        // Those of writers and readers are shown where nothing but them is tried.
        broker::Mutant::ALL
            .iter()
            .map(|mutant| Mutant { about: mutant.about(), activate: mutant.switch_on() })
            .collect()
    }

    fn scopes() -> Vec<NamedScope<Pipeline>> {
        scopes::all()
    }

    fn recorded<V: RecordedVisitor>(visitor: V) -> Option<V::Out> {
        Some(visitor.visit::<PipelineSystem>())
    }
}

/// A header for this system with these settings.
pub fn header(writers: u16, readers: u16, clients: u16, settings: &[(&str, &str)]) -> Header {
    let config = settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Header {
        system: PipelineSystem::NAME.into(),
        cluster: vec![
            ("broker".into(), 1),
            ("writer".into(), writers),
            ("reader".into(), readers),
            ("client".into(), clients),
        ],
        config,
    }
}
