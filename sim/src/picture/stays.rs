//! What became of everything that was written: from the step at which the cache had it to the step at which a sync made
//! it durable, or a power loss decided. It compares what a disk has at risk from step to step, and asks the device only
//! when power is lost; a sync that lied is thus seen for what it did, not for what it said.

use super::recording::{End, Stay, Sync, SyncEnd};
use bytes::Bytes;
use onceward_core::{DiskOp, OpId, Path};
use onceward_model::world::disk::{Disk, Fates, Image, OpLabel, Outcome, Part, Risk, Why};
use std::ops::Range;

/// The disk of one node, watched.
pub(super) struct Shelf {
    lane: usize,
    open: Vec<Item>,
    syncs: Vec<(OpId, usize)>,
}

/// Something that is not durable yet.
struct Item {
    path: Path,
    part: Portion,
    stay: usize,
}

enum Portion {
    Bytes(Range<u64>, Bytes),
    Length(u64),
    /// The name is there, or is not.
    Name(bool),
}

/// What happened to a disk in one step.
pub(super) enum Deed<'a> {
    /// This operation ended so.
    Ended(OpId, &'a DiskOp, &'a Outcome),
    /// The process was killed.
    Killed,
    /// Power was lost.
    PowerLost(&'a Fates),
    /// The disk is another one.
    Wiped,
    /// None of these.
    Nothing,
}

impl Shelf {
    pub(super) fn new(lane: usize) -> Shelf {
        Shelf { lane, open: Vec::new(), syncs: Vec::new() }
    }

    /// A step is over. `before` are the operations that were pending before it, `after` is the disk after it.
    pub(super) fn step(
        &mut self,
        step: u64,
        deed: &Deed<'_>,
        before: &[(OpId, DiskOp)],
        after: &Disk,
        stays: &mut Vec<Stay>,
        syncs: &mut Vec<Sync>,
    ) {
        match deed {
            Deed::Ended(id, op, outcome) => {
                if let Some(at) = self.syncs.iter().position(|(open, _)| open == id) {
                    let sync = &mut syncs[self.syncs.remove(at).1];
                    sync.until = Some(step);
                    sync.end = match outcome {
                        Outcome::Fail { .. } => SyncEnd::Failed,
                        Outcome::Lie => SyncEnd::Lied,
                        _ => SyncEnd::Done,
                    };
                }
                self.renamed(op, after);
                self.put(step, op, "", stays);
            }
            Deed::Killed | Deed::PowerLost(_) | Deed::Wiped => {
                for (_, sync) in self.syncs.drain(..) {
                    (syncs[sync].until, syncs[sync].end) = (Some(step), SyncEnd::Cut);
                }
                for (_, op) in before {
                    self.put(step, op, " (not answered)", stays);
                }
            }
            Deed::Nothing => {}
        }
        self.judge(step, deed, after, stays);
        for (id, op) in after.pending() {
            let is_sync = matches!(op, DiskOp::Sync { .. } | DiskOp::SyncDir(_));
            let known = self.syncs.iter().any(|(open, _)| *open == id);
            if is_sync && !known {
                let what = OpLabel(op).to_string();
                self.syncs.push((id, syncs.len()));
                syncs.push(Sync { lane: self.lane, what, from: step, until: None, end: SyncEnd::Open });
            }
        }
    }

    /// Takes note of what an operation may have put into the cache. Whether it did is seen from what is at risk.
    fn put(&mut self, step: u64, op: &DiskOp, how: &str, stays: &mut Vec<Stay>) {
        let (path, part) = match op {
            DiskOp::Write { path, offset, data } => {
                let range = *offset..*offset + data.len() as u64;
                (path, Portion::Bytes(range, data.clone()))
            }
            DiskOp::Allocate { path, len } | DiskOp::SetLen { path, len } => (path, Portion::Length(*len)),
            DiskOp::Create(path) | DiskOp::CreateDir(path) => (path, Portion::Name(true)),
            DiskOp::Rename { to, .. } => (to, Portion::Name(true)),
            DiskOp::Remove(path) => (path, Portion::Name(false)),
            DiskOp::Read { .. } | DiskOp::Sync { .. } | DiskOp::SyncDir(_) | DiskOp::List(_) => return,
        };
        let what = format!("{}{how}", OpLabel(op));
        // What is wholly covered by something newer is not what a power loss decides about any more.
        self.open.retain(|item| {
            let covered = item.path == *path
                && match (&item.part, &part) {
                    (Portion::Bytes(old, _), Portion::Bytes(new, _)) => {
                        new.start <= old.start && old.end <= new.end
                    }
                    (Portion::Name(_), Portion::Name(_)) | (Portion::Length(_), Portion::Length(_)) => true,
                    _ => false,
                };
            if covered {
                (stays[item.stay].until, stays[item.stay].end) = (Some(step), End::Replaced);
            }
            !covered
        });
        self.open.push(Item { path: path.clone(), part, stay: stays.len() });
        stays.push(Stay { lane: self.lane, what, from: step, doomed: None, until: None, end: End::Open });
    }

    fn renamed(&mut self, op: &DiskOp, after: &Disk) {
        let DiskOp::Rename { from, to } = op else { return };
        let there = after.cache_image().files;
        if there.contains_key(to) && !there.contains_key(from) {
            let moved = self.open.iter_mut().filter(|item| item.path == *from);
            moved
                .filter(|item| !matches!(item.part, Portion::Name(_)))
                .for_each(|item| item.path = to.clone());
        }
    }

    /// Ends what is not at risk any more.
    fn judge(&mut self, step: u64, deed: &Deed<'_>, after: &Disk, stays: &mut Vec<Stay>) {
        if self.open.is_empty() {
            return;
        }
        let risks = after.at_risk();
        let image = matches!(deed, Deed::PowerLost(_)).then(|| after.durable_image());
        self.open.retain(|item| {
            let stay = &mut stays[item.stay];
            let mut why = None;
            for risk in risks.iter().filter(|risk| item.is(risk)) {
                why = why.max(Some(risk.why));
            }
            if let Some(why) = why {
                if matches!(why, Why::SyncFailed | Why::Astray) && stay.doomed.is_none() {
                    stay.doomed = Some(step);
                }
                return true;
            }
            stay.until = Some(step);
            stay.end = match (deed, &image) {
                (Deed::PowerLost(fates), Some(image)) => item.fate(image, fates),
                (Deed::Wiped, _) => End::Lost,
                (Deed::Ended(_, DiskOp::Sync { .. } | DiskOp::SyncDir(_), _), _) => End::Synced,
                _ => End::Replaced,
            };
            false
        });
        // What never was in the cache (a write that failed, an operation that a kill forestalled) has no story.
        let start = stays.iter().rposition(|stay| stay.from < step).map_or(0, |last| last + 1);
        let gone = |stay: &Stay| stay.until == Some(step) && stay.from == step && stay.end == End::Replaced;
        let moved: Vec<usize> = (start..stays.len()).filter(|at| gone(&stays[*at])).collect();
        for at in moved.into_iter().rev() {
            stays.remove(at);
            self.open.iter_mut().filter(|item| item.stay > at).for_each(|item| item.stay -= 1);
        }
    }
}

impl Item {
    /// Whether this is what is at risk.
    fn is(&self, risk: &Risk) -> bool {
        self.path == risk.path
            && match (&self.part, &risk.what) {
                (Portion::Bytes(ours, _), Part::Bytes(theirs)) => {
                    ours.start < theirs.end && theirs.start < ours.end
                }
                (Portion::Length(ours), Part::Length(theirs)) => ours == theirs,
                (Portion::Name(_), Part::Name) => true,
                _ => false,
            }
    }

    /// What a power loss has made of it.
    fn fate(&self, image: &Image, fates: &Fates) -> End {
        let file = image.files.get(&self.path);
        let either = |kept: bool| if kept { End::Kept } else { End::Lost };
        match &self.part {
            Portion::Name(there) => either((file.is_some() || image.folders.contains(&self.path)) == *there),
            Portion::Length(len) => either(file.is_some_and(|bytes| bytes.len() as u64 == *len)),
            Portion::Bytes(range, data) => {
                let Some(bytes) = file else { return End::Lost };
                if fates.lazy {
                    return End::Undecided;
                }
                let start = (range.start as usize).min(bytes.len());
                let held = &bytes[start..(range.end as usize).clamp(start, bytes.len())];
                if held == &data[..] {
                    End::Kept
                } else if held.iter().all(|byte| *byte == 0) {
                    End::Lost
                } else {
                    End::Torn
                }
            }
        }
    }
}
