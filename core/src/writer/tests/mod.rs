//! The writer against scripted servers, part by part, and against random ones.

mod promises;
mod rig;
mod sending;
mod sessions;
mod settling;
