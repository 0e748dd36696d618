//! What can be asked for of known bugs.

use crate::{command::args::time, power::Means};
use clap::Args as ClapArgs;
use std::{path::PathBuf, time::Duration};

#[derive(Clone, Debug, ClapArgs)]
pub(in crate::command) struct Mutants {
    /// Only these
    #[arg(value_name = "MUTANT")]
    pub(in crate::command) mutants: Vec<String>,
    /// Only those of this system, of the `driver`, or of the `harness`
    #[arg(long, value_name = "NAME")]
    pub(in crate::command) of: Option<String>,
    /// Processor time for each
    #[arg(long, value_name = "T", value_parser = time, default_value = "60s")]
    pub(in crate::command) cpu: Duration,
    /// Time for all; what comes late gets little [default: 10min; with --power 2h]
    #[arg(long, value_name = "T", value_parser = time)]
    pub(in crate::command) time: Option<Duration>,
    /// Processes at a time [default: one for each core]
    #[arg(long, value_name = "J", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(in crate::command) jobs: Option<u16>,
    /// Measure how soon each is caught, in many independent trials, rather than whether it is. What was measured before
    /// by the same build is not measured again
    #[arg(long, conflicts_with = "shrink")]
    pub(in crate::command) power: bool,
    #[command(flatten)]
    pub(in crate::command) measured: Measured,
    /// Make the failures smaller too, and say how small they get and whether they still fail: that of the first shipped
    /// scenario that fails and that of the first random plan
    #[arg(long)]
    pub(in crate::command) shrink: bool,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub(in crate::command) json: bool,
}

/// What `--power` measures.
#[derive(Clone, Debug, ClapArgs)]
pub(in crate::command) struct Measured {
    /// With --power: by these means alone: plans, scenarios, shell, check, self-tests; and pct, guided, mix, strategies to compare with that of plans
    #[arg(long, value_name = "MEANS", value_delimiter = ',', value_parser = means, requires = "power")]
    pub(in crate::command) by: Vec<Means>,
    /// With --power: at most so many trials of each mutant by random plans, a quarter of them in the shell
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60_000), default_value_t = 80, requires = "power")]
    pub(in crate::command) trials: u32,
    /// With --power: so many runs of each system without a mutant, a fiftieth of them in the shell
    #[arg(long, value_name = "N", default_value_t = 100_000, requires = "power")]
    pub(in crate::command) control: u64,
    /// With --power: forget what was measured before
    #[arg(long, requires = "power")]
    pub(in crate::command) fresh: bool,
    /// With --power: compare with what was written there, and fail if the median of a mutant has doubled or if one is not
    /// seen any more
    #[arg(long, value_name = "FILE", requires = "power")]
    pub(in crate::command) baseline: Option<PathBuf>,
    /// With --power: write the medians there, for later comparisons; others that are there stay
    #[arg(long, value_name = "FILE", requires = "power")]
    pub(in crate::command) write_baseline: Option<PathBuf>,
}

#[derive(Clone, Debug, ClapArgs)]
pub(in crate::command) struct Trial {
    /// A system, `driver`, or `harness`
    pub(in crate::command) of: String,
    /// The mutant, or `none`
    pub(in crate::command) mutant: String,
    /// What it is looked for with
    #[arg(value_parser = any_means)]
    pub(in crate::command) means: Means,
    /// The run to begin with
    #[arg(long)]
    pub(in crate::command) first: u64,
    /// Processor time in milliseconds
    #[arg(long)]
    pub(in crate::command) millis: u64,
}

#[derive(Clone, Debug, ClapArgs)]
pub(in crate::command) struct Hunt {
    /// A system, `driver`, or `harness`
    pub(in crate::command) of: String,
    /// The mutant
    pub(in crate::command) mutant: String,
    /// Processor time
    #[arg(long, value_name = "T", value_parser = time, default_value = "60s")]
    pub(in crate::command) cpu: Duration,
    /// Make the failure smaller too, for so much processor time
    #[arg(long, value_name = "T", value_parser = time)]
    pub(in crate::command) shrink: Option<Duration>,
    /// Leave out the shipped scenarios
    #[arg(long)]
    pub(in crate::command) plans: bool,
}

/// What a person may choose.
fn means(text: &str) -> Result<Means, String> {
    any_means(text).ok().filter(|means| Means::CHOICE.contains(means)).ok_or_else(|| {
        onceward_model::scenario::unknown("means", text, Means::CHOICE.into_iter().map(Means::name))
    })
}

fn any_means(text: &str) -> Result<Means, String> {
    Means::ALL.into_iter().find(|means| means.name() == text).ok_or_else(|| format!("no means `{text}`"))
}
