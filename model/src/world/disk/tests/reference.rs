//! Without faults the disk is a plain file system: compared with one that is a map of bytes.

use super::any_op;
use crate::world::disk::bench::Bench;
use crate::world::disk::{Disk, Fates, Geometry, Image};
use bytes::Bytes;
use onceward_core::{DiskError, DiskOk, DiskOp, DiskResult, Entry, Path};
use proptest::prelude::*;

/// Folders and files without any notion of durability.
#[derive(Default)]
struct Plain(Image);

impl Plain {
    fn folder(&self, path: &Path) -> Result<(), DiskError> {
        if path.as_str().is_empty() || self.0.folders.contains(path) {
            return Ok(());
        }
        self.missing(path)?;
        Err(DiskError::Invalid)
    }

    /// `Ok` if this is a file, and otherwise why it is not there.
    fn missing(&self, path: &Path) -> Result<(), DiskError> {
        if self.0.files.contains_key(path) {
            return Ok(());
        }
        if path.as_str().split('/').any(|part| ["", ".", ".."].contains(&part)) {
            return Err(DiskError::Invalid);
        }
        self.folder(&path.parent())?;
        Err(DiskError::NotFound)
    }

    fn file(&mut self, path: &Path) -> Result<&mut Vec<u8>, DiskError> {
        if self.folder(path).is_ok() {
            return Err(DiskError::Invalid);
        }
        self.missing(path)?;
        Ok(self.0.files.get_mut(path).unwrap())
    }

    fn run(&mut self, op: &DiskOp) -> DiskResult {
        match op {
            DiskOp::Create(path) | DiskOp::CreateDir(path) => {
                let dir = matches!(op, DiskOp::CreateDir(_));
                match (self.folder(path), self.missing(path)) {
                    (Ok(()), _) if dir => {}
                    (Ok(()), _) | (_, Ok(())) => return Err(DiskError::Exists),
                    (_, Err(DiskError::NotFound)) => {
                        self.folder(&path.parent())?;
                        if dir {
                            self.0.folders.insert(path.clone());
                        } else {
                            self.0.files.insert(path.clone(), Vec::new());
                        }
                    }
                    (_, Err(error)) => return Err(error),
                }
            }
            DiskOp::Write { path, offset, data } => {
                let file = self.file(path)?;
                let (from, to) = (*offset as usize, *offset as usize + data.len());
                if !data.is_empty() && file.len() < to {
                    file.resize(to, 0);
                }
                if !data.is_empty() {
                    file[from..to].copy_from_slice(data);
                }
                return Ok(DiskOk::Wrote(data.len() as u32));
            }
            DiskOp::Read { path, offset, len } => {
                let file = self.file(path)?;
                let from = (*offset as usize).min(file.len());
                let to = (*offset as usize + *len as usize).min(file.len());
                return Ok(DiskOk::Read(Bytes::copy_from_slice(&file[from..to.max(from)])));
            }
            DiskOp::Sync { path, .. } => {
                self.file(path)?;
            }
            DiskOp::SyncDir(path) => self.folder(path)?,
            DiskOp::Allocate { path, len } => {
                let file = self.file(path)?;
                file.resize(file.len().max(*len as usize), 0);
            }
            DiskOp::SetLen { path, len } => self.file(path)?.resize(*len as usize, 0),
            DiskOp::Rename { from, to } => {
                self.folder(&from.parent())?;
                self.folder(&to.parent())?;
                self.file(from)?;
                if self.folder(to).is_ok() {
                    return Err(DiskError::Invalid);
                }
                if let Err(error @ DiskError::Invalid) = self.missing(to) {
                    return Err(error);
                }
                let bytes = self.0.files.remove(from).unwrap();
                self.0.files.insert(to.clone(), bytes);
            }
            DiskOp::Remove(path) if self.0.folders.contains(path) => {
                let inside = |name: &Path| name.as_str().starts_with(&format!("{path}/"));
                if self.0.folders.iter().chain(self.0.files.keys()).any(inside) {
                    return Err(DiskError::Invalid);
                }
                self.0.folders.remove(path);
            }
            DiskOp::Remove(path) => {
                self.file(path)?;
                self.0.files.remove(path);
            }
            DiskOp::List(folder) => {
                self.folder(folder)?;
                let folders =
                    self.0.folders.iter().map(|path| Entry { path: path.clone(), len: 0, dir: true });
                let files = self.0.files.iter();
                let files = files.map(|(path, bytes)| Entry {
                    path: path.clone(),
                    len: bytes.len() as u64,
                    dir: false,
                });
                let mut entries: Vec<_> =
                    folders.chain(files).filter(|entry| entry.path.parent() == *folder).collect();
                entries.sort();
                return Ok(DiskOk::Listing(entries));
            }
        }
        Ok(DiskOk::Done)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn without_faults_it_answers_like_a_plain_file_system(ops in prop::collection::vec(any_op(), 0..40), sector in 1u32..6) {
        let (mut bench, mut plain) = (Bench::new(sector), Plain::default());
        for op in ops {
            let expected = plain.run(&op);
            prop_assert_eq!(bench.run(op.clone()), expected, "{:?}", op);
            prop_assert_eq!(&bench.disk.cache_image(), &plain.0, "after {:?}", op);
        }
    }

    #[test]
    fn a_power_loss_keeps_what_the_durable_image_says(ops in prop::collection::vec(any_op(), 0..40), sector in 1u32..6) {
        let mut bench = Bench::new(sector);
        for op in ops {
            let _refusals_are_fine = bench.run(op);
        }
        let image = bench.disk.durable_image();
        bench.disk.power_loss(&Fates::DROP);
        prop_assert_eq!(&bench.disk.cache_image(), &image);
        prop_assert_eq!(&bench.disk.durable_image(), &image);
        prop_assert_eq!(bench.disk, Disk::from_image(Geometry::checked(sector), &image));
    }

    #[test]
    fn a_power_loss_that_keeps_all_leaves_what_the_cache_showed(ops in prop::collection::vec(any_op(), 0..40), sector in 1u32..6) {
        let mut bench = Bench::new(sector);
        for op in ops {
            let _refusals_are_fine = bench.run(op);
        }
        let image = bench.disk.cache_image();
        bench.disk.power_loss(&Fates::keep());
        prop_assert_eq!(bench.disk.cache_image(), image);
    }
}
