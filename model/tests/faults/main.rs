//! Every fault of the world is shown to happen, on the toy: what the machines and their callers see of it, and what it
//! leaves behind. And the simulator's way to know what is possible is shown to agree with the checker's.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clocks;
mod disk;
mod incremental;
mod network;
mod processes;
mod rig;
