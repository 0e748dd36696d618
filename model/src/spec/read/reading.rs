//! A partition that a reader has, as its surroundings see it: what was sent of it, what was committed, and how far the
//! server has confirmed that. It judges nothing; [`History`](super::History) does.

use onceward_core::reader::{Part, wire::Range};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Reading {
    /// What the caller knows it by, once it was told.
    pub(super) part: Option<Part>,
    /// The server was told where to begin.
    pub(super) begun: bool,
    /// The offset after the last that was sent.
    pub(super) next: u64,
    /// The server wants it back.
    pub(super) stopping: bool,
    /// The caller has given it up.
    pub(super) released: bool,
    /// It was taken away, or given back.
    pub(super) over: bool,
    /// The server has said that everything below is committed.
    pub(super) heard: u64,
    /// Offsets that the caller has committed, and of which the server was not told.
    asked: BTreeSet<u64>,
    /// Offsets that the server has passed over, and that were not committed.
    passed: BTreeSet<u64>,
    /// Everything below is committed as far as the reader goes.
    pub(super) prefix: u64,
    /// What was committed beyond, by its start: the end.
    ahead: BTreeMap<u64, u64>,
}

impl Reading {
    pub(super) fn new(committed: u64) -> Reading {
        Reading { next: committed, heard: committed, prefix: committed, ..Reading::default() }
    }

    /// Up to where the server has confirmed what this reader has committed.
    pub(super) fn durable(&self) -> u64 {
        self.heard.min(self.prefix)
    }

    /// Whether commits are under way that nothing holds up.
    pub(super) fn waits(&self) -> bool {
        self.durable() < self.prefix
    }

    /// The server sends messages from an offset on; what lies before it, it passes over. False if they were sent before.
    pub(super) fn sent(&mut self, offset: u64, messages: usize) -> bool {
        if offset < self.next {
            return false;
        }
        self.passed.extend(self.next..offset);
        self.next = offset + messages as u64;
        true
    }

    /// The caller commits. What was committed before need not be told to anybody.
    pub(super) fn commits(&mut self, Range { start, end }: Range) {
        if end <= self.next {
            let known = |offset: &u64| {
                *offset < self.prefix
                    || self.ahead.range(..=offset).next_back().is_some_and(|(_, end)| offset < end)
            };
            self.asked.extend((start..end).filter(|offset| !known(offset)));
        }
    }

    /// A commit of the caller was not accepted.
    pub(super) fn refuses(&mut self, range: Range) {
        self.asked.retain(|offset| !(range.start..range.end).contains(offset));
    }

    /// The reader tells the server of a commit. False if it is of something that was not read here, or was committed
    /// before, or was not committed by the caller.
    pub(super) fn tells(&mut self, Range { start, end }: Range) -> bool {
        if start >= end || end > self.next {
            return false;
        }
        for offset in start..end {
            if !(self.asked.remove(&offset) | self.passed.remove(&offset)) {
                return false;
            }
        }
        self.ahead.insert(start, end);
        while let Some(end) = self.ahead.remove(&self.prefix) {
            self.prefix = end;
        }
        true
    }
}
