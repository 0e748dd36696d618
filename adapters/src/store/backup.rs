//! A copy of a store that is at work. Decides the order of copying that makes the copy a store: the log only grows at
//! its end, so files copied in the order of their names, each up to the length it then has, are what a crash at that
//! moment could have left. Opening the copy recovers it, and a verification proves it.
//!
//! Invariant: a folder under the wanted name appears only once the copy is proven and durable.

use super::{Create, Error, EventStore, OpenError, Options};
use onceward_core::log::api::Verified;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A backup that was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backup {
    /// What the copy holds, proven by reading it.
    pub verified: Verified,
    /// How many bytes were copied.
    pub bytes: u64,
}

/// Why there is no backup. Nothing is left of it under the wanted name.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store could not make everything durable first.
    #[error("the store cannot be backed up: {0}")]
    Store(#[source] Error),
    /// There is something under that name.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// A file could not be copied.
    #[error("{} cannot be copied: {source}", .file.display())]
    Copy {
        /// The file or folder.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The copy cannot be opened.
    #[error("the copy is no good: {0}")]
    Open(#[from] OpenError),
    /// The copy is not whole.
    #[error("the copy is no good: {0}")]
    Copied(#[source] Error),
    /// The copy lacks events that were visible when it was begun.
    #[error("the copy holds {copied} events of {visible}")]
    Short {
        /// How many it holds.
        copied: u64,
        /// How many it should.
        visible: u64,
    },
}

pub(super) fn backup(store: &EventStore, to: &Path) -> Result<Backup, BackupError> {
    let span = tracing::debug_span!("backup", to = %to.display());
    let _entered = span.enter();
    let visible = store.barrier().wait().map_err(BackupError::Store)?.visible;
    if fs::symlink_metadata(to).is_ok() {
        return Err(BackupError::Exists(to.to_path_buf()));
    }
    let parent = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".incomplete");
    let draft = parent.join(name);
    let result = make(store, &draft, visible).and_then(|backup| {
        let copied = |source| BackupError::Copy { file: to.to_path_buf(), source };
        fs::rename(&draft, to).map_err(copied)?;
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(copied)?;
        Ok(backup)
    });
    if result.is_err() {
        // Best effort: the name says what it is.
        let _ = fs::remove_dir_all(&draft);
    }
    result
}

fn make(store: &EventStore, draft: &Path, visible: u64) -> Result<Backup, BackupError> {
    let failed = |file: &Path| {
        let file = file.to_path_buf();
        move |source| BackupError::Copy { file, source }
    };
    match fs::remove_dir_all(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(draft)(error)),
        _ => {}
    }
    fs::create_dir(draft).map_err(failed(draft))?;
    let mut names = Vec::new();
    for entry in fs::read_dir(store.folder()).map_err(failed(store.folder()))? {
        let entry = entry.map_err(failed(store.folder()))?;
        if entry.file_type().map_err(failed(&entry.path()))?.is_file() {
            names.push(entry.file_name());
        }
    }
    names.sort_unstable();
    let mut bytes = 0;
    for name in names {
        let (from, to) = (store.folder().join(&name), draft.join(&name));
        let copy = || -> io::Result<u64> {
            let (mut source, mut target) = (File::open(&from)?, File::create_new(&to)?);
            let copied = io::copy(&mut source, &mut target)?;
            target.sync_all()?;
            Ok(copied)
        };
        match copy() {
            Ok(copied) => bytes += copied,
            // A segment that was never begun, or was superseded, may go at any time.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !from.exists() => {}
            Err(error) => return Err(failed(&from)(error)),
        }
    }
    File::open(draft).and_then(|folder| folder.sync_all()).map_err(failed(draft))?;

    let copy = Options { create: Create::Never, ..Options::default() }.open(draft)?;
    let verified = copy.verify().wait().map_err(BackupError::Copied)?;
    copy.close().map_err(BackupError::Copied)?;
    if verified.events < visible {
        return Err(BackupError::Short { copied: verified.events, visible });
    }
    Ok(Backup { verified, bytes })
}
