//! Releases the front of the log: whole segments whose records are of no use any more, the lowest first, one at a time. It
//! decides nothing but the order; what is of use is known by the store above.
//!
//! The name of each is gone durably before the next one goes, so that what a crash leaves is an end of the log: a segment
//! that comes back stands directly before the first that stayed, or recovery passes it over. Only segments before the one
//! that holds the proven end are ever touched, and no space is needed: it works on a full disk.

use super::super::read::path_of;
use super::super::{Action, Config, OP_RELEASE};
use super::Writer;
use crate::{DiskError, DiskOp, DiskResult, Mark};
use alloc::vec::Vec;

/// How far releasing has come.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Release {
    /// Records below are of no use.
    upto: u64,
    next: Next,
    /// An operation is on its way.
    busy: bool,
    /// The last one failed: nothing is tried before the next release.
    failed: bool,
}

#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Next {
    /// The lowest segment, if it is of no use.
    #[default]
    Choose,
    /// This one's name.
    Remove(u64),
    /// That it is gone is to be made durable.
    SyncDir,
}

impl Writer {
    /// Everything below a sequence is of no use.
    pub(in super::super) fn release(&mut self, config: &Config, upto: u64) {
        if config.releases {
            self.release.upto = self.release.upto.max(upto.min(self.durable()));
            self.release.failed = false;
        }
    }

    /// Goes on releasing, if there is something to be released.
    pub(super) fn release_next(&mut self, config: &Config, out: &mut Vec<Action>) {
        if self.release.busy || self.release.failed {
            return;
        }
        if self.release.next == Next::Choose
            && let Some((number, kept)) = self.segments.first_key_value()
            && kept.first < self.release.upto
            && kept.end <= self.release.upto
            && Some(*number) < self.tip.segment
            && self.unsealed.is_none_or(|unsealed| unsealed.number > *number)
            && !self.superseded.contains(number)
        {
            let number = *number;
            self.segments.remove(&number);
            self.release.next = Next::Remove(number);
        }
        let op = match self.release.next {
            Next::Choose => return,
            Next::Remove(number) => DiskOp::Remove(path_of(&config.folder, number)),
            Next::SyncDir => DiskOp::SyncDir(config.folder.clone()),
        };
        self.release.busy = true;
        out.push(Action::Disk(OP_RELEASE, op));
    }

    /// Takes the answer to one of its operations.
    pub(in super::super) fn released(&mut self, result: &DiskResult, out: &mut Vec<Action>) {
        self.release.busy = false;
        self.release.next = match (self.release.next, result) {
            (Next::Remove(_), Ok(_) | Err(DiskError::NotFound)) => Next::SyncDir,
            (Next::SyncDir, Ok(_)) => {
                out.push(Action::Mark(Mark("segment released")));
                Next::Choose
            }
            (next, _) => {
                out.push(Action::Mark(Mark("release failed")));
                if next == Next::SyncDir {
                    self.doubt_names();
                    out.push(Action::NamesDoubted);
                }
                self.release.failed = true;
                next
            }
        };
    }
}
