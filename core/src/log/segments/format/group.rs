//! Commit groups and the frames in them.

use super::{BOUND, align, bytes_at, salted, u32_at, u64_at};
use crate::log::segments::Location;
use alloc::vec::Vec;
use crc32fast::Hasher;

/// Bytes of a group header.
pub(in super::super) const GROUP_LEN: usize = 52;
const MAGIC: [u8; 4] = *b"OWGR";
const LAST: u8 = 0x80;

/// What a group is for.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) enum GroupKind {
    /// Records, written after the segment's header was durable.
    Records = 1,
    /// Records taken over from the predecessor, written together with the segment's header.
    Carried = 2,
    /// No records: says by its frontier that everything before is durable, so that a restart need not write it anew.
    Proof = 3,
    /// The end of the segment, with the footer. Not numbered: its number is that of the group that is not there.
    Seal = 4,
}

/// What a group says of itself.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct GroupHeader {
    pub(in super::super) kind: GroupKind,
    pub(in super::super) tag: u32,
    /// Bytes of its frames.
    pub(in super::super) len: u32,
    pub(in super::super) number: u64,
    /// Groups with lower numbers than this are durable.
    pub(in super::super) durable: u64,
    pub(in super::super) first: u64,
    pub(in super::super) count: u32,
    /// CRC over its frames' CRCs.
    pub(in super::super) frames: u32,
    /// Its own CRC.
    pub(in super::super) crc: u32,
}

impl GroupHeader {
    /// Reads the header of the group that starts at `offset` of segment `segment`.
    pub(in super::super) fn decode(bytes: &[u8], segment: u64, offset: u64) -> Option<GroupHeader> {
        if bytes_at(bytes, 0)? != MAGIC {
            return None;
        }
        let crc = u32_at(bytes, GROUP_LEN - 4)?;
        let mut hasher = salted(&[segment, offset]);
        hasher.update(bytes.get(..GROUP_LEN - 4)?);
        if hasher.finalize() != crc {
            return None;
        }
        let kind = match bytes.get(4)? {
            1 => GroupKind::Records,
            2 => GroupKind::Carried,
            3 => GroupKind::Proof,
            4 => GroupKind::Seal,
            _ => return None,
        };
        let (number, durable, first) = (u64_at(bytes, 16)?, u64_at(bytes, 24)?, u64_at(bytes, 32)?);
        if number.max(durable).max(first) >= BOUND {
            return None;
        }
        Some(GroupHeader {
            kind,
            tag: u32_at(bytes, 8)?,
            len: u32_at(bytes, 12)?,
            number,
            durable,
            first,
            count: u32_at(bytes, 40)?,
            frames: u32_at(bytes, 44)?,
            crc,
        })
    }
}

/// What a frame holds.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) enum FrameKind {
    Record = 1,
    End = 2,
    Footer = 3,
}

/// A frame, checked; the body is given by its place.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Frame {
    pub(in super::super) kind: FrameKind,
    /// Whether it is the last of its unit.
    pub(in super::super) last: bool,
    pub(in super::super) sequence: u64,
    /// First byte of the body, counted from the frame's.
    pub(in super::super) body: usize,
    /// Length of the whole frame.
    pub(in super::super) len: usize,
    pub(in super::super) crc: u32,
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The value and the position after it.
fn read_varint(bytes: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(at)?;
        at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((value, at));
        }
    }
    None
}

/// Reads the frame at the start of `bytes`. `first` is the sequence of the segment's first record.
pub(in super::super) fn parse_frame(bytes: &[u8], segment: u64, first: u64) -> Option<Frame> {
    let head = *bytes.first()?;
    let kind = match head & !LAST {
        1 => FrameKind::Record,
        2 => FrameKind::End,
        3 => FrameKind::Footer,
        _ => return None,
    };
    let (delta, at) = read_varint(bytes, 1)?;
    let (len, at) = read_varint(bytes, at)?;
    let sequence = first.checked_add(delta)?;
    let crc = u32_at(bytes, at)?;
    let body = at + 4;
    let end = body.checked_add(usize::try_from(len).ok()?)?;
    let mut hasher = salted(&[segment, sequence]);
    hasher.update(bytes.get(..at)?);
    hasher.update(bytes.get(body..end)?);
    (hasher.finalize() == crc).then_some(Frame {
        kind,
        last: head & LAST != 0,
        sequence,
        body,
        len: end,
        crc,
    })
}

/// Writes one group behind what a buffer holds.
pub(in super::super) struct GroupWriter<'a> {
    out: &'a mut Vec<u8>,
    segment: u64,
    /// The segment's first sequence.
    base: u64,
    /// File offset of the buffer's first byte.
    origin: u64,
    start: usize,
    count: u32,
    salt: Hasher,
    frames: Hasher,
}

impl<'a> GroupWriter<'a> {
    /// Starts a group at the end of `out`, whose first byte goes to file offset `origin` of segment `segment`.
    pub(in super::super) fn new(
        out: &'a mut Vec<u8>,
        segment: u64,
        base: u64,
        origin: u64,
    ) -> GroupWriter<'a> {
        let start = out.len();
        out.resize(start + GROUP_LEN, 0);
        let (salt, frames) = (salted(&[segment]), Hasher::new());
        GroupWriter { out, segment, base, origin, start, count: 0, salt, frames }
    }

    /// Adds a frame and says where it stands.
    pub(in super::super) fn frame(
        &mut self,
        kind: FrameKind,
        last: bool,
        sequence: u64,
        body: &[u8],
    ) -> Location {
        let start = self.out.len();
        self.out.push(kind as u8 | if last { LAST } else { 0 });
        varint(self.out, sequence.saturating_sub(self.base));
        varint(self.out, body.len() as u64);
        let mut hasher = self.salt.clone();
        hasher.update(&sequence.to_le_bytes());
        hasher.update(&self.out[start..]);
        hasher.update(body);
        let crc = hasher.finalize().to_le_bytes();
        self.frames.update(&crc);
        self.out.extend_from_slice(&crc);
        self.out.extend_from_slice(body);
        self.count += 1;
        let len = (self.out.len() - start) as u32;
        Location { segment: self.segment, offset: self.origin + start as u64, len }
    }

    /// Completes the header, which takes `kind`, `tag`, `number`, `durable` and `first` from `header`, and returns
    /// its CRC. `tail` bytes of room are left before the sector boundary at which the group ends.
    pub(in super::super) fn finish(self, header: GroupHeader, sector: u32, tail: usize) -> u32 {
        let at = self.origin + self.start as u64;
        let len = (self.out.len() - self.start - GROUP_LEN) as u32;
        let head = &mut self.out[self.start..self.start + GROUP_LEN];
        head[..4].copy_from_slice(&MAGIC);
        head[4] = header.kind as u8;
        head[8..12].copy_from_slice(&header.tag.to_le_bytes());
        head[12..16].copy_from_slice(&len.to_le_bytes());
        head[16..24].copy_from_slice(&header.number.to_le_bytes());
        head[24..32].copy_from_slice(&header.durable.to_le_bytes());
        head[32..40].copy_from_slice(&header.first.to_le_bytes());
        head[40..44].copy_from_slice(&self.count.to_le_bytes());
        head[44..48].copy_from_slice(&self.frames.finalize().to_le_bytes());
        let mut hasher = salted(&[self.segment, at]);
        hasher.update(&head[..GROUP_LEN - 4]);
        let crc = hasher.finalize();
        head[GROUP_LEN - 4..].copy_from_slice(&crc.to_le_bytes());
        let end = align(self.origin + self.out.len() as u64 + tail as u64, sector);
        self.out.resize((end - self.origin) as usize, 0);
        crc
    }
}

impl GroupHeader {
    /// A header to be completed by [`GroupWriter::finish`].
    pub(in super::super) fn draft(
        kind: GroupKind,
        tag: u32,
        number: u64,
        durable: u64,
        first: u64,
    ) -> GroupHeader {
        GroupHeader { kind, tag, len: 0, number, durable, first, count: 0, frames: 0, crc: 0 }
    }
}
