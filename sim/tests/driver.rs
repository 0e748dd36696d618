//! What the shell engine notices of a driver's bugs: each known one is seen by the promise that it breaks, and none is
//! seen in the driver as it is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward_sim::{
    run::{Job, ScenarioJob, host::MADSIM},
    shell::fragile::{FragileSystem, TEXT},
    support::Kind,
};

fn fragile() -> Option<&'static str> {
    let job = ScenarioJob::<FragileSystem>::read("fragile.scenario", TEXT).unwrap();
    let outcome = job.worker_in(Kind::Shell).unwrap().run(1);
    outcome.violation.map(|violation| violation.promise)
}

#[cfg(not(feature = "mutants"))]
#[test]
fn a_panic_of_a_machine_is_a_finding_and_its_callers_are_answered_all_the_same() {
    if MADSIM {
        assert_eq!(fragile(), Some(onceward_sim::run::NEVER_PANICS));
    }
}

/// One test, for only one bug can be switched on at a time in a process.
#[cfg(feature = "mutants")]
#[test]
fn each_known_bug_of_the_driver_is_seen() {
    use onceward::mutants::Mutant;
    use onceward_model::{
        systems::{log::LogSystem, writer::WriterSystem},
        toy::ToySystem,
    };
    use onceward_sim::run::SwarmJob;

    if !MADSIM {
        return;
    }
    let systems: [Box<dyn Job>; 3] = [
        Box::new(SwarmJob::<ToySystem>::new()),
        Box::new(SwarmJob::<LogSystem>::new()),
        Box::new(SwarmJob::<WriterSystem>::new()),
    ];
    for mutant in Mutant::ALL {
        mutant.activate();
        let about = mutant.about();
        let mut by = fragile().filter(|promise| *promise == about.kills).map(|_| "fragile".to_owned());
        for job in &systems {
            let mut worker = job.worker_in(Kind::Shell).unwrap();
            let found = (1..=100).find(|seed| {
                worker.run(*seed).violation.is_some_and(|violation| violation.promise == about.kills)
            });
            by = by.or(found.map(|seed| format!("{}, seed {seed}", job.name())));
        }
        println!("{}: {by:?}", about.name);
        assert!(by.is_some(), "{} is not seen to break {}", about.name, about.kills);
    }
}
