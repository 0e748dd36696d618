//! One segment file: its header, and its groups up to a length or to the first bytes that are no group.

use super::bytes::{array, crc, le16, le32, le64, varint};

const HEADER: usize = 100;
const GROUP: usize = 52;
const CARRIED: u8 = 2;
const SEAL: u8 = 4;
const RECORD: u8 = 1;

/// What a header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) store: u128,
    pub(super) number: u64,
    pub(super) first: u64,
    pub(super) group: u64,
    pub(super) carried: u64,
    /// Predecessor, its length that counts, its digest there.
    pub(super) previous: Option<(u64, u64, u32)>,
    pub(super) sector: u32,
    /// The digest that the segment starts with.
    digest: u32,
}

/// A record that stands in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    pub(super) at: u64,
    pub(super) body: &'a [u8],
    /// Whether it is the last of its unit.
    pub(super) last: bool,
}

/// How far a walk came, and what it found on the way.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    pub(super) records: Vec<Placed<'a>>,
    /// Offset, group number, sequence and digest where it ended.
    pub(super) offset: u64,
    pub(super) group: u64,
    pub(super) sequence: u64,
    pub(super) digest: u32,
    /// How many of the records were taken over from the predecessor.
    pub(super) carried: u64,
}

impl Header {
    /// The header at the start of a file; none if there is no intact one.
    pub(super) fn read(file: &[u8]) -> Option<Header> {
        let sum = le32(file, 96)?;
        let intact = array(file, 0)? == *b"OWSG" && crc(&[file.get(..96)?]) == sum && le16(file, 4)? == 1;
        if !intact {
            return None;
        }
        let previous = (le64(file, 64)?, le64(file, 72)?, le32(file, 80)?);
        let sector = le32(file, 84)?;
        let header = Header {
            store: u128::from_le_bytes(array(file, 8)?),
            number: le64(file, 24)?,
            first: le64(file, 40)?,
            group: le64(file, 48)?,
            carried: le64(file, 56)?,
            previous: (previous.0 != u64::MAX).then_some(previous),
            sector,
            digest: crc(&[&sum.to_le_bytes()]),
        };
        (sector.is_power_of_two() && sector >= 16).then_some(header)
    }

    /// Reads groups up to `limit` bytes of the file, or as far as they are intact and in order.
    pub(super) fn walk<'a>(&self, file: &'a [u8], limit: Option<u64>) -> Walk<'a> {
        let sector = self.sector as usize;
        let start = HEADER.next_multiple_of(sector);
        let mut walk = Walk {
            records: Vec::new(),
            offset: start as u64,
            group: self.group,
            sequence: self.first,
            digest: self.digest,
            carried: 0,
        };
        let end = limit.map_or(file.len(), |limit| file.len().min(limit as usize));
        while let Some(after) = self.group(file, end, &mut walk) {
            walk.offset = after as u64;
        }
        walk
    }

    /// Takes up the group at the end of a walk; the offset behind it.
    fn group<'a>(&self, file: &'a [u8], end: usize, walk: &mut Walk<'a>) -> Option<usize> {
        let at = walk.offset as usize;
        let head = file.get(at..at.checked_add(GROUP)?)?;
        let sum = le32(head, 48)?;
        let salt = [self.number.to_le_bytes(), walk.offset.to_le_bytes()];
        let kind = head[4];
        let (len, count) = (le32(head, 12)? as usize, le32(head, 40)?);
        let fits = array(head, 0)? == *b"OWGR"
            && crc(&[&salt[0], &salt[1], &head[..48]]) == sum
            && (1..SEAL).contains(&kind)
            && le32(head, 8)? == self.store as u32
            && le64(head, 16)? == walk.group
            && le64(head, 32)? == walk.sequence;
        let after = (at + GROUP).checked_add(len)?.next_multiple_of(self.sector as usize);
        if !fits || after > end {
            return None;
        }
        let frames = file.get(at + GROUP..at + GROUP + len)?;
        let (mut records, mut sums, mut from) = (Vec::new(), Vec::new(), 0);
        while from < frames.len() {
            let sequence = walk.sequence + records.len() as u64;
            let (record, sum, next) = self.frame(frames, from, sequence)?;
            records.push(Placed { at: (at + GROUP + from) as u64, ..record });
            sums.extend_from_slice(&sum.to_le_bytes());
            from = next;
        }
        let whole = records.len() == count as usize
            && crc(&[&sums]) == le32(head, 44)?
            && records.last().is_none_or(|record| record.last);
        if !whole {
            return None;
        }
        walk.group += 1;
        walk.sequence += records.len() as u64;
        walk.digest = crc(&[&walk.digest.to_le_bytes(), &sum.to_le_bytes()]);
        walk.carried += if kind == CARRIED { records.len() as u64 } else { 0 };
        walk.records.append(&mut records);
        Some(after)
    }

    /// The record that must have this sequence, its checksum, and the offset behind it.
    fn frame<'a>(&self, frames: &'a [u8], at: usize, sequence: u64) -> Option<(Placed<'a>, u32, usize)> {
        let kind = *frames.get(at)?;
        let (delta, next) = varint(frames, at + 1)?;
        let (len, next) = varint(frames, next)?;
        let sum = le32(frames, next)?;
        let from = next + 4;
        let body = frames.get(from..from.checked_add(usize::try_from(len).ok()?)?)?;
        let (segment, place) = (self.number.to_le_bytes(), sequence.to_le_bytes());
        let sound = kind & 0x7f == RECORD
            && self.first.checked_add(delta)? == sequence
            && crc(&[&segment, &place, &frames[at..next], body]) == sum;
        let record = Placed { at: 0, body, last: kind & 0x80 != 0 };
        sound.then_some((record, sum, from + body.len()))
    }
}
