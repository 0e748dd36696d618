//! Trials that are over, kept in a file of lines so that a measurement goes on where it was left off, whatever ended it. A
//! line is a trial, with the build and the time it had. What another build measured, or under another limit, stays in the
//! file and is not counted. A last line that was cut short is cut off: that trial is performed again.

use super::Trial;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

/// What trials must agree in to be counted together.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Under {
    /// A hash of the program and of the shipped scenarios.
    pub build: String,
    /// Processor seconds that a trial had.
    pub budget: f64,
}

impl Under {
    /// The build that these bytes are: of the program and of everything else that it reads.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>, budget: f64) -> Under {
        let hashes: Vec<u8> = parts.into_iter().flat_map(|part| xxh3_64(part).to_be_bytes()).collect();
        Under { build: format!("{:016x}", xxh3_64(&hashes)), budget }
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    under: Under,
    #[serde(flatten)]
    trial: Trial,
}

/// Why a file of trials cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It cannot be read or written.
    #[error("{} cannot be {what}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// A line before the last is no trial.
    #[error("{}:{line} is no trial ({error}); with --fresh the file is begun anew", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        error: serde_json::Error,
    },
}

/// A file of trials, open for more.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    file: File,
    under: Under,
}

/// What a file held.
#[derive(Debug, Default, PartialEq)]
pub struct Held {
    /// Trials under the same conditions.
    pub trials: Vec<Trial>,
    /// How many were performed under other conditions.
    pub others: usize,
    /// Whether the last line was cut short, and has been cut off.
    pub torn: bool,
}

impl Store {
    /// Opens a file, or makes it, with the folder it is in. `fresh`: begins it anew.
    ///
    /// # Errors
    /// The file cannot be read or written, or a line that is not the last one is no trial.
    pub fn open(path: &Path, under: &Under, fresh: bool) -> Result<(Store, Held), StoreError> {
        let failed = |what| move |error| StoreError::File { path: path.to_owned(), what, error };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed("made"))?;
        }
        if fresh {
            File::create(path).map_err(failed("begun"))?;
        }
        let file =
            File::options().append(true).create(true).read(true).open(path).map_err(failed("opened"))?;
        let text = fs::read(path).map_err(failed("read"))?;
        let mut held = Held::default();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            held.torn = true;
            file.set_len(whole as u64).map_err(failed("cut"))?;
        }
        let lines = text[..whole].split(|byte| *byte == b'\n').enumerate();
        for (nth, line) in lines.filter(|(_, line)| !line.is_empty()) {
            let line: Line = serde_json::from_slice(line).map_err(|error| StoreError::Line {
                path: path.to_owned(),
                line: nth + 1,
                error,
            })?;
            if line.under == *under { held.trials.push(line.trial) } else { held.others += 1 }
        }
        Ok((Store { path: path.to_owned(), file, under: under.clone() }, held))
    }

    /// Adds a trial, in one piece.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, trial: &Trial) -> Result<(), StoreError> {
        let line = Line { under: self.under.clone(), trial: trial.clone() };
        let failed = |error| StoreError::File { path: self.path.clone(), what: "written", error };
        let mut text = serde_json::to_vec(&line).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        self.file.write_all(&text).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::{Means, Part, Stuck};

    fn trial(nth: u32) -> Trial {
        let stuck = vec![Stuck { at: 7, how: "spins".into() }];
        let part = Part { seeds: 12, cpu: 0.25, caught: true, stuck, ..Part::default() };
        Trial { of: "toy".into(), mutant: "Leaky".into(), means: Means::Plans, nth, part }
    }

    fn under(build: &str) -> Under {
        Under { build: build.into(), budget: 60.0 }
    }

    /// A file that goes with its test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            Scratch(std::env::temp_dir().join(format!("onceward-{}-{name}", std::process::id())))
        }
        fn open(&self, build: &str) -> Result<(Store, Held), StoreError> {
            Store::open(&self.0, &under(build), false)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn what_was_added_is_there_again_for_the_same_build_alone() {
        let file = Scratch::new("same-build");
        let (mut store, held) = file.open("a").unwrap();
        assert_eq!(held, Held::default());
        store.add(&trial(0)).unwrap();
        store.add(&trial(1)).unwrap();
        assert_eq!(
            file.open("a").unwrap().1,
            Held { trials: vec![trial(0), trial(1)], others: 0, torn: false }
        );
        assert_eq!(file.open("b").unwrap().1, Held { trials: vec![], others: 2, torn: false });
        let longer = Under { budget: 61.0, ..under("a") };
        assert_eq!(Store::open(&file.0, &longer, false).unwrap().1.others, 2);
        assert_eq!(Store::open(&file.0, &under("a"), true).unwrap().1, Held::default());
    }

    #[test]
    fn a_torn_last_line_is_cut_off_wherever_it_was_torn() {
        let file = Scratch::new("torn");
        file.open("a").unwrap().0.add(&trial(0)).unwrap();
        let whole = fs::read(&file.0).unwrap();
        for torn in 1..whole.len() {
            fs::write(&file.0, [&whole[..], &whole[..torn]].concat()).unwrap();
            let (mut store, held) = file.open("a").unwrap();
            assert_eq!(held, Held { trials: vec![trial(0)], others: 0, torn: true });
            store.add(&trial(1)).unwrap();
            assert_eq!(file.open("a").unwrap().1.trials, [trial(0), trial(1)]);
            fs::write(&file.0, &whole).unwrap();
        }
    }

    #[test]
    fn a_bad_line_in_the_middle_is_named() {
        let file = Scratch::new("middle");
        file.open("a").unwrap().0.add(&trial(0)).unwrap();
        let whole = fs::read(&file.0).unwrap();
        fs::write(&file.0, [&whole[..], b"{}\n", &whole[..]].concat()).unwrap();
        let error = file.open("a").unwrap_err().to_string();
        assert!(error.contains(":2 is no trial (missing field"), "{error}");
    }

    #[test]
    fn another_program_or_another_scenario_is_another_build() {
        let build = |parts: &[&[u8]]| Under::of(parts.iter().copied(), 60.0).build;
        assert_eq!(build(&[b"program", b"scenario"]), build(&[b"program", b"scenario"]));
        assert_ne!(build(&[b"program", b"scenario"]), build(&[b"program", b"scenari0"]));
        assert_ne!(build(&[b"program", b"scenario"]), build(&[b"programscenario"]));
    }
}
