//! Messages as they came, and what they were before they were compressed. Decides which are too large to be decoded by a
//! thread that serves the network.

use super::super::codec::{LARGE, gunzip};
use super::{Batch, Lease, ReadMessage};
use onceward_core::reader::wire::PartitionData;
use onceward_core::writer::wire::Codec;
use std::sync::Arc;

/// Messages as they came.
pub(super) struct Piece {
    pub(super) topic: Arc<str>,
    pub(super) partition: u32,
    pub(super) lease: Arc<Lease>,
    pub(super) data: PartitionData,
}

impl Piece {
    /// Whether to decode it is too much for a thread that serves the network.
    pub(super) fn is_large(&self) -> bool {
        let zipped = self.data.batches.iter().filter(|batch| batch.codec == Codec::GZIP);
        let sizes = zipped.flat_map(|batch| &batch.messages).map(|message| {
            let told = usize::try_from(message.payload.uncompressed_size).unwrap_or(usize::MAX);
            told.max(message.payload.data.len())
        });
        sizes.fold(0, usize::saturating_add) >= LARGE
    }

    pub(super) fn decode(self, limit: u64) -> Batch {
        let Piece { topic, partition, lease, data } = self;
        let mut messages = Vec::with_capacity(data.batches.iter().map(|batch| batch.messages.len()).sum());
        for batch in data.batches {
            for (offset, message) in (batch.offset..).zip(batch.messages) {
                let payload = message.payload;
                let (data, codec, flaw) = match batch.codec {
                    Codec::GZIP => match gunzip(&payload.data, limit) {
                        Ok(data) => (data, Codec::RAW, None),
                        Err(flaw) => (payload.data, Codec::GZIP, Some(flaw)),
                    },
                    codec => (payload.data, codec, None),
                };
                messages.push(ReadMessage {
                    offset,
                    seq_no: message.seq_no,
                    producer_id: batch.producer_id.clone(),
                    session_meta: batch.session_meta.clone(),
                    created_at: payload.created_at,
                    written_at: batch.written_at,
                    metadata: payload.metadata,
                    data,
                    codec,
                    flaw,
                });
            }
        }
        Batch { topic, partition, messages, lease }
    }
}
