//! Where random plans come from: the strategies by which schedules are explored, and their names. A strategy decides which
//! plan a seed stands for and nothing of how it is run, so that whatever one of them finds is a plan like any other: it has
//! a text, and replays from it.

mod features;
mod guided;
mod mutate;
mod units;

pub(crate) use features::Scout;
pub(crate) use guided::Guided;

use onceward_model::scenario::unknown;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// So many seeds share what was learned, where strategies learn. A power of two, and the numbers of an episode's seeds
/// begin at a multiple of it.
pub const EPISODE: u64 = 2048;

/// How schedules are explored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Each seed draws its plan, and chance orders what happens: by time, or, in some plans, whatever is possible.
    #[default]
    Plain,
    /// The same plans, in which chains of cause and effect have priorities instead of latencies.
    Pct,
    /// Most plans are made of those whose runs have shown something new.
    Guided,
    /// The same, and half of the plans that are drawn have priorities.
    Mix,
}

impl Strategy {
    /// Each of them.
    pub const ALL: [Strategy; 4] = [Strategy::Plain, Strategy::Pct, Strategy::Guided, Strategy::Mix];

    /// Its name on command lines and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Strategy::Plain => "plain",
            Strategy::Pct => "pct",
            Strategy::Guided => "guided",
            Strategy::Mix => "mix",
        }
    }

    /// Whether what a seed stands for depends on the seeds of its [episode](EPISODE) before it.
    pub fn learns(self) -> bool {
        matches!(self, Strategy::Guided | Strategy::Mix)
    }

    /// Whether it is what happens unless something else is asked for.
    pub fn is_default(&self) -> bool {
        *self == Strategy::default()
    }

    /// What a command line must say for it; nothing for the default.
    pub fn flag(self) -> String {
        if self.is_default() { String::new() } else { format!(" --explore {}", self.name()) }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Strategy, String> {
        let named = Strategy::ALL.into_iter().find(|strategy| strategy.name() == text);
        named.ok_or_else(|| unknown("strategy", text, Strategy::ALL.map(Strategy::name)))
    }
}
