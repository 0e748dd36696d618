//! Where things are: the shipped scenarios and the folder for failures. Both belong to the workspace, wherever in it
//! the command was typed.

use super::Refused;
use crate::report::Files;
use onceward_model::scenario;
use std::{
    env, fs,
    path::{Path, PathBuf},
};

pub(super) struct Place {
    root: PathBuf,
}

/// A shipped scenario.
pub(super) struct Shipped {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

impl Place {
    /// The package that cargo runs if it has scenarios of its own, or else its workspace, or else the current folder.
    pub(super) fn found() -> Place {
        let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let own = package.clone().filter(|package| package.join("scenarios").is_dir());
        let workspace = package.as_deref().and_then(Path::parent).map(Path::to_owned);
        let workspace = workspace.filter(|root| root.join("Cargo.toml").is_file());
        Place { root: own.or(workspace).unwrap_or_else(|| PathBuf::from(".")) }
    }

    /// Where failures are written.
    pub(super) fn failures(&self) -> Files {
        Files::at(self.target().join("failures"))
    }

    /// Where counterexamples of exhaustive checks are written.
    pub(super) fn checks(&self) -> PathBuf {
        self.target().join("counterexamples")
    }

    /// Where measurements of power are written.
    pub(super) fn power(&self) -> PathBuf {
        self.target().join("power")
    }

    /// Where failing seeds are kept.
    pub(super) fn seeds(&self) -> PathBuf {
        self.target().join("seeds.jsonl")
    }

    /// As short as it can be said from the current folder.
    fn target(&self) -> PathBuf {
        let named = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let folder = named.unwrap_or_else(|| self.root.join("target"));
        let here = env::current_dir().ok();
        here.and_then(|here| folder.strip_prefix(here).ok().map(Path::to_owned)).unwrap_or(folder)
    }

    /// The shipped scenarios, by name.
    pub(super) fn shipped(&self) -> Result<Vec<Shipped>, Refused> {
        let folder = self.root.join("scenarios");
        let mut found = Vec::new();
        let mut open = vec![folder.clone()];
        while let Some(next) = open.pop() {
            let Ok(entries) = fs::read_dir(&next) else { continue };
            for entry in entries {
                let path = entry.map_err(|e| format!("{} cannot be listed: {e}", next.display()))?.path();
                if path.is_dir() {
                    open.push(path);
                } else if path.extension().is_some_and(|end| end == "scenario") {
                    let name = path.strip_prefix(&folder).unwrap_or(&path).with_extension("");
                    found.push(Shipped { name: name.to_string_lossy().into_owned(), path });
                }
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The scenario that is meant: a file, or a shipped one of that name. Its name and its bytes.
    pub(super) fn scenario(&self, wanted: &str) -> Result<(String, Vec<u8>), Refused> {
        let path = Path::new(wanted);
        let read =
            |path: &Path| fs::read(path).map_err(|e| format!("{} cannot be read: {e}", path.display()));
        if path.is_file() {
            return Ok((wanted.to_owned(), read(path)?));
        }
        let shipped = self.shipped()?;
        match shipped.iter().find(|one| one.name == wanted) {
            Some(one) => Ok((one.name.clone(), read(&one.path)?)),
            None => {
                let names = shipped.iter().map(|one| &*one.name);
                Err(scenario::unknown("scenario or file", wanted, names).into())
            }
        }
    }
}
