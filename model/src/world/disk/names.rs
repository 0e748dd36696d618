//! Names: which folders and files there are, as the cache shows them, as they are durable, and the changes in
//! between. It decides what a sync of a folder makes durable and which changes can survive a power loss without
//! which others; what is in a file is not its business.
//!
//! A change survives only together with all earlier changes of the same names: so a rename is seen whole or not at
//! all, and a name never shows a file that came before another one. Changes of different names are independent of
//! each other. Invariant: the durable names with all changes applied are the cached names.

use super::file::{State, SyncEnd};
use onceward_core::Path;
use std::collections::{BTreeMap, BTreeSet};

/// The number of a file in the disk's table. Numbers are given by the order of names, so that disks that behave
/// alike are equal.
pub(super) type FileId = u32;

/// All names but the root's.
pub(super) type Tree = BTreeMap<Path, Node>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Node {
    Folder,
    File(FileId),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Names {
    pub(super) cache: Tree,
    pub(super) durable: Tree,
    /// Changes that are not known to be durable: the smallest order by name in which each comes after those that
    /// it depends on.
    pub(super) changes: Vec<NameChange>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct NameChange {
    pub(super) what: What,
    /// The folders whose sync it still needs.
    waits: Vec<(Path, State)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum What {
    Folder(Path),
    Create(Path, FileId),
    Remove(Path),
    Rename { from: Path, to: Path, file: FileId },
}

impl What {
    /// The name that this change gives or takes.
    pub(super) fn name(&self) -> &Path {
        match self {
            What::Folder(path) | What::Create(path, _) | What::Remove(path) => path,
            What::Rename { to, .. } => to,
        }
    }

    fn touches(&self, name: &Path) -> bool {
        self.name() == name || matches!(self, What::Rename { from, .. } if from == name)
    }

    fn meets(&self, other: &What) -> bool {
        other.touches(self.name())
            || matches!(self, What::Rename { from, .. } if other.touches(from))
            || self.empties(other)
            || other.empties(self)
    }

    /// Whether the other is of a name below the folder that this one removes: a folder goes when it is empty.
    fn empties(&self, other: &What) -> bool {
        let What::Remove(folder) = self else { return false };
        let below = |name: &Path| {
            name.as_str().strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        below(other.name()) || matches!(other, What::Rename { from, .. } if below(from))
    }

    fn apply(&self, tree: &mut Tree) {
        match self {
            What::Folder(path) => {
                tree.insert(path.clone(), Node::Folder);
            }
            What::Create(path, file) => {
                tree.insert(path.clone(), Node::File(*file));
            }
            What::Remove(path) => {
                tree.remove(path);
            }
            What::Rename { from, to, file } => {
                tree.remove(from);
                tree.insert(to.clone(), Node::File(*file));
            }
        }
    }
}

impl Names {
    /// Performs a change in the cache. `under_way` tells how many syncs of a folder have started already.
    pub(super) fn change(&mut self, what: What, under_way: impl Fn(&Path) -> u16) {
        what.apply(&mut self.cache);
        let wait = |folder: Path| {
            let state = State::Dirty(under_way(&folder));
            (folder, state)
        };
        let mut waits = vec![wait(what.name().parent())];
        if let What::Rename { from, to, .. } = &what
            && from.parent() != to.parent()
        {
            waits.push(wait(from.parent()));
        }
        // The list is in order: the new change goes behind the last one that it must follow, and from there to its
        // place by name.
        let after = self.changes.iter().rposition(|one| one.what.meets(&what)).map_or(0, |at| at + 1);
        let greater = self.changes[after..].iter().position(|one| one.what.name() > what.name());
        let at = greater.map_or(self.changes.len(), |by| after + by);
        self.changes.insert(at, NameChange { what, waits });
    }

    /// Puts changes of different names in the order of their names: of those whose predecessors have all been put, the
    /// one with the least name is next.
    fn sort(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        let mut followers = vec![Vec::new(); changes.len()];
        let mut predecessors = vec![0usize; changes.len()];
        for (at, change) in changes.iter().enumerate() {
            for before in (0..at).filter(|before| changes[*before].what.meets(&change.what)) {
                followers[before].push(at);
                predecessors[at] += 1;
            }
        }
        let names: Vec<Path> = changes.iter().map(|change| change.what.name().clone()).collect();
        let mut changes: Vec<Option<NameChange>> = changes.into_iter().map(Some).collect();
        let mut free: BTreeSet<(&Path, usize)> =
            (0..names.len()).filter(|at| predecessors[*at] == 0).map(|at| (&names[at], at)).collect();
        while let Some((_, least)) = free.pop_first() {
            self.changes.extend(changes[least].take());
            for next in followers[least].drain(..) {
                predecessors[next] -= 1;
                if predecessors[next] == 0 {
                    free.insert((&names[next], next));
                }
            }
        }
    }

    /// Ends the sync of a folder that has that many others under way before it.
    pub(super) fn sync(&mut self, folder: &Path, sync: u16, end: SyncEnd) {
        for change in &mut self.changes {
            match end {
                SyncEnd::Durable => change.waits.retain(|(of, state)| of != folder || !state.covered(sync)),
                SyncEnd::Failed => {
                    let covered =
                        change.waits.iter_mut().filter(|(of, state)| of == folder && state.covered(sync));
                    covered.for_each(|(_, state)| *state = State::Lost);
                }
                SyncEnd::Lied => {}
            }
            let waits = change.waits.iter_mut().filter(|(of, _)| of == folder);
            waits.for_each(|(_, state)| state.sync_over(sync));
        }
        self.fold();
    }

    /// Makes durable what waits for nothing, with all that must come before it.
    fn fold(&mut self) {
        let mut due = vec![false; self.changes.len()];
        for at in (0..due.len()).rev() {
            let (change, later) = (&self.changes[at], at + 1..due.len());
            due[at] = change.waits.is_empty()
                || later.into_iter().any(|next| due[next] && self.changes[next].what.meets(&change.what));
        }
        let (mut due, before) = (due.into_iter(), self.changes.len());
        let (durable, changes) = (&mut self.durable, &mut self.changes);
        changes.retain(|change| {
            let due = due.next() == Some(true);
            if due {
                change.what.apply(durable);
            }
            !due
        });
        if changes.len() < before {
            self.sort();
        }
    }

    /// Forgets which syncs were under way: the process that waited for them is gone.
    pub(super) fn forget_syncs(&mut self) {
        for (_, state) in self.changes.iter_mut().flat_map(|change| &mut change.waits) {
            if let State::Dirty(after) = state {
                *after = 0;
            }
        }
    }

    /// The names after a power loss that keeps, of the changes of each name, so many.
    pub(super) fn after_loss(&self, kept: impl Fn(&Path) -> usize) -> Tree {
        let mut tree = self.durable.clone();
        let mut dropped: Vec<&What> = Vec::new();
        let mut counts: BTreeMap<&Path, usize> = BTreeMap::new();
        for NameChange { what, .. } in &self.changes {
            let count = counts.entry(what.name()).or_default();
            *count += 1;
            if *count <= kept(what.name()) && !dropped.iter().any(|before| before.meets(what)) {
                what.apply(&mut tree);
            } else {
                dropped.push(what);
            }
        }
        reachable(&tree)
    }

    /// The names that have open changes and how many changes each.
    pub(super) fn open(&self) -> BTreeMap<&Path, usize> {
        let mut counts = BTreeMap::new();
        self.changes.iter().for_each(|change| *counts.entry(change.what.name()).or_default() += 1);
        counts
    }

    /// The names whose last change is not known to be durable, and why: a failed sync outweighs one that has not come.
    pub(super) fn at_risk(&self) -> impl Iterator<Item = (&Path, super::Why)> {
        self.changes.iter().map(|change| {
            let why = change.waits.iter().map(|(_, state)| (*state).into()).max();
            (change.what.name(), why.unwrap_or(super::Why::Unsynced))
        })
    }

    /// Every mention of a file, the ones by cached names first.
    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut FileId> {
        let trees = self.cache.values_mut().chain(self.durable.values_mut());
        let named = trees.filter_map(|node| if let Node::File(file) = node { Some(file) } else { None });
        named.chain(self.changes.iter_mut().filter_map(|change| match &mut change.what {
            What::Create(_, file) | What::Rename { file, .. } => Some(file),
            What::Folder(_) | What::Remove(_) => None,
        }))
    }
}

/// The names whose folders are all there.
pub(super) fn reachable(tree: &Tree) -> Tree {
    let mut reached = Tree::new();
    for (path, node) in tree {
        let parent = path.parent();
        if parent.as_str().is_empty() || reached.get(&parent) == Some(&Node::Folder) {
            reached.insert(path.clone(), *node);
        }
    }
    reached
}
