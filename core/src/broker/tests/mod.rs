//! Tests of the whole broker.

mod calls;
mod crashes;
mod draining;
mod full;
mod rig;
mod writing;
