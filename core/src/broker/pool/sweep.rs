//! Files of no use: what was given up, what belongs to topics that are gone, what a flush left behind that failed. It decides
//! nothing but when each can go, one at a time. What cannot be removed is left to the next start.

use super::super::catalogue::PartitionId;
use super::super::{Broker, Out, mark};
use super::OP_SWEEP;
use super::format::Name;
use crate::DiskOp;

impl Broker {
    /// A file may be of no use any more.
    pub(in super::super) fn discard(&mut self, partition: PartitionId, number: u64, first: u64) {
        self.pool.garbage.insert((partition, number));
        let pool = &mut self.pool;
        if let Some(index) = pool.cache.iter().position(|(of, at, _)| (*of, *at) == (partition, first))
            && let Some((_, _, bytes)) = pool.cache.remove(index)
        {
            pool.cached -= bytes;
        }
    }

    /// A topic is gone: so are its files, and what was to become one.
    pub(in super::super) fn discard_partition(&mut self, partition: PartitionId, files: &[(u64, u64)]) {
        files.iter().for_each(|(number, first)| self.discard(partition, *number, *first));
        if let Some(growing) = self.pool.open.remove(&partition) {
            self.pool.garbage.insert((partition, growing.number));
        }
        self.pool.due.remove(&partition);
        self.recount(partition);
    }

    /// Removes the next file of no use.
    pub(super) fn sweep(&mut self, out: &mut Out) {
        while self.pool.sweeping.is_none() {
            let idle = |(partition, _): &&(PartitionId, u64)| !self.pool.flushes(*partition);
            let Some(next) = self.pool.garbage.iter().find(idle).copied() else { return };
            let (partition, number) = next;
            if self.catalogue.partition(partition).is_some_and(|of| of.has_file(number)) {
                self.pool.garbage.remove(&next);
                continue;
            }
            if self.pool.open.get(&partition).is_some_and(|growing| growing.number == number) {
                self.pool.open.remove(&partition);
            }
            self.pool.sweeping = Some(next);
            Self::ask_disk(OP_SWEEP, DiskOp::Remove(self.path(Name { partition, number })), out);
        }
    }

    /// A removal is over.
    pub(super) fn swept(&mut self, out: &mut Out) {
        if let Some(name) = self.pool.sweeping.take() {
            self.pool.garbage.remove(&name);
            mark(out, "a file of the pool removed");
        }
    }
}
