//! A small disk for these tests: what is cached, what is durable, and two ways to crash. The model's disk, with all
//! its faults, is another and larger thing.

use crate::disk::Entry;
use crate::{DiskError, DiskOk, DiskOp, DiskResult, Path};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};
use bytes::Bytes;

/// What becomes of an unsynced sector when power is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Old,
    New,
    Garbage,
}

#[derive(Clone, Default, Debug)]
pub(super) struct File {
    pub(super) cache: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
    /// Sectors of writes that are not answered: no sync covers them.
    flying: BTreeSet<usize>,
    resized: bool,
}

/// What an operation does instead of succeeding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// Fails; a sync loses what it should have saved, and nothing tells later.
    Error(DiskError),
    /// Writes this many bytes only.
    Short(usize),
}

#[derive(Clone, Debug)]
pub(super) struct Disk {
    sector: usize,
    pub(super) files: BTreeMap<u32, File>,
    pub(super) names: BTreeMap<String, u32>,
    durable: BTreeMap<String, u32>,
    /// Changes of names that are not durable.
    changed: BTreeMap<String, Option<u32>>,
    next: u32,
    /// Bytes that all files together may have.
    pub(super) capacity: u64,
}

impl Disk {
    pub(super) fn new(sector: u32) -> Disk {
        let none = BTreeMap::new;
        Disk {
            sector: sector as usize,
            files: BTreeMap::new(),
            names: none(),
            durable: none(),
            changed: BTreeMap::new(),
            next: 1,
            capacity: u64::MAX,
        }
    }

    pub(super) fn file(&mut self, name: &str) -> &mut File {
        let id = self.names[name];
        self.files.get_mut(&id).unwrap()
    }

    fn rename(&mut self, name: &str, id: Option<u32>) {
        match id {
            Some(id) => self.names.insert(name.to_string(), id),
            None => self.names.remove(name),
        };
        self.changed.insert(name.to_string(), id);
    }

    pub(super) fn perform(&mut self, op: &DiskOp, fault: Option<Fault>) -> DiskResult {
        if let Some(Fault::Error(cause)) = fault {
            match op {
                DiskOp::Sync { path, .. } => {
                    let file = self.open(path)?;
                    file.dirty.clear();
                    file.resized = false;
                }
                DiskOp::SyncDir(_) => self.changed.clear(),
                _ => {}
            }
            return Err(cause);
        }
        let sector = self.sector;
        let free = self.capacity.saturating_sub(
            self.names.values().filter_map(|id| self.files.get(id)).map(|file| file.cache.len() as u64).sum(),
        );
        match op {
            DiskOp::Create(path) => {
                if self.names.contains_key(path.as_str()) {
                    return Err(DiskError::Exists);
                }
                let id = self.next;
                self.next += 1;
                self.files.insert(id, File::default());
                self.rename(path.as_str(), Some(id));
            }
            DiskOp::CreateDir(path) => {
                if !self.names.contains_key(path.as_str()) {
                    self.rename(path.as_str(), Some(0));
                }
            }
            DiskOp::SyncDir(_) => {
                for (name, id) in core::mem::take(&mut self.changed) {
                    match id {
                        Some(id) => self.durable.insert(name, id),
                        None => self.durable.remove(&name),
                    };
                }
            }
            DiskOp::Write { path, offset, data } => {
                let file = self.open(path)?;
                let data = match fault {
                    Some(Fault::Short(len)) => &data[..len.min(data.len())],
                    _ => data,
                };
                // What does not fit is not written: an error if that is all, else a short write.
                let grown = (*offset + data.len() as u64).saturating_sub(file.cache.len() as u64);
                let data = &data[..data.len() - grown.saturating_sub(free).min(data.len() as u64) as usize];
                if data.is_empty() && grown > 0 {
                    return Err(DiskError::NoSpace);
                }
                let (from, to) = (*offset as usize, *offset as usize + data.len());
                if file.cache.len() < to {
                    file.cache.resize(to, 0);
                    file.resized = true;
                }
                file.cache[from..to].copy_from_slice(data);
                file.flying.extend(from / sector..to.div_ceil(sector));
                return Ok(DiskOk::Wrote(data.len() as u32));
            }
            DiskOp::Read { path, offset, len } => {
                let file = self.open(path)?;
                let from = (*offset as usize).min(file.cache.len());
                let to = (from + *len as usize).min(file.cache.len());
                return Ok(DiskOk::Read(Bytes::copy_from_slice(&file.cache[from..to])));
            }
            DiskOp::Sync { path, .. } => {
                let file = self.open(path)?;
                let len = file.cache.len();
                file.durable.resize(len, 0);
                for at in core::mem::take(&mut file.dirty) {
                    let range = (at * sector).min(len)..((at + 1) * sector).min(len);
                    file.durable[range.clone()].copy_from_slice(&file.cache[range]);
                }
                file.resized = false;
            }
            DiskOp::Allocate { path, len } => {
                let file = self.open(path)?;
                if len.saturating_sub(file.cache.len() as u64) > free {
                    return Err(DiskError::NoSpace);
                }
                if file.cache.len() < *len as usize {
                    file.cache.resize(*len as usize, 0);
                    file.resized = true;
                }
            }
            DiskOp::SetLen { path, len } => {
                let file = self.open(path)?;
                file.cache.resize(*len as usize, 0);
                file.resized = true;
            }
            DiskOp::Rename { .. } => return Err(DiskError::Invalid),
            DiskOp::Remove(path) => {
                let below = |name: &String| name.starts_with(&(path.to_string() + "/"));
                match self.names.get(path.as_str()) {
                    None => return Err(DiskError::NotFound),
                    Some(0) if self.names.keys().any(below) => return Err(DiskError::Invalid),
                    Some(_) => {}
                }
                self.rename(path.as_str(), None);
            }
            DiskOp::List(folder) if *folder != Path::root() && !self.names.contains_key(folder.as_str()) => {
                return Err(DiskError::NotFound);
            }
            DiskOp::List(folder) => {
                let prefix =
                    if folder.as_str().is_empty() { String::new() } else { folder.to_string() + "/" };
                let inside = self.names.iter().filter(|(name, id)| name.starts_with(&prefix) && **id > 0);
                let entry = |(name, id): (&String, &u32)| Entry {
                    path: Path::from(&**name),
                    len: self.files[id].cache.len() as u64,
                    dir: false,
                };
                return Ok(DiskOk::Listing(inside.map(entry).collect()));
            }
        }
        Ok(DiskOk::Done)
    }

    /// The operation's answer has reached whoever asked.
    pub(super) fn answered(&mut self, op: &DiskOp) {
        if let (DiskOp::Write { path, .. }, sector) = (op, self.sector)
            && let DiskOp::Write { offset, data, .. } = op
            && let Ok(file) = self.open(path)
        {
            let (from, to) = (*offset as usize / sector, (*offset as usize + data.len()).div_ceil(sector));
            for at in from..to {
                if file.flying.remove(&at) {
                    file.dirty.insert(at);
                }
            }
        }
    }

    fn open(&mut self, path: &Path) -> Result<&mut File, DiskError> {
        let id = self.names.get(path.as_str()).ok_or(DiskError::NotFound)?;
        self.files.get_mut(id).ok_or(DiskError::NotFound)
    }

    /// Loses power. `fate` decides on each unsynced sector, `keep` on each unsynced length and name.
    pub(super) fn lose_power(
        &mut self,
        mut fate: impl FnMut(&str, usize) -> Fate,
        mut keep: impl FnMut() -> bool,
    ) {
        let named: BTreeMap<u32, String> = self.names.iter().map(|(name, id)| (*id, name.clone())).collect();
        for (id, file) in &mut self.files {
            let name = named.get(id).map_or("", |name| name);
            let len = if file.resized && keep() { file.cache.len() } else { file.durable.len() };
            let len = if file.resized { len } else { file.cache.len() };
            file.durable.resize(len, 0);
            let mut dirty = core::mem::take(&mut file.dirty);
            dirty.append(&mut file.flying);
            for at in dirty {
                let range = (at * self.sector).min(len)..((at + 1) * self.sector).min(len);
                match fate(name, at) {
                    Fate::Old => {}
                    Fate::New => file.durable[range.clone()].copy_from_slice(&file.cache[range]),
                    Fate::Garbage => file.durable[range].fill(0xA5),
                }
            }
            file.cache = file.durable.clone();
            file.resized = false;
        }
        for (name, id) in core::mem::take(&mut self.changed) {
            match id {
                _ if !keep() => {}
                Some(id) => {
                    self.durable.insert(name, id);
                }
                None => {
                    self.durable.remove(&name);
                }
            }
        }
        let folders: Vec<String> =
            self.durable.keys().filter_map(|name| Some(name.rsplit_once('/')?.0.to_string())).collect();
        for folder in
            folders.iter().filter(|folder| !self.durable.contains_key(*folder)).cloned().collect::<Vec<_>>()
        {
            self.durable.retain(|name, _| !name.starts_with(&folder));
        }
        self.names = self.durable.clone();
    }

    /// Unsynced sectors of a file.
    pub(super) fn dirty(&self, name: &str) -> Vec<usize> {
        let dirty = |id: &u32| {
            let file = &self.files[id];
            file.dirty.union(&file.flying).copied().collect()
        };
        self.names.get(name).map_or(Vec::new(), dirty)
    }
}
