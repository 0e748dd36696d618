//! A reader's process, as simple as can be: it reads what it is given, commits everything at once, gives partitions up
//! when asked to, and begins anew when something goes wrong. It decides nothing that the broker must rely on.

use super::{Action, BROKER, CONSUMER, Input, TOPIC, Timer as Timers};
use onceward_core::{
    ConnId, Dur, Input as In, NodeId, Window,
    broker::api::Message,
    reader::wire::{Commit, FromClient, FromServer, Init, PartitionSessionId, Range, TopicFilter},
};
use std::collections::BTreeMap;

/// Names of timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// Time to connect.
    Connect,
    /// Time to see whether the broker is still there.
    Watch,
}

/// A reader's process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reader {
    me: NodeId,
    /// Whether it reads everything from the start, by itself.
    auditor: bool,
    credit: u64,
    stream: u32,
    connected: bool,
    /// Nothing was heard since the broker was asked.
    silent: bool,
    /// Partitions that it has, with the first offset that is not committed.
    sessions: BTreeMap<PartitionSessionId, u64>,
}

const AGAIN: Window = Window { from: Dur::millis(5), to: Dur::millis(20) };
const WATCH: Window = Window::exactly(Dur::millis(300));

impl Reader {
    pub(super) fn new(me: NodeId, auditor: bool, credit: u64) -> Reader {
        Reader { me, auditor, credit, stream: 0, connected: false, silent: false, sessions: BTreeMap::new() }
    }

    fn conn(&self) -> ConnId {
        ConnId { initiator: self.me, number: self.stream }
    }

    fn say(&self, said: FromClient, out: &mut Vec<Action>) {
        out.push(Action::Write(self.conn(), Message::Read(said)));
    }

    fn connect(&mut self, out: &mut Vec<Action>) {
        self.stream += 1;
        (self.connected, self.silent) = (false, true);
        self.sessions.clear();
        out.push(Action::Connect(BROKER, self.stream));
        out.push(Action::Arm(Timers::Reader(Timer::Watch), WATCH));
    }

    fn again(&mut self, out: &mut Vec<Action>) {
        self.connected = false;
        out.push(Action::Disarm(Timers::Reader(Timer::Watch)));
        out.push(Action::Arm(Timers::Reader(Timer::Connect), AGAIN));
    }

    fn heard(&mut self, said: FromServer, out: &mut Vec<Action>) {
        self.silent = false;
        match said {
            FromServer::Start { session, committed, .. } => {
                let read_offset = self.auditor.then_some(0);
                self.sessions.insert(session, committed);
                self.say(FromClient::Started { session, read_offset, commit_offset: None }, out);
            }
            FromServer::Data { partitions, bytes } => {
                let mut commits = Vec::new();
                for data in partitions {
                    let end = data.batches.last().map(|batch| batch.offset + batch.messages.len() as u64);
                    if let (Some(end), Some(from)) = (end, self.sessions.get_mut(&data.session)) {
                        let ranges = vec![Range { start: *from, end }];
                        *from = end;
                        commits.push(Commit { session: data.session, ranges });
                    }
                }
                if !self.auditor && !commits.is_empty() {
                    self.say(FromClient::Commit(commits), out);
                }
                self.say(FromClient::Read { bytes }, out);
            }
            FromServer::Stop { session, graceful, .. } => {
                self.sessions.remove(&session);
                if graceful {
                    self.say(FromClient::Stopped(session), out);
                }
            }
            FromServer::Failed(_) => {
                out.push(Action::Close(self.conn()));
                self.again(out);
            }
            FromServer::Init { .. }
            | FromServer::Committed(_)
            | FromServer::Status { .. }
            | FromServer::TokenUpdated => {}
        }
    }

    pub(super) fn step(&mut self, input: Input, out: &mut Vec<Action>) {
        match input {
            In::Boot | In::Timer(Timers::Reader(Timer::Connect)) => self.connect(out),
            In::Opened(conn) if conn == self.conn() => {
                self.connected = true;
                let filter =
                    TopicFilter { path: TOPIC.into(), partitions: vec![], max_lag: None, read_from: None };
                let consumer = if self.auditor { "" } else { CONSUMER };
                self.say(FromClient::Init(Init { topics: vec![filter], consumer: consumer.into() }), out);
                self.say(FromClient::Read { bytes: self.credit }, out);
            }
            In::Received(conn, Message::ReadReply(said)) if conn == self.conn() && self.connected => {
                self.heard(said, out);
            }
            In::Closed(conn, _) if conn == self.conn() => self.again(out),
            In::Timer(Timers::Reader(Timer::Watch)) => {
                if self.silent {
                    out.push(Action::Close(self.conn()));
                    return self.again(out);
                }
                self.silent = true;
                self.say(FromClient::UpdateToken(Default::default()), out);
                out.push(Action::Arm(Timers::Reader(Timer::Watch), WATCH));
            }
            _ => {}
        }
    }
}
