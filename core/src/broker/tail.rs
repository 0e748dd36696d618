//! The messages that were written last, in memory, so that readers who keep up cause no reads of the disk. A hint: what is
//! not here is read from the log. Bounded by bytes.

use super::catalogue::PartitionId;
use super::record;
use crate::reader::wire::Batch;
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// A record of messages: whose they are, and the offset of the first.
type Name = (PartitionId, u64);

/// Records of messages.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Tail {
    records: BTreeMap<Name, Arc<Batch>>,
    /// Their names, the oldest first.
    order: VecDeque<Name>,
    bytes: u64,
}

impl Tail {
    /// Takes a record in, and lets the oldest go where there is no room. Gives whose went.
    pub(super) fn push(
        &mut self,
        partition: PartitionId,
        batch: Arc<Batch>,
        room: u64,
    ) -> BTreeSet<PartitionId> {
        self.bytes += cost(&batch);
        let name = (partition, batch.offset);
        self.order.push_back(name);
        self.records.insert(name, batch);
        let mut gone = BTreeSet::new();
        while self.bytes > room
            && let Some(oldest) = self.order.pop_front()
        {
            gone.insert(oldest.0);
            self.bytes -= self.records.remove(&oldest).map_or(0, |batch| cost(&batch));
        }
        gone
    }

    /// The record of a partition that begins at this offset.
    pub(super) fn get(&self, partition: PartitionId, first: u64) -> Option<&Arc<Batch>> {
        self.records.get(&(partition, first))
    }
}

fn cost(batch: &Batch) -> u64 {
    let messages: usize =
        batch.messages.iter().map(|message| record::message_bytes(&message.payload) + 96).sum();
    messages as u64 + 128
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Wall;
    use crate::writer::wire::{Codec, Numbered, Payload};
    use alloc::vec;

    #[test]
    fn the_oldest_go_first_and_the_bytes_are_bounded() {
        let batch = |offset| {
            let payload = Payload {
                data: vec![0; 1000].into(),
                codec: Codec::RAW,
                uncompressed_size: 1000,
                created_at: Wall(0),
                metadata: vec![],
            };
            Arc::new(Batch {
                offset,
                producer_id: Arc::from("p"),
                session_meta: Arc::new([]),
                codec: Codec::RAW,
                written_at: Wall(0),
                messages: vec![Numbered { seq_no: 1, payload }],
            })
        };
        let mut tail = Tail::default();
        let one = PartitionId::default();
        for n in 0..10 {
            assert_eq!(tail.push(one, batch(2 * n), 4000).contains(&one), n >= 3);
        }
        assert!(tail.bytes <= 4000, "{}", tail.bytes);
        assert_eq!(tail.records.len(), 3);
        assert_eq!(tail.get(one, 12), None);
        assert_eq!(tail.get(one, 14).unwrap().offset, 14);
        assert_eq!(tail.get(one, 15), None);
        assert_eq!(tail.get(PartitionId { number: 1, ..one }, 14), None);
        tail.push(one, batch(20), 0);
        assert_eq!((tail.bytes, tail.records.len(), tail.order.len()), (0, 0, 0));
    }
}
