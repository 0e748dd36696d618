//! Where failures are written down: a folder for each failing seed, with the plan as scenario text and the trace as
//! people read it.

use crate::run::{Job, Replay};
use onceward_model::trace;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// A folder for failures.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    /// Whose each seed's folder is.
    taken: Mutex<BTreeMap<u64, String>>,
}

impl Files {
    /// A folder for the failures of one batch, made when there is a first one.
    pub fn at(root: impl Into<PathBuf>) -> Files {
        Files { root: root.into(), taken: Mutex::default() }
    }

    /// Writes a failing run down, and says under what name its plan is found. A disk that is full must not hide the
    /// failure itself: then there is no file, and the report names the seed alone.
    pub(super) fn write(&self, job: &dyn Job, seed: u64, run: &Replay) -> Option<PathBuf> {
        let folder = self.root.join(self.folder(job, seed));
        let write = || -> io::Result<PathBuf> {
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("run.trace"), trace::write(&run.trace))?;
            fs::write(folder.join("plan.scenario"), &run.plan)?;
            Ok(folder.join("plan.scenario"))
        };
        write().ok()
    }

    fn folder(&self, job: &dyn Job, seed: u64) -> PathBuf {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = taken.entry(seed).or_insert_with(|| job.name().to_owned());
        if owner == job.name() {
            return PathBuf::from(seed.to_string());
        }
        let name =
            Path::new(job.name()).file_stem().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        PathBuf::from(format!("{seed}-{name}"))
    }
}
