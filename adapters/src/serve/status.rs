//! The statuses of the YDB API: their numbers, and which one each refusal of the broker becomes. Clients decide by them
//! what they try again (see `onceward_core::writer`), so the choice is part of the protocol.

use super::proto::common::Issue as ProtoIssue;
use crate::driver::call::Lost;
use onceward_core::broker::api::Refusal;
use onceward_core::writer::wire::{Issue, Status};

pub(crate) const SUCCESS: u32 = 400_000;
pub(crate) const BAD_REQUEST: u32 = 400_010;
pub(crate) const UNAUTHORIZED: u32 = 400_020;
pub(crate) const INTERNAL_ERROR: u32 = 400_030;
pub(crate) const UNAVAILABLE: u32 = 400_050;
pub(crate) const OVERLOADED: u32 = 400_060;
pub(crate) const SCHEME_ERROR: u32 = 400_070;
pub(crate) const ALREADY_EXISTS: u32 = 400_130;
pub(crate) const NOT_FOUND: u32 = 400_140;
pub(crate) const UNDETERMINED: u32 = 400_170;
pub(crate) const UNSUPPORTED: u32 = 400_180;

/// How much a request is worth if it is not taken: a status that says why.
pub(crate) type Checked<T> = Result<T, Status>;

/// A status with one issue that has no number of its own.
pub(crate) fn failure(code: u32, message: impl Into<String>) -> Status {
    Status { code, issues: vec![Issue { code: 0, message: message.into().into() }] }
}

/// A request that makes no sense, and where.
pub(crate) fn bad(field: &str, what: impl std::fmt::Display) -> Status {
    failure(BAD_REQUEST, format!("{field}: {what}"))
}

/// A request for something that this broker does not do.
pub(crate) fn unsupported(what: impl Into<String>) -> Status {
    failure(UNSUPPORTED, what)
}

/// What becomes of a call that the broker refused.
pub(crate) fn refused(refusal: &Refusal) -> Status {
    let code = match refusal {
        Refusal::NoTopic(_) => SCHEME_ERROR,
        Refusal::Exists(_) => ALREADY_EXISTS,
        Refusal::NoConsumer(_) => NOT_FOUND,
        Refusal::NoPartition(_) | Refusal::Invalid(_) | Refusal::Limit { .. } => BAD_REQUEST,
        Refusal::Overloaded | Refusal::Full => OVERLOADED,
        Refusal::Recovering | Refusal::Closing => UNAVAILABLE,
        Refusal::Damaged(_) => INTERNAL_ERROR,
        Refusal::Unknown => UNDETERMINED,
    };
    failure(code, refusal.to_string())
}

/// What becomes of a call that got no answer of the broker.
pub(crate) fn lost(lost: Lost) -> Status {
    let (code, message) = match lost {
        Lost::Overloaded => (OVERLOADED, "too many calls are waiting"),
        Lost::Closed => (UNAVAILABLE, "the broker is shutting down"),
        Lost::Failed | Lost::Late | Lost::Stopped => {
            (UNDETERMINED, "the broker failed while the call was under way: its outcome is unknown")
        }
    };
    failure(code, message)
}

/// The code as the protocol carries it.
pub(crate) fn number(status: &Status) -> i32 {
    i32::try_from(status.code).unwrap_or(INTERNAL_ERROR.cast_signed())
}

/// The issues as the protocol carries them.
pub(crate) fn issues(status: &Status) -> Vec<ProtoIssue> {
    /// What went wrong is an error, no warning.
    const ERROR: u32 = 1;
    let issue = |issue: &Issue| ProtoIssue {
        message: issue.message.to_string(),
        issue_code: issue.code,
        severity: ERROR,
        issues: Vec::new(),
    };
    status.issues.iter().map(issue).collect()
}
