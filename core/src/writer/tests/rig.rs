//! A writer with its surroundings played by hand: tests say what happens to it and look at what it does.

use super::super::{
    Action, Config, Event, Input, Message, StreamId, Ticket, Timer, Writer,
    api::{Acknowledged, Outcome, Refusal},
    wire::{Ack, AckStatus, Codec, FromClient, FromServer, Session, Status},
};
use crate::{Clock, Machine, Window};
use alloc::{collections::BTreeMap, vec, vec::Vec};

pub(super) struct Rig {
    pub(super) writer: Writer,
    pub(super) armed: BTreeMap<Timer, Window>,
    /// What happened since the last look.
    pub(super) sent: Vec<FromClient>,
    pub(super) told: Vec<Event>,
    pub(super) stream: Option<StreamId>,
    pub(super) fetches: u32,
    pub(super) marks: Vec<&'static str>,
    tickets: u64,
}

/// Small bounds, so that tests reach them: batches of two, a window of four.
pub(super) fn config() -> Config {
    Config { batch_messages: 2, in_flight: 4, message_bytes: 100, ..Config::new("topic", "producer") }
}

impl Rig {
    pub(super) fn new(config: Config) -> Rig {
        Rig {
            writer: Writer::new(config).unwrap(),
            armed: BTreeMap::new(),
            sent: vec![],
            told: vec![],
            stream: None,
            fetches: 0,
            marks: vec![],
            tickets: 0,
        }
    }

    /// A writer whose session is open.
    pub(super) fn ready(config: Config) -> Rig {
        let mut rig = Rig::new(config);
        rig.give(Input::Start);
        rig.greet(0);
        rig.look();
        rig
    }

    pub(super) fn give(&mut self, input: Input) {
        let mut actions = Vec::new();
        self.writer.step(Clock::default(), input, &mut actions);
        for action in actions {
            match action {
                Action::Open(stream) => assert_eq!(self.stream.replace(stream), None, "one stream at a time"),
                Action::Send(stream, said) => {
                    assert_eq!(self.stream, Some(stream), "said on a stream that is not open");
                    self.sent.push(said);
                }
                Action::Drop(stream) => assert_eq!(self.stream.take(), Some(stream)),
                Action::FetchToken => self.fetches += 1,
                Action::Arm(timer, window) => {
                    self.armed.insert(timer, window);
                }
                Action::Disarm(timer) => {
                    self.armed.remove(&timer);
                }
                Action::Tell(event) => self.told.push(event),
                Action::Mark(mark) => {
                    assert!(super::super::MARKS.contains(&mark.0), "{mark:?}");
                    self.marks.push(mark.0);
                }
            }
        }
    }

    /// Writes a message with this one byte.
    pub(super) fn write(&mut self, byte: u8) -> Ticket {
        self.write_as(Message::raw(vec![byte]))
    }

    /// Writes a message under a number of the caller's, which is its byte too.
    pub(super) fn write_numbered(&mut self, number: u8) -> Ticket {
        self.write_as(Message { seq_no: Some(number.into()), ..Message::raw(vec![number]) })
    }

    pub(super) fn write_as(&mut self, message: Message) -> Ticket {
        let ticket = self.ticket();
        self.give(Input::Write(ticket, message));
        ticket
    }

    pub(super) fn flush(&mut self) -> Ticket {
        let ticket = self.ticket();
        self.give(Input::Flush(ticket));
        ticket
    }

    pub(super) fn close(&mut self) -> Ticket {
        let ticket = self.ticket();
        self.give(Input::Close(ticket));
        ticket
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    pub(super) fn now(&self) -> StreamId {
        self.stream.expect("a stream")
    }

    /// The stream opens, and the server opens a session.
    pub(super) fn greet(&mut self, last_seq_no: u64) {
        self.greet_with(last_seq_no, &[]);
    }

    pub(super) fn greet_with(&mut self, last_seq_no: u64, codecs: &[Codec]) {
        self.greet_as("s", last_seq_no, codecs);
    }

    pub(super) fn greet_as(&mut self, session_id: &str, last_seq_no: u64, codecs: &[Codec]) {
        let stream = self.now();
        self.give(Input::Opened(stream));
        let codecs = codecs.to_vec();
        self.say(FromServer::Init(Session {
            session_id: session_id.into(),
            partition: 0,
            last_seq_no,
            codecs,
        }));
    }

    pub(super) fn say(&mut self, said: FromServer) {
        let stream = self.now();
        self.give(Input::Received(stream, said));
    }

    /// The server acknowledges these numbers as written, at the offsets of the same numbers.
    pub(super) fn ack(&mut self, numbers: &[u64]) {
        let written = |seq_no: &u64| Ack { seq_no: *seq_no, status: AckStatus::Written { offset: *seq_no } };
        self.say(FromServer::Acks(numbers.iter().map(written).collect()));
    }

    pub(super) fn skip(&mut self, number: u64) {
        self.say(FromServer::Acks(vec![Ack { seq_no: number, status: AckStatus::Skipped }]));
    }

    /// The stream breaks, in a way that is worth another try.
    pub(super) fn overload(&mut self) {
        self.say(FromServer::Failed(Status { code: 400_060, issues: vec![] }));
    }

    /// A timer fires, which must be armed.
    pub(super) fn fire(&mut self, timer: Timer) {
        assert!(self.armed.remove(&timer).is_some(), "{timer:?} is not armed");
        self.give(Input::Timer(timer));
    }

    /// Forgets what happened so far.
    pub(super) fn look(&mut self) {
        self.sent.clear();
        self.told.clear();
    }

    /// The messages sent since the last look: number and byte, by request.
    pub(super) fn requests(&mut self) -> Vec<Vec<(u64, u8)>> {
        let sent = core::mem::take(&mut self.sent);
        let batch = |said| match said {
            FromClient::Write { messages, .. } => {
                let one = |m: &super::super::wire::Numbered| (m.seq_no, m.payload.data[0]);
                Some(messages.iter().map(one).collect())
            }
            _ => None,
        };
        sent.into_iter().filter_map(batch).collect()
    }

    /// The events since the last look.
    pub(super) fn events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.told)
    }

    /// The messages answered since the last look, in order.
    pub(super) fn answered(&mut self) -> Vec<(Ticket, u64, Outcome)> {
        let one = |ack: &Acknowledged| (ack.ticket, ack.seq_no, ack.outcome);
        let events = self.events();
        let acks = events.iter().filter_map(|event| match event {
            Event::Acknowledged(acks) => Some(acks.iter().map(one)),
            _ => None,
        });
        acks.flatten().collect()
    }

    /// Why the last write was refused, if it was.
    pub(super) fn refusal(&mut self) -> Option<Refusal> {
        self.events().into_iter().find_map(|event| match event {
            Event::Refused(_, refusal) => Some(refusal),
            _ => None,
        })
    }
}
