//! The event store: an append-only log of events with optimistic concurrency, idempotency and a hash chain, as one
//! pure machine.
//!
//! Two layers. *Segments* keep opaque records in files: frames, commit groups, syncs, rotation, recovery. The *event
//! store* above them decides what an append means: guards, keys, sequences, clocks, the hash chain, reads and
//! subscribers. [`api`] is what clients say and hear.

pub mod api;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod mutants;
pub mod segments;
pub mod store;

pub use mutants::Mutant;
pub use store::EventStore;

/// The interesting places of the whole event store, both layers, as [`crate::Mark`]s.
pub const MARKS: &[&str] = &{
    let mut all = [""; segments::MARKS.len() + store::MARKS.len()];
    let mut n = 0;
    while n < all.len() {
        let below = segments::MARKS.len();
        all[n] = if n < below { segments::MARKS[n] } else { store::MARKS[n - below] };
        n += 1;
    }
    all
};
