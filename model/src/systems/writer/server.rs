//! A server for writers to be tried against: it stores each number of a producer once, in order, and acknowledges what it
//! has stored, durably if it has a disk. Its callers may put it into a [`Mood`]: some are within the protocol, some are
//! lies. What it stores, it stores truthfully in every mood.
//!
//! It does one thing after the other: what arrives while something is being stored, or while it recovers, waits.

use super::{
    Action, Input, Topic,
    store::{self, Stored},
    wire::{self, Mood, Msg, Request, Response},
};
use crate::spec::publish::Record;
use onceward_core::{
    Clock, ConnId, DiskError, DiskOk, DiskOp, DiskResult, Dur, Machine, OpId, Path, SyncKind, Window,
    writer::{
        Timer,
        wire::{Ack, AckStatus, Codec, FromClient, FromServer, Init, Issue, Numbered, Session, Status},
    },
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

const OVERLOADED: u32 = 400_060;
const BAD_REQUEST: u32 = 400_010;
const OP: OpId = OpId(0);
const CHUNK: u32 = 1 << 16;
/// After this long a recovery that met an error is tried again.
const AGAIN: Window = Window::exactly(Dur::millis(10));

/// What the server is about; those before `Serving` are its recovery.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
enum Phase {
    Reading(Vec<u8>),
    Creating,
    Emptying,
    Writing,
    Syncing,
    Renaming,
    Naming,
    /// Recovery met an error.
    Failed,
    #[default]
    Serving,
    Appending(Batch),
    Securing(Batch),
}

/// Messages that are being stored.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Batch {
    conn: ConnId,
    records: Vec<Stored>,
    acks: Vec<Ack>,
    bytes: u32,
}

/// What waits for its turn.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Job {
    Init(ConnId, Init),
    Write(ConnId, Codec, Vec<Numbered>),
}

/// A server's process.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Server {
    /// Whether a new session of a producer ends the older one.
    fencing: bool,
    /// Whether it has a disk; without, it must not crash.
    disk: bool,
    phase: Phase,
    jobs: VecDeque<Job>,
    /// Where the next record goes on the disk.
    end: u64,
    /// The last number that each producer had used before.
    before: u64,
    /// How many sessions each producer has had with this process, if that is to be told by their names.
    sessions: Option<BTreeMap<Arc<str>, u64>>,
    stored: Vec<Stored>,
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
    pub(super) fn new(topic: &Topic) -> Server {
        let Topic { fencing, disk, before, numbered, .. } = *topic;
        let sessions = numbered.then(BTreeMap::new);
        Server { fencing, disk, before: before.into(), sessions, ..Server::default() }
    }

    /// Whether it is open for business.
    pub fn serves(&self) -> bool {
        self.phase == Phase::Serving && self.jobs.is_empty()
    }

    /// Whether what is stored is known: it is not while the disk is being read.
    pub fn has_recovered(&self) -> bool {
        matches!(self.phase, Phase::Serving | Phase::Appending(_) | Phase::Securing(_))
    }

    /// What is stored for good, in order.
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
        let session_id = match &mut self.sessions {
            None => "session".into(),
            Some(sessions) => {
                let count = sessions.entry(producer.clone()).or_default();
                *count += 1;
                format!("{producer}-0-{count}").into()
            }
        };
        self.streams.insert(conn, Some(producer));
        let session = Session { session_id, partition: 0, last_seq_no, codecs: vec![] };
        out.push(Action::Write(conn, Msg::Down(FromServer::Init(session))));
    }

    /// Does what waits, as long as it can be done at once.
    fn work_off(&mut self, out: &mut Vec<Action>) {
        while self.phase == Phase::Serving
            && let Some(job) = self.jobs.pop_front()
        {
            match job {
                Job::Init(conn, init) if self.streams.contains_key(&conn) => self.init(conn, init, out),
                Job::Write(conn, codec, messages) => self.write(conn, codec, messages, out),
                Job::Init(..) => {}
            }
        }
    }

    fn write(&mut self, conn: ConnId, codec: Codec, messages: Vec<Numbered>, out: &mut Vec<Action>) {
        let Some(Some(producer)) = self.streams.get(&conn).cloned() else { return };
        let (mut acks, mut records) = (Vec::new(), Vec::new());
        let mut last = self.last(&producer);
        let lost = std::mem::take(&mut self.lose_first);
        for Numbered { seq_no, payload } in messages.into_iter().skip(usize::from(lost)) {
            let offset = (self.stored.len() + records.len()) as u64;
            let status = if seq_no > last {
                last = seq_no;
                let content = wire::decode(codec, &payload.data);
                records.push((producer.clone(), Record { seq_no, content }));
                AckStatus::Written { offset }
            } else {
                AckStatus::Skipped
            };
            acks.push(Ack { seq_no, status });
            if std::mem::take(&mut self.ack_twice) {
                acks.push(Ack { seq_no, status });
            }
        }
        let mut batch = Batch { conn, records, acks, bytes: 0 };
        if !self.disk || batch.records.is_empty() {
            return self.keep(batch, out);
        }
        let mut data = Vec::new();
        batch.records.iter().for_each(|stored| store::encode(stored, &mut data));
        batch.bytes = data.len() as u32;
        let write = DiskOp::Write { path: store::file(), offset: self.end, data: data.into() };
        self.ask(Phase::Appending(batch), write, out);
    }

    /// Messages are stored for good: their stream is told, if it is still there.
    fn keep(&mut self, batch: Batch, out: &mut Vec<Action>) {
        let Batch { conn, records, acks, bytes } = batch;
        self.stored.extend(records);
        self.end += u64::from(bytes);
        self.phase = Phase::Serving;
        if self.swallow > 0 {
            self.swallow -= 1;
            return;
        }
        if self.streams.contains_key(&conn) {
            let size = if self.split { 1 } else { acks.len().max(1) };
            for acks in acks.chunks(size) {
                out.push(Action::Write(conn, Msg::Down(FromServer::Acks(acks.to_vec()))));
            }
        }
    }

    fn ask(&mut self, phase: Phase, op: DiskOp, out: &mut Vec<Action>) {
        self.phase = phase;
        out.push(Action::Disk(OP, op));
    }

    fn recover(&mut self, out: &mut Vec<Action>) {
        let read = DiskOp::Read { path: store::file(), offset: 0, len: CHUNK };
        self.ask(Phase::Reading(Vec::new()), read, out);
    }

    fn disk(&mut self, result: DiskResult, out: &mut Vec<Action>) {
        let full = |path: Path| DiskOp::Sync { path, kind: SyncKind::Full };
        match (std::mem::replace(&mut self.phase, Phase::Failed), result) {
            (Phase::Reading(mut bytes), Ok(DiskOk::Read(more))) if !more.is_empty() => {
                bytes.extend_from_slice(&more);
                let read = DiskOp::Read { path: store::file(), offset: bytes.len() as u64, len: CHUNK };
                self.ask(Phase::Reading(bytes), read, out);
            }
            (Phase::Reading(bytes), Ok(_) | Err(DiskError::NotFound)) => {
                self.stored = store::decode(&bytes);
                self.ask(Phase::Creating, DiskOp::Create(store::draft()), out);
            }
            (Phase::Creating, Err(DiskError::Exists)) => {
                self.ask(Phase::Emptying, DiskOp::SetLen { path: store::draft(), len: 0 }, out);
            }
            (Phase::Creating | Phase::Emptying, Ok(_)) => {
                let mut data = Vec::new();
                self.stored.iter().for_each(|stored| store::encode(stored, &mut data));
                self.end = data.len() as u64;
                let write = DiskOp::Write { path: store::draft(), offset: 0, data: data.into() };
                self.ask(Phase::Writing, write, out);
            }
            (Phase::Writing, Ok(DiskOk::Wrote(n))) if u64::from(n) == self.end => {
                self.ask(Phase::Syncing, full(store::draft()), out);
            }
            (Phase::Syncing, Ok(_)) => {
                let rename = DiskOp::Rename { from: store::draft(), to: store::file() };
                self.ask(Phase::Renaming, rename, out);
            }
            (Phase::Renaming, Ok(_)) => self.ask(Phase::Naming, DiskOp::SyncDir(Path::root()), out),
            (Phase::Naming, Ok(_)) => self.phase = Phase::Serving,
            (Phase::Appending(batch), Ok(DiskOk::Wrote(n))) if n == batch.bytes => {
                self.ask(Phase::Securing(batch), full(store::file()), out);
            }
            (Phase::Securing(batch), Ok(_)) => self.keep(batch, out),
            // What the file holds now is anybody's guess: recovery decides.
            (Phase::Appending(_) | Phase::Securing(_), _) => self.recover(out),
            _ => out.push(Action::Arm(Timer::Retry, AGAIN)),
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
                FromClient::Init(init) => self.jobs.push_back(Job::Init(conn, init)),
                FromClient::Write { codec, messages } => {
                    self.jobs.push_back(Job::Write(conn, codec, messages))
                }
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
            Input::Boot if self.disk => self.recover(out),
            Input::Disk(_, result) => self.disk(result, out),
            Input::Timer(_) if self.phase == Phase::Failed => self.recover(out),
            Input::Received(_, Msg::Down(_))
            | Input::Boot
            | Input::Opened(_)
            | Input::Message(..)
            | Input::Timer(_) => {}
        }
        self.work_off(out);
    }
}
