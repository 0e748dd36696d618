//! A scenario: a cluster, its configuration, what happens when, and what is expected, as data. It has a text form (one
//! verb a line) that people write, that the swarm prints, and that checkers and minimisers emit; every engine performs
//! it. This module holds the data; it performs nothing.
//!
//! Invariant: `parse(print(scenario)) == scenario`.

use crate::world::{ChoiceOf, Protocol, Time, disk::Outcome};
use onceward_core::{Dur, NodeId};
use std::collections::BTreeMap;

/// What a scenario says before anything happens: which system, how big, configured how.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Header {
    /// The system's name.
    pub system: String,
    /// Roles and how many of each, in the order written.
    pub cluster: Vec<(String, u16)>,
    /// Configuration by name, as written. A system refuses names and values that it does not know.
    pub config: BTreeMap<String, String>,
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

/// Latencies and the odds of random faults. All odds are in millionths; all is drawn from causal keys.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Profile {
    /// Its name in scenario text; a name stands for a whole set of values, single ones may be overridden.
    pub name: String,
    /// Network latency, log-uniform between the two.
    pub network: (Dur, Dur),
    /// Disk latency, log-uniform between the two; syncs take the upper half.
    pub disk: (Dur, Dur),
    /// How often a latency is drawn from the heavy tail instead: up to `tail_max`.
    pub tail: u32,
    /// The longest latency of the tail.
    pub tail_max: Dur,
    /// Bytes per second of a link, 0: without limit.
    pub bandwidth: u64,
    /// Datagrams lost.
    pub loss: u32,
    /// Datagrams doubled.
    pub duplicate: u32,
    /// Deliveries after which an old datagram arrives again.
    pub replay: u32,
    /// Datagrams damaged.
    pub corrupt: u32,
    /// Deliveries on a connection after which one side sees it break.
    pub break_off: u32,
    /// Writes that fail.
    pub write_error: u32,
    /// Writes that are short.
    pub short_write: u32,
    /// Writes that find no space.
    pub no_space: u32,
    /// Reads that fail.
    pub read_error: u32,
    /// Reads that are short.
    pub short_read: u32,
    /// Syncs that fail, their dirty pages lost for good.
    pub sync_error: u32,
    /// Syncs that lie. Beyond what any protocol can promise: only for scenarios that expect it.
    pub sync_lie: u32,
    /// Steps that are cut short by a kill.
    pub kill_within: u32,
    /// Latencies are ignored: among all that is possible, any may be next.
    pub untimed: bool,
}

impl Profile {
    /// Nothing random: middling latencies, no faults but those that are written.
    pub fn none() -> Profile {
        Profile {
            name: "none".into(),
            network: (Dur::micros(500), Dur::micros(500)),
            disk: (Dur::micros(100), Dur::micros(100)),
            tail: 0,
            tail_max: Dur::ZERO,
            bandwidth: 0,
            loss: 0,
            duplicate: 0,
            replay: 0,
            corrupt: 0,
            break_off: 0,
            write_error: 0,
            short_write: 0,
            no_space: 0,
            read_error: 0,
            short_read: 0,
            sync_error: 0,
            sync_lie: 0,
            kill_within: 0,
            untimed: false,
        }
    }
}
