//! Random plans for the toy: no false alarm, the same run every time, and every interesting place reached.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward_model::toy::ToySystem;
use onceward_sim::{
    engine::Marks,
    run::{How, Job, SwarmJob, compare},
};

#[test]
fn the_toy_keeps_its_promises_and_all_marks_are_reached() {
    let job = SwarmJob::<ToySystem>::new();
    let mut worker = job.worker();
    let (mut marks, mut events, mut simulated) = (Marks::default(), 0, 0);
    let start = std::time::Instant::now();
    for seed in 1..=300 {
        let outcome = worker.run(seed);
        if let Some(violation) = &outcome.violation {
            let replay = job.worker().replay(seed, &How::default()).unwrap();
            panic!(
                "seed {seed}: {violation:?}\n{}\n{}",
                replay.plan,
                onceward_model::trace::write(&replay.trace)
            );
        }
        marks.merge(&outcome.marks);
        events += outcome.events;
        simulated += outcome.simulated.0 / 1_000_000_000;
    }
    println!("{events} events, {simulated} s simulated, in {:?}, {:?}", start.elapsed(), marks.sorted());
    for mark in job.must_reach() {
        assert!(marks.of(mark) > 0, "never: {mark}");
    }
}

#[test]
fn a_run_is_the_same_in_every_thread() {
    let job = SwarmJob::<ToySystem>::new();
    let mut worker = job.worker();
    for seed in 1..=200 {
        let outcome = worker.run(seed);
        assert!(compare(&job, &outcome).is_none());
    }
}
