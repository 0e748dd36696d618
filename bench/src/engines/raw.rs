//! The yardstick: payloads written to a file and synced, nothing else. No frame, no checksum, no index.
//!
//! Concurrent clients share a commit group the way every log does it: who finds nobody writing becomes the leader,
//! writes and syncs what has gathered, and wakes the others. With one client this is one write and one fdatasync for
//! each group.

use super::{Engine, Reopened};
use crate::load::{Group, PAYLOAD};
use anyhow::{Context, Result};
use rustix::fs::{FallocateFlags, fallocate};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::FileExt,
    path::Path,
    sync::{Condvar, Mutex, PoisonError},
    time::Instant,
};

/// Where the space comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// Each write extends the file.
    Grown,
    /// Reserved, but not written: a sync must note that the blocks hold data now.
    Fallocated,
    /// Written before, and used in a ring: a sync has no metadata to care for.
    Prewritten,
}

/// Bytes that are reserved at a time.
const RESERVED: u64 = 1 << 30;
/// Bytes of the ring.
const RING: u64 = 64 << 20;

pub(crate) struct Raw {
    file: File,
    space: Space,
    group: Mutex<Commit>,
    done: Condvar,
}

/// The commit group that gathers, and how far the others are.
#[derive(Default)]
struct Commit {
    gathered: Vec<u8>,
    spare: Vec<u8>,
    /// Bytes appended since the start.
    asked: u64,
    /// Bytes that are durable.
    durable: u64,
    /// Offset in the file of the first gathered byte.
    offset: u64,
    leading: bool,
    failed: bool,
}

impl Raw {
    pub(crate) fn create(dir: &Path, space: Space) -> Result<Raw> {
        let path = dir.join("raw");
        let mut file = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        match space {
            Space::Grown => {}
            Space::Fallocated => fallocate(&file, FallocateFlags::empty(), 0, RESERVED)?,
            Space::Prewritten => {
                let zeros = vec![0; 1 << 20];
                for _ in 0..RING / zeros.len() as u64 {
                    file.write_all(&zeros)?;
                }
            }
        }
        file.sync_all()?;
        File::open(dir)?.sync_all()?;
        Ok(Raw { file, space, group: Mutex::default(), done: Condvar::new() })
    }

    /// Writes and syncs one commit group.
    fn commit(&self, bytes: &[u8], offset: u64) -> Result<()> {
        if self.space == Space::Fallocated {
            let from = offset.next_multiple_of(RESERVED);
            if from > 0 && offset + bytes.len() as u64 > from {
                fallocate(&self.file, FallocateFlags::empty(), from, RESERVED)?;
            }
        }
        self.file.write_all_at(bytes, offset)?;
        self.file.sync_data()?;
        Ok(())
    }
}

impl Engine for Raw {
    fn append(&self, group: &Group<'_>) -> Result<()> {
        let mut commit = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        for event in group.events() {
            commit.gathered.extend_from_slice(event.payload);
        }
        commit.asked += (group.len() * PAYLOAD) as u64;
        let mine = commit.asked;
        loop {
            anyhow::ensure!(!commit.failed, "an earlier commit group failed");
            if commit.durable >= mine {
                return Ok(());
            }
            if commit.leading {
                commit = self.done.wait(commit).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let spare = std::mem::take(&mut commit.spare);
            let mut bytes = std::mem::replace(&mut commit.gathered, spare);
            if self.space == Space::Prewritten && commit.offset + bytes.len() as u64 > RING {
                commit.offset = 0;
            }
            let (offset, upto) = (commit.offset, commit.asked);
            commit.offset += bytes.len() as u64;
            commit.leading = true;
            drop(commit);
            let outcome = self.commit(&bytes, offset);
            bytes.clear();
            commit = self.group.lock().unwrap_or_else(PoisonError::into_inner);
            commit.spare = bytes;
            commit.leading = false;
            commit.durable = upto;
            commit.failed |= outcome.is_err();
            self.done.notify_all();
            outcome?;
        }
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.file.sync_all()?)
    }
}

/// Reads the file from start to end, the least that anything without an index must do.
pub(crate) fn reopen(dir: &Path) -> Result<Reopened> {
    let start = Instant::now();
    let bytes = fs::read(dir.join("raw"))?;
    Ok(Reopened::now(start)?.with((bytes.len() / PAYLOAD) as u64))
}
