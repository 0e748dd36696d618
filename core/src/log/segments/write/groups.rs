//! Encodes queued units into commit groups.

use super::super::books::Unit;
use super::super::format::{FrameKind, GroupHeader, GroupKind, GroupWriter, align, chain};
use super::super::read::{Mile, path_of};
use super::super::{Action, Config, Location, OP_WRITE, SyncPolicy};
use super::{Flight, Writer};
use crate::log::mutants::mutant;
use crate::{DiskOp, Mark};
use alloc::{collections::VecDeque, vec::Vec};
use bytes::Bytes;

/// A buffer of groups for one segment.
pub(super) struct Encoder {
    pub(super) out: Vec<u8>,
    pub(super) places: Vec<Location>,
    /// Where the segment stands after what is in the buffer.
    pub(super) mile: Mile,
    segment: u64,
    first: u64,
    tag: u32,
    sector: u32,
    /// File offset of the buffer's first byte.
    origin: u64,
    /// Groups below this number are durable.
    durable: u64,
}

impl Encoder {
    /// Goes on at `mile` in a segment whose first record is `first`; `out` holds what precedes from `origin` on.
    pub(super) fn new(
        out: Vec<u8>,
        mile: Mile,
        place: (u64, u64),
        tag: u32,
        sector: u32,
        durable: u64,
    ) -> Encoder {
        let origin = mile.offset.saturating_sub(out.len() as u64);
        let (segment, first) = place;
        Encoder { out, places: Vec::new(), mile, segment, first, tag, sector, origin, durable }
    }

    /// Adds a group of some units, which follow each other.
    pub(super) fn group<'a>(&mut self, kind: GroupKind, units: impl Iterator<Item = &'a Unit>) {
        let mut group = GroupWriter::new(&mut self.out, self.segment, self.first, self.origin);
        let first = self.mile.sequence;
        for unit in units {
            let last = unit.records.len().saturating_sub(1);
            for (index, body) in unit.records.iter().enumerate() {
                self.places.push(group.frame(FrameKind::Record, index == last, self.mile.sequence, body));
                self.mile.sequence += 1;
            }
        }
        let header = GroupHeader::draft(kind, self.tag, self.mile.group, self.durable, first);
        let crc = group.finish(header, if mutant!(GroupsNotPadded) { 1 } else { self.sector }, 0);
        self.mile.digest = chain(self.mile.digest, crc);
        self.mile.group += 1;
        self.mile.offset = self.origin + self.out.len() as u64;
    }
}

/// How many units from `from` on make one group.
pub(super) fn batch(config: &Config, queue: &VecDeque<Unit>, from: usize, to: usize) -> usize {
    let (mut records, mut bytes) = (0u64, 0u64);
    let mut count = 0;
    for unit in queue.range(from..to) {
        records += unit.records.len() as u64;
        bytes += unit.records.iter().map(|record| record.len() as u64).sum::<u64>();
        let over = records > config.group_records.into() || bytes > config.group_bytes.into();
        if over && count > 0 {
            break;
        }
        count += 1;
    }
    count
}

impl Writer {
    /// The index of the first unit that is not below a sequence.
    pub(super) fn unit_at(&self, sequence: u64) -> usize {
        self.queue.partition_point(|unit| unit.first < sequence)
    }

    /// Writes the next group, or finds that the segment has no room for it.
    pub(super) fn write(&mut self, config: &Config, out: &mut Vec<Action>) {
        let Some(active) = self.active else { return };
        let serial = config.policy == SyncPolicy::PerGroup;
        if self.flight.is_some() || (serial && (self.sync.is_some() || self.unsynced())) {
            return;
        }
        let from = self.unit_at(self.submitted);
        let count = batch(config, &self.queue, from, self.queue.len());
        let bytes: u64 = self.queue.range(from..from + count).map(Unit::cost).sum();
        let room = Vec::with_capacity(align(bytes + 128, active.sector) as usize);
        let place = (active.number, active.first);
        let tag = self.store_id as u32;
        let mut encoder = Encoder::new(room, active.mile, place, tag, active.sector, self.tip.mile.group);
        encoder.group(GroupKind::Records, self.queue.range(from..from + count));
        if encoder.mile.offset > config.bytes_of(active.number) && active.mile.sequence > active.first {
            out.push(Action::Mark(Mark("segment sealed by size")));
            if mutant!(RollLosesRecord) {
                // The group that did not fit is taken for written: it is in neither segment.
                let lost = encoder.mile.sequence - self.submitted;
                self.queue.drain(from..from + count);
                self.queue.range_mut(from..).for_each(|unit| unit.first -= lost);
                self.accepted -= lost;
            }
            self.rotate = true;
            return self.choose(config, out);
        }
        if count > 1 {
            out.push(Action::Mark(Mark("group of several appends")));
        }
        out.push(Action::Placed { first: self.submitted, at: encoder.places });
        self.submitted = encoder.mile.sequence;
        self.send(config, Bytes::from(encoder.out), encoder.mile, out);
    }

    /// Writes down that everything is durable, so that a restart need not write the end of the log anew.
    pub(super) fn write_proof(&mut self, config: &Config, out: &mut Vec<Action>) {
        let Some(active) = self.active else { return };
        let place = (active.number, active.first);
        let tag = self.store_id as u32;
        let mut encoder =
            Encoder::new(Vec::new(), active.mile, place, tag, active.sector, self.tip.mile.group);
        encoder.group(GroupKind::Proof, [].iter());
        self.send(config, Bytes::from(encoder.out), encoder.mile, out);
    }

    fn send(&mut self, config: &Config, data: Bytes, mile: Mile, out: &mut Vec<Action>) {
        let Some(active) = &mut self.active else { return };
        self.flight = Some(Flight { mile, len: data.len() as u32 });
        let (path, offset) = (path_of(&config.folder, active.number), active.mile.offset);
        active.high = active.high.max(offset + data.len() as u64);
        active.file = active.file.max(active.high);
        out.push(Action::Disk(OP_WRITE, DiskOp::Write { path, offset, data }));
    }
}
