//! The segment header: who the file belongs to and where it continues.

use super::{BOUND, align, bytes_at, u32_at, u64_at};
use alloc::vec::Vec;

/// Bytes of a segment header before padding.
pub(in super::super) const HEADER_LEN: usize = 100;
const MAGIC: [u8; 4] = *b"OWSG";
const VERSION: u16 = 1;
const NONE: u64 = u64::MAX;

/// The predecessor as its successor knows it. Bytes beyond `len` do not count, whatever they are.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Prev {
    pub(in super::super) number: u64,
    /// Its proven length in bytes.
    pub(in super::super) len: u64,
    /// Its digest at that length.
    pub(in super::super) digest: u32,
}

/// What a segment says of itself. All groups below `group` are proven durable.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct SegmentHeader {
    pub(in super::super) store_id: u128,
    pub(in super::super) number: u64,
    /// Counts the incarnations that wrote.
    pub(in super::super) epoch: u64,
    /// Sequence of its first record.
    pub(in super::super) first: u64,
    /// Number of its first group.
    pub(in super::super) group: u64,
    /// The segment has begun only if this many records, in groups of kind *carried*, follow intact: until then its
    /// predecessor is the end of the log, and nothing beyond the proven length is given up.
    pub(in super::super) carried: u64,
    pub(in super::super) prev: Option<Prev>,
    pub(in super::super) sector: u32,
}

/// Why bytes are no segment header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) enum BadHeader {
    /// Torn, empty or something else.
    Broken,
    /// Intact, but of another version of this format.
    Version(u16),
}

impl SegmentHeader {
    /// The bytes, padded to whole sectors, and the digest that the segment starts with.
    pub(in super::super) fn encode(&self) -> (Vec<u8>, u32) {
        let mut out = Vec::with_capacity(align(HEADER_LEN as u64, self.sector) as usize);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.store_id.to_le_bytes());
        let prev = self.prev.unwrap_or(Prev { number: NONE, len: 0, digest: 0 });
        for field in [self.number, self.epoch, self.first, self.group, self.carried, prev.number, prev.len] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&prev.digest.to_le_bytes());
        out.extend_from_slice(&self.sector.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.resize(align(out.len() as u64, self.sector) as usize, 0);
        (out, crc32fast::hash(&crc.to_le_bytes()))
    }

    /// Reads a header and the digest that the segment starts with.
    pub(in super::super) fn decode(bytes: &[u8]) -> Result<(SegmentHeader, u32), BadHeader> {
        if bytes_at(bytes, 0) != Some(MAGIC) {
            return Err(BadHeader::Broken);
        }
        // The checksum comes first: a torn header may show any version.
        let crc = u32_at(bytes, HEADER_LEN - 4).ok_or(BadHeader::Broken)?;
        if bytes.get(..HEADER_LEN - 4).is_none_or(|covered| crc32fast::hash(covered) != crc) {
            return Err(BadHeader::Broken);
        }
        match bytes_at(bytes, 4).map(u16::from_le_bytes) {
            Some(VERSION) => Self::fields(bytes, crc).ok_or(BadHeader::Broken),
            version => Err(BadHeader::Version(version.unwrap_or(0))),
        }
    }

    fn fields(bytes: &[u8], crc: u32) -> Option<(SegmentHeader, u32)> {
        let prev = Prev { number: u64_at(bytes, 64)?, len: u64_at(bytes, 72)?, digest: u32_at(bytes, 80)? };
        let header = SegmentHeader {
            store_id: u128::from_le_bytes(bytes_at(bytes, 8)?),
            number: u64_at(bytes, 24)?,
            epoch: u64_at(bytes, 32)?,
            first: u64_at(bytes, 40)?,
            group: u64_at(bytes, 48)?,
            carried: u64_at(bytes, 56)?,
            prev: (prev.number != NONE).then_some(prev),
            sector: u32_at(bytes, 84)?,
        };
        let numbers = [header.number, header.epoch, header.first, header.group, header.carried];
        let sound = numbers.into_iter().all(|number| number < BOUND)
            && header.prev.is_none_or(|prev| prev.len < BOUND)
            && header.sector.is_power_of_two()
            && (16..=65536).contains(&header.sector)
            && header.prev.is_none_or(|prev| prev.number < header.number);
        sound.then(|| (header, crc32fast::hash(&crc.to_le_bytes())))
    }

    /// Where its first group starts.
    pub(in super::super) fn len(&self) -> u64 {
        align(HEADER_LEN as u64, self.sector)
    }

    /// The part of the store id that every group repeats.
    pub(in super::super) fn tag(&self) -> u32 {
        self.store_id as u32
    }
}
