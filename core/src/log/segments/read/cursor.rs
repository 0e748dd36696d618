//! Walks over the groups of one segment, front to back, and checks each against what must follow.

use super::super::format::{
    FrameKind, GROUP_LEN, GroupHeader, GroupKind, SegmentHeader, align, chain, parse_frame,
};
use super::super::{Config, Location};
use super::{join, path_of};
use crate::DiskOp;
use crate::log::mutants::mutant;
use alloc::vec::Vec;
use bytes::{Buf, Bytes};

/// A place between groups: everything that the next group must fit.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(in super::super) struct Mile {
    /// File offset.
    pub(in super::super) offset: u64,
    /// The next group's number.
    pub(in super::super) group: u64,
    /// The next record's sequence.
    pub(in super::super) sequence: u64,
    /// The digest so far.
    pub(in super::super) digest: u32,
}

/// A record of a group.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Item {
    pub(in super::super) sequence: u64,
    pub(in super::super) at: Location,
    pub(in super::super) body: Bytes,
    pub(in super::super) last: bool,
}

/// An intact group that fits.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Group {
    pub(in super::super) header: GroupHeader,
    pub(in super::super) items: Vec<Item>,
    /// Where it starts.
    pub(in super::super) before: Mile,
}

/// Why there is no group.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) enum Bad {
    /// The file ends within it: it was never synced.
    Short,
    /// Its header or a frame fails its checksum.
    Checksum,
    /// It is intact, but not the one that must stand here: no torn write makes that.
    Order,
}

/// What stands next.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(in super::super) enum Found {
    /// More bytes are needed to tell.
    More,
    /// The limit is reached between groups.
    End,
    /// A seal's header: no record follows.
    Seal(GroupHeader),
    /// A group.
    Group(Group),
    /// Something else.
    Bad(Bad),
}

/// A walk.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Cursor {
    segment: u64,
    sector: u32,
    tag: u32,
    base: u64,
    limit: u64,
    pub(in super::super) here: Mile,
    parts: Vec<Bytes>,
    have: u64,
    need: u64,
}

impl Cursor {
    /// Starts behind a segment's header; nothing at `limit` or beyond is looked at.
    pub(in super::super) fn new(header: &SegmentHeader, digest: u32, limit: u64) -> Cursor {
        let here = Mile { offset: header.len(), group: header.group, sequence: header.first, digest };
        Cursor {
            segment: header.number,
            sector: header.sector,
            tag: header.tag(),
            base: header.first,
            limit,
            here,
            parts: Vec::new(),
            have: 0,
            need: 0,
        }
    }

    /// The read that [`Found::More`] asks for.
    pub(in super::super) fn want(&self, config: &Config) -> DiskOp {
        let offset = self.here.offset.saturating_add(self.have);
        let len = self.limit.saturating_sub(offset).min(config.read_chunk.into()) as u32;
        DiskOp::Read { path: path_of(&config.folder, self.segment), offset, len }
    }

    /// Takes what was read.
    pub(in super::super) fn feed(&mut self, data: Bytes) {
        self.have += data.len() as u64;
        self.parts.push(data);
    }

    /// Reads what stands here anew.
    pub(in super::super) fn look_again(&mut self) {
        self.parts.clear();
        (self.have, self.need) = (0, 0);
    }

    /// The first `need` bytes in one piece, if they are there.
    fn front(&mut self, need: u64) -> Option<Bytes> {
        self.need = need;
        if self.have < need {
            return None;
        }
        if self.parts.first().is_some_and(|first| (first.len() as u64) < need) {
            join(&mut self.parts);
        }
        self.parts.first().map(|first| first.slice(..need as usize))
    }

    /// Looks at what stands next, and steps over it if it is a group.
    pub(in super::super) fn next(&mut self) -> Found {
        let left = self.limit.saturating_sub(self.here.offset);
        if left == 0 {
            return Found::End;
        }
        if left < GROUP_LEN as u64 {
            return Found::Bad(Bad::Short);
        }
        let Some(head) = self.front(GROUP_LEN as u64) else { return Found::More };
        let Some(header) = GroupHeader::decode(&head, self.segment, self.here.offset) else {
            return Found::Bad(Bad::Checksum);
        };
        // A seal's number is that of the group that it stands for; unproven groups may stand between.
        if header.kind == GroupKind::Seal && header.tag == self.tag && header.number <= self.here.group {
            return Found::Seal(header);
        }
        let fits = header.tag == self.tag
            && header.number == self.here.group
            && header.first == self.here.sequence
            && header.durable <= header.number
            && header.kind != GroupKind::Seal;
        if !fits {
            return Found::Bad(Bad::Order);
        }
        let sector = if mutant!(GroupsNotPadded) { 1 } else { self.sector };
        let total = align(GROUP_LEN as u64 + u64::from(header.len), sector);
        if total > left {
            return Found::Bad(Bad::Short);
        }
        let Some(bytes) = self.front(total) else { return Found::More };
        let Some(items) = self.items(&bytes, &header) else { return Found::Bad(Bad::Checksum) };
        let before = self.here;
        self.here = Mile {
            offset: before.offset + total,
            group: before.group.saturating_add(1),
            sequence: before.sequence.saturating_add(items.len() as u64),
            digest: chain(before.digest, header.crc),
        };
        if let Some(first) = self.parts.first_mut() {
            first.advance(total as usize);
            self.have -= total;
            if first.is_empty() {
                self.parts.remove(0);
            }
        }
        Found::Group(Group { header, items, before })
    }

    /// Checks and takes apart a group's frames.
    fn items(&self, bytes: &Bytes, header: &GroupHeader) -> Option<Vec<Item>> {
        let end = GROUP_LEN + header.len as usize;
        let mut at = GROUP_LEN;
        let mut crcs = crc32fast::Hasher::new();
        let mut items = Vec::with_capacity((header.count as usize).min(bytes.len() / 7));
        while at < end {
            let frame = parse_frame(bytes.get(at..end)?, self.segment, self.base)?;
            let sequence = header.first.checked_add(items.len() as u64)?;
            if frame.kind != FrameKind::Record || frame.sequence != sequence {
                return None;
            }
            crcs.update(&frame.crc.to_le_bytes());
            let offset = self.here.offset + at as u64;
            let place = Location { segment: self.segment, offset, len: frame.len as u32 };
            let body = bytes.slice(at + frame.body..at + frame.len);
            items.push(Item { sequence, at: place, body, last: frame.last });
            at += frame.len;
        }
        let whole = items.len() == header.count as usize && crcs.finalize() == header.frames;
        (whole && items.last().is_none_or(|item| item.last)).then_some(items)
    }
}
