//! Where failures are written down: a folder for each failing seed, with the plan as scenario text, the trace, the report
//! as text, and the page that shows the run.

use crate::{
    minimise::{Nearest, Passing},
    picture::{self, Recording},
    run::{Job, Outcome, Replay, host},
};
use onceward_model::trace;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The plan of a failing run.
pub(super) const PLAN: &str = "plan.scenario";
/// The page that shows it.
const PAGE: &str = "report.html";
/// What the terminal shows of it.
const TEXT: &str = "report.txt";
/// The closest run that passes.
const PASSING: &str = "passing.scenario";

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

    /// Writes plan and trace of a failing run down, and says in which folder. A disk that is full must not hide the
    /// failure itself: then there is no file, and the report names the seed alone.
    pub(super) fn write(&self, job: &dyn Job, seed: u64, run: &Replay) -> Option<PathBuf> {
        let folder = self.root.join(self.folder(job, seed));
        let write = || -> io::Result<PathBuf> {
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("run.trace"), trace::write(&run.trace))?;
            fs::write(folder.join(PLAN), &run.plan)?;
            // What an earlier failure of this seed has left is not this one's.
            for old in [PAGE, TEXT, PASSING] {
                let _ = fs::remove_file(folder.join(old));
            }
            Ok(folder.clone())
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

/// Takes a picture of a run. Without one there is still the plan.
pub(super) fn picture(
    job: &dyn Job,
    outcome: &Outcome,
    replay: &str,
    nearest: Option<&Nearest>,
) -> Option<Recording> {
    let mut taken = host::fresh(|| picture::take(job, &mut *job.worker(), outcome, None, replay)).ok()?;
    taken.nearest = nearest.cloned();
    Some(taken)
}

/// Writes the page that shows a run into its folder, and says under what name.
pub(super) fn page(recording: &Recording, folder: &Path) -> Option<PathBuf> {
    let page = picture::page(recording).ok()?;
    let file = folder.join(PAGE);
    fs::write(&file, page).ok()?;
    Some(file)
}

/// Writes the closest run that passes into a failure's folder, and says under what name.
pub(super) fn passing(passing: &Passing, folder: &Path) -> Option<PathBuf> {
    let file = folder.join(PASSING);
    let Passing { change, step, text, .. } = passing;
    let text = format!("# The failing run passes {change}: they part at step {step}.\n{text}");
    fs::write(&file, text).ok()?;
    Some(file)
}

/// Writes what the terminal shows of a failure into its folder. The terminal shows it in any case.
pub(super) fn describe(folder: &Path, text: &str) {
    let _ = fs::write(folder.join(TEXT), text);
}
