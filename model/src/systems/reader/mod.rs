//! Topic readers as a system of the harness: readers against a server that shares its partitions among them, forgets commits
//! when it crashes, and has [moods](wire::Mood); settings and verbs in the scenario language, promises, and bounded scopes.

mod config;
pub mod consumer;
mod protocol;
mod scopes;
mod sending;
pub mod server;
#[cfg(test)]
mod tests;
pub(in crate::systems) mod verbs;
pub mod wire;
mod workload;

pub use protocol::Ghost;

use crate::{
    scenario::Header,
    spec::{publish, read},
    system::{Allowed, Mutant, NamedScope, Numbering, Problem, Promise, System, Verb, Word},
    world::{ChoiceOf, Key, Time},
};
use consumer::{Consumer, Habits};
use onceward_core::{
    CallId, Clock, Dur, Machine, Node, NodeId,
    reader::{self, Config},
};
use server::Server;
use std::sync::{Arc, OnceLock};
use wire::{Msg, Request, Response, Timer};

/// The node that is the server; readers follow.
pub const SERVER: NodeId = NodeId(0);

pub(crate) type Input = onceward_core::Input<Msg, Timer, Request>;
pub(crate) type Action = onceward_core::Action<Msg, Timer, Response>;

/// A server, readers and their callers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Feed {
    /// How each reader is configured.
    pub config: Config,
    /// What their callers are like.
    pub habits: Habits,
    /// How many readers there are.
    pub readers: u16,
    /// How many callers.
    pub clients: u16,
    /// How many partitions there are.
    pub partitions: u32,
    /// How many messages each has.
    pub messages: u64,
    /// Most messages that the server sends at once.
    pub response: u32,
    /// How long a reader may take to give a partition up that goes to another one; zero: it is not asked.
    pub stop_timeout: Dur,
}

/// Either kind of machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum FeedNode {
    /// Shares messages among readers.
    Server(Server),
    /// Reads and commits.
    Reader(Box<Consumer>),
}

impl Machine for FeedNode {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, clock: Clock, input: Input, out: &mut Vec<Action>) {
        match self {
            FeedNode::Server(server) => server.step(clock, input, out),
            FeedNode::Reader(consumer) => consumer.step(clock, input, out),
        }
    }
}

impl Node for FeedNode {
    type Message = Msg;
    type Timer = Timer;
    type Request = Request;
    type Response = Response;
}

/// Topic readers, with everything around them.
#[derive(Clone, Copy, Debug)]
pub struct ReaderSystem;

impl System for ReaderSystem {
    type Protocol = Feed;

    const NAME: &'static str = "reader";
    const ABOUT: &'static str = "topic readers, and a server that takes partitions back and has moods";

    fn build(header: &Header) -> Result<Arc<Feed>, String> {
        config::build(header).map(Arc::new)
    }

    fn verbs() -> &'static [Verb] {
        verbs::VERBS
    }

    fn parse_call(
        feed: &Feed,
        numbering: &mut Numbering,
        words: &[Word],
    ) -> Result<(NodeId, CallId, Request), Problem> {
        verbs::parse(feed, numbering, words)
    }

    fn draw_header(key: Key) -> Header {
        config::draw(key)
    }

    fn draw_workload(feed: &Feed, key: Key, calls: u32, span: Dur) -> Vec<(Time, ChoiceOf<Feed>)> {
        workload::draw(feed, key, calls, span)
    }

    fn allowed(_: &Feed) -> Allowed {
        // Nobody has anything on a disk.
        Allowed { disk_errors: false, power_loss: false, ..Allowed::default() }
    }

    fn promises() -> &'static [Promise] {
        static ALL: OnceLock<Vec<Promise>> = OnceLock::new();
        ALL.get_or_init(|| {
            let shared =
                [publish::FLUSH_AND_CLOSE_SETTLE, publish::RETRIES_SPACED, publish::SILENT_AFTER_END];
            let shared = publish::PROMISES.iter().filter(|promise| shared.contains(&promise.id));
            read::PROMISES.iter().chain([&read::LIVENESS]).chain(shared).copied().collect()
        })
    }

    fn marks() -> &'static [&'static str] {
        config::MARKS
    }

    fn all_marks() -> Vec<&'static str> {
        reader::MARKS.to_vec()
    }

    fn mutants() -> Vec<Mutant> {
        reader::Mutant::ALL
            .iter()
            .map(|mutant| Mutant { about: mutant.about(), activate: mutant.switch_on() })
            .collect()
    }

    fn scopes() -> Vec<NamedScope<Feed>> {
        scopes::all()
    }
}

/// A header for this system with these settings.
pub fn header(readers: u16, clients: u16, settings: &[(&str, &str)]) -> Header {
    let config = settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Header {
        system: ReaderSystem::NAME.into(),
        cluster: vec![("server".into(), 1), ("reader".into(), readers), ("client".into(), clients)],
        config,
    }
}
