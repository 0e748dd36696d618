//! What a stranger provides: their machines, what is observed of them, and what must hold. Nothing in the world, the
//! checkers or the simulators knows more of a protocol than this trait. It decides nothing by itself.
//!
//! The *ghost* is the part of the state that no machine can see: the history as the outside observed it, reduced to
//! what the promises need. It is part of a checked state, so whatever need not distinguish states (step numbers for
//! reports, say) belongs into [`Ignored`](super::Ignored).

use super::{Choice, Geometry, Time, World};
use onceward_core::{CallId, ClientId, Clock, Dur, Node, NodeAction, NodeId};
use std::{
    fmt::{self, Debug},
    hash::Hash,
};

/// The message type of a protocol.
pub type Msg<P> = <<P as Protocol>::Node as Node>::Message;
/// The timer type of a protocol.
pub type Timer<P> = <<P as Protocol>::Node as Node>::Timer;
/// The request type of a protocol.
pub type Req<P> = <<P as Protocol>::Node as Node>::Request;
/// The response type of a protocol.
pub type Resp<P> = <<P as Protocol>::Node as Node>::Response;
/// The choices of a world that hosts this protocol.
pub type ChoiceOf<P> = Choice<Msg<P>, Timer<P>, Req<P>>;

/// A cluster of machines, what is watched of it, and what it promises. Immutable: whatever changes is in the nodes
/// and the ghost.
pub trait Protocol: Send + Sync + 'static {
    /// The hosted machine; an enum where a cluster has several kinds.
    type Node: Node<Message: Send + Sync, Timer: Send + Sync, Request: Send + Sync, Response: Send + Sync>
        + Send
        + Sync;
    /// The observed history, reduced to what the promises need.
    type Ghost: Clone + Eq + Hash + Debug + Send + Sync;

    /// How many nodes there are, numbered from 0.
    fn nodes(&self) -> u16;

    /// A node as it is before [`Input::Boot`](onceward_core::Input::Boot), under a configuration (0 is the usual one;
    /// others are for rolling upgrades).
    fn boot(&self, node: NodeId, config: u8) -> Self::Node;

    /// The ghost before anything happened.
    fn ghost(&self) -> Self::Ghost;

    /// The disk of a node.
    fn geometry(&self, _node: NodeId) -> Geometry {
        Geometry::default()
    }

    /// Takes note of one event, and says so if it breaks a promise. Called for every event: must be cheap.
    fn observe(
        &self,
        ghost: &mut Self::Ghost,
        seen: Seen,
        event: Event<'_, Self::Node>,
    ) -> Result<(), Violation>;

    /// Judges a whole state: called for every state in a checker, and at the end and now and then in a simulator.
    fn check(&self, _ghost: &Self::Ghost, _world: &World<Self>) -> Result<(), Violation>
    where
        Self: Sized,
    {
        Ok(())
    }

    /// Whether a node is a client: all it does is open connections, speak on the one that it opened last, and answer its
    /// callers. It has no disk, sends no datagrams, and nobody connects to it. Production drives such machines by their
    /// streams, and so does the shell.
    fn is_client(&self, _node: NodeId) -> bool {
        false
    }

    /// Whether a machine has come to its end, so that its process exits. Once faults have stopped, such a process is
    /// started again like one that was killed.
    fn over(&self, _node: &Self::Node) -> bool {
        false
    }

    /// Whether nothing is left to be done: every accepted call answered, every node up, nothing owed. What must stay
    /// reachable without faults from every state, and be reached after faults have stopped.
    fn settled(&self, ghost: &Self::Ghost, world: &World<Self>) -> bool
    where
        Self: Sized;

    /// Calls that look at the outcome once faults have stopped, or prove that new work is accepted. Asked again, with
    /// the next `round`, when all were answered; an empty answer ends the run. Where it matters nothing which client
    /// asks, let it be the [`PROBER`].
    fn probes(&self, _ghost: &Self::Ghost, _round: u32) -> Vec<(NodeId, CallId, Req<Self>)> {
        Vec::new()
    }

    /// The last judgement, after healing and all probes.
    fn healed(&self, _ghost: &Self::Ghost) -> Result<(), Violation> {
        Ok(())
    }

    /// What a receiver without a checksum would get in place of a damaged message; `None`: nothing.
    fn corrupt(&self, _message: &Msg<Self>) -> Option<Msg<Self>> {
        None
    }

    /// Whether a node will ignore this message now and for ever, whatever happens to it: such messages need not stay
    /// in a checked state.
    fn ignores_forever(&self, _node: &Self::Node, _from: NodeId, _message: &Msg<Self>) -> bool {
        false
    }

    /// How many bytes a message takes on a link. Only a simulator with limited bandwidth asks.
    fn message_size(&self, _message: &Msg<Self>) -> u32 {
        256
    }

    /// Whether nodes remember of time nothing but monotonic deadlines (never past moments, never the wall clock), the
    /// ghost nothing at all, and [`rebase`](Protocol::rebase) moves the deadlines.
    fn keeps_only_deadlines(&self) -> bool {
        false
    }

    /// Moves every deadline that a node keeps back by `by` on its monotonic clock, those that have passed to 0. A node
    /// that is moved so, under clocks that are moved likewise, must take the same steps.
    fn rebase(&self, _node: &mut Self::Node, _by: Dur) {}

    /// A node's name in scenarios and reports.
    fn node_name(&self, node: NodeId) -> String {
        format!("node-{}", node.0)
    }

    /// A message's label in scenarios and reports, without spaces at the ends and on one line.
    fn message_label(&self, message: &Msg<Self>) -> String {
        format!("{message:?}")
    }

    /// A timer's label.
    fn timer_label(&self, timer: &Timer<Self>) -> String {
        format!("{timer:?}")
    }

    /// A call as scenario text, without the time: what [`System::parse_call`](crate::system::System::parse_call) reads.
    fn call_label(&self, node: NodeId, call: CallId, request: &Req<Self>) -> String {
        format!("client-{} asks {} {request:?}", call.client.0, self.node_name(node))
    }

    /// A response in reports.
    fn response_label(&self, response: &Resp<Self>) -> String {
        format!("{response:?}")
    }
}

/// A client that is none of any scenario's: the harness, which [looks at the outcome](Protocol::probes). Reports name
/// it so.
pub const PROBER: ClientId = ClientId(u16::MAX);

/// What a client is called: `client-1` and so on, counted from 1, or `probe` for the [`PROBER`].
pub fn client_name(client: ClientId) -> String {
    if client == PROBER { "probe".to_owned() } else { format!("client-{}", u32::from(client.0) + 1) }
}

/// Where in a run something was seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Seen {
    /// The number of the step, from 1.
    pub step: u64,
    /// When, in true time.
    pub at: Time,
}

/// What the outside sees of a cluster.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a, N: Node> {
    /// A client has called.
    Called(NodeId, CallId, &'a N::Request),
    /// A client's call found nobody: certainly not carried out.
    Refused(NodeId, CallId),
    /// A call was answered.
    Replied(NodeId, CallId, &'a N::Response),
    /// A call will not be answered any more: its outcome is unknown.
    Lost(NodeId, CallId),
    /// A process has started.
    Booted(NodeId),
    /// A process has ended; `power`: its disk lost what was not durable.
    Crashed {
        /// Which.
        node: NodeId,
        /// Whether it was more than the process.
        power: bool,
    },
    /// A node's disk was damaged or wiped beyond what the protocol must mend.
    Damaged(NodeId),
    /// A node has taken a step, and these of its actions are performed. For promises about what nodes do rather than
    /// what clients see.
    Stepped(NodeId, Clock, &'a [NodeAction<N>]),
}

/// A broken promise.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Violation {
    /// The promise's id.
    pub promise: &'static str,
    /// What contradicts it, in a sentence without numbers that differ from run to run where possible.
    pub what: String,
    /// The two or three steps that contradict it, in order, each with what happened there.
    pub evidence: Vec<(Seen, String)>,
}

impl Violation {
    /// A violation without evidence yet.
    pub fn new(promise: &'static str, what: impl Into<String>) -> Violation {
        Violation { promise, what: what.into(), evidence: Vec::new() }
    }

    /// Adds a step that takes part in the contradiction.
    #[must_use]
    pub fn at(mut self, seen: Seen, what: impl Into<String>) -> Violation {
        self.evidence.push((seen, what.into()));
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}
