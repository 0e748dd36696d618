//! The pool: what was written to the log, drained in the background into files of each partition, so that the log can be
//! cut, and read from there.
//!
//! It decides which partition is flushed when, which file takes it, when that file is full, what is read back and kept, and
//! which files are of no use. It never delays an acknowledgement nor gives one: messages are durable in the log before the
//! pool looks at them. What is in a file counts only once a record of the log says so.
//!
//! # From the log to a file
//!
//! ```text
//!  due ─▶ gather ─▶ (create) ─▶ write ─▶ sync ─▶ (sync the folder) ─▶ record in the log ─▶ durable: drained
//!         memory,    a new                        one for all new                          the log may be cut
//!         or the log file                         files at once
//! ```
//!
//! A partition is due when its messages have been in the log for [`Config::flush_interval`], when there are
//! [`Config::flush_bytes`] of them, when all partitions together have [`Config::undrained_bytes`], when a checkpoint waits
//! for them, and at the end. A flush takes whole records, in order, up to the room in the file.
//!
//! # Promises
//!
//! - A partition has one flush at a time, and one file that grows, whatever is written to it meanwhile: what comes later is
//!   taken by the next one.
//! - What the log says to be in a file is there: written, synced, and under a durable name. Whatever else is there counts for
//!   nothing: after a crash it is drained anew, to another place.
//! - A file that failed once is not written to again. Nor is one of an earlier life.
//! - A partition that cannot be flushed stays in the log, and holds nobody up but the cutting of the log, up to
//!   [`Config::backlog_bytes`].
//!
//! # On disk
//!
//! All files are in one folder, `TOPIC-PARTITION-NUMBER.msgs`: a start lists it once, and one sync makes the names of all
//! new files durable. The layout of a file is drawn in `format.rs`.
//!
//! # Memory
//!
//! For each file about 80 bytes; [`Config::flushes`] and [`Config::loads`] times the size of a file; [`Config::cache_bytes`]
//! and one file.

mod config;
mod flush;
mod format;
mod home;
mod load;
mod sweep;

pub use config::Config;

use super::catalogue::PartitionId;
use super::{Broker, Out, Stage, Timer};
use crate::backoff::Backoff;
use crate::log::segments::OP_IDS;
use crate::{Action, Clock, DiskOp, DiskResult, Dur, Mono, OpId, Path, Window};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    format,
    vec::Vec,
};
use flush::Flush;
use format::Name;
use home::Home;
use load::Load;

/// The interesting places.
pub(super) const MARKS: &[&str] = &[
    "messages drained",
    "drained messages fetched from the log",
    "a file of the pool is full",
    "a file of the pool is too old",
    "names of several files synced at once",
    "a flush failed",
    "a file of the pool removed",
    "messages read from the pool",
    "a file of the pool cannot be read",
    "writers wait for the pool",
];

/// The longest pause after a failure, in times of the first: with the default of the log's, 12.8 s.
const LONGEST: u64 = 64;

/// Operations of flushes, by slot; those of the log are below.
const OP_FLUSH: u32 = OP_IDS;
const OP_LOAD: u32 = OP_FLUSH + 64;
const OP_HOME: u32 = OP_LOAD + 64;
const OP_NAMES: u32 = OP_HOME + 1;
const OP_SWEEP: u32 = OP_HOME + 2;

/// Fetches of the log for flushes: this and the slot. Those of readers are below.
pub(super) const TOKENS: u64 = 1 << 62;

/// The pool. See the module's documentation.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Pool {
    store_id: u128,
    home: Home,
    /// How often the folder could not be listed.
    tries: u32,
    /// Bytes of records that are in the log alone; partitions without any have no entry.
    undrained: BTreeMap<PartitionId, u64>,
    total: u64,
    /// Partitions that are to be flushed.
    due: BTreeSet<PartitionId>,
    /// Whose turn was last.
    turn: PartitionId,
    /// Files that may grow.
    open: BTreeMap<PartitionId, Growing>,
    flushes: BTreeMap<u32, Flush>,
    /// New files whose names are to be made durable, by the slots of their flushes.
    named: Vec<u32>,
    /// Those that the sync on its way covers.
    naming: Option<Vec<u32>>,
    /// Files of no use, and the one that is being removed.
    garbage: BTreeSet<(PartitionId, u64)>,
    sweeping: Option<(PartitionId, u64)>,
    loads: BTreeMap<u32, Load>,
    /// Files that wait to be read, by an offset.
    wanted: VecDeque<(PartitionId, u64)>,
    /// Files that were read, the oldest first, by their first offset, with their bytes.
    cache: VecDeque<(PartitionId, u64, u64)>,
    cached: u64,
    /// The flush timer is armed.
    armed: bool,
    /// Nothing is tried before the timer.
    waiting: bool,
    /// Pauses since a flush last went well, as long as they grow.
    failures: u32,
    /// The broker ends as soon as everything is drained, or fails to be.
    pub(super) ending: bool,
}

/// A file that may grow.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Growing {
    number: u64,
    /// What counts of it.
    len: u64,
    since: Mono,
}

impl Pool {
    /// Bytes of records that are in the log alone.
    pub(super) fn undrained(&self) -> u64 {
        self.total
    }

    /// Partitions that have some.
    pub(super) fn waiting(&self) -> impl Iterator<Item = PartitionId> {
        self.undrained.keys().copied()
    }

    /// How many files may grow.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// Whether a partition is being flushed.
    fn flushes(&self, partition: PartitionId) -> bool {
        self.flushes.values().any(|flush| flush.partition == partition)
    }

    /// Whether nothing more is to be drained at the end, or can be.
    pub(super) fn is_over(&self) -> bool {
        !self.ending || self.waiting || (self.undrained.is_empty() && self.flushes.is_empty())
    }

    /// Everything that is in the log alone is to be flushed.
    pub(super) fn flush_all(&mut self) {
        self.due.extend(self.undrained.keys().copied());
    }
}

impl Broker {
    /// Recovery is over, but for the pool's folder: it knows what is in the log alone.
    pub(super) fn open_pool(&mut self, store_id: u128, out: &mut Out) {
        self.pool.store_id = store_id;
        let all: Vec<PartitionId> = self.catalogue.partitions().map(|(partition, _)| partition).collect();
        all.into_iter().for_each(|partition| self.recount(partition));
        self.list_pool(out);
    }

    /// Records of messages are durable.
    pub(super) fn undrained(&mut self, partition: PartitionId, bytes: u64, out: &mut Out) {
        let Config { flush_bytes, undrained_bytes, .. } = self.config.pool;
        let pool = &mut self.pool;
        let of = pool.undrained.entry(partition).or_default();
        *of += bytes;
        pool.total += bytes;
        if *of >= flush_bytes || pool.ending {
            pool.due.insert(partition);
        }
        if pool.total >= undrained_bytes {
            pool.flush_all();
        }
        self.arm_flush(out);
    }

    /// Starts the flush timer if something waits for it.
    pub(super) fn arm_flush(&mut self, out: &mut Out) {
        if let Some(interval) = self.config.pool.flush_interval
            && !self.pool.armed
            && !self.pool.undrained.is_empty()
        {
            self.pool.armed = true;
            out.push(Action::Arm(Timer::Flush, Window::exactly(interval)));
        }
    }

    /// Counts anew what a partition has in the log alone.
    pub(super) fn recount(&mut self, partition: PartitionId) {
        let spans = self.catalogue.partition(partition).into_iter().flat_map(|of| of.undrained());
        let bytes = spans.map(|span| u64::from(span.at.len)).sum::<u64>();
        let before = match bytes {
            0 => self.pool.undrained.remove(&partition),
            bytes => self.pool.undrained.insert(partition, bytes),
        };
        self.pool.total = self.pool.total - before.unwrap_or(0) + bytes;
        if bytes == 0 {
            self.pool.due.remove(&partition);
        } else if bytes >= self.config.pool.flush_bytes {
            self.pool.due.insert(partition);
        }
    }

    /// Messages have been in the log alone for long enough.
    pub(super) fn flush_timer(&mut self, clock: Clock, out: &mut Out) {
        let age = self.config.pool.segment_age;
        self.pool.open.retain(|_, growing| clock.mono.since(growing.since) < age);
        self.pool.flush_all();
        self.pool.armed = false;
        self.arm_flush(out);
    }

    /// What failed may be tried again.
    pub(super) fn pool_timer(&mut self, out: &mut Out) {
        self.pool.waiting = false;
        if self.stage == Stage::Recovering && self.pool.home == Home::Unknown {
            self.list_pool(out);
        }
    }

    /// Something failed: a pause, the longer the more often it failed since a flush last went well. Each try leaves a name
    /// behind, to be created and removed, and a disk stays full for long.
    fn pause(&mut self, out: &mut Out) {
        self.pool.ending = false;
        if !self.pool.waiting {
            self.pool.waiting = true;
            let first = self.config.segments.retry.to;
            let backoff = Backoff { first, longest: Dur(first.0.saturating_mul(LONGEST)) };
            out.push(Action::Arm(Timer::Pool, backoff.failed(&mut self.pool.failures)));
        }
    }

    /// An operation of the pool is done.
    pub(super) fn pool_disk(&mut self, clock: Clock, id: OpId, result: DiskResult, out: &mut Out) {
        match id.0 {
            OP_HOME => self.home_step(clock, result, out),
            OP_NAMES => self.names_synced(&result, out),
            OP_SWEEP => self.swept(out),
            id if id < OP_LOAD => self.flush_step(clock, id - OP_FLUSH, result, out),
            id => self.load_step(clock, id - OP_LOAD, result, out),
        }
    }

    /// Starts what is to be done next.
    pub(super) fn work(&mut self, clock: Clock, out: &mut Out) {
        if !(self.stage == Stage::Ready || self.pool.ending) {
            return;
        }
        self.sweep(out);
        if self.pool.waiting || self.pool.due.is_empty() || !self.room_to_drain() {
            return;
        }
        match self.pool.home {
            Home::There => {}
            Home::Missing => return self.make_home(out),
            Home::Unknown | Home::Unmaking | Home::Making | Home::Naming | Home::Doubted => return,
        }
        while self.pool.flushes.len() < self.config.pool.flushes as usize
            && let Some(partition) = self.next_due()
        {
            self.begin_flush(clock, partition, out);
        }
    }

    /// Whether there is room for everything that is in the log alone. On a full disk the little that the reserve has left
    /// is for what makes more of it, which draining does in the end, if it comes that far.
    fn room_to_drain(&self) -> bool {
        let reserve = self.config.segments.reserve_bytes > 0;
        !(self.full && reserve) || self.segments.admits_urgent(1, self.pool.total.saturating_mul(2)).is_ok()
    }

    /// The next partition that is due and not being flushed.
    fn next_due(&mut self) -> Option<PartitionId> {
        let pool = &mut self.pool;
        let from = (core::ops::Bound::Excluded(pool.turn), core::ops::Bound::Unbounded);
        let order = pool.due.range(from).chain(&pool.due);
        let next = order.copied().find(|partition| !pool.flushes(*partition))?;
        pool.due.remove(&next);
        pool.turn = next;
        Some(next)
    }

    /// The path of a file.
    fn path(&self, name: Name) -> Path {
        let PartitionId { topic, number } = name.partition;
        Path::from(&*format!("{}/{}-{number}-{}.msgs", self.config.pool.folder, topic.0, name.number))
    }

    fn ask_disk(id: u32, op: DiskOp, out: &mut Out) {
        out.push(Action::Disk(OpId(id), op));
    }
}

/// See [`super::fuzz::file`].
#[cfg(feature = "fuzz")]
pub(super) fn attack(bytes: &[u8]) {
    format::attack(bytes);
}

/// The first of some slots that is free.
fn free<T>(slots: &BTreeMap<u32, T>) -> u32 {
    // There are never as many as a u32 can count.
    (0..=slots.len() as u32).find(|slot| !slots.contains_key(slot)).unwrap_or(0)
}

/// The file of a path.
fn name_of(path: &Path) -> Option<(PartitionId, u64)> {
    let mut parts = path.name().strip_suffix(".msgs")?.split('-');
    let (topic, number, file) =
        (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let partition = PartitionId { topic: super::catalogue::TopicId(topic), number };
    parts.next().is_none().then_some((partition, file))
}
