//! The promises of the event store, over the history that its clients see.
//!
//! [`History`] takes note of every call, answer, loss and crash, and says at once when an answer contradicts what was
//! promised before. It knows each append in one of four states: *open* (no answer yet), *acknowledged* (with
//! positions), *unknown* (may be there, whole, at most once), *refused* (must never be there). It knows of each
//! position what was acknowledged or shown there, and how firmly: durable, or merely written.
//!
//! What it never does: trust an answer to be right because it is the newest. A read that misses an acknowledged event,
//! or shows another one in its place, is the violation, whichever came first.

mod adopt;
mod append;
mod chain;
pub(crate) mod eyes;
mod history;
mod read;
mod subscribe;
#[cfg(test)]
mod tests;

pub use history::{Facts, Firm, History, State};

use crate::system::Promise;

/// What was acknowledged as durable is there after every crash.
pub const ACKED_IS_DURABLE: &str = "acked-is-durable";
/// Positions and sequences are dense and never used twice.
pub const DENSE_POSITIONS: &str = "dense-positions";
/// Every request takes effect at most once, and a retry gets the same answer.
pub const EXACTLY_ONCE: &str = "exactly-once";
/// Guards are judged atomically with the append.
pub const CAS_IS_ATOMIC: &str = "cas-is-atomic";
/// Hashes and chains recompute from the first event on.
pub const CHAIN_VERIFIES: &str = "chain-verifies";
/// Every way of reading agrees with a scan of everything.
pub const INDEX_EQUALS_SCAN: &str = "index-equals-scan";
/// A dedup answer promises no less than a first answer.
pub const DEDUP_IMPLIES_DURABLE: &str = "dedup-implies-durable";
/// Everything accepted is answered.
pub const EVERYTHING_ANSWERED: &str = "everything-answered";
/// A subscriber learns of everything that it missed.
pub const SUBSCRIBER_SEES_GAP: &str = "subscriber-sees-gap";
/// Logical time orders effects after causes.
pub const TIME_ORDERS_EFFECTS: &str = "time-orders-effects";
/// Recovery gives the history back or refuses with a reason.
pub const RECOVERY_IS_TOTAL: &str = "recovery-is-total";
/// What a reader was shown stays.
pub const READS_ARE_DURABLE: &str = "reads-are-durable";
/// Footers and other derived data decide nothing.
pub const SAME_HISTORY: &str = "same-history-without-hints";
/// After faults, reads and appends work.
pub const ACCEPTS_WORK: &str = "accepts-work-after-faults";
/// Nothing is in the store that nobody appended, or that was refused; batches are whole.
pub const NOTHING_INVENTED: &str = "nothing-invented";

/// The table of promises.
pub const PROMISES: &[Promise] = &[
    Promise {
        id: ACKED_IS_DURABLE,
        says: "An append that was acknowledged as durable is readable, unchanged and in its place, after every crash that the fault model allows.",
    },
    Promise {
        id: DENSE_POSITIONS,
        says: "Positions, and sequences within an entity, are dense from 0; none is used twice, none changes its event.",
    },
    Promise {
        id: EXACTLY_ONCE,
        says: "A request takes effect at most once; a retry under the same key gets the first answer, another request under that key is refused.",
    },
    Promise {
        id: CAS_IS_ATOMIC,
        says: "A guard holds at the very moment of the append that it guards, and a refusal names a state that the entity was in.",
    },
    Promise {
        id: CHAIN_VERIFIES,
        says: "Each entity's hash chain recomputes from its first event, and an intact store verifies.",
    },
    Promise {
        id: INDEX_EQUALS_SCAN,
        says: "Reading by entity, scope, kind, id, correlation or causation gives what filtering a scan of everything gives.",
    },
    Promise {
        id: DEDUP_IMPLIES_DURABLE,
        says: "The answer to a retry promises no more than holds: it comes when the original is durable.",
    },
    Promise { id: EVERYTHING_ANSWERED, says: "Every accepted call is answered, shutdown included." },
    Promise {
        id: SUBSCRIBER_SEES_GAP,
        says: "A subscriber is notified of every matching event, or told the range in which it missed some.",
    },
    Promise {
        id: TIME_ORDERS_EFFECTS,
        says: "Logical time grows with position, whatever the wall clocks do, and so orders effects after their causes.",
    },
    Promise {
        id: RECOVERY_IS_TOTAL,
        says: "A store whose disk was damaged no more than the fault model allows opens again, by itself.",
    },
    Promise {
        id: READS_ARE_DURABLE,
        says: "Under the durable policy, what a reader was shown is still there after every crash.",
    },
    Promise {
        id: SAME_HISTORY,
        says: "With footers and other derived data removed or stale, the history is the same.",
    },
    Promise {
        id: ACCEPTS_WORK,
        says: "Once faults have stopped, everything acknowledged is readable and new work is accepted.",
    },
    Promise {
        id: NOTHING_INVENTED,
        says: "Every event in the store was appended by a request that was not refused, and a request is there as a whole or not at all.",
    },
];
