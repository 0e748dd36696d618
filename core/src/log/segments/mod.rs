//! Segments: opaque records in files, in commit groups, synced, rotated and recovered.
//!
//! This module decides framing, grouping, syncs, rotation, recovery and what follows an I/O error. It never looks
//! into a record, never reads a clock, and never promises what it has not proven.

mod api;

pub use api::{
    Action, Config, ConfigError, FetchError, Input, Location, OP_IDS, Opened, Record, Refused, SyncPolicy,
    Timer,
};

/// The interesting places of this layer, as [`crate::Mark`]s.
pub const MARKS: &[&str] = &[];
