//! A broker's process: the broker, and somebody who makes the topic as soon as it can be made. Until it is there, nobody
//! gets in. It decides nothing else.

use super::{Action, CONSUMER, Input, TOPIC, Timer};
use onceward_core::{
    CallId, ClientId, Clock, Machine,
    broker::{
        Broker, Config,
        api::{Message, Refusal, Request, Response, Settings},
    },
    log::api::Phase,
    reader::wire::FromServer,
};
use std::collections::BTreeMap;

/// A broker's process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Host {
    broker: Broker,
    partitions: u32,
    /// Whether commits are confirmed in two steps.
    split: bool,
    /// How often the topic was asked for.
    asked: u64,
    asking: bool,
    /// Whether the topic is there.
    open: bool,
}

/// Who makes the topic: none of any scenario's clients.
const OWNER: ClientId = ClientId(u16::MAX - 1);

impl Host {
    pub(super) fn new(config: Config, partitions: u32, split: bool) -> Host {
        match Broker::new(config) {
            Ok(broker) => Host { broker, partitions, split, asked: 0, asking: false, open: false },
            // The header's settings were validated when the cluster was built.
            Err(bad) => unreachable!("an invalid configuration got past the header: {bad}"),
        }
    }

    /// Whether the topic can be used.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// What the broker is doing.
    pub fn phase(&self) -> Phase {
        self.broker.phase()
    }

    /// How many messages it has shown.
    pub fn shown(&self) -> u64 {
        self.broker.shown()
    }

    /// Whether nothing is on its way into the log.
    pub fn is_at_rest(&self) -> bool {
        let frontiers = self.broker.frontiers();
        frontiers.durable == frontiers.accepted
    }

    fn ask(&mut self, clock: Clock, out: &mut Vec<Action>) {
        let settings = Settings {
            partitions: self.partitions,
            retention: None,
            retention_bytes: None,
            codecs: Vec::new(),
            attributes: BTreeMap::new(),
            consumers: [(CONSUMER.into(), Default::default())].into(),
        };
        let call = CallId { client: OWNER, number: self.asked };
        (self.asked, self.asking) = (self.asked + 1, true);
        self.tell(
            clock,
            onceward_core::Input::Call(call, Request::Create { path: TOPIC.into(), settings }),
            out,
        );
    }

    fn tell(&mut self, clock: Clock, input: <Broker as Machine>::Input, out: &mut Vec<Action>) {
        use onceward_core::Action as Act;
        let mut said = Vec::new();
        self.broker.step(clock, input, &mut said);
        for action in said {
            let action = match action {
                Act::Reply(_, response) => {
                    self.asking = false;
                    self.open |= matches!(response, Response::Done | Response::Refused(Refusal::Exists(_)));
                    continue;
                }
                Act::Disk(id, op) => Act::Disk(id, op),
                Act::Send(to, message) => Act::Send(to, message),
                Act::Connect(to, number) => Act::Connect(to, number),
                Act::Write(conn, message) => {
                    if let Message::ReadReply(FromServer::Committed(commits)) = &message
                        && self.split
                    {
                        let part = commits.iter().map(|(session, end)| (*session, end.saturating_sub(1)));
                        let part = FromServer::Committed(part.collect());
                        out.push(Act::Write(conn, Message::ReadReply(part)));
                    }
                    Act::Write(conn, message)
                }
                Act::Close(conn) => Act::Close(conn),
                Act::Arm(timer, window) => Act::Arm(Timer::Broker(timer), window),
                Act::Disarm(timer) => Act::Disarm(Timer::Broker(timer)),
                Act::Mark(mark) => Act::Mark(mark),
            };
            out.push(action);
        }
    }
}

impl Machine for Host {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, clock: Clock, input: Input, out: &mut Vec<Action>) {
        use onceward_core::Input as In;
        let input = match input {
            In::Boot => In::Boot,
            In::Disk(id, result) => In::Disk(id, result),
            In::Timer(Timer::Broker(timer)) => In::Timer(timer),
            In::Accepted(conn) if !self.open => return out.push(onceward_core::Action::Close(conn)),
            In::Accepted(conn) => In::Accepted(conn),
            In::Received(conn, message) => In::Received(conn, message),
            In::Closed(conn, why) => In::Closed(conn, why),
            In::Message(from, message) => In::Message(from, message),
            In::Opened(_) | In::Timer(_) | In::Call(..) => return,
        };
        self.tell(clock, input, out);
        if !self.open && !self.asking {
            self.ask(clock, out);
        }
    }
}
