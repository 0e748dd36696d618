//! The real disk: performs one [`DiskOp`] after another in a folder that it has to itself. Decides how an operation is
//! mapped to system calls and their errors to `DiskError`; it never retries what failed, and never hides it.
//!
//! Invariants: a path that would leave the root is refused before anything is touched; while the value lives, no other
//! `Files` of any process has the same root; a file with writes that no sync has covered stays open (see
//! `handles`).
//!
//! What the mapping relies on is Linux's and POSIX's: `pwrite` and `pread` are positioned, `fdatasync` covers what is
//! needed to read the data back, a folder must be synced for the names in it to last.

mod ahead;
mod errors;
mod handles;
mod lock;
mod owner;

use ahead::Ahead;
pub use lock::OpenError;
pub(crate) use owner::{Owner, Whose};

use bytes::Bytes;
use errors::map;
use handles::Handles;
use onceward_core::{DiskError, DiskOk, DiskOp, DiskResult, Entry, Path, SyncKind};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path as OsPath, PathBuf};
use std::sync::Arc;

/// A folder in which disk operations are performed, locked against every other process that does the same.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    handles: Handles,
    ahead: Option<Ahead>,
    /// For which there was no space at last: machines try again and again.
    full: Option<Path>,
    /// Holds the lock for as long as it is open.
    _lock: Arc<File>,
}

impl Files {
    /// Locks a folder that exists.
    pub fn open(root: &OsPath) -> Result<Files, OpenError> {
        lock::survive_file_size_limits()
            .map_err(|source| OpenError::Os { folder: root.to_path_buf(), source })?;
        let lock = lock::lock(root)?;
        Ok(Files {
            root: root.to_path_buf(),
            handles: Handles::new(root),
            ahead: None,
            full: None,
            _lock: Arc::new(lock),
        })
    }

    /// Makes a folder, and those above it, durably, and locks it. The folder may exist.
    pub fn create(root: &OsPath) -> Result<Files, OpenError> {
        make_folder(root).map_err(|source| match source.kind() {
            io::ErrorKind::NotADirectory => OpenError::NotAFolder { folder: root.to_path_buf() },
            _ => OpenError::Os { folder: root.to_path_buf(), source },
        })?;
        Files::open(root)
    }

    /// A second one of the same folder and under the same lock, for another thread. The two know nothing of each other's
    /// open files: a file is for one of them alone.
    #[cfg(feature = "serve")]
    pub(crate) fn beside(&self) -> Files {
        let (root, handles) = (self.root.clone(), Handles::new(&self.root));
        Files { root, handles, ahead: None, full: None, _lock: self._lock.clone() }
    }

    /// From now on, while a file that was allocated fills, the next one is written with zeros by a thread of its own: syncs
    /// are quicker then, and twice as many bytes are written. Each is expected to be twice as long as the one before, until
    /// it has `most` bytes.
    ///
    /// # Errors
    /// What an earlier life has left of that cannot be removed.
    pub fn write_ahead(&mut self, most: u64) -> io::Result<()> {
        self.ahead = Some(Ahead::in_folder(&self.root, most)?);
        Ok(())
    }

    /// The folder.
    pub fn root(&self) -> &OsPath {
        &self.root
    }

    /// Performs one operation, to its end.
    pub fn perform(&mut self, op: &DiskOp) -> DiskResult {
        let result = self.attempt(op);
        // Space that is held for speed is no reason for a disk to be full.
        if result == Err(DiskError::NoSpace) && self.ahead.as_mut().is_some_and(Ahead::give_up) {
            return self.attempt(op);
        }
        result
    }

    fn attempt(&mut self, op: &DiskOp) -> DiskResult {
        let result = match op {
            DiskOp::Create(path) => self.handles.create(path).map(|()| DiskOk::Done),
            DiskOp::CreateDir(path) => self.create_dir(path),
            DiskOp::Write { path, offset, data } => self.write(path, *offset, data),
            DiskOp::Read { path, offset, len } => self.read(path, *offset, *len),
            DiskOp::Sync { path, kind } => self.sync(path, *kind),
            DiskOp::SyncDir(path) => self.sync_dir(path),
            DiskOp::Allocate { path, len } => self.allocate(path, *len),
            DiskOp::SetLen { path, len } => self.set_len(path, *len),
            DiskOp::Rename { from, to } => self.rename(from, to),
            DiskOp::Remove(path) => self.remove(path),
            DiskOp::List(path) => self.list(path),
        };
        let known = self.full.as_ref() == Some(op.path());
        let result = result.map_err(|error| map(op.path(), &error, known));
        match &result {
            Err(DiskError::NoSpace) => self.full = Some(op.path().clone()),
            Ok(_) if known && !matches!(op, DiskOp::Create(_)) => self.full = None,
            _ => {}
        }
        result
    }

    fn create_dir(&mut self, path: &Path) -> io::Result<DiskOk> {
        let full = self.handles.full(path)?;
        match fs::create_dir(&full) {
            Err(error)
                if error.kind() == io::ErrorKind::AlreadyExists && fs::symlink_metadata(&full)?.is_dir() =>
            {
                Ok(DiskOk::Done)
            }
            other => other.map(|()| DiskOk::Done),
        }
    }

    fn write(&mut self, path: &Path, offset: u64, data: &Bytes) -> io::Result<DiskOk> {
        let file = self.handles.get(path)?;
        self.handles.dirty(path);
        if let Some(ahead) = &mut self.ahead {
            ahead.written(path, offset);
        }
        let mut written = 0;
        while written < data.len() {
            match file.write_at(&data[written..], offset.saturating_add(written as u64)) {
                Ok(0) => break,
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A short write: whoever writes the rest is told why it cannot be.
                Err(_) if written > 0 => break,
                Err(error) => return Err(error),
            }
        }
        if written == 0 && !data.is_empty() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        // One write is far below 4 GiB on Linux (2^31 - 4096 bytes), but many were added up here.
        u32::try_from(written).map(DiskOk::Wrote).map_err(|_| io::ErrorKind::InvalidInput.into())
    }

    fn read(&mut self, path: &Path, offset: u64, len: u32) -> io::Result<DiskOk> {
        let file = self.handles.get(path)?;
        let mut want = len as usize;
        // What is not there needs no memory: a reader that asks for "all of it" names a large number.
        if want > SMALL_READ {
            let left = file.metadata()?.len().saturating_sub(offset);
            want = want.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        let mut buffer = vec![0; want];
        let mut got = 0;
        while got < want {
            match file.read_at(&mut buffer[got..], offset.saturating_add(got as u64)) {
                Ok(0) => break,
                Ok(more) => got += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if got > 0 => break,
                Err(error) => return Err(error),
            }
        }
        buffer.truncate(got);
        Ok(DiskOk::Read(Bytes::from(buffer)))
    }

    fn sync(&mut self, path: &Path, kind: SyncKind) -> io::Result<DiskOk> {
        let file = self.handles.get(path)?;
        let result = match kind {
            SyncKind::Data => file.sync_data(),
            SyncKind::Full => file.sync_all(),
        };
        self.handles.synced(path, result.is_ok());
        result.map(|()| DiskOk::Done)
    }

    fn sync_dir(&mut self, path: &Path) -> io::Result<DiskOk> {
        let full = self.handles.full(path)?;
        if !fs::symlink_metadata(&full)?.is_dir() {
            return Err(Errno::NOTDIR.into());
        }
        File::open(full)?.sync_all().map(|()| DiskOk::Done)
    }

    fn allocate(&mut self, path: &Path, len: u64) -> io::Result<DiskOk> {
        let file = self.handles.get(path)?;
        self.handles.dirty(path);
        let before = file.metadata()?.len();
        if len == 0 {
            return Ok(DiskOk::Done);
        }
        if let Some(ahead) = self.ahead.as_mut().filter(|_| before == 0)
            && ahead.take(path, &self.handles.full(path)?, len)
        {
            self.handles.forget(path);
            return Ok(DiskOk::Done);
        }
        loop {
            match fallocate(&file, FallocateFlags::empty(), 0, len) {
                Ok(()) => return Ok(DiskOk::Done),
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    // No reservation to be had: a full disk is then met by the writes.
                    if before < len {
                        file.set_len(len)?;
                    }
                    return Ok(DiskOk::Done);
                }
                Err(errno) => {
                    // A reservation that failed half-way may have moved the end of the file.
                    if file.metadata()?.len() != before {
                        file.set_len(before)?;
                    }
                    return Err(errno.into());
                }
            }
        }
    }

    fn set_len(&mut self, path: &Path, len: u64) -> io::Result<DiskOk> {
        let file = self.handles.get(path)?;
        self.handles.dirty(path);
        file.set_len(len).map(|()| DiskOk::Done)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<DiskOk> {
        let (old, new) = (self.handles.full(from)?, self.handles.full(to)?);
        if fs::symlink_metadata(&old).is_ok_and(|old| !old.is_file()) {
            // As the system does: first both folders, then what stands there.
            fs::symlink_metadata(self.handles.full(&to.parent())?.join("."))?;
            return Err(io::ErrorKind::IsADirectory.into());
        }
        fs::rename(old, new)?;
        self.handles.renamed(from, to);
        Ok(DiskOk::Done)
    }

    fn remove(&mut self, path: &Path) -> io::Result<DiskOk> {
        let full = self.handles.full(path)?;
        if fs::symlink_metadata(&full)?.is_dir() {
            // The root belongs to whoever gave it.
            if *path == Path::root() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            fs::remove_dir(full)?;
            return Ok(DiskOk::Done);
        }
        fs::remove_file(full)?;
        self.handles.forget(path);
        Ok(DiskOk::Done)
    }

    fn list(&mut self, path: &Path) -> io::Result<DiskOk> {
        let mut entries = Vec::new();
        // An error half-way is an error: a listing that misses a name would have it made a second time (PEERS-B26).
        for entry in fs::read_dir(self.handles.full(path)?)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                tracing::warn!(folder = %path, name = ?name, "a file whose name is not UTF-8 is not ours: ignored");
                continue;
            };
            let metadata = entry.metadata()?;
            let full = if path.as_str().is_empty() {
                Path::from(name)
            } else {
                Path::from(&*format!("{path}/{name}"))
            };
            let dir = metadata.is_dir();
            entries.push(Entry { path: full, len: if dir { 0 } else { metadata.len() }, dir });
        }
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(DiskOk::Listing(entries))
    }
}

/// Reads up to this size are not worth asking for the file's length first.
const SMALL_READ: usize = 64 << 10;

/// Makes a folder and those above it, and makes each new name durable.
fn make_folder(folder: &OsPath) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => OsPath::new("."),
        Some(parent) => parent,
        None => return Err(io::ErrorKind::NotFound.into()),
    };
    make_folder(parent)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        other => other?,
    }
    File::open(parent)?.sync_all()
}
