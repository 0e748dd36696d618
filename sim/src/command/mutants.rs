//! The mutants gate: starts a process for each known bug, gathers what became of the hunts, and judges them. Without
//! mutants in its build it has itself built with them first.

use super::{Context, Refused, Verdict, args, twin};
use crate::{
    gate::{self, Candidate, Hunt, Shrinking},
    minimise::{self, Shrunk},
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    collections::VecDeque,
    io::IsTerminal,
    path::Path,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

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

/// Hunts all, several at a time.
fn hunt_all(wanted: &[Candidate], args: &args::Mutants, program: &Path) -> Result<Vec<Hunt>, Refused> {
    let end = Instant::now() + args.time;
    let jobs = args.jobs.map_or_else(|| thread::available_parallelism().map_or(1, usize::from), usize::from);
    let bar = bar(wanted.len() as u64);
    let open: Mutex<VecDeque<(usize, &Candidate)>> = Mutex::new(wanted.iter().enumerate().collect());
    let done: Mutex<Vec<(usize, Result<Hunt, String>)>> = Mutex::default();
    let work = || {
        loop {
            let next = open.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((nth, candidate)) = next else { break };
            let left = end.saturating_duration_since(Instant::now());
            bar.set_message(candidate.about.name);
            let hunt = ask(program, candidate, args.cpu.min(left), args.shrink);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((nth, hunt));
            bar.inc(1);
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(work);
        }
    });
    bar.finish_and_clear();
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(nth, _)| *nth);
    let hunts: Result<Vec<Hunt>, String> = done.into_iter().map(|(_, hunt)| hunt).collect();
    Ok(hunts?)
}

/// Hunts one. To be shrunk are the failure of the first shipped scenario that shows it and that of the first random plan.
fn ask(program: &Path, candidate: &Candidate, cpu: Duration, shrink: bool) -> Result<Hunt, String> {
    let mut hunt = ask_once(program, candidate, cpu, shrink, false)?;
    let by_scenario = hunt.shrunk.iter().any(|shrunk| !shrunk.of.starts_with(gate::RANDOM_PLAN));
    // Under random plans that the gate would not have run, a bug may let a machine spin for ever in a single step: then
    // there is no failure to be shrunk.
    if by_scenario && ask_once(program, candidate, cpu, false, true).is_ok_and(|plans| plans.caught) {
        hunt.shrunk.extend(ask_once(program, candidate, cpu, shrink, true)?.shrunk);
    }
    Ok(hunt)
}

fn ask_once(
    program: &Path,
    candidate: &Candidate,
    cpu: Duration,
    shrink: bool,
    plans: bool,
) -> Result<Hunt, String> {
    let Candidate { of, about, .. } = candidate;
    let mut command = Command::new(program);
    command.args(["hunt", of, about.name, "--cpu"]).arg(format!("{}s", cpu.as_secs().max(1)));
    if shrink {
        command.arg("--shrink").arg(format!("{}s", minimise::CPU.as_secs()));
    }
    command.args(plans.then_some("--plans"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|e| format!("{} does not run: {e}", program.display()))?;
    if plans {
        let end = Instant::now() + (cpu + minimise::CPU) * 3;
        while child.try_wait().is_ok_and(|status| status.is_none()) && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        // It may have come to its end just now.
        let _ = child.kill();
    }
    let answer = child.wait_with_output();
    let answer = answer.map_err(|e| format!("the hunt for {} cannot be heard: {e}", about.name))?;
    serde_json::from_slice(&answer.stdout).map_err(|_| {
        let words = String::from_utf8_lossy(&answer.stderr);
        format!("the hunt for {} ended without a result ({}): {}", about.name, answer.status, words.trim())
    })
}

fn table(hunts: &[Hunt]) -> String {
    let names = |hunt: &Hunt| hunt.mutant.len();
    let (wide, promises) =
        (hunts.iter().map(names).max(), hunts.iter().map(|hunt| hunt.intended.len()).max());
    let (wide, promises) = (wide.unwrap_or(0), promises.unwrap_or(0));
    let mut text = String::new();
    let mut of = "";
    for hunt in hunts {
        if of != hunt.of {
            let gap = if of.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}mutants of {}\n", hunt.of));
            of = &hunt.of;
        }
        let Hunt { mutant, intended, seeds, cpu, others, by, .. } = hunt;
        let others: Vec<String> =
            others.iter().map(|(promise, times)| format!("{promise} {times}×")).collect();
        let others = others.join(", ");
        let what = match (by, others.is_empty()) {
            (Some(by), _) if hunt.of == gate::HARNESS => format!("{cpu:>6.1} s CPU  {by}"),
            (Some(by), _) => format!("{seeds:>7} runs {cpu:>6.1} s CPU  {by}"),
            (None, true) => format!("NOT CAUGHT in {seeds} runs, {cpu:.1} s CPU"),
            (None, false) => {
                format!("CAUGHT BY ANOTHER PROMISE ALONE in {seeds} runs, {cpu:.1} s CPU: {others}")
            }
        };
        let sign = if hunt.caught { '✓' } else { '✗' };
        text.push_str(&format!("{sign} {mutant:<wide$}  {intended:<promises$}  {what}\n"));
    }
    text
}

/// How small failures became: each, and all together.
fn sizes(hunts: &[Hunt]) -> String {
    let all: Vec<(&Hunt, &Shrinking)> =
        hunts.iter().flat_map(|hunt| hunt.shrunk.iter().map(move |shrunk| (hunt, shrunk))).collect();
    let wide = all.iter().map(|(hunt, _)| hunt.mutant.len()).max().unwrap_or(0);
    let mut text =
        "failures made smaller (lines: what happens and what is expected, without the header)\n".to_owned();
    for (Hunt { mutant, .. }, Shrinking { of, end }) in &all {
        let line = match end {
            Ok(Shrunk { lines, from_steps, seconds, minimal, certain, replays, replay_seconds, .. }) => {
                let sign = if *replays { '✓' } else { '✗' };
                let cut = if *minimal { "" } else { ", time ran out" };
                let chance = if *certain { "" } else { ", names a seed" };
                let again = if *replays {
                    format!("replays in {:.0} ms", replay_seconds * 1e3)
                } else {
                    "DOES NOT REPLAY".into()
                };
                format!(
                    "{sign} {mutant:<wide$}  {from_steps:>9} steps to {lines:>2} lines in {seconds:>4.1} s, {again}{cut}{chance}  ({of})"
                )
            }
            Err(why) => format!("✗ {mutant:<wide$}  NOT SHRUNK: {why}  ({of})"),
        };
        text.push_str(&line);
        text.push('\n');
    }
    let done: Vec<&Shrunk> = all
        .iter()
        .filter_map(|(_, shrinking)| shrinking.end.as_ref().ok())
        .filter(|one| one.replays)
        .collect();
    text.push_str(&format!("\n{} of {} failures replay from a scenario", done.len(), all.len()));
    let part = |values: &mut Vec<f64>, percent: usize| {
        values.sort_by(f64::total_cmp);
        values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
    };
    let mut lines: Vec<f64> = done.iter().map(|one| one.lines as f64).collect();
    let mut seconds: Vec<f64> = done.iter().map(|one| one.seconds).collect();
    let certain = done.iter().filter(|one| one.certain).count();
    text.push_str(&format!(
        ", {certain} of them without chance; lines: median {}, 95th percentile {}, most {}; seconds: median {:.2}, 95th percentile {:.2}, most {:.2}\n",
        part(&mut lines, 50), part(&mut lines, 95), part(&mut lines, 100),
        part(&mut seconds, 50), part(&mut seconds, 95), part(&mut seconds, 100),
    ));
    text
}

fn bar(length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} mutants  {msg}");
    // The template is a constant that is known to be sound; without a style there is still a bar.
    style.map_or(bar.clone(), |style| bar.with_style(style))
}
