//! Whole-process comparisons of Onceward with its peers: how many durable appends each makes in the same minutes on
//! the same device, how much space and memory it takes, and how long it takes to open again.
//!
//! Absolute numbers mean little on a shared machine. What counts are the ratios to `raw` (a plain write and fdatasync
//! of the same payloads) within one round, and the latency of the device that is printed beside each figure.

mod engines;
mod job;
mod load;
mod machine;
mod plan;
mod report;
#[cfg(feature = "topics")]
mod topics;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use engines::Kind;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;

/// Compares durable appends of Onceward with raw write + fdatasync, okaywal, fjall, redb and batpak, interleaved, each
/// run in a process of its own.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// How long each run appends, in seconds.
    #[arg(long, default_value_t = 0.4)]
    seconds: f64,
    /// How many times each engine runs in each case; the median is shown.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// A folder on the device to be measured.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// A folder in memory, for what engines cost without a device; left out if it is not a tmpfs.
    #[arg(long, default_value = "/dev/shm")]
    tmpfs: PathBuf,
    /// Only these engines, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "ENGINE")]
    only: Vec<Kind>,
    /// Only these cases, by number: 1 one client; 2 groups of 100; 3 and 4 with 16 and 256 clients; 5 and 6 as 1 and 2
    /// in memory; 7 space and reopening.
    #[arg(long, value_delimiter = ',', value_name = "CASE", value_parser = clap::value_parser!(u8).range(1..=7))]
    cases: Vec<u8>,
    /// How many events are kept and opened again.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// The longest that storing them may take for one engine, in seconds: a slow one is given fewer.
    #[arg(long, default_value_t = 8.0)]
    fill_seconds: f64,
    /// Prints everything that was measured as JSON instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Compares clients of topics with each other and with a bare stream, and the broker with its device.
    #[cfg(feature = "topics")]
    Topics(topics::Args),
    /// Does one part of that, given as JSON.
    #[cfg(feature = "topics")]
    #[command(hide = true)]
    RunPart {
        /// The part.
        part: String,
    },
    /// Does one job, given as JSON, and prints what it measured.
    #[command(hide = true)]
    RunJob {
        /// The job.
        job: String,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match &cli.command {
        Some(Command::RunJob { job }) => {
            let figures = job::perform(&serde_json::from_str(job)?)?;
            println!("{}", serde_json::to_string(&figures)?);
            Ok(())
        }
        #[cfg(feature = "topics")]
        Some(Command::Topics(args)) => topics::compare(args),
        #[cfg(feature = "topics")]
        Some(Command::RunPart { part }) => topics::perform(part),
        None => compare(&cli),
    }
}

fn compare(cli: &Cli) -> Result<()> {
    ensure!(cli.seconds > 0.0 && cli.seconds <= 60.0, "--seconds must be above 0 and at most 60");
    ensure!(
        cli.fill_seconds > 0.0 && cli.fill_seconds <= 60.0,
        "--fill-seconds must be above 0 and at most 60"
    );
    ensure!(cli.rounds > 0, "--rounds must be at least 1");
    ensure!(cli.events >= 100, "--events must be at least 100");
    let dir = cli.dir.canonicalize().with_context(|| format!("no folder {}", cli.dir.display()))?;
    let in_memory = machine::is_tmpfs(&cli.tmpfs);
    if !in_memory {
        eprintln!("{} is not a tmpfs: the cases in memory are left out", cli.tmpfs.display());
    }
    if machine::is_tmpfs(&dir) {
        eprintln!("{} is a tmpfs: figures that should be of a device are of memory", dir.display());
    }
    let engines: Vec<Kind> = Kind::value_variants()
        .iter()
        .copied()
        .filter(|kind| cli.only.is_empty() || cli.only.contains(kind))
        .collect();
    let wanted = |number: usize| cli.cases.is_empty() || cli.cases.contains(&(number as u8));
    let cases: Vec<plan::Case> = (1..)
        .zip(plan::CASES)
        .filter(|(number, case)| wanted(*number) && (in_memory || !case.tmpfs))
        .map(|(_, case)| case)
        .collect();
    let keepers: Vec<Kind> = engines.iter().copied().filter(|kind| wanted(7) && kind.stores()).collect();

    let runs = cases.len() * cli.rounds * engines.len() + 2 * keepers.len();
    let bar = ProgressBar::new(runs as u64)
        .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {msg}")?);
    let mut document = Vec::new();
    for case in cases {
        let place = if case.tmpfs { &cli.tmpfs } else { &dir };
        let rows = plan::append(case, &engines, place, cli.rounds, cli.seconds, &bar)?;
        if cli.json {
            document.push(serde_json::json!({ "case": case, "rows": rows }));
        } else {
            bar.suspend(|| print!("{}", report::appends(case, &name(place), &rows)));
        }
    }
    let mut kept = Vec::new();
    for engine in keepers {
        kept.push(plan::keep(engine, &dir, cli.events, cli.fill_seconds, &bar)?);
    }
    bar.finish_and_clear();
    if cli.json {
        document.push(serde_json::json!({ "kept": kept }));
        println!("{}", serde_json::to_string_pretty(&document)?);
    } else if !kept.is_empty() {
        print!("{}", report::kept(&name(&dir), &kept));
    }
    Ok(())
}

/// A place as the tables name it.
fn name(place: &std::path::Path) -> String {
    if machine::is_tmpfs(place) {
        format!("in memory ({})", place.display())
    } else {
        place.display().to_string()
    }
}
