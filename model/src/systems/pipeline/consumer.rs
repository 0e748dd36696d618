//! A reader's process: the reader that programs use, and a caller who commits everything that it is given, gives partitions
//! up when asked to, and looks whether what it is given makes sense. The caller decides nothing that the broker or the
//! reader must rely on; of what is wrong it keeps the first.

use super::{Action, BROKER, Input, Timer as Timers};
use crate::{
    spec::topic::{COMMITS_SETTLE, HANDED_ON},
    world::Violation,
};
use onceward_core::{
    Clock, Closed, ConnId, Dur, Input as In, Machine, NodeId, Window,
    broker::api::Message,
    reader::{
        self, Config, Event, Part, StreamId, Ticket, Timer as Own,
        wire::{FromServer, PartitionData, PartitionSessionId, Range},
    },
    writer::failure::GrpcStatus,
};
use std::collections::{BTreeMap, VecDeque};

/// The code of UNAVAILABLE: what a transport says of a connection that broke.
const UNAVAILABLE: u32 = 14;

/// Names of timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// The reader's own.
    Own(Own),
    /// The caller has dealt with what it was given.
    Dealt,
}

/// A reader's process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Consumer {
    me: NodeId,
    core: reader::Reader,
    /// Whether it reads everything from the start, by itself.
    auditor: bool,
    /// How long the caller deals with messages before it takes and commits them.
    deals: Dur,
    /// What the caller deals with.
    desk: VecDeque<Given>,
    /// Partitions that the caller has.
    parts: BTreeMap<Part, Reading>,
    /// Commits without an answer.
    tickets: BTreeMap<Ticket, (u32, u64)>,
    commits: u64,
    /// What the broker calls partitions on the present stream.
    sessions: BTreeMap<PartitionSessionId, u32>,
    /// By partition, everything below which the broker has said to be committed.
    heard: BTreeMap<u32, u64>,
    wrong: Option<(&'static str, String)>,
}

/// Messages that the caller deals with.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Given {
    ranges: Vec<(Part, Range)>,
    bytes: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Reading {
    partition: u32,
    next: u64,
    released: bool,
}

impl Consumer {
    pub(super) fn new(me: NodeId, config: Config, deals: Dur) -> Consumer {
        let auditor = config.caller_begins;
        let core = match reader::Reader::new(config) {
            Ok(core) => core,
            // The header's settings were validated when the cluster was built.
            Err(bad) => unreachable!("an invalid configuration got past the header: {bad}"),
        };
        Consumer {
            me,
            core,
            auditor,
            deals,
            desk: VecDeque::new(),
            parts: BTreeMap::new(),
            tickets: BTreeMap::new(),
            commits: 0,
            sessions: BTreeMap::new(),
            heard: BTreeMap::new(),
            wrong: None,
        }
    }

    /// Whether what the caller was told makes sense.
    pub(super) fn judge(&self) -> Result<(), Violation> {
        match &self.wrong {
            None => Ok(()),
            Some((promise, what)) => Err(Violation::new(promise, what.clone())),
        }
    }

    /// Whether nobody waits for anything.
    pub(super) fn is_at_rest(&self) -> bool {
        self.desk.is_empty() && self.tickets.is_empty()
    }

    fn complain(&mut self, promise: &'static str, what: String) {
        self.wrong.get_or_insert((promise, what));
    }

    fn tell(&mut self, clock: Clock, input: reader::Input, out: &mut Vec<Action>) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut said = Vec::new();
            self.core.step(clock, input, &mut said);
            for action in said {
                let conn = |stream: StreamId| ConnId { initiator: self.me, number: stream.0 };
                match action {
                    reader::Action::Open(stream) => out.push(Action::Connect(BROKER, stream.0)),
                    reader::Action::Send(stream, said) => {
                        out.push(Action::Write(conn(stream), Message::Read(said)))
                    }
                    reader::Action::Drop(stream) => out.push(Action::Close(conn(stream))),
                    reader::Action::FetchToken => {
                        inputs.push_back(reader::Input::Token(Some("token".into())))
                    }
                    reader::Action::Arm(timer, window) => {
                        out.push(Action::Arm(Timers::Reader(Timer::Own(timer)), window));
                    }
                    reader::Action::Disarm(timer) => {
                        out.push(Action::Disarm(Timers::Reader(Timer::Own(timer))));
                    }
                    reader::Action::Mark(mark) => out.push(Action::Mark(mark)),
                    reader::Action::Tell(event) => self.told(event, &mut inputs, out),
                }
            }
        }
    }

    /// The caller is told something; what it wants then is added to the inputs.
    fn told(&mut self, event: Event, inputs: &mut VecDeque<reader::Input>, out: &mut Vec<Action>) {
        match event {
            Event::Assigned { part, partition, committed, .. } => {
                let next = if self.auditor { 0 } else { committed };
                if self.parts.insert(part, Reading { partition, next, released: false }).is_some() {
                    self.complain(HANDED_ON, "a name of a partition is used twice".into());
                }
                if self.auditor {
                    inputs.push_back(reader::Input::Begin(part, Some(0)));
                }
            }
            Event::Data(partitions, bytes) => {
                let ranges = partitions.iter().filter_map(|(part, data)| self.given(*part, data)).collect();
                self.desk.push_back(Given { ranges, bytes });
                if self.deals == Dur::ZERO {
                    self.dealt(inputs);
                } else if self.desk.len() == 1 {
                    out.push(Action::Arm(Timers::Reader(Timer::Dealt), Window::exactly(self.deals)));
                }
            }
            Event::Stopping(part) => {
                if let Some(reading) = self.parts.get_mut(&part) {
                    reading.released = true;
                }
                inputs.push_back(reader::Input::Release(part));
            }
            Event::Stopped(part) => {
                if self.parts.remove(&part).is_none() {
                    self.complain(HANDED_ON, "a partition is over that the caller does not have".into());
                }
            }
            Event::Committed(ticket) => match self.tickets.remove(&ticket) {
                Some((partition, end)) => {
                    let heard = self.heard.get(&partition).copied().unwrap_or(0);
                    if end > heard {
                        let what = format!(
                            "the caller is told that partition {partition} is committed up to {end}, the broker has \
                             said up to {heard}"
                        );
                        self.complain(COMMITS_SETTLE, what);
                    }
                }
                None => self.complain(COMMITS_SETTLE, format!("commit {} is answered twice", ticket.0)),
            },
            Event::NotCommitted(ticket) | Event::Refused(ticket, _) => {
                if self.tickets.remove(&ticket).is_none() {
                    self.complain(COMMITS_SETTLE, format!("commit {} is answered twice", ticket.0));
                }
            }
            Event::Ended(end) => self.complain(HANDED_ON, format!("the reader has ended: {end}")),
            Event::Session(_) | Event::Lost(..) | Event::Closed(..) => {}
        }
    }

    /// Keeps what the broker says to be committed.
    fn listen(&mut self, said: &FromServer) {
        let mut heard = Vec::new();
        match said {
            FromServer::Init { .. } => self.sessions.clear(),
            FromServer::Start { session, partition, committed, .. } => {
                self.sessions.insert(*session, *partition);
                heard.push((*session, *committed));
            }
            FromServer::Stop { session, committed, .. } | FromServer::Status { session, committed, .. } => {
                heard.push((*session, *committed));
            }
            FromServer::Committed(offsets) => heard.extend(offsets),
            _ => {}
        }
        for (session, committed) in heard {
            if let Some(partition) = self.sessions.get(&session) {
                let heard = self.heard.entry(*partition).or_default();
                *heard = (*heard).max(committed);
            }
        }
    }

    /// Looks at messages of a partition, and says which there are.
    fn given(&mut self, part: Part, data: &PartitionData) -> Option<(Part, Range)> {
        let Some(reading) = self.parts.get_mut(&part) else {
            self.complain(HANDED_ON, "messages of a partition that the caller does not have".into());
            return None;
        };
        let start = reading.next;
        let mut wrong = reading.released.then(|| "messages of a partition that was given up".to_owned());
        for batch in &data.batches {
            if batch.offset != reading.next {
                wrong.get_or_insert(format!("offset {} after those below {}", batch.offset, reading.next));
            }
            reading.next = batch.offset + batch.messages.len() as u64;
        }
        let end = reading.next;
        if let Some(wrong) = wrong {
            self.complain(HANDED_ON, wrong);
        }
        Some((part, Range { start, end }))
    }

    /// The caller has dealt with everything that it was given.
    fn dealt(&mut self, inputs: &mut VecDeque<reader::Input>) {
        for Given { ranges, bytes } in std::mem::take(&mut self.desk) {
            inputs.push_back(reader::Input::Taken(bytes));
            for (part, range) in ranges.into_iter().filter(|_| !self.auditor) {
                let ticket = Ticket(self.commits);
                self.commits += 1;
                // Of a partition that is gone, the commit is refused; its answer is waited for all the same.
                let partition = self.parts.get(&part).map_or(u32::MAX, |reading| reading.partition);
                self.tickets.insert(ticket, (partition, range.end));
                inputs.push_back(reader::Input::Commit(ticket, part, range));
            }
        }
    }

    pub(super) fn step(&mut self, clock: Clock, input: Input, out: &mut Vec<Action>) {
        let stream = |conn: ConnId| StreamId(conn.number);
        let input = match input {
            In::Boot => reader::Input::Start,
            In::Opened(conn) => reader::Input::Opened(stream(conn)),
            In::Received(conn, Message::ReadReply(said)) => {
                self.listen(&said);
                reader::Input::Received(stream(conn), said)
            }
            In::Closed(conn, why) => {
                let broken = GrpcStatus { code: UNAVAILABLE, message: "the connection broke".into() };
                reader::Input::Ended(stream(conn), (why != Closed::Finished).then_some(broken))
            }
            In::Timer(Timers::Reader(Timer::Own(timer))) => reader::Input::Timer(timer),
            In::Timer(Timers::Reader(Timer::Dealt)) => {
                let mut inputs = VecDeque::new();
                self.dealt(&mut inputs);
                return inputs.into_iter().for_each(|input| self.tell(clock, input, out));
            }
            _ => return,
        };
        self.tell(clock, input, out);
    }
}
