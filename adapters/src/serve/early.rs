//! Syncs before they are asked for. A log asks for the sync of a file whenever a write to it has been answered, and the way
//! to the machine and back is time in which the device does nothing. Decides after which write a sync is begun at once, and
//! when its result is the answer to the sync that is asked for then. Performs nothing itself.
//!
//! Invariants: a result answers one sync, of the same file and kind, with no operation in between; so what was asked for is
//! as durable as if it had been performed then. A failure is never forgotten, as the system reports it only once: it is the
//! answer to the next sync of that file, whatever came in between.

use onceward_core::{DiskOk, DiskOp, DiskResult, Path, SyncKind};

/// What the last operations of a thread say about the next one.
#[derive(Default)]
pub(super) struct Early {
    /// Written in full by the last operation.
    written: Option<Path>,
    /// The last sync came right behind a write to that file: so will the next one.
    habit: Option<(Path, SyncKind)>,
    /// What came of a sync that nobody has asked for yet.
    done: Option<(Path, SyncKind, DiskResult)>,
}

impl Early {
    /// The answer to an operation, if there is nothing left to perform. To be called before each.
    pub(super) fn answer(&mut self, op: &DiskOp) -> Option<DiskResult> {
        let (path, kind, result) = self.done.take()?;
        match op {
            DiskOp::Sync { path: asked, kind: so } if *asked == path && (*so == kind || result.is_err()) => {
                self.written = None;
                Some(result)
            }
            _ => {
                self.habit = None;
                if result.is_err() {
                    self.done = Some((path, kind, result));
                }
                None
            }
        }
    }

    /// An operation was performed because it was asked for. The sync to be performed now, if one is expected; its result
    /// goes to [`Early::synced`].
    pub(super) fn performed(&mut self, op: &DiskOp, result: &DiskResult) -> Option<DiskOp> {
        let before = self.written.take();
        match op {
            DiskOp::Write { path, data, .. } if *result == Ok(DiskOk::Wrote(data.len() as u32)) => {
                self.written = Some(path.clone());
                let (_, kind) = self.habit.as_ref().filter(|(of, _)| self.done.is_none() && of == path)?;
                Some(DiskOp::Sync { path: path.clone(), kind: *kind })
            }
            DiskOp::Sync { path, kind } => {
                self.habit = before.filter(|written| written == path).map(|written| (written, *kind));
                None
            }
            _ => None,
        }
    }

    /// What came of an early sync.
    pub(super) fn synced(&mut self, op: DiskOp, result: DiskResult) {
        if let DiskOp::Sync { path, kind } = op {
            self.done = Some((path, kind, result));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use onceward_core::DiskError;

    fn write(path: &str) -> DiskOp {
        DiskOp::Write { path: Path::from(path), offset: 0, data: Bytes::from_static(b"four") }
    }

    fn sync(path: &str) -> DiskOp {
        DiskOp::Sync { path: Path::from(path), kind: SyncKind::Data }
    }

    const WROTE: DiskResult = Ok(DiskOk::Wrote(4));
    const DONE: DiskResult = Ok(DiskOk::Done);

    /// One that has seen a write to a file and its sync.
    fn used_to(path: &str) -> Early {
        let mut early = Early::default();
        for (op, result) in [(write(path), WROTE), (sync(path), DONE)] {
            assert_eq!(early.answer(&op), None);
            assert_eq!(early.performed(&op, &result), None);
        }
        early
    }

    #[test]
    fn a_sync_that_was_expected_is_answered_once() {
        let mut early = used_to("a");
        for _ in 0..3 {
            assert_eq!(early.answer(&write("a")), None);
            assert_eq!(early.performed(&write("a"), &WROTE), Some(sync("a")));
            early.synced(sync("a"), DONE);
            assert_eq!(early.answer(&sync("a")), Some(DONE));
        }
        assert_eq!(early.answer(&sync("a")), None);
    }

    #[test]
    fn what_is_written_after_an_early_sync_has_to_be_synced() {
        let mut early = used_to("a");
        assert!(early.performed(&write("a"), &WROTE).is_some());
        early.synced(sync("a"), DONE);
        assert_eq!(early.answer(&write("a")), None);
        assert_eq!(early.performed(&write("a"), &WROTE), None, "not expected any more");
        assert_eq!(early.answer(&sync("a")), None);
    }

    #[test]
    fn another_file_another_kind_and_a_short_write_are_not_expected() {
        let mut early = used_to("a");
        assert_eq!(early.performed(&write("b"), &WROTE), None);
        let mut early = used_to("a");
        assert_eq!(early.performed(&write("a"), &Ok(DiskOk::Wrote(3))), None);
        let mut early = used_to("a");
        assert!(early.performed(&write("a"), &WROTE).is_some());
        early.synced(sync("a"), DONE);
        assert_eq!(early.answer(&DiskOp::Sync { path: Path::from("a"), kind: SyncKind::Full }), None);
        let mut early = Early::default();
        early.performed(&write("a"), &WROTE);
        early.performed(&DiskOp::SyncDir(Path::root()), &DONE);
        early.performed(&sync("a"), &DONE);
        assert_eq!(early.performed(&write("a"), &WROTE), None, "there was something between the two");
    }

    #[test]
    fn a_failure_waits_for_the_next_sync_of_the_file() {
        let failed: DiskResult = Err(DiskError::Io);
        let mut early = used_to("a");
        assert!(early.performed(&write("a"), &WROTE).is_some());
        early.synced(sync("a"), failed.clone());
        for op in [write("a"), sync("b"), DiskOp::List(Path::root()), write("a")] {
            assert_eq!(early.answer(&op), None);
            assert_eq!(early.performed(&op, &WROTE), None);
        }
        let full = DiskOp::Sync { path: Path::from("a"), kind: SyncKind::Full };
        assert_eq!(early.answer(&full), Some(failed));
        assert_eq!(early.answer(&full), None);
    }
}
