//! One run again, step by step.

use super::{Context, Refused, Verdict, args, mutants};
use crate::{
    batch::{self, Last},
    picture::{self, Style},
    real::Seat,
    report::{at, parting},
    run::{How, Job, Outcome, host},
};
use onceward_core::NodeId;
use onceward_model::{
    scenario,
    trace::{self, Trace},
};
use std::{
    env, fs,
    io::{self, IsTerminal},
    path::Path,
    time::Duration,
};

pub(super) fn replay(context: &mut Context<'_>, args: &args::Replay) -> Result<Verdict, Refused> {
    if let Some(verdict) = mutants::activate(context, args.mutant.as_deref())? {
        return Ok(verdict);
    }
    if Path::new(&args.what).extension().is_some_and(|end| end == "trace") {
        if args.diagram || args.html.is_some() {
            return Err(Refused(
                "a trace has no states: draw the scenario or the seed that it came from".into(),
            ));
        }
        return perform(context, &args.what);
    }
    let (job, seed) = what(context, args)?;
    let how = How { until: args.until, inspect: args.inspect.as_deref(), last: None };
    if matches!(args.engine, args::Engine::Shell | args::Engine::Real)
        && (how.until.is_some() || how.inspect.is_some() || args.diagram || args.html.is_some())
    {
        return Err(Refused(
            "--until, --inspect, --diagram and --html need an engine whose machines can be stopped at a step and \
             looked into: loop or check"
                .into(),
        ));
    }
    // Real nodes have processes and a time of their own.
    let patience = if args.engine == args::Engine::Real { Duration::MAX } else { args.patience };
    let replay =
        |last: &Last| job.worker_in(args.engine.into())?.replay(seed, &How { last: Some(last), ..how });
    let run = batch::alone(patience, replay, || again(args))?;
    context.headline()?;
    draw(context, args, &*job, &run.outcome)?;
    if !args.quiet && !args.diagram {
        writeln!(context.out, "\n{}\n{}", run.plan.trim_end(), steps(&run.trace).trim_end())?;
    }
    if let Some(state) = &run.inspected {
        writeln!(context.out, "\n{state}")?;
    }
    let outcome = &run.outcome;
    writeln!(context.out)?;
    let Some(violation) = &outcome.violation else {
        let (events, chain) = (outcome.events, outcome.chain);
        let end = at(outcome.simulated.0);
        writeln!(context.out, "{}: {events} events, {end} simulated, chain {chain}", job.name())?;
        let Some(promise) = job.must_break().filter(|_| args.until.is_none()) else {
            writeln!(context.out, "{}", if args.until.is_some() { "stopped" } else { "passed" })?;
            return Ok(Verdict::Passed);
        };
        writeln!(context.out, "FAILED  it should violate {promise}, and does not")?;
        return Ok(Verdict::Failed);
    };
    let expected = job.must_break() == Some(violation.promise);
    writeln!(
        context.out,
        "{} {}   {}, seed {seed}",
        if expected { "✓" } else { "✗" },
        violation.promise,
        job.name()
    )?;
    for line in violation.what.lines() {
        writeln!(context.out, "  {line}")?;
    }
    for (seen, what) in &violation.evidence {
        writeln!(context.out, "  at {}  step {}: {what}", at(seen.at.0), seen.step)?;
    }
    if expected {
        writeln!(context.out, "passed: this is what the scenario shows")?;
        return Ok(Verdict::Passed);
    }
    Ok(Verdict::Failed)
}

/// Draws the run, as a diagram or as a page, if that is asked for.
fn draw(
    context: &mut Context<'_>,
    args: &args::Replay,
    job: &dyn Job,
    outcome: &Outcome,
) -> Result<(), Refused> {
    if !args.diagram && args.html.is_none() {
        return Ok(());
    }
    let again = again(args);
    let mut taken = host::fresh(|| {
        picture::take(job, &mut *job.worker_in(args.engine.into())?, outcome, args.until, &again)
    })?;
    if outcome.violation.is_some() && args.engine == args::Engine::Loop && !job.is_swarm() {
        // Whatever stands in the way of a comparison, the run itself can be drawn.
        taken.nearest = host::fresh(|| job.worker().nearest(outcome.seed)).ok();
    }
    if args.diagram {
        let terminal = io::stdout().is_terminal();
        let colour = terminal && env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        let style = Style { width: if terminal { width() } else { PAPER }, colour };
        write!(context.out, "\n{}", picture::diagram(&taken, style))?;
        if let Some(nearest) = &taken.nearest {
            write!(context.out, "\n{}", parting(nearest))?;
        }
    }
    if let Some(file) = &args.html {
        let page = picture::page(&taken)?;
        fs::write(file, page).map_err(|e| format!("{} cannot be written: {e}", file.display()))?;
        writeln!(context.out, "\npicture  {}", file.display())?;
    }
    Ok(())
}

/// The command that performs the same run.
fn again(args: &args::Replay) -> String {
    let mut words = vec!["cargo sim replay".to_owned(), quoted(&args.what)];
    words.extend(args.system.iter().map(|system| format!("--system {system}")));
    words.extend((!args.explore.is_default()).then(|| args.explore.flag().trim_start().to_owned()));
    words.extend(args.seed.iter().map(|seed| format!("--seed {seed}")));
    words.extend((args.engine == args::Engine::Check).then(|| "--engine check".to_owned()));
    words.extend(args.until.iter().map(|until| format!("--until {until}")));
    words.extend(args.mutant.iter().map(|mutant| format!("--mutant {mutant}")));
    words.join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '+' | '=' | ':');
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// How wide a diagram is that no terminal shows.
const PAPER: usize = 110;

/// How wide the terminal is.
fn width() -> usize {
    let said = env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    #[cfg(unix)]
    let seen = rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    #[cfg(not(unix))]
    let seen = None;
    seen.filter(|width| *width > 0).or(said).unwrap_or(PAPER)
}

/// Is a node, in a process of its own.
pub(super) fn node(context: &Context<'_>, args: &args::Node) -> Result<Verdict, Refused> {
    let name = args.scenario.display().to_string();
    let bytes = std::fs::read(&args.scenario).map_err(|e| format!("{name} cannot be read: {e}"))?;
    let text = scenario::text_of(&bytes).map_err(|error| error.in_file(&*name).to_string())?;
    let system = scenario::peek(text).map_err(|error| error.in_file(&*name).to_string())?;
    let args::Node { node, config, folder, limit, .. } = args;
    let seat = Seat { node: NodeId(*node), config: *config, folder, limit: *limit };
    context.catalog.find(&system)?.serve(text, seat).map_err(|error| error.to_string())?;
    Ok(Verdict::Passed)
}

/// Performs a recorded run again, in a world that nothing schedules.
fn perform(context: &mut Context<'_>, file: &str) -> Result<Verdict, Refused> {
    let bytes = std::fs::read(file).map_err(|e| format!("{file} cannot be read: {e}"))?;
    let text = scenario::text_of(&bytes).map_err(|error| error.in_file(file).to_string())?;
    let trace = trace::read(text).map_err(|error| format!("{file}: {error}"))?;
    let system = scenario::peek(&trace.header.scenario).map_err(|error| error.in_file(file).to_string())?;
    let subject = context.catalog.find(&system)?;
    context.headline()?;
    match host::fresh(|| subject.perform(&trace)) {
        Ok(replay) => {
            writeln!(
                context.out,
                "{file}: {} steps, each as recorded, chain {}",
                trace.steps.len(),
                replay.chain
            )?;
            let Some(violation) = replay.violation else { return Ok(Verdict::Passed) };
            writeln!(context.out, "✗ {violation}")?;
        }
        Err(error) => writeln!(context.out, "FAILED  {error}")?,
    }
    Ok(Verdict::Failed)
}

fn what(context: &Context<'_>, args: &args::Replay) -> Result<(Box<dyn Job>, u64), Refused> {
    if let Ok(seed) = args.what.parse::<u64>() {
        let subject = match &args.system {
            Some(name) => context.catalog.find(name)?,
            None => context.catalog.all().next().ok_or_else(|| "there is no system".to_owned())?,
        };
        return Ok((subject.exploring(args.explore), args.seed.unwrap_or(seed)));
    }
    let (name, bytes) = context.place.scenario(&args.what)?;
    let job = context.catalog.read(&name, &bytes)?;
    let seed = args.seed.unwrap_or_else(|| job.seed());
    Ok((job, seed))
}

/// A trace for people: one line for each step, and below it what machines were given and what they asked for.
fn steps(trace: &Trace) -> String {
    let mut text = String::new();
    for (n, step) in trace.steps.iter().enumerate() {
        let line = step.line.strip_prefix("step ").unwrap_or(&step.line);
        text.push_str(&format!("{:>6}  {:>10}  {line}\n", n + 1, at(step.at.0)));
        for taken in &step.taken {
            text.push_str(&format!("{:>20}{}: {}\n", "", taken.node, taken.input));
            taken.actions.iter().for_each(|action| text.push_str(&format!("{:>22}{action}\n", "")));
        }
    }
    text
}
