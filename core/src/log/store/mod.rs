//! The event store: what an append means, and what readers see, as one [`Node`].
//!
//! It decides guards, keys, sequences, logical time, hash chain, visibility and every answer; the
//! [*segments*](super::segments) below it decide where bytes go and when they are proven. It never reads a clock, never
//! waits for a reader and never touches a byte of a file.
//!
//! # From a request to an answer
//!
//! ```text
//!  Append ─▶ admit ─▶ queue ─▶ judge: key, guards, ids, causes ─▶ carry out ─▶ segments ─▶ Written ─▶ Durable
//!            limits   bounded   (may look into sealed segments)    history       │                     │
//!                     deadline                                     grows         └─ places             └─ visible:
//!                                                                                                 answered, shown, told
//! ```
//!
//! Appends are taken in order of arrival; the one at the head may have to look something up on the disk first. What
//! is accepted gets its place in the history at once, so that the next request is judged against it, but is
//! neither answered nor shown before the promised frontier has passed it. The same holds for refusals and repeated
//! receipts that rest on it.
//!
//! # Promises
//!
//! - Positions, and sequences of each entity, are dense from 0 and never used for two events that were both
//!   acknowledged. A unit whose outcome is unknown keeps its positions for the rest of the incarnation; recovery
//!   decides, and nothing acknowledged stands behind a unit that it does not find.
//! - Guard, key and append are one atomic step. A key belongs to its entity, names the whole request with everything
//!   but its guards, and is remembered up to [`Config::dedup_horizon`].
//! - Under [`Promise::Durable`] nothing is answered, shown or told before it is durable. Under
//!   [`Promise::Written`] receipts say so, and readers may see what a loss of power takes away.
//! - Every call is answered once, until the machine stops being stepped: with what it asked for or a refusal.
//! - Indexes, footers and tables are derived; what they say is compared with the log whenever it is read.
//! - While the store recovers, calls are refused as [`Refusal::Recovering`]: a queue would only hide from callers for
//!   how long, and deadlines would have to run against a disk that is not known to answer.
//!
//! # Memory
//!
//! | what | bytes | bounded by |
//! |---|---|---|
//! | each entity | 64, its name with 16 more, 11 to 21 of table | data |
//! | each keyed request | about 250, 130 more for each further part | [`Config::dedup_horizon`] |
//! | each event of a segment without a durable footer | 176, up to 21 of table, 56 for its unit | segment size and queue |
//! | each event of a sealed segment | 9.5 to 12.5 | data |
//! | decoded footers | 56 an event | [`Config::cache_bytes`] |
//!
//! All else is bounded by [`Config`] or by the number of calls that it lets wait. A segment whose footer could not be
//! written or read keeps 56 bytes an event until the next opening.

mod append;
mod clock;
mod config;
mod dispatch;
#[cfg(feature = "fuzz")]
pub(super) mod fuzz;
mod hash;
mod heads;
mod history;
mod index;
mod keys;
mod progress;
mod queue;
mod read;
mod reads;
mod record;
#[cfg(feature = "serde")]
mod recorded;
mod subscriptions;
mod table;
#[cfg(test)]
mod tests;
mod verify;

pub use config::Config;
pub use hash::link;
pub use record::{BadRecord, Problem};

use super::{
    api::{Damage, Frontier, Frontiers, Name, Phase, Promise, Recovered, Refusal, Request, Response, Status},
    segments::{self, Location, Segments},
};
use crate::{Action, CallId, Clock, ConfigError, DiskError, Input, Machine, Mark, Mono, Never, Node, Window};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    vec::Vec,
};
use bytes::Bytes;
use history::History;
use index::SegmentIndex;
use queue::{Basis, Job};
use read::Reading;
use subscriptions::Subscriptions;
use verify::Audit;

/// The interesting places of this layer, as [`crate::Mark`]s.
pub const MARKS: &[&str] = &[
    "retry after the guard no longer holds",
    "retry before the original is durable",
    "key expired",
    "key used by another request",
    "wall clock ran back",
    "cause looked up in a sealed segment",
    "append waited for space in the queue",
    "append past its deadline",
    "outcome unknown to a caller",
    "gap reported to a subscriber",
    "read from a sealed segment",
    "read waited for an event",
    "footer taken over",
    "segment kept in memory for want of a footer",
    "drain limit reached",
    "shutdown while recovering",
];

/// The store's timers.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// One of the layer below.
    Segments(segments::Timer),
    /// The earliest deadline of a call.
    Deadline,
}

/// What the store pushes.
type Out = Vec<Action<Never, Timer, Response>>;

/// An event store. See the module's documentation; [`super::api`] is its contract.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct EventStore {
    config: Arc<Config>,
    segments: Segments,
    stage: Stage,
    history: History,
    recovery: Option<Arc<Recovered>>,
    /// Records of a unit that is being replayed.
    replaying: Vec<(Location, Bytes)>,
    frontiers: Frontiers,
    /// The frontier that answers wait for, in records.
    promised: u64,
    /// Records below are unproven because of this error.
    unsure: Option<(u64, DiskError)>,
    /// The footer that is being written.
    sealing: Option<Arc<SegmentIndex>>,
    full: bool,
    /// Cursors as readers may see them.
    cursors: Arc<BTreeMap<Name, u64>>,

    queue: VecDeque<Job>,
    queued_bytes: u64,
    /// Answers that wait for a unit, by the sequence after it.
    held: BTreeMap<u64, Vec<Held>>,
    /// How many of them are not the call's own work.
    resting: usize,
    awaits: BTreeSet<(Frontier, u64, CallId)>,
    barriers: BTreeMap<u64, CallId>,
    reads: BTreeMap<u64, Reading>,
    /// Reads that wait for new events.
    parked: BTreeSet<u64>,
    /// Reads that wait for a free place among the fetches.
    starved: BTreeSet<u64>,
    /// What was asked of the layer below for reads.
    fetches: BTreeMap<u64, Fetch>,
    /// The segments whose footers were asked for, to be compared by an audit.
    comparing: BTreeMap<u64, u64>,
    subscriptions: Subscriptions,
    audit: Option<Box<Audit>>,
    closers: Vec<CallId>,
    /// Names questions to the layer below, and reads.
    next_token: u64,
    armed: Option<Mono>,
    /// What the layer below has said and is not dealt with; empty between steps.
    #[cfg_attr(feature = "serde", serde(skip))]
    said: VecDeque<segments::Action>,
    /// Kept for its room; empty whenever [`EventStore::tell`] is not at work.
    #[cfg_attr(feature = "serde", serde(skip))]
    answer: Vec<segments::Action>,
}

/// The life of an incarnation.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Stage {
    New,
    Recovering,
    Ready,
    /// The flag: the layer below was told.
    Closing(bool),
    Closed,
    Damaged(Damage),
}

/// An answer that waits for a unit to be proven.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Held {
    call: CallId,
    response: Response,
    basis: Basis,
}

/// What a read waits for.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Fetch {
    /// The event at this position, where it was thought to stand.
    Record {
        read: u64,
        position: u64,
        at: Location,
    },
    Footer {
        read: u64,
        segment: u64,
    },
}

impl EventStore {
    /// A store that has not started; [`Input::Boot`] opens it. Refuses a configuration that is out of bounds.
    pub fn new(config: Config) -> Result<EventStore, ConfigError> {
        config.validate()?;
        let segments = Segments::new(config.segments.clone())?;
        Ok(EventStore {
            config: Arc::new(config),
            segments,
            stage: Stage::New,
            history: History::default(),
            recovery: None,
            replaying: Vec::new(),
            frontiers: Frontiers::default(),
            promised: 0,
            unsure: None,
            sealing: None,
            full: false,
            cursors: Arc::default(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            held: BTreeMap::new(),
            resting: 0,
            awaits: BTreeSet::new(),
            barriers: BTreeMap::new(),
            reads: BTreeMap::new(),
            parked: BTreeSet::new(),
            starved: BTreeSet::new(),
            fetches: BTreeMap::new(),
            comparing: BTreeMap::new(),
            subscriptions: Subscriptions::default(),
            audit: None,
            closers: Vec::new(),
            next_token: 0,
            armed: None,
            said: VecDeque::new(),
            answer: Vec::new(),
        })
    }

    /// The configuration that it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How far the store has come.
    pub fn frontiers(&self) -> Frontiers {
        self.frontiers
    }

    /// What the store is doing.
    pub fn phase(&self) -> Phase {
        match &self.stage {
            Stage::New | Stage::Recovering => Phase::Recovering,
            Stage::Ready if self.full => Phase::Full,
            Stage::Ready => Phase::Ready,
            Stage::Closing(_) => Phase::Closing,
            Stage::Closed => Phase::Closed,
            Stage::Damaged(damage) => Phase::Damaged(damage.clone()),
        }
    }

    fn status(&self, clock: Clock) -> Status {
        Status {
            phase: self.phase(),
            frontiers: self.frontiers,
            recovery: self.recovery.as_deref().cloned(),
            segments: self.segments.segments(),
            entities: self.history.heads.len() as u64,
            wall: clock.wall,
        }
    }

    /// Why calls are not taken now.
    fn closed_to_calls(&self) -> Option<Refusal> {
        match &self.stage {
            Stage::New | Stage::Recovering => Some(Refusal::Recovering),
            Stage::Ready => None,
            Stage::Closing(_) | Stage::Closed => Some(Refusal::Closing),
            Stage::Damaged(damage) => Some(Refusal::Damaged(damage.clone())),
        }
    }

    /// Gives the layer below an input; what it wants of the world is passed on at once, the rest is dealt with later.
    fn tell(&mut self, clock: Clock, input: segments::Input, out: &mut Out) {
        self.segments.step(clock, input, &mut self.answer);
        for action in self.answer.drain(..) {
            match action {
                segments::Action::Disk(id, op) => out.push(Action::Disk(id, op)),
                segments::Action::Arm(timer, window) => out.push(Action::Arm(Timer::Segments(timer), window)),
                segments::Action::Disarm(timer) => out.push(Action::Disarm(Timer::Segments(timer))),
                segments::Action::Mark(mark) => out.push(Action::Mark(mark)),
                other => self.said.push_back(other),
            }
        }
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    /// Arms the timer for the earliest deadline.
    fn set_alarm(&mut self, clock: Clock, out: &mut Out) {
        let queue = self.queue.iter().filter_map(|job| job.deadline).min();
        let reads = self.parked.iter().filter_map(|number| self.reads.get(number)?.deadline).min();
        let earliest = [queue, reads, self.subscriptions.deadline()].into_iter().flatten().min();
        if earliest == self.armed {
            return;
        }
        self.armed = earliest;
        out.push(match earliest {
            Some(at) => Action::Arm(Timer::Deadline, Window::exactly(at.since(clock.mono))),
            None => Action::Disarm(Timer::Deadline),
        });
    }
}

fn mark(out: &mut Out, name: &'static str) {
    out.push(Action::Mark(Mark(name)));
}

fn refuse(out: &mut Out, call: CallId, refusal: Refusal) {
    out.push(Action::Reply(call, Response::Refused(refusal)));
}

impl Machine for EventStore {
    type Input = Input<Never, Timer, Request>;
    type Action = Action<Never, Timer, Response>;

    fn step(&mut self, clock: Clock, input: Self::Input, out: &mut Out) {
        match input {
            Input::Boot if self.stage == Stage::New => {
                self.stage = Stage::Recovering;
                self.tell(clock, segments::Input::Boot, out);
            }
            Input::Disk(id, result) => self.tell(clock, segments::Input::Disk(id, result), out),
            Input::Timer(Timer::Segments(timer)) => self.tell(clock, segments::Input::Timer(timer), out),
            Input::Timer(Timer::Deadline) => {
                self.armed = None;
                self.deadlines(clock, out);
            }
            Input::Call(call, request) => self.call(clock, call, request, out),
            Input::Boot | Input::Opened(_) | Input::Accepted(_) | Input::Closed(..) => {}
            Input::Message(_, never) | Input::Received(_, never) => match never {},
        }
        loop {
            while let Some(said) = self.said.pop_front() {
                self.heard(clock, said, out);
            }
            self.work_off(clock, out);
            if self.said.is_empty() {
                break;
            }
        }
        self.set_alarm(clock, out);
    }
}

impl Node for EventStore {
    type Message = Never;
    type Timer = Timer;
    type Request = Request;
    type Response = Response;
}

/// Whether receipts promise that the power may fail.
fn durable(config: &Config) -> bool {
    config.promise == Promise::Durable
}
