//! The bytes of a segment file, version 1. Decides how headers, groups, frames and seals are laid out and checked;
//! knows nothing of files, order of writes or recovery. Decoding is total: any bytes give a value or an error.
//!
//! Integers are little-endian, checksums are CRC-32 (IEEE). A *sector* is what a torn write may spoil at most; the
//! segment header and every group start at a sector boundary and are padded with zeros to one, so that spoiling the
//! sector that is being written never reaches bytes that were proven before.
//!
//! ```text
//! file     ┌────────┬───────┬───────┬─ ─ ─┬───────┬──────────────────┐
//!          │ header │ group │ group │     │ group │ seal   … trailer │   (the seal only once nothing more comes)
//!          └────────┴───────┴───────┴─ ─ ─┴───────┴──────────────────┘
//!
//! header   0  magic "OWSG"       4  version = 1 (u16)     6  zero (u16)
//! 100 B    8  store id (u128)   24  segment number        32  epoch
//!         40  sequence of the first record                48  number of the first group
//!         56  carried records: those of its first groups, taken over from the end of the predecessor
//!         64  predecessor's segment number (2^64-1: none) 72  predecessor's proven length
//!         80  predecessor's digest (u32)                  84  sector size (u32)
//!         88  zero (u64)                                  96  CRC of bytes 0..96 (u32)
//!
//!             (magic, version and CRC keep their places in every version)
//! group    0  magic "OWGR"       4  kind (u8)   5  zero (3 B)      8  store tag: low 32 bits of the store id
//! 52 B    12  length of the frames (u32)                 16  group number
//!         24  durable frontier: groups below this number were proven durable when this one was written
//!         32  sequence of the first record               40  number of frames (u32)
//!         44  CRC of the frames' CRCs (u32)              48  CRC of segment number, file offset, bytes 0..48 (u32)
//!         52  frames, back to back; then zeros up to a sector boundary
//!
//! frame    0  kind (7 bits), last of its unit (bit 7)
//! ≤ 10 B   1  sequence, less the segment's first (varint); length of the body (varint)
//! + body   …  CRC of segment number, sequence, the bytes before, body (u32);   …  body
//!
//! seal     a group of kind *seal* with two frames: *end* (33 B: end sequence u64, proven length u64, next group's
//!          number u64, digest u32, zero u32, closed u8) and *footer* (opaque); padded so that the trailer ends the file
//! trailer  0  magic "OWTR"       4  offset of the seal (u64)      12  CRC of segment number, bytes 0..12 (u32)
//! 16 B
//! ```
//!
//! The *digest* of a segment is the CRC of its header's CRC; each group replaces it by the CRC of (digest, the
//! group header's CRC). A group's CRC covers its frames' CRCs, these cover the bodies: the digest names the contents.
//!
//! Budget: a record costs 7 to 10 bytes beside its body, a group 52 bytes and on average half a sector.

mod group;
mod seal;
mod segment;

pub(super) use group::{FrameKind, GROUP_LEN, GroupHeader, GroupKind, GroupWriter, parse_frame};
pub(super) use seal::{Seal, TRAILER_LEN, encode_seal, parse_seal, parse_trailer, seal_fits};
pub(super) use segment::{BadHeader, HEADER_LEN, Prev, SegmentHeader};

use crc32fast::Hasher;

/// The least sector size: every group of every store starts at a multiple of it.
pub(super) const MIN_SECTOR: u64 = 16;

/// No number, length or offset that is read from a file is taken if it reaches this, so that sums of a few of them do
/// not overflow. A million of anything every microsecond takes a hundred days to get there.
pub(super) const BOUND: u64 = 1 << 62;

/// `len` rounded up to whole sectors.
pub(super) fn align(len: u64, sector: u32) -> u64 {
    len.next_multiple_of(u64::from(sector).max(1))
}

/// A checksum that starts with numbers that are not stored, so that bytes found elsewhere do not pass.
fn salted(salt: &[u64]) -> Hasher {
    let mut hasher = Hasher::new();
    salt.iter().for_each(|part| hasher.update(&part.to_le_bytes()));
    hasher
}

/// The digest after one more group.
pub(super) fn chain(digest: u32, crc: u32) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&digest.to_le_bytes());
    hasher.update(&crc.to_le_bytes());
    hasher.finalize()
}

/// `N` bytes at `at`; `None` beyond the end.
fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes_at(bytes, at).map(u64::from_le_bytes)
}
