//! What can be wrong with a recording.

use onceward::trace::ReadError;
use onceward_model::world::Violation;
use std::{fmt::Write, path::PathBuf};

/// Why a recording is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// Its files are not as they were written, or not all there.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nothing happened in it: that shows nothing.
    #[error("{}: nothing happened in this recording", .0.display())]
    Empty(PathBuf),
    /// It is of a system that is not known here.
    #[error("{0}")]
    NoSystem(String),
    /// The system's machines are not recorded.
    #[error("the machines of {0} are not recorded in production")]
    NotRecorded(&'static str),
    /// The machine's disk, which holds the payloads, cannot be read.
    #[error("{}: {what}: payloads stand in the log of this folder (--disk names another one)", .disk.display())]
    Disk {
        /// The folder.
        disk: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The contents of a call, or of what was said on a connection, cannot be had.
    #[error("{}: step {step}: the contents of {whose}: {what}", .file.display())]
    Contents {
        /// The chunk.
        file: PathBuf,
        /// The step, from 1.
        step: u64,
        /// What they belong to.
        whose: String,
        /// What is wrong.
        what: String,
    },
    /// A step is not one of this machine, or no driver may take it.
    #[error("{}: step {step}, {told}: {what}", .file.display())]
    Step {
        /// The chunk.
        file: PathBuf,
        /// The step, from 1.
        step: u64,
        /// What the machine was told.
        told: String,
        /// What is wrong.
        what: String,
    },
    /// A snapshot is another machine than the one that the steps before it lead to.
    #[error("{}: the snapshot after step {step} is not the machine that the steps before it lead to", .file.display())]
    Snapshot {
        /// The chunk.
        file: PathBuf,
        /// The step before it.
        step: u64,
    },
    /// What callers were told breaks a promise.
    #[error("{}: step {step}: {}", .file.display(), broken(.violation))]
    Broken {
        /// The chunk.
        file: PathBuf,
        /// The step, from 1.
        step: u64,
        /// Which, and how.
        violation: Violation,
    },
}

fn broken(violation: &Violation) -> String {
    let mut text = violation.to_string();
    for (seen, what) in &violation.evidence {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  step {}: {what}", seen.step);
    }
    text
}
