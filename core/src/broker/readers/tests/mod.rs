//! Tests of the read sessions, with the broker around them played by hand.

mod committing;
mod delivery;
mod promises;
mod rig;
mod sessions;
mod sharing;
