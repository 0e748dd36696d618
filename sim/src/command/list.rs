//! What there is to be run.

use super::{Context, Refused, Verdict};

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
