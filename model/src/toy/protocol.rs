//! What the toy promises, over what callers see. The ghost counts adds that were begun and acknowledged, and remembers
//! for each read what it must at least show. It never looks into a machine.

use super::{Msg, Request, Response, SERVER, ToyNode, client::Client, server::Server};
use crate::world::{Event, Geometry, Ignored, Msg as MsgOf, Protocol, Seen, Violation, World};
use onceward_core::{CallId, ClientId, Dur, NodeId};
use std::collections::BTreeMap;

/// The promise that a read shows every add that was acknowledged before it began.
pub(super) const READS_SEE_ACKED: &str = "reads-see-acked";
/// The promise that no add is counted twice.
pub(super) const ADDS_COUNT_ONCE: &str = "adds-count-once";
/// The promise that a read shows no less than a read that had ended before it began.
pub(super) const READS_GO_FORWARD: &str = "reads-go-forward";

/// A cluster of one server and some clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Toy {
    /// How many client machines there are.
    pub clients: u16,
    /// How long a lease is; zero: none are granted.
    pub lease: Dur,
    /// After this much waiting a client asks again.
    pub retry: Dur,
}

/// A call under way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Open {
    Add,
    Read { acked: u32, shown: u32 },
    Wall,
}

/// What was seen of a cluster.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Ghost {
    open: BTreeMap<CallId, Open>,
    begun: u32,
    acked: u32,
    shown: u32,
    last_ack: Ignored<Seen>,
    last_show: Ignored<Seen>,
}

impl Toy {
    /// A cluster without leases: it holds whatever timers do.
    pub fn untimed(clients: u16) -> Toy {
        Toy { clients, lease: Dur::ZERO, retry: Dur::millis(20) }
    }
}

impl Protocol for Toy {
    type Node = ToyNode;
    type Ghost = Ghost;

    fn nodes(&self) -> u16 {
        self.clients + 1
    }

    fn boot(&self, node: NodeId, config: u8) -> ToyNode {
        // Configuration 1 switches leases off.
        let lease = if config == 0 { self.lease } else { Dur::ZERO };
        match node {
            SERVER => ToyNode::Server(Server::new(self.nodes(), self.lease, self.retry)),
            client => ToyNode::Client(Client::new(client, lease, self.retry)),
        }
    }

    fn geometry(&self, _: NodeId) -> Geometry {
        Geometry::checked(super::server::RECORD as u32)
    }

    fn ghost(&self) -> Ghost {
        Ghost::default()
    }

    fn observe(&self, ghost: &mut Ghost, seen: Seen, event: Event<'_, ToyNode>) -> Result<(), Violation> {
        match event {
            Event::Called(_, call, request) => {
                let open = match request {
                    Request::Add => Open::Add,
                    Request::Read => Open::Read { acked: ghost.acked, shown: ghost.shown },
                    Request::Wall => Open::Wall,
                };
                ghost.begun += u32::from(open == Open::Add);
                ghost.open.insert(call, open);
            }
            Event::Refused(_, call) | Event::Replied(_, call, Response::Busy) => {
                ghost.begun -= u32::from(ghost.open.remove(&call) == Some(Open::Add));
            }
            Event::Lost(_, call) => {
                ghost.open.remove(&call);
            }
            Event::Replied(_, call, response) => {
                let open = ghost.open.remove(&call);
                match (response, open) {
                    (Response::Added, _) => {
                        ghost.acked += 1;
                        *ghost.last_ack = seen;
                    }
                    (Response::Sum(sum), Some(Open::Read { acked, shown })) => {
                        return ghost.judge(seen, *sum, acked, shown);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn settled(&self, ghost: &Ghost, world: &World<Toy>) -> bool {
        let serves = |node: &ToyNode| !matches!(node, ToyNode::Server(server) if !server.serves());
        ghost.open.is_empty()
            && world.hosts().all(|(_, host)| host.runs() && host.node.as_ref().is_some_and(serves))
    }

    fn probes(&self, _: &Ghost, round: u32) -> Vec<(NodeId, CallId, Request)> {
        let request = match round {
            0 | 2 => Request::Read,
            1 => Request::Add,
            _ => return Vec::new(),
        };
        let number = 1_000_000 + u64::from(round);
        (0..self.clients).map(|c| (NodeId(c + 1), CallId { client: ClientId(c), number }, request)).collect()
    }

    fn ignores_forever(&self, node: &ToyNode, _: NodeId, message: &MsgOf<Toy>) -> bool {
        matches!((node, message), (ToyNode::Client(client), Msg::Added(done)) if !client.awaits(*done))
    }

    fn keeps_only_deadlines(&self) -> bool {
        true
    }

    fn rebase(&self, node: &mut ToyNode, by: Dur) {
        match node {
            ToyNode::Server(server) => {
                server.leased_until.0 = server.leased_until.0.saturating_sub(by.0);
            }
            ToyNode::Client(client) => client.rebase(by),
        }
    }

    fn node_name(&self, node: NodeId) -> String {
        if node == SERVER { "server".into() } else { format!("client-{}", node.0) }
    }

    fn message_label(&self, message: &Msg) -> String {
        match message {
            Msg::Add(seq) => format!("add-{seq}"),
            Msg::Added(seq) => format!("added-{seq}"),
            Msg::Fetch => "fetch".into(),
            Msg::Grant { sum, leased } => format!("grant-{sum}{}", if *leased { "-leased" } else { "" }),
        }
    }

    fn call_label(&self, node: NodeId, _: CallId, request: &Request) -> String {
        let verb = match request {
            Request::Add => "adds",
            Request::Read => "reads",
            Request::Wall => "asks-time",
        };
        format!("{} {verb}", self.node_name(node))
    }
}

impl Ghost {
    fn judge(&mut self, seen: Seen, sum: u32, acked: u32, shown: u32) -> Result<(), Violation> {
        let said = format!("a read showed {sum}");
        if sum < acked {
            let what = "a read did not show an add that had been acknowledged before it began";
            let before = format!("{acked} adds were acknowledged by then");
            return Err(Violation::new(READS_SEE_ACKED, what).at(*self.last_ack, before).at(seen, said));
        }
        if sum < shown {
            let what = "a read showed less than an earlier one";
            let before = format!("a read had shown {shown}");
            return Err(Violation::new(READS_GO_FORWARD, what).at(*self.last_show, before).at(seen, said));
        }
        if sum > self.begun {
            let what = "a read showed more adds than were ever asked for";
            return Err(Violation::new(ADDS_COUNT_ONCE, what).at(seen, format!("{said} of {}", self.begun)));
        }
        if sum > self.shown {
            (self.shown, *self.last_show) = (sum, seen);
        }
        Ok(())
    }
}
