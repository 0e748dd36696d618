//! A whole `cargo sim` for a list of systems: the `main` of this repository's command, and of a stranger's. Decides
//! nothing but exit codes: 0, nothing is wrong; 1, something is; 2, the question cannot be answered as it was put.

use crate::{
    catalog::Catalog,
    command::{Args, Verdict, carry_out},
    run::host,
};
use anyhow::{Context, Result, bail};
use clap::Parser;
use std::{
    io::{self, Write},
    process::ExitCode,
};

/// Carries out what the command line asks for, for the systems of a catalog.
///
/// ```no_run
/// use onceward_sim::catalog::Catalog;
///
/// fn main() -> std::process::ExitCode {
///     onceward_sim::program(&Catalog::shipped()) // or `&Catalog::new().with::<Yours>()`
/// }
/// ```
pub fn program(catalog: &Catalog) -> ExitCode {
    match run(catalog) {
        Ok(Verdict::Passed) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::from(1),
        Err(error) => {
            // Nobody may be left who reads it.
            let _ = writeln!(io::stderr(), "{error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(catalog: &Catalog) -> Result<Verdict> {
    let args = Args::parse();
    if args.simulates() && !host::MADSIM {
        let words: Vec<String> = std::env::args().skip(1).collect();
        bail!(
            "this build has no madsim under it, so a stray clock or random number would go unnoticed; type\n\n    \
             cargo sim {}\n\n(a RUSTFLAGS variable in the environment switches madsim off as well)",
            words.join(" ")
        );
    }
    // Not locked: a node answers from many threads.
    let mut out = io::stdout();
    let verdict = carry_out(&args, catalog, &mut out)?;
    out.flush().context("the report could not be written")?;
    Ok(verdict)
}
