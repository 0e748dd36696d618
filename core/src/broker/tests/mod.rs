//! Tests of the whole broker.

mod calls;
mod crashes;
mod draining;
mod rig;
mod writing;
