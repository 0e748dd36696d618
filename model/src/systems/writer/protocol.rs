//! Topic writers as a protocol: one server, writers, and callers of each. It judges nothing itself: the promises are in
//! [`crate::spec::publish`].

use super::{
    Action, SERVER, Topic, TopicNode,
    client::Client,
    server::Server,
    verbs,
    wire::{self, Msg, Request, Response},
};
use crate::{
    spec::publish::{Asked, History},
    systems::is_still,
    world::{Event, Host, Protocol, Seen, Violation, World},
};
use onceward_core::{
    CallId, NodeId,
    writer::{Timer, api::Outcome, wire::FromServer},
};
use std::collections::BTreeSet;

/// What is known from the outside.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Ghost {
    /// What callers saw.
    pub history: History,
    destroys: BTreeSet<CallId>,
}

impl Ghost {
    pub(in crate::systems) fn called(&mut self, seen: Seen, node: NodeId, call: CallId, request: &Request) {
        let asked = match request {
            Request::Write { codec, bytes, .. } => {
                let content = wire::content(call, *bytes);
                let bytes = wire::encode(*codec, &content).len() as u64;
                Asked::Write { content, bytes }
            }
            Request::Flush => Asked::Flush,
            Request::Close => Asked::Close,
            Request::Destroy => {
                self.destroys.insert(call);
                return;
            }
            Request::Server(_) => return,
        };
        // A server writes nothing.
        if node != SERVER {
            self.history.called(seen, node, call, asked);
        }
    }

    pub(in crate::systems) fn replied(
        &mut self,
        seen: Seen,
        node: NodeId,
        call: CallId,
        response: &Response,
    ) -> Result<(), Violation> {
        let history = &mut self.history;
        match response {
            Response::Acknowledged { seq_no, outcome } => history.acknowledged(call, *seq_no, *outcome),
            Response::Undelivered { sent } => history.undelivered(call, sent.is_some()),
            Response::Refused(_) => history.refused(call),
            Response::Flushed(how) => return history.flushed(seen, call, how.is_ok()),
            Response::Closed(end, undelivered) => return history.closed(seen, call, end, undelivered),
            Response::Done => {
                if self.destroys.remove(&call) {
                    history.ended(node);
                }
            }
        }
        Ok(())
    }

    pub(in crate::systems) fn refused(&mut self, call: CallId) {
        self.destroys.remove(&call);
        self.history.refused(call);
    }

    pub(in crate::systems) fn lost(&mut self, call: CallId) {
        self.destroys.remove(&call);
        self.history.lost(call);
    }

    fn stepped(
        &mut self,
        topic: &Topic,
        seen: Seen,
        node: NodeId,
        actions: &[Action],
    ) -> Result<(), Violation> {
        for action in actions {
            match action {
                Action::Write(conn, Msg::Down(FromServer::Init(_))) => self.history.greeted(conn.initiator),
                Action::Connect(..) | Action::Write(_, Msg::Up(_)) => self.history.speaks(seen, node)?,
                Action::Reply(_, Response::Acknowledged { outcome, .. })
                    if *outcome != Outcome::Duplicate =>
                {
                    self.history.progressed(node);
                }
                Action::Arm(Timer::Retry, window) => {
                    self.history.waits(seen, node, *window, &topic.config)?
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Protocol for Topic {
    type Node = TopicNode;
    type Ghost = Ghost;

    fn nodes(&self) -> u16 {
        self.writers + 1
    }

    fn boot(&self, node: NodeId, _config: u8) -> TopicNode {
        if node == SERVER {
            return TopicNode::Server(Server::new(self));
        }
        let mut config = self.config.clone();
        if !self.shared {
            config.producer_id = format!("producer-{}", node.0).into();
        }
        TopicNode::Client(Box::new(Client::new(node, config)))
    }

    fn ghost(&self) -> Ghost {
        Ghost::default()
    }

    fn observe(&self, ghost: &mut Ghost, seen: Seen, event: Event<'_, TopicNode>) -> Result<(), Violation> {
        match event {
            Event::Called(node, call, request) => ghost.called(seen, node, call, request),
            Event::Refused(_, call) => ghost.refused(call),
            Event::Lost(_, call) => ghost.lost(call),
            Event::Booted(node) if node != SERVER => ghost.history.booted(node),
            Event::Replied(node, call, response) => return ghost.replied(seen, node, call, response),
            Event::Stepped(node, _, actions) => return ghost.stepped(self, seen, node, actions),
            Event::Booted(_) | Event::Crashed { .. } | Event::Damaged(_) => {}
        }
        Ok(())
    }

    fn check(&self, ghost: &Ghost, world: &World<Topic>) -> Result<(), Violation> {
        for (node, host) in world.hosts() {
            match &host.node {
                Some(TopicNode::Server(server)) if server.has_recovered() => {
                    ghost.history.judge(server.stored())?
                }
                None | Some(TopicNode::Server(_)) => {}
                Some(TopicNode::Client(_)) => ghost.history.within(node, self.config.buffer_bytes)?,
            }
        }
        if is_still(world) { ghost.history.unanswered() } else { Ok(()) }
    }

    fn settled(&self, ghost: &Ghost, world: &World<Topic>) -> bool {
        let serves = |node: &TopicNode| !matches!(node, TopicNode::Server(server) if !server.serves());
        let up = |host: &Host<TopicNode>| host.runs() && host.node.as_ref().is_some_and(serves);
        ghost.history.is_settled() && world.hosts().all(|(_, host)| up(host))
    }

    fn healed(&self, ghost: &Ghost) -> Result<(), Violation> {
        ghost.history.unanswered()
    }

    fn keeps_only_deadlines(&self) -> bool {
        true
    }

    fn is_client(&self, node: NodeId) -> bool {
        node != SERVER
    }

    fn node_name(&self, node: NodeId) -> String {
        if node == SERVER { "server".into() } else { format!("writer-{}", node.0) }
    }

    fn message_label(&self, message: &Msg) -> String {
        verbs::message(message)
    }

    fn call_label(&self, node: NodeId, call: CallId, request: &Request) -> String {
        verbs::label(&self.node_name(node), call, request)
    }
}
