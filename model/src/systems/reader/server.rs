//! A server for readers to be tried against: so many messages in each partition, which it shares among the sessions that are
//! open. It keeps to what readers ask for, keeps everything in its memory, and begins anew when it crashes. Its callers may
//! put it into a [`Mood`]: most are within the protocol; a [`Lie`] is not.

use super::{
    Action, Feed, Input,
    wire::{Lie, Mood, Msg, Request, Response, Timer},
};
use onceward_core::{
    Clock, ConnId, Dur, Machine, Window,
    reader::wire::{Commit, FromClient, FromServer, PartitionSessionId, Range},
    writer::wire::Status,
};
use std::collections::{BTreeMap, BTreeSet};

const OVERLOADED: u32 = 400_060;

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Partition {
    /// Everything below is committed.
    committed: u64,
    /// Offsets that are not there any more.
    pub(super) gone: BTreeSet<u64>,
    holder: Option<(ConnId, PartitionSessionId)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Stream {
    /// Whether a session was asked for and opened.
    open: bool,
    pub(super) credit: i64,
    /// How many partition sessions there were: each stream counts from the same start.
    given: u64,
    pub(super) sessions: BTreeMap<PartitionSessionId, Session>,
}

/// A partition that a reader has.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Session {
    pub(super) partition: usize,
    pub(super) begun: bool,
    /// It was asked back.
    pub(super) stopping: bool,
    pub(super) next: u64,
    /// Commits beyond what is committed, by their start: the end.
    ahead: BTreeMap<u64, u64>,
}

/// A server's process.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Server {
    pub(super) messages: u64,
    pub(super) response: u32,
    stop_timeout: Dur,
    pub(super) partitions: Vec<Partition>,
    pub(super) streams: BTreeMap<ConnId, Stream>,
    /// Whether partitions that are asked back are waited for.
    armed: bool,
    refuse: u8,
    swallow: u8,
    pub(super) gap: u8,
    halve: bool,
    pub(super) late: bool,
    pub(super) lie: Option<Lie>,
}

pub(super) fn say(conn: ConnId, said: FromServer, out: &mut Vec<Action>) {
    out.push(Action::Write(conn, Msg::Down(said)));
}

impl Server {
    pub(super) fn new(feed: &Feed) -> Server {
        let Feed { messages, response, stop_timeout, .. } = *feed;
        let partitions = (0..feed.partitions).map(|_| Partition::default()).collect();
        Server { messages, response, stop_timeout, partitions, ..Server::default() }
    }

    /// Whether every message of every partition is committed.
    pub fn all_committed(&self) -> bool {
        self.partitions.iter().all(|partition| partition.committed == self.messages)
    }

    /// Ends a stream, with a status or without; its partitions are free.
    fn end(&mut self, conn: ConnId, status: Option<u32>, out: &mut Vec<Action>) {
        if let Some(code) = status {
            say(conn, FromServer::Failed(Status { code, issues: vec![] }), out);
        }
        out.push(Action::Close(conn));
        self.gone(conn);
    }

    fn gone(&mut self, conn: ConnId) {
        self.streams.remove(&conn);
        for partition in &mut self.partitions {
            partition.holder = partition.holder.filter(|(holder, _)| *holder != conn);
        }
    }

    fn received(&mut self, conn: ConnId, said: FromClient, out: &mut Vec<Action>) {
        let Some(stream) = self.streams.get_mut(&conn) else { return };
        match said {
            FromClient::Init(_) if self.refuse > 0 => {
                self.refuse -= 1;
                self.end(conn, Some(OVERLOADED), out);
            }
            FromClient::Init(_) => {
                stream.open = true;
                say(conn, FromServer::Init { session_id: "session".into() }, out);
            }
            FromClient::Read { bytes } => stream.credit += bytes as i64,
            FromClient::Started { session, read_offset, .. } => {
                if let Some(session) = stream.sessions.get_mut(&session) {
                    (session.begun, session.next) = (true, read_offset.unwrap_or(session.next));
                }
            }
            FromClient::Commit(commits) => self.commit(conn, &commits, out),
            FromClient::Stopped(session) => {
                if stream.sessions.get(&session).is_some_and(|session| session.stopping) {
                    self.free(conn, session);
                }
            }
            FromClient::UpdateToken(_) => say(conn, FromServer::TokenUpdated, out),
            // No reader of ours asks.
            FromClient::Status(_) => {}
        }
    }

    /// A reader does not have a partition any more.
    fn free(&mut self, conn: ConnId, session: PartitionSessionId) -> Option<Session> {
        let session = self.streams.get_mut(&conn)?.sessions.remove(&session)?;
        self.partitions[session.partition].holder = None;
        Some(session)
    }

    fn commit(&mut self, conn: ConnId, commits: &[Commit], out: &mut Vec<Action>) {
        let (mut part, mut full) = (Vec::new(), Vec::new());
        for Commit { session: id, ranges } in commits {
            let session = self.streams.get_mut(&conn).and_then(|stream| stream.sessions.get_mut(id));
            let Some(session) = session else { continue };
            let committed = &mut self.partitions[session.partition].committed;
            let before = *committed;
            session.ahead.extend(ranges.iter().map(|range| (range.start, range.end)));
            while let Some(end) = session.ahead.remove(committed) {
                *committed = end;
            }
            if *committed > before {
                full.push((*id, *committed));
            }
            if *committed > before + 1 {
                part.push((*id, *committed - 1));
            }
        }
        if full.is_empty() {
            return;
        }
        if self.swallow > 0 {
            self.swallow -= 1;
            return;
        }
        if self.halve && !part.is_empty() {
            say(conn, FromServer::Committed(part), out);
        }
        say(conn, FromServer::Committed(full), out);
    }

    /// Gives every partition that is free to a session, and sees that each goes where it belongs.
    fn share(&mut self, out: &mut Vec<Action>) {
        let open = self.streams.iter().filter(|(_, stream)| stream.open);
        let open: Vec<ConnId> = open.map(|(conn, _)| *conn).collect();
        if open.is_empty() {
            return;
        }
        for partition in 0..self.partitions.len() {
            let to = open[partition % open.len()];
            match self.partitions[partition].holder {
                Some((holder, _)) if holder == to => continue,
                Some((holder, session)) if self.stop_timeout > Dur::ZERO => {
                    self.stop(holder, session, true, out);
                    continue;
                }
                Some((holder, session)) => self.stop(holder, session, false, out),
                None => {}
            }
            self.give(partition, to, out);
        }
    }

    fn give(&mut self, partition: usize, conn: ConnId, out: &mut Vec<Action>) {
        let Some(stream) = self.streams.get_mut(&conn) else { return };
        stream.given += 1;
        let (session, next) = (PartitionSessionId(stream.given), self.partitions[partition].committed);
        stream.sessions.insert(session, Session { partition, next, ..Session::default() });
        self.partitions[partition].holder = Some((conn, session));
        say(conn, self.start(session, partition), out);
    }

    pub(super) fn start(&self, session: PartitionSessionId, partition: usize) -> FromServer {
        let (committed, available) =
            (self.partitions[partition].committed, Range { start: 0, end: self.messages });
        FromServer::Start { session, path: "topic".into(), partition: partition as u32, committed, available }
    }

    fn stop(&mut self, conn: ConnId, id: PartitionSessionId, graceful: bool, out: &mut Vec<Action>) {
        let session = self.streams.get_mut(&conn).and_then(|stream| stream.sessions.get_mut(&id));
        let Some(session) = session.filter(|session| !graceful || !session.stopping) else { return };
        session.stopping = true;
        let committed = self.partitions[session.partition].committed;
        say(conn, FromServer::Stop { session: id, graceful, committed }, out);
        if graceful && self.stop_timeout > Dur::ZERO && !self.armed {
            self.armed = true;
            out.push(Action::Arm(Timer::Stop, Window::exactly(self.stop_timeout)));
        }
        if !graceful {
            self.free(conn, id);
        }
    }

    fn stop_all(&mut self, graceful: bool, out: &mut Vec<Action>) {
        let held: Vec<_> = self.partitions.iter().filter_map(|partition| partition.holder).collect();
        held.into_iter().for_each(|(conn, session)| self.stop(conn, session, graceful, out));
    }

    fn mood(&mut self, mood: Mood, out: &mut Vec<Action>) {
        let all: Vec<ConnId> = self.streams.keys().copied().collect();
        match mood {
            Mood::Overload => all.into_iter().for_each(|conn| self.end(conn, Some(OVERLOADED), out)),
            Mood::Finish => all.into_iter().for_each(|conn| self.end(conn, None, out)),
            Mood::Refuse(sessions) => self.refuse = sessions,
            Mood::Take => self.stop_all(false, out),
            Mood::Ask => self.stop_all(true, out),
            Mood::Swallow(commits) => self.swallow = commits,
            Mood::Halve => self.halve = true,
            Mood::Gap(messages) => self.gap = messages,
            Mood::Late => self.late = true,
            Mood::Lie(lie) => self.lie = Some(lie),
        }
    }

    /// Whether partitions that were asked back are still out.
    fn waits(&self) -> bool {
        self.streams.values().any(|stream| stream.sessions.values().any(|session| session.stopping))
    }
}

impl Machine for Server {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, _clock: Clock, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Accepted(conn) => {
                self.streams.insert(conn, Stream::default());
            }
            Input::Received(conn, Msg::Up(said)) => self.received(conn, said, out),
            Input::Closed(conn, _) => self.gone(conn),
            Input::Call(call, request) => {
                if let Request::Server(mood) = request {
                    self.mood(mood, out);
                }
                out.push(Action::Reply(call, Response::Done));
            }
            Input::Timer(Timer::Stop) => {
                self.armed = false;
                let slow = self.partitions.iter().filter_map(|partition| partition.holder);
                let slow = slow.filter(|(conn, session)| {
                    let stream = self.streams.get(conn);
                    let session = stream.and_then(|stream| stream.sessions.get(session));
                    session.is_some_and(|session| session.stopping)
                });
                let slow: Vec<_> = slow.collect();
                slow.into_iter().for_each(|(conn, session)| self.stop(conn, session, false, out));
            }
            Input::Boot
            | Input::Received(_, Msg::Down(_))
            | Input::Opened(_)
            | Input::Message(..)
            | Input::Disk(..)
            | Input::Timer(_) => {}
        }
        self.share(out);
        self.serve(out);
        if self.armed && !self.waits() {
            self.armed = false;
            out.push(Action::Disarm(Timer::Stop));
        }
    }
}
