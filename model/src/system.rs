//! What a stranger provides beside a [`Protocol`], so that every command of the harness works for it: how to build it
//! from a scenario's header, its verbs, a random workload, its promises, marks, mutants and bounded scopes. Nothing in
//! the engines knows a system by name.

use crate::{
    scenario::{Header, OpKind},
    world::{
        Budget, Choice, ChoiceOf, Key, Protocol, Req, Resource, Resp, Scope, Script, Seen, Time, Violation,
        disk::{Damage, Image, Outcome},
    },
};
use bytes::Bytes;
use onceward_core::{
    CallId, ClientId, Never, Node, NodeId, NodeInput,
    mutants::About,
    recorded::{Recorded, Shelf},
};
use std::sync::Arc;

/// A promise, as tables and reports show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Promise {
    /// Its id: words joined by hyphens.
    pub id: &'static str,
    /// What is promised, in one sentence.
    pub says: &'static str,
}

/// A mutant and how to switch it on.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// What is known of it.
    pub about: About,
    /// Switches it on for the whole process. Does nothing in a build without mutants.
    pub activate: fn(),
}

/// A bounded scope with a name, to be checked exhaustively.
pub struct NamedScope<P: Protocol> {
    /// Its name: words joined by hyphens.
    pub name: &'static str,
    /// What it covers, in one sentence.
    pub about: &'static str,
    /// The header it is built from, for scenario text.
    pub header: Header,
    /// The cluster.
    pub protocol: Arc<P>,
    /// The bounds.
    pub scope: Scope<Req<P>>,
    /// Unique and generated states, pinned where the scope is exhausted in every run of the tests.
    pub pinned: Option<(u64, u64)>,
}

impl<P: Protocol> NamedScope<P> {
    /// A scope without faults and without timers that fire, with a script for each client.
    pub fn plain(
        (name, about): (&'static str, &'static str),
        header: Header,
        protocol: P,
        scripts: Vec<Script<Req<P>>>,
    ) -> NamedScope<P> {
        let budget = Budget::none().with(Resource::Fire, 0);
        let scope = Scope { budget, ..Scope::new(scripts) };
        NamedScope { name, about, header, protocol: Arc::new(protocol), scope, pinned: None }
    }
}

/// A verb that a system adds to the scenario language.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verb {
    /// The word itself.
    pub word: &'static str,
    /// The whole line, in the notation of the help pages.
    pub usage: &'static str,
    /// What it does, in one sentence.
    pub help: &'static str,
}

/// What is wrong in a text, and where: a byte range of one line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what}")]
pub struct Problem {
    /// What is wrong, and what would be right.
    pub what: String,
    /// First byte in the line.
    pub from: usize,
    /// Byte after the last one.
    pub to: usize,
}

/// One word of a line, quotes removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    /// Its text.
    pub text: String,
    /// Whether it stood in quotes.
    pub quoted: bool,
    /// First byte in the line.
    pub from: usize,
    /// Byte after the last one.
    pub to: usize,
}

impl Word {
    /// What is wrong with it.
    pub fn problem(&self, what: impl Into<String>) -> Problem {
        Problem { what: what.into(), from: self.from, to: self.to }
    }

    /// The number behind a prefix, which must be one of the first `count` from 1: `2` of `client-2`.
    ///
    /// # Errors
    /// It is none, with what would be.
    pub fn numbered(&self, prefix: &str, count: u16) -> Result<u16, Problem> {
        let number = self.text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
        let number = number.and_then(|digits| digits.parse().ok()).filter(|n| (1..=count).contains(n));
        number.ok_or_else(|| self.problem(format!("one of {prefix}-1 to {prefix}-{count}")))
    }
}

impl Problem {
    /// Something is missing at the end of these words.
    pub fn missing(words: &[Word], what: impl Into<String>) -> Problem {
        let from = words.last().map_or(0, |word| word.to);
        Problem { what: what.into(), from, to: from + 1 }
    }
}

/// Gives the calls of a scenario their numbers: per client, in the order of the text.
#[derive(Clone, Debug, Default)]
pub struct Numbering(Vec<u64>);

impl Numbering {
    /// The next call of a client.
    pub fn next(&mut self, client: ClientId) -> CallId {
        let at = usize::from(client.0);
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        let number = self.0[at];
        self.0[at] = number.saturating_add(1);
        CallId { client, number }
    }
}

impl From<CallId> for Numbering {
    /// Gives this very number to the client's next call.
    fn from(call: CallId) -> Numbering {
        let mut numbers = vec![0; usize::from(call.client.0) + 1];
        numbers[usize::from(call.client.0)] = call.number;
        Numbering(numbers)
    }
}

/// Spreads calls evenly at random over the first `span` of a run, in order of time, each drawn from a child of `key`:
/// node, client and request. What most [`System::draw_workload`]s need.
pub fn spread<P: Protocol>(
    key: Key,
    calls: u32,
    span: onceward_core::Dur,
    draw: impl Fn(Key) -> (NodeId, ClientId, Req<P>),
) -> Calls<P> {
    let mut keys: Vec<(Time, Key)> =
        (0..calls).map(|n| key.child(n)).map(|key| (Time(key.below(u32::MAX, span.0.max(1))), key)).collect();
    keys.sort_by_key(|(at, _)| *at);
    let mut numbering = Numbering::default();
    let call = |(at, key)| {
        let (node, client, request) = draw(key);
        (at, Choice::Call(node, numbering.next(client), request))
    };
    keys.into_iter().map(call).collect()
}

/// What a random plan may do to a system: the fault budget that keeps every run within what the system promises. What
/// lies beyond it is for scenarios that say what they expect instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowed {
    /// How many nodes may be down, paused or cut off at the same time.
    pub down_at_once: u16,
    /// Whether nodes may lose power, rather than only be killed.
    pub power_loss: bool,
    /// How many nodes may lose their whole disk in one run.
    pub wipes: u16,
    /// Whether disk operations may fail, be short, or find no space.
    pub disk_errors: bool,
    /// Whether wall clocks may jump.
    pub clock_steps: bool,
    /// By how many millionths clocks may run fast or slow; from a million on they may also stop.
    pub drift: u32,
    /// How many configurations nodes may boot under.
    pub configs: u8,
}

impl Default for Allowed {
    fn default() -> Allowed {
        Allowed {
            down_at_once: u16::MAX,
            power_loss: true,
            wipes: 0,
            disk_errors: true,
            clock_steps: true,
            drift: 1_000_000,
            configs: 1,
        }
    }
}

/// A call as it stands in a scenario, or what is wrong with the line.
pub type Parsed<P> = Result<(NodeId, CallId, Req<P>), Problem>;

/// Calls at their times.
pub type Calls<P> = Vec<(Time, ChoiceOf<P>)>;

/// A protocol with everything around it.
pub trait System: Send + Sync + 'static {
    /// The cluster.
    type Protocol: Protocol;

    /// The name in a scenario's first line and on command lines.
    const NAME: &'static str;

    /// What it is, in one sentence.
    const ABOUT: &'static str;

    /// Builds the cluster that a header describes.
    ///
    /// # Errors
    /// A role, a setting or a value that the system does not know, with the right ones in the message.
    fn build(header: &Header) -> Result<Arc<Self::Protocol>, String>;

    /// The verbs that the system adds to the language.
    fn verbs() -> &'static [Verb] {
        &[]
    }

    /// Reads a call: the words of a line after the time.
    ///
    /// # Errors
    /// What is wrong, and where.
    fn parse_call(
        protocol: &Self::Protocol,
        numbering: &mut Numbering,
        words: &[Word],
    ) -> Parsed<Self::Protocol>;

    /// Draws a cluster and configuration for a swarm run: features are switched off altogether in some, not everything
    /// a little in all.
    fn draw_header(key: Key) -> Header;

    /// Draws a workload of about `calls` calls within the first `span` of a run, in order of time. Every call is drawn
    /// from a child of `key`, so that removing one changes no other.
    fn draw_workload(
        protocol: &Self::Protocol,
        key: Key,
        calls: u32,
        span: onceward_core::Dur,
    ) -> Calls<Self::Protocol>;

    /// What random plans may do to this cluster.
    fn allowed(_protocol: &Self::Protocol) -> Allowed {
        Allowed::default()
    }

    /// Damage to a medium that the cluster must mend or refuse clearly, drawn from a key: names of files are the
    /// system's own. None where damage is not within the fault budget.
    fn draw_damage(_protocol: &Self::Protocol, _key: Key) -> Option<(NodeId, Damage)> {
        None
    }

    /// How a disk operation may end that names files of the system's own, within the fault budget, drawn from a key: the
    /// next one of this kind ends so, if it can.
    fn draw_outcome(_protocol: &Self::Protocol, _key: Key) -> Option<(NodeId, OpKind, Outcome)> {
        None
    }

    /// What it promises.
    fn promises() -> &'static [Promise];

    /// The marks that a default batch must reach.
    fn marks() -> &'static [&'static str] {
        &[]
    }

    /// All marks that its machines can leave: those, and others that a scenario may expect all the same.
    fn all_marks() -> Vec<&'static str> {
        Self::marks().to_vec()
    }

    /// Its known bugs.
    fn mutants() -> Vec<Mutant> {
        Vec::new()
    }

    /// Its bounded scopes.
    fn scopes() -> Vec<NamedScope<Self::Protocol>> {
        Vec::new()
    }

    /// Shows it to a visitor as a system whose nodes can live in processes of their own, if it is one: then this is
    /// `Some(visitor.visit::<Self>())`.
    fn hosted<V: HostedVisitor<Self::Protocol>>(_visitor: V) -> Option<V::Out> {
        None
    }

    /// Shows a visitor what it is recorded as in production, if one of its machines is: then this is
    /// `Some(visitor.visit::<…>())`.
    fn recorded<V: RecordedVisitor>(_visitor: V) -> Option<V::Out> {
        None
    }
}

/// A system whose nodes can live in processes of their own: there is no network between them, and their answers can
/// travel. Calls travel as scenario text.
pub trait Hosted: System<Protocol: Protocol<Node: Node<Message = Never> + 'static>> {
    /// An answer as bytes.
    fn encode(response: &Resp<Self::Protocol>) -> Vec<u8>;

    /// The answer that these bytes are, if they are one.
    fn decode(bytes: &[u8]) -> Option<Resp<Self::Protocol>>;
}

/// Does something for a system of this protocol whose nodes can live in processes of their own.
pub trait HostedVisitor<P: Protocol> {
    /// What comes of it.
    type Out;

    /// Called with the system.
    fn visit<S: Hosted<Protocol = P>>(self) -> Self::Out;
}

/// A machine that is recorded in production, alone: what happened there is performed again and judged.
pub trait RecordedSystem: Sized {
    /// The machine, and the oracle of what it has promised as its ghost. Nothing else of it is used.
    type Protocol: Protocol<Node: Recorded>;
    /// What the machine's log holds.
    type Archive<'a>;

    /// The cluster of a recorded machine.
    fn cluster_of(machine: &NodeOf<Self>) -> Arc<Self::Protocol>;

    /// Reads what a machine's log holds from the files of its disk.
    ///
    /// # Errors
    /// What is wrong with them, and where.
    fn archive<'a>(machine: &NodeOf<Self>, files: &'a Image) -> Result<Self::Archive<'a>, String>;

    /// The contents at a position of one of the log's lists.
    fn content(archive: &Self::Archive<'_>, shelf: Shelf, position: u64) -> Option<Bytes>;

    /// The machine is about to be told this. For promises about what it was told otherwise than by calls.
    fn hears(_ghost: &mut GhostOf<Self>, _seen: Seen, _input: &NodeInput<NodeOf<Self>>) {}

    /// Whether the machine knows its log by now; then the outside is told what was in it before anybody looked.
    ///
    /// # Errors
    /// The promise that is broken by what the log holds.
    fn resume(
        ghost: &mut GhostOf<Self>,
        machine: &NodeOf<Self>,
        archive: &Self::Archive<'_>,
        seen: Seen,
    ) -> Result<bool, Violation>;

    /// Judges what the machine's disk holds, after everything that was recorded.
    ///
    /// # Errors
    /// The promise that is broken.
    fn outcome(
        ghost: &mut GhostOf<Self>,
        machine: &NodeOf<Self>,
        files: &Image,
        archive: &Self::Archive<'_>,
        seen: Seen,
    ) -> Result<(), Violation>;
}

/// The machine of a recorded system.
pub type NodeOf<S> = <<S as RecordedSystem>::Protocol as Protocol>::Node;
/// The oracle of a recorded system.
pub type GhostOf<S> = <<S as RecordedSystem>::Protocol as Protocol>::Ghost;

/// Does something for a machine that is recorded.
pub trait RecordedVisitor {
    /// What comes of it.
    type Out;

    /// Called with what it is recorded as.
    fn visit<S: RecordedSystem>(self) -> Self::Out;
}
