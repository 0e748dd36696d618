//! A scenario: a cluster, its configuration, what happens when, and what is expected, as data and as text. The text has
//! one verb a line and two levels in one language: workload and timed faults for people, and exact steps for what a
//! checker or a minimiser found. Every engine performs it; this module performs nothing but [`replay_exact`].
//!
//! ```text
//! # Power fails while a commit group is being synced; what was acknowledged before must be there.
//! system    log
//! cluster   store  client*2
//! config    durability=per-append
//! profile   none
//!
//! at 0ms    client-1 appends order-17 "created" expecting no-stream
//! at 5ms    store loses power, keeping 1.seg:0-3, garbling 1.seg:4
//! at 40ms   store boots
//! step      store reads 1.seg 0+512
//! expect    acked-is-durable, chain-verifies
//! ```
//!
//! - `system`, `cluster` and `config` are the [`Header`]; the system builds the cluster from it.
//! - `profile NAME [key=value ...]` adds random latencies and faults ([`Profile`]), `seed N` draws them.
//! - `at TIME` is followed by a verb that every system has ([`verbs`]), a call in the system's own words
//!   ([`System::verbs`](crate::system::System::verbs)), or `step LABEL`.
//! - `step LABEL` names something that is possible at that moment, in the words of [`label()`]; `#2` at its end means the
//!   second of several that have the same label. Without `at`, it comes right after the line before it.
//! - `expect` lists promises that must hold, or `violates PROMISE`, or `reaches "MARK"`.
//! - Lines that begin with `#` are comments; the ones that open a scenario say what it shows, and are kept.
//!
//! Invariant: `parse(print(scenario)) == scenario`, for scenarios whose entries are in order of time, whose calls are
//! numbered in that order, and which do by name ([`Planned::Step`]) what needs a world to be named.

mod draft;
mod error;
mod label;
mod line;
mod parse;
mod print;
mod profile;
mod replay;
mod span;
mod suggest;
mod values;
mod verbs;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod toy;

pub use error::{Mistake, ScenarioError};
pub use label::{exact, find, label, locate, pending};
pub use line::{bare, quote, words};
pub use parse::{Loaded, Place, Places, load, load_placed, parse, peek, refusal, text_of};
pub use print::print;
pub use profile::{Key as ProfileKey, Profile};
pub use replay::{Mode, NotPossible, Replayed, Why, replay_exact};
pub use span::{parse_span, print_span};
pub use suggest::unknown;
pub use verbs::{Help, verbs};

pub(crate) use label::Names;
pub(crate) use parse::parse_entry;
pub(crate) use print::print_planned;

use crate::{
    system::Promise,
    world::{ANSWERED_ONCE, ChoiceOf, Protocol, Time, disk::Outcome},
};
use onceward_core::NodeId;
use std::{collections::BTreeMap, fmt, ops::RangeInclusive};

/// The promises that engines check for every system, and that any scenario may expect.
pub const GENERAL_PROMISES: [Promise; 5] = [
    Promise {
        id: ANSWERED_ONCE,
        says: "A call is answered at most once, and only while somebody waits for it.",
    },
    Promise {
        id: "settles",
        says: "Once faults have stopped, everything accepted is answered and every node serves.",
    },
    Promise {
        id: "accepts-work-after-faults",
        says: "Once faults have stopped, new work is accepted and done.",
    },
    Promise { id: "never-panics", says: "No machine panics." },
    Promise { id: "steps-are-possible", says: "The exact steps of a scenario can happen." },
];

/// What a scenario says before anything happens: which system, how big, configured how.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Header {
    /// The system's name.
    pub system: String,
    /// Roles and how many of each, in the order written.
    pub cluster: Vec<(String, u16)>,
    /// Configuration by name, as written. A system refuses names and values that it does not know; [`unknown`] makes
    /// the message, and a name in back-quotes is found in the text and pointed at.
    pub config: BTreeMap<String, String>,
}

impl Header {
    /// The header of a system whose cluster has one role and no configuration.
    pub fn of(system: &str, role: &str, count: u16) -> Header {
        Header { system: system.into(), cluster: vec![(role.into(), count)], config: BTreeMap::new() }
    }

    /// How many there are of the only role that a system has, which has no configuration.
    ///
    /// # Errors
    /// Another role, a setting, or a number out of range, with what would be right.
    pub fn only(&self, role: &str, range: RangeInclusive<u16>) -> Result<u16, String> {
        if let Some(name) = self.config.keys().next() {
            return Err(format!("no setting `{name}`: there are none"));
        }
        match &self.cluster[..] {
            [(known, count)] if known == role && range.contains(count) => Ok(*count),
            _ => Err(format!("{} to {} of `{role}`, and nothing else", range.start(), range.end())),
        }
    }
}

/// A whole scenario for a known protocol.
pub struct Scenario<P: Protocol> {
    /// The comment that opens it: what it shows. Without the `#`s.
    pub about: String,
    /// The cluster.
    pub header: Header,
    /// Random faults and latencies.
    pub profile: Profile,
    /// The seed of the profile's draws; runs may override it.
    pub seed: u64,
    /// What happens when, in order of time.
    pub entries: Vec<Entry<P>>,
    /// How it must end.
    pub expect: Vec<Expect>,
}

/// One line of a scenario's plan.
pub struct Entry<P: Protocol> {
    /// When, in true time.
    pub at: Time,
    /// What.
    pub what: Planned<P>,
}

/// What a plan can say.
pub enum Planned<P: Protocol> {
    /// A call, or something done to a node or a link: exactly this choice.
    Do(ChoiceOf<P>),
    /// The next disk operation of this kind on a node ends like this.
    Next(NodeId, OpKind, Outcome),
    /// An exact step, named by its label among what is possible at that moment. In a replay it must be possible.
    Step(String),
}

/// A kind of disk operation, for naming one in a plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum OpKind {
    /// A write.
    Write,
    /// A read.
    Read,
    /// A sync of a file.
    Sync,
    /// A sync of a folder.
    SyncDir,
    /// Making a file.
    Create,
    /// Any operation.
    Any,
}

/// How a scenario must end.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Expect {
    /// Every promise holds (and this one is what the scenario is about).
    Holds(String),
    /// This promise is violated: for scenarios beyond the fault budget, and for mutants.
    Violates(String),
    /// This mark is reached.
    Reaches(String),
}

// Derived implementations would ask the protocol itself to have these traits; its choices have them in any case.

impl<P: Protocol> Clone for Scenario<P> {
    fn clone(&self) -> Self {
        Scenario {
            about: self.about.clone(),
            header: self.header.clone(),
            profile: self.profile.clone(),
            seed: self.seed,
            entries: self.entries.clone(),
            expect: self.expect.clone(),
        }
    }
}

impl<P: Protocol> PartialEq for Scenario<P> {
    fn eq(&self, other: &Self) -> bool {
        self.about == other.about
            && self.header == other.header
            && self.profile == other.profile
            && self.seed == other.seed
            && self.entries == other.entries
            && self.expect == other.expect
    }
}

impl<P: Protocol> Eq for Scenario<P> {}

impl<P: Protocol> fmt::Debug for Scenario<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("about", &self.about)
            .field("header", &self.header)
            .field("profile", &self.profile)
            .field("seed", &self.seed)
            .field("entries", &self.entries)
            .field("expect", &self.expect)
            .finish()
    }
}

impl<P: Protocol> Clone for Entry<P> {
    fn clone(&self) -> Self {
        Entry { at: self.at, what: self.what.clone() }
    }
}

impl<P: Protocol> PartialEq for Entry<P> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at && self.what == other.what
    }
}

impl<P: Protocol> Eq for Entry<P> {}

impl<P: Protocol> fmt::Debug for Entry<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} {:?}", print_span(onceward_core::Dur(self.at.0)), self.what)
    }
}

impl<P: Protocol> Clone for Planned<P> {
    fn clone(&self) -> Self {
        match self {
            Planned::Do(choice) => Planned::Do(choice.clone()),
            Planned::Next(node, kind, outcome) => Planned::Next(*node, *kind, outcome.clone()),
            Planned::Step(label) => Planned::Step(label.clone()),
        }
    }
}

impl<P: Protocol> PartialEq for Planned<P> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Planned::Do(a), Planned::Do(b)) => a == b,
            (Planned::Next(a, b, c), Planned::Next(x, y, z)) => (a, b, c) == (x, y, z),
            (Planned::Step(a), Planned::Step(b)) => a == b,
            _ => false,
        }
    }
}

impl<P: Protocol> Eq for Planned<P> {}

impl<P: Protocol> fmt::Debug for Planned<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Planned::Do(choice) => choice.fmt(f),
            Planned::Next(node, kind, outcome) => write!(f, "next {kind:?} of {node:?}: {outcome:?}"),
            Planned::Step(label) => write!(f, "step {label:?}"),
        }
    }
}
