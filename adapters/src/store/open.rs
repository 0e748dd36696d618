//! How a store is opened. Decides what a folder must hold to be taken for a store, and waits until recovery has said
//! what it found.

use super::append::Ids;
use super::scrub::Scrubber;
use super::{EventStore, Inner};
use crate::driver::call::{Lost, poll};
use crate::driver::files::{self, Files, Owner, Whose};
use crate::driver::host::{self, Host};
use crate::trace::{Recording, record};
use onceward_core::ConfigError;
use onceward_core::log::api::{Damage, Phase, Recovered, Request, Response};
use onceward_core::log::store::{Config, EventStore as Machine};
use onceward_core::{Dur, Path as StorePath};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to do where there is no store yet.
    pub create: Create,
    /// The bounds of the machine. Its folder is the store's own, and the identity of a new store is random; both
    /// fields are ignored.
    pub config: Config,
    /// How the machine is hosted.
    pub host: host::Options,
    /// Where to record everything that the machine is told, to be validated later; `None`: nowhere.
    pub record: Option<Recording>,
    /// How often to verify the whole store in the background; `None`: only when asked.
    pub scrub: Option<Duration>,
    /// How long [`EventStore::close`] may take.
    pub close_within: Duration,
    /// Whether the next segment is written with zeros while one fills, so that syncs are quicker: a quarter or so off the sync
    /// of a small group on ext4, for twice as many bytes written. Not done where segments are not allocated beforehand, or
    /// where groups are not synced as soon as they are written
    /// ([`SyncPolicy::is_prompt`](onceward_core::log::segments::SyncPolicy::is_prompt)).
    pub write_ahead: bool,
}

/// What to do where there is no store yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Create {
    /// Make one.
    #[default]
    IfMissing,
    /// Make one; refuse if there is one.
    New,
    /// Refuse.
    Never,
}

/// Why a store cannot be opened. Nothing was changed, except where stated.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration contradicts itself.
    #[error("the configuration is not valid: {0}")]
    Config(#[from] ConfigError),
    /// The folder cannot be worked in.
    #[error(transparent)]
    Folder(#[from] files::OpenError),
    /// The recording cannot be begun.
    #[error("a recording cannot be made in {}: {source}", .folder.display())]
    Recording {
        /// The folder of the recording.
        folder: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// There is no store in the folder.
    #[error("there is no store in {}", .folder.display())]
    NoStore {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds something else.
    #[error("{} is not a store's folder: it holds {file:?}", .folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// One of the files that no store has.
        file: String,
    },
    /// There is a store already.
    #[error("there is a store in {} already", .folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// The store is damaged.
    #[error("the store in {} is damaged: {damage}", .folder.display())]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// What is damaged.
        damage: Damage,
    },
    /// The machine failed in recovery. The folder is as a crash would have left it.
    #[error("the store in {} could not be recovered: {source}", .folder.display())]
    Failed {
        /// The folder.
        folder: PathBuf,
        /// How.
        source: Lost,
    },
}

impl Default for Options {
    fn default() -> Options {
        Options {
            create: Create::default(),
            config: Config::new(StorePath::root(), 0),
            host: host::Options::default(),
            record: None,
            scrub: None,
            close_within: Duration::from_secs(30),
            write_ahead: true,
        }
    }
}

impl Options {
    /// Opens the store in this folder and waits until it is recovered.
    ///
    /// # Errors
    /// If the folder is in use, holds something else, or holds a damaged store.
    pub fn open(&self, folder: impl AsRef<Path>) -> Result<EventStore, OpenError> {
        let folder = folder.as_ref();
        let span = tracing::debug_span!("open", folder = %folder.display());
        let _entered = span.enter();
        let mut config = self.config.clone();
        config.segments.folder = StorePath::root();
        config.segments.store_id = Ids::new().next().0;
        let fresh = Machine::new(config)?;
        let mut files = match self.create {
            Create::Never => Files::open(folder)?,
            Create::IfMissing | Create::New => Files::create(folder)?,
        };
        self.judge(folder)?;

        let failed = |source| OpenError::Failed { folder: folder.to_path_buf(), source };
        let os = |source| files::OpenError::Os { folder: folder.to_path_buf(), source };
        let segments = &self.config.segments;
        if self.write_ahead && segments.preallocate && segments.policy.is_prompt() {
            files.write_ahead(segments.segment_bytes).map_err(os)?;
        }
        let tap = self.record.as_ref().map(|recording| {
            let folder = recording.folder.clone();
            record(recording, files.root()).map_err(|source| OpenError::Recording { folder, source })
        });
        let make = move || fresh.clone();
        let host = Host::start_tapped(files, self.host.clone(), age, make, tap.transpose()?).map_err(os)?;
        let recovered = recover(&host, folder).map_err(|error| match error {
            Refused::Lost(source) => failed(source),
            Refused::Damaged(damage) => OpenError::Damaged { folder: folder.to_path_buf(), damage },
        })?;
        tracing::debug!(?recovered, "open");

        // The scrub knows the store weakly: it must not keep it from being closed.
        let itself: Arc<OnceLock<Weak<Inner>>> = Arc::default();
        let scrubber = match self.scrub {
            None => None,
            Some(every) => {
                let store = itself.clone();
                let verify = move || store.get()?.upgrade().map(|inner| inner.host.call(Request::Verify));
                Some(Scrubber::start(every, verify).map_err(os)?)
            }
        };
        let inner = Arc::new(Inner {
            host,
            folder: folder.to_path_buf(),
            recovered,
            ids: Ids::new(),
            close_within: self.close_within,
            closed: Mutex::new(false),
            scrubber,
        });
        itself.get_or_init(|| Arc::downgrade(&inner));
        Ok(EventStore { inner })
    }

    /// Whether the folder is one to open; makes it one if that is asked for.
    fn judge(&self, folder: &Path) -> Result<(), OpenError> {
        let os = |(folder, source)| files::OpenError::Os { folder, source };
        let whose = Owner::Store.look(folder).map_err(os)?;
        let folder = folder.to_path_buf();
        match (whose, self.create) {
            (Whose::Ours, Create::IfMissing | Create::Never) => Ok(()),
            (Whose::Ours, Create::New) => Err(OpenError::Exists { folder }),
            (Whose::Foreign(file), _) => Err(OpenError::Foreign { folder, file }),
            (Whose::Nobodys, Create::Never) => Err(OpenError::NoStore { folder }),
            (Whose::Nobodys, Create::IfMissing | Create::New) => {
                Ok(Owner::Store.mark(&folder).map_err(|error| os((folder, error)))?)
            }
        }
    }
}

enum Refused {
    Lost(Lost),
    Damaged(Damage),
}

/// The machine counts an append's deadline from when it sees it, the caller from when it asked.
fn age(request: &mut Request, waited: Dur) {
    if let Request::Append { deadline: Some(deadline), .. } = request {
        *deadline = Dur(deadline.0.saturating_sub(waited.0));
    }
}

/// Waits until the machine has recovered.
fn recover(host: &Host<Machine>, folder: &Path) -> Result<Recovered, Refused> {
    // The store answers in every phase, and tells of a change of phase only when asked.
    poll(|| match host.ask(Request::Status).map_err(Refused::Lost)? {
        Response::Status(status) => match status.phase {
            Phase::Recovering => Ok(None),
            Phase::Damaged(damage) => Err(Refused::Damaged(damage)),
            Phase::Ready | Phase::Full | Phase::Closing | Phase::Closed => {
                Ok(Some(status.recovery.unwrap_or_default()))
            }
        },
        other => {
            tracing::error!(?other, folder = %folder.display(), "no status");
            Ok(None)
        }
    })
}
