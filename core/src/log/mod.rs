//! The event store: an append-only log of events with optimistic concurrency, idempotency and a hash chain, as one
//! pure machine.
//!
//! Two layers. *Segments* keep opaque records in files: frames, commit groups, syncs, rotation, recovery. The *event
//! store* above them decides what an append means: guards, keys, sequences, clocks, the hash chain, reads and
//! subscribers. [`api`] is what clients say and hear.

pub mod api;
pub mod mutants;
pub mod segments;
pub mod store;

pub use mutants::Mutant;
