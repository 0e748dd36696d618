//! Payloads in their codecs. Decides which are encoded and decoded here (raw and gzip; all others pass as they are), how
//! large a decoded payload may be, and which work is too much for a thread that serves the network.

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use onceward_core::writer::api::Message;
use onceward_core::writer::wire::Codec;
use std::io::{Read, Write};
use std::sync::Arc;

/// From so many bytes on, a payload is encoded or decoded on a thread of its own.
pub(super) const LARGE: usize = 128 << 10;

/// What a writer does to payloads that come to it raw.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Compression {
    /// Nothing.
    #[default]
    None,
    /// Compresses them with gzip, at a level from 0 to 9.
    Gzip(u32),
}

/// Why a payload cannot be decoded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is damaged.
    #[error("not a whole gzip stream: {0}")]
    Damaged(Arc<str>),
    /// It would be larger than the reader takes.
    #[error("larger than {limit} bytes when decompressed")]
    TooLarge {
        /// The bound.
        limit: u64,
    },
}

impl Compression {
    pub(super) fn applies(self, message: &Message) -> bool {
        message.codec == Codec::RAW && self != Compression::None
    }

    /// Compresses a raw message.
    pub(super) fn encode(self, message: Message) -> std::io::Result<Message> {
        match self {
            Compression::Gzip(level) if message.codec == Codec::RAW => {
                let level = flate2::Compression::new(level.min(9));
                let mut encoder = GzEncoder::new(Vec::with_capacity(message.data.len() / 2 + 32), level);
                encoder.write_all(&message.data)?;
                Ok(Message { data: encoder.finish()?.into(), codec: Codec::GZIP, ..message })
            }
            _ => Ok(message),
        }
    }
}

/// Decompresses, but no more than `limit` bytes.
pub(super) fn gunzip(data: &[u8], limit: u64) -> Result<Bytes, DecodeError> {
    let mut decoded = Vec::new();
    let read = MultiGzDecoder::new(data).take(limit.saturating_add(1)).read_to_end(&mut decoded);
    read.map_err(|error| DecodeError::Damaged(error.to_string().into()))?;
    if decoded.len() as u64 > limit {
        return Err(DecodeError::TooLarge { limit });
    }
    Ok(decoded.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_comes_back() {
        for data in [Vec::new(), b"pears".to_vec(), vec![7; 300_000]] {
            let message = Compression::Gzip(6).encode(Message::raw(data.clone())).unwrap();
            assert_eq!((message.codec, message.uncompressed_size), (Codec::GZIP, data.len() as u64));
            assert_eq!(gunzip(&message.data, data.len() as u64).unwrap(), data);
        }
    }

    #[test]
    fn what_is_encoded_already_stays_as_it_is() {
        let message = Message { codec: Codec(10_000), ..Message::raw("x") };
        assert_eq!(Compression::Gzip(6).encode(message.clone()).unwrap(), message);
    }

    #[test]
    fn bombs_and_damage_are_told() {
        let bomb = Compression::Gzip(9).encode(Message::raw(vec![0; 1 << 20])).unwrap();
        assert_eq!(gunzip(&bomb.data, 1000), Err(DecodeError::TooLarge { limit: 1000 }));
        assert!(matches!(gunzip(&bomb.data[..bomb.data.len() / 2], 1 << 21), Err(DecodeError::Damaged(_))));
        assert!(matches!(gunzip(b"pears", 1000), Err(DecodeError::Damaged(_))));
    }
}
