//! What the simulator promises about itself: that its random runs are runs in which something happens. Each promise is
//! a check over a few hundred runs of the toy. They run as tests; the mutants of the [simulator](crate::mutants) and of
//! the simulated disk are switched on against them, one at a time.

mod census;

use crate::{
    batch::{self, Lane, Options},
    catalog::Catalog,
    engine::{Engine, Finished, Limits, NoTicker, SETTLES, Watch},
    plan::{self, Drawn, Rooted},
    run::{How, Job, Outcome, Replay, SwarmJob, Worker},
    validate,
};
use census::{Census, Kind};
use onceward_core::Dur;
use onceward_model::{
    mutants, scenario,
    system::System,
    toy::{Toy, ToySystem},
    trace::{self, Chain},
    world::{Key, Nobody, Seen},
};
use std::{collections::BTreeSet, fs};

/// One promise of the simulator, or of the simulated disk.
#[derive(Clone, Copy)]
pub struct SelfTest {
    /// Its name.
    pub name: &'static str,
    /// The promise in one sentence.
    pub says: &'static str,
    /// Looks; the error says what was seen instead.
    pub check: fn() -> Result<(), String>,
}

const OWN: &[SelfTest] = &[
    SelfTest { name: "faults-happen", says: "Random runs meet every kind of fault.", check: faults_happen },
    SelfTest {
        name: "clocks-differ",
        says: "Clocks run apart, jump, and stand still.",
        check: clocks_differ,
    },
    SelfTest {
        name: "faults-meet-work",
        says: "Faults strike while calls are open, not before or after.",
        check: faults_meet_work,
    },
    SelfTest {
        name: "seeds-are-different-runs",
        says: "A batch runs each of its seeds once, and no two are the same run.",
        check: seeds_are_different_runs,
    },
    SelfTest {
        name: "entries-are-independent",
        says: "Removing an entry of a plan, or printing and reading it, changes nothing about the others.",
        check: entries_are_independent,
    },
    SelfTest {
        name: "healing-judges",
        says: "A cluster that has not come to rest in the time it has is a failure.",
        check: healing_judges,
    },
    SelfTest {
        name: "traces-are-whole",
        says: "The trace of a run, performed step by step, is that run.",
        check: traces_are_whole,
    },
    SelfTest {
        name: "nothing-is-no-evidence",
        says: "A recording in which nothing happened proves nothing, and is refused.",
        check: nothing_is_no_evidence,
    },
];

/// Every promise, those of the simulated disk and of the oracles among them.
pub fn all() -> Vec<SelfTest> {
    let judges = mutants::promises().map(|p| SelfTest { name: p.name, says: p.what, check: p.check });
    OWN.iter().copied().chain(judges).collect()
}

const SEEDS: std::ops::Range<u64> = 1..401;

fn drawn(seed: u64) -> Result<Drawn<Toy>, String> {
    plan::draw::<ToySystem>(seed)
}

fn run<W: Watch<Toy>>(drawn: &Drawn<Toy>, seed: u64, limits: &Limits, watch: &mut W) -> Finished<Toy> {
    let plan = Rooted::new(&drawn.scenario, seed);
    Engine::new().run(&drawn.protocol, &plan, limits, watch, &mut NoTicker)
}

fn census() -> Result<Census, String> {
    let mut census = Census::default();
    for seed in SEEDS {
        run(&drawn(seed)?, seed, &Limits::default(), &mut census);
        census.end();
    }
    Ok(census)
}

fn faults_happen() -> Result<(), String> {
    let census = census()?;
    let missing: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| census.of(*kind) == 0).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("never in {} runs: {missing:?}", SEEDS.end - 1)) }
}

fn clocks_differ() -> Result<(), String> {
    let Census { wall_ahead, wall_behind, mono_apart, .. } = census()?;
    let seen = [("ahead", wall_ahead), ("behind", wall_behind), ("at another speed", mono_apart)];
    match seen.iter().find(|(_, times)| *times == 0) {
        Some((how, _)) => Err(format!("no machine ever saw a clock that was {how}")),
        None => Ok(()),
    }
}

fn faults_meet_work() -> Result<(), String> {
    let Census { faults, faults_at_work, .. } = census()?;
    if faults_at_work * 5 >= faults && faults > 0 {
        return Ok(());
    }
    Err(format!("of {faults} faults only {faults_at_work} struck while a call was open"))
}

/// Does nothing but count.
struct Counting;

impl Job for Counting {
    fn name(&self) -> &str {
        "counting"
    }
    fn system(&self) -> &'static str {
        "counting"
    }
    fn is_swarm(&self) -> bool {
        true
    }
    fn must_break(&self) -> Option<&str> {
        None
    }
    fn must_reach(&self) -> Vec<&str> {
        Vec::new()
    }
    fn seed(&self) -> u64 {
        1
    }
    fn is_certain(&self) -> bool {
        false
    }
    fn about(&self) -> &str {
        ""
    }
    fn worker(&self) -> Box<dyn Worker + '_> {
        Box::new(Counting)
    }
}

impl Worker for Counting {
    fn run(&mut self, seed: u64) -> Outcome {
        Outcome {
            seed,
            violation: None,
            events: 1,
            simulated: Dur(1),
            chain: Chain::START,
            marks: crate::engine::Marks::default(),
        }
    }
    fn links(&mut self, seed: u64) -> (Outcome, Vec<(Seen, Chain)>) {
        (self.run(seed), Vec::new())
    }
    fn replay(&mut self, _: u64, _: &How<'_>) -> Result<Replay, String> {
        Err("this job only counts".into())
    }
}

fn seeds_are_different_runs() -> Result<(), String> {
    let options = Options::new(2);
    let lanes = [Lane { job: Box::new(Counting), seeds: 5..505 }];
    let results = batch::run(&lanes, &options, &|_| ());
    if results.tallies[0].runs != 500 {
        return Err(format!("500 seeds were counted as {}", results.tallies[0].runs));
    }
    let job = SwarmJob::<ToySystem>::new();
    let mut worker = job.worker();
    let chains: BTreeSet<Chain> = SEEDS.map(|seed| worker.run(seed).chain).collect();
    let runs = SEEDS.count();
    if chains.len() == runs {
        Ok(())
    } else {
        Err(format!("{runs} seeds gave {} different runs", chains.len()))
    }
}

fn entries_are_independent() -> Result<(), String> {
    for seed in 1..40 {
        let Drawn { protocol, mut scenario, .. } = drawn(seed)?;
        let keys = |plan: &Rooted<'_, Toy>| plan.entries().map(|(_, key)| key).collect::<Vec<Key>>();
        let before = keys(&Rooted::new(&scenario, seed));
        let text = scenario::print(&*protocol, &scenario);
        let read = scenario::parse::<ToySystem>(&text).map_err(|error| error.to_string())?;
        if keys(&Rooted::new(&read, seed)) != before {
            return Err(format!("seed {seed}: the plan's text has other roots than the plan"));
        }
        scenario.entries.remove(0);
        if keys(&Rooted::new(&scenario, seed)) != before[1..] {
            return Err(format!("seed {seed}: without its first entry the others have other roots"));
        }
    }
    Ok(())
}

fn healing_judges() -> Result<(), String> {
    let limits = Limits { settle: Dur(1), ..Limits::default() };
    for seed in SEEDS {
        let violation = run(&drawn(seed)?, seed, &limits, &mut Nobody).violation;
        if violation.is_some_and(|violation| violation.promise == SETTLES) {
            return Ok(());
        }
    }
    Err("clusters with a nanosecond to come to rest all did".into())
}

fn traces_are_whole() -> Result<(), String> {
    let job = SwarmJob::<ToySystem>::new();
    let mut worker = job.worker();
    for seed in SEEDS.take(40) {
        let run = worker.replay(seed, &How::default())?;
        let again =
            trace::replay::<ToySystem>(&run.trace).map_err(|error| format!("seed {seed}: {error}"))?;
        if again.chain != run.outcome.chain {
            return Err(format!("seed {seed}: the trace's run ends elsewhere"));
        }
    }
    Ok(())
}

fn nothing_is_no_evidence() -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("onceward-nothing-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let catalog = Catalog::shipped();
    let believed = catalog.all().find(|it| it.validate(&folder, &validate::Options::default()).is_ok());
    fs::remove_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    match believed {
        Some(system) => Err(format!("a recording of {} without a single step was accepted", system.name())),
        None => Ok(()),
    }
}

/// The name of the system that self-tests run.
pub const SYSTEM: &str = ToySystem::NAME;
