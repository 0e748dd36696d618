//! A server for writers to be tried against: it stores each number of a producer once, in order, and acknowledges what it
//! has stored. Its callers may put it into a [`Mood`]: some are within the protocol, some are lies. What it stores, it
//! stores truthfully in every mood.

use super::{
    Action, Input,
    wire::{self, Mood, Msg, Request, Response},
};
use crate::spec::publish::Record;
use onceward_core::{
    Clock, ConnId, Machine,
    writer::wire::{Ack, AckStatus, Codec, FromClient, FromServer, Init, Issue, Numbered, Session, Status},
};
use std::{collections::BTreeMap, sync::Arc};

const OVERLOADED: u32 = 400_060;
const BAD_REQUEST: u32 = 400_010;

/// A server's process.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Server {
    /// Whether a new session of a producer ends the older one.
    fencing: bool,
    /// The last number that each producer had used before.
    before: u64,
    stored: Vec<(Arc<str>, Record)>,
    /// Open streams; with their producer once the session is open.
    streams: BTreeMap<ConnId, Option<Arc<str>>>,
    split: bool,
    refuse: u8,
    swallow: u8,
    lose_first: bool,
    ack_twice: bool,
    claim: u8,
}

impl Server {
    pub(super) fn new(fencing: bool, before: u64) -> Server {
        Server { fencing, before, ..Server::default() }
    }

    /// What is stored, in order.
    pub fn stored(&self) -> impl Iterator<Item = &Record> {
        self.stored.iter().map(|(_, record)| record)
    }

    fn last(&self, producer: &str) -> u64 {
        let numbers = self.stored.iter().filter(|(of, _)| &**of == producer).map(|(_, record)| record.seq_no);
        numbers.max().unwrap_or(self.before)
    }

    /// Ends a stream, with a status or without.
    fn end(&mut self, conn: ConnId, status: Option<Status>, out: &mut Vec<Action>) {
        self.streams.remove(&conn);
        if let Some(status) = status {
            out.push(Action::Write(conn, Msg::Down(FromServer::Failed(status))));
        }
        out.push(Action::Close(conn));
    }

    fn init(&mut self, conn: ConnId, init: Init, out: &mut Vec<Action>) {
        if self.refuse > 0 {
            self.refuse -= 1;
            return self.end(conn, Some(Status { code: OVERLOADED, issues: vec![] }), out);
        }
        let producer = init.producer_id;
        if self.fencing {
            let older = self.streams.iter().filter(|(_, of)| of.as_ref() == Some(&producer));
            for older in older.map(|(conn, _)| *conn).collect::<Vec<_>>() {
                let message = "ownership session is killed by another session".into();
                let issues = vec![Issue { code: 500_003, message }];
                self.end(older, Some(Status { code: BAD_REQUEST, issues }), out);
            }
        }
        let last_seq_no = self.last(&producer) + u64::from(std::mem::take(&mut self.claim));
        self.streams.insert(conn, Some(producer));
        let session = Session { session_id: "session".into(), partition: 0, last_seq_no, codecs: vec![] };
        out.push(Action::Write(conn, Msg::Down(FromServer::Init(session))));
    }

    fn write(&mut self, conn: ConnId, codec: Codec, messages: Vec<Numbered>, out: &mut Vec<Action>) {
        let Some(Some(producer)) = self.streams.get(&conn).cloned() else { return };
        let lost = std::mem::take(&mut self.lose_first);
        let mut acks = Vec::new();
        for Numbered { seq_no, payload } in messages.into_iter().skip(usize::from(lost)) {
            let offset = self.stored.len() as u64;
            let status = if seq_no > self.last(&producer) {
                let content = wire::decode(codec, &payload.data);
                self.stored.push((producer.clone(), Record { seq_no, content }));
                AckStatus::Written { offset }
            } else {
                AckStatus::Skipped
            };
            acks.push(Ack { seq_no, status });
            if std::mem::take(&mut self.ack_twice) {
                acks.push(Ack { seq_no, status });
            }
        }
        if self.swallow > 0 {
            self.swallow -= 1;
            return;
        }
        let size = if self.split { 1 } else { acks.len().max(1) };
        for acks in acks.chunks(size) {
            out.push(Action::Write(conn, Msg::Down(FromServer::Acks(acks.to_vec()))));
        }
    }

    fn mood(&mut self, mood: Mood, out: &mut Vec<Action>) {
        let all: Vec<ConnId> = self.streams.keys().copied().collect();
        match mood {
            Mood::Overload => {
                let status = Status { code: OVERLOADED, issues: vec![] };
                all.into_iter().for_each(|conn| self.end(conn, Some(status.clone()), out));
            }
            Mood::Finish => all.into_iter().for_each(|conn| self.end(conn, None, out)),
            Mood::Refuse(sessions) => self.refuse = sessions,
            Mood::Swallow(requests) => self.swallow = requests,
            Mood::Split => self.split = true,
            Mood::LoseFirst => self.lose_first = true,
            Mood::AckTwice => self.ack_twice = true,
            Mood::Claim(more) => self.claim = more,
        }
    }
}

impl Machine for Server {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, _clock: Clock, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Accepted(conn) => {
                self.streams.insert(conn, None);
            }
            Input::Received(conn, Msg::Up(said)) => match said {
                FromClient::Init(init) => self.init(conn, init, out),
                FromClient::Write { codec, messages } => self.write(conn, codec, messages, out),
                FromClient::UpdateToken(_) => {
                    out.push(Action::Write(conn, Msg::Down(FromServer::TokenUpdated)));
                }
            },
            Input::Closed(conn, _) => {
                self.streams.remove(&conn);
            }
            Input::Call(call, request) => {
                if let Request::Server(mood) = request {
                    self.mood(mood, out);
                }
                out.push(Action::Reply(call, Response::Done));
            }
            Input::Received(_, Msg::Down(_))
            | Input::Boot
            | Input::Opened(_)
            | Input::Message(..)
            | Input::Timer(_)
            | Input::Disk(..) => {}
        }
    }
}
