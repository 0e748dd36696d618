//! Disk operations that wait to be performed. Decides which is next.
//!
//! What a machine does in the background, by the number of its operations (from [`OP_IDS`] on), makes way for the rest, so
//! that no call waits for more than one such operation: but for one after every [`TURNS`] others, so that it goes on.
//!
//! Invariant: of each of the two kinds, what was asked for first is begun first; a machine has each file in one of them.

use onceward_core::log::segments::OP_IDS;
use onceward_core::{DiskOp, OpId};
use std::collections::VecDeque;

/// How many operations may come before one that makes way.
const TURNS: u32 = 8;

#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<(OpId, DiskOp)>,
    /// Operations that make way.
    background: VecDeque<(OpId, DiskOp)>,
    /// How many others there were since the last of these.
    others: u32,
}

impl Queue {
    /// Takes an operation in. How many there are now.
    pub(super) fn push(&mut self, id: OpId, op: DiskOp) -> usize {
        let queue = if id.0 < OP_IDS { &mut self.waiting } else { &mut self.background };
        queue.push_back((id, op));
        self.waiting.len() + self.background.len()
    }

    /// The next one.
    pub(super) fn pop(&mut self) -> Option<(OpId, DiskOp)> {
        let background = self.waiting.is_empty() || self.others >= TURNS;
        let (first, second) = match background {
            true => (&mut self.background, &mut self.waiting),
            false => (&mut self.waiting, &mut self.background),
        };
        let next = first.pop_front().or_else(|| second.pop_front());
        self.others = if background { 0 } else { self.others + 1 };
        next
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.background.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.background.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onceward_core::Path;

    #[test]
    fn the_background_makes_way_and_goes_on() {
        let mut queue = Queue::default();
        let remove = || DiskOp::Remove(Path::from("a"));
        for n in 0..3 {
            queue.push(OpId(OP_IDS + n), remove());
        }
        for n in 0..20 {
            queue.push(OpId(n), remove());
        }
        let order: Vec<u32> = std::iter::from_fn(|| queue.pop()).map(|(id, _)| id.0).collect();
        let wanted: Vec<u32> = (0..8)
            .chain([OP_IDS])
            .chain(8..16)
            .chain([OP_IDS + 1])
            .chain(16..20)
            .chain([OP_IDS + 2])
            .collect();
        assert_eq!(order, wanted);
        assert!(queue.is_empty());
    }
}
