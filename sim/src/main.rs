//! `cargo sim`: see `cargo sim --help`.
#![forbid(unsafe_code)]

use onceward_sim::catalog::Catalog;
use std::process::ExitCode;

/// Runs make and drop small things all the time: with this one the event store's take a seventh less time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    onceward_sim::program(&Catalog::shipped())
}
