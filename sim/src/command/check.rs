//! Exhaustive checks of bounded scopes, and looking around in one.

use super::{Context, Refused, Verdict, args};
use crate::catalog::{Catalog, Checked, End, Subject};
use onceward_model::{check::Limits, scenario};
use std::{fs, thread};

pub(super) fn check(context: &mut Context<'_>, args: &args::Check) -> Result<Verdict, Refused> {
    let scopes = scopes(context.catalog, &args.scopes)?;
    let usual = Limits::default();
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let limits = Limits {
        states: args.states.unwrap_or(usual.states),
        depth: args.depth.unwrap_or(usual.depth),
        time: args.time,
        threads: args.jobs.map_or_else(cores, usize::from),
        recovery: args.recovery,
    };
    // Whoever sets a limit expects to meet it.
    let limited = args.states.is_some() || args.depth.is_some() || args.time.is_some();
    context.headline()?;
    let mut verdict = Verdict::Passed;
    for (subject, scope) in scopes {
        context.out.flush()?;
        let Some(Checked { text, end, counterexample, .. }) = subject.check(scope, &limits) else { continue };
        writeln!(context.out, "\n{text}")?;
        if end == End::Fails || end == End::Bounded && !limited {
            verdict = Verdict::Failed;
        }
        if let Some(counterexample) = counterexample {
            let folder = context.place.checks();
            let file = folder.join(format!("{}-{scope}.scenario", subject.name()));
            let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, counterexample));
            written.map_err(|e| format!("{} cannot be written: {e}", file.display()))?;
            let file = file.display();
            writeln!(context.out, "  replay     cargo sim replay {file} --engine check")?;
        }
    }
    Ok(verdict)
}

#[cfg(feature = "explore")]
pub(super) fn explore(context: &mut Context<'_>, args: &args::Explore) -> Result<Verdict, Refused> {
    let scopes = scopes(context.catalog, std::slice::from_ref(&args.scope))?;
    let Some((subject, scope)) = scopes.first() else { return Ok(Verdict::Passed) };
    writeln!(context.out, "{}/{scope} on http://{}, until interrupted", subject.name(), args.address)?;
    context.out.flush()?;
    match subject.explore(scope, &args.address) {
        Some(Err(error)) => Err(Refused(format!("{} cannot be served: {error}", args.address))),
        _ => Ok(Verdict::Passed),
    }
}

/// The scopes that are meant; all if none is named.
fn scopes<'a>(
    catalog: &'a Catalog,
    wanted: &[String],
) -> Result<Vec<(&'a dyn Subject, &'static str)>, Refused> {
    let all = || catalog.all().flat_map(|s| s.scopes().into_iter().map(move |scope| (s, scope.name)));
    if wanted.is_empty() {
        return Ok(all().collect());
    }
    let mut found = Vec::new();
    for name in wanted {
        let before = found.len();
        let full = |subject: &dyn Subject, scope: &str| format!("{}/{scope}", subject.name());
        found.extend(all().filter(|(subject, scope)| scope == name || *name == full(*subject, scope)));
        if found.len() == before {
            let names: Vec<String> = all().map(|(subject, scope)| full(subject, scope)).collect();
            return Err(scenario::unknown("scope", name, names.iter().map(|name| &**name)).into());
        }
    }
    Ok(found)
}
