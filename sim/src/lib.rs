//! Deterministic simulation of pure machines: the loop engine, random plans, batches of runs, and the `cargo sim`
//! command. Nothing here knows a protocol by name: a [`System`](onceward_model::system::System) is all it needs.
//!
//! For a protocol of your own: [`trial`] in tests, [`program()`] for a command with everything that `cargo sim` has.
//! `cargo sim new NAME` writes a package that uses both.
#![forbid(unsafe_code)]

pub mod batch;
pub mod catalog;
pub mod command;
pub mod engine;
pub mod explore;
pub mod gate;
pub mod minimise;
pub mod mutants;
mod pane;
pub mod picture;
pub mod plan;
pub mod power;
pub mod prelude;
mod program;
#[cfg(unix)]
pub mod real;
pub mod report;
pub mod run;
pub mod seeds;
pub mod selftest;
pub mod shell;
pub mod support;
pub mod trial;
pub mod validate;

pub use program::program;
