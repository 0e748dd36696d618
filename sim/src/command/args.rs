//! What can be asked for.

use super::mutants::args::{Hunt, Mutants, Trial};
use crate::{explore::Strategy, support::Kind};
use clap::{Args as ClapArgs, Parser, Subcommand};
use std::{path::PathBuf, time::Duration};

/// Runs machines in simulated worlds, breaks those worlds, and says which promises were kept.
///
/// Without a command: the shipped scenarios and random plans for every system, for about a minute.
#[derive(Debug, Parser)]
#[command(name = "cargo sim", bin_name = "cargo sim", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    pub(super) verb: Option<Verb>,
    #[command(flatten)]
    pub(super) batch: Batch,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run scenarios, or random plans, under many seeds
    Run(Run),
    /// Perform one run again, step by step
    Replay(Replay),
    /// Look at every state of bounded scopes
    Check(Check),
    /// Look around in a bounded scope, in a browser
    #[cfg(feature = "explore")]
    Explore(Explore),
    /// List systems, their scopes, and shipped scenarios
    Scenarios(Scenarios),
    /// Switch known bugs on, one at a time, and see which promise catches them
    Mutants(Mutants),
    /// Make a scenario of a fuzzer's file, or such a file of a scenario of exact steps
    Convert(Convert),
    /// List the failing seeds that are kept, or forget some
    Seeds(Seeds),
    /// Put the JSON reports of all shards of a batch together, and judge them as one
    Merge(Merge),
    /// Perform a recording of production again, and judge what happened in it
    Validate(Validate),
    /// Write a package with a protocol of its own under the harness, to begin with
    New(New),
    /// Hunt one known bug in this process
    #[command(hide = true)]
    Hunt(Hunt),
    /// Perform one trial of the measurement of power in this process
    #[command(hide = true)]
    Trial(Trial),
    /// Print the step-hash chain of runs
    #[command(hide = true)]
    Links(Links),
    /// Be one node of a cluster, spoken to on standard input
    #[command(hide = true)]
    Node(Node),
}

impl Args {
    /// Whether what is asked for is simulated, and so needs a build with madsim under it.
    pub fn simulates(&self) -> bool {
        match &self.verb {
            Some(Verb::Node(_) | Verb::New(_) | Verb::Merge(_) | Verb::Seeds(_) | Verb::Validate(_)) => false,
            Some(Verb::Replay(replay)) => replay.engine != Engine::Real,
            _ => true,
        }
    }
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(super) struct Batch {
    /// Worker threads [default: one for each core]
    #[arg(long, value_name = "J", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: Option<u16>,
    /// Begin no run after this long, as in `90s`, `10min`, `1h`
    #[arg(long, value_name = "T", value_parser = time)]
    pub(super) time: Option<Duration>,
    /// Run only the I-th of N equal parts of the seeds
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub(super) shard: Option<(u64, u64)>,
    /// Run every seed a second time in a thread of its own, and some in a process of their own: all must be equal
    #[arg(long)]
    pub(super) twice: bool,
    /// With --twice: another build of this command that must give equal runs too
    #[arg(long, value_name = "PROGRAM", requires = "twice")]
    pub(super) other_build: Option<PathBuf>,
    /// Processor time for making each kind of failure smaller; 0s: leave them as they are
    #[arg(long, value_name = "T", value_parser = time, default_value = "10s")]
    pub(super) shrink: Duration,
    /// A run that takes longer than this does not end: say which step it is, and fail
    #[arg(long, value_name = "T", value_parser = patience, default_value = "60s")]
    pub(super) patience: Duration,
    /// Keep failing seeds of random plans in this file, and begin with those that are in it [default: seeds.jsonl in the
    /// target folder]
    #[arg(long, value_name = "FILE")]
    pub(super) seeds_file: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub(super) json: bool,
    /// Write the results as JUnit XML as well
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Convert {
    /// A file that the fuzz target `schedule` has written, or a scenario
    pub(super) input: PathBuf,
    /// What to make of it [default: the other of the two]
    #[arg(long, value_enum)]
    pub(super) to: Option<Form>,
    /// The system whose fuzz target it was [default: the first one]
    #[arg(long, value_name = "NAME")]
    pub(super) system: Option<String>,
    /// Where to write it [default: a scenario is printed, bytes are written beside the scenario]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum Form {
    /// Bytes, as the fuzzer keeps them
    Corpus,
    /// Exact steps as text
    Scenario,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Seeds {
    /// The file [default: seeds.jsonl in the target folder]
    #[arg(long, value_name = "FILE")]
    pub(super) seeds_file: Option<PathBuf>,
    /// Remove these from it: a seed, `mended`, or `all`
    #[arg(long, value_name = "SEED|mended|all", num_args = 1..)]
    pub(super) forget: Vec<String>,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Merge {
    /// What `cargo sim … --shard I/N --json` has printed, one file for each I
    #[arg(required = true, value_name = "FILE")]
    pub(super) reports: Vec<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub(super) json: bool,
    /// Write JUnit XML to this file as well
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Validate {
    /// The folder that `onceward --record FOLDER` wrote
    pub(super) recording: PathBuf,
    /// Take a run whose process was killed as far as it goes
    #[arg(long)]
    pub(super) cut_off: bool,
    /// The folder of the machine's disk, if it is no longer where it was
    #[arg(long, value_name = "FOLDER")]
    pub(super) disk: Option<PathBuf>,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct New {
    /// The folder to be made; its name is the package's
    pub(super) folder: PathBuf,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(super) struct Run {
    /// Scenario files, or names of shipped scenarios [default: random plans]
    #[arg(value_name = "SCENARIO")]
    pub(super) scenarios: Vec<String>,
    /// Random plans for this system [default: for every system]
    #[arg(long, value_name = "NAME", conflicts_with = "scenarios")]
    pub(super) system: Option<String>,
    /// How many seeds [default: 1000; without limit if a time is given]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) seeds: Option<u64>,
    /// The first seed [default: that of the scenario, or 1]
    #[arg(long, value_name = "S")]
    pub(super) seed: Option<u64>,
    /// How random plans explore: `plain`, chance orders what happens; `pct`, chains of cause and effect have priorities;
    /// `guided`, plans whose runs have shown something new are kept and changed; `mix`, guided, half of the drawn plans with
    /// priorities. Under the last two a seed is still one run, but one that depends on the seeds before it, from the last
    /// multiple of 2048 on: to replay it alone takes a second; the plan that is written down replays at once
    #[arg(long, value_name = "STRATEGY", default_value_t, conflicts_with = "scenarios")]
    pub(super) explore: Strategy,
    /// Switch this known bug on first, as `cargo sim mutants` names it
    #[arg(long, value_name = "MUTANT")]
    pub(super) mutant: Option<String>,
    #[command(flatten)]
    pub(super) batch: Batch,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Replay {
    /// A scenario file, the name of a shipped scenario, a trace file, or the seed of a random plan
    #[arg(value_name = "FILE|SEED")]
    pub(super) what: String,
    /// The system that a seed's plan is for [default: the only one, or the first one]
    #[arg(long, value_name = "NAME")]
    pub(super) system: Option<String>,
    /// Another seed than the scenario's own
    #[arg(long, value_name = "S")]
    pub(super) seed: Option<u64>,
    /// The strategy by which a seed's plan was found, as `cargo sim run` was told
    #[arg(long, value_name = "STRATEGY", default_value_t)]
    pub(super) explore: Strategy,
    /// What performs the run
    #[arg(long, value_enum, default_value_t)]
    pub(super) engine: Engine,
    /// Stop after this step
    #[arg(long, value_name = "STEP")]
    pub(super) until: Option<u64>,
    /// Show the state of this node at the end
    #[arg(long, value_name = "NODE")]
    pub(super) inspect: Option<String>,
    /// A step that takes longer than this does not end: say which one it is, and fail
    #[arg(long, value_name = "T", value_parser = patience, default_value = "60s")]
    pub(super) patience: Duration,
    /// Draw the run: nodes, messages and what each disk had not made durable, a line for each step
    #[arg(long)]
    pub(super) diagram: bool,
    /// Write the run as a page for a browser
    #[arg(long, value_name = "OUT")]
    pub(super) html: Option<PathBuf>,
    /// Switch this known bug on first, as `cargo sim mutants` names it
    #[arg(long, value_name = "MUTANT")]
    pub(super) mutant: Option<String>,
    /// Print the verdict alone
    #[arg(long)]
    pub(super) quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(super) enum Engine {
    /// One event loop over the simulated world
    #[default]
    Loop,
    /// The real driver in the simulated world
    Shell,
    /// Exact steps alone, as an exhaustive check performs them: without healing afterwards
    Check,
    /// Real processes, files and signals, in real time
    Real,
}

impl From<Engine> for Kind {
    fn from(engine: Engine) -> Kind {
        match engine {
            Engine::Loop => Kind::Loop,
            Engine::Shell => Kind::Shell,
            Engine::Check => Kind::Check,
            Engine::Real => Kind::Real,
        }
    }
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Scenarios {
    /// List the verbs of the scenario language instead, and which engine performs which
    #[arg(long)]
    pub(super) verbs: bool,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Node {
    /// The scenario that describes the cluster
    pub(super) scenario: PathBuf,
    /// The node's number
    pub(super) node: u16,
    /// The configuration it boots under
    pub(super) config: u8,
    /// The folder that is its disk
    pub(super) folder: PathBuf,
    /// The most bytes that each of its files may have
    #[arg(long, value_name = "BYTES")]
    pub(super) limit: Option<u64>,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Links {
    /// A scenario file, or the name of a system
    #[arg(value_name = "FILE|SYSTEM")]
    pub(super) what: String,
    /// The seeds
    #[arg(value_name = "SEED", required = true)]
    pub(super) seeds: Vec<u64>,
    /// The strategy by which seeds' plans are found
    #[arg(long, value_name = "STRATEGY", default_value_t)]
    pub(super) explore: Strategy,
    /// Every link rather than the last
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Check {
    /// Scopes: `NAME`, or `SYSTEM/NAME` [default: all]
    #[arg(value_name = "NAME")]
    pub(super) scopes: Vec<String>,
    /// At most so many states; then what was not seen broken is no proof
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) states: Option<u64>,
    /// At most so many steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) depth: Option<u32>,
    /// At most so long for each
    #[arg(long, value_name = "T", value_parser = time)]
    pub(super) time: Option<Duration>,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "J", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: Option<u16>,
    /// Also whether the cluster can always come to rest again without faults
    #[arg(long)]
    pub(super) recovery: bool,
}

#[cfg(feature = "explore")]
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Explore {
    /// The scope: `NAME`, or `SYSTEM/NAME`
    #[arg(value_name = "NAME")]
    pub(super) scope: String,
    /// Where to serve it
    #[arg(long, value_name = "ADDRESS", default_value = "localhost:3000")]
    pub(super) address: String,
}

pub(super) fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| "a time looks like 90s, 10min or 1h".to_owned())?;
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        other => return Err(format!("`{other}` is no unit of time: there are s, min and h")),
    };
    Ok(Duration::from_secs(number.saturating_mul(unit)))
}

/// Reads how long a run may take.
fn patience(text: &str) -> Result<Duration, String> {
    time(text).and_then(|time| if time.is_zero() { Err("at least a second".into()) } else { Ok(time) })
}

/// Reads `2/8`: the second of eight, counted from 1; gives it counted from 0.
fn shard(text: &str) -> Result<(u64, u64), String> {
    let parts = text.split_once('/');
    let parts: Option<(u64, u64)> = parts.and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((i, n)) if 1 <= i && i <= n => Ok((i - 1, n)),
        Some((i, n)) => Err(format!("there is no part {i} of {n}: parts are counted from 1")),
        None => Err("a part looks like 2/8: the second of eight".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn times_and_shards_are_read_or_refused() {
        assert_eq!(time("2min"), Ok(Duration::from_secs(120)));
        assert!(time("2").is_err() && time("min").is_err() && time("3 s").is_err() && time("").is_err());
        assert_eq!(shard("2/8"), Ok((1, 8)));
        assert!(
            shard("0/8").is_err() && shard("9/8").is_err() && shard("8").is_err() && shard("a/b").is_err()
        );
    }
}
