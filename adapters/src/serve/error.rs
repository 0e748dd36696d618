//! Why a broker cannot be served. Holds values only.

use crate::driver::call::Lost;
use crate::driver::files;
use onceward_core::ConfigError;
use onceward_core::log::api::Damage;
use std::path::PathBuf;

/// Why a broker cannot be served, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration contradicts itself.
    #[error("the configuration is not valid: {0}")]
    Config(#[from] ConfigError),
    /// The list of who may do what cannot be used.
    #[error("{} cannot be used: {what}", .file.display())]
    Access {
        /// The list.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The certificate or its key cannot be used.
    #[error("TLS with {} is not possible: {what}", .file.display())]
    Tls {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The folder cannot be worked in.
    #[error(transparent)]
    Folder(#[from] files::OpenError),
    /// The recording cannot be begun.
    #[error("a recording cannot be made in {}: {source}", .folder.display())]
    Recording {
        /// The folder of the recording.
        folder: PathBuf,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// The folder holds something else.
    #[error("{} is not a broker's folder: it holds {file:?}", .folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// One of the files that no broker has.
        file: String,
    },
    /// The broker's files are damaged.
    #[error("the broker in {} is damaged: {damage}", .folder.display())]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// What is damaged.
        damage: Damage,
    },
    /// The machine has failed. The folder is as a crash would have left it.
    #[error("the broker has failed: {source}")]
    Failed {
        /// How.
        source: Lost,
    },
    /// What was asked for last could not be brought to the disk, as when that is full or fails. It was not acknowledged.
    #[error(
        "the broker stopped before everything was on the disk: what was not acknowledged may be stored or not, and \
         nothing else is in doubt"
    )]
    Undecided,
    /// The machine did not end in order. The folder is as a crash would have left it.
    #[error("the broker did not stop in order: {what}")]
    NotStopped {
        /// What it said instead.
        what: String,
    },
}

/// An error with its causes, in one line.
#[cfg(feature = "tls")]
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
