//! Hunts, each in a process of its own, several at a time.

use super::args;
use crate::{
    command::Refused,
    gate::{self, Candidate, Hunt},
    minimise,
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

/// So long the hunts take together, if nothing else is said.
const TIME: Duration = Duration::from_secs(600);

/// Hunts all, several at a time.
pub(super) fn hunt_all(
    wanted: &[Candidate],
    args: &args::Mutants,
    program: &Path,
) -> Result<Vec<Hunt>, Refused> {
    let end = Instant::now() + args.time.unwrap_or(TIME);
    let bar = bar(wanted.len() as u64, "mutants");
    let jobs = jobs(args);
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

/// Processes at a time.
pub(super) fn jobs(args: &args::Mutants) -> usize {
    args.jobs.map_or_else(|| thread::available_parallelism().map_or(1, usize::from), usize::from)
}

/// A bar on a terminal, nothing elsewhere.
pub(super) fn bar(length: u64, of: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length);
    let style = ProgressStyle::with_template(&format!("{{bar:30}} {{pos}}/{{len}} {of}  {{msg}}"));
    // The template is known to be sound; without a style there is still a bar.
    style.map_or(bar.clone(), |style| bar.with_style(style))
}
