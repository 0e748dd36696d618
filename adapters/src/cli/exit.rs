//! How the command ends. Decides the exit code of every error; scripts rely on these numbers.

#[cfg(feature = "serve")]
use onceward::serve::ServeError;
use onceward::store::BackupError;
use onceward::{Error, OpenError, Refusal};

/// Exit codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Exit {
    /// Done.
    Done = 0,
    /// Anything that has no number of its own.
    Failed = 1,
    /// The arguments make no sense; the argument parser uses it too.
    Arguments = 2,
    /// There is no store, or no topic.
    Missing = 3,
    /// Another process has it open.
    Locked = 4,
    /// The folder holds something else.
    Foreign = 5,
    /// The store is damaged.
    Damaged = 6,
    /// The store or the server refused; nothing was changed.
    Refused = 7,
    /// It may have been done or not.
    Unknown = 8,
    /// The server cannot be reached.
    #[cfg(feature = "topic")]
    Unreachable = 9,
}

/// For the help.
pub(super) const HELP: &str = "\
Exit codes:
  0  done
  1  failed: the message says how
  2  the arguments make no sense
  3  there is no store in that folder, or no such topic
  4  the store is in use by another process
  5  the folder holds something that is not a store
  6  the store is damaged
  7  the store or the server refused; nothing was changed
  8  the outcome is unknown: it may have been done; a retry with the same key, or producer, finds out
  9  the server cannot be reached";

impl Exit {
    /// The exit code of an error.
    pub(super) fn of(error: &anyhow::Error) -> Exit {
        let mut causes = error.chain();
        causes.find_map(Exit::of_cause).unwrap_or(Exit::Failed)
    }

    fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
        use onceward::driver::files::OpenError as FolderError;
        let of_folder = |error: &FolderError| match error {
            FolderError::Missing { .. } => Exit::Missing,
            FolderError::Locked { .. } => Exit::Locked,
            FolderError::NotAFolder { .. } => Exit::Foreign,
            FolderError::Os { .. } => Exit::Failed,
        };
        #[cfg(feature = "serve")]
        if let Some(error) = cause.downcast_ref::<ServeError>() {
            return Some(match error {
                ServeError::Folder(error) => of_folder(error),
                ServeError::Foreign { .. } => Exit::Foreign,
                ServeError::Damaged { .. } => Exit::Damaged,
                _ => Exit::Failed,
            });
        }
        #[cfg(feature = "tls")]
        if cause.is::<super::serve::HalfAPair>() {
            return Some(Exit::Arguments);
        }
        if let Some(error) = cause.downcast_ref::<OpenError>() {
            return Some(match error {
                OpenError::Folder(error) => of_folder(error),
                OpenError::NoStore { .. } => Exit::Missing,
                OpenError::Foreign { .. } => Exit::Foreign,
                OpenError::Damaged { .. } => Exit::Damaged,
                _ => Exit::Failed,
            });
        }
        if let Some(error) = cause.downcast_ref::<Error>() {
            return Some(match error {
                Error::Refused(Refusal::Damaged(_)) => Exit::Damaged,
                error if error.outcome_unknown() => Exit::Unknown,
                Error::Refused(_) | Error::Bad(_) => Exit::Refused,
                Error::Lost(_) | Error::Unexpected(_) => Exit::Failed,
            });
        }
        #[cfg(feature = "topic")]
        if let Some(exit) = of_topic(cause) {
            return Some(exit);
        }
        if let Some(BackupError::Exists(_)) = cause.downcast_ref::<BackupError>() {
            return Some(Exit::Refused);
        }
        // Whoever read our output has had enough.
        let broken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
        cause.downcast_ref::<std::io::Error>().is_some_and(broken).then_some(Exit::Done)
    }
}

#[cfg(feature = "topic")]
fn of_topic(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    use onceward::topic::{Failure, ReadError, ReaderEnd, ReaderFailure, TopicError, WriteError, WriterEnd};
    /// SCHEME_ERROR and NOT_FOUND.
    const MISSING: [u32; 2] = [400_070, 400_140];
    let of_failure = |failure: &Failure| match failure {
        Failure::Status(status) if MISSING.contains(&status.code) => Exit::Missing,
        Failure::Status(_) if failure.is_transient() => Exit::Unknown,
        Failure::Status(_) => Exit::Refused,
        Failure::Grpc(_) => Exit::Unreachable,
        _ => Exit::Failed,
    };
    if cause.is::<super::topic::Unreachable>() {
        return Some(Exit::Unreachable);
    }
    if let Some(error) = cause.downcast_ref::<TopicError>() {
        return Some(match error {
            TopicError::Failed(failure) => of_failure(failure),
            TopicError::Connect { .. } => Exit::Unreachable,
            _ => Exit::Failed,
        });
    }
    if let Some(error) = cause.downcast_ref::<WriteError>() {
        return Some(match error {
            WriteError::Ended { end: WriterEnd::Failed(failure), .. } => of_failure(failure),
            WriteError::Ended { .. } => Exit::Unknown,
            _ => Exit::Failed,
        });
    }
    if let Some(ReadError(end)) = cause.downcast_ref::<ReadError>() {
        return Some(match end {
            ReaderEnd::Failed(ReaderFailure::Session(failure)) => of_failure(failure),
            _ => Exit::Failed,
        });
    }
    None
}
