//! The loop engine: one event queue over one [`World`]. It gives every possibility a time, draws what goes wrong from
//! causal keys, performs the plan's entries at theirs, and ends each run with a healing phase in which everything
//! accepted must be answered and new work must be taken. It never looks into a machine and never judges: promises are
//! the protocol's. Invariants: a run is a function of plan, seed and build alone; no hash order, clock or shared
//! random stream takes part; memory does not outlive a run except in buffers that are used again.

mod behind;
mod chains;
pub(crate) mod draw;
mod heal;
mod perform;
mod queue;
mod schedule;
mod watch;

pub use heal::{ACCEPTS_WORK, SETTLES};
pub use perform::STEPS_POSSIBLE;
pub use watch::{Marks, Watch};

pub(crate) use heal::open_call;
#[cfg(madsim)]
pub(crate) use heal::{NOISE, PROBE_GAP, ROUNDS};
#[cfg(madsim)]
pub(crate) use watch::Recorder;

use crate::plan::Rooted;
use behind::Behind;
use chains::Chains;
use onceward_core::{ConnId, Dur, NodeId};
use onceward_model::{
    scenario::{OpKind, Planned, Profile, Scenario},
    world::{Choice, ChoiceOf, Key, Protocol, Side, Time, Violation, When, World, disk::Outcome},
};
use queue::{Queue, Waiting};
use std::collections::{BTreeMap, BTreeSet};

/// How many delivered datagrams the network keeps, in runs in which old ones may arrive again.
const MEMORY: usize = 16;
/// After so many events the whole state is judged once.
const CHECK_EVERY: u64 = 1024;

/// Told how far simulated time has come, so that other clocks can be moved along.
pub trait Ticker {
    /// Simulated time is now `at`; never less than before.
    fn now(&mut self, at: Time);
}

/// Moves nothing along.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTicker;

impl Ticker for NoTicker {
    #[inline]
    fn now(&mut self, _: Time) {}
}

/// Where a run ends at the latest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Simulated time after the end of faults in which the cluster must come to rest, and again for each round of
    /// probes.
    pub settle: Dur,
    /// Events of one run; a cluster that is busy for longer counts as one that never rests.
    pub events: u64,
    /// Stops after this step, without a verdict.
    pub until: Option<u64>,
    /// Whether faults end and the cluster is judged again after the plan.
    pub healing: bool,
    /// How many nodes random faults may keep down at the same time.
    pub down_at_once: u16,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            settle: Dur::secs(600),
            events: 2_000_000,
            until: None,
            healing: true,
            down_at_once: u16::MAX,
        }
    }
}

/// A run that is over.
pub struct Finished<P: Protocol> {
    /// The promise that was broken, if any.
    pub violation: Option<Violation>,
    /// The world as the run left it.
    pub world: World<P>,
    /// Choices performed.
    pub events: u64,
    /// When the faults ended.
    pub healed_at: Time,
    /// When it ended.
    pub ended_at: Time,
}

/// The engine's buffers, used again from run to run.
pub struct Engine<P: Protocol> {
    pub(crate) queue: Queue<ChoiceOf<P>>,
    parked: Vec<(Obstacle, Waiting<ChoiceOf<P>>)>,
    behind: Behind<ChoiceOf<P>>,
    pub(crate) born: Vec<Born<P>>,
    /// When the last thing under way on a direction of a connection arrives: nothing overtakes it.
    streams: BTreeMap<(ConnId, Side), Time>,
    /// When a link of limited bandwidth is free again, by sender and receiver.
    links: Vec<u64>,
    /// The names of the notices of dead peers that wait in the queue.
    notices: BTreeSet<Key>,
    chains: Chains,
}

pub(crate) struct Born<P: Protocol> {
    key: Key,
    choice: ChoiceOf<P>,
    when: When,
}

/// What keeps something from happening for now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Obstacle {
    /// The node is paused.
    Node(NodeId),
    /// The link is cut or held.
    Link(NodeId, NodeId),
    /// The node's clock stands still.
    Clock(NodeId),
}

impl<P: Protocol> Default for Engine<P> {
    fn default() -> Self {
        Engine {
            queue: Queue::new(),
            parked: Vec::new(),
            behind: Behind::new(),
            born: Vec::new(),
            streams: BTreeMap::new(),
            links: Vec::new(),
            notices: BTreeSet::new(),
            chains: Chains::default(),
        }
    }
}

impl<P: Protocol> Engine<P> {
    /// An engine with empty buffers.
    pub fn new() -> Engine<P> {
        Engine::default()
    }

    /// Performs one run of a scenario: its entries at their times, its profile's chances as `seed` gives them, then
    /// healing and the last judgement.
    pub fn run<W: Watch<P>>(
        &mut self,
        protocol: &std::sync::Arc<P>,
        plan: &Rooted<'_, P>,
        limits: &Limits,
        watch: &mut W,
        ticker: &mut impl Ticker,
    ) -> Finished<P> {
        self.queue.clear();
        self.parked.clear();
        self.behind.clear();
        self.born.clear();
        self.streams.clear();
        self.links.clear();
        self.notices.clear();
        self.chains.clear();
        let mut run = Run::new(self, protocol, plan, limits, watch, ticker, false);
        let violation = match run.whole(plan) {
            Ok(()) | Err(Stop::Enough) => None,
            Err(Stop::Broken(violation)) => Some(*violation),
        };
        run.finished(violation)
    }
}

/// How many delivered datagrams the network keeps in runs under this profile.
pub fn memory(profile: &Profile) -> usize {
    if profile.replay > 0 { MEMORY } else { 0 }
}

/// What of a node the plan has changed, to be undone when faults end.
#[derive(Clone, Copy, Default)]
struct Touched {
    clock: bool,
    device: bool,
}

/// Why a run does not go on.
pub(crate) enum Stop {
    Broken(Box<Violation>),
    Enough,
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Stop {
        Stop::Broken(Box::new(violation))
    }
}

pub(crate) struct Run<'a, P: Protocol, W, T> {
    pub(crate) engine: &'a mut Engine<P>,
    pub(crate) world: World<P>,
    pub(crate) seed: u64,
    pub(crate) profile: Profile,
    pub(crate) limits: &'a Limits,
    pub(crate) watch: &'a mut W,
    ticker: &'a mut T,
    pub(crate) now: Time,
    /// How the next operation of a kind ends, as the plan wants it.
    pub(crate) next: Vec<(NodeId, OpKind, Outcome)>,
    touched: Vec<Touched>,
    pub(crate) events: u64,
    pub(crate) healed_at: Time,
}

/// Roots of what no entry of a plan asks for.
pub(crate) mod root {
    pub(crate) const BOOT: u64 = 1 << 40;
    pub(super) const HEAL: u64 = 2 << 40;
    pub(crate) const PROBE: u64 = 3 << 40;
    pub(super) const REVIVE: u64 = 4 << 40;
}

impl<'a, P: Protocol, W: Watch<P>, T: Ticker> Run<'a, P, W, T> {
    /// Before the first step. `outside`: the machines are not the world's own.
    pub(crate) fn new(
        engine: &'a mut Engine<P>,
        protocol: &std::sync::Arc<P>,
        plan: &Rooted<'_, P>,
        limits: &'a Limits,
        watch: &'a mut W,
        ticker: &'a mut T,
        outside: bool,
    ) -> Run<'a, P, W, T> {
        let world = World::new(protocol.clone(), memory(&plan.scenario.profile));
        Run {
            world: if outside { world.outside() } else { world },
            engine,
            seed: plan.seed,
            profile: plan.scenario.profile.clone(),
            limits,
            watch,
            ticker,
            now: Time(0),
            next: Vec::new(),
            touched: vec![Touched::default(); usize::from(protocol.nodes())],
            events: 0,
            healed_at: Time(0),
        }
    }

    pub(crate) fn finished(self, violation: Option<Violation>) -> Finished<P> {
        let Run { world, events, healed_at, now, .. } = self;
        Finished { violation, world, events, healed_at, ended_at: now }
    }

    fn whole(&mut self, plan: &Rooted<'_, P>) -> Result<(), Stop> {
        // Where every step is named, so are the first ones.
        for n in 0..if plan.is_exact() { 0 } else { self.world.protocol().nodes() } {
            let key = Key::root(self.seed, root::BOOT + u64::from(n));
            self.perform(key, &Choice::Boot(NodeId(n), 0))?;
        }
        self.faults(plan)?;
        self.world.check()?;
        if !self.limits.healing {
            return Ok(());
        }
        self.healed_at = self.now;
        self.heal()
    }

    /// The plan's entries at their times, and in between whatever is due. A plan with exact steps says all that happens
    /// until its end.
    fn faults(&mut self, plan: &Rooted<'_, P>) -> Result<(), Stop> {
        for (nth, (entry, key)) in plan.entries().enumerate() {
            if plan.is_exact() {
                self.go_to(entry.at);
                self.exact(entry, nth)?;
                continue;
            }
            self.up_to(entry.at)?;
            self.go_to(entry.at);
            match &entry.what {
                Planned::Do(choice) => self.planned(key, choice)?,
                Planned::Next(node, kind, outcome) => self.next.push((*node, *kind, outcome.clone())),
                Planned::Step(_) => {}
            }
        }
        if !self.limits.healing {
            return Ok(());
        }
        self.up_to(self.now.after(linger(plan.scenario)))
    }

    /// Everything that is due before `end`.
    fn up_to(&mut self, end: Time) -> Result<(), Stop> {
        while self.engine.queue.next_at().is_some_and(|at| at < end) {
            let Some((at, waiting)) = self.engine.queue.pop() else { break };
            if self.events >= self.limits.events {
                return Err(self.unsettled(heal::SETTLES).into());
            }
            self.go_to(at);
            self.happen(waiting)?;
        }
        Ok(())
    }

    pub(crate) fn go_to(&mut self, at: Time) {
        self.now = self.now.max(at);
        self.ticker.now(self.now);
    }
}

/// How long faults go on after the last entry of a plan: until what it set off has mostly happened.
pub(crate) fn linger<P: Protocol>(scenario: &Scenario<P>) -> Dur {
    let profile = &scenario.profile;
    let longest = profile.network.1.max(profile.disk.1).max(profile.tail_max);
    let longest = if profile.untimed || profile.priorities { Dur::secs(1) } else { longest };
    Dur(longest.0.saturating_mul(4).min(Dur::secs(5).0))
}
