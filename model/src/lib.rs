//! The world that pure machines live in: fault models, scenarios, traces, promises and exhaustive checks.

pub mod check;
pub mod mutants;
pub mod scenario;
pub mod spec;
pub mod system;
pub mod systems;
pub mod toy;
pub mod trace;
pub mod world;
