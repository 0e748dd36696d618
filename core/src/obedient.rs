//! A disk for tests that does as it is told. What real disks do is the simulator's matter.

use crate::{DiskError, DiskOk, DiskOp, DiskResult, Entry, Path};
use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};
use bytes::Bytes;

/// Files by name: what reads see, and what a loss of power leaves.
#[derive(Clone, Default, Debug)]
pub(crate) struct Disk {
    pub(crate) files: BTreeMap<String, (Vec<u8>, Vec<u8>)>,
}

impl Disk {
    pub(crate) fn perform(&mut self, op: &DiskOp) -> DiskResult {
        let name = op.path().to_string();
        match op {
            DiskOp::Create(_) => {
                if self.files.contains_key(&name) {
                    return Err(DiskError::Exists);
                }
                self.files.insert(name, Default::default());
            }
            DiskOp::Write { offset, data, .. } => {
                let (seen, _) = self.files.get_mut(&name).ok_or(DiskError::NotFound)?;
                let end = *offset as usize + data.len();
                seen.resize(seen.len().max(end), 0);
                seen[*offset as usize..end].copy_from_slice(data);
                return Ok(DiskOk::Wrote(data.len() as u32));
            }
            DiskOp::Read { offset, len, .. } => {
                let (seen, _) = self.files.get(&name).ok_or(DiskError::NotFound)?;
                let from = (*offset as usize).min(seen.len());
                let to = (from + *len as usize).min(seen.len());
                return Ok(DiskOk::Read(Bytes::copy_from_slice(&seen[from..to])));
            }
            DiskOp::Sync { .. } => {
                let (seen, safe) = self.files.get_mut(&name).ok_or(DiskError::NotFound)?;
                *safe = seen.clone();
            }
            DiskOp::Allocate { len, .. } => {
                let (seen, _) = self.files.get_mut(&name).ok_or(DiskError::NotFound)?;
                seen.resize(seen.len().max(*len as usize), 0);
            }
            DiskOp::SetLen { len, .. } => {
                self.files.get_mut(&name).ok_or(DiskError::NotFound)?.0.resize(*len as usize, 0);
            }
            DiskOp::Rename { to, .. } => {
                let file = self.files.remove(&name).ok_or(DiskError::NotFound)?;
                self.files.insert(to.to_string(), file);
            }
            DiskOp::Remove(_) => drop(self.files.remove(&name).ok_or(DiskError::NotFound)?),
            DiskOp::List(folder) => {
                let entry = |(name, (seen, _)): (&String, &(Vec<u8>, Vec<u8>))| Entry {
                    path: Path::from(&**name),
                    len: seen.len() as u64,
                    dir: false,
                };
                let within = |entry: &Entry| entry.path.parent() == *folder;
                return Ok(DiskOk::Listing(self.files.iter().map(entry).filter(within).collect()));
            }
            DiskOp::CreateDir(_) | DiskOp::SyncDir(_) => {}
        }
        Ok(DiskOk::Done)
    }

    pub(crate) fn lose_power(&mut self) {
        self.files.values_mut().for_each(|(seen, safe)| seen.clone_from(safe));
    }
}
