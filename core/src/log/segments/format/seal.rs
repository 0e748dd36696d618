//! The seal: the last group of a segment that gets no more records. It speeds opening and proves nothing but what
//! its checksums cover.

use super::{
    BOUND, FrameKind, GROUP_LEN, GroupHeader, GroupKind, GroupWriter, bytes_at, parse_frame, salted, u32_at,
    u64_at,
};
use alloc::vec::Vec;
use bytes::Bytes;

/// Bytes of the trailer, the last of a sealed file.
pub(in super::super) const TRAILER_LEN: u64 = 16;
const MAGIC: [u8; 4] = *b"OWTR";

/// What a seal says of its segment.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Seal {
    /// Sequence after that of the last record.
    pub(in super::super) end: u64,
    /// Length of the proven groups; the segment's digest and the next group's number at that length.
    pub(in super::super) len: u64,
    pub(in super::super) group: u64,
    pub(in super::super) digest: u32,
    /// Whether the store was closed when it was written.
    pub(in super::super) closed: bool,
}

/// The bytes of a seal that starts at file offset `at`, a multiple of the sector.
pub(in super::super) fn encode_seal(
    seal: &Seal,
    segment: u64,
    first: u64,
    at: u64,
    tag: u32,
    sector: u32,
    footer: &[u8],
) -> Vec<u8> {
    let mut end = Vec::with_capacity(33);
    for field in [seal.end, seal.len, seal.group] {
        end.extend_from_slice(&field.to_le_bytes());
    }
    end.extend_from_slice(&seal.digest.to_le_bytes());
    end.extend_from_slice(&[0, 0, 0, 0, u8::from(seal.closed)]);
    let mut out = Vec::with_capacity(footer.len() + 256);
    let mut group = GroupWriter::new(&mut out, segment, first, at);
    group.frame(FrameKind::End, false, seal.end, &end);
    group.frame(FrameKind::Footer, true, seal.end, footer);
    group.finish(
        GroupHeader::draft(GroupKind::Seal, tag, seal.group, seal.group, seal.end),
        sector,
        TRAILER_LEN as usize,
    );
    let mut trailer = Vec::with_capacity(TRAILER_LEN as usize);
    trailer.extend_from_slice(&MAGIC);
    trailer.extend_from_slice(&at.to_le_bytes());
    let mut hasher = salted(&[segment]);
    hasher.update(&trailer);
    trailer.extend_from_slice(&hasher.finalize().to_le_bytes());
    let from = out.len() - trailer.len();
    out[from..].copy_from_slice(&trailer);
    out
}

/// Where the seal of segment `segment` starts, from the last bytes of its file.
pub(in super::super) fn parse_trailer(bytes: &[u8], segment: u64) -> Option<u64> {
    let mut hasher = salted(&[segment]);
    hasher.update(bytes.get(..12)?);
    let sound = bytes_at(bytes, 0)? == MAGIC && u32_at(bytes, 12)? == hasher.finalize();
    sound.then(|| u64_at(bytes, 4))?
}

/// Whether a file of `len` bytes may end with a seal from `at` on. A footer is never much longer than what it describes:
/// what claims to be is not worth the memory to look at it.
pub(in super::super) fn seal_fits(at: u64, len: u64) -> bool {
    at < len && len - at <= at.saturating_mul(4).saturating_add(64 << 10)
}

/// Reads the seal that starts at file offset `at`, and its footer.
pub(in super::super) fn parse_seal(
    bytes: &Bytes,
    segment: u64,
    first: u64,
    at: u64,
    tag: u32,
) -> Option<(Seal, Bytes)> {
    let header = GroupHeader::decode(bytes, segment, at)?;
    if header.kind != GroupKind::Seal || header.tag != tag {
        return None;
    }
    let frames = bytes.get(GROUP_LEN..GROUP_LEN.checked_add(header.len as usize)?)?;
    let end = parse_frame(frames, segment, first)?;
    let footer = parse_frame(frames.get(end.len..)?, segment, first)?;
    if end.kind != FrameKind::End || footer.kind != FrameKind::Footer {
        return None;
    }
    let mut crcs = crc32fast::Hasher::new();
    crcs.update(&end.crc.to_le_bytes());
    crcs.update(&footer.crc.to_le_bytes());
    if crcs.finalize() != header.frames {
        return None;
    }
    let fields = frames.get(end.body..end.len)?;
    let seal = Seal {
        end: u64_at(fields, 0)?,
        len: u64_at(fields, 8)?,
        group: u64_at(fields, 16)?,
        digest: u32_at(fields, 24)?,
        closed: *fields.get(32)? != 0,
    };
    let from = GROUP_LEN + end.len + footer.body;
    let bounded = seal.end.max(seal.len).max(seal.group) < BOUND;
    (bounded && seal.end == end.sequence)
        .then(|| (seal, bytes.slice(from..from + (footer.len - footer.body))))
}
