//! A small node for tests of the driver: a log of fixed payloads with group commit, which counts what is durable.
//! Nothing is special about it but that it can be asked to panic, to wait and to tell the order of its inputs.

use bytes::Bytes;
use onceward_core::{
    Action, CallId, Clock, DiskError, DiskOk, DiskOp, Dur, Input, Machine, Never, Node, OpId, Path, SyncKind,
    Window,
};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Ask {
    /// Appends; answered by [`Told::Count`] with the number of bytes that are durable.
    Add(Bytes),
    /// Answered by [`Told::Count`] at once.
    Count,
    /// Answered by [`Told::Waited`] with the monotonic time that passed.
    Wait(Window),
    /// Steps into a panic.
    Panic,
    /// Never answered.
    Ignore,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Told {
    Count(u64),
    Waited(Dur),
    Failed(DiskError),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Counter {
    booted: bool,
    /// Calls before the recovery's end wait here.
    ready: bool,
    durable: u64,
    end: u64,
    queue: Vec<(CallId, Bytes)>,
    group: Vec<CallId>,
    busy: bool,
    waits: Vec<(CallId, Clock)>,
    counts: Vec<CallId>,
}

fn log() -> Path {
    Path::from("log")
}

const CREATE: OpId = OpId(0);
const SYNC_DIR: OpId = OpId(1);
const LIST: OpId = OpId(2);
const WRITE: OpId = OpId(3);
const SYNC: OpId = OpId(4);

type Actions = Vec<Action<Never, u64, Told>>;

impl Machine for Counter {
    type Input = Input<Never, u64, Ask>;
    type Action = Action<Never, u64, Told>;

    fn step(&mut self, clock: Clock, input: Self::Input, actions: &mut Actions) {
        assert!(self.booted || input == Input::Boot, "booted first, not {input:?}");
        match input {
            Input::Boot => {
                assert!(!self.booted, "booted once");
                self.booted = true;
                actions.push(Action::Disk(CREATE, DiskOp::Create(log())));
            }
            Input::Disk(CREATE, _) => actions.push(Action::Disk(SYNC_DIR, DiskOp::SyncDir(Path::root()))),
            Input::Disk(SYNC_DIR, _) => actions.push(Action::Disk(LIST, DiskOp::List(Path::root()))),
            Input::Disk(LIST, Ok(DiskOk::Listing(entries))) => {
                self.durable = entries.iter().find(|entry| entry.path == log()).map_or(0, |entry| entry.len);
                self.end = self.durable;
                self.ready = true;
                for call in self.counts.drain(..) {
                    actions.push(Action::Reply(call, Told::Count(self.durable)));
                }
                self.start_group(actions);
            }
            Input::Disk(WRITE, Ok(DiskOk::Wrote(n))) => {
                self.end += u64::from(n);
                actions.push(Action::Disk(SYNC, DiskOp::Sync { path: log(), kind: SyncKind::Data }));
            }
            Input::Disk(SYNC, Ok(_)) => {
                self.durable = self.end;
                for call in self.group.drain(..) {
                    actions.push(Action::Reply(call, Told::Count(self.durable)));
                }
                self.busy = false;
                self.start_group(actions);
            }
            Input::Disk(_, Err(error)) => {
                for call in self.group.drain(..) {
                    actions.push(Action::Reply(call, Told::Failed(error)));
                }
                self.busy = false;
            }
            Input::Call(call, Ask::Add(data)) => {
                self.queue.push((call, data));
                self.start_group(actions);
            }
            Input::Call(call, Ask::Count) if !self.ready => self.counts.push(call),
            Input::Call(call, Ask::Count) => actions.push(Action::Reply(call, Told::Count(self.durable))),
            Input::Call(call, Ask::Wait(window)) => {
                actions.push(Action::Arm(call.number, window));
                self.waits.push((call, clock));
            }
            Input::Timer(number) => {
                let at = self.waits.iter().position(|(call, _)| call.number == number).expect("armed");
                let (call, since) = self.waits.remove(at);
                actions.push(Action::Reply(call, Told::Waited(clock.mono.since(since.mono))));
            }
            Input::Call(_, Ask::Panic) => panic!("as asked for by a test"),
            _ => {}
        }
    }
}

impl Counter {
    fn start_group(&mut self, actions: &mut Actions) {
        if !self.ready || self.busy || self.queue.is_empty() {
            return;
        }
        self.busy = true;
        let mut data = Vec::new();
        for (call, bytes) in self.queue.drain(..) {
            self.group.push(call);
            data.extend_from_slice(&bytes);
        }
        actions.push(Action::Disk(WRITE, DiskOp::Write { path: log(), offset: self.end, data: data.into() }));
    }
}

impl Node for Counter {
    type Message = Never;
    type Timer = u64;
    type Request = Ask;
    type Response = Told;
}
