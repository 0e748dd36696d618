//! The pipeline as a protocol: what is noticed of it, and when it is at rest. It judges nothing itself: the promises are in
//! [`crate::spec::publish`] and [`crate::spec::topic`].

use super::{
    Action, BROKER, CONSUMER, Pipeline, PipelineNode, Request, TOPIC, Timer, config,
    host::Host,
    stubborn::{self, Stubborn},
};
use crate::{
    spec::{
        publish::Record,
        read::ENDS,
        topic::{Book, OPENS_AGAIN},
    },
    systems::{
        reader::{consumer::Consumer, verbs as reading},
        writer::{self, client::Client, verbs, wire},
    },
    world::{Event, Protocol, Seen, Violation, World, disk::Geometry},
};
use onceward_core::{
    CallId, NodeId,
    broker::api::Message,
    log::api::Phase,
    writer::{Timer as WriterTimer, api::Outcome, wire::FromServer},
};
use std::collections::BTreeMap;

/// What is known from the outside.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Ghost {
    writers: writer::Ghost,
    /// How often stubborn writers have started.
    starts: BTreeMap<NodeId, u16>,
    /// Whether the broker's disk was damaged beyond what crashes and failing operations do.
    damaged: bool,
    /// What was said on the streams.
    pub book: Book,
}

impl Ghost {
    fn stepped(
        &mut self,
        pipeline: &Pipeline,
        seen: Seen,
        node: NodeId,
        actions: &[Action],
    ) -> Result<(), Violation> {
        let history = &mut self.writers.history;
        for action in actions {
            match action {
                Action::Write(conn, Message::WriteReply(said)) => {
                    if matches!(said, FromServer::Init(_)) {
                        history.greeted(conn.initiator);
                    }
                    self.book.writer_told(seen, *conn, said)?;
                }
                Action::Write(conn, Message::ReadReply(said)) => self.book.reader_told(seen, *conn, said)?,
                Action::Write(conn, Message::Write(said)) => {
                    history.speaks(seen, node)?;
                    self.book.writer_said(*conn, said);
                }
                Action::Write(conn, Message::Read(said)) => self.book.reader_said(*conn, said),
                Action::Reply(_, wire::Response::Acknowledged { outcome, .. })
                    if *outcome != Outcome::Duplicate =>
                {
                    history.progressed(node);
                }
                Action::Connect(..) if pipeline.is_writer(node) => history.speaks(seen, node)?,
                Action::Arm(Timer::Writer(WriterTimer::Retry), window) => {
                    history.waits(seen, node, *window, &pipeline.writer)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Who writes, as far as promises about writers go: each process of a stubborn writer is another one.
    fn writer(&self, node: NodeId) -> NodeId {
        NodeId(node.0 + 1000 * self.starts.get(&node).copied().unwrap_or(0))
    }

    /// Judges what is there in the end: everything was read since faults stopped.
    fn judge(&self) -> Result<(), Violation> {
        self.book.judge()?;
        let stored: Vec<Record> = self
            .book
            .audited()
            .map(|stored| Record { seq_no: stored.seq_no, content: wire::decode(stored.codec, &stored.data) })
            .collect();
        self.writers.history.judge(&stored)
    }
}

impl Pipeline {
    fn is_writer(&self, node: NodeId) -> bool {
        (1..=self.writers).contains(&node.0)
    }

    fn is_stubborn(&self, node: NodeId) -> bool {
        self.is_writer(node) && node.0 > self.writers - self.stubborn
    }

    /// Whether everything that was read is committed, where somebody commits.
    fn is_committed(&self, ghost: &Ghost) -> bool {
        self.readers == 0
            || (0..self.partitions).all(|partition| ghost.book.is_committed(TOPIC, CONSUMER, partition))
    }
}

impl Protocol for Pipeline {
    type Node = PipelineNode;
    type Ghost = Ghost;

    fn nodes(&self) -> u16 {
        self.writers + self.readers + 2
    }

    fn boot(&self, node: NodeId, _config: u8) -> PipelineNode {
        if node == BROKER {
            return PipelineNode::Broker(Box::new(Host::new(
                self.broker.clone(),
                self.partitions,
                self.split,
            )));
        }
        if self.is_stubborn(node) {
            return PipelineNode::Stubborn(Stubborn::new(node));
        }
        if self.is_writer(node) {
            let mut config = self.writer.clone();
            config.producer_id = format!("producer-{}", node.0).into();
            return PipelineNode::Writer(Box::new(Client::new(node, config)));
        }
        let auditor = node.0 > self.writers + self.readers;
        let mut config = self.reader.clone();
        if auditor {
            (config.consumer, config.caller_begins) = ("".into(), true);
        }
        PipelineNode::Reader(Box::new(Consumer::new(node, config, self.habits)))
    }

    fn ghost(&self) -> Ghost {
        Ghost::default()
    }

    fn geometry(&self, node: NodeId) -> Geometry {
        if node == BROKER { self.geometry } else { Geometry::default() }
    }

    fn observe(
        &self,
        ghost: &mut Ghost,
        seen: Seen,
        event: Event<'_, PipelineNode>,
    ) -> Result<(), Violation> {
        match event {
            Event::Called(node, call, request) => {
                ghost.writers.called(seen, ghost.writer(node), call, request)
            }
            Event::Refused(_, call) => ghost.writers.refused(call),
            Event::Lost(_, call) => ghost.writers.lost(call),
            Event::Booted(node) if self.is_stubborn(node) => *ghost.starts.entry(node).or_default() += 1,
            Event::Booted(node) if self.is_writer(node) => ghost.writers.history.booted(node),
            Event::Replied(node, call, response) => return ghost.writers.replied(seen, node, call, response),
            Event::Stepped(node, _, actions) => return ghost.stepped(self, seen, node, actions),
            Event::Damaged(_) => ghost.damaged = true,
            Event::Booted(_) | Event::Crashed { .. } => {}
        }
        Ok(())
    }

    fn check(&self, ghost: &Ghost, world: &World<Pipeline>) -> Result<(), Violation> {
        for (node, host) in world.hosts() {
            match &host.node {
                Some(PipelineNode::Writer(_)) => {
                    ghost.writers.history.within(node, self.writer.buffer_bytes)?;
                }
                Some(PipelineNode::Reader(consumer)) => {
                    consumer.history().judge()?;
                    if let Some(end) = consumer.history().end() {
                        return Err(Violation::new(ENDS, format!("a reader has ended: {end}")));
                    }
                }
                Some(PipelineNode::Broker(host)) => {
                    if let Phase::Damaged(damage) = host.phase()
                        && !ghost.damaged
                    {
                        return Err(Violation::new(
                            OPENS_AGAIN,
                            format!("the broker refuses its files: {damage}"),
                        ));
                    }
                }
                Some(PipelineNode::Stubborn(_)) | None => {}
            }
        }
        if self.settled(ghost, world) { ghost.judge() } else { Ok(()) }
    }

    fn settled(&self, ghost: &Ghost, world: &World<Pipeline>) -> bool {
        let at_rest = world.hosts().all(|(_, host)| {
            host.runs()
                && match &host.node {
                    Some(PipelineNode::Broker(host)) => {
                        let audited = ghost.book.audited().count() as u64;
                        host.is_open() && host.is_at_rest() && audited == host.shown()
                    }
                    Some(PipelineNode::Reader(consumer)) => consumer.is_at_rest(),
                    Some(PipelineNode::Writer(_) | PipelineNode::Stubborn(_)) => true,
                    None => false,
                }
        });
        at_rest && ghost.writers.history.is_settled() && self.is_committed(ghost)
    }

    fn healed(&self, ghost: &Ghost) -> Result<(), Violation> {
        ghost.writers.history.unanswered()?;
        ghost.judge()
    }

    fn over(&self, node: &PipelineNode) -> bool {
        matches!(node, PipelineNode::Broker(host) if host.phase() == Phase::Closed)
    }

    fn is_client(&self, node: NodeId) -> bool {
        node != BROKER && !self.is_stubborn(node)
    }

    fn node_name(&self, node: NodeId) -> String {
        match node.0.checked_sub(self.writers + 1) {
            _ if node == BROKER => "broker".into(),
            None => format!("writer-{}", node.0),
            Some(place) => config::reader_name(place, self.readers),
        }
    }

    fn message_label(&self, message: &Message) -> String {
        message_label(message)
    }

    fn timer_label(&self, timer: &Timer) -> String {
        match timer {
            Timer::Broker(timer) => config::timer_name(timer),
            Timer::Writer(timer) => format!("{timer:?}").to_lowercase(),
            Timer::Reader(timer) => reading::timer(timer),
            Timer::Stubborn(stubborn::Timer::Connect) => "connect".into(),
            Timer::Stubborn(stubborn::Timer::Watch) => "watch".into(),
        }
    }

    fn call_label(&self, node: NodeId, call: CallId, request: &Request) -> String {
        verbs::label(&self.node_name(node), call, request)
    }
}

/// What is said on a stream, in scenarios and reports.
pub(super) fn message_label(message: &Message) -> String {
    match message {
        Message::Write(said) => verbs::message(&wire::Msg::Up(said.clone())),
        Message::WriteReply(said) => verbs::message(&wire::Msg::Down(said.clone())),
        Message::Read(said) => reading::reader_says(said),
        Message::ReadReply(said) => reading::reader_hears(said),
    }
}
