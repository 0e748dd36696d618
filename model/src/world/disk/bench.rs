//! A disk with somebody who operates it step by step: for the promises and the tests of this folder.

use super::{Disk, Fates, Geometry, Image, Outcome};
use bytes::Bytes;
use onceward_core::{DiskError, DiskOk, DiskOp, DiskResult, OpId, Path, SyncKind};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Bench {
    pub(super) disk: Disk,
    next: u32,
}

impl Bench {
    pub(super) fn new(sector: u32) -> Bench {
        Bench { disk: Disk::new(Geometry::checked(sector)), next: 0 }
    }

    /// A bench on whose disk one file is durable.
    pub(super) fn holding(sector: u32, path: &str, bytes: &[u8]) -> Bench {
        let image = Image { files: [(Path::from(path), bytes.to_vec())].into(), ..Image::default() };
        Bench { disk: Disk::from_image(Geometry::checked(sector), &image), next: 0 }
    }

    pub(super) fn submit(&mut self, op: DiskOp) -> OpId {
        let id = OpId(self.next);
        self.next += 1;
        self.disk.submit(id, op);
        id
    }

    pub(super) fn complete(&mut self, op: OpId, outcome: &Outcome) -> Option<DiskResult> {
        self.disk.complete(op, outcome)
    }

    /// Submits and completes. An outcome that is not possible answers `None`, and the operation is not pending.
    pub(super) fn try_with(&mut self, op: DiskOp, outcome: &Outcome) -> Option<DiskResult> {
        let before = self.clone();
        let id = self.submit(op);
        let answer = self.complete(id, outcome);
        if answer.is_none() {
            *self = before;
        }
        answer
    }

    /// An operation on a device without faults.
    pub(super) fn run(&mut self, op: DiskOp) -> DiskResult {
        // An operation that waits for another one is the only one that cannot end without a fault.
        self.try_with(op, &Outcome::Ok).unwrap_or(Err(DiskError::Invalid))
    }

    /// What a read of the whole file answers; none if it fails.
    pub(super) fn see(&mut self, path: &str) -> Option<Vec<u8>> {
        match self.run(read(path, 0, u32::MAX)) {
            Ok(DiskOk::Read(bytes)) => Some(bytes.to_vec()),
            _ => None,
        }
    }

    pub(super) fn after_loss(&self, fates: &Fates) -> Bench {
        let mut after = self.clone();
        after.disk.power_loss(fates);
        after
    }
}

pub(super) fn create(path: &str) -> DiskOp {
    DiskOp::Create(Path::from(path))
}

pub(super) fn write(path: &str, offset: u64, data: &[u8]) -> DiskOp {
    DiskOp::Write { path: Path::from(path), offset, data: Bytes::copy_from_slice(data) }
}

pub(super) fn read(path: &str, offset: u64, len: u32) -> DiskOp {
    DiskOp::Read { path: Path::from(path), offset, len }
}

pub(super) fn sync(path: &str) -> DiskOp {
    DiskOp::Sync { path: Path::from(path), kind: SyncKind::Data }
}

pub(super) fn sync_dir(path: &str) -> DiskOp {
    DiskOp::SyncDir(Path::from(path))
}

pub(super) fn set_len(path: &str, len: u64) -> DiskOp {
    DiskOp::SetLen { path: Path::from(path), len }
}

pub(super) fn rename(from: &str, to: &str) -> DiskOp {
    DiskOp::Rename { from: Path::from(from), to: Path::from(to) }
}

pub(super) fn remove(path: &str) -> DiskOp {
    DiskOp::Remove(Path::from(path))
}
