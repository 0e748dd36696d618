//! Begins a segment: for the first record, behind a sealed segment, in place of one that failed, and for records
//! that recovery adopted. One way for all: a new name, the header together with whatever must be carried over, a
//! sync of the file, a sync of the folder; only then does it count.
//!
//! A try that fails leaves a file that never begins (or holds nothing but what the next try carries as well). The
//! next try takes a new name: a name or a file of which a sync failed is never trusted again. Only where there was no
//! space for the first bytes, and no sync was asked for, does it write all of them again into the same file: a disk
//! that is full for long must not gather files.

use super::super::format::{GroupKind, SegmentHeader};
use super::super::read::{Mile, path_of};
use super::super::{Action, Config, OP_MAIN, OP_SWEEP, Timer};
use super::groups::{Encoder, batch};
use super::{Active, Job, Kept, Tip, Writer, all_written, cause_of};
use crate::log::mutants::mutant;
use crate::{DiskError, DiskOp, DiskResult, Mark};
use alloc::vec::Vec;
use bytes::Bytes;

#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Stage {
    Create,
    Allocate,
    Write { len: u32 },
    Sync,
    SyncDir,
}

/// A try to begin a segment.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Begin {
    number: u64,
    stage: Stage,
    /// Where the segment stands when it has begun.
    mile: Mile,
    /// Space that was reserved.
    allocated: u64,
    /// A sync of the folder has failed since the name was asked for.
    doubted: bool,
}

impl Writer {
    /// Starts a try.
    pub(super) fn begin(&mut self, config: &Config, out: &mut Vec<Action>) {
        if let Some((number, there)) = self.half.take() {
            let (data, mile) = self.beginning(config, number, out);
            let len = data.len() as u32;
            // Bytes of the last try must not remain behind those of this one.
            if len >= there {
                let stage = Stage::Write { len };
                self.job = Job::Begin(Begin { number, stage, mile, allocated: 0, doubted: false });
                let path = path_of(&config.folder, number);
                return out.push(Action::Disk(OP_MAIN, DiskOp::Write { path, offset: 0, data }));
            }
            self.garbage.push(number);
        }
        let number = match self.highest {
            Some(highest) if mutant!(HalfMadeSegmentWedges) && self.tries > 0 => highest,
            Some(highest) => highest.saturating_add(1),
            None => 0,
        };
        self.highest = Some(number);
        let begin =
            Begin { number, stage: Stage::Create, mile: Mile::default(), allocated: 0, doubted: false };
        self.job = Job::Begin(begin);
        out.push(Action::Disk(OP_MAIN, DiskOp::Create(path_of(&config.folder, number))));
    }

    /// Takes the answer to one of its operations.
    pub(super) fn begin_step(
        &mut self,
        config: &Config,
        mut begin: Begin,
        result: DiskResult,
        out: &mut Vec<Action>,
    ) {
        let path = path_of(&config.folder, begin.number);
        let done = match begin.stage {
            Stage::Write { len } => all_written(&result, len),
            // Space that cannot be reserved may still be there when it is needed.
            Stage::Allocate => true,
            // The sync that has failed had the news of this name.
            Stage::SyncDir => result.is_ok() && !begin.doubted,
            _ => result.is_ok(),
        };
        if !done {
            return self.begin_failed(config, begin, result, out);
        }
        let op = match begin.stage {
            Stage::Create if config.preallocate => {
                begin.stage = Stage::Allocate;
                DiskOp::Allocate { path, len: config.bytes_of(begin.number) }
            }
            Stage::Create | Stage::Allocate => {
                if begin.stage == Stage::Allocate && result.is_ok() {
                    begin.allocated = config.bytes_of(begin.number);
                }
                let (data, mile) = self.beginning(config, begin.number, out);
                begin.stage = Stage::Write { len: data.len() as u32 };
                begin.mile = mile;
                DiskOp::Write { path, offset: 0, data }
            }
            Stage::Write { .. } if mutant!(SegmentNotSynced) => {
                begin.stage = Stage::SyncDir;
                DiskOp::SyncDir(config.folder.clone())
            }
            Stage::Write { .. } => {
                begin.stage = Stage::Sync;
                DiskOp::Sync { path, kind: config.kind }
            }
            Stage::Sync if mutant!(SegmentNameNotSynced) => return self.begun(config, begin, out),
            Stage::Sync => {
                begin.stage = Stage::SyncDir;
                DiskOp::SyncDir(config.folder.clone())
            }
            Stage::SyncDir => return self.begun(config, begin, out),
        };
        self.job = Job::Begin(begin);
        out.push(Action::Disk(OP_MAIN, op));
    }

    /// The first bytes of a segment: its header, and the records that must be carried over.
    fn beginning(&mut self, config: &Config, number: u64, out: &mut Vec<Action>) -> (Bytes, Mile) {
        let Tip { mile: tip, .. } = self.tip;
        let header = SegmentHeader {
            store_id: self.store_id,
            number,
            epoch: self.epoch,
            first: tip.sequence,
            group: tip.group,
            carried: self.submitted.saturating_sub(tip.sequence),
            prev: self.tip.prev(),
            sector: config.sector,
        };
        let (data, digest) = header.encode();
        let mile = Mile { offset: header.len(), group: tip.group, sequence: tip.sequence, digest };
        let place = (number, tip.sequence);
        let mut encoder = Encoder::new(data, mile, place, header.tag(), config.sector, tip.group);
        let (mut from, to) = (self.unit_at(tip.sequence), self.unit_at(self.submitted));
        while from < to {
            let count = batch(config, &self.queue, from, to).max(1);
            encoder.group(GroupKind::Carried, self.queue.range(from..from + count));
            from += count;
        }
        if !encoder.places.is_empty() {
            out.push(Action::Placed { first: tip.sequence, at: encoder.places });
        }
        (Bytes::from(encoder.out), encoder.mile)
    }

    fn begin_failed(&mut self, config: &Config, begin: Begin, result: DiskResult, out: &mut Vec<Action>) {
        let cause = cause_of(&result);
        self.job = Job::None;
        self.tries = self.tries.saturating_add(1);
        match begin.stage {
            _ if mutant!(HalfMadeSegmentWedges) => {}
            // A name that was taken is somebody else's file.
            _ if cause == DiskError::Exists => {}
            Stage::Write { len } if (cause == DiskError::NoSpace || result.is_ok()) && !begin.doubted => {
                self.half = Some((begin.number, len));
            }
            _ => self.garbage.push(begin.number),
        }
        out.push(Action::Mark(Mark("beginning of a segment failed")));
        if begin.stage == Stage::SyncDir && result.is_err() {
            out.push(Action::NamesDoubted);
        }
        let freed = cause == DiskError::NoSpace && self.filled(config, out);
        if self.tries >= config.attempts {
            self.give_up(cause, out);
        }
        self.waiting = true;
        if !freed {
            out.push(Action::Arm(Timer::Retry, config.retry));
        }
    }

    /// A sync of the folder has failed that was not the one of a segment that begins.
    pub(in super::super) fn doubt_names(&mut self) {
        if let Job::Begin(begin) = &mut self.job {
            begin.doubted = true;
        }
        if let Some((number, _)) = self.half.take() {
            self.garbage.push(number);
        }
    }

    /// The segment, its contents and its name are durable.
    fn begun(&mut self, config: &Config, begin: Begin, out: &mut Vec<Action>) {
        let Begin { number, mile, allocated, .. } = begin;
        let first = self.tip.mile.sequence;
        self.job = Job::None;
        if self.opening.is_some() {
            out.push(Action::Mark(Mark("adopted tail rewritten")));
        } else if self.replace {
            out.push(Action::Mark(Mark("segment replaced")));
        }
        if let Some(kept) = self.tip.segment.and_then(|number| self.segments.get_mut(&number)) {
            (kept.end, kept.len) = (first, self.tip.mile.offset);
        }
        for number in core::mem::take(&mut self.superseded) {
            self.segments.remove(&number);
            self.garbage.push(number);
        }
        let high = mile.offset;
        let file = allocated.max(high);
        self.active = Some(Active { number, first, mile, high, file, sector: config.sector });
        self.segments.insert(number, Kept { first, end: mile.sequence, len: high, file: 0 });
        self.tip = Tip { segment: Some(number), mile };
        self.replace = false;
        self.tries = 0;
        if mile.sequence > first {
            out.push(Action::Written { upto: mile.sequence });
        }
        self.proven(config, out);
        if self.failing.take().is_some() && !self.full {
            out.push(Action::Space);
        }
        self.recover_space(config, out);
        if self.proof {
            self.write_proof(config, out);
        }
    }

    /// Removes a file that does not count, one at a time.
    pub(super) fn sweep(&mut self, config: &Config, out: &mut Vec<Action>) {
        // Until a segment has begun in this incarnation, a file that failed may be as good as any.
        if self.sweeping || self.active.is_none() {
            return;
        }
        if let Some(number) = self.garbage.pop() {
            self.sweeping = true;
            out.push(Action::Disk(OP_SWEEP, DiskOp::Remove(path_of(&config.folder, number))));
        }
    }

    /// A removal is over; what could not be removed is left to the next recovery.
    pub(in super::super) fn swept(&mut self) {
        self.sweeping = false;
    }
}
