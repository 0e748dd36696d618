//! The measurement of power: what is wanted is put together, measured, shown, and written down.

use super::{
    args,
    ask::{bar, jobs},
    rebuild,
};
use crate::{
    command::{Context, Refused, Verdict, twin},
    gate::{self, Candidate, HARNESS},
    power::{
        self, Baseline, Means, Power, Rules,
        measure::{self, Run},
        store::{Store, Under},
        trial::{Task, perform},
    },
    run::Job,
};
use std::{fs, io, path::Path, time::Duration};

/// So long a measurement takes at most, if nothing else is said.
const TIME: Duration = Duration::from_secs(2 * 3600);

pub(super) fn power(
    context: &mut Context<'_>,
    args: &args::Mutants,
    wanted: &[Candidate],
) -> Result<Verdict, Refused> {
    let args::Measured { by, trials, control, fresh, baseline, write_baseline } = &args.measured;
    // Nobody should learn after two hours that the file is not there.
    let before = baseline.as_deref().map(read).transpose()?;
    let means = if by.is_empty() { &Means::USUAL[..] } else { by };
    let rules = Rules { cpu: args.cpu, trials: *trials, control: *control };
    let systems = context.catalog.all().map(|subject| subject.name());
    let systems: Vec<&str> = systems.filter(|name| wanted.iter().any(|one| one.of == *name)).collect();
    let mut cells = measure::cells(wanted, means, &systems);
    let program = twin::this_program()?;
    let under = under(context, &program, args.cpu)?;
    let folder = context.place.power();
    let file = folder.join("trials.jsonl");
    let (mut store, held) = Store::open(&file, &under, *fresh).map_err(|error| error.to_string())?;
    if !args.json {
        context.headline()?;
        if held.torn {
            writeln!(
                context.out,
                "the last line of {} was cut short: that trial is repeated",
                file.display()
            )?;
        }
        context.out.flush()?;
    }
    measure::resume(&mut cells, held.trials);
    let shown = bar(cells.len() as u64, "of all mutants by all means");
    let run = Run { program: &program, rules: &rules, jobs: jobs(args), time: args.time.unwrap_or(TIME) };
    let mut keep = |trial: &power::Trial| store.add(trial).map_err(|error| error.to_string());
    let cells = measure::measure(&run, cells, &mut keep, &|at| {
        shown.set_position(at.done as u64);
        shown.set_message(format!("{} trials  {} by {}", at.trials, at.mutant, at.means.name()));
    })?;
    shown.finish_and_clear();
    let complete = cells.iter().all(|cell| rules.is_done(cell));
    let mut power = Power::of(&under.build, under.budget, &cells, complete, not_measured(means));
    let worse = before.map(|before| power::compare(&before, &power)).unwrap_or_default();
    power.reasons.extend(worse);
    let json = serde_json::to_string_pretty(&power).map_err(|e| format!("the report is no JSON: {e}"))?;
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).map_err(|e| format!("{} cannot be written: {e}", file.display()))
    };
    write("power.json", &json)?;
    write("power.html", &power::page(&power))?;
    if let Some(file) = write_baseline {
        let known = if file.is_file() { read(file)? } else { Baseline::default() };
        let text = known.updated(Baseline::of(&power)).text();
        fs::write(file, text).map_err(|e| format!("{} cannot be written: {e}", file.display()))?;
    }
    if args.json {
        writeln!(context.out, "{json}")?;
    } else {
        write!(context.out, "\n{}", power::table(&power))?;
        writeln!(context.out, "page: {}", folder.join("power.html").display())?;
    }
    Ok(if power.reasons.is_empty() { Verdict::Passed } else { Verdict::Failed })
}

fn read(file: &Path) -> Result<Baseline, Refused> {
    let bytes = fs::read(file).map_err(|e| format!("{} cannot be read: {e}", file.display()))?;
    Ok(serde_json::from_slice(&bytes).map_err(|e| format!("{} is no baseline: {e}", file.display()))?)
}

/// What trials must have been performed under to count.
fn under(context: &Context<'_>, program: &Path, cpu: Duration) -> Result<Under, Refused> {
    let code = fs::read(program).map_err(|e| format!("{} cannot be read: {e}", program.display()))?;
    let mut parts = vec![code];
    for one in context.place.shipped()? {
        let (name, bytes) = context.place.scenario(&one.name)?;
        parts.extend([name.into_bytes(), bytes]);
    }
    Ok(Under::of(parts.iter().map(Vec::as_slice), cpu.as_secs_f64()))
}

/// What is left out, for whoever reads the result alone.
fn not_measured(means: &[Means]) -> Vec<String> {
    let left_out = Means::USUAL.into_iter().filter(|one| !means.contains(one));
    let left_out = left_out.map(|means| format!("{}: not asked for", means.name()));
    let real = "real processes and files: a run takes seconds, and it draws nothing".to_owned();
    left_out.chain([real]).collect()
}

/// Performs one trial, in this process, and tells whoever has started it.
pub(in crate::command) fn trial(context: &Context<'_>, args: &args::Trial) -> Result<Verdict, Refused> {
    if !super::HAS_MUTANTS {
        return rebuild();
    }
    let candidates = gate::candidates(context.catalog);
    let named = |one: &&Candidate| one.of == args.of && one.about.name == args.mutant;
    let none;
    let candidate = if args.mutant == power::NO_MUTANT {
        none = power::control(context.catalog.find(&args.of)?.name());
        &none
    } else {
        candidates.iter().find(named).ok_or_else(|| format!("no mutant {} of {}", args.mutant, args.of))?
    };
    let mut scenarios: Vec<Box<dyn Job>> = Vec::new();
    if args.means == Means::Scenarios && candidate.of != HARNESS {
        for one in context.place.shipped()? {
            let (name, bytes) = context.place.scenario(&one.name)?;
            scenarios.push(context.catalog.read(&name, &bytes)?);
        }
        scenarios.retain(|job| job.system() == candidate.of && job.must_break().is_none());
    }
    let cpu = Duration::from_millis(args.millis);
    let task =
        Task { catalog: context.catalog, candidate, means: args.means, first: args.first, cpu, scenarios };
    perform(&task, &mut io::stdout())?;
    Ok(Verdict::Passed)
}
