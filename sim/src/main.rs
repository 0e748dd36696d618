//! `cargo sim`: see `cargo sim --help`.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail};
use clap::Parser;
use onceward_sim::{
    catalog::Catalog,
    command::{Args, Verdict, carry_out},
    run::host,
};
use std::{
    io::{self, Write},
    process::ExitCode,
};

fn main() -> ExitCode {
    match run() {
        Ok(Verdict::Passed) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::from(1),
        Err(error) => {
            // Nobody may be left who reads it.
            let _ = writeln!(io::stderr(), "{error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<Verdict> {
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
    let verdict = carry_out(&args, &Catalog::shipped(), &mut out)?;
    out.flush().context("the report could not be written")?;
    Ok(verdict)
}
