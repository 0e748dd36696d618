//! A flush: some records of a partition from the log into a file. See the pool's module for its steps. It decides which file
//! takes them, and gives a file up on the first failure.

use super::super::catalogue::{File, PartitionId, Span};
use super::super::journal::Then;
use super::super::mutants::mutant;
use super::super::record::{self, Record};
use super::super::{Broker, Out, mark};
use super::format::{self, Name};
use super::{Growing, OP_FLUSH, OP_NAMES, TOKENS};
use crate::log::segments::{self, FetchError};
use crate::{Clock, DiskError, DiskOk, DiskOp, DiskResult, Mono, Wall};
use alloc::vec::Vec;
use bytes::Bytes;

/// A flush on its way.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Flush {
    pub(super) partition: PartitionId,
    /// What it takes.
    spans: Vec<Span>,
    /// How many of them are in `data`.
    gathered: usize,
    data: Vec<u8>,
    step: Step,
    /// The file, and what counts of it; 0: it is a new one.
    number: u64,
    len: u64,
    /// Where it ends with this.
    to: u64,
    /// When the file was begun.
    since: Mono,
    /// A sync of the folder has failed since the file was created: no later one tells whether its name is durable.
    doubtful: bool,
}

#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Step {
    Gather,
    Create,
    Write {
        len: u32,
    },
    Sync,
    Name,
    /// The log is to say it.
    Tell,
}

impl Flush {
    fn is_new(&self) -> bool {
        self.len == 0
    }
}

impl Broker {
    /// Starts to flush a partition.
    pub(super) fn begin_flush(&mut self, clock: Clock, partition: PartitionId, out: &mut Out) {
        let config = &self.config.pool;
        let Some(of) = self.catalogue.partition_mut(partition) else { return };
        let Some(first) = of.undrained().next().copied() else { return };
        let cost = |span: &Span| u64::from(span.at.len) + 16;
        let mut growing = self.pool.open.get(&partition).copied();
        if growing.is_some_and(|growing| growing.len + cost(&first) > config.segment_bytes) {
            mark(out, "a file of the pool is full");
            growing = None;
        }
        if growing.is_some_and(|growing| clock.mono.since(growing.since) >= config.segment_age) {
            mark(out, "a file of the pool is too old");
            growing = None;
        }
        let mut bytes = growing.map_or(0, |growing| growing.len);
        let mut spans = Vec::new();
        for span in of.undrained() {
            bytes += cost(span);
            if bytes > config.segment_bytes && !spans.is_empty() {
                break;
            }
            spans.push(*span);
        }
        let Growing { number, len, since } =
            growing.unwrap_or(Growing { number: of.next_file, len: 0, since: clock.mono });
        of.next_file = of.next_file.max(number.saturating_add(1));
        self.pool.open.remove(&partition);
        let data = match len {
            0 => format::header(Name { partition, number }, self.pool.store_id, self.config.segments.sector),
            _ => Vec::new(),
        };
        let slot = super::free(&self.pool.flushes);
        let step = Step::Gather;
        let (gathered, to, doubtful) = (0, len, false);
        let flush = Flush { partition, spans, gathered, data, step, number, len, to, since, doubtful };
        self.pool.flushes.insert(slot, flush);
        self.gather(clock, slot, out);
    }

    /// Takes records that are in memory, up to one that has to be fetched.
    fn gather(&mut self, clock: Clock, slot: u32, out: &mut Out) {
        loop {
            let Some(flush) = self.pool.flushes.get_mut(&slot) else { return };
            let Some(span) = flush.spans.get(flush.gathered) else { return self.gathered(slot, out) };
            let Some(batch) = self.tail.get(flush.partition, span.first) else {
                mark(out, "drained messages fetched from the log");
                let token = TOKENS + u64::from(slot);
                let at = span.at;
                return self.tell(clock, segments::Input::Fetch { token, at }, out);
            };
            let body = record::messages(flush.partition, batch);
            flush.take(&body, self.config.segments.sector);
        }
    }

    /// A record was fetched.
    pub(in super::super) fn flush_fetched(
        &mut self,
        clock: Clock,
        slot: u32,
        result: Result<segments::Record, FetchError>,
        out: &mut Out,
    ) {
        let Some(flush) = self.pool.flushes.get_mut(&slot) else { return };
        let wanted = flush.spans.get(flush.gathered).map(|span| span.sequence);
        match result {
            Ok(record) if Some(record.sequence) == wanted => {
                flush.take(&record.body, self.config.segments.sector);
                self.gather(clock, slot, out);
            }
            _ => self.abandon(slot, out),
        }
    }

    /// Everything is there: to the file.
    fn gathered(&mut self, slot: u32, out: &mut Out) {
        let Some(flush) = self.pool.flushes.get_mut(&slot) else { return };
        let origin = flush.len;
        format::pad(&mut flush.data, origin, self.config.segments.sector);
        flush.to = flush.len + flush.data.len() as u64;
        flush.step = if flush.is_new() { Step::Create } else { Step::Write { len: flush.data.len() as u32 } };
        self.ask_flush(slot, out);
    }

    /// Asks for the operation of a flush's step.
    fn ask_flush(&mut self, slot: u32, out: &mut Out) {
        let Some(flush) = self.pool.flushes.get_mut(&slot) else { return };
        let name = Name { partition: flush.partition, number: flush.number };
        let (step, offset) = (flush.step, flush.len);
        let data = match step {
            Step::Write { .. } => Bytes::from(core::mem::take(&mut flush.data)),
            _ => Bytes::new(),
        };
        let path = self.path(name);
        let op = match step {
            Step::Create => DiskOp::Create(path),
            Step::Write { .. } => DiskOp::Write { path, offset, data },
            Step::Sync => DiskOp::Sync { path, kind: self.config.segments.kind },
            Step::Name => {
                self.pool.named.push(slot);
                return self.sync_names(out);
            }
            Step::Gather | Step::Tell => return,
        };
        Self::ask_disk(OP_FLUSH + slot, op, out);
    }

    /// Takes the answer to an operation of a flush.
    pub(super) fn flush_step(&mut self, _: Clock, slot: u32, result: DiskResult, out: &mut Out) {
        let gone = |broker: &Broker, flush: &Flush| broker.catalogue.partition(flush.partition).is_none();
        let Some(flush) = self.pool.flushes.get(&slot) else { return };
        if gone(self, flush) {
            return self.abandon(slot, out);
        }
        let Some(flush) = self.pool.flushes.get_mut(&slot) else { return };
        flush.step = match (flush.step, result) {
            (Step::Create, Ok(_)) => Step::Write { len: flush.data.len() as u32 },
            // An old file that could not be removed: the next number is free, or the one after it.
            (Step::Create, Err(DiskError::Exists)) => return self.abandon(slot, out),
            (Step::Write { len }, Ok(DiskOk::Wrote(wrote))) if wrote == len => {
                if mutant!(DrainedBeforeSync) {
                    return self.tell_drained(slot);
                }
                Step::Sync
            }
            (Step::Sync, Ok(_)) if flush.is_new() => Step::Name,
            (Step::Sync, Ok(_)) => return self.tell_drained(slot),
            _ => return self.abandon(slot, out),
        };
        self.ask_flush(slot, out);
    }

    /// Makes the names of new files durable: one sync for all that are there.
    fn sync_names(&mut self, out: &mut Out) {
        if self.pool.naming.is_some() || self.pool.named.is_empty() {
            return;
        }
        let slots = core::mem::take(&mut self.pool.named);
        if slots.len() > 1 {
            mark(out, "names of several files synced at once");
        }
        self.pool.naming = Some(slots);
        Self::ask_disk(OP_NAMES, DiskOp::SyncDir(self.config.pool.folder.clone()), out);
    }

    /// Takes the answer to a sync of the folder.
    pub(super) fn names_synced(&mut self, result: &DiskResult, out: &mut Out) {
        let slots = self.pool.naming.take().unwrap_or_default();
        if result.is_err() {
            for flush in self.pool.flushes.values_mut().filter(|flush| flush.is_new()) {
                flush.doubtful |= flush.step != Step::Gather;
            }
        }
        for slot in slots {
            match self.pool.flushes.get(&slot).is_some_and(|flush| !flush.doubtful) {
                true => self.tell_drained(slot),
                false => self.abandon(slot, out),
            }
        }
        let doubtful = |slot: &u32| self.pool.flushes.get(slot).is_none_or(|flush| flush.doubtful);
        let (bad, good) = core::mem::take(&mut self.pool.named).into_iter().partition(doubtful);
        self.pool.named = good;
        let bad: Vec<u32> = bad;
        bad.into_iter().for_each(|slot| self.abandon(slot, out));
        self.sync_names(out);
    }

    /// What was flushed is durable: the log is to say so.
    fn tell_drained(&mut self, slot: u32) {
        let Some(flush) = self.pool.flushes.get_mut(&slot) else { return };
        flush.step = Step::Tell;
        let partition = flush.partition;
        let (Some(first), Some(last)) = (flush.spans.first(), flush.spans.last()) else { return };
        let mut end = last.end();
        if mutant!(DrainedAhead) {
            end = self.catalogue.partition(partition).map_or(end, |of| of.end);
        }
        let file = File {
            number: flush.number,
            from: if flush.is_new() { format::header_len(self.config.segments.sector) } else { flush.len },
            to: flush.to,
            first: first.first,
            end,
            bytes: flush.spans.iter().map(|span| u64::from(span.at.len)).sum(),
            newest: flush.spans.iter().map(|span| span.written_at).max().unwrap_or(Wall(0)),
        };
        flush.len = file.to;
        self.owe(Record::Drained { partition, file }, Then::Drained(slot));
    }

    /// The log has said it.
    pub(in super::super) fn flushed(&mut self, slot: u32, out: &mut Out) {
        let Some(flush) = self.pool.flushes.remove(&slot) else { return };
        mark(out, "messages drained");
        self.pool.failures = 0;
        let Flush { partition, number, len, since, .. } = flush;
        if self.catalogue.partition(partition).is_some() {
            self.pool.open.insert(partition, Growing { number, len, since });
            if self.pool.ending && self.pool.undrained.contains_key(&partition) {
                self.pool.due.insert(partition);
            }
        }
        // Unless it was given up meanwhile, it is of use.
        if !self.catalogue.partition(partition).is_some_and(|of| of.has_file(number)) {
            self.pool.garbage.insert((partition, number));
        }
    }

    /// A flush has failed: it begins anew, in another file.
    fn abandon(&mut self, slot: u32, out: &mut Out) {
        let Some(flush) = self.pool.flushes.remove(&slot) else { return };
        // Nothing refers to it, unless it had something before.
        if flush.step != Step::Gather || !flush.is_new() {
            self.pool.garbage.insert((flush.partition, flush.number));
        }
        if self.catalogue.partition(flush.partition).is_some() {
            mark(out, "a flush failed");
            self.pool.due.insert(flush.partition);
            self.pause(out);
        }
    }
}

impl Flush {
    /// Adds a record.
    fn take(&mut self, body: &Bytes, sector: u32) {
        let name = Name { partition: self.partition, number: self.number };
        format::put(&mut self.data, name, self.len, sector, body);
        self.gathered += 1;
    }
}
