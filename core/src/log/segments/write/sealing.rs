//! Seals a segment that gets no more records: asks the store for its footer, writes it behind everything that was
//! ever written to the file, cuts off what was reserved in vain, syncs. A seal speeds the next opening and nothing
//! depends on it, so a failure ends the attempt and is no failure of the log.

use super::super::format::{Seal, align, encode_seal};
use super::super::read::path_of;
use super::super::{Action, Config, OP_MAIN};
use super::{Job, Unsealed, Writer, all_written};
use crate::{DiskOp, DiskResult, Mark};
use alloc::vec::Vec;
use bytes::Bytes;

#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Stage {
    Ask,
    Write { len: u32 },
    Cut,
    Sync,
}

/// A seal on its way.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Sealing {
    target: Unsealed,
    closed: bool,
    stage: Stage,
    /// Length of the sealed file.
    end: u64,
}

impl Writer {
    /// Starts to seal the segment that waits for it.
    pub(super) fn seal(&mut self, _: &Config, closed: bool, out: &mut Vec<Action>) {
        let Some(target) = self.unsealed.take() else { return };
        self.job = Job::Seal(Sealing { target, closed, stage: Stage::Ask, end: 0 });
        let Unsealed { number: segment, first, mile, .. } = target;
        out.push(Action::Sealing { segment, first, end: mile.sequence });
    }

    /// Takes the store's footer.
    pub(in super::super) fn footer(
        &mut self,
        config: &Config,
        segment: u64,
        body: &Bytes,
        out: &mut Vec<Action>,
    ) {
        let Job::Seal(mut sealing) = self.job else { return };
        let target = sealing.target;
        if target.number != segment || sealing.stage != Stage::Ask {
            return;
        }
        let mile = target.mile;
        let seal = Seal {
            end: mile.sequence,
            len: mile.offset,
            group: mile.group,
            digest: mile.digest,
            closed: sealing.closed,
        };
        let offset = align(target.free, target.sector);
        let tag = self.store_id as u32;
        let data = Bytes::from(encode_seal(&seal, segment, target.first, offset, tag, target.sector, body));
        sealing.stage = Stage::Write { len: data.len() as u32 };
        sealing.end = offset + data.len() as u64;
        self.job = Job::Seal(sealing);
        let path = path_of(&config.folder, segment);
        out.push(Action::Disk(OP_MAIN, DiskOp::Write { path, offset, data }));
    }

    /// Takes the answer to one of its operations.
    pub(super) fn seal_step(
        &mut self,
        config: &Config,
        mut sealing: Sealing,
        result: DiskResult,
        out: &mut Vec<Action>,
    ) {
        let segment = sealing.target.number;
        let path = path_of(&config.folder, segment);
        let done = match sealing.stage {
            Stage::Write { len } => all_written(&result, len),
            _ => result.is_ok(),
        };
        if !done {
            self.job = Job::None;
            return out.push(Action::Mark(Mark("footer lost")));
        }
        let op = match sealing.stage {
            Stage::Ask => return,
            Stage::Write { .. } if sealing.target.file > sealing.end => {
                sealing.stage = Stage::Cut;
                DiskOp::SetLen { path, len: sealing.end }
            }
            Stage::Write { .. } | Stage::Cut => {
                sealing.stage = Stage::Sync;
                DiskOp::Sync { path, kind: config.kind }
            }
            Stage::Sync => {
                self.job = Job::None;
                if let Some(kept) = self.segments.get_mut(&segment) {
                    kept.file = sealing.end;
                }
                return out.push(Action::Sealed { segment });
            }
        };
        self.job = Job::Seal(sealing);
        out.push(Action::Disk(OP_MAIN, op));
    }
}
