//! What can go wrong with a call. Holds values only.

use crate::driver::call::Lost;
use onceward_core::log::api::{BadName, Refusal, Response};

/// Why a call did not do what was asked, or may not have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be made. Nothing was changed.
    #[error(transparent)]
    Bad(#[from] BadRequest),
    /// The store refused, or does not know what became of it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no answer.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The store answered another question: a bug.
    #[error("the store answered another question: {0:?}")]
    Unexpected(Box<Response>),
}

/// Why a request cannot be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadRequest {
    /// A text is no name.
    #[error("{what} {text:?}: {source}")]
    Name {
        /// What it should name.
        what: &'static str,
        /// The text.
        text: String,
        /// What is wrong with it.
        source: BadName,
    },
    /// An append without events.
    #[error("an append needs at least one event")]
    NoEvents,
}

impl Error {
    /// Whether what was asked for may have been done, or may yet turn out to be. A retry with the same idempotency
    /// key finds out.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Error::Refused(refusal) => matches!(refusal, Refusal::Unknown { .. }),
            Error::Lost(lost) => lost.outcome_unknown(),
            Error::Bad(_) => false,
            Error::Unexpected(_) => true,
        }
    }

    /// Whether the same request may well succeed later, nothing having been changed.
    pub fn is_temporary(&self) -> bool {
        match self {
            Error::Refused(refusal) => {
                matches!(
                    refusal,
                    Refusal::Overloaded | Refusal::Full | Refusal::Deadline | Refusal::Recovering
                )
            }
            Error::Lost(lost) => matches!(lost, Lost::Overloaded),
            Error::Bad(_) | Error::Unexpected(_) => false,
        }
    }

    pub(super) fn not(answer: Response) -> Error {
        match answer {
            Response::Refused(refusal) => Error::Refused(refusal),
            other => Error::Unexpected(Box::new(other)),
        }
    }
}
