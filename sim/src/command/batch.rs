//! Batches: what is run, under which seeds, and what is shown meanwhile and afterwards.

use super::{Context, Refused, Verdict, args, mutants, seeds::Known, twin};
use crate::{
    batch::{self, Lane, Options, Progress, Results},
    minimise,
    report::{self, Report, Rules, Shrinker, annotations, grouped, job_summary, junit, summary},
    run::Job,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    env,
    fs::{self, File},
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// How long the default batch takes.
const DEFAULT_TIME: Duration = Duration::from_secs(60);
/// Of a scenario that leaves something to chance the default batch runs so many seeds.
const SCENARIO_SEEDS: u64 = 200;
/// Fewer seeds than this need not reach every mark: the rarest are met once in some 5,000.
const ENOUGH_SEEDS: u64 = 40_000;
/// So many seeds, if nothing else is said.
const RUN_SEEDS: u64 = 1_000;

/// The shipped scenarios, and random plans for every system.
pub(super) fn default(context: &mut Context<'_>, args: &args::Batch) -> Result<Verdict, Refused> {
    let mut lanes = Vec::new();
    for one in context.place.shipped()? {
        let (name, bytes) = context.place.scenario(&one.name)?;
        let job = context.catalog.read(&name, &bytes)?;
        let seeds = if job.is_certain() { 1 } else { SCENARIO_SEEDS };
        lanes.push(lane(job, None, Some(seeds)));
    }
    lanes.extend(context.catalog.all().map(|subject| lane(subject.swarm(), None, None)));
    let time = Some(args.time.unwrap_or(DEFAULT_TIME));
    perform(context, lanes, &args::Batch { time, ..args.clone() })
}

/// What is asked for.
pub(super) fn run(context: &mut Context<'_>, args: &args::Run) -> Result<Verdict, Refused> {
    if let Some(verdict) = mutants::activate(context, args.mutant.as_deref())? {
        return Ok(verdict);
    }
    let seeds = args.seeds.or(if args.batch.time.is_some() { None } else { Some(RUN_SEEDS) });
    if args.explore.learns() && args.batch.twice {
        return Err(Refused(format!(
            "--twice runs seeds alone, and what a seed stands for under `--explore {}` depends on those before it; \
             two batches of the same seeds must give the same report",
            args.explore
        )));
    }
    let mut jobs = Vec::new();
    for wanted in &args.scenarios {
        let (name, bytes) = context.place.scenario(wanted)?;
        jobs.push(context.catalog.read(&name, &bytes)?);
    }
    if let Some(name) = &args.system {
        jobs.push(context.catalog.find(name)?.exploring(args.explore));
    } else if args.scenarios.is_empty() {
        jobs.extend(context.catalog.all().map(|subject| subject.exploring(args.explore)));
    }
    let lanes: Vec<Lane> = jobs.into_iter().map(|job| lane(job, args.seed, seeds)).collect();
    perform(context, lanes, &args.batch)
}

fn lane(job: Box<dyn Job>, first: Option<u64>, seeds: Option<u64>) -> Lane {
    let first = first.unwrap_or_else(|| job.seed());
    Lane { seeds: first..seeds.map_or(u64::MAX, |n| first.saturating_add(n)), job }
}

fn perform(context: &mut Context<'_>, mut lanes: Vec<Lane>, args: &args::Batch) -> Result<Verdict, Refused> {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let options = Options {
        jobs: args.jobs.map_or_else(cores, usize::from),
        time: args.time,
        shard: args.shard.unwrap_or((0, 1)),
        twice: args.twice,
        patience: args.patience,
    };
    if !args.json {
        context.headline()?;
        context.out.flush()?;
    }
    let mut known = Known::first(context, &mut lanes, args)?;
    if let Some(line) = known.as_ref().and_then(Known::headline).filter(|_| !args.json) {
        writeln!(context.out, "{line}")?;
        context.out.flush()?;
    }
    let bar = bar(&lanes, &options);
    let mut results = batch::run(&lanes, &options, &|progress| show(&bar, &options, progress));
    bar.finish_and_clear();
    known.iter_mut().for_each(|known| known.count(&mut results));
    let lanes = lanes;
    let files = context.place.failures();
    let plain = |lane: &Lane| lane.job.is_swarm() && lane.job.strategy().is_default();
    let enough = lanes.iter().zip(&results.tallies).filter(|(lane, _)| plain(lane));
    let marks = args.shard.is_none() && enough.clone().all(|(_, tally)| tally.runs >= ENOUGH_SEEDS);
    let bar = bar_of_work(args.shrink);
    let show = |progress| show_work(&bar, progress);
    let mut shrinker = Shrinker::new(args.shrink, &show);
    let shrinker = (!args.shrink.is_zero()).then_some(&mut shrinker);
    let mut report = Report::of(&lanes, &options, &results, Rules { marks }, Some(&files), shrinker);
    bar.finish_and_clear();
    if args.twice {
        report.reasons.extend(twins(&lanes, &results, args)?);
    }
    if let Some(known) = known {
        report.known.clone_from(&known.again);
        // What was found is said in any case.
        let kept = known.keep(&lanes, &results, &report);
        report.reasons.extend(kept.err().map(|error| error.to_string()));
    }
    say(context, &report, args)
}

/// The shards of a batch, run elsewhere, as one.
pub(super) fn merge(context: &mut Context<'_>, args: &args::Merge) -> Result<Verdict, Refused> {
    let read = |file: &PathBuf| -> Result<(String, Report), String> {
        let name = file.display().to_string();
        let bytes = fs::read(file).map_err(|e| format!("{name} cannot be read: {e}"))?;
        let report = serde_json::from_slice(&bytes).map_err(|e| format!("{name} is no report: {e}"))?;
        Ok((name, report))
    };
    let reports = args.reports.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let report = report::merge(reports, ENOUGH_SEEDS).map_err(|error| error.to_string())?;
    if !args.json {
        context.headline()?;
    }
    say(context, &report, &args::Batch { json: args.json, junit: args.junit.clone(), ..Default::default() })
}

/// Tells people and machines what was shown.
fn say(context: &mut Context<'_>, report: &Report, args: &args::Batch) -> Result<Verdict, Refused> {
    if args.json {
        let text = serde_json::to_string_pretty(report).map_err(|e| format!("the report is no JSON: {e}"))?;
        writeln!(context.out, "{text}")?;
    } else {
        write!(context.out, "\n{}", summary(report))?;
    }
    tell_ci(context, report, args)?;
    Ok(if report.passed() { Verdict::Passed } else { Verdict::Failed })
}

/// Writes what machines that build and test want to know.
fn tell_ci(context: &mut Context<'_>, report: &Report, args: &args::Batch) -> Result<(), Refused> {
    if let Some(file) = &args.junit {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let write =
            || folder.map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(file, junit(report)));
        write().map_err(|e| format!("{} cannot be written: {e}", file.display()))?;
    }
    if env::var_os("GITHUB_ACTIONS").is_some_and(|set| set == "true") {
        let text = annotations(report);
        // A JSON document on standard output stays one.
        if args.json { write!(io::stderr(), "{text}")? } else { write!(context.out, "{text}")? }
    }
    if let Some(file) = env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()) {
        let file = Path::new(&file);
        let open = File::options().append(true).create(true).open(file);
        open.and_then(|mut file| file.write_all(job_summary(report).as_bytes()))
            .map_err(|e| format!("{} cannot be written: {e}", file.display()))?;
    }
    Ok(())
}

/// The first seeds of each lane in a fresh process, and in another build if there is one.
fn twins(lanes: &[Lane], results: &Results, args: &args::Batch) -> Result<Vec<String>, Refused> {
    let mut programs = vec![twin::this_program()?];
    programs.extend(args.other_build.clone());
    let mut reasons = Vec::new();
    for (lane, tally) in lanes.iter().zip(&results.tallies) {
        for program in &programs {
            reasons.extend(twin::compare(&*lane.job, lane.seeds.start, tally.runs.min(16), program)?);
        }
    }
    Ok(reasons)
}

/// A bar on a terminal, nothing elsewhere.
fn bar(lanes: &[Lane], options: &Options) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let wanted = lanes.iter().map(|lane| lane.seeds.end - lane.seeds.start).fold(0u64, u64::saturating_add);
    let length = match options.time {
        Some(time) => time.as_millis() as u64,
        None => wanted / options.shard.1,
    };
    let bar = ProgressBar::new(length);
    let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}");
    // The template is a constant that is known to be sound; without a style there is still a bar.
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

fn show(bar: &ProgressBar, options: &Options, progress: Progress) {
    let Progress { runs, events, failures, elapsed } = progress;
    bar.set_position(if options.time.is_some() { elapsed.as_millis() as u64 } else { runs });
    let rate = (events as f64 / elapsed.as_secs_f64().max(1e-9)) as u64;
    let failed = if failures > 0 { format!("  {} FAILED", grouped(failures)) } else { String::new() };
    bar.set_message(format!(
        "{} seeds  {} events  {}/s{failed}",
        grouped(runs),
        grouped(events),
        grouped(rate)
    ));
}

/// A bar for the making smaller of failures, filled once for each of them.
fn bar_of_work(cpu: Duration) -> ProgressBar {
    if !std::io::stderr().is_terminal() || cpu.is_zero() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(cpu.as_millis() as u64);
    let style = ProgressStyle::with_template("{bar:30} {msg}");
    // The template is a constant that is known to be sound; without a style there is still a bar.
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

fn show_work(bar: &ProgressBar, progress: minimise::Progress) {
    let minimise::Progress { spent, runs, lines, .. } = progress;
    bar.set_position(spent.as_millis() as u64);
    bar.set_message(format!("making a failure smaller: {lines} lines, {} runs", grouped(runs)));
}
