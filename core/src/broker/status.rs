//! The statuses that sessions end with: codes of the YDB API, in one place.

use crate::log::segments::Refused;
use crate::writer::wire::{Issue, Status};
use alloc::{sync::Arc, vec};

pub(super) const BAD_REQUEST: u32 = 400_010;
pub(super) const UNAVAILABLE: u32 = 400_050;
pub(super) const OVERLOADED: u32 = 400_060;
pub(super) const SCHEME_ERROR: u32 = 400_070;

/// The kind of issue that says that a newer session of the same producer is open.
const OWNERSHIP: u32 = 500_003;

/// A status with one issue, in words.
pub(super) fn status(code: u32, message: impl Into<Arc<str>>) -> Status {
    Status { code, issues: vec![Issue { code, message: message.into() }] }
}

/// A newer session of the same producer is open. Not to be tried again: two writers would throw each other out for ever.
pub(super) fn fenced() -> Status {
    let message = "ownership session is killed by another session of the same producer";
    Status { code: BAD_REQUEST, issues: vec![Issue { code: OWNERSHIP, message: message.into() }] }
}

/// The log takes nothing in.
pub(super) fn refused(refused: Refused) -> Status {
    match refused {
        Refused::Full => status(OVERLOADED, "the disk is full"),
        Refused::Overloaded => status(OVERLOADED, "overloaded"),
        Refused::NotReady => status(UNAVAILABLE, "the broker is recovering"),
        Refused::Closing => status(UNAVAILABLE, "the broker is shutting down"),
        Refused::Disk(_) => status(UNAVAILABLE, "the disk fails"),
        Refused::Size { .. } => status(BAD_REQUEST, "a message that does not fit into the log"),
    }
}
