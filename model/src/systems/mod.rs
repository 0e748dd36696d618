//! The systems that this repository ships. This is the one place that lists them; every command, batch and gate goes
//! through it and knows none by name. A stranger's repository has a list of its own.

pub mod log;
pub mod pipeline;
pub mod writer;

use crate::{system::System, toy::ToySystem};
use log::LogSystem;
use pipeline::PipelineSystem;
use writer::WriterSystem;

/// Does something for each system, whatever its types.
pub trait Visitor {
    /// Called once for each system.
    fn visit<S: System>(&mut self);
}

/// Shows a visitor every system, in the order in which lists name them.
pub fn each(visitor: &mut impl Visitor) {
    visitor.visit::<LogSystem>();
    visitor.visit::<PipelineSystem>();
    visitor.visit::<WriterSystem>();
    visitor.visit::<ToySystem>();
}
