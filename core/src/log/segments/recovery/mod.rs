//! Recovery: from whatever bytes the folder holds to the one log that they prove, or to a refusal.
//!
//! What it decides, in order: which segment is the last that has *begun* ([`chain`]); that every predecessor which a
//! header names is there and is what the header says; which records there are, and from where on they are unproven
//! ([`replay`]). It changes nothing on the disk but to remove files that never became part of the log; writing the
//! unproven records anew is the writer's work.
//!
//! What it relies on:
//!
//! - A header's statement on its predecessor, and a group's on what was durable before it, were true when written:
//!   they hold wherever they are read from, durable or not.
//! - A group of kind *records* or *proof* is written after its segment's header and name were made durable. So an
//!   intact one shows that the segment must exist; groups of kind *carried* show nothing, and a segment whose
//!   carried groups are not all intact never began.
//! - Nothing that is merely readable is durable: after a kill it may be in the cache only.
//! - A folder with anything in it has a durable name: nothing is put into it before.
//!
//! Reading goes chunk by chunk, each byte once, apart from a second look at the carried groups and at a broken tail. What
//! looks damaged is read once more before anything follows from it: a device may have read from elsewhere.

mod chain;
mod replay;

use super::books::{Findings, Kept, Tip, Unsealed};
use super::format::{Seal, SegmentHeader};
use super::read::{Bad, Cursor, Doubt, Group, Probe, Pull, path_of};
use super::{Action, Config, OP_MAIN, Timer};
use crate::log::api::{Damage, Recovered};
use crate::log::mutants::mutant;
use crate::{DiskError, DiskOk, DiskOp, DiskResult, Mark, Path};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    format,
    string::ToString,
    vec::Vec,
};
use bytes::Bytes;

/// How it goes on.
pub(super) enum Outcome {
    /// It waits for an operation, a timer or a verdict.
    Pending,
    /// The log is known.
    Done(Box<Findings>, Recovered),
    /// The log cannot be known.
    Refused(Damage),
}

/// A segment of the chain.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Link {
    header: SegmentHeader,
    /// The digest that it starts with.
    digest: u32,
    /// Length of the file.
    len: u64,
}

#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Step {
    List,
    /// An empty folder is no proof that its name is durable: the sync may have failed in an earlier life, and then no
    /// later one makes up for it. It is made anew.
    Unmake,
    Folder,
    FolderName,
    /// Reads the header of the highest segment that is not ruled out.
    Head(Pull),
    /// Checks that its carried groups are there.
    Carried(Link, Cursor),
    /// They are not, or the header is not: it never began, unless a group shows that it was in use.
    Judge(Probe, u64),
    /// Reads the headers of the predecessors.
    Walk(Pull),
    Trailer(usize, Pull),
    Seal(usize, u64, Pull),
    Verdict(usize, Seal),
    Replay(usize, Cursor),
    /// Looks at what follows the last intact group.
    Tail(Cursor, Probe, Bad),
    Remove(Vec<u64>),
    Finished,
}

/// A recovery on its way.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Recovery {
    step: Step,
    /// How often the current operation has failed.
    tries: u32,
    waiting: bool,
    doubt: Doubt,
    /// Files by number, with their lengths.
    files: BTreeMap<u64, u64>,
    /// Segments that never began.
    torn: Vec<u64>,
    /// First to last, once it is complete.
    chain: Vec<Link>,
    kept: BTreeMap<u64, Kept>,
    /// Groups of the last segment that are not proven, oldest first.
    held: VecDeque<Group>,
    /// All groups below this number are proven.
    durable: u64,
    /// Whether the last segment's header is proven.
    in_use: bool,
    /// The last segment's seal, if it has one.
    seal: Option<Seal>,
    /// What follows from the last segment's seal or end.
    end: Option<(Tip, Option<Unsealed>)>,
    report: Recovered,
}

impl Recovery {
    pub(super) fn new() -> Recovery {
        Recovery {
            step: Step::List,
            tries: 0,
            waiting: false,
            doubt: Doubt::default(),
            files: BTreeMap::new(),
            torn: Vec::new(),
            chain: Vec::new(),
            kept: BTreeMap::new(),
            held: VecDeque::new(),
            durable: 0,
            in_use: false,
            seal: None,
            end: None,
            report: Recovered::default(),
        }
    }

    /// Starts, or goes on after a pause.
    pub(super) fn resume(&mut self, config: &Config, out: &mut Vec<Action>) -> Outcome {
        self.waiting = false;
        self.ask(config, out)
    }

    /// Whether the timer was armed.
    pub(super) fn waits(&self) -> bool {
        self.waiting
    }

    /// Takes the answer to the operation on its way.
    pub(super) fn disk(&mut self, config: &Config, result: DiskResult, out: &mut Vec<Action>) -> Outcome {
        let cause = match (&self.step, result) {
            (Step::Remove(_), _) => return self.after(config, Bytes::new(), Vec::new(), out),
            (Step::List, Ok(DiskOk::Listing(entries))) => {
                return self.after(config, Bytes::new(), entries, out);
            }
            (Step::List, Err(DiskError::NotFound)) if config.folder != Path::root() => {
                self.step = Step::Folder;
                return self.ask(config, out);
            }
            (Step::Unmake, Err(DiskError::NotFound))
            | (Step::Unmake | Step::Folder | Step::FolderName, Ok(_)) => {
                return self.after(config, Bytes::new(), Vec::new(), out);
            }
            (Step::FolderName, Err(cause)) => {
                if !mutant!(FolderSyncRetried) {
                    self.step = Step::Unmake;
                }
                cause
            }
            (_, Ok(DiskOk::Read(data))) if !data.is_empty() => {
                return self.after(config, data, Vec::new(), out);
            }
            (Step::List, Err(_)) if mutant!(ListErrorSwallowed) => {
                return self.after(config, Bytes::new(), Vec::new(), out);
            }
            (_, Err(cause)) => cause,
            (_, Ok(_)) => DiskError::Io,
        };
        self.tries += 1;
        if self.tries >= config.attempts {
            let (file, offset) = match self.op(config) {
                Some(DiskOp::Read { path, offset, .. }) => (path, offset),
                op => (op.map_or(Path::root(), |op| op.path().clone()), 0),
            };
            let what = format!("cannot be read: {cause}");
            return Outcome::Refused(Damage { file: file.as_str().to_string(), offset, what });
        }
        self.waiting = true;
        out.push(Action::Arm(Timer::Retry, config.retry));
        Outcome::Pending
    }

    /// Whether a footer was used.
    pub(super) fn verdict(
        &mut self,
        config: &Config,
        segment: u64,
        used: bool,
        out: &mut Vec<Action>,
    ) -> Outcome {
        let Step::Verdict(index, seal) = self.step.clone() else { return Outcome::Pending };
        let Some(link) = self.chain.get(index).copied().filter(|link| link.header.number == segment) else {
            return Outcome::Pending;
        };
        let outcome = match used {
            true => Ok(self.take_seal(config, index, link, seal, out)),
            false => Ok(self.replay(index, link)),
        };
        self.go(config, outcome, out)
    }

    /// The operation that the current step needs; `None`: it needs none.
    fn op(&self, config: &Config) -> Option<DiskOp> {
        match &self.step {
            Step::Unmake => Some(DiskOp::Remove(config.folder.clone())),
            Step::Folder => Some(DiskOp::CreateDir(config.folder.clone())),
            Step::FolderName => Some(DiskOp::SyncDir(config.folder.parent())),
            Step::List => Some(DiskOp::List(config.folder.clone())),
            Step::Head(pull) | Step::Walk(pull) | Step::Trailer(_, pull) | Step::Seal(_, _, pull) => {
                pull.want(config)
            }
            Step::Carried(_, cursor) | Step::Replay(_, cursor) => Some(cursor.want(config)),
            Step::Judge(probe, _) | Step::Tail(_, probe, _) => probe.want(config),
            Step::Remove(numbers) => {
                numbers.last().map(|number| DiskOp::Remove(path_of(&config.folder, *number)))
            }
            Step::Verdict(..) | Step::Finished => None,
        }
    }

    fn ask(&mut self, config: &Config, out: &mut Vec<Action>) -> Outcome {
        if let Some(op) = self.op(config) {
            out.push(Action::Disk(OP_MAIN, op));
        }
        Outcome::Pending
    }

    /// Takes a step's result and goes on until the next operation.
    fn after(
        &mut self,
        config: &Config,
        data: Bytes,
        entries: Vec<crate::disk::Entry>,
        out: &mut Vec<Action>,
    ) -> Outcome {
        // Whoever makes a folder over and over gets nowhere.
        if !matches!(self.step, Step::Unmake | Step::Folder) {
            self.tries = 0;
        }
        let outcome = match core::mem::replace(&mut self.step, Step::Finished) {
            Step::List if entries.is_empty() && config.folder != Path::root() => Ok(Step::Unmake),
            Step::Unmake => Ok(Step::Folder),
            Step::Folder if !mutant!(FolderNameNotSynced) => Ok(Step::FolderName),
            Step::List | Step::Folder | Step::FolderName => Ok(self.listed(config, entries, out)),
            Step::Head(mut pull) => {
                pull.feed(data);
                if pull.want(config).is_some() { Ok(Step::Head(pull)) } else { self.head(config, pull, out) }
            }
            Step::Carried(link, mut cursor) => {
                cursor.feed(data);
                self.carried(config, link, cursor, out)
            }
            Step::Judge(mut probe, from) => {
                probe.feed(&data);
                if probe.want(config).is_some() {
                    Ok(Step::Judge(probe, from))
                } else {
                    self.judged(config, &probe, from, out)
                }
            }
            Step::Walk(mut pull) => {
                pull.feed(data);
                if pull.want(config).is_some() {
                    Ok(Step::Walk(pull))
                } else {
                    self.walked(config, pull, out)
                }
            }
            Step::Trailer(index, mut pull) => {
                pull.feed(data);
                if pull.want(config).is_some() {
                    Ok(Step::Trailer(index, pull))
                } else {
                    self.trailer(index, pull, config)
                }
            }
            Step::Seal(index, at, mut pull) => {
                pull.feed(data);
                if pull.want(config).is_some() {
                    Ok(Step::Seal(index, at, pull))
                } else {
                    self.seal(config, index, at, pull, out)
                }
            }
            Step::Replay(index, mut cursor) => {
                cursor.feed(data);
                self.groups(config, index, cursor, out)
            }
            Step::Tail(cursor, mut probe, bad) => {
                probe.feed(&data);
                if probe.want(config).is_some() {
                    Ok(Step::Tail(cursor, probe, bad))
                } else {
                    self.tail(config, cursor, &probe, bad, out)
                }
            }
            Step::Remove(mut numbers) => {
                numbers.pop();
                Ok(Step::Remove(numbers))
            }
            step @ (Step::Verdict(..) | Step::Finished) => Ok(step),
        };
        self.go(config, outcome, out)
    }

    /// Goes on through steps that need no operation.
    fn go(&mut self, config: &Config, next: Result<Step, Damage>, out: &mut Vec<Action>) -> Outcome {
        let mut next = next;
        loop {
            match next {
                Err(damage) => return Outcome::Refused(damage),
                Ok(step) => self.step = step,
            }
            if matches!(self.step, Step::Verdict(..)) || self.op(config).is_some_and(|op| !is_empty(&op)) {
                return self.ask(config, out);
            }
            // An empty range: the step already has all that it can get.
            next = match core::mem::replace(&mut self.step, Step::Finished) {
                Step::Head(pull) => self.head(config, pull, out),
                Step::Carried(link, cursor) => self.carried(config, link, cursor, out),
                Step::Judge(probe, from) => self.judged(config, &probe, from, out),
                Step::Walk(pull) => self.walked(config, pull, out),
                Step::Replay(index, cursor) => self.groups(config, index, cursor, out),
                Step::Tail(cursor, probe, bad) => self.tail(config, cursor, &probe, bad, out),
                Step::Trailer(index, pull) => self.trailer(index, pull, config),
                Step::Seal(index, at, pull) => self.seal(config, index, at, pull, out),
                Step::Remove(_) | Step::Finished => return self.finish(config),
                step => Ok(step),
            };
        }
    }

    /// What the writer starts from.
    fn finish(&mut self, config: &Config) -> Outcome {
        let highest = self.files.keys().next_back().copied();
        let last = self.chain.last().copied();
        let (tip, unsealed) = self.end.take().unwrap_or_default();
        let adopted = replay::units(core::mem::take(&mut self.held));
        let left_over = self.left_over();
        let mut superseded: Vec<u64> = self.idle();
        let mut report = core::mem::take(&mut self.report);
        if let Some(last) = last.filter(|_| !self.in_use) {
            superseded.push(last.header.number);
        } else {
            superseded.clear();
        }
        report.segments = self.chain.len() as u32;
        report.events = last.and_then(|last| self.kept.get(&last.header.number)).map_or(0, |kept| kept.end);
        let findings = Findings {
            store_id: last.map_or(config.store_id, |last| last.header.store_id),
            epoch: last.map_or(1, |last| last.header.epoch.saturating_add(1)),
            highest,
            segments: core::mem::take(&mut self.kept),
            tip,
            adopted,
            unsealed,
            superseded,
            left_over,
        };
        Outcome::Done(Box::new(findings), report)
    }

    /// Files that are not part of the chain, though segments that never began are not among them.
    fn idle(&self) -> Vec<u64> {
        let linked = |number: &u64| self.chain.iter().any(|link| link.header.number == *number);
        let front = self.front();
        let files = self.files.keys().copied().filter(|number| *number >= front);
        files.filter(|number| !linked(number) && !self.torn.contains(number)).collect()
    }

    /// The first segment, if others before it were released; otherwise 0.
    fn front(&self) -> u64 {
        let first = self.chain.first().filter(|first| first.header.prev.is_some());
        first.map_or(0, |first| first.header.number)
    }

    /// Files before the first segment: what could not be removed in an earlier life. They are left alone until the store
    /// above has found the log to its liking, and appends to it.
    fn left_over(&self) -> Vec<u64> {
        self.files.keys().copied().filter(|number| *number < self.front()).collect()
    }

    /// Removes what is of no use, now that the log is known.
    fn clean(&mut self, config: &Config, out: &mut Vec<Action>) -> Step {
        let mut numbers = self.torn.clone();
        // A file that was passed over may be the only durable copy for as long as the last segment is not durable.
        if self.in_use {
            numbers.extend(self.idle());
        }
        let name = |number: &u64| path_of(&config.folder, *number).as_str().to_string();
        self.report.removed = numbers.iter().map(name).collect();
        if !numbers.is_empty() {
            out.push(Action::Mark(Mark("segment that never began removed")));
        }
        Step::Remove(numbers)
    }
}

/// Whether the operation has nothing to do.
fn is_empty(op: &DiskOp) -> bool {
    matches!(op, DiskOp::Read { len: 0, .. })
}

/// Damage of a segment.
fn damage(config: &Config, segment: u64, offset: u64, what: &str) -> Damage {
    Damage { file: path_of(&config.folder, segment).as_str().to_string(), offset, what: what.to_string() }
}
