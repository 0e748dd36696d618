//! The mutants gate: starts a process for each known bug, gathers what became of the hunts, and judges them. Without
//! mutants in its build it has itself built with them first.

pub(super) mod args;
mod ask;
mod power;
mod table;

pub(super) use power::trial;

use super::{Context, Refused, Verdict, twin};
use crate::gate::{self, Candidate, Hunt, Shrinking};
use ask::hunt_all;
use std::{process::Command, time::Instant};
use table::{sizes, table};

/// Whether this build has mutants.
const HAS_MUTANTS: bool = cfg!(feature = "mutants");
/// The words of cargo that build and run this command with mutants, around the package's name.
const REBUILD: [&[&str]; 2] = [
    &["run", "--quiet", "--release", "-p"],
    &["--features", "mutants", "--config", "target.'cfg(all())'.rustflags=['--cfg','madsim']", "--"],
];

pub(super) fn mutants(context: &mut Context<'_>, args: &args::Mutants) -> Result<Verdict, Refused> {
    if !HAS_MUTANTS {
        return rebuild();
    }
    let wanted = wanted(context, args)?;
    if args.power {
        return power::power(context, args, &wanted);
    }
    if !args.json {
        context.headline()?;
        context.out.flush()?;
    }
    let start = Instant::now();
    let hunts = hunt_all(&wanted, args, &twin::this_program()?)?;
    if args.json {
        let text = serde_json::to_string_pretty(&hunts).map_err(|e| format!("the report is no JSON: {e}"))?;
        writeln!(context.out, "{text}")?;
    } else {
        write!(context.out, "\n{}", table(&hunts))?;
        let caught = hunts.iter().filter(|hunt| hunt.caught).count();
        let seconds = start.elapsed().as_secs();
        writeln!(
            context.out,
            "\n{caught} of {} mutants caught by the intended promise, in {seconds} s",
            hunts.len()
        )?;
        if args.shrink {
            write!(context.out, "\n{}", sizes(&hunts))?;
        }
    }
    let replays = |one: &Shrinking| one.end.as_ref().is_ok_and(|shrunk| shrunk.replays);
    let right = |hunt: &Hunt| hunt.caught && hunt.shrunk.iter().all(replays);
    Ok(if hunts.iter().all(right) { Verdict::Passed } else { Verdict::Failed })
}

/// Hunts one, in this process, and prints what became of it.
pub(super) fn hunt(context: &mut Context<'_>, args: &args::Hunt) -> Result<Verdict, Refused> {
    if !HAS_MUTANTS {
        return Err(Refused("this build has no mutants".into()));
    }
    let candidates = gate::candidates(context.catalog);
    let named = |candidate: &&Candidate| candidate.of == args.of && candidate.about.name == args.mutant;
    let candidate = candidates.iter().find(named).ok_or_else(|| format!("no mutant {}", args.mutant))?;
    let mut scenarios = Vec::new();
    for one in if args.plans { Vec::new() } else { context.place.shipped()? } {
        let (name, bytes) = context.place.scenario(&one.name)?;
        scenarios.push(context.catalog.read(&name, &bytes)?);
    }
    let hunt = gate::hunt(context.catalog, candidate, scenarios, args.cpu, args.shrink)?;
    let line = serde_json::to_string(&hunt).map_err(|e| format!("the result is no JSON: {e}"))?;
    writeln!(context.out, "{line}")?;
    Ok(Verdict::Passed)
}

/// Switches a known bug on for this process; a verdict if the same command has been carried out in a build with mutants.
pub(super) fn activate(context: &Context<'_>, name: Option<&str>) -> Result<Option<Verdict>, Refused> {
    let Some(name) = name else { return Ok(None) };
    let mutants: Vec<_> = context.catalog.all().flat_map(|subject| subject.mutants()).collect();
    let Some(mutant) = mutants.iter().find(|mutant| mutant.about.name == name) else {
        let names = mutants.iter().map(|mutant| mutant.about.name);
        return Err(onceward_model::scenario::unknown("mutant", name, names).into());
    };
    if !HAS_MUTANTS {
        return rebuild().map(Some);
    }
    (mutant.activate)();
    crate::mutants::switched_on(mutant.about.name);
    Ok(None)
}

/// The same command, built with mutants.
fn rebuild() -> Result<Verdict, Refused> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // A stranger's command is a package of their own.
    let package = std::env::var_os("CARGO_PKG_NAME").unwrap_or_else(|| env!("CARGO_PKG_NAME").into());
    command.args(REBUILD[0]).arg(package).args(REBUILD[1]).args(std::env::args_os().skip(1));
    let status = command.status().map_err(|e| format!("cargo does not run: {e}"))?;
    match status.code() {
        Some(0) => Ok(Verdict::Passed),
        Some(1) => Ok(Verdict::Failed),
        _ => Err(Refused(format!("the build with mutants did not run: {status}"))),
    }
}

fn wanted(context: &Context<'_>, args: &args::Mutants) -> Result<Vec<Candidate>, Refused> {
    let all = gate::candidates(context.catalog);
    let right = |candidate: &&Candidate| args.of.as_deref().is_none_or(|of| of == candidate.of);
    let mut wanted: Vec<Candidate> = all.iter().filter(right).copied().collect();
    if wanted.is_empty() {
        let mut names: Vec<&str> = all.iter().map(|candidate| candidate.of).collect();
        names.dedup();
        let of = args.of.as_deref().unwrap_or_default();
        return Err(onceward_model::scenario::unknown("system", of, names).into());
    }
    if !args.mutants.is_empty() {
        for name in &args.mutants {
            if !wanted.iter().any(|candidate| candidate.about.name == name) {
                let names = wanted.iter().map(|candidate| candidate.about.name);
                return Err(onceward_model::scenario::unknown("mutant", name, names).into());
            }
        }
        wanted.retain(|candidate| args.mutants.iter().any(|name| name == candidate.about.name));
    }
    Ok(wanted)
}
