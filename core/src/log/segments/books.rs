//! What is known of the files of a store that is open: plain values shared by recovery, writer and reader.

use super::format::Prev;
use super::read::Mile;
use alloc::{collections::BTreeMap, collections::VecDeque, vec::Vec};
use bytes::Bytes;

/// A segment that holds records. 32 bytes and a map entry for each.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Kept {
    /// Sequence of its first record.
    pub(super) first: u64,
    /// Sequence after that of its last.
    pub(super) end: u64,
    /// Bytes that count. What lies beyond is not part of the log.
    pub(super) len: u64,
    /// Length of the file if it may have a seal, else 0.
    pub(super) file: u64,
}

/// The end of what is proven durable: what the next segment's header will state.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Tip {
    /// The segment; `None`: nothing was ever written.
    pub(super) segment: Option<u64>,
    /// The place in it.
    pub(super) mile: Mile,
}

impl Tip {
    /// As a header states it.
    pub(super) fn prev(&self) -> Option<Prev> {
        self.segment.map(|number| Prev { number, len: self.mile.offset, digest: self.mile.digest })
    }
}

/// Records that are there together or not at all.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Unit {
    /// Sequence of the first.
    pub(super) first: u64,
    pub(super) records: Vec<Bytes>,
}

impl Unit {
    /// Sequence after that of the last.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.records.len() as u64)
    }

    /// What it takes of the queue.
    pub(super) fn cost(&self) -> u64 {
        self.records.iter().map(|record| record.len() as u64 + super::Config::RECORD_COST).sum()
    }
}

/// A segment that gets no more records and has no seal.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Unsealed {
    pub(super) number: u64,
    /// Sequence of its first record.
    pub(super) first: u64,
    /// Its proven end.
    pub(super) mile: Mile,
    /// Where nothing was ever written: the seal's place, a multiple of its sector.
    pub(super) free: u64,
    /// Length of the file, which may be more.
    pub(super) file: u64,
    pub(super) sector: u32,
}

/// What recovery hands to the writer.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Findings {
    pub(super) store_id: u128,
    /// The epoch of this incarnation.
    pub(super) epoch: u64,
    /// The highest number that any file has.
    pub(super) highest: Option<u64>,
    pub(super) segments: BTreeMap<u64, Kept>,
    pub(super) tip: Tip,
    /// Records beyond the tip, intact but unproven, to be written anew.
    pub(super) adopted: VecDeque<Unit>,
    /// The last segment, if it is no longer in use and has no seal.
    pub(super) unsealed: Option<Unsealed>,
    /// Files that stop counting once a new segment is durable.
    pub(super) superseded: Vec<u64>,
    /// Files before the log's first segment.
    pub(super) left_over: Vec<u64>,
}
