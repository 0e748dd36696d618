//! The writer: from accepted units to durable ones.
//!
//! What it decides: which units form a group, when to sync, when to turn to a new segment, and what follows when the
//! disk fails. One thing is done at a time, in the order of [`Writer::advance`]; only under policies other than
//! [`SyncPolicy::PerGroup`] may a write and a sync be on their way together.
//!
//! Invariants:
//!
//! - `durable <= written <= submitted <= accepted`, all on unit boundaries. Every unit from `durable` on is kept in
//!   memory, so that it can be written again.
//! - Nothing is written behind bytes that were not answered as written, nor into a segment of which a sync failed:
//!   after either, [`begin`] writes all of `durable..submitted` into a new segment, under a header that states how
//!   far the old one is proven.
//! - A sequence belongs to one record for ever: what could not be proven stays queued, and is tried again.
//! - `tip` moves only when a sync has answered that started after the writes it covers, or when a new segment, its
//!   contents and its name are durable.

mod begin;
mod groups;
mod release;
mod sealing;
mod space;

use super::books::{Findings, Kept, Tip, Unit, Unsealed};
use super::read::{Mile, path_of};
use super::{Action, Config, OP_SYNC, Opened, Refused, SyncPolicy, Timer};
use crate::log::mutants::mutant;
use crate::{DiskError, DiskOk, DiskOp, DiskResult, Mark};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use begin::Begin;
use bytes::Bytes;
use release::Release;
use sealing::Sealing;
use space::Reserve;

/// How many barriers may wait at once.
const BARRIERS: usize = 1024;

/// The segment that groups are appended to.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Active {
    number: u64,
    /// Sequence of its first record.
    first: u64,
    /// After the last group whose write was answered.
    mile: Mile,
    /// After the last byte that may have been written.
    high: u64,
    /// Length of the file at least.
    file: u64,
    sector: u32,
}

/// Something that takes several operations, during which no group is written.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Job {
    None,
    Begin(Begin),
    Seal(Sealing),
}

/// The write on its way.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Flight {
    /// Where the segment stands after it.
    mile: Mile,
    len: u32,
}

#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Writer {
    store_id: u128,
    epoch: u64,
    highest: Option<u64>,
    pub(super) segments: BTreeMap<u64, Kept>,
    pub(super) tip: Tip,
    active: Option<Active>,
    unsealed: Option<Unsealed>,
    /// Files that stop counting when the next segment is durable.
    superseded: Vec<u64>,
    /// Files that do not count, to be removed.
    garbage: Vec<u64>,
    /// The beginning of a segment for which there was no space: its number, and how many bytes may be there.
    half: Option<(u64, u32)>,
    sweeping: bool,
    release: Release,

    queue: VecDeque<Unit>,
    cost: u64,
    accepted: u64,
    /// Units below were part of a write that was asked for.
    submitted: u64,
    barriers: VecDeque<(u64, u64)>,

    job: Job,
    flight: Option<Flight>,
    /// The sync on its way, and what it covers.
    sync: Option<Mile>,
    sync_due: bool,
    sync_armed: bool,
    age_armed: bool,
    /// The active segment is to be sealed.
    rotate: bool,
    /// What was submitted must be written anew.
    replace: bool,

    /// Failures in a row.
    tries: u32,
    /// Nothing is tried before the timer.
    waiting: bool,
    /// The disk fails for so long that outcomes were called unknown.
    failing: Option<DiskError>,
    /// Units below were called unknown.
    unknown: u64,
    full: bool,
    reserve: Reserve,
    /// Room that the reserve has left for urgent records, while the disk is full.
    spare: u64,

    /// To be handed over once the adopted records are durable.
    opening: Option<Box<Opened>>,
    /// The adopted records are durable and this is to be written down.
    proof: bool,
    closing: bool,
    /// The last word, not yet spoken.
    pub(super) closed: Option<Result<(), DiskError>>,
}

impl Writer {
    pub(super) fn open(config: &Config, findings: Findings, report: crate::log::api::Recovered) -> Writer {
        let Findings { store_id, epoch, highest, segments, tip, adopted, unsealed, superseded, left_over } =
            findings;
        let accepted = adopted.back().map_or(tip.mile.sequence, Unit::end);
        let replace = !adopted.is_empty();
        let first = segments.values().next().map_or(accepted, |kept| kept.first);
        let opened = Opened { store_id, report, first, next: accepted };
        Writer {
            store_id,
            epoch,
            highest,
            segments,
            tip,
            active: None,
            unsealed,
            superseded,
            garbage: left_over,
            half: None,
            sweeping: false,
            release: Release::default(),
            cost: adopted.iter().map(Unit::cost).sum(),
            queue: adopted,
            accepted,
            submitted: accepted,
            barriers: VecDeque::new(),
            job: Job::None,
            flight: None,
            sync: None,
            sync_due: false,
            sync_armed: false,
            age_armed: false,
            rotate: false,
            replace,
            tries: 0,
            waiting: false,
            failing: None,
            unknown: tip.mile.sequence,
            full: false,
            reserve: if config.reserve_bytes > 0 { Reserve::Inherited } else { Reserve::None },
            spare: 0,
            opening: Some(Box::new(opened)),
            proof: replace,
            closing: false,
            closed: None,
        }
    }

    /// Takes the answer to an operation of the current job.
    pub(super) fn job_step(&mut self, config: &Config, result: DiskResult, out: &mut Vec<Action>) {
        match self.job {
            Job::None => {}
            Job::Begin(begin) => self.begin_step(config, begin, result, out),
            Job::Seal(sealing) => self.seal_step(config, sealing, result, out),
        }
    }

    /// What every group repeats of the store's identity.
    pub(super) fn tag(&self) -> u32 {
        self.store_id as u32
    }

    /// Whether [`Action::Ready`] was given.
    pub(super) fn ready(&self) -> bool {
        self.opening.is_none()
    }

    /// The sequence of the first record that is there.
    pub(super) fn first(&self) -> u64 {
        self.segments.values().next().map_or(self.accepted, |kept| kept.first)
    }

    pub(super) fn next(&self) -> u64 {
        self.accepted
    }

    pub(super) fn durable(&self) -> u64 {
        self.tip.mile.sequence
    }

    pub(super) fn written(&self) -> u64 {
        self.active.map_or(self.durable(), |active| active.mile.sequence.max(self.durable()))
    }

    /// Whether a unit can be taken in.
    pub(super) fn admits(
        &self,
        config: &Config,
        records: usize,
        bytes: u64,
        urgent: bool,
    ) -> Result<(), Refused> {
        let cost = (records as u64).saturating_mul(Config::RECORD_COST).saturating_add(bytes);
        match self.failing {
            _ if self.closing => Err(Refused::Closing),
            _ if records == 0 || cost > config.queue_bytes => Err(Refused::Size { bytes: cost }),
            _ if self.full && !(urgent && space::alone(config, cost) <= self.spare) => Err(Refused::Full),
            Some(cause) => Err(Refused::Disk(cause)),
            None if self.cost.saturating_add(cost) > config.queue_bytes => Err(Refused::Overloaded),
            None => Ok(()),
        }
    }

    pub(super) fn append(
        &mut self,
        config: &Config,
        records: Vec<Bytes>,
        urgent: bool,
        out: &mut Vec<Action>,
    ) {
        let bytes = records.iter().map(|record| record.len() as u64).sum();
        if let Err(refused) = self.admits(config, records.len(), bytes, urgent) {
            return out.push(Action::Rejected(refused));
        }
        let unit = Unit { first: self.accepted, records };
        if self.full {
            self.spare = self.spare.saturating_sub(space::alone(config, unit.cost()));
        }
        self.accepted = unit.end();
        self.cost += unit.cost();
        self.queue.push_back(unit);
    }

    pub(super) fn barrier(&mut self, token: u64, out: &mut Vec<Action>) {
        let result = match self.failing {
            _ if self.durable() >= self.accepted => Ok(()),
            Some(cause) => Err(Refused::Disk(cause)),
            None if self.barriers.len() >= BARRIERS => Err(Refused::Overloaded),
            None => return self.barriers.push_back((token, self.accepted)),
        };
        out.push(Action::Barrier { token, result });
    }

    /// The next record begins a segment.
    pub(super) fn roll(&mut self) {
        self.rotate |= self.active.is_some_and(|active| self.accepted > active.first);
    }

    pub(super) fn close(&mut self) {
        self.closing = true;
        if let Some(cause) = self.failing {
            self.closed = Some(Err(cause));
        }
    }

    pub(super) fn timer(&mut self, config: &Config, timer: Timer, out: &mut Vec<Action>) {
        match timer {
            Timer::Sync => {
                self.sync_armed = false;
                self.sync_due = true;
            }
            Timer::Age => {
                self.age_armed = false;
                if self.active.is_some() {
                    out.push(Action::Mark(Mark("segment sealed by age")));
                    self.rotate = true;
                }
            }
            Timer::Retry => {
                self.waiting = false;
                let begins = self.replace || (self.active.is_none() && self.submitted < self.accepted);
                if self.full && !begins {
                    self.want_reserve(config, out);
                }
            }
        }
    }

    /// Starts whatever is to be done next.
    pub(super) fn advance(&mut self, config: &Config, out: &mut Vec<Action>) {
        self.choose(config, out);
        self.clocks(config, out);
    }

    fn choose(&mut self, config: &Config, out: &mut Vec<Action>) {
        if self.closed.is_some() || self.job != Job::None {
            return;
        }
        self.release_next(config, out);
        if self.replace {
            if self.flight.is_none() && self.sync.is_none() && !self.waiting {
                self.retire();
                // With nothing at stake the new segment can wait for the next append.
                self.replace = self.submitted > self.durable();
                if self.replace {
                    return self.begin(config, out);
                }
                self.recover_space(config, out);
            } else {
                return;
            }
        }
        self.opened(config, out);
        self.sweep(config, out);
        if self.sync.is_none() && self.unsynced() && self.sync_wanted(config) {
            self.start_sync(config, out);
        }
        let idle = self.flight.is_none() && self.sync.is_none() && !self.unsynced();
        if self.rotate {
            if !idle {
                return;
            }
            self.retire();
            if self.unsealed.is_some() {
                return self.seal(config, false, out);
            }
        }
        if self.active.is_some() && self.unsealed.is_some() {
            // A segment was replaced without having been sealed; its successor is durable.
            if idle && self.ready() {
                self.seal(config, false, out);
            }
            return;
        }
        if self.submitted < self.accepted {
            if self.active.is_some() {
                return self.write(config, out);
            }
            if self.unsealed.is_some() {
                return self.seal(config, false, out);
            }
            if !self.waiting {
                self.begin(config, out);
            }
            return;
        }
        if self.closing && idle && self.ready() {
            self.retire();
            if self.unsealed.is_some() {
                return self.seal(config, true, out);
            }
            self.closed = Some(Ok(()));
        }
    }

    /// Whether a completed write is not covered by a completed sync.
    fn unsynced(&self) -> bool {
        self.active.is_some_and(|active| {
            Some(active.number) == self.tip.segment && active.mile.group > self.tip.mile.group
        })
    }

    fn sync_wanted(&self, config: &Config) -> bool {
        let weak = match config.policy {
            SyncPolicy::PerGroup | SyncPolicy::Pipelined => true,
            SyncPolicy::EveryRecords { records, .. } => {
                self.written().saturating_sub(self.durable()) >= u64::from(records)
            }
            SyncPolicy::Interval { .. } => false,
        };
        weak || self.sync_due
            || self.closing
            || self.rotate
            || self.unsealed.is_some()
            || self.proof
            || !self.barriers.is_empty()
            || self.cost.saturating_mul(2) >= config.queue_bytes
    }

    fn start_sync(&mut self, config: &Config, out: &mut Vec<Action>) {
        let Some(active) = self.active else { return };
        self.sync = Some(active.mile);
        self.sync_due = false;
        let path = path_of(&config.folder, active.number);
        if mutant!(GroupNotSynced) {
            return self.synced(config, Ok(DiskOk::Done), out);
        }
        out.push(Action::Disk(OP_SYNC, DiskOp::Sync { path, kind: config.kind }));
    }

    /// Takes the answer to a sync.
    pub(super) fn synced(&mut self, config: &Config, result: DiskResult, out: &mut Vec<Action>) {
        let Some(covered) = self.sync.take() else { return };
        if result.is_ok() {
            let later = self.active.filter(|_| mutant!(SyncCoversLaterWrites));
            self.tip.mile = later.map_or(covered, |active| active.mile);
            if self.proof {
                self.proof = false;
            }
            return self.proven(config, out);
        }
        if mutant!(SyncFailureSwallowed) {
            return;
        }
        if mutant!(FailedSyncRetried) {
            return self.start_sync(config, out);
        }
        if mutant!(FailedSyncReadBack)
            && let Some(active) = self.active
        {
            self.sync = Some(covered);
            let path = path_of(&config.folder, active.number);
            let (offset, len) = (self.tip.mile.offset, (covered.offset - self.tip.mile.offset) as u32);
            return out.push(Action::Disk(OP_SYNC, DiskOp::Read { path, offset, len }));
        }
        if mutant!(NumbersUsedAgain) {
            // The records are given up, their bytes stay, and the next ones get their sequences.
            let (from, upto, cause) = (self.durable(), self.accepted, DiskError::Io);
            (self.accepted, self.submitted, self.cost) = (from, from, 0);
            self.queue.clear();
            if let Some(active) = &mut self.active {
                active.mile.sequence = from;
            }
            return out.push(Action::Unknown { from, upto, cause });
        }
        out.push(Action::Mark(Mark("sync failed")));
        self.replace = true;
    }

    /// Takes the answer to a group's write.
    pub(super) fn wrote(&mut self, config: &Config, result: DiskResult, out: &mut Vec<Action>) {
        let (Some(flight), Some(active)) = (self.flight.take(), &mut self.active) else { return };
        match result {
            Ok(DiskOk::Wrote(len)) if len == flight.len => {
                active.mile = flight.mile;
                let (number, mile) = (active.number, active.mile);
                if let Some(kept) = self.segments.get_mut(&number) {
                    (kept.end, kept.len) = (mile.sequence, mile.offset);
                }
                out.push(Action::Written { upto: mile.sequence });
                if mutant!(AckBeforeSync) {
                    out.push(Action::Durable { upto: mile.sequence });
                }
            }
            Ok(DiskOk::Wrote(len)) if mutant!(AppendBehindShortWrite) => {
                // The group is written again, behind what was written of it.
                active.mile.offset = super::format::align(active.mile.offset + u64::from(len), active.sector);
                self.submitted = active.mile.sequence;
            }
            Err(cause) => {
                out.push(Action::Mark(Mark("write failed")));
                self.replace = true;
                if mutant!(ProvenLengthAhead) {
                    self.tip.mile = flight.mile;
                }
                if cause == DiskError::NoSpace {
                    self.filled(config, out);
                }
            }
            Ok(_) => {
                out.push(Action::Mark(Mark("short write")));
                self.replace = true;
            }
        }
    }

    /// `tip` has moved: what follows for those who wait.
    fn proven(&mut self, config: &Config, out: &mut Vec<Action>) {
        let durable = self.durable();
        let before = self.queue.front().map_or(durable, |unit| unit.first);
        while let Some(unit) = self.queue.front().filter(|unit| unit.end() <= durable) {
            self.cost = self.cost.saturating_sub(unit.cost());
            self.queue.pop_front();
        }
        self.unknown = self.unknown.max(durable);
        if durable > before {
            out.push(Action::Durable { upto: durable });
        }
        while let Some((token, _)) = self.barriers.front().copied().filter(|(_, upto)| *upto <= durable) {
            self.barriers.pop_front();
            out.push(Action::Barrier { token, result: Ok(()) });
        }
        self.opened(config, out);
    }

    /// Speaks [`Action::Ready`] when it is due.
    fn opened(&mut self, config: &Config, out: &mut Vec<Action>) {
        if !self.proof
            && self.durable() == self.accepted
            && let Some(opened) = self.opening.take()
        {
            out.push(Action::Ready(opened));
            self.want_reserve(config, out);
        }
    }

    /// Gives up the active segment; it remains to be sealed if it holds proven records.
    fn retire(&mut self) {
        let Some(active) = self.active.take() else { return };
        let mile = self.tip.mile;
        if let Some(kept) = self.segments.get_mut(&active.number) {
            (kept.end, kept.len) = (mile.sequence, mile.offset);
        }
        self.proof = false;
        self.rotate = false;
        if mile.sequence > active.first {
            let free = super::format::align(active.high, active.sector);
            let Active { number, first, file, sector, .. } = active;
            self.unsealed = Some(Unsealed { number, first, mile, free, file, sector });
        }
    }

    /// Too many failures: those who wait are told that nothing is known.
    fn give_up(&mut self, cause: DiskError, out: &mut Vec<Action>) {
        self.failing = Some(cause);
        let (from, upto) = (self.unknown.max(self.durable()), self.accepted);
        // What recovery adopted was not accepted from anybody in this incarnation: nobody waits to hear of it.
        if from < upto && self.ready() {
            out.push(Action::Mark(Mark("outcome unknown")));
            out.push(Action::Unknown { from, upto, cause });
            self.unknown = upto;
        }
        for (token, _) in core::mem::take(&mut self.barriers) {
            out.push(Action::Barrier { token, result: Err(Refused::Disk(cause)) });
        }
        if self.closing {
            self.closed = Some(Err(cause));
        }
    }

    /// Sets the timers that the state calls for.
    fn clocks(&mut self, config: &Config, out: &mut Vec<Action>) {
        let age = match config.policy {
            SyncPolicy::PerGroup | SyncPolicy::Pipelined => None,
            SyncPolicy::EveryRecords { age, .. } | SyncPolicy::Interval { age } => Some(age),
        };
        if let Some(age) = age {
            let wanted = self.unsynced() && self.sync.is_none() && !self.sync_due && !self.replace;
            arm(&mut self.sync_armed, wanted, Timer::Sync, age, out);
        }
        if let Some(age) = config.segment_age {
            let wanted =
                !self.rotate && self.active.is_some_and(|active| active.mile.sequence > active.first);
            arm(&mut self.age_armed, wanted, Timer::Age, age, out);
        }
    }
}

/// Brings a timer into the wanted state.
fn arm(armed: &mut bool, wanted: bool, timer: Timer, age: crate::Dur, out: &mut Vec<Action>) {
    match (*armed, wanted) {
        (false, true) => out.push(Action::Arm(timer, crate::Window::exactly(age))),
        (true, false) => out.push(Action::Disarm(timer)),
        _ => return,
    }
    *armed = wanted;
}

/// The disk said something that is no success.
fn cause_of(result: &DiskResult) -> DiskError {
    result.as_ref().err().copied().unwrap_or(DiskError::Io)
}

/// Whether all of a write was done.
fn all_written(result: &DiskResult, len: u32) -> bool {
    matches!(result, Ok(DiskOk::Wrote(wrote)) if *wrote == len)
}
