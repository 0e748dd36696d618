//! Open files by path. Decides which stay open; performs nothing on their contents.
//!
//! Invariants: a path is resolved to one place below the root or refused; a file with writes that no successful sync
//! has covered stays open until the sync was tried, for the kernel reports a failed write-back through the handles
//! that were open when it failed, and a file closed and opened again may have lost that report; among the others, at
//! most [`Handles::BOUND`] stay open, and the longest unused make way.

use onceward_core::Path;
use rustix::fs::OFlags;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path as OsPath, PathBuf};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Handles {
    root: PathBuf,
    open: HashMap<Path, Handle>,
    uses: u64,
}

#[derive(Debug)]
struct Handle {
    file: Arc<File>,
    last_use: u64,
    /// Changed since the last sync that succeeded.
    dirty: bool,
}

impl Handles {
    /// How many files that owe nothing to the disk stay open.
    pub(super) const BOUND: usize = 64;

    pub(super) fn new(root: &OsPath) -> Handles {
        Handles { root: root.to_path_buf(), open: HashMap::new(), uses: 0 }
    }

    /// Where a path of the machine lies. Refuses whatever is not a plain way down from the root.
    pub(super) fn full(&self, path: &Path) -> io::Result<PathBuf> {
        let text = path.as_str();
        if text.is_empty() {
            return Ok(self.root.clone());
        }
        // `components` tidies up doubled and trailing slashes and inner dots: the same file under two names would
        // have two handles.
        let plain = OsPath::new(text).components().all(|part| matches!(part, Component::Normal(_)))
            && text.split('/').all(|part| !part.is_empty() && part != ".")
            && !text.contains('\0');
        if !plain {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(self.root.join(text))
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<()> {
        if path.as_str().is_empty() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = self.options().create_new(true).open(self.full(path)?)?;
        self.keep(path, file);
        Ok(())
    }

    pub(super) fn get(&mut self, path: &Path) -> io::Result<Arc<File>> {
        self.uses += 1;
        if let Some(handle) = self.open.get_mut(path) {
            handle.last_use = self.uses;
            return Ok(handle.file.clone());
        }
        let full = self.full_file(path)?;
        let file = self.options().open(full)?;
        Ok(self.keep(path, file))
    }

    /// Notes that a file is about to be changed.
    pub(super) fn dirty(&mut self, path: &Path) {
        if let Some(handle) = self.open.get_mut(path) {
            handle.dirty = true;
        }
    }

    /// Notes that a sync has returned. A failed one was reported: that handle has nothing more to tell, and whoever
    /// asks again gets a new one.
    pub(super) fn synced(&mut self, path: &Path, ok: bool) {
        if let Some(handle) = self.open.get_mut(path) {
            handle.dirty = false;
            if !ok {
                self.open.remove(path);
            }
        }
    }

    pub(super) fn renamed(&mut self, from: &Path, to: &Path) {
        self.open.remove(to);
        if let Some(handle) = self.open.remove(from) {
            self.open.insert(to.clone(), handle);
        }
    }

    pub(super) fn forget(&mut self, path: &Path) {
        self.open.remove(path);
    }

    fn full_file(&self, path: &Path) -> io::Result<PathBuf> {
        if path.as_str().is_empty() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.full(path)
    }

    fn options(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        // A link could lead out of the root.
        options.read(true).write(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        options
    }

    fn keep(&mut self, path: &Path, file: File) -> Arc<File> {
        if self.open.len() >= Handles::BOUND {
            let idle = self.open.iter().filter(|(_, handle)| !handle.dirty);
            if let Some(oldest) = idle.min_by_key(|(_, handle)| handle.last_use).map(|(path, _)| path.clone())
            {
                self.open.remove(&oldest);
            }
        }
        let file = Arc::new(file);
        let handle = Handle { file: file.clone(), last_use: self.uses, dirty: false };
        self.open.insert(path.clone(), handle);
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_idle_files_are_closed() {
        let folder = tempfile::tempdir().unwrap();
        let mut handles = Handles::new(folder.path());
        let name = |n: usize| Path::from(&*format!("{n}"));
        handles.create(&name(0)).unwrap();
        handles.dirty(&name(0));
        for n in 1..3 * Handles::BOUND {
            handles.create(&name(n)).unwrap();
        }
        assert_eq!(handles.open.len(), Handles::BOUND);
        assert!(handles.open.contains_key(&name(0)), "unsynced, so open");

        handles.synced(&name(0), true);
        assert!(!handles.open[&name(0)].dirty);
        handles.synced(&name(0), false);
        assert!(!handles.open.contains_key(&name(0)), "it has told what it had to tell");
    }

    #[test]
    fn paths_stay_below_the_root() {
        let handles = Handles::new(OsPath::new("store"));
        for bad in ["..", "../a", "a/../../b", "/etc/passwd", "a//b", "a/", "./a", "a/./b", "nul\0"] {
            assert!(handles.full(&Path::from(bad)).is_err(), "{bad:?}");
        }
        assert_eq!(handles.full(&Path::from("a/b..c")).unwrap(), OsPath::new("store/a/b..c"));
    }
}
