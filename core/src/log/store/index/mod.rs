//! Where events stand. This module decides what is kept in memory: everything of the segments that have no durable
//! footer yet ([`Recent`]), and of each sealed segment a filter and the hashes of its ids, with some of the decoded
//! footers in a bounded cache. It never asks the disk for anything. Invariant: the index is derived from the log;
//! losing any of it loses speed.
//!
//! Memory of sealed segments: 9.5 to 12.5 bytes an event (8 for its id's hash; the filter: 12 bits each for id, foreign
//! correlation and cause) and about 110 bytes a segment. The hashes are what an append pays for the promise that no id
//! is used twice: without them, one id in a hundred would be looked up on the disk for each sealed segment. Only a
//! segment whose footer could not be written or read keeps its whole index in memory until the next opening.

mod footer;
mod recent;

pub(crate) use footer::{Match, SegmentIndex};
pub(crate) use recent::{Entry, NewEntry, Recent};

use super::table::{self, Aspect, Filter};
use crate::log::api;
use alloc::{collections::VecDeque, sync::Arc, vec::Vec};

/// A segment that gets no more records.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Sealed {
    pub(crate) segment: u64,
    pub(crate) first: u64,
    pub(crate) end: u64,
    /// Positions: of the first event, after the last.
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) filter: Filter,
    /// The hashes of all ids, sorted.
    ids: Arc<[u64]>,
    /// There is no footer to read.
    pub(crate) pinned: Option<Arc<SegmentIndex>>,
}

impl Sealed {
    /// Whether there may be events that a reader wants. Of an id, a wrong "maybe" is as rare as two equal hashes of 64
    /// bits.
    pub(crate) fn may_hold(&self, wanted: &api::Filter) -> bool {
        footer::may_hold(&self.filter, wanted)
            && match wanted {
                api::Filter::Id(id) => self.ids.binary_search(&table::hash_id(id.0)).is_ok(),
                _ => true,
            }
    }
}

/// The index of the whole store.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Index {
    pub(crate) recent: Arc<Recent>,
    sealed: Arc<Vec<Sealed>>,
    /// The most recently used last.
    cache: VecDeque<Arc<SegmentIndex>>,
}

impl Index {
    /// Takes up a segment that gets no more records and whose footer is durable, or known from recovery.
    pub(crate) fn seal(&mut self, index: &SegmentIndex, pinned: Option<Arc<SegmentIndex>>) {
        let sealed = Sealed {
            segment: index.segment,
            first: index.first,
            end: index.end,
            from: index.positions,
            to: index.positions_end(),
            filter: index.filter(),
            ids: index.ids(),
            pinned,
        };
        Arc::make_mut(&mut self.sealed).push(sealed);
        if self.recent.first < index.end {
            Arc::make_mut(&mut self.recent).drop_before(index.end);
        }
    }

    /// Whether an event of this id may be in a sealed segment. A wrong "maybe" is as rare as two equal hashes of 64 bits.
    pub(crate) fn may_hold(&self, id: api::EventId) -> bool {
        let hash = table::hash_id(id.0);
        let question = Filter::question(Aspect::Id, table::narrow(hash));
        let sealed = &mut self.sealed.iter();
        sealed.any(|sealed| sealed.filter.answers(question) && sealed.ids.binary_search(&hash).is_ok())
    }

    /// The first sealed segment with events at or behind a position.
    pub(crate) fn sealed_from(&self, position: u64) -> Option<&Sealed> {
        self.sealed.get(self.sealed.partition_point(|sealed| sealed.to <= position))
    }

    /// All sealed segments, oldest first.
    pub(crate) fn sealed(&self) -> &[Sealed] {
        &self.sealed
    }

    /// The decoded footer of a sealed segment, if it is in memory.
    pub(crate) fn footer(&mut self, segment: u64) -> Option<Arc<SegmentIndex>> {
        let at = self.sealed.binary_search_by_key(&segment, |sealed| sealed.segment).ok()?;
        if let Some(pinned) = &self.sealed[at].pinned {
            return Some(pinned.clone());
        }
        let at = self.cache.iter().position(|index| index.segment == segment)?;
        let index = self.cache.remove(at)?;
        self.cache.push_back(index.clone());
        Some(index)
    }

    /// Keeps a decoded footer, at the cost of the least recently used.
    pub(crate) fn keep(&mut self, index: Arc<SegmentIndex>, limit: u64) {
        self.cache.retain(|kept| kept.segment != index.segment);
        self.cache.push_back(index);
        let mut bytes: u64 = self.cache.iter().map(|kept| kept.bytes()).sum();
        while self.cache.len() > 1 && bytes > limit {
            bytes -= self.cache.pop_front().map_or(0, |gone| gone.bytes());
        }
    }

    /// Keeps the index of a sealed segment whose footer cannot be read.
    pub(crate) fn pin(&mut self, index: Arc<SegmentIndex>) {
        if let Ok(at) = self.sealed.binary_search_by_key(&index.segment, |sealed| sealed.segment) {
            Arc::make_mut(&mut self.sealed)[at].pinned = Some(index);
        }
    }
}
