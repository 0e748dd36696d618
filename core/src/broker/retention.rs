//! Which messages are given up. It decides from the timestamps and sizes that are in the log, never from the time of day:
//! a message is too old when the partition's latest is younger by more than the retention. So a clock that jumps ahead
//! gives nothing up by itself, and a partition to which nobody writes keeps what it has.
//!
//! What is in the pool is given up file by file: a file is too old when all of it is, and one too many when those after it
//! are enough.
//!
//! The decision is a record of the log: readers, offsets and recovery follow that, not the clock.

use super::api::Settings;
use super::catalogue::{Partition, PartitionId};
use super::journal::Then;
use super::record::Record;
use super::{Broker, Out, Timer};
use crate::{Action, Window};
use alloc::vec::Vec;

impl Broker {
    /// Looks through all partitions.
    pub(super) fn retain(&mut self, out: &mut Out) {
        out.push(Action::Arm(Timer::Retention, Window::exactly(self.config.retention_interval)));
        let mut found = Vec::new();
        for (topic, about) in self.catalogue.topics() {
            let limits = about.settings.retention.is_some() || about.settings.retention_bytes.is_some();
            for (number, partition) in about.partitions.iter().enumerate().filter(|_| limits) {
                let partition_id = PartitionId { topic, number: number as u32 };
                let offset = keep_from(&about.settings, partition);
                if offset > partition.start && self.trimming.insert(partition_id) {
                    found.push(Record::Trim { partition: partition_id, offset });
                }
            }
        }
        found.into_iter().for_each(|record| self.owe(record, Then::Nothing));
    }
}

/// The first offset that is kept.
fn keep_from(settings: &Settings, partition: &Partition) -> u64 {
    let files = partition.files.iter().map(|file| (file.newest, file.bytes, file.end, file.bytes));
    let recent = partition.undrained();
    let recent = recent.map(|span| (span.written_at, u64::from(span.at.len), span.end(), 1));
    let all = files.chain(recent);
    let Some(latest) = all.clone().map(|(written_at, ..)| written_at).max() else {
        return partition.start;
    };
    let mut bytes = partition.bytes;
    let mut from = partition.start;
    // A file goes only if what follows is enough; of records, the one that makes it too much goes as well.
    for (written_at, len, end, spare) in all {
        let age = latest.0.saturating_sub(written_at.0);
        let old = settings.retention.is_some_and(|most| age > most.0);
        let large = settings.retention_bytes.is_some_and(|most| bytes >= most.saturating_add(spare));
        if !(old || large) {
            break;
        }
        bytes -= len;
        from = end;
    }
    let waited_for = settings.consumers.iter().filter(|(_, consumer)| consumer.important);
    let committed = waited_for.map(|(name, _)| partition.committed(name)).min().unwrap_or(u64::MAX);
    from.min(committed).max(partition.start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::api::Consumer;
    use crate::broker::catalogue::Span;
    use crate::log::segments::Location;
    use crate::{Dur, Wall};
    use alloc::collections::BTreeMap;

    fn settings(retention: Option<u64>, bytes: Option<u64>, important: &[&str]) -> Settings {
        let consumer = Consumer { important: true, ..Consumer::default() };
        Settings {
            partitions: 1,
            retention: retention.map(Dur::secs),
            retention_bytes: bytes,
            codecs: Vec::new(),
            attributes: BTreeMap::new(),
            consumers: important.iter().map(|name| ((*name).into(), consumer.clone())).collect(),
        }
    }

    /// Ten records of two messages and 100 bytes, written second by second.
    fn partition() -> Partition {
        let mut partition = Partition::default();
        for n in 0..10 {
            let at = Location { segment: 0, offset: 100 * n, len: 100 };
            let written_at = Wall(Dur::secs(n).0);
            partition.show(Span { first: 2 * n, count: 2, sequence: n, at, written_at });
        }
        partition
    }

    #[test]
    fn age_counts_from_the_latest_message() {
        assert_eq!(keep_from(&settings(Some(3), None, &[]), &partition()), 12);
        assert_eq!(keep_from(&settings(Some(9), None, &[]), &partition()), 0);
        assert_eq!(keep_from(&settings(None, None, &[]), &partition()), 0);
    }

    #[test]
    fn a_clock_that_ran_back_keeps_more_rather_than_less() {
        let mut partition = partition();
        let at = Location { segment: 0, offset: 1000, len: 100 };
        partition.show(Span { first: 20, count: 2, sequence: 10, at, written_at: Wall(0) });
        assert_eq!(keep_from(&settings(Some(3), None, &[]), &partition), 12);
    }

    #[test]
    fn size_gives_the_oldest_up() {
        assert_eq!(keep_from(&settings(None, Some(250), &[]), &partition()), 16);
        assert_eq!(keep_from(&settings(None, Some(0), &[]), &partition()), 20);
    }

    #[test]
    fn important_consumers_are_waited_for() {
        let mut partition = partition();
        let settings = settings(None, Some(0), &["a", "b"]);
        assert_eq!(keep_from(&settings, &partition), 0);
        partition.committed.insert("a".into(), 7);
        partition.committed.insert("b".into(), 5);
        assert_eq!(keep_from(&settings, &partition), 5);
    }
}
