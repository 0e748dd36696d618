//! Topic readers as a protocol: one server, readers, and callers of each. It judges nothing itself but who waits for ever:
//! the promises are in [`crate::spec::read`].

use super::{
    Feed, FeedNode, SERVER,
    consumer::Consumer,
    server::Server,
    verbs,
    wire::{Mood, Msg, Request, Timer},
};
use crate::{
    spec::{
        publish::FLUSH_AND_CLOSE_SETTLE,
        read::{ALL_READ, COMMITS_SETTLE, ENDS},
    },
    systems::is_still,
    world::{Event, Protocol, Seen, Violation, World},
};
use onceward_core::{
    CallId, NodeId,
    reader::{Failure, api::End},
};
use std::collections::BTreeSet;

/// What is known from the outside.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Ghost {
    /// Whether the server was ever told to break the protocol.
    lies: bool,
    /// Closes of readers without an answer.
    closes: BTreeSet<CallId>,
}

impl Ghost {
    fn unanswered(&self) -> Result<(), Violation> {
        match self.closes.first() {
            None => Ok(()),
            Some(_) => Err(Violation::new(FLUSH_AND_CLOSE_SETTLE, "a close is never answered")),
        }
    }
}

impl Feed {
    /// Whether everything is read and committed, or nobody is left who could.
    fn is_read(&self, world: &World<Feed>) -> bool {
        let done = world
            .hosts()
            .any(|(_, host)| matches!(&host.node, Some(FeedNode::Server(server)) if server.all_committed()));
        let reads =
            |node: &FeedNode| matches!(node, FeedNode::Reader(reader) if reader.history().end().is_none());
        done || !world.hosts().any(|(_, host)| host.node.as_ref().is_some_and(reads))
    }
}

impl Protocol for Feed {
    type Node = FeedNode;
    type Ghost = Ghost;

    fn nodes(&self) -> u16 {
        self.readers + 1
    }

    fn boot(&self, node: NodeId, _config: u8) -> FeedNode {
        if node == SERVER {
            return FeedNode::Server(Server::new(self));
        }
        FeedNode::Reader(Box::new(Consumer::new(node, self.config.clone(), self.habits)))
    }

    fn ghost(&self) -> Ghost {
        Ghost::default()
    }

    fn observe(&self, ghost: &mut Ghost, _seen: Seen, event: Event<'_, FeedNode>) -> Result<(), Violation> {
        match event {
            Event::Called(SERVER, _, Request::Server(Mood::Lie(_))) => ghost.lies = true,
            // A server has nothing to close.
            Event::Called(node, call, Request::Close) if node != SERVER => {
                ghost.closes.insert(call);
            }
            Event::Refused(_, call) | Event::Lost(_, call) | Event::Replied(_, call, _) => {
                ghost.closes.remove(&call);
            }
            Event::Called(..)
            | Event::Booted(_)
            | Event::Crashed { .. }
            | Event::Damaged(_)
            | Event::Stepped(..) => {}
        }
        Ok(())
    }

    fn check(&self, ghost: &Ghost, world: &World<Feed>) -> Result<(), Violation> {
        for (_, host) in world.hosts() {
            let Some(FeedNode::Reader(reader)) = &host.node else { continue };
            reader.history().judge()?;
            if let Some(End::Failed(Failure::Protocol(breach))) = reader.history().end()
                && !ghost.lies
            {
                let what = format!("a reader blames a server that keeps to the protocol: {breach}");
                return Err(Violation::new(ENDS, what));
            }
        }
        if !is_still(world) {
            return Ok(());
        }
        ghost.unanswered()?;
        let waits = |node: &FeedNode| matches!(node, FeedNode::Reader(reader) if !reader.is_at_rest());
        if world.hosts().any(|(_, host)| host.node.as_ref().is_some_and(waits)) {
            return Err(Violation::new(COMMITS_SETTLE, "a commit is never answered"));
        }
        if self.is_read(world) {
            return Ok(());
        }
        Err(Violation::new(ALL_READ, "nothing can happen any more, and not everything is read and committed"))
    }

    fn settled(&self, ghost: &Ghost, world: &World<Feed>) -> bool {
        let at_rest = |node: &FeedNode| match node {
            FeedNode::Server(_) => true,
            FeedNode::Reader(reader) => reader.is_at_rest(),
        };
        ghost.closes.is_empty()
            && world.hosts().all(|(_, host)| host.runs() && host.node.as_ref().is_some_and(at_rest))
            && self.is_read(world)
    }

    fn healed(&self, ghost: &Ghost) -> Result<(), Violation> {
        ghost.unanswered()
    }

    fn keeps_only_deadlines(&self) -> bool {
        true
    }

    fn is_client(&self, node: NodeId) -> bool {
        node != SERVER
    }

    fn node_name(&self, node: NodeId) -> String {
        if node == SERVER { "server".into() } else { format!("reader-{}", node.0) }
    }

    fn message_label(&self, message: &Msg) -> String {
        verbs::message(message)
    }

    fn timer_label(&self, timer: &Timer) -> String {
        verbs::timer(timer)
    }

    fn call_label(&self, node: NodeId, call: CallId, request: &Request) -> String {
        verbs::label(&self.node_name(node), call, request)
    }
}
