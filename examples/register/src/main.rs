//! `cargo sim` for this package: see `cargo sim --help`. With `Register<false>` it has the planted bug.
use onceward_sim::catalog::Catalog;
use register::Register;
use std::process::ExitCode;

fn main() -> ExitCode {
    onceward_sim::program(&Catalog::new().with::<Register<true>>())
}
