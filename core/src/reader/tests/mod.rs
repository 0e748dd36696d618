//! Tests of the reader.

mod partitions;
mod promises;
mod rig;
mod sessions;
