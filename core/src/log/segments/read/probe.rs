//! Looks through bytes in which the walk over groups has failed, for group headers that are intact: they prove how
//! far the log was durable, and that a segment was in use. What was reserved and never written reads as zeros, and is
//! passed over chunk by chunk.

use super::super::Config;
use super::super::format::{GROUP_LEN, GroupHeader, GroupKind, MIN_SECTOR};
use super::path_of;
use crate::DiskOp;
use alloc::vec::Vec;
use bytes::Bytes;

/// A look through the rest of a file.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Probe {
    pub(in super::super) segment: u64,
    limit: u64,
    /// File offset of the first byte of `kept`, a multiple of the least sector.
    at: u64,
    kept: Vec<u8>,
    /// The highest durable frontier found, as a group number, and where.
    pub(in super::super) durable: Option<(u64, u64)>,
    /// The first intact group that was written when the segment's header was durable.
    pub(in super::super) in_use: Option<u64>,
    /// After the last byte that is not zero; the start if there is none.
    pub(in super::super) content: u64,
}

impl Probe {
    /// Looks at `from`, rounded down to the least sector, up to `limit`.
    pub(in super::super) fn new(segment: u64, from: u64, limit: u64) -> Probe {
        let at = from - from % MIN_SECTOR;
        Probe { segment, limit, at, kept: Vec::new(), durable: None, in_use: None, content: at }
    }

    /// The next read; `None`: the end is reached.
    pub(in super::super) fn want(&self, config: &Config) -> Option<DiskOp> {
        let offset = self.at.saturating_add(self.kept.len() as u64);
        let len = self.limit.saturating_sub(offset).min(config.read_chunk.into()) as u32;
        (len > 0).then(|| DiskOp::Read { path: path_of(&config.folder, self.segment), offset, len })
    }

    /// Takes what was read.
    pub(in super::super) fn feed(&mut self, data: &Bytes) {
        let start = self.at + self.kept.len() as u64;
        if zeros(data) && zeros(&self.kept) {
            // No header begins in zeros. The next chunk is looked at from a sector on, as if the zeros were kept.
            let end = start + data.len() as u64;
            self.at = end - end % MIN_SECTOR;
            self.kept.clear();
            self.kept.resize((end % MIN_SECTOR) as usize, 0);
            return;
        }
        if let Some(last) = data.iter().rposition(|byte| *byte != 0) {
            self.content = start + last as u64 + 1;
        }
        self.kept.extend_from_slice(data);
        let mut done = 0;
        while self.kept.len() - done >= GROUP_LEN {
            let offset = self.at + done as u64;
            if let Some(header) = GroupHeader::decode(&self.kept[done..], self.segment, offset) {
                if self.durable.is_none_or(|(most, _)| header.durable > most) {
                    self.durable = Some((header.durable, offset));
                }
                let uses = matches!(header.kind, GroupKind::Records | GroupKind::Proof);
                if uses && self.in_use.is_none() {
                    self.in_use = Some(offset);
                }
            }
            done += MIN_SECTOR as usize;
        }
        let done = done.min(self.kept.len());
        self.kept.drain(..done);
        self.at += done as u64;
    }
}

/// Whether all bytes are zero. By blocks, which compile to a few instructions each.
fn zeros(bytes: &[u8]) -> bool {
    bytes.chunks(128).all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
}
