//! What operations do and answer: the rules of a POSIX file system on Linux, and what is left of an operation that
//! ends in a fault. Which outcome an operation has is not decided here; an outcome that does not fit the operation
//! or the state of the disk is refused without a change.

use super::damage::span;
use super::file::{File, State, SyncEnd};
use super::names::{FileId, Node, What};
use super::{Disk, Label, Outcome, Reach};
use crate::mutants::mutant;
use bytes::Bytes;
use onceward_core::{DiskError, DiskOk, DiskOp, DiskResult, Entry, Path};
use std::ops::Range;
use std::sync::Arc;

impl Disk {
    /// Performs an operation that stood at this place of the pending ones, as far as the outcome lets it. Changes of
    /// files get the given state, or wait for a sync.
    pub(super) fn perform(
        &mut self,
        op: &DiskOp,
        at: usize,
        outcome: &Outcome,
        state: Option<State>,
    ) -> Option<DiskResult> {
        match op {
            DiskOp::Write { path, offset, data } => self.write(path, *offset, data, outcome, state),
            DiskOp::Read { path, offset, len } => self.read(path, *offset, *len, outcome),
            DiskOp::Sync { path, .. } => {
                let file = self.file(path);
                self.sync(outcome, file.map(|file| (path, Some(file))), at)
            }
            DiskOp::SyncDir(path) => {
                let folder = self.folder(path);
                self.sync(outcome, folder.map(|()| (path, None)), at)
            }
            DiskOp::List(path) => match outcome {
                Outcome::Ok => Some(self.list(path)),
                Outcome::Fail { error, reach: Reach::Nothing } if self.folder(path).is_ok() => {
                    Some(Err(*error))
                }
                _ => None,
            },
            _ => match *outcome {
                Outcome::Ok => Some(self.change(op, state).map(|()| DiskOk::Done)),
                Outcome::Fail { error, reach } if is_device(error) => {
                    match reach {
                        Reach::Nothing => self.permits(op).ok()?,
                        Reach::All if error == DiskError::Io => self.change(op, state).ok()?,
                        _ => return None,
                    }
                    Some(Err(error))
                }
                _ => None,
            },
        }
    }

    /// The state of a change of this file that is made now.
    fn dirty(&self, path: &Path, state: Option<State>) -> State {
        state.unwrap_or_else(|| State::Dirty(self.syncs_before(path, self.pending.len())))
    }

    fn write(
        &mut self,
        path: &Path,
        offset: u64,
        data: &Bytes,
        outcome: &Outcome,
        state: Option<State>,
    ) -> Option<DiskResult> {
        let (file, room) = match self.room(path, offset, data.len()) {
            Ok(there) => there,
            Err(error) => return (*outcome == Outcome::Ok).then_some(Err(error)),
        };
        let (written, answer) = match *outcome {
            Outcome::Ok | Outcome::Misdirected { .. } => (room, Ok(DiskOk::Wrote(room))),
            Outcome::Short(n) if 0 < n && n < room => (n, Ok(DiskOk::Wrote(n))),
            Outcome::Fail { error, reach } if is_device(error) => {
                let done = match reach {
                    Reach::Nothing => 0,
                    Reach::Bytes(n) if 0 < n && n < room => n,
                    Reach::All if room as usize == data.len() => room,
                    _ => return None,
                };
                (done, Err(error))
            }
            _ => return None,
        };
        let data = data.slice(..written as usize);
        if let Outcome::Misdirected { file: hit, sector } = outcome {
            self.misdirect_write(hit, *sector, offset, &data)?;
        }
        let (size, state) = (self.geometry.sector, self.dirty(path, state));
        let target = self.file_mut(file);
        target.write(offset, &data, state, size);
        if matches!(outcome, Outcome::Misdirected { .. }) {
            target.lead_astray(span(offset, data.len() as u64, size));
        }
        if mutant!(WriteSyncs) {
            target.sync(u16::MAX, SyncEnd::Durable, size);
        }
        Some(answer)
    }

    /// The file of a write and how many of its bytes can be written, or why none.
    pub(super) fn room(&self, path: &Path, offset: u64, len: usize) -> Result<(FileId, u32), DiskError> {
        let id = self.file(path)?;
        let (file, size) = (&self.files[id as usize], self.geometry.sector);
        let end = offset.checked_add(len as u64).filter(|end| *end <= u64::from(self.geometry.max_file));
        let end = end.ok_or(DiskError::NoSpace)?;
        if len == 0 {
            return Ok((id, 0));
        }
        if !file.unreadable.is_empty() {
            // A sector that is changed in part must be read before.
            let partial = [offset, end].into_iter().filter(|edge| edge % u64::from(size) != 0);
            for edge in partial {
                if file.is_unreadable((edge / u64::from(size)) as u32, size) {
                    return Err(DiskError::Io);
                }
            }
        }
        let end = match self.geometry.capacity {
            Some(capacity) if end > file.space => {
                let free = capacity.saturating_sub(self.used() - file.space);
                end.min(file.space.max(free - free % u64::from(size)))
            }
            _ => end,
        };
        if end <= offset { Err(DiskError::NoSpace) } else { Ok((id, (end - offset) as u32)) }
    }

    /// Bytes of space that the files take.
    pub(super) fn used(&self) -> u64 {
        let files = self.names.cache.values().filter_map(|node| match node {
            Node::File(file) => Some(self.files[*file as usize].space),
            Node::Folder => None,
        });
        files.sum()
    }

    fn read(&mut self, path: &Path, offset: u64, len: u32, outcome: &Outcome) -> Option<DiskResult> {
        let (file, range) = match self.readable(path, offset, len) {
            Ok(there) => there,
            Err(error) => return (*outcome == Outcome::Ok).then_some(Err(error)),
        };
        let wide = range.end - range.start;
        let range = match *outcome {
            Outcome::Fail { error, reach: Reach::Nothing } => return is_device(error).then_some(Err(error)),
            Outcome::Short(n) if 0 < n && u64::from(n) < wide => range.start..range.start + u64::from(n),
            Outcome::Short(_) | Outcome::Fail { .. } | Outcome::Lie => return None,
            _ => range,
        };
        let size = self.geometry.sector;
        if let Outcome::Misdirected { file: hit, sector } = outcome {
            let from = u64::from(*sector) * u64::from(size) + range.start % u64::from(size);
            let shown = &self.files[file as usize];
            let elsewhere = from..from + wide;
            let possible = *hit == Label::new(path.clone())
                && wide > 0
                && from != range.start
                && from < shown.len
                && shown.questions(elsewhere.clone(), size).is_empty();
            return possible.then(|| Ok(DiskOk::Read(bytes_of(shown, elsewhere))));
        }
        let questions = self.files[file as usize].questions(range.clone(), size);
        if let Outcome::Decide(choices) = outcome {
            let fits = choices.len() == questions.len()
                && choices.iter().zip(&questions).all(|((sector, _), question)| *sector == question.sector);
            let exists = |(sector, choice): &(u32, u32)| {
                self.files[file as usize]
                    .alternatives(*sector)
                    .is_some_and(|known| (*choice as usize) < known)
            };
            if questions.is_empty() || !fits || !choices.iter().all(exists) {
                return None;
            }
            for (sector, choice) in choices {
                self.file_mut(file).decide(*sector, *choice, range.clone(), size);
            }
        } else {
            for question in questions {
                self.file_mut(file).decide(question.sector, 0, range.clone(), size);
            }
        }
        Some(Ok(DiskOk::Read(bytes_of(&self.files[file as usize], range))))
    }

    /// The file of a read and the bytes that it can give.
    pub(super) fn readable(
        &self,
        path: &Path,
        offset: u64,
        len: u32,
    ) -> Result<(FileId, Range<u64>), DiskError> {
        let id = self.file(path)?;
        let (file, size) = (&self.files[id as usize], self.geometry.sector);
        let start = offset.min(file.len);
        let mut end = offset.saturating_add(u64::from(len)).min(file.len).max(start);
        if start == end {
            return Ok((id, start..end));
        }
        let bad = file.unreadable.iter().filter(|sector| {
            u64::from(**sector + 1) * u64::from(size) > start && file.is_unreadable(**sector, size)
        });
        if let Some(bad) = bad.map(|sector| u64::from(*sector) * u64::from(size)).find(|bad| *bad < end) {
            if bad <= start {
                return Err(DiskError::Io);
            }
            end = bad;
        }
        Ok((id, start..end))
    }

    fn sync(
        &mut self,
        outcome: &Outcome,
        target: Result<(&Path, Option<FileId>), DiskError>,
        at: usize,
    ) -> Option<DiskResult> {
        let (path, file) = match target {
            Ok(there) => there,
            Err(error) => return (*outcome == Outcome::Ok).then_some(Err(error)),
        };
        let (end, answer) = match *outcome {
            Outcome::Ok => (SyncEnd::Durable, Ok(DiskOk::Done)),
            Outcome::Lie => (SyncEnd::Lied, Ok(DiskOk::Done)),
            Outcome::Fail { error, reach: Reach::Nothing } if is_device(error) => {
                let end = if mutant!(FailedSyncKeepsDirty) { SyncEnd::Lied } else { SyncEnd::Failed };
                (end, Err(error))
            }
            _ => return None,
        };
        let before = self.syncs_before(path, at);
        let size = self.geometry.sector;
        match file {
            Some(file) => self.file_mut(file).sync(before, end, size),
            None => {
                Arc::make_mut(&mut self.names).sync(path, before, end);
                self.number_files();
            }
        }
        Some(answer)
    }

    fn list(&self, folder: &Path) -> DiskResult {
        self.folder(folder)?;
        let entries = self.names.cache.iter().filter(|(path, _)| is_in(path, folder));
        let entries = entries.map(|(path, node)| match node {
            Node::Folder => Entry { path: path.clone(), len: 0, dir: true },
            Node::File(file) => Entry { path: path.clone(), len: self.files[*file as usize].len, dir: false },
        });
        Ok(DiskOk::Listing(entries.collect()))
    }

    /// Performs a change of names or lengths.
    fn change(&mut self, op: &DiskOp, state: Option<State>) -> Result<(), DiskError> {
        self.permits(op)?;
        let size = self.geometry.sector;
        let what = match op {
            DiskOp::Allocate { path, len } => {
                let (file, state) = (self.file(path)?, self.dirty(path, state));
                self.file_mut(file).allocate(*len, state, size);
                return Ok(());
            }
            DiskOp::SetLen { path, len } => {
                let (file, state) = (self.file(path)?, self.dirty(path, state));
                self.file_mut(file).set_len(*len, state, size);
                return Ok(());
            }
            DiskOp::CreateDir(path) if self.node(path).is_ok() => return Ok(()),
            DiskOp::CreateDir(path) => What::Folder(path.clone()),
            DiskOp::Create(path) => {
                self.files.push(Arc::new(File::default()));
                What::Create(path.clone(), self.files.len() as FileId - 1)
            }
            DiskOp::Rename { from, to } if from == to => return Ok(()),
            DiskOp::Rename { from, to } => {
                What::Rename { from: from.clone(), to: to.clone(), file: self.file(from)? }
            }
            DiskOp::Remove(path) => What::Remove(path.clone()),
            _ => return Ok(()),
        };
        let (pending, mut names) = (&self.pending, Arc::clone(&self.names));
        self.names = Arc::default();
        let under_way = |folder: &Path| {
            pending.iter().filter(|(_, op)| matches!(op, DiskOp::SyncDir(f) if f == folder)).count()
        };
        Arc::make_mut(&mut names).change(what, |folder| under_way(folder) as u16);
        self.names = names;
        self.number_files();
        Ok(())
    }

    /// Whether a change of names or lengths would succeed on a device without faults.
    pub(super) fn permits(&self, op: &DiskOp) -> Result<(), DiskError> {
        match op {
            DiskOp::Create(path) => match self.node(path) {
                Ok(_) => Err(DiskError::Exists),
                Err(DiskError::NotFound) => self.folder(&path.parent()),
                Err(error) => Err(error),
            },
            DiskOp::CreateDir(path) => match self.node(path) {
                Ok(Node::Folder) => Ok(()),
                Ok(Node::File(_)) => Err(DiskError::Exists),
                Err(DiskError::NotFound) => self.folder(&path.parent()),
                Err(error) => Err(error),
            },
            DiskOp::Allocate { path, len } => {
                let file = &self.files[self.file(path)? as usize];
                let grown =
                    len.div_ceil(u64::from(self.geometry.sector)).saturating_mul(self.geometry.sector.into());
                let more = grown.saturating_sub(file.space);
                let full = self
                    .geometry
                    .capacity
                    .is_some_and(|capacity| more > capacity.saturating_sub(self.used()));
                let fits = *len <= u64::from(self.geometry.max_file) && (more == 0 || !full);
                if fits { Ok(()) } else { Err(DiskError::NoSpace) }
            }
            DiskOp::SetLen { path, len } => {
                self.file(path)?;
                if *len <= u64::from(self.geometry.max_file) { Ok(()) } else { Err(DiskError::NoSpace) }
            }
            DiskOp::Rename { from, to } => {
                self.folder(&from.parent())?;
                self.folder(&to.parent())?;
                self.file(from)?;
                match self.node(to) {
                    Ok(Node::Folder) => Err(DiskError::Invalid),
                    Ok(Node::File(_)) | Err(DiskError::NotFound) => Ok(()),
                    Err(error) => Err(error),
                }
            }
            DiskOp::Remove(path) => match self.node(path)? {
                Node::File(_) => Ok(()),
                Node::Folder if path.as_str().is_empty() => Err(DiskError::Invalid),
                Node::Folder if self.names.cache.keys().any(|name| is_in(name, path)) => {
                    Err(DiskError::Invalid)
                }
                Node::Folder => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// What stands under a name in the cache.
    fn node(&self, path: &Path) -> Result<Node, DiskError> {
        if let Some(node) = self.names.cache.get(path) {
            return Ok(*node);
        }
        if path.as_str().is_empty() {
            return Ok(Node::Folder);
        }
        if path.as_str().split('/').any(|part| matches!(part, "" | "." | "..") || part.contains('\0')) {
            return Err(DiskError::Invalid);
        }
        match self.node(&path.parent())? {
            Node::Folder => Err(DiskError::NotFound),
            Node::File(_) => Err(DiskError::Invalid),
        }
    }

    pub(super) fn folder(&self, path: &Path) -> Result<(), DiskError> {
        match self.node(path)? {
            Node::Folder => Ok(()),
            Node::File(_) => Err(DiskError::Invalid),
        }
    }

    pub(super) fn file(&self, path: &Path) -> Result<FileId, DiskError> {
        match self.node(path)? {
            Node::File(file) => Ok(file),
            Node::Folder => Err(DiskError::Invalid),
        }
    }
}

fn is_in(path: &Path, folder: &Path) -> bool {
    path.as_str().rsplit_once('/').map_or("", |(parent, _)| parent) == folder.as_str()
}

/// Whether a device, and not the rules of names, can be the reason of an error.
fn is_device(error: DiskError) -> bool {
    matches!(error, DiskError::Io | DiskError::NoSpace)
}

fn bytes_of(file: &File, range: Range<u64>) -> Bytes {
    let end = range.end.min(file.len).max(range.start);
    Bytes::from(file.cache.read(range.start as usize..end as usize))
}
