//! A store on a disk that does as it is told: perfect unless a test holds or fails its syncs. What real disks do is
//! the simulator's matter; here the meaning of requests is tested.

use super::super::{Config, EventStore, Timer};
use crate::{
    Action, CallId, ClientId, Clock, DiskError, DiskOp, Dur, Input, Machine, Mono, OpId, Path, Wall,
    log::api::*, obedient::Disk,
};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec,
    vec::Vec,
};
use bytes::Bytes;

/// A store, its disk, its timers and its clients.
pub(super) struct Rig {
    pub(super) store: EventStore,
    pub(super) disk: Disk,
    pub(super) clock: Clock,
    pub(super) replies: BTreeMap<CallId, Response>,
    pub(super) marks: BTreeSet<&'static str>,
    /// Syncs are not answered.
    pub(super) hold_syncs: bool,
    /// Nothing is answered at all.
    pub(super) hold_all: bool,
    /// So many syncs fail.
    pub(super) fail_syncs: u32,
    pub(super) reads: u32,
    pending: VecDeque<(OpId, DiskOp)>,
    timers: BTreeMap<Timer, Mono>,
    calls: u64,
}

/// Small segments, so that a test seals some.
pub(super) fn config() -> Config {
    let mut config = Config::new(Path::root(), 7);
    config.segments.segment_bytes = 4096;
    config.segments.sector = 16;
    config.segments.preallocate = false;
    config
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(super) fn event(id: u128) -> NewEvent {
    NewEvent {
        id: EventId(id),
        kind: name("happened"),
        scope: name("shop"),
        correlation: None,
        causation: None,
        payload: Bytes::from(vec![id as u8; 20]),
    }
}

pub(super) fn part(entity: &str, expected: Expected, ids: &[u128]) -> Part {
    Part { entity: name(entity), expected, key: None, events: ids.iter().map(|id| event(*id)).collect() }
}

pub(super) fn append(parts: Vec<Part>) -> Request {
    Request::Append { parts, deadline: None }
}

pub(super) fn read(filter: Filter) -> Request {
    read_from(filter, 0, 4096)
}

pub(super) fn read_from(filter: Filter, from: u64, limit: u32) -> Request {
    Request::Read(Query { filter, from, limit, max_bytes: 1 << 20, wait: None })
}

impl Rig {
    pub(super) fn new(config: Config) -> Rig {
        Rig::on(config, Disk::default())
    }

    pub(super) fn on(config: Config, disk: Disk) -> Rig {
        let clock = Clock { mono: Mono(0), wall: Wall(1_700_000_000_000_000_000) };
        let mut rig = Rig::asleep(config, disk, clock);
        rig.step(Input::Boot);
        rig.run();
        rig
    }

    fn asleep(config: Config, disk: Disk, clock: Clock) -> Rig {
        Rig {
            store: EventStore::new(config).unwrap(),
            disk,
            clock,
            replies: BTreeMap::new(),
            marks: BTreeSet::new(),
            hold_syncs: false,
            hold_all: false,
            fail_syncs: 0,
            reads: 0,
            pending: VecDeque::new(),
            timers: BTreeMap::new(),
            calls: 0,
        }
    }

    /// The process ends and another begins on the same files.
    pub(super) fn restart(&mut self) {
        let config = self.store.config().clone();
        self.restart_as(config);
    }

    pub(super) fn restart_as(&mut self, config: Config) {
        let (disk, calls) = (core::mem::take(&mut self.disk), self.calls);
        let marks = core::mem::take(&mut self.marks);
        *self = Rig::asleep(config, disk, self.clock);
        (self.calls, self.marks) = (calls, marks);
        self.step(Input::Boot);
        self.run();
    }

    pub(super) fn step(&mut self, input: <EventStore as Machine>::Input) {
        let mut actions = Vec::new();
        self.store.step(self.clock, input, &mut actions);
        for action in actions {
            match action {
                Action::Disk(id, op) => self.pending.push_back((id, op)),
                Action::Arm(timer, window) => {
                    self.timers.insert(timer, self.clock.mono.after(window.from));
                }
                Action::Disarm(timer) => {
                    self.timers.remove(&timer);
                }
                Action::Reply(call, response) => {
                    let again = self.replies.insert(call, response);
                    assert_eq!(again, None, "{call:?} was answered twice");
                }
                Action::Mark(mark) => {
                    self.marks.insert(mark.0);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Lets the disk work until nothing is asked of it that it may answer.
    pub(super) fn run(&mut self) {
        let mut held = VecDeque::new();
        while let Some((id, op)) = self.pending.pop_front() {
            let sync = matches!(op, DiskOp::Sync { .. });
            if self.hold_all || sync && self.hold_syncs {
                held.push_back((id, op));
                continue;
            }
            self.reads += u32::from(matches!(op, DiskOp::Read { .. }));
            let result = if sync && self.fail_syncs > 0 {
                self.fail_syncs -= 1;
                Err(DiskError::Io)
            } else {
                self.disk.perform(&op)
            };
            self.step(Input::Disk(id, result));
        }
        self.pending = held;
    }

    /// Lets time pass, timers and disk included.
    pub(super) fn pass(&mut self, span: Dur) {
        let end = self.clock.mono.after(span);
        loop {
            self.run();
            let due = self.timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (*timer, *at));
            let Some((timer, at)) = due.filter(|(_, at)| *at <= end) else { break };
            self.timers.remove(&timer);
            self.set_time(at.max(self.clock.mono));
            self.step(Input::Timer(timer));
        }
        self.set_time(end);
    }

    fn set_time(&mut self, to: Mono) {
        let passed = to.since(self.clock.mono);
        self.clock.wall.0 += passed.0;
        self.clock.mono = to;
    }

    /// Calls without waiting for the disk.
    pub(super) fn call(&mut self, request: Request) -> CallId {
        self.calls += 1;
        let call = CallId { client: ClientId(0), number: self.calls };
        self.step(Input::Call(call, request));
        call
    }

    /// Calls and waits for the answer.
    pub(super) fn ask(&mut self, request: Request) -> Response {
        let call = self.call(request);
        self.run();
        self.answer(call).unwrap_or_else(|| panic!("no answer; {:?}", self.store.phase()))
    }

    pub(super) fn answer(&mut self, call: CallId) -> Option<Response> {
        self.replies.remove(&call)
    }

    pub(super) fn receipts(&mut self, request: Request) -> Vec<Receipt> {
        match self.ask(request) {
            Response::Appended(receipts) => receipts,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn refusal(&mut self, request: Request) -> Refusal {
        match self.ask(request) {
            Response::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn events(&mut self, request: Request) -> Vec<Event> {
        match self.ask(request) {
            Response::Events { events, .. } => events,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn ids(&mut self, filter: Filter) -> Vec<u128> {
        self.events(read(filter)).iter().map(|event| event.id.0).collect()
    }

    pub(super) fn verified(&mut self) -> Verified {
        match self.ask(Request::Verify) {
            Response::Verified(verified) => verified,
            other => panic!("{other:?}"),
        }
    }

    /// Appends one event each to a few entities, so that some segments are sealed.
    pub(super) fn fill(&mut self, ids: core::ops::Range<u128>) {
        for id in ids {
            let entity = ["a", "b", "c"][id as usize % 3];
            self.receipts(append(vec![part(entity, Expected::Any, &[id])]));
        }
    }
}
