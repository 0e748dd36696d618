//! A store of one line above the segments, over the tests' disk: it keeps every record that it is told of and
//! checks at each recovery that nothing promised is missing, changed or out of place.

use super::super::{Action, Config, Input, Location, Opened, Segments, SyncPolicy, Timer};
use super::disk::{Disk, Fate, Fault};
use crate::log::api::Damage;
use crate::{Clock, DiskOp, DiskResult, Dur, Machine, Mark, OpId, Path, Window};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    format,
    string::String,
    vec::Vec,
};
use bytes::Bytes;

/// xorshift: these tests need variety, not randomness.
#[derive(Clone)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }
}

pub(super) fn config() -> Config {
    Config {
        sector: 16,
        segment_bytes: 2048,
        preallocate: false,
        read_chunk: 64,
        queue_bytes: 1 << 16,
        retry: Window::exactly(Dur::millis(1)),
        ..Config::new(Path::from("log"), 0x0123_4567_89ab_cdef_0011_2233_4455_6677)
    }
}

pub(super) struct Rig {
    pub(super) config: Config,
    pub(super) disk: Disk,
    pub(super) machine: Segments,
    pub(super) pending: VecDeque<(OpId, DiskOp)>,
    /// Done, and the machine does not know yet.
    pub(super) answers: Vec<(OpId, DiskOp, DiskResult)>,
    pub(super) timers: BTreeSet<Timer>,
    /// Every record that was ever handed in, by sequence; the newest if recovery dropped one.
    pub(super) handed: BTreeMap<u64, Bytes>,
    /// Records as recovery and appends of this incarnation have them.
    pub(super) known: BTreeMap<u64, Bytes>,
    pub(super) places: BTreeMap<u64, Location>,
    /// Below: promised for ever.
    pub(super) durable: u64,
    /// Below: promised across the end of the process.
    pub(super) written: u64,
    /// Below: released.
    pub(super) released: u64,
    pub(super) opened: Option<Opened>,
    pub(super) damaged: Option<Damage>,
    pub(super) said: Vec<Action>,
    pub(super) marks: BTreeSet<&'static str>,
    pub(super) fault: Option<fn(&DiskOp) -> Option<Fault>>,
    pub(super) fault_dice: Option<(Dice, u64)>,
    pub(super) use_footers: bool,
    scanned: Option<BTreeMap<u64, Bytes>>,
    starts: Option<u64>,
}

impl Rig {
    pub(super) fn new(config: Config) -> Rig {
        Rig {
            disk: Disk::new(config.sector),
            machine: Segments::new(config.clone()).unwrap(),
            config,
            pending: VecDeque::new(),
            answers: Vec::new(),
            timers: BTreeSet::new(),
            handed: BTreeMap::new(),
            known: BTreeMap::new(),
            places: BTreeMap::new(),
            durable: 0,
            written: 0,
            released: 0,
            opened: None,
            damaged: None,
            said: Vec::new(),
            marks: BTreeSet::new(),
            fault: None,
            fault_dice: None,
            use_footers: true,
            scanned: None,
            starts: None,
        }
    }

    /// A rig that is open, over a new disk.
    pub(super) fn ready(config: Config) -> Rig {
        let mut rig = Rig::new(config);
        rig.boot();
        rig.run();
        rig
    }

    pub(super) fn boot(&mut self) {
        self.machine = Segments::new(self.config.clone()).unwrap();
        self.pending.clear();
        for (_, op, _) in core::mem::take(&mut self.answers) {
            self.disk.answered(&op);
        }
        self.timers.clear();
        self.known.clear();
        self.places.clear();
        (self.opened, self.damaged, self.scanned, self.starts) = (None, None, None, None);
        self.said.clear();
        self.step(Input::Boot);
    }

    pub(super) fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut actions = Vec::new();
            self.machine.step(Clock::default(), input, &mut actions);
            for action in actions {
                inputs.extend(self.hear(action));
            }
        }
    }

    /// What the store does about an action.
    fn hear(&mut self, action: Action) -> Option<Input> {
        match &action {
            Action::Disk(id, op) => self.pending.push_back((*id, op.clone())),
            Action::Arm(timer, _) => {
                self.timers.insert(*timer);
            }
            Action::Disarm(timer) => {
                self.timers.remove(timer);
            }
            Action::Mark(Mark(mark)) => {
                let all = [super::super::MARKS, super::super::RELEASE_MARKS].concat();
                assert!(all.contains(mark), "{mark} is not declared");
                self.marks.insert(mark);
            }
            Action::Starts { first } => {
                assert!(self.known.is_empty());
                self.starts = Some(*first);
            }
            Action::Replayed { sequence, at, body, .. } => {
                self.known.insert(*sequence, body.clone());
                self.places.insert(*sequence, *at);
            }
            Action::FooterFound { segment, first, end, body } => {
                let used = self.use_footers;
                if used {
                    self.read_footer(*first, *end, body);
                }
                return Some(Input::FooterVerdict { segment: *segment, used });
            }
            Action::Ready(opened) => {
                self.recovered(opened.first, opened.next);
                self.opened = Some((**opened).clone());
                self.heard_durable(opened.next);
            }
            Action::Damaged(damage) => self.damaged = Some(damage.clone()),
            Action::Placed { first, at } => {
                self.places.extend(at.iter().enumerate().map(|(index, at)| (first + index as u64, *at)));
            }
            Action::Written { upto } => self.written = self.written.max(*upto),
            Action::Durable { upto } => self.heard_durable(*upto),
            Action::Sealing { segment, first, end } => {
                let body = self.footer(*first, *end);
                return Some(Input::Footer { segment: *segment, body });
            }
            Action::Scanned { sequence, body, .. } => {
                self.scanned.get_or_insert_default().insert(*sequence, body.clone());
            }
            _ => {}
        }
        if !matches!(action, Action::Replayed { .. } | Action::Scanned { .. } | Action::Disk(..)) {
            self.said.push(action);
        }
        None
    }

    fn heard_durable(&mut self, upto: u64) {
        self.durable = self.durable.max(upto);
        self.written = self.written.max(upto);
    }

    /// After recovery: what was promised is there, and all is dense.
    fn recovered(&mut self, first: u64, next: u64) {
        assert!(first <= self.released, "{} records were released, the log begins at {first}", self.released);
        assert_eq!(self.machine.first_sequence(), first);
        assert_eq!(self.starts.unwrap_or(0), first, "told before the first record");
        assert!(next >= self.durable, "{} records were durable, recovery found {next}", self.durable);
        assert_eq!(self.known.len() as u64, next - first, "records are missing or too many");
        for (sequence, body) in &self.known {
            assert_eq!(self.handed.get(sequence), Some(body), "record {sequence} is another");
        }
        self.handed.retain(|sequence, _| *sequence < next);
        self.written = self.written.min(next);
    }

    fn footer(&self, first: u64, end: u64) -> Bytes {
        let mut body = Vec::new();
        for sequence in first..end {
            let (record, at) = (&self.known[&sequence], &self.places[&sequence]);
            for field in [record.len() as u64, at.segment, at.offset, at.len.into()] {
                body.extend_from_slice(&field.to_le_bytes());
            }
            body.extend_from_slice(record);
        }
        Bytes::from(body)
    }

    fn read_footer(&mut self, first: u64, end: u64, mut body: &[u8]) {
        for sequence in first..end {
            let mut take = || {
                let (field, rest) = body.split_first_chunk::<8>().unwrap();
                body = rest;
                u64::from_le_bytes(*field)
            };
            let (len, segment, offset) = (take() as usize, take(), take());
            let place = Location { segment, offset, len: take() as u32 };
            self.known.insert(sequence, Bytes::copy_from_slice(&body[..len]));
            self.places.insert(sequence, place);
            body = &body[len..];
        }
    }

    /// Hands in a unit; says whether it was taken.
    pub(super) fn append(&mut self, records: &[&[u8]]) -> bool {
        let bytes = records.iter().map(|record| record.len() as u64).sum();
        if self.machine.admits(records.len(), bytes).is_err() {
            return false;
        }
        let first = self.machine.next_sequence();
        for (index, record) in records.iter().enumerate() {
            let (sequence, body) = (first + index as u64, Bytes::copy_from_slice(record));
            self.handed.insert(sequence, body.clone());
            self.known.insert(sequence, body);
        }
        self.step(Input::Append {
            records: records.iter().map(|record| Bytes::copy_from_slice(record)).collect(),
            urgent: false,
        });
        true
    }

    /// Performs the oldest operation and answers it.
    pub(super) fn perform(&mut self) -> bool {
        self.answer(0) || (self.start(0) && self.answer(0))
    }

    /// Performs any operation that may be next, or delivers any answer.
    pub(super) fn perform_any(&mut self, dice: &mut Dice) -> bool {
        if dice.roll(2) == 0 && !self.answers.is_empty() {
            return self.answer(dice.roll(self.answers.len() as u64) as usize);
        }
        let index = dice.roll(1 + self.pending.len() as u64) as usize;
        let overtakes = |path| self.pending.iter().take(index).any(|(_, op)| op.path() == path);
        match self.pending.get(index) {
            Some((_, op)) if !overtakes(op.path()) => self.start(index),
            _ => self.perform(),
        }
    }

    fn answer(&mut self, index: usize) -> bool {
        if index >= self.answers.len() {
            return false;
        }
        let (id, op, result) = self.answers.remove(index);
        self.disk.answered(&op);
        self.step(Input::Disk(id, result));
        true
    }

    fn start(&mut self, index: usize) -> bool {
        let Some((id, op)) = self.pending.remove(index) else { return false };
        let mut fault = self.fault.and_then(|fault| fault(&op));
        if let Some((dice, odds)) = &mut self.fault_dice
            && dice.roll(*odds) == 0
        {
            let cause = if dice.roll(2) == 0 { crate::DiskError::Io } else { crate::DiskError::NoSpace };
            let space = matches!(op, DiskOp::Create(_) | DiskOp::Write { .. } | DiskOp::Allocate { .. });
            fault = Some(match &op {
                DiskOp::Write { data, .. } if dice.roll(2) == 0 => {
                    Fault::Short(dice.roll(1 + data.len() as u64) as usize)
                }
                _ => Fault::Error(if space { cause } else { crate::DiskError::Io }),
            });
        }
        let result = self.disk.perform(&op, fault);
        self.answers.push((id, op, result));
        true
    }

    /// Runs until nothing is on its way; retries are let happen.
    pub(super) fn run(&mut self) {
        let mut retries = 0;
        for _ in 0..100_000 {
            if self.perform() {
                continue;
            }
            retries += 1;
            // A disk that is full stays so.
            if (retries > 20 && self.disk.capacity < u64::MAX) || !self.fire(Timer::Retry) {
                return;
            }
        }
        panic!("does not come to rest: {:?}", self.machine);
    }

    pub(super) fn fire(&mut self, timer: Timer) -> bool {
        let armed = self.timers.remove(&timer);
        if armed {
            self.step(Input::Timer(timer));
        }
        armed
    }

    /// The process ends; what it wrote stays in the cache.
    pub(super) fn kill(&mut self) {
        self.boot();
    }

    pub(super) fn lose_power(&mut self, fate: impl FnMut(&str, usize) -> Fate, keep: impl FnMut() -> bool) {
        self.disk.lose_power(fate, keep);
        self.written = self.durable;
        self.boot();
    }

    /// Everything is as it was promised: reads back each record, scans, and takes another.
    pub(super) fn check_alive(&mut self) {
        assert_eq!(self.damaged, None);
        assert!(self.opened.is_some(), "not open: {:?}", self.machine);
        let before = self.machine.next_sequence();
        assert!(self.append(&[b"alive"]), "takes nothing in: {:?}", self.machine.admits(1, 5));
        self.step(Input::Barrier { token: 77 });
        self.run();
        assert_eq!(self.durable, before + 1, "does not become durable: {:?}", self.machine);
        self.check_reads();
    }

    pub(super) fn check_reads(&mut self) {
        let first = self.machine.first_sequence();
        self.known.retain(|sequence, _| *sequence >= first);
        self.places.retain(|sequence, _| *sequence >= first);
        self.scanned = None;
        self.step(Input::Scan { token: 5 });
        self.run();
        let done = self.said.iter().rev().find_map(|action| match action {
            Action::ScanDone { result, .. } => Some(result.clone()),
            _ => None,
        });
        assert!(matches!(done, Some(Ok(_))), "scan: {done:?}");
        assert_eq!(self.scanned.clone().unwrap_or_default(), self.known);
        for (sequence, at) in self.places.clone() {
            self.said.clear();
            self.step(Input::Fetch { token: sequence, at });
            self.run();
            let Some(Action::Fetched { result: Ok(record), .. }) = self.said.last() else {
                panic!("record {sequence} at {at:?}: {:?}", self.said)
            };
            assert_eq!((record.sequence, &record.body), (sequence, &self.known[&sequence]));
        }
    }

    /// Nothing below is of use any more.
    pub(super) fn release(&mut self, upto: u64) {
        self.released = self.released.max(upto);
        self.step(Input::Release { upto });
    }

    pub(super) fn close(&mut self) {
        self.step(Input::Close);
        self.run();
        assert!(matches!(self.said.last(), Some(Action::Closed(Ok(())))), "{:?}", self.said.last());
    }

    /// The segment files that the folder shows.
    pub(super) fn files(&self) -> Vec<String> {
        self.disk.names.keys().filter(|name| name.ends_with(".seg")).cloned().collect()
    }

    pub(super) fn segment(number: u64) -> String {
        format!("log/{number:020}.seg")
    }
}

pub(super) fn weak(mut config: Config) -> Config {
    config.policy = SyncPolicy::EveryRecords { records: 5, age: Dur::millis(10) };
    config
}
