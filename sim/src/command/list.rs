//! What there is to be run.

use super::{Context, Refused, Verdict};
use crate::support;
use onceward_model::scenario;

/// The verbs of the language, those of each system, and what each engine performs.
pub(super) fn verbs(context: &mut Context<'_>) -> Result<Verdict, Refused> {
    writeln!(context.out, "after `at TIME`, in every system\n")?;
    for verb in scenario::verbs() {
        writeln!(context.out, "  {}\n      {}", verb.usage, verb.help)?;
    }
    for subject in context.catalog.all() {
        writeln!(context.out, "\nin {}\n", subject.name())?;
        for verb in subject.verbs() {
            writeln!(context.out, "  {}\n      {}", verb.usage, verb.help)?;
        }
    }
    writeln!(context.out, "\nwhich engine performs what\n\n{}", support::table())?;
    Ok(Verdict::Passed)
}

pub(super) fn scenarios(context: &mut Context<'_>) -> Result<Verdict, Refused> {
    context.headline()?;
    writeln!(context.out, "\nsystems")?;
    for subject in context.catalog.all() {
        writeln!(context.out, "  {:<12} {}", subject.name(), subject.about())?;
        for scope in subject.scopes() {
            let name = format!("{}/{}", subject.name(), scope.name);
            writeln!(context.out, "    scope {name:<18} {}", scope.about)?;
        }
    }
    let shipped = context.place.shipped()?;
    if !shipped.is_empty() {
        writeln!(context.out, "\nscenarios")?;
    }
    let wide = shipped.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let mut verdict = Verdict::Passed;
    for one in &shipped {
        let (name, bytes) = context.place.scenario(&one.name)?;
        match context.catalog.read(&name, &bytes) {
            Ok(job) => {
                let about = job.about().lines().next().unwrap_or("").to_owned();
                writeln!(context.out, "  {name:<wide$}  {:<8} {about}", job.system())?;
            }
            Err(error) => {
                writeln!(context.out, "{error}")?;
                verdict = Verdict::Failed;
            }
        }
    }
    Ok(verdict)
}
