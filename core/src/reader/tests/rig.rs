//! A reader with its surroundings played by hand: tests say what happens to it and look at what it does.

use super::super::{
    Action, Config, Event, Input, MARKS, Part, Reader, StreamId, Ticket, Timer,
    wire::{Batch, Commit, FromClient, FromServer, PartitionData, PartitionSessionId, Range},
};
use crate::writer::wire::{Codec, Numbered, Payload, Status};
use crate::{Clock, Machine, Wall, Window};
use alloc::{collections::BTreeMap, sync::Arc, vec, vec::Vec};

pub(super) struct Rig {
    pub(super) reader: Reader,
    pub(super) armed: BTreeMap<Timer, Window>,
    /// What happened since the last look.
    pub(super) sent: Vec<FromClient>,
    pub(super) told: Vec<Event>,
    pub(super) stream: Option<StreamId>,
    pub(super) fetches: u32,
    pub(super) marks: Vec<&'static str>,
    tickets: u64,
}

pub(super) fn config() -> Config {
    Config { buffer_bytes: 1000, commits: 4, ..Config::new("topic", "consumer") }
}

pub(super) fn session(number: u64) -> PartitionSessionId {
    PartitionSessionId(number)
}

/// Messages of one byte at these offsets, which follow each other.
pub(super) fn data(number: u64, offset: u64, count: u64, bytes: u64) -> FromServer {
    let message = |offset| Numbered {
        seq_no: offset + 1,
        payload: Payload {
            data: vec![offset as u8].into(),
            codec: Codec::RAW,
            uncompressed_size: 1,
            created_at: Wall(0),
            metadata: vec![],
        },
    };
    let batch = Batch {
        offset,
        producer_id: "p".into(),
        session_meta: Arc::new([]),
        codec: Codec::RAW,
        written_at: Wall(0),
        messages: (offset..offset + count).map(message).collect(),
    };
    FromServer::Data {
        partitions: vec![PartitionData { session: session(number), batches: vec![batch] }],
        bytes,
    }
}

pub(super) fn start(number: u64, committed: u64) -> FromServer {
    let available = Range { start: 0, end: 100 };
    FromServer::Start { session: session(number), path: "topic".into(), partition: 7, committed, available }
}

pub(super) fn stop(number: u64, graceful: bool, committed: u64) -> FromServer {
    FromServer::Stop { session: session(number), graceful, committed }
}

pub(super) fn commit(number: u64, start: u64, end: u64) -> FromClient {
    FromClient::Commit(vec![Commit { session: session(number), ranges: vec![Range { start, end }] }])
}

impl Rig {
    pub(super) fn new(config: Config) -> Rig {
        Rig {
            reader: Reader::new(config).unwrap(),
            armed: BTreeMap::new(),
            sent: vec![],
            told: vec![],
            stream: None,
            fetches: 0,
            marks: vec![],
            tickets: 0,
        }
    }

    /// A reader whose session is open.
    pub(super) fn ready(config: Config) -> Rig {
        let mut rig = Rig::new(config);
        rig.give(Input::Start);
        rig.greet();
        rig.look();
        rig
    }

    /// A reader that has partition session 1, committed up to 10.
    pub(super) fn reading() -> (Rig, Part) {
        let mut rig = Rig::ready(config());
        let part = rig.assign(1, 10);
        rig.look();
        (rig, part)
    }

    pub(super) fn assign(&mut self, number: u64, committed: u64) -> Part {
        self.say(start(number, committed));
        let part = self.told.iter().rev().find_map(|event| match event {
            Event::Assigned { part, .. } => Some(*part),
            _ => None,
        });
        part.unwrap()
    }

    pub(super) fn give(&mut self, input: Input) {
        let mut actions = Vec::new();
        self.reader.step(Clock::default(), input, &mut actions);
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
                    assert!(MARKS.contains(&mark.0), "{mark:?}");
                    self.marks.push(mark.0);
                }
            }
        }
    }

    pub(super) fn fire(&mut self, timer: Timer) {
        self.armed.remove(&timer).expect("a timer that is armed");
        self.give(Input::Timer(timer));
    }

    pub(super) fn now(&self) -> StreamId {
        self.stream.expect("a stream")
    }

    /// The stream opens, and the server opens a session.
    pub(super) fn greet(&mut self) {
        let stream = self.now();
        self.give(Input::Opened(stream));
        self.say(FromServer::Init { session_id: "s".into() });
    }

    pub(super) fn say(&mut self, said: FromServer) {
        let stream = self.now();
        self.give(Input::Received(stream, said));
    }

    pub(super) fn fail(&mut self, code: u32) {
        self.say(FromServer::Failed(Status { code, issues: vec![] }));
    }

    /// The stream ends and a new session is opened.
    pub(super) fn reopen(&mut self) {
        let stream = self.stream.take().expect("a stream");
        self.stream = Some(stream);
        self.give(Input::Ended(stream, None));
        self.fire(Timer::Retry);
        self.greet();
    }

    pub(super) fn commit(&mut self, part: Part, start: u64, end: u64) -> Ticket {
        let ticket = self.ticket();
        self.give(Input::Commit(ticket, part, Range { start, end }));
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

    /// What was sent and told since the last look.
    pub(super) fn look(&mut self) -> (Vec<FromClient>, Vec<Event>) {
        (core::mem::take(&mut self.sent), core::mem::take(&mut self.told))
    }

    pub(super) fn told(&mut self) -> Vec<Event> {
        self.look().1
    }

    pub(super) fn sent(&mut self) -> Vec<FromClient> {
        self.look().0
    }
}
