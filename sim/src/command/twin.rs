//! The same runs in another process: another address space, another build. Equal chains mean equal behaviour; where
//! they differ, both sides give every link, and the first that differs is named.

use super::{Context, Refused, Verdict, args};
use crate::run::Job;
use onceward_model::{trace::Chain, world::Seen};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Prints chains, for whoever compares them.
pub(super) fn links(context: &mut Context<'_>, args: &args::Links) -> Result<Verdict, Refused> {
    let job = match context.catalog.find(&args.what) {
        Ok(subject) => subject.exploring(args.explore),
        Err(_) => {
            let (name, bytes) = context.place.scenario(&args.what)?;
            context.catalog.read(&name, &bytes)?
        }
    };
    for seed in &args.seeds {
        let (outcome, links) = crate::run::host::fresh(|| job.worker().links(*seed));
        if args.all {
            for (seen, link) in links {
                writeln!(context.out, "{} {} {link}", seen.step, seen.at.0)?;
            }
        } else {
            writeln!(context.out, "{seed} {}", outcome.chain)?;
        }
    }
    Ok(Verdict::Passed)
}

pub(super) fn this_program() -> Result<PathBuf, Refused> {
    std::env::current_exe().map_err(|e| Refused(format!("this program does not know where it is: {e}")))
}

/// Compares the first `count` seeds of a job with what another program says about them.
pub(super) fn compare(job: &dyn Job, first: u64, count: u64, program: &Path) -> Result<Vec<String>, Refused> {
    let seeds: Vec<u64> = (first..first.saturating_add(count)).collect();
    if seeds.is_empty() {
        return Ok(Vec::new());
    }
    let theirs = ask(program, job, &seeds, false)?;
    let mut worker = job.worker();
    let mut reasons = Vec::new();
    for (nth, seed) in seeds.iter().enumerate() {
        let ours = format!("{seed} {}", worker.run(*seed).chain);
        if theirs.get(nth) == Some(&ours) {
            continue;
        }
        let whole = ask(program, job, &[*seed], true)?;
        let parted = crate::run::host::fresh(|| job.worker().links(*seed)).1;
        let line = |(seen, link): &(Seen, Chain)| format!("{} {} {link}", seen.step, seen.at.0);
        let step = parted.iter().enumerate().find(|(n, ours)| whole.get(*n) != Some(&line(ours)));
        let step = step.map_or_else(|| "its end".to_owned(), |(_, (seen, _))| format!("step {}", seen.step));
        reasons.push(format!(
            "{}: seed {seed} takes another course in {} at {step}",
            job.name(),
            program.display()
        ));
    }
    Ok(reasons)
}

fn ask(program: &Path, job: &dyn Job, seeds: &[u64], all: bool) -> Result<Vec<String>, Refused> {
    let what = if job.is_swarm() { job.system() } else { job.name() };
    let mut command = Command::new(program);
    command.arg("links").arg(what).args(seeds.iter().map(u64::to_string));
    if job.is_swarm() {
        command.args(["--explore", job.strategy().name()]);
    }
    if all {
        command.arg("--all");
    }
    let answer = command.output().map_err(|e| Refused(format!("{} does not run: {e}", program.display())))?;
    if !answer.status.success() {
        let words = String::from_utf8_lossy(&answer.stderr).into_owned();
        return Err(Refused(format!("{} gives no chains: {words}", program.display())));
    }
    Ok(String::from_utf8_lossy(&answer.stdout).lines().map(str::to_owned).collect())
}
