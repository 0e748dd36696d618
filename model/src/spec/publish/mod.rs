//! The promises of a topic writer, over what its callers see and what the server has stored.
//!
//! [`History`] takes note of every write, flush and close, of their answers, and of what writers do on the wire; it says at
//! once when an answer contradicts what was promised. [`History::judge`] compares the answers with what is stored. It
//! knows nothing of a writer's own books.
//!
//! What it never does: blame a writer for what no writer can know. A process that is gone owes no answers, and what it had
//! sent may be stored or not, but once at most and under one number.

mod history;
mod judge;
#[cfg(test)]
mod tests;

pub use history::{Asked, History};
pub use judge::Record;

use crate::system::Promise;

/// What a caller was told is stored, is.
pub const ACKED_IS_STORED: &str = "acked-is-stored";
/// No message is stored twice.
pub const STORED_ONCE: &str = "stored-once";
/// A writer's messages are stored in the order in which they were written.
pub const PRODUCER_ORDER: &str = "producer-order";
/// What is stored is what was written.
pub const CONTENT_AS_WRITTEN: &str = "content-as-written";
/// What was refused, or never sent, is not stored.
pub const REFUSED_IS_NOT_STORED: &str = "refused-is-not-stored";
/// Everything accepted is answered.
pub const WRITES_ANSWERED: &str = "writes-answered";
/// Flushes and closes are answered.
pub const FLUSH_AND_CLOSE_SETTLE: &str = "flush-and-close-settle";
/// A flush waits for what was before it.
pub const FLUSH_IS_A_BARRIER: &str = "flush-is-a-barrier";
/// A close says what it could not deliver.
pub const CLOSE_REPORTS: &str = "close-reports-losses";
/// Waits between tries grow as configured.
pub const RETRIES_SPACED: &str = "retries-are-spaced";
/// Unanswered messages keep to the budget.
pub const WITHIN_BUDGET: &str = "within-budget";
/// Whoever has ended is silent.
pub const SILENT_AFTER_END: &str = "silent-after-end";

/// The table of promises.
pub const PROMISES: &[Promise] = &[
    Promise {
        id: ACKED_IS_STORED,
        says: "A message that was acknowledged, now or from an earlier session, is stored, with this writer's payload \
               and under the number that its caller was told.",
    },
    Promise { id: STORED_ONCE, says: "No message is stored twice, however often sessions are lost." },
    Promise {
        id: PRODUCER_ORDER,
        says: "The messages of a writer are stored in the order in which they were written.",
    },
    Promise {
        id: CONTENT_AS_WRITTEN,
        says: "A stored payload, decoded by the codec that was declared for it, is what was written.",
    },
    Promise {
        id: REFUSED_IS_NOT_STORED,
        says: "A write that was refused, or reported as never sent, is not stored.",
    },
    Promise {
        id: WRITES_ANSWERED,
        says: "Every accepted message is answered: as acknowledged, or as undelivered when the writer ends.",
    },
    Promise {
        id: FLUSH_AND_CLOSE_SETTLE,
        says: "Flushes and closes are answered, whatever happens to sessions.",
    },
    Promise {
        id: FLUSH_IS_A_BARRIER,
        says: "A flush succeeds only after everything that was written before it is answered.",
    },
    Promise {
        id: CLOSE_REPORTS,
        says: "A close succeeds only if everything was delivered, and names each message that was not.",
    },
    Promise {
        id: RETRIES_SPACED,
        says: "After each loss in a row without progress, the wait before the next try doubles, within its bounds.",
    },
    Promise {
        id: WITHIN_BUDGET,
        says: "Accepted and unanswered messages take no more than the configured budget.",
    },
    Promise {
        id: SILENT_AFTER_END,
        says: "A writer or a reader that has ended sends nothing and opens no stream.",
    },
];
