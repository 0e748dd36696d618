//! The event store: what an append means, and what readers see.

#[allow(dead_code)]
mod clock;
mod config;
#[allow(dead_code)]
mod hash;
#[allow(dead_code)]
mod record;

pub use config::Config;
pub use hash::link;
pub use record::{BadRecord, Problem};
