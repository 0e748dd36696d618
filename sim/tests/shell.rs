//! The shell engine: the real driver keeps every promise that the machines keep, in every shipped scenario that it can
//! perform and under random plans; it is as deterministic as the loop; and what it cannot perform it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use onceward_model::{
    systems::{log::LogSystem, pipeline::PipelineSystem, reader::ReaderSystem, writer::WriterSystem},
    toy::ToySystem,
};
use onceward_sim::{
    catalog::Catalog,
    run::{Job, SwarmJob, host::MADSIM},
    support::Kind,
};
use support::{failure_of, shipped};

#[test]
fn every_shipped_scenario_passes_with_the_real_driver() {
    if !MADSIM {
        return;
    }
    let catalog = Catalog::shipped();
    let mut performed = 0;
    for (name, text) in shipped() {
        let job = catalog.read(&name, text.as_bytes()).unwrap();
        let Ok(mut worker) = job.worker_in(Kind::Shell) else { continue };
        for seed in job.seed()..job.seed() + 5 {
            let outcome = worker.run(seed);
            assert_eq!(failure_of(&*job, &outcome), None, "{name}, seed {seed}");
        }
        performed += 1;
    }
    assert!(performed >= 10, "only {performed} of the shipped scenarios can be performed");
}

fn swarm(job: &dyn Job, seeds: std::ops::Range<u64>) {
    if !MADSIM {
        return;
    }
    let (mut worker, mut again) = (job.worker_in(Kind::Shell).unwrap(), job.worker_in(Kind::Shell).unwrap());
    for seed in seeds {
        let outcome = worker.run(seed);
        if seed % 4 == 0 {
            let second = again.run(seed);
            assert_eq!((outcome.chain, outcome.events), (second.chain, second.events), "seed {seed}");
        }
        assert_eq!(failure_of(job, &outcome), None, "seed {seed}");
    }
}

#[test]
fn random_plans_for_a_cluster_with_a_network_and_timers_find_nothing_and_are_repeatable() {
    swarm(&SwarmJob::<ToySystem>::new(), 1..60);
}

#[test]
fn random_plans_for_the_event_store_find_nothing_and_are_repeatable() {
    // Among them some in which several answers and a shutdown are under way at once: 77, 109, 126.
    swarm(&SwarmJob::<LogSystem>::new(), 1..160);
}

#[test]
fn random_plans_for_writers_find_nothing_and_are_repeatable() {
    swarm(&SwarmJob::<WriterSystem>::new(), 1..160);
}

#[test]
fn random_plans_for_readers_find_nothing_and_are_repeatable() {
    swarm(&SwarmJob::<ReaderSystem>::new(), 1..160);
}

#[test]
fn random_plans_for_the_pipeline_find_nothing_and_are_repeatable() {
    swarm(&SwarmJob::<PipelineSystem>::new(), 1..100);
}

#[test]
fn exact_steps_are_refused_at_their_lines() {
    let text = "system toy\ncluster server client\nprofile none\n\nat 1ms client-1 adds\nstep deliver add-0 from client-1 to server\n\
                at 2ms server is killed\n";
    let job = Catalog::shipped().read("steps.scenario", text.as_bytes()).unwrap();
    insta::assert_snapshot!(job.worker_in(Kind::Shell).err().unwrap());
}

#[test]
fn a_plan_that_leaves_steps_to_chance_is_refused_by_the_check_engine() {
    let text = "system log\ncluster store client\nprofile rough\n\nat 1ms next write of store fails with EIO\n\
                at 1ms client-1 appends a \"x\"\n";
    let job = Catalog::shipped().read("chance.scenario", text.as_bytes()).unwrap();
    insta::assert_snapshot!(job.worker_in(Kind::Check).err().unwrap());
    insta::assert_snapshot!(SwarmJob::<LogSystem>::new().worker_in(Kind::Check).err().unwrap());
}
