//! The messages that were written last, in memory, so that readers who keep up cause no reads of the disk. A hint: what is
//! not here is read from the log. Bounded by bytes.

use super::record;
use crate::reader::wire::Batch;
use alloc::{collections::VecDeque, sync::Arc};

/// Records of messages by rising sequence.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Tail {
    records: VecDeque<(u64, Arc<Batch>)>,
    bytes: u64,
}

impl Tail {
    /// Takes a record in, and lets the oldest go where there is no room.
    pub(super) fn push(&mut self, sequence: u64, batch: Arc<Batch>, room: u64) {
        self.bytes += cost(&batch);
        self.records.push_back((sequence, batch));
        while self.bytes > room
            && let Some((_, oldest)) = self.records.pop_front()
        {
            self.bytes -= cost(&oldest);
        }
    }

    /// The messages of a record.
    pub(super) fn get(&self, sequence: u64) -> Option<&Arc<Batch>> {
        let index = self.records.binary_search_by_key(&sequence, |(sequence, _)| *sequence).ok()?;
        self.records.get(index).map(|(_, batch)| batch)
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
        for n in 0..10 {
            tail.push(2 * n, batch(n), 4000);
        }
        assert!(tail.bytes <= 4000, "{}", tail.bytes);
        assert_eq!(tail.records.len(), 3);
        assert_eq!(tail.get(12), None);
        assert_eq!(tail.get(14).unwrap().offset, 7);
        assert_eq!(tail.get(15), None);
        tail.push(20, batch(10), 0);
        assert_eq!((tail.bytes, tail.records.len()), (0, 0));
    }
}
