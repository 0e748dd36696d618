//! Something that can be run under many seeds: a written scenario, or the plans that each seed draws. A job hides the
//! protocol's types, so that batches, commands and reports are written once for all systems.

use super::{
    NEVER_PANICS, Outcome, host, panics,
    watch::{Glance, Record},
};
use crate::{
    engine::{self, Engine, Finished, Limits, Watch},
    explore::{EPISODE, Guided, Scout, Strategy},
    minimise,
    picture::{Camera, Frame, Recording},
    plan::{self, Rooted},
    real, shell,
    support::{self, Kind},
};
use onceward_core::{Dur, NodeId};
use onceward_model::{
    scenario::{self, Expect, Scenario, ScenarioError},
    system::System,
    trace::{Chain, Recorder, Trace, TraceHeader},
    world::{Protocol, Seen, Violation},
};
use std::{
    marker::PhantomData,
    sync::{Arc, Mutex},
};

/// The promise that a system accepts what it draws itself.
const DRAWS_SOUNDLY: &str = "draws-soundly";

/// The promise that an engine can carry a run out at all, whatever comes of it.
const ENGINE_RUNS: &str = "engine-runs";

/// Something that can be run under many seeds.
pub trait Job: Send + Sync {
    /// What it is called in reports: a scenario's name, or the system's for random plans.
    fn name(&self) -> &str;

    /// The name of the system that it is about.
    fn system(&self) -> &'static str;

    /// Whether each seed draws a plan of its own.
    fn is_swarm(&self) -> bool;

    /// How it explores, if each seed draws a plan of its own.
    fn strategy(&self) -> Strategy {
        Strategy::Plain
    }

    /// How many seeds belong together, from each multiple of that number on: what one of them stands for depends on those
    /// before it, so that one worker had better run them all, in order.
    fn together(&self) -> u64 {
        if self.strategy().learns() { EPISODE } else { 1 }
    }

    /// The promise that its runs must break, where that is what it is about.
    fn must_break(&self) -> Option<&str>;

    /// Marks that its runs must reach.
    fn must_reach(&self) -> Vec<&str>;

    /// The seed that it names itself.
    fn seed(&self) -> u64;

    /// Whether nothing is left to chance, so that all seeds give the same run.
    fn is_certain(&self) -> bool;

    /// What it shows.
    fn about(&self) -> &str;

    /// Something to run it with, for one thread.
    fn worker(&self) -> Box<dyn Worker + '_>;

    /// A scenario for the same system, if there is one and the text is sound.
    fn other(&self, _name: &str, _text: &str) -> Option<Box<dyn Job>> {
        None
    }

    /// The same, in another engine.
    ///
    /// # Errors
    /// The engine cannot perform it: what stands in its way, and where.
    fn worker_in(&self, engine: Kind) -> Result<Box<dyn Worker + '_>, String> {
        match engine {
            Kind::Loop => Ok(self.worker()),
            other => Err(format!("{} is not for the {} engine", self.name(), other.name())),
        }
    }
}

/// Runs a job, one seed after the other, in one thread.
pub trait Worker {
    /// Runs one seed.
    fn run(&mut self, seed: u64) -> Outcome;

    /// Runs one seed and keeps each link of its chain.
    fn links(&mut self, seed: u64) -> (Outcome, Vec<(Seen, Chain)>);

    /// Makes the failure of a seed as small as it gets.
    ///
    /// # Errors
    /// The seed does not fail, or what fails cannot be said as text.
    fn shrink(
        &mut self,
        seed: u64,
        origin: &str,
        options: &mut minimise::Options<'_>,
    ) -> Result<Smaller, String> {
        let _ = (seed, origin, options);
        Err("what fails here has no text".into())
    }

    /// Looks for the closest run that passes to a seed that fails.
    ///
    /// # Errors
    /// The seed does not fail, or what fails cannot be said as text.
    fn nearest(&mut self, seed: u64) -> Result<minimise::Nearest, String> {
        let _ = seed;
        Err("what fails here has no text".into())
    }

    /// Runs one seed, up to a step if one is named, and keeps what people want to see of it.
    fn replay(&mut self, seed: u64, how: &How<'_>) -> Result<Replay, String>;

    /// Runs one seed once more and takes a picture of what lies in the frame, up to a step if one is named.
    ///
    /// # Errors
    /// There is no plan, or the engine does not show what its machines do.
    fn picture(&mut self, seed: u64, _frame: &Frame, _until: Option<u64>) -> Result<Recording, String> {
        Err(format!("there is nothing to be seen of seed {seed}"))
    }
}

/// How far a run is performed again, and what is shown of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct How<'a> {
    /// Stop after this step.
    pub until: Option<u64>,
    /// Show the state of this node at the end.
    pub inspect: Option<&'a str>,
    /// Write each step down here before it is performed, for somebody who looks on.
    pub last: Option<&'a Mutex<Option<(Seen, String)>>>,
}

/// A run as people want to see it.
#[derive(Debug)]
pub struct Replay {
    /// How it ended.
    pub outcome: Outcome,
    /// The plan as scenario text.
    pub plan: String,
    /// The run, step by step.
    pub trace: Trace,
    /// The state of the node that was asked for.
    pub inspected: Option<String>,
}

/// What has become of a failure, and how what is left of it fails.
pub type Smaller = (minimise::Shrunk, Violation);

/// Plans drawn from seeds.
pub struct SwarmJob<S> {
    strategy: Strategy,
    system: PhantomData<fn() -> S>,
}

impl<S> SwarmJob<S> {
    /// Plans for a system.
    pub fn new() -> SwarmJob<S> {
        SwarmJob::exploring(Strategy::default())
    }

    /// Plans for a system, by another strategy.
    pub fn exploring(strategy: Strategy) -> SwarmJob<S> {
        SwarmJob { strategy, system: PhantomData }
    }
}

impl<S> Default for SwarmJob<S> {
    fn default() -> Self {
        SwarmJob::new()
    }
}

impl<S: System> Job for SwarmJob<S> {
    fn name(&self) -> &str {
        S::NAME
    }
    fn system(&self) -> &'static str {
        S::NAME
    }
    fn is_swarm(&self) -> bool {
        true
    }
    fn strategy(&self) -> Strategy {
        self.strategy
    }
    fn must_break(&self) -> Option<&str> {
        None
    }
    fn must_reach(&self) -> Vec<&str> {
        S::marks().to_vec()
    }
    fn seed(&self) -> u64 {
        1
    }
    fn is_certain(&self) -> bool {
        false
    }
    fn about(&self) -> &str {
        S::ABOUT
    }
    fn other(&self, name: &str, text: &str) -> Option<Box<dyn Job>> {
        Some(Box::new(ScenarioJob::<S>::read(name, text).ok()?))
    }
    fn worker(&self) -> Box<dyn Worker + '_> {
        Box::new(Runner::<S>::new(Plan::by(self.strategy), Kind::Loop))
    }
    fn worker_in(&self, engine: Kind) -> Result<Box<dyn Worker + '_>, String> {
        support::refuse_swarm(engine)?;
        if self.strategy.learns() && engine != Kind::Loop {
            return Err(format!(
                "what a seed stands for under `{}` is learned in the loop engine: replay the plan's text in the {} engine",
                self.strategy,
                engine.name()
            ));
        }
        Ok(Box::new(Runner::<S>::new(Plan::by(self.strategy), engine)))
    }
}

/// A written scenario.
pub struct ScenarioJob<S> {
    name: String,
    /// Each thread reads it for itself: a protocol's requests need not be sendable.
    text: String,
    about: String,
    seed: u64,
    certain: bool,
    expect: Vec<Expect>,
    system: PhantomData<fn() -> S>,
}

impl<S: System> ScenarioJob<S> {
    /// Reads a scenario.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn read(name: &str, text: &str) -> Result<ScenarioJob<S>, ScenarioError> {
        let Scenario { about, profile, seed, expect, .. } = scenario::parse::<S>(text)?;
        let (certain, name, text) = (profile.is_certain(), name.into(), text.into());
        Ok(ScenarioJob { name, text, about, seed, certain, expect, system: PhantomData })
    }
}

impl<S: System> Job for ScenarioJob<S> {
    fn name(&self) -> &str {
        &self.name
    }
    fn system(&self) -> &'static str {
        S::NAME
    }
    fn is_swarm(&self) -> bool {
        false
    }
    fn must_break(&self) -> Option<&str> {
        self.expect.iter().find_map(|expect| match expect {
            Expect::Violates(promise) => Some(&**promise),
            Expect::Holds(_) | Expect::Reaches(_) => None,
        })
    }
    fn must_reach(&self) -> Vec<&str> {
        let marks = self.expect.iter().filter_map(|expect| match expect {
            Expect::Reaches(mark) => Some(&**mark),
            Expect::Holds(_) | Expect::Violates(_) => None,
        });
        marks.collect()
    }
    fn seed(&self) -> u64 {
        self.seed
    }
    fn is_certain(&self) -> bool {
        self.certain
    }
    fn about(&self) -> &str {
        &self.about
    }
    fn other(&self, name: &str, text: &str) -> Option<Box<dyn Job>> {
        Some(Box::new(ScenarioJob::<S>::read(name, text).ok()?))
    }
    fn worker(&self) -> Box<dyn Worker + '_> {
        let written = scenario::load::<S>(&self.text).map_err(|error| error.in_file(&self.name).to_string());
        Box::new(Runner::<S>::new(Plan::Written(Box::new(written)), Kind::Loop))
    }
    fn worker_in(&self, engine: Kind) -> Result<Box<dyn Worker + '_>, String> {
        let named = |error: ScenarioError| error.in_file(&self.name).to_string();
        let (loaded, places) = scenario::load_placed::<S>(&self.text).map_err(named)?;
        support::refuse::<S>(engine, &self.text, &loaded.1, &places).map_err(named)?;
        Ok(Box::new(Runner::<S>::new(Plan::Written(Box::new(Ok(loaded))), engine)))
    }
}

/// Where plans come from.
enum Plan<S: System> {
    Drawn(Strategy),
    /// By what was learned from the runs before.
    Learned(Box<Guided<S>>),
    /// The same for every seed.
    Written(Box<Result<scenario::Loaded<S::Protocol>, String>>),
}

impl<S: System> Plan<S> {
    fn by(strategy: Strategy) -> Plan<S> {
        if strategy.learns() { Plan::Learned(Box::new(Guided::new(strategy))) } else { Plan::Drawn(strategy) }
    }
}

struct Runner<S: System> {
    plan: Plan<S>,
    kind: Kind,
    engine: Engine<S::Protocol>,
    limits: Limits,
}

/// Everything about one run that does not hang on who watches.
struct Prepared<'a, P: Protocol> {
    protocol: Arc<P>,
    plan: Rooted<'a, P>,
    limits: Limits,
}

impl<P: Protocol> Prepared<'_, P> {
    fn header(&self) -> TraceHeader {
        TraceHeader {
            build: format!("onceward-sim {}", env!("CARGO_PKG_VERSION")),
            seed: self.plan.seed,
            memory: engine::memory(&self.plan.scenario.profile),
            scenario: scenario::print(&*self.protocol, self.plan.scenario),
        }
    }
}

impl<S: System> Runner<S> {
    fn new(plan: Plan<S>, kind: Kind) -> Runner<S> {
        let limits = Limits { healing: kind != Kind::Check, ..Limits::default() };
        Runner { plan, kind, engine: Engine::new(), limits }
    }

    /// Draws or takes the plan of a seed and does something with it.
    fn prepare<R>(
        &mut self,
        seed: u64,
        then: impl FnOnce(&mut Engine<S::Protocol>, Prepared<'_, S::Protocol>) -> R,
    ) -> Result<R, String> {
        let with = self.limits;
        let limits =
            |protocol: &S::Protocol| Limits { down_at_once: S::allowed(protocol).down_at_once, ..with };
        let learned;
        let (protocol, plan) = match &mut self.plan {
            Plan::Written(written) => {
                let (protocol, scenario) = (**written).as_ref().map_err(Clone::clone)?;
                (protocol.clone(), Rooted::new(scenario, seed))
            }
            Plan::Drawn(strategy) => {
                let mut drawn = plan::draw::<S>(seed)?;
                if *strategy == Strategy::Pct {
                    plan::prioritise(&mut drawn.scenario);
                }
                let limits = limits(&drawn.protocol);
                let plan = Rooted::new(&drawn.scenario, seed);
                return Ok(then(&mut self.engine, Prepared { protocol: drawn.protocol, plan, limits }));
            }
            Plan::Learned(guided) => {
                learned = guided.propose(seed)?;
                (learned.protocol.clone(), Rooted::new(&learned.scenario, learned.scenario.seed))
            }
        };
        let limits = limits(&protocol);
        Ok(then(&mut self.engine, Prepared { protocol, plan, limits }))
    }

    /// Runs what must be learned from before there is a plan for a seed.
    fn catch_up(&mut self, seed: u64) {
        while let Plan::Learned(guided) = &mut self.plan
            && let Some(missing) = guided.missing(seed)
        {
            self.explore(missing);
        }
    }

    /// Runs a seed and learns from it. What must be learned before has been.
    fn explore(&mut self, seed: u64) -> Outcome {
        let Plan::Learned(guided) = &mut self.plan else { return self.outcome(seed, Glance::default()).0 };
        let mut features = guided.take();
        let mut scout = Scout { glance: Glance::default(), features: &mut features };
        let finished = self.watched(seed, &mut scout);
        let outcome = outcome::<S>(seed, &finished, &mut scout.glance);
        if let Plan::Learned(guided) = &mut self.plan {
            guided.learn(seed, features, &outcome.marks, outcome.violation.is_some());
        }
        outcome
    }

    fn watched<W: Watch<S::Protocol> + Send>(
        &mut self,
        seed: u64,
        watch: &mut W,
    ) -> Result<Finished<S::Protocol>, Violation> {
        let kind = self.kind;
        let run = || {
            self.prepare(seed, |engine, Prepared { protocol, plan, limits }| match kind {
                Kind::Shell => shell::run(&protocol, &plan, &limits, watch),
                Kind::Real => real::run::<S, W>(&protocol, &plan, watch).map_err(|error| error.to_string()),
                _ => Ok(host::inside(plan.seed, |host| engine.run(&protocol, &plan, &limits, watch, host))),
            })
        };
        // A thread of its own for each run of drivers: `HashMap`'s keys are drawn once for each thread.
        let ended = if kind == Kind::Shell { host::fresh(|| panics::catch(run)) } else { panics::catch(run) };
        match ended {
            Ok(Ok(Ok(finished))) => Ok(finished),
            Ok(Ok(Err(what))) => Err(Violation::new(ENGINE_RUNS, what)),
            Ok(Err(what)) => Err(Violation::new(DRAWS_SOUNDLY, what)),
            Err(words) => {
                // Its buffers may be half way through something.
                self.engine = Engine::new();
                Err(Violation::new(NEVER_PANICS, words))
            }
        }
    }
}

impl<S: System> Runner<S> {
    fn outcome(&mut self, seed: u64, mut glance: Glance) -> (Outcome, Glance) {
        let finished = self.watched(seed, &mut glance);
        let outcome = outcome::<S>(seed, &finished, &mut glance);
        (outcome, glance)
    }
}

fn outcome<S: System>(
    seed: u64,
    finished: &Result<Finished<S::Protocol>, Violation>,
    glance: &mut Glance,
) -> Outcome {
    let (violation, events, ended_at) = match finished {
        Ok(finished) => (finished.violation.clone(), finished.events, finished.ended_at),
        Err(violation) => (Some(violation.clone()), glance.last.step, glance.last.at),
    };
    let marks = std::mem::take(&mut glance.marks);
    Outcome { seed, violation, events, simulated: Dur(ended_at.0), chain: glance.hash.chain(), marks }
}

impl<S: System> Worker for Runner<S> {
    fn run(&mut self, seed: u64) -> Outcome {
        self.catch_up(seed);
        self.explore(seed)
    }

    fn links(&mut self, seed: u64) -> (Outcome, Vec<(Seen, Chain)>) {
        self.catch_up(seed);
        let (outcome, glance) = self.outcome(seed, Glance::keeping());
        (outcome, glance.links.unwrap_or_default())
    }

    fn shrink(
        &mut self,
        seed: u64,
        origin: &str,
        options: &mut minimise::Options<'_>,
    ) -> Result<Smaller, String> {
        self.catch_up(seed);
        self.prepare(seed, |_, Prepared { protocol, plan, .. }| {
            let failing = Scenario { seed: plan.seed, ..plan.scenario.clone() };
            minimise::shrink::<S>(&protocol, &failing, origin, options)
        })?
    }

    fn nearest(&mut self, seed: u64) -> Result<minimise::Nearest, String> {
        if self.kind != Kind::Loop {
            return Err("only the loop engine looks for the closest run that passes".into());
        }
        self.catch_up(seed);
        self.prepare(seed, |_, Prepared { protocol, plan, .. }| {
            minimise::nearest::<S>(&protocol, &Scenario { seed: plan.seed, ..plan.scenario.clone() })
        })?
    }

    fn replay(&mut self, seed: u64, how: &How<'_>) -> Result<Replay, String> {
        self.catch_up(seed);
        let recorder =
            self.prepare(seed, |_, prepared| Recorder::new(&prepared.protocol, prepared.header()))?;
        let plan = recorder.header().scenario.clone();
        let mut record = Record::new(recorder, how.last);
        let limits = self.limits;
        self.limits.until = how.until;
        let finished = self.watched(seed, &mut record);
        self.limits = limits;
        let (mut glance, trace) = record.finish(finished.as_ref().ok().map(|finished| &finished.world));
        let outcome = outcome::<S>(seed, &finished, &mut glance);
        let inspected = match (how.inspect, &finished) {
            (Some(name), Ok(finished)) => Some(inspected(finished, name)?),
            _ => None,
        };
        Ok(Replay { outcome, plan, trace, inspected })
    }

    fn picture(&mut self, seed: u64, frame: &Frame, until: Option<u64>) -> Result<Recording, String> {
        if matches!(self.kind, Kind::Shell | Kind::Real) {
            return Err("a picture needs an engine whose machines can be looked into: loop or check".into());
        }
        self.catch_up(seed);
        let (frame, limits) = (frame.clone(), self.limits);
        let mut camera =
            self.prepare(seed, |_, prepared| Camera::new(&prepared.protocol, prepared.header(), frame))?;
        self.limits.until = until;
        let finished = self.watched(seed, &mut camera);
        self.limits = limits;
        let (world, violation) = match &finished {
            Ok(finished) => (Some(&finished.world), finished.violation.as_ref()),
            Err(violation) => (None, Some(violation)),
        };
        let broken = violation.map(|violation| (violation, says::<S>(violation.promise)));
        Ok(camera.finish(world, broken))
    }
}

/// What a promise says: a system's own, or one that every engine checks for every system.
fn says<S: System>(promise: &str) -> &'static str {
    let all = S::promises().iter().chain(&scenario::GENERAL_PROMISES);
    all.into_iter().find(|known| known.id == promise).map_or("", |known| known.says)
}

fn inspected<P: Protocol>(finished: &Finished<P>, name: &str) -> Result<String, String> {
    let protocol = finished.world.protocol();
    let names: Vec<String> = (0..protocol.nodes()).map(|n| protocol.node_name(NodeId(n))).collect();
    let Some(at) = names.iter().position(|known| known == name) else {
        return Err(scenario::unknown("node", name, names.iter().map(|name| &**name)));
    };
    let host = finished.world.host(NodeId(at as u16));
    let clock = finished.world.clock(NodeId(at as u16), finished.ended_at);
    let state = match &host.node {
        None if host.powered => "the process is down".to_owned(),
        None => "the computer has no power".to_owned(),
        Some(node) => format!("{node:#?}"),
    };
    let files = host.disk.cache_image().files;
    let files: Vec<String> =
        files.iter().map(|(path, bytes)| format!("{path} ({} bytes)", bytes.len())).collect();
    let paused = if host.paused { "paused, " } else { "" };
    Ok(format!(
        "{name} after step {}: {paused}{clock:?}\nfiles: {}\n{state}",
        finished.world.steps(),
        files.join(", ")
    ))
}
