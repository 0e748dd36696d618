//! A disk that keeps exactly what [`onceward_core::disk`] promises, and breaks everything else on demand. It is a
//! pure state machine without a clock or a random number: operations are submitted, an outcome for each is chosen
//! by whoever drives it (a checker enumerates, a simulator draws, a file replays), and a crash says what becomes of
//! whatever was not durable. How long things take, and which faults come when, is not decided here.
//!
//! # The model
//!
//! A file has a *cache*, which reads see, and a *platter*, which survives a power loss. In between lies a list of
//! changes for each sector and one for the length; names have such a list too. A sync covers the changes that were
//! *answered* before it was submitted, and moves them to the platter when it ends well. When power is lost,
//!
//! - each sector with changes is, independently of all others, as it was, as one of the changes left it, or garbage;
//! - the length is the old one or any later one (see [`Geometry::tear_lengths`]), independently of the sectors; what
//!   it newly includes and no sector change wrote reads as zeros;
//! - creations, renames and removals of a name survive up to one of them, independently of other names; a rename is
//!   seen whole or not at all; a file without a durable name is gone with everything in it;
//! - an operation without an answer may have been done, and is then as open as any other.
//!
//! A process kill is mild: the cache survives with everything in it, still not durable, and only the unanswered
//! operations are in question.
//!
//! Operations take effect when they are completed. They may be completed in any order, except that creating, renaming
//! and removing a name wait for all earlier operations on the same name, and all later ones wait for them.
//! A read does not see writes that are not answered yet.
//!
//! # Simplifications
//!
//! The cache never drops a clean page by itself, so that after a failed sync reads show the lost data until power is
//! lost. Pages are as large as sectors. Holes below the end of what was written take space; after a power loss, all holes do. Folders can be made,
//! never renamed or removed. What was garbled once stays so: it does not read differently each time.

mod bench;
mod complete;
mod content;
mod crash;
mod damage;
mod enumerate;
mod fates;
mod file;
mod geometry;
mod image;
mod label;
mod landed;
mod names;
mod outcome;
mod outcomes;
pub mod promises;
mod risk;
mod text;
mod undecided;

#[cfg(test)]
mod tests;

pub use damage::Damage;
pub use fates::{Fate, Fates, Rule, Slot, Target};
pub use geometry::Geometry;
pub use image::Image;
pub use label::{Label, OpLabel};
pub use landed::{Landed, Landing};
pub use outcome::{Bound, Faults, Outcome, Reach};
pub use risk::{Part, Risk, Why};
pub use text::Malformed;

use file::File;
use names::{FileId, Names, Node};
use onceward_core::{DiskOp, DiskResult, OpId, Path};
use std::sync::Arc;

/// One node's disk. Equal disks behave alike; disks that behave alike are equal as far as is cheap: what is durable
/// leaves no trace of how it came to be so.
///
/// Cloning copies no file: files are shared until one side changes them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Disk {
    geometry: Geometry,
    names: Arc<Names>,
    files: Vec<Arc<File>>,
    /// Submitted and not answered, in the order of submission.
    pending: Vec<(OpId, DiskOp)>,
}

impl Disk {
    /// An empty disk.
    pub fn new(geometry: Geometry) -> Disk {
        let names = Arc::new(Names::default());
        Disk { geometry: geometry.bounded(), names, files: Vec::new(), pending: Vec::new() }
    }

    /// A disk on which all of this is durable. Names of files whose folder is not listed make their folders.
    pub fn from_image(geometry: Geometry, image: &Image) -> Disk {
        let mut disk = Disk::new(geometry);
        let mut names = Names::default();
        for path in image.folders.iter().chain(image.files.keys()) {
            let mut folder = if image.files.contains_key(path) { path.parent() } else { path.clone() };
            while !folder.as_str().is_empty() {
                names.durable.insert(folder.clone(), Node::Folder);
                folder = folder.parent();
            }
        }
        for (path, bytes) in &image.files {
            names.durable.insert(path.clone(), Node::File(disk.files.len() as FileId));
            disk.files.push(Arc::new(File::durable(bytes.clone(), disk.geometry.sector)));
        }
        names.cache = names.durable.clone();
        disk.names = Arc::new(names);
        disk.number_files();
        disk
    }

    /// The fixed properties of the device; its capacity can be changed by [`Damage::Capacity`].
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// An operation is asked for. It takes effect when it is completed, or may take effect in a crash before that.
    ///
    /// The id must not be in use by a pending operation; of two with the same id, the older is completed first.
    pub fn submit(&mut self, op: OpId, what: DiskOp) {
        self.pending.push((op, what));
    }

    /// The operations without an answer, in the order of submission.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = (OpId, &DiskOp)> {
        self.pending.iter().map(|(id, op)| (*id, op))
    }

    /// Whether a pending operation may be completed now: it need not wait for an earlier one on the same name.
    pub fn can_start(&self, op: OpId) -> bool {
        self.startable(op).is_some()
    }

    /// Performs a pending operation with this outcome and gives its answer. None, and no change, if there is no such
    /// operation, if it must wait for an earlier one on the same name, or if it cannot end so now.
    pub fn complete(&mut self, op: OpId, outcome: &Outcome) -> Option<DiskResult> {
        let at = self.startable(op)?;
        let (id, what) = self.pending.remove(at);
        let answer = self.perform(&what, at, outcome, None);
        if answer.is_none() {
            self.pending.insert(at, (id, what));
        }
        answer
    }

    /// Puts an empty disk in its place: a new device of the same kind. Nothing is pending on it.
    pub fn wipe(&mut self) {
        *self = Disk::new(self.geometry);
    }

    /// Where a pending operation stands, if it need not wait for an earlier one.
    fn startable(&self, op: OpId) -> Option<usize> {
        let at = self.pending.iter().position(|(id, _)| *id == op)?;
        let (before, what) = (&self.pending[..at], &self.pending[at].1);
        let waits = before.iter().any(|(_, earlier)| {
            (changes_name(earlier) || changes_name(what))
                && names_of(what).any(|name| names_of(earlier).any(|other| other == name))
        });
        (!waits).then_some(at)
    }

    /// How many syncs of a file or folder were submitted before the pending operation at this place.
    fn syncs_before(&self, path: &Path, at: usize) -> u16 {
        let syncs = self.pending[..at].iter().filter(|(_, op)| match op {
            DiskOp::Sync { path: other, .. } | DiskOp::SyncDir(other) => other == path,
            _ => false,
        });
        syncs.count() as u16
    }

    fn file_mut(&mut self, file: FileId) -> &mut File {
        Arc::make_mut(&mut self.files[file as usize])
    }

    /// Gives files their numbers by the order of names and forgets those that no name can reach any more.
    fn number_files(&mut self) {
        let names = Arc::make_mut(&mut self.names);
        let mut numbers: Vec<Option<FileId>> = vec![None; self.files.len()];
        let mut ordered = Vec::with_capacity(self.files.len());
        for file in names.files_mut() {
            let number = numbers[*file as usize].get_or_insert_with(|| {
                ordered.push(Arc::clone(&self.files[*file as usize]));
                ordered.len() as FileId - 1
            });
            *file = *number;
        }
        self.files = ordered;
    }
}

fn changes_name(op: &DiskOp) -> bool {
    matches!(op, DiskOp::Create(_) | DiskOp::CreateDir(_) | DiskOp::Rename { .. } | DiskOp::Remove(_))
}

fn names_of(op: &DiskOp) -> impl Iterator<Item = &Path> {
    let second = if let DiskOp::Rename { to, .. } = op { Some(to) } else { None };
    std::iter::once(op.path()).chain(second)
}
