//! `cargo sim`: see `cargo sim --help`.
#![forbid(unsafe_code)]

use onceward_sim::catalog::Catalog;
use std::process::ExitCode;

fn main() -> ExitCode {
    onceward_sim::program(&Catalog::shipped())
}
