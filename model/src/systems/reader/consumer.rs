//! A reader's process: the reader that programs use, and a caller who commits everything that it is given and gives
//! partitions up when asked to. Whether what it is given makes sense, a [`History`] knows. The caller decides nothing that
//! the server or the reader must rely on.

use super::{
    Action, Input, SERVER,
    wire::{Msg, Request, Response, Timer},
};
use crate::spec::read::History;
use onceward_core::{
    CallId, Clock, Closed, ConnId, Dur, Input as In, Machine, NodeId, Window,
    reader::{
        self, Config, Event, Part, StreamId, Ticket,
        api::Refusal,
        wire::{PartitionData, Range},
    },
    writer::failure::GrpcStatus,
};
use std::collections::{BTreeMap, VecDeque};

/// The code of UNAVAILABLE: what a transport says of a connection that broke.
const UNAVAILABLE: u32 = 14;

/// What a reader's caller is like.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Habits {
    /// How long it deals with messages before it takes and commits them.
    pub deals: Dur,
    /// Whether it deals with what it has before it gives a partition up.
    pub patient: bool,
    /// Whether it commits the last messages that it has dealt with first.
    pub backwards: bool,
}

/// A reader's process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Consumer {
    me: NodeId,
    core: reader::Reader,
    habits: Habits,
    /// What the caller deals with.
    desk: VecDeque<Job>,
    /// Commits for which there was no room.
    later: VecDeque<(Part, Range)>,
    tickets: u64,
    /// Calls that wait for the end.
    closes: BTreeMap<Ticket, CallId>,
    history: History,
}

/// Something that the caller deals with.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Job {
    /// Whether to begin a partition.
    Begin(Part),
    /// Messages, and how much they count.
    Given(Vec<(Part, Range)>, u64),
    /// What is left of a partition that is to be given up.
    Release(Part),
}

impl Consumer {
    pub(in crate::systems) fn new(me: NodeId, config: Config, habits: Habits) -> Consumer {
        let core = match reader::Reader::new(config) {
            Ok(core) => core,
            // The header's settings were validated when the cluster was built.
            Err(bad) => unreachable!("an invalid configuration got past the header: {bad}"),
        };
        Consumer {
            me,
            core,
            habits,
            desk: VecDeque::new(),
            later: VecDeque::new(),
            tickets: 0,
            closes: BTreeMap::new(),
            history: History::default(),
        }
    }

    /// What was seen of the reader.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Whether nobody waits for anything.
    pub fn is_at_rest(&self) -> bool {
        self.desk.is_empty() && self.later.is_empty() && self.history.is_settled()
    }

    /// Whether it reads everything from the start, by itself, and commits nothing.
    fn audits(&self) -> bool {
        self.core.config().consumer.is_empty()
    }

    fn tell(&mut self, clock: Clock, input: reader::Input, out: &mut Vec<Action>) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut said = Vec::new();
            self.history.before(&input);
            self.core.step(clock, input, &mut said);
            for action in said {
                let conn = |stream: StreamId| ConnId { initiator: self.me, number: stream.0 };
                if let reader::Action::Tell(Event::Refused(ticket, Refusal::TooManyWait { .. })) = action {
                    self.later.extend(self.history.commit(ticket));
                }
                self.history.does(&action, self.core.config());
                match action {
                    reader::Action::Open(stream) => out.push(Action::Connect(SERVER, stream.0)),
                    reader::Action::Send(stream, said) => {
                        out.push(Action::Write(conn(stream), Msg::Up(said)))
                    }
                    reader::Action::Drop(stream) => out.push(Action::Close(conn(stream))),
                    reader::Action::FetchToken => {
                        inputs.push_back(reader::Input::Token(Some("token".into())))
                    }
                    reader::Action::Arm(timer, window) => out.push(Action::Arm(Timer::Own(timer), window)),
                    reader::Action::Disarm(timer) => out.push(Action::Disarm(Timer::Own(timer))),
                    reader::Action::Mark(mark) => out.push(Action::Mark(mark)),
                    reader::Action::Tell(event) => self.told(event, &mut inputs, out),
                }
            }
            self.history.after();
        }
    }

    /// The caller is told something; what it wants then is added to the inputs.
    fn told(&mut self, event: Event, inputs: &mut VecDeque<reader::Input>, out: &mut Vec<Action>) {
        match event {
            Event::Assigned { part, .. } if self.core.config().caller_begins => {
                if self.audits() {
                    inputs.push_back(reader::Input::Begin(part, Some(0)));
                } else {
                    self.deal(Job::Begin(part), inputs, out);
                }
            }
            Event::Data(partitions, bytes) => {
                let ranges = partitions.iter().filter_map(|(part, data)| Some((*part, range(data)?)));
                self.deal(Job::Given(ranges.collect(), bytes), inputs, out);
            }
            Event::Stopping(part) if self.habits.patient => self.deal(Job::Release(part), inputs, out),
            Event::Stopping(part) => inputs.push_back(reader::Input::Release(part)),
            Event::Refused(ticket, refusal) if self.closes.contains_key(&ticket) => {
                let call = self.closes.remove(&ticket);
                out.extend(call.map(|call| Action::Reply(call, Response::Refused(refusal))));
            }
            Event::Committed(_) | Event::NotCommitted(_) | Event::Refused(..) => {
                // One that overtakes those before it would wait for them, and they for it.
                if self.history.waiting() < self.core.config().commits as usize
                    && let Some((part, range)) = self.later.pop_front()
                {
                    self.commit(part, range, inputs);
                }
            }
            Event::Closed(ticket, end) => {
                let call = self.closes.remove(&ticket);
                out.extend(call.map(|call| Action::Reply(call, Response::Closed(end))));
            }
            Event::Assigned { .. }
            | Event::Stopped(_)
            | Event::Session(_)
            | Event::Lost(..)
            | Event::Ended(_) => {}
        }
    }

    fn ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        ticket
    }

    fn commit(&mut self, part: Part, range: Range, inputs: &mut VecDeque<reader::Input>) {
        inputs.push_back(reader::Input::Commit(self.ticket(), part, range));
    }

    /// The caller has something to deal with.
    fn deal(&mut self, job: Job, inputs: &mut VecDeque<reader::Input>, out: &mut Vec<Action>) {
        self.desk.push_back(job);
        if self.habits.deals == Dur::ZERO {
            self.dealt(inputs);
        } else if self.desk.len() == 1 {
            out.push(Action::Arm(Timer::Dealt, Window::exactly(self.habits.deals)));
        }
    }

    /// The caller has dealt with everything that it has.
    fn dealt(&mut self, inputs: &mut VecDeque<reader::Input>) {
        let (mut commits, mut releases) = (Vec::new(), Vec::new());
        for job in std::mem::take(&mut self.desk) {
            match job {
                Job::Begin(part) => inputs.push_back(reader::Input::Begin(part, None)),
                Job::Given(ranges, bytes) => {
                    inputs.push_back(reader::Input::Taken(bytes));
                    commits.extend(ranges.into_iter().filter(|_| !self.audits()));
                    if !self.habits.backwards {
                        commits.drain(..).for_each(|(part, range)| self.commit(part, range, inputs));
                    }
                }
                Job::Release(part) => releases.push(reader::Input::Release(part)),
            }
        }
        commits.into_iter().rev().for_each(|(part, range)| self.commit(part, range, inputs));
        inputs.extend(releases);
    }

    fn call(&mut self, clock: Clock, call: CallId, request: &Request, out: &mut Vec<Action>) {
        match request {
            Request::Close => {
                let ticket = self.ticket();
                self.closes.insert(ticket, call);
                self.tell(clock, reader::Input::Close(ticket), out);
            }
            Request::Destroy => {
                self.tell(clock, reader::Input::Destroy, out);
                out.push(Action::Reply(call, Response::Done));
            }
            Request::Server(_) => out.push(Action::Reply(call, Response::Done)),
        }
    }
}

/// From the first message to the last; what was passed over in between goes with them.
fn range(data: &PartitionData) -> Option<Range> {
    let (first, last) = (data.batches.first()?, data.batches.last()?);
    Some(Range { start: first.offset, end: last.offset + last.messages.len() as u64 })
}

impl Machine for Consumer {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, clock: Clock, input: Input, out: &mut Vec<Action>) {
        let stream = |conn: ConnId| StreamId(conn.number);
        let input = match input {
            In::Boot => reader::Input::Start,
            In::Opened(conn) => reader::Input::Opened(stream(conn)),
            In::Received(conn, Msg::Down(said)) => reader::Input::Received(stream(conn), said),
            In::Closed(conn, why) => {
                let broken = GrpcStatus { code: UNAVAILABLE, message: "the connection broke".into() };
                reader::Input::Ended(stream(conn), (why != Closed::Finished).then_some(broken))
            }
            In::Timer(Timer::Own(timer)) => reader::Input::Timer(timer),
            In::Timer(Timer::Dealt) => {
                let mut inputs = VecDeque::new();
                self.dealt(&mut inputs);
                return inputs.into_iter().for_each(|input| self.tell(clock, input, out));
            }
            In::Call(call, request) => return self.call(clock, call, &request, out),
            In::Timer(Timer::Stop)
            | In::Received(_, Msg::Up(_))
            | In::Message(..)
            | In::Accepted(_)
            | In::Disk(..) => return,
        };
        self.tell(clock, input, out);
    }
}
