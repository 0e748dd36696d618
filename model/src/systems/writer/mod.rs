//! Topic writers as a system of the harness: writers against a server that stores honestly, may lose any session, and
//! has [moods](wire::Mood); settings and verbs in the scenario language, promises, and bounded scopes.

pub mod client;
pub(in crate::systems) mod config;
mod protocol;
mod scopes;
pub mod server;
mod store;
#[cfg(test)]
mod tests;
pub(in crate::systems) mod verbs;
pub mod wire;
mod workload;

pub use protocol::Ghost;

use crate::{
    scenario::Header,
    spec::publish::PROMISES,
    system::{Allowed, Mutant, NamedScope, Numbering, Problem, Promise, System, Verb, Word},
    world::{ChoiceOf, Key, Time},
};
use client::Client;
use onceward_core::{
    CallId, Clock, Dur, Machine, Node, NodeId,
    writer::{self, Config, Timer},
};
use server::Server;
use std::sync::Arc;
use wire::{Msg, Request, Response};

/// The node that is the server; writers follow.
pub const SERVER: NodeId = NodeId(0);

pub(crate) type Input = onceward_core::Input<Msg, Timer, Request>;
pub(crate) type Action = onceward_core::Action<Msg, Timer, Response>;

/// A server, writers and their callers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    /// How each writer is configured.
    pub config: Config,
    /// How many writers there are.
    pub writers: u16,
    /// How many callers.
    pub clients: u16,
    /// Whether the server ends the older session when a producer opens a new one.
    pub fencing: bool,
    /// Whether all writers have one producer id.
    pub shared: bool,
    /// Whether the server keeps what it stores on its disk; without, it must not crash.
    pub disk: bool,
    /// The last number that each producer had used before.
    pub before: u32,
    /// Whether the names of sessions tell how many a producer has had, as this project's broker does.
    pub numbered: bool,
}

/// Either kind of machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum TopicNode {
    /// Stores.
    Server(Server),
    /// Writes.
    Client(Box<Client>),
}

impl Machine for TopicNode {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, clock: Clock, input: Input, out: &mut Vec<Action>) {
        match self {
            TopicNode::Server(server) => server.step(clock, input, out),
            TopicNode::Client(client) => client.step(clock, input, out),
        }
    }
}

impl Node for TopicNode {
    type Message = Msg;
    type Timer = Timer;
    type Request = Request;
    type Response = Response;
}

/// Topic writers, with everything around them.
#[derive(Clone, Copy, Debug)]
pub struct WriterSystem;

impl System for WriterSystem {
    type Protocol = Topic;

    const NAME: &'static str = "writer";
    const ABOUT: &'static str = "topic writers, and a server that loses sessions and has moods";

    fn build(header: &Header) -> Result<Arc<Topic>, String> {
        config::build(header).map(Arc::new)
    }

    fn verbs() -> &'static [Verb] {
        verbs::VERBS
    }

    fn parse_call(
        topic: &Topic,
        numbering: &mut Numbering,
        words: &[Word],
    ) -> Result<(NodeId, CallId, Request), Problem> {
        verbs::parse(topic, numbering, words)
    }

    fn draw_header(key: Key) -> Header {
        config::draw(key)
    }

    fn draw_workload(topic: &Topic, key: Key, calls: u32, span: Dur) -> Vec<(Time, ChoiceOf<Topic>)> {
        workload::draw(topic, key, calls, span)
    }

    fn allowed(_: &Topic) -> Allowed {
        // The server gives up on no disk that fails, and it is not what is tried here.
        Allowed { disk_errors: false, ..Allowed::default() }
    }

    fn promises() -> &'static [Promise] {
        PROMISES
    }

    fn marks() -> &'static [&'static str] {
        config::MARKS
    }

    fn all_marks() -> Vec<&'static str> {
        writer::MARKS.to_vec()
    }

    fn mutants() -> Vec<Mutant> {
        writer::Mutant::ALL
            .iter()
            .map(|mutant| Mutant { about: mutant.about(), activate: mutant.switch_on() })
            .collect()
    }

    fn scopes() -> Vec<NamedScope<Topic>> {
        scopes::all()
    }
}

/// A header for this system with these settings.
pub fn header(writers: u16, clients: u16, settings: &[(&str, &str)]) -> Header {
    let config = settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Header {
        system: WriterSystem::NAME.into(),
        cluster: vec![("server".into(), 1), ("writer".into(), writers), ("client".into(), clients)],
        config,
    }
}
