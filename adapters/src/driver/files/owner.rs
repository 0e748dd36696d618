//! Whose folder it is. Decides whether a folder belongs to one kind of machine, to another, or to nobody yet, by the
//! marker that each kind leaves in its folder; and makes an empty folder one's own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A kind of machine that has folders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// An event store.
    Store,
    /// A topic broker.
    Broker,
}

/// Whose a folder is.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Whose {
    /// The kind's that was asked for.
    Ours,
    /// Nothing is in it.
    Nobodys,
    /// It holds this, and nothing of the kind that was asked for; or the marker of another kind.
    Foreign(String),
}

/// The ending of a segment's file name.
const SEGMENT: &str = "seg";

impl Owner {
    const ALL: [Owner; 2] = [Owner::Store, Owner::Broker];

    /// The file that every folder of the kind has from its creation on, and what it says to people.
    fn marker(self) -> (&'static str, &'static str) {
        match self {
            Owner::Store => (
                "onceward.store",
                "An Onceward event store. Read it with `onceward log`, and leave its files alone.\n",
            ),
            Owner::Broker => (
                "onceward.broker",
                "An Onceward topic broker. Serve it with `onceward serve`, and leave its files alone.\n",
            ),
        }
    }

    /// Looks through a folder. A store whose marker was lost is known by its segments.
    ///
    /// # Errors
    /// The folder, or a file in it of this kind, cannot be opened: somebody else's files, or a read-only disk, are no
    /// damage.
    pub(crate) fn look(self, folder: &Path) -> Result<Whose, (PathBuf, io::Error)> {
        let of_folder = |error| (folder.to_path_buf(), error);
        let (mut ours, mut stranger) = (false, None);
        for entry in fs::read_dir(folder).map_err(of_folder)? {
            let entry = entry.map_err(of_folder)?;
            let (name, path) = (entry.file_name(), entry.path());
            if let Some(owner) = Owner::ALL.into_iter().find(|owner| name == owner.marker().0) {
                if owner != self {
                    return Ok(Whose::Foreign(owner.marker().0.to_owned()));
                }
            } else if self == Owner::Broker || path.extension().is_none_or(|extension| extension != SEGMENT) {
                stranger.get_or_insert(name);
                continue;
            }
            ours = true;
            OpenOptions::new().read(true).write(true).open(&path).map_err(|error| (path, error))?;
        }
        Ok(match stranger {
            _ if ours => Whose::Ours,
            Some(name) => Whose::Foreign(name.to_string_lossy().into_owned()),
            None => Whose::Nobodys,
        })
    }

    /// Makes an empty folder one's own, durably.
    pub(crate) fn mark(self, folder: &Path) -> io::Result<()> {
        let (name, words) = self.marker();
        let mut file = File::create(folder.join(name))?;
        file.write_all(words.as_bytes())?;
        file.sync_all()?;
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|file| fs::write(folder.path().join(file), b"").unwrap());
        folder
    }

    fn foreign(file: &str) -> Whose {
        Whose::Foreign(file.to_owned())
    }

    #[test]
    fn a_folder_belongs_to_one_kind() {
        for (owner, files, whose) in [
            (Owner::Store, &[][..], Whose::Nobodys),
            (Owner::Broker, &[][..], Whose::Nobodys),
            (Owner::Store, &["onceward.store", "notes"][..], Whose::Ours),
            (Owner::Store, &["0.seg", "notes"][..], Whose::Ours),
            (Owner::Store, &["notes"][..], foreign("notes")),
            (Owner::Broker, &["onceward.broker", "0.seg"][..], Whose::Ours),
            (Owner::Broker, &["0.seg"][..], foreign("0.seg")),
            (Owner::Store, &["0.seg", "onceward.broker"][..], foreign("onceward.broker")),
            (Owner::Broker, &["0.seg", "onceward.store"][..], foreign("onceward.store")),
            (Owner::Broker, &["onceward.broker", "onceward.store"][..], foreign("onceward.store")),
        ] {
            assert_eq!(owner.look(folder(files).path()).unwrap(), whose, "{owner:?} {files:?}");
        }
    }

    #[test]
    fn what_is_marked_is_ones_own() {
        for owner in Owner::ALL {
            let folder = folder(&[]);
            owner.mark(folder.path()).unwrap();
            assert_eq!(owner.look(folder.path()).unwrap(), Whose::Ours);
        }
    }
}
