//! Tests of the whole broker.

mod calls;
mod crashes;
mod rig;
mod writing;
