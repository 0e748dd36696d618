//! The segments over a small disk: every truncation, every torn sector, every failing operation, and long random
//! lives of all of these.

mod disk;
mod errors;
mod formats;
mod lives;
mod opening;
mod releasing;
mod rig;
mod tearing;
