//! The next file to be filled, written with zeros beforehand by a thread of its own: a sync of what is written into it later
//! has no metadata to care for, which takes a quarter to a third off the sync of a small group on ext4. A file takes its
//! place when it is to be allocated with just that length: to whoever allocates it, nothing is different.
//!
//! Decides when one is begun: when the file that was allocated last is a quarter full, so that nobody pays for it who writes
//! little; and how long it will be: twice as long as that one, up to a bound. What is not there in time is not waited for,
//! what was expected wrongly or fails is given up: nothing rests on it.
//!
//! Invariants: nothing but zeros, all of them synced, is ever given away; at most one file is there or in the making; none is
//! left behind, but by a crash, and that one is removed by the next who begins.

use onceward_core::Path;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path as OsPath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// What the file is called until it takes another's place.
const NAME: &str = "ahead";

/// So much is written and synced at once: little enough that a sync of somebody else's is not held up for long.
const CHUNK: usize = 256 << 10;

static ZEROS: [u8; CHUNK] = [0; CHUNK];

#[derive(Debug)]
pub(super) struct Ahead {
    path: PathBuf,
    /// How long a file is at most.
    most: u64,
    /// The file that was allocated last, and its length.
    filling: Option<(Path, u64)>,
    next: Option<Next>,
}

/// The file in the making, or made.
#[derive(Debug)]
struct Next {
    len: u64,
    stop: Arc<AtomicBool>,
    maker: JoinHandle<io::Result<()>>,
}

impl Ahead {
    /// Begins in a folder, in which an earlier life may have left one. `most`: where files stop doubling.
    pub(super) fn in_folder(root: &OsPath, most: u64) -> io::Result<Ahead> {
        let path = root.join(NAME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Ahead { path, most, filling: None, next: None }),
        }
    }

    /// Something is written at this offset.
    pub(super) fn written(&mut self, path: &Path, offset: u64) {
        let Some((filling, len)) = &self.filling else { return };
        if self.next.is_some() || offset < len / 4 || filling != path {
            return;
        }
        let len = self.after(*len);
        let (file, stop) = (self.path.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let maker = thread::Builder::new().name("onceward-ahead".into());
        match maker.spawn(move || make(&file, len, &stopped)) {
            Ok(maker) => self.next = Some(Next { len, stop, maker }),
            Err(error) => tracing::debug!(%error, "no thread to write ahead: done without"),
        }
        self.filling = None;
    }

    /// How long the file after one of this length is expected to be.
    fn after(&self, len: u64) -> u64 {
        len.saturating_mul(2).min(self.most)
    }

    /// A file, new and empty, is to have this length. Says whether the one that was written ahead has taken its place.
    pub(super) fn take(&mut self, path: &Path, full: &OsPath, len: u64) -> bool {
        self.filling = Some((path.clone(), len));
        let Some(next) = self.next.take_if(|next| next.maker.is_finished()) else {
            // Too late for this one; it may do for the next.
            if self.next.as_ref().is_some_and(|next| next.len != self.after(len)) {
                self.give_up();
            }
            return false;
        };
        let made = next.len == len && next.made();
        let taken = made && fs::rename(&self.path, full).is_ok();
        if !taken {
            let _ = fs::remove_file(&self.path);
        }
        taken
    }

    /// Gives the file up, if there is one: its space may be needed. Says whether there was one.
    pub(super) fn give_up(&mut self) -> bool {
        let Some(next) = self.next.take() else { return false };
        next.stop.store(true, Ordering::Relaxed);
        next.made();
        // A try is enough: whoever begins next in this folder tries again.
        let _ = fs::remove_file(&self.path);
        true
    }
}

impl Next {
    /// Waits for the maker. Says whether the file is as it should be.
    fn made(self) -> bool {
        match self.maker.join() {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(%error, "nothing was written ahead");
                false
            }
            Err(_) => false,
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.give_up();
    }
}

fn make(path: &OsPath, len: u64, stop: &AtomicBool) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let mut at = 0;
    while at < len {
        if stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let chunk = CHUNK.min(usize::try_from(len - at).unwrap_or(CHUNK));
        file.write_all_at(&ZEROS[..chunk], at)?;
        file.sync_data()?;
        at += chunk as u64;
    }
    file.sync_all()
}
