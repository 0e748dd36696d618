//! The disk as a machine sees it: a folder of files, asynchronous positioned operations, and answers that may be
//! errors. This module decides the vocabulary and what each word promises; it performs nothing.
//!
//! What a machine may rely on, and no more (the rules are POSIX's and Linux's, as the literature on crash
//! consistency describes them):
//!
//! - A completed write is visible to later reads. It is *durable* only once a [`DiskOp::Sync`] of the same file,
//!   started after the write was answered, has answered without an error.
//! - A write whose answer has not come may be there in whole, in part, or not at all, sector by sector.
//! - Creating, renaming or removing a name is durable only after a [`DiskOp::SyncDir`] of its folder. A synced file
//!   under a name that is not durable can vanish with the name.
//! - After a failed sync the state of all unsynced writes of that file is unknown for ever: the kernel may have
//!   dropped them, reads may still show them, and the next sync may answer without an error ("fsyncgate"; Rebello et
//!   al., USENIX ATC 2020).
//! - Operations on one file start in the order asked; answers may come in any order.

use alloc::{sync::Arc, vec::Vec};
use bytes::Bytes;
use core::fmt;

/// A file or folder name relative to the machine's root folder, parts separated by `/`. The root itself is the
/// empty path.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Arc<str>);

/// What a sync must make durable.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SyncKind {
    /// The contents and what is needed to read them back, the length included (`fdatasync`).
    Data,
    /// All metadata as well (`fsync`).
    Full,
}

/// One operation on the disk.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DiskOp {
    /// Makes an empty file; fails with [`DiskError::Exists`] if the name is taken.
    Create(Path),
    /// Makes a folder; answers [`DiskOk::Done`] if it is there already.
    CreateDir(Path),
    /// Writes `data` at byte `offset` of an existing file, growing it as needed (a hole reads as zeros). Answered
    /// by [`DiskOk::Wrote`] with the number of bytes written, which may be fewer than asked.
    Write {
        /// The file.
        path: Path,
        /// First byte to be written.
        offset: u64,
        /// What to write; an empty write is answered at once.
        data: Bytes,
    },
    /// Reads up to `len` bytes from `offset`. Answered by [`DiskOk::Read`], shorter only at the end of the file or
    /// when the device gave less: a machine that got some but not all asks again for the rest.
    Read {
        /// The file.
        path: Path,
        /// First byte wanted.
        offset: u64,
        /// How many bytes at most.
        len: u32,
    },
    /// Makes the completed writes of a file durable.
    Sync {
        /// The file.
        path: Path,
        /// Data only, or everything.
        kind: SyncKind,
    },
    /// Makes the names in a folder durable: creations, renames and removals that were answered before.
    SyncDir(Path),
    /// Reserves space for the first `len` bytes and makes the file at least that long, zeros where nothing was
    /// written (`posix_fallocate`). Fails with [`DiskError::NoSpace`] without a change.
    Allocate {
        /// The file.
        path: Path,
        /// Length to be reserved, in bytes.
        len: u64,
    },
    /// Cuts the file or extends it with zeros to exactly `len` bytes.
    SetLen {
        /// The file.
        path: Path,
        /// New length in bytes.
        len: u64,
    },
    /// Gives a file another name in one atomic step, replacing what stood there.
    Rename {
        /// The old name.
        from: Path,
        /// The new name.
        to: Path,
    },
    /// Removes a file's name and, with it, the file; or a folder that is empty, else [`DiskError::Invalid`].
    Remove(Path),
    /// Lists a folder, sorted by name. Answered by [`DiskOk::Listing`].
    List(Path),
}

/// The good answer to a [`DiskOp`].
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DiskOk {
    /// It is done.
    Done,
    /// This many bytes were written, from the first on. Fewer than asked is a short write: the rest was not written.
    Wrote(u32),
    /// These bytes were read.
    Read(#[cfg_attr(feature = "serde", serde(with = "crate::recorded::read"))] Bytes),
    /// What the folder holds.
    Listing(Vec<Entry>),
}

/// One name in a folder.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Entry {
    /// The whole path from the machine's root, not the last part alone.
    pub path: Path,
    /// Length in bytes; 0 for a folder.
    pub len: u64,
    /// Whether it is a folder.
    pub dir: bool,
}

/// Why a disk operation failed. A failed operation may have had part of its effect, except where stated.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum DiskError {
    /// The device failed (`EIO`).
    #[error("input/output error")]
    Io,
    /// No space, quota or file-size allowance is left (`ENOSPC`, `EDQUOT`, `EFBIG`).
    #[error("no space left")]
    NoSpace,
    /// There is no such file or folder. Nothing was changed.
    #[error("no such file or folder")]
    NotFound,
    /// The name is taken. Nothing was changed.
    #[error("the name is taken")]
    Exists,
    /// The operation does not fit the thing: a folder where a file is wanted, a read-only store, a name that leaves
    /// the root. Nothing was changed.
    #[error("not possible on this file or folder")]
    Invalid,
}

/// The answer to a [`DiskOp`].
pub type DiskResult = Result<DiskOk, DiskError>;

impl Path {
    /// The machine's root folder.
    pub fn root() -> Path {
        Path::from("")
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that holds this name; the root for a name without a `/`, and for the root itself.
    pub fn parent(&self) -> Path {
        Path::from(self.0.rsplit_once('/').map_or("", |(folder, _)| folder))
    }

    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }
}

impl From<&str> for Path {
    fn from(text: &str) -> Path {
        Path(Arc::from(text))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl DiskOp {
    /// The file or folder that the operation is about; the old name of a rename.
    pub fn path(&self) -> &Path {
        match self {
            DiskOp::Create(path)
            | DiskOp::CreateDir(path)
            | DiskOp::SyncDir(path)
            | DiskOp::Remove(path)
            | DiskOp::List(path)
            | DiskOp::Write { path, .. }
            | DiskOp::Read { path, .. }
            | DiskOp::Sync { path, .. }
            | DiskOp::Allocate { path, .. }
            | DiskOp::SetLen { path, .. }
            | DiskOp::Rename { from: path, .. } => path,
        }
    }
}
