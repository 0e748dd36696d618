//! The `cargo sim` command. It reads what is asked for, has it done, and says what came of it; it decides no verdict
//! itself. Exit codes: 0, nothing is wrong; 1, something is; 2, the question cannot be answered as it was put.

mod args;
mod batch;
mod check;
mod convert;
mod list;
mod mutants;
mod new;
mod place;
mod replay;
mod seeds;
#[cfg(test)]
mod tests;
mod twin;
mod validate;

pub use args::Args;

use crate::{catalog::Catalog, run::host};
use args::Verb;
use place::Place;
use std::{
    fmt,
    io::{self, Write},
};

/// What came of a command that could be carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing is wrong.
    Passed,
    /// Something is, and was said.
    Failed,
}

/// Why a command cannot be carried out.
#[derive(Debug)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl From<String> for Refused {
    fn from(what: String) -> Refused {
        Refused(what)
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused(format!("the report could not be written: {error}"))
    }
}

/// What a command works with.
struct Context<'a> {
    catalog: &'a Catalog,
    place: Place,
    out: &'a mut dyn Write,
}

/// Carries out a command for the systems of a catalog, and writes what came of it.
///
/// # Errors
/// The question cannot be answered as it was put: a wrong flag, name or file, and what would be right.
pub fn carry_out(args: &Args, catalog: &Catalog, out: &mut dyn Write) -> Result<Verdict, Refused> {
    let mut context = Context { catalog, place: Place::found(), out };
    match &args.verb {
        None => batch::default(&mut context, &args.batch),
        Some(Verb::Run(run)) => batch::run(&mut context, run),
        Some(Verb::Replay(replay)) => replay::replay(&mut context, replay),
        Some(Verb::Check(args)) => check::check(&mut context, args),
        #[cfg(feature = "explore")]
        Some(Verb::Explore(args)) => check::explore(&mut context, args),
        Some(Verb::Scenarios(args)) if args.verbs => list::verbs(&mut context),
        Some(Verb::Scenarios(_)) => list::scenarios(&mut context),
        Some(Verb::Mutants(args)) => mutants::mutants(&mut context, args),
        Some(Verb::Merge(args)) => batch::merge(&mut context, args),
        Some(Verb::Convert(args)) => convert::convert(&mut context, args),
        Some(Verb::Seeds(args)) => seeds::list(&mut context, args),
        Some(Verb::Validate(args)) => validate::validate(&mut context, args),
        Some(Verb::New(args)) => new::new(&mut context, args),
        Some(Verb::Hunt(args)) => mutants::hunt(&mut context, args),
        Some(Verb::Trial(args)) => mutants::trial(&context, args),
        Some(Verb::Links(links)) => twin::links(&mut context, links),
        Some(Verb::Node(node)) => replay::node(&context, node),
    }
}

impl Context<'_> {
    /// The first line of everything: under what conditions it was found.
    fn headline(&mut self) -> Result<(), Refused> {
        writeln!(self.out, "{}", headline())?;
        Ok(())
    }
}

fn headline() -> String {
    let madsim = if host::MADSIM { "on" } else { "off" };
    let build = if cfg!(debug_assertions) { "with debug assertions" } else { "optimised" };
    format!("madsim={madsim}  onceward-sim {}, {build}", env!("CARGO_PKG_VERSION"))
}
