//! What a reader has committed of one partition session: ranges in any order become a prefix. It judges ranges; it never
//! makes anything durable.

use crate::reader::wire::Range;
use alloc::collections::BTreeMap;

/// How many ranges of a partition session may wait for an earlier one.
pub(super) const WAITING: usize = 1 << 16;

/// The commits of one partition session.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Commits {
    /// What was committed when the partition session began.
    base: u64,
    /// Everything below is committed.
    done: u64,
    /// Ranges behind a gap, start to end; apart, and none empty.
    waiting: BTreeMap<u64, u64>,
}

/// Why a range was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("a commit of nothing")]
    Empty,
    #[error("a commit of what is committed")]
    Committed,
    #[error("a commit that overlaps with one before")]
    Overlap,
    #[error("a commit of what was not read")]
    NotRead,
    #[error("too many commits wait for earlier ones")]
    TooMany,
}

impl Commits {
    pub(super) fn new(committed: u64) -> Commits {
        Commits { base: committed, done: committed, waiting: BTreeMap::new() }
    }

    /// Takes a range. `floor`: nothing below will ever be sent in this partition session, or has to be committed; `read`:
    /// everything that was sent is below.
    pub(super) fn add(&mut self, range: Range, floor: u64, read: u64) -> Result<(), Fault> {
        if range.start >= range.end {
            return Err(Fault::Empty);
        }
        if range.end > read {
            return Err(Fault::NotRead);
        }
        if range.start < self.base {
            return Err(Fault::Committed);
        }
        // What was given up need not be asked for, and counts by itself.
        let (start, end) = (range.start.max(floor), range.end);
        if start >= end {
            return Ok(());
        }
        if start < self.done {
            return Err(Fault::Committed);
        }
        let before = self.waiting.range(..end).next_back().map(|(start, end)| (*start, *end));
        let after = self.waiting.get(&end).copied();
        if before.is_some_and(|(_, before)| before > start) {
            return Err(Fault::Overlap);
        }
        let joined = before.filter(|(_, before)| *before == start);
        if joined.is_none() && after.is_none() && self.waiting.len() >= WAITING {
            return Err(Fault::TooMany);
        }
        if after.is_some() {
            self.waiting.remove(&end);
        }
        self.waiting.insert(joined.map_or(start, |(start, _)| start), after.unwrap_or(end));
        Ok(())
    }

    /// Everything below is committed by word of the reader.
    pub(super) fn skip_to(&mut self, offset: u64) {
        self.base = self.base.max(offset);
        self.done = self.done.max(offset);
    }

    /// Where the prefix ends now, if it has grown.
    pub(super) fn advance(&mut self, floor: u64) -> Option<u64> {
        let before = self.done;
        while let Some(first) =
            self.waiting.first_entry().filter(|first| *first.key() <= self.done.max(floor))
        {
            self.done = self.done.max(first.remove());
        }
        (self.done > before).then_some(self.done)
    }

    /// Whether something waits for an earlier range.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};
    use proptest::prelude::*;

    const fn range(start: u64, end: u64) -> Range {
        Range { start, end }
    }

    #[test]
    fn ranges_in_any_order_become_a_prefix() {
        let mut commits = Commits::new(3);
        commits.add(range(7, 9), 3, 20).unwrap();
        assert_eq!(commits.advance(3), None);
        commits.add(range(5, 7), 3, 20).unwrap();
        assert!(commits.waits());
        assert_eq!(commits.waiting, BTreeMap::from([(5, 9)]));
        commits.add(range(3, 5), 3, 20).unwrap();
        assert_eq!(commits.advance(3), Some(9));
        assert_eq!(commits.advance(3), None);
        assert!(!commits.waits());
    }

    #[test]
    fn each_fault_is_named() {
        let mut commits = Commits::new(3);
        commits.add(range(6, 8), 3, 20).unwrap();
        commits.add(range(3, 4), 3, 20).unwrap();
        commits.advance(3);
        for (bad, fault) in [
            (range(5, 5), Fault::Empty),
            (range(6, 5), Fault::Empty),
            (range(19, 21), Fault::NotRead),
            (range(2, 5), Fault::Committed),
            (range(3, 5), Fault::Committed),
            (range(5, 7), Fault::Overlap),
            (range(7, 9), Fault::Overlap),
            (range(5, 9), Fault::Overlap),
            (range(6, 8), Fault::Overlap),
        ] {
            assert_eq!(commits.add(bad, 3, 20), Err(fault), "{bad:?}");
        }
    }

    #[test]
    fn what_is_given_up_counts_by_itself_however_the_reader_sees_it() {
        // With the gap, as clients that commit from the end of the last batch do.
        let mut commits = Commits::new(3);
        commits.add(range(3, 11), 10, 20).unwrap();
        assert_eq!(commits.advance(10), Some(11));
        // Without it.
        let mut commits = Commits::new(3);
        commits.add(range(10, 11), 10, 20).unwrap();
        assert_eq!(commits.advance(10), Some(11));
        // What was read and given up before it was committed.
        commits.add(range(4, 9), 10, 20).unwrap();
        assert_eq!(commits.advance(10), None);
        // Given up while something behind it waits.
        commits.add(range(15, 16), 10, 20).unwrap();
        assert_eq!(commits.advance(14), None);
        assert_eq!(commits.advance(15), Some(16));
    }

    #[test]
    fn no_more_ranges_wait_than_are_allowed() {
        let mut commits = Commits::new(0);
        for n in 1..=WAITING as u64 {
            commits.add(range(2 * n, 2 * n + 1), 0, u64::MAX).unwrap();
        }
        assert_eq!(commits.add(range(1 << 40, (1 << 40) + 1), 0, u64::MAX), Err(Fault::TooMany));
        // One that joins others takes no room.
        commits.add(range(3, 4), 0, u64::MAX).unwrap();
        commits.add(range(1 << 40, (1 << 40) + 1), 0, u64::MAX).unwrap();
    }

    proptest! {
        #[test]
        fn the_prefix_is_that_of_a_table_of_offsets(
            base in 0u64..4,
            ranges in proptest::collection::vec((0u64..24, 0u64..6, 0u64..3), 0..24),
        ) {
            let mut commits = Commits::new(base);
            let mut floor = base;
            let mut table: Vec<bool> = vec![false; 32];
            let mut done = base;
            for (start, len, rises) in ranges {
                floor += rises;
                let range = range(start, start + len);
                if commits.add(range, floor, 24).is_ok() {
                    prop_assert!(len > 0 && start >= base && start + len <= 24);
                    for offset in start.max(floor)..start + len {
                        prop_assert!(offset >= done && !table[offset as usize], "twice");
                        table[offset as usize] = true;
                    }
                }
                let grown = commits.advance(floor);
                // Given up offsets count when something committed follows them.
                let mut reach = done;
                while table[reach as usize] || (reach < floor && table.iter().skip(reach as usize).any(|is| *is)) {
                    if table[reach as usize] {
                        done = reach + 1;
                    }
                    reach += 1;
                }
                prop_assert_eq!(commits.done, done);
                prop_assert!(grown.is_none_or(|grown| grown == done));
            }
        }
    }
}
