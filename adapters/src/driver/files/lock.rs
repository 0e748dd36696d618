//! Who may work in a folder. Decides that a folder has one user among all processes, and that a file-size limit is an
//! error instead of the end of the process.
//!
//! The lock is an advisory lock on the folder itself, which the system gives up when the process ends in whatever
//! way: no stale lock file is ever left behind.

use rustix::fs::OFlags;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Why a folder cannot be worked in.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It does not exist.
    #[error("there is no folder {}", .folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
    /// It is no folder.
    #[error("{} is not a folder", .folder.display())]
    NotAFolder {
        /// The path.
        folder: PathBuf,
    },
    /// Another store, of this or another process, has it open.
    #[error("{} is in use by another process (or by another store of this one)", .folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// The system refuses.
    #[error("{} cannot be opened: {source}", .folder.display())]
    Os {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

pub(super) fn lock(folder: &Path) -> Result<File, OpenError> {
    let named = || folder.to_path_buf();
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::DIRECTORY.bits().cast_signed());
    let file = options.open(folder).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => OpenError::Missing { folder: named() },
        io::ErrorKind::NotADirectory => OpenError::NotAFolder { folder: named() },
        _ => OpenError::Os { folder: named(), source },
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { folder: named() }),
        Err(TryLockError::Error(source)) => Err(OpenError::Os { folder: named(), source }),
    }
}

/// A write beyond the process's file-size limit raises a signal that ends the process unless somebody handles it;
/// handled, the write just fails. Done once for the process; what was installed before is called as well.
pub(super) fn survive_file_size_limits() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| {
            signal_hook::flag::register(rustix::process::Signal::XFSZ.as_raw(), Default::default())
                .map(|_| ())
                .map_err(|error| error.raw_os_error().unwrap_or(0))
        })
        .map_err(io::Error::from_raw_os_error)
}
