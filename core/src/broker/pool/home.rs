//! The pool's folder: what is in it at the start, and how it is made when the first file is. It decides whether the files that
//! the log refers to are there.
//!
//! An empty folder is no proof that its name is durable: it is made anew before anything is put into it. Where the folder
//! above is the log's, each of the two is told when a sync of the other has failed: such a sync may have had the news of both
//! names, and the next one that succeeds says nothing about them.

use super::super::catalogue::PartitionId;
use super::super::mutants::mutant;
use super::super::{Broker, Out, Stage, mark};
use super::OP_HOME;
use super::format::Name;
use crate::disk::Entry;
use crate::log::api::Damage;
use crate::log::segments;
use crate::{Clock, DiskError, DiskOk, DiskOp, DiskResult};
use alloc::{collections::BTreeMap, format, string::ToString, vec::Vec};

/// How it stands with the folder.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) enum Home {
    /// It is to be listed, or is being listed.
    #[default]
    Unknown,
    /// There is none, or an empty one.
    Missing,
    /// An empty one is being removed.
    Unmaking,
    Making,
    /// Its name is being made durable.
    Naming,
    /// One of the above; but whatever comes of it, its name is not to be relied on.
    Doubted,
    There,
}

impl Home {
    /// Whether it is being made, and its name may be known to the file system and not yet durable.
    fn is_made(self) -> bool {
        matches!(self, Home::Unmaking | Home::Making | Home::Naming)
    }
}

impl Broker {
    /// Looks what is in the folder: the last step of recovery.
    pub(in super::super) fn list_pool(&mut self, out: &mut Out) {
        Self::ask_disk(OP_HOME, DiskOp::List(self.config.pool.folder.clone()), out);
    }

    /// Makes the folder.
    pub(super) fn make_home(&mut self, out: &mut Out) {
        self.pool.home = Home::Unmaking;
        Self::ask_disk(OP_HOME, DiskOp::Remove(self.config.pool.folder.clone()), out);
    }

    /// Takes the answer to one of its operations.
    pub(super) fn home_step(&mut self, clock: Clock, result: DiskResult, out: &mut Out) {
        let folder = self.config.pool.folder.clone();
        let (next, op) = match (self.pool.home, result) {
            (Home::Unknown, result) => return self.listed(result, out),
            (Home::Unmaking, Ok(_) | Err(DiskError::NotFound)) => (Home::Making, DiskOp::CreateDir(folder)),
            (Home::Making, Ok(_)) => (Home::Naming, DiskOp::SyncDir(folder.parent())),
            (Home::Naming, Ok(_)) => {
                self.pool.home = Home::There;
                return;
            }
            (before @ (Home::Unmaking | Home::Making | Home::Naming), Err(_)) => {
                self.home_failed(out);
                let shared = folder.parent() == self.config.segments.folder;
                if before == Home::Naming && shared && !mutant!(OthersFailedSyncForgotten) {
                    self.tell(clock, segments::Input::NamesDoubted, out);
                }
                return;
            }
            (Home::Doubted, _) => return self.home_failed(out),
            (Home::Missing | Home::There, _) => return,
        };
        self.pool.home = next;
        Self::ask_disk(OP_HOME, op, out);
    }

    fn home_failed(&mut self, out: &mut Out) {
        mark(out, "a flush failed");
        self.pool.home = Home::Missing;
        self.pause(out);
    }

    /// A sync of the log's folder has failed: it may have had the news of this folder's name.
    pub(in super::super) fn doubt_home(&mut self) {
        if self.pool.home.is_made() && self.config.pool.folder.parent() == self.config.segments.folder {
            self.pool.home = Home::Doubted;
        }
    }

    fn listed(&mut self, result: DiskResult, out: &mut Out) {
        if self.stage != Stage::Recovering {
            return;
        }
        let entries = match result {
            Ok(DiskOk::Listing(entries)) => entries,
            Err(DiskError::NotFound) => Vec::new(),
            result => {
                self.pool.tries += 1;
                if self.pool.tries < self.config.segments.attempts {
                    return self.pause(out);
                }
                let cause = result.err().unwrap_or(DiskError::Io);
                let file = self.config.pool.folder.to_string();
                let what = format!("cannot be read: {cause}");
                self.stage = Stage::Damaged(Damage { file, offset: 0, what });
                return;
            }
        };
        // Whatever recovery took for useless shows in the listing.
        self.pool.garbage.clear();
        match self.check_files(&entries) {
            Ok(()) => {
                self.pool.home = if entries.is_empty() { Home::Missing } else { Home::There };
                self.begin_service(out);
            }
            Err(damage) => self.stage = Stage::Damaged(damage),
        }
    }

    /// Whether every file that the log refers to is there, and as long as it must be; the others are of no use.
    fn check_files(&mut self, entries: &[Entry]) -> Result<(), Damage> {
        let files = entries.iter().filter(|entry| !entry.dir);
        let there: BTreeMap<(PartitionId, u64), u64> =
            files.filter_map(|entry| Some((super::name_of(&entry.path)?, entry.len))).collect();
        for (partition, of) in self.catalogue.partitions() {
            for file in &of.files {
                let len = there.get(&(partition, file.number)).copied();
                let what = match len {
                    None => "the file is missing, the log refers to it".to_string(),
                    Some(len) if len < file.to => {
                        format!("the file has {len} bytes, the log refers to {}", file.to)
                    }
                    Some(_) => continue,
                };
                let path = self.path(Name { partition, number: file.number });
                return Err(Damage { file: path.to_string(), offset: len.unwrap_or(0), what });
            }
        }
        for (partition, number) in there.into_keys() {
            if let Some(of) = self.catalogue.partition_mut(partition) {
                of.next_file = of.next_file.max(number.saturating_add(1));
                if of.has_file(number) {
                    continue;
                }
            }
            self.pool.garbage.insert((partition, number));
        }
        Ok(())
    }
}
