//! A stubborn writer: one that does not look at what the broker knows of it and sends everything that was not acknowledged
//! again, under its old numbers, whenever it is connected. Simple clients do; a broker must know each number again.
//!
//! Its numbers live as long as its process: each process is a producer of its own.

use super::{Action, BROKER, Input, TOPIC, Timer as Timers};
use crate::systems::writer::wire::{Request, Response, content, encode};
use onceward_core::{
    CallId, ConnId, Dur, Input as In, NodeId, Wall, Window,
    broker::api::Message,
    writer::{
        api::{Outcome, Refusal},
        wire::{Ack, AckStatus, Codec, FromClient, FromServer, Init, Numbered, Payload},
    },
};
use std::{collections::VecDeque, sync::Arc};

/// Names of timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// Time to connect.
    Connect,
    /// Nothing was acknowledged for too long.
    Watch,
}

/// A stubborn writer's process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Stubborn {
    me: NodeId,
    producer: Arc<str>,
    stream: u32,
    open: bool,
    next: u64,
    /// What is not acknowledged, in order.
    waiting: VecDeque<(CallId, Numbered)>,
}

const AGAIN: Window = Window { from: Dur::millis(5), to: Dur::millis(20) };
const WATCH: Window = Window::exactly(Dur::millis(100));

impl Stubborn {
    pub(super) fn new(me: NodeId) -> Stubborn {
        let producer = Arc::from("");
        Stubborn { me, producer, stream: 0, open: false, next: 1, waiting: VecDeque::new() }
    }

    fn conn(&self) -> ConnId {
        ConnId { initiator: self.me, number: self.stream }
    }

    fn say(&self, said: FromClient, out: &mut Vec<Action>) {
        out.push(Action::Write(self.conn(), Message::Write(said)));
    }

    fn connect(&mut self, out: &mut Vec<Action>) {
        self.stream += 1;
        self.open = false;
        out.push(Action::Connect(BROKER, self.stream));
        out.push(Action::Arm(Timers::Stubborn(Timer::Watch), WATCH));
    }

    fn again(&mut self, out: &mut Vec<Action>) {
        self.open = false;
        out.push(Action::Disarm(Timers::Stubborn(Timer::Watch)));
        out.push(Action::Arm(Timers::Stubborn(Timer::Connect), AGAIN));
    }

    fn call(&mut self, call: CallId, request: Request, out: &mut Vec<Action>) {
        let Request::Write { bytes, .. } = request else {
            return out.push(Action::Reply(call, Response::Refused(Refusal::Closed)));
        };
        let data = encode(Codec::RAW, &content(call, bytes));
        let uncompressed_size = data.len() as u64;
        let payload =
            Payload { data, codec: Codec::RAW, uncompressed_size, created_at: Wall(0), metadata: vec![] };
        let message = Numbered { seq_no: self.next, payload };
        self.next += 1;
        self.waiting.push_back((call, message.clone()));
        if self.open {
            self.say(FromClient::Write { codec: Codec::RAW, messages: vec![message] }, out);
        }
    }

    fn heard(&mut self, said: FromServer, out: &mut Vec<Action>) {
        match said {
            FromServer::Init(_) => {
                self.open = true;
                let messages: Vec<Numbered> =
                    self.waiting.iter().map(|(_, message)| message.clone()).collect();
                if !messages.is_empty() {
                    self.say(FromClient::Write { codec: Codec::RAW, messages }, out);
                }
                out.push(Action::Arm(Timers::Stubborn(Timer::Watch), WATCH));
            }
            FromServer::Acks(acks) => {
                for Ack { seq_no, status } in acks {
                    let outcome = match status {
                        AckStatus::Written { offset } => Outcome::Written { offset },
                        AckStatus::Skipped | AckStatus::WrittenInTx => Outcome::Confirmed,
                    };
                    let Some(at) = self.waiting.iter().position(|(_, message)| message.seq_no == seq_no)
                    else {
                        continue;
                    };
                    if let Some((call, _)) = self.waiting.remove(at) {
                        out.push(Action::Reply(call, Response::Acknowledged { seq_no, outcome }));
                    }
                }
                out.push(Action::Arm(Timers::Stubborn(Timer::Watch), WATCH));
            }
            FromServer::Failed(_) => {
                out.push(Action::Close(self.conn()));
                self.again(out);
            }
            FromServer::TokenUpdated => {}
        }
    }

    pub(super) fn step(&mut self, clock: onceward_core::Clock, input: Input, out: &mut Vec<Action>) {
        match input {
            In::Boot => {
                self.producer = format!("stubborn-{}-{}", self.me.0, clock.wall.0).into();
                self.connect(out);
            }
            In::Timer(Timers::Stubborn(Timer::Connect)) => self.connect(out),
            In::Opened(conn) if conn == self.conn() => {
                let init = Init {
                    path: TOPIC.into(),
                    producer_id: self.producer.clone(),
                    partition: None,
                    group: self.producer.clone(),
                    session_meta: Arc::new([]),
                };
                self.say(FromClient::Init(init), out);
            }
            In::Received(conn, Message::WriteReply(said)) if conn == self.conn() => self.heard(said, out),
            In::Closed(conn, _) if conn == self.conn() => self.again(out),
            In::Timer(Timers::Stubborn(Timer::Watch)) if !self.open || !self.waiting.is_empty() => {
                out.push(Action::Close(self.conn()));
                self.again(out);
            }
            In::Call(call, request) => self.call(call, request, out),
            _ => {}
        }
    }
}
