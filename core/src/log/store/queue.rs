//! The appends that wait for their turn. This module decides when the one at the head is judged and carried out, and
//! when an answer may leave; what the judgement says is [`super::append`]'s matter. Invariants: order of arrival; a
//! bounded queue; an answer leaves only when everything that it rests on is proven as promised.

use super::{
    EventStore, Held, Out, Stage,
    append::{Append, Found, Verdict, receipts},
    mark,
    read::{Owner, Reading},
    record::{self, UnitWriter},
    refuse,
};
use crate::{
    Action, CallId, Clock, Mono,
    log::{
        api::{EventId, Filter, Name, Query, Refusal, Response},
        mutants::mutant,
        segments::{self, Location, Refused},
    },
};
use alloc::{boxed::Box, collections::BTreeSet, vec, vec::Vec};
use bytes::Bytes;

/// A call that adds to the log, waiting for its turn.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Job {
    pub(super) call: CallId,
    pub(super) work: Work,
    pub(super) deadline: Option<Mono>,
    /// How many ids are being looked up for it.
    pub(super) looking: usize,
}

#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Work {
    Append(Box<Append>),
    Cursor {
        reader: Name,
        position: u64,
    },
    /// A look-up for it failed.
    Failed(Refusal),
}

/// What an answer that waits rests on.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Basis {
    /// The call's own work.
    Own,
    /// Work that an earlier call with the same key has done.
    Retry,
    /// Work of others.
    Others,
}

/// Whether the head of the queue is dealt with.
enum Turn {
    Over,
    /// For space, or for look-ups that are to be begun.
    Waits,
    /// For look-ups under way.
    Asked,
}

impl Job {
    pub(super) fn bytes(&self) -> u64 {
        match &self.work {
            Work::Append(append) => append.payload_bytes,
            Work::Cursor { .. } | Work::Failed(_) => 0,
        }
    }
}

impl EventStore {
    pub(super) fn enqueue(&mut self, job: Job) -> Result<(), Refusal> {
        let bytes = self.queued_bytes + job.bytes();
        if self.queue.len() >= self.config.queue_requests as usize || bytes > self.config.queue_bytes {
            return Err(Refusal::Overloaded);
        }
        self.queued_bytes = bytes;
        self.queue.push_back(job);
        Ok(())
    }

    /// Deals with the queue as far as it goes now.
    pub(super) fn work_off(&mut self, clock: Clock, out: &mut Out) {
        if !matches!(self.stage, Stage::Ready | Stage::Closing(false)) {
            return;
        }
        while let Some(mut job) = self.queue.pop_front() {
            let late = job.deadline.is_some_and(|deadline| deadline < clock.mono);
            let bytes = job.bytes();
            let turn = match &mut job.work {
                _ if late => {
                    mark(out, "append past its deadline");
                    refuse(out, job.call, Refusal::Deadline);
                    Turn::Over
                }
                _ if job.looking > 0 => Turn::Asked,
                Work::Failed(refusal) => {
                    refuse(out, job.call, refusal.clone());
                    Turn::Over
                }
                Work::Cursor { reader, position } => {
                    self.save_cursor(clock, job.call, reader, *position, out)
                }
                Work::Append(append) => self.append(clock, job.call, append, &mut job.looking, out),
            };
            match turn {
                Turn::Over => self.queued_bytes -= bytes,
                Turn::Asked => {
                    self.queue.push_front(job);
                    return;
                }
                Turn::Waits if job.looking == 0 => {
                    mark(out, "append waited for space in the queue");
                    self.queue.push_front(job);
                    return;
                }
                Turn::Waits => {
                    self.look_up(clock, job, out);
                    if self.queue.front().is_some_and(|job| job.looking > 0) {
                        return;
                    }
                }
            }
        }
        if self.stage == Stage::Closing(false) {
            self.stage = Stage::Closing(true);
            self.tell(clock, segments::Input::Close, out);
        }
    }

    fn append(
        &mut self,
        clock: Clock,
        call: CallId,
        append: &mut Append,
        looking: &mut usize,
        out: &mut Out,
    ) -> Turn {
        match append.judge(&self.history) {
            Verdict::Duplicate(done, changed) => {
                if changed {
                    mark(out, "retry after the guard no longer holds");
                }
                let receipts = receipts(&done.parts, self.config.promise, true);
                self.hold(Some(done.end - 1), call, Response::Appended(receipts), Basis::Retry, out);
            }
            Verdict::Refuse(refusal, position) => {
                if matches!(refusal, Refusal::KeyConflict { .. }) {
                    mark(out, "key used by another request");
                }
                if mutant!(RefusedIsStored)
                    && matches!(refusal, Refusal::WrongExpected { .. })
                    && self.segments.admits(append.records(), append.record_bytes()).is_ok()
                {
                    let carried = append.carry_out(&mut self.history, clock, self.config.dedup_horizon);
                    self.frontiers.accepted = self.history.events;
                    self.tell(
                        clock,
                        segments::Input::Append { records: carried.records, urgent: false },
                        out,
                    );
                }
                self.hold(position, call, Response::Refused(refusal), Basis::Others, out);
            }
            Verdict::Look(ids) => {
                mark(out, "cause looked up in a sealed segment");
                *looking = ids.len();
                append.wanted = ids;
                return Turn::Waits;
            }
            Verdict::Go => {
                match self.segments.admits(append.records(), append.record_bytes()) {
                    Ok(()) => {}
                    Err(Refused::Overloaded) => return Turn::Waits,
                    Err(refused) => {
                        refuse(out, call, not_admitted(refused, self.config.segments.queue_bytes));
                        return Turn::Over;
                    }
                }
                if self.history.clock.ahead_of(clock.wall) {
                    mark(out, "wall clock ran back");
                }
                let carried = append.carry_out(&mut self.history, clock, self.config.dedup_horizon);
                if carried.expired {
                    mark(out, "key expired");
                }
                let receipts = receipts(&carried.parts, self.config.promise, false);
                self.accepted(clock, call, carried.records, Response::Appended(receipts), out);
            }
        }
        Turn::Over
    }

    fn save_cursor(
        &mut self,
        clock: Clock,
        call: CallId,
        reader: &Name,
        position: u64,
        out: &mut Out,
    ) -> Turn {
        let known = self.history.cursors.get(reader).copied();
        let (from, to) = (known.unwrap_or(0), self.frontiers.visible);
        if !(from..=to).contains(&position) {
            refuse(out, call, Refusal::CursorOutOfRange { from, to });
            return Turn::Over;
        }
        let limit = u64::from(self.config.readers);
        let is = self.history.cursors.len() as u64 + 1;
        if known.is_none() && is > limit {
            refuse(out, call, Refusal::Limit { what: "the number of readers", is, limit });
            return Turn::Over;
        }
        let mut writer = UnitWriter::new(reader.as_str().len() + 24, 1);
        record::put_cursor(&mut writer.out, reader, position);
        match self.segments.admits(1, reader.as_str().len() as u64 + 24) {
            Ok(()) => {}
            Err(Refused::Overloaded) => return Turn::Waits,
            Err(refused) => {
                refuse(out, call, not_admitted(refused, self.config.segments.queue_bytes));
                return Turn::Over;
            }
        }
        let mut unit = self.history.open();
        self.history.cursor(&mut unit, writer.current(), Location::default(), reader.clone(), position);
        self.history.close(unit, self.config.dedup_horizon);
        record::put_digest(&mut writer.out, super::hash::short(&self.history.digest));
        writer.end();
        self.accepted(clock, call, writer.finish(), Response::Done, out);
        Turn::Over
    }

    /// Hands a unit that is in the history to the layer below.
    fn accepted(
        &mut self,
        clock: Clock,
        call: CallId,
        records: Vec<Bytes>,
        response: Response,
        out: &mut Out,
    ) {
        self.frontiers.accepted = self.history.events;
        let end = self.history.index.recent.end();
        self.held.entry(end).or_default().push(Held { call, response, basis: Basis::Own });
        self.tell(clock, segments::Input::Append { records, urgent: false }, out);
        self.passed(out);
    }

    /// Asks for the ids that the job at the head must know of.
    fn look_up(&mut self, clock: Clock, mut job: Job, out: &mut Out) {
        let wanted = match &mut job.work {
            Work::Append(append) => core::mem::take(&mut append.wanted),
            Work::Cursor { .. } | Work::Failed(_) => BTreeSet::new(),
        };
        let call = job.call;
        self.queue.push_front(job);
        for id in wanted {
            let filter = Filter::Id(id);
            let query = Query { filter, from: 0, limit: 1, max_bytes: u32::MAX, wait: None };
            self.start_read(clock, Reading::new(Owner::Append(call, id), query, None), out);
        }
    }

    /// Takes the answer of such a look-up.
    pub(super) fn looked_up(&mut self, call: CallId, id: EventId, response: Response) {
        let Some(job) = self.queue.front_mut().filter(|job| job.call == call) else { return };
        job.looking = job.looking.saturating_sub(1);
        match (response, &mut job.work) {
            (Response::Events { events, .. }, Work::Append(append)) => {
                let found = events
                    .first()
                    .map(|event| Found { position: event.position, correlation: event.correlation });
                append.found.insert(id, found);
            }
            (Response::Refused(refusal), _) => {
                self.queued_bytes -= job.bytes();
                job.work = Work::Failed(refusal);
            }
            _ => {}
        }
    }

    /// Answers a call now, or when the event at `position` is proven as promised.
    pub(super) fn hold(
        &mut self,
        position: Option<u64>,
        call: CallId,
        response: Response,
        basis: Basis,
        out: &mut Out,
    ) {
        let unit = position.filter(|position| *position >= self.frontiers.visible);
        let unit = unit.and_then(|position| self.history.index.recent.unit_of(position));
        let Some(end) = unit.map(|unit| unit.end).filter(|end| *end > self.promised) else {
            return out.push(Action::Reply(call, response));
        };
        if basis == Basis::Retry {
            mark(out, "retry before the original is durable");
            if mutant!(RetryAnsweredBeforeDurable) {
                return out.push(Action::Reply(call, response));
            }
        }
        let held = Held { call, response, basis };
        if let Some((upto, cause)) = self.unsure
            && end <= upto
        {
            return held.unknown(cause, out);
        }
        if self.resting >= self.config.waiting_calls as usize {
            return refuse(out, call, Refusal::Overloaded);
        }
        self.resting += 1;
        self.held.entry(end).or_default().push(held);
    }

    /// Sends the answers that rest on records below `upto` only.
    pub(super) fn release(&mut self, upto: u64, out: &mut Out) {
        while let Some(first) = self.held.first_entry() {
            if *first.key() > upto {
                break;
            }
            for held in first.remove() {
                self.resting -= usize::from(held.basis != Basis::Own);
                out.push(Action::Reply(held.call, held.response));
            }
        }
    }

    /// Says of all answers that rest on these records that the outcome is unknown.
    pub(super) fn give_up(&mut self, from: u64, upto: u64, cause: crate::DiskError, out: &mut Out) {
        // What was answered as written is not held any more: the range may lie behind all that is.
        if from >= upto {
            return;
        }
        let mut ends: Vec<u64> = self.held.range(from + 1..=upto).map(|(end, _)| *end).collect();
        if mutant!(UnknownUnanswered) {
            ends = vec![];
        }
        for held in ends.into_iter().filter_map(|end| self.held.remove(&end)).flatten() {
            self.resting -= usize::from(held.basis != Basis::Own);
            mark(out, "outcome unknown to a caller");
            held.unknown(cause, out);
        }
    }

    /// A deadline has come.
    pub(super) fn deadlines(&mut self, clock: Clock, out: &mut Out) {
        let now = clock.mono;
        let due = |job: &Job| job.deadline.is_some_and(|deadline| deadline <= now);
        for job in self.queue.iter().filter(|job| due(job)) {
            mark(out, "append past its deadline");
            refuse(out, job.call, Refusal::Deadline);
            self.queued_bytes -= job.bytes();
        }
        self.queue.retain(|job| !due(job));
        let due = |read: &Reading| read.deadline.is_some_and(|deadline| deadline <= now);
        let parked = self.parked.iter().copied();
        let reads: Vec<u64> = parked.filter(|number| self.reads.get(number).is_some_and(due)).collect();
        for number in reads {
            self.parked.remove(&number);
            if let Some(mut read) = self.reads.remove(&number) {
                let response = read.answer(self.frontiers.visible);
                self.finish(read.owner, response, out);
            }
        }
        for call in self.subscriptions.due(now) {
            out.push(Action::Reply(call, Response::Notified { positions: Vec::new(), missed: None }));
        }
    }

    /// How many more questions to the disk may be asked.
    pub(super) fn free_fetches(&self) -> usize {
        (self.config.fetches as usize).saturating_sub(self.fetches.len())
    }
}

impl Held {
    fn unknown(self, cause: crate::DiskError, out: &mut Out) {
        let refusal = match self.basis {
            Basis::Own | Basis::Retry => Refusal::Unknown { cause },
            Basis::Others => Refusal::Disk { cause },
        };
        refuse(out, self.call, refusal);
    }
}

fn not_admitted(refused: Refused, limit: u64) -> Refusal {
    match refused {
        Refused::NotReady => Refusal::Recovering,
        Refused::Overloaded => Refusal::Overloaded,
        Refused::Full => Refusal::Full,
        Refused::Disk(cause) => Refusal::Disk { cause },
        Refused::Closing => Refusal::Closing,
        Refused::Size { bytes } => {
            Refusal::Limit { what: "the size of a request in bytes", is: bytes, limit }
        }
    }
}
