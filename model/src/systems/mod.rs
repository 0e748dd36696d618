//! The systems that this repository ships. This is the one place that lists them; every command, batch and gate goes
//! through it and knows none by name. A stranger's repository has a list of its own.

pub mod log;
pub mod pipeline;
pub mod reader;
#[cfg(test)]
mod tests;
pub mod writer;

use crate::{
    system::System,
    toy::ToySystem,
    world::{End, Protocol, Side, World},
};
use log::LogSystem;
use pipeline::PipelineSystem;
use reader::ReaderSystem;
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
    visitor.visit::<ReaderSystem>();
    visitor.visit::<ToySystem>();
}

/// Whether nothing can happen any more of itself: no timer is armed, nothing is under way, and every process runs.
pub(in crate::systems) fn is_still<P: Protocol>(world: &World<P>) -> bool {
    let idle =
        world.hosts().all(|(_, host)| host.runs() && host.timers().is_empty() && host.ops().next().is_none());
    let quiet = world.net().conns().all(|(_, conn)| {
        [Side::Initiator, Side::Acceptor]
            .into_iter()
            .all(|side| conn.queue(side).is_empty() && conn.end(side) != End::Gone)
    });
    idle && quiet && world.net().bag().next().is_none()
}
