//! The real engine: shipped scenarios against real processes and files, judged by the same promises; and clear refusals
//! of everything that cannot be done to a real computer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use onceward_model::{systems::log::LogSystem, toy::ToySystem};
use onceward_sim::{
    catalog::Catalog,
    real,
    run::{How, Job, SwarmJob},
    support::Kind,
};
use std::path::Path;
use support::{failure_of, shipped};

fn job(name: &str, text: &str) -> Box<dyn Job> {
    real::use_program(Path::new(env!("CARGO_BIN_EXE_onceward-sim")));
    Catalog::shipped().read(name, text.as_bytes()).unwrap()
}

/// Why the real engine refuses a scenario.
fn refused(name: &str, text: &str) -> String {
    job(name, text).worker_in(Kind::Real).err().unwrap()
}

#[test]
fn shipped_scenarios_pass_in_real_processes() {
    let mut performed = Vec::new();
    for (name, text) in shipped() {
        let job = job(&name, &text);
        let Ok(mut worker) = job.worker_in(Kind::Real) else { continue };
        let outcome = worker.run(job.seed());
        assert_eq!(failure_of(&*job, &outcome), None, "{name}");
        performed.push(name);
    }
    assert!(performed.len() >= 4, "only {performed:?} can be performed");
}

#[test]
fn what_was_acknowledged_outlives_kills_pauses_and_a_limit_of_space() {
    let text = r#"system log
cluster store client*2
config segment=64KiB
profile none

at 0ms client-1 appends order-17 "created" expecting no-stream key 1
at 20ms client-2 appends order-17 "0123456789" times 200
at 40ms store pauses
at 45ms client-1 appends order-17 "while it slept"
at 60ms store resumes
at 80ms store's disk has capacity 4096
at 90ms client-2 appends order-17 "0123456789" times 200
at 120ms client-1 reads all
at 140ms store's disk has capacity unlimited
at 200ms client-2 appends order-17 "there is room again"
at 202ms store is killed
at 210ms store boots
at 220ms client-1 appends order-17 "created" expecting no-stream key 1 id 0/0/0
at 300ms client-1 reads entity order-17
"#;
    let job = job("kills.scenario", text);
    let replay = job.worker_in(Kind::Real).unwrap().replay(1, &How::default()).unwrap();
    assert_eq!(failure_of(&*job, &replay.outcome), None);
    let said: Vec<&str> = replay
        .trace
        .steps
        .iter()
        .flat_map(|step| &step.taken)
        .flat_map(|taken| &taken.actions)
        .map(|a| &**a)
        .collect();
    let felt = said.iter().any(|said| said.starts_with("answer call 1 of client 1: refused: "));
    assert!(felt, "a limit of 4096 bytes was not felt: {said:#?}");
    let slept = said.iter().filter(|said| said.contains("1 event(s) durable at 201")).count();
    assert_eq!(slept, 1, "what was asked of a paused process is done when it goes on: {said:#?}");
}

#[test]
fn what_cannot_be_done_to_a_real_computer_is_refused_at_its_line() {
    let text = "# Everything at once.\nsystem log\ncluster store client\nprofile rough\n\n\
        at 1ms store loses power\nat 2ms store boots\nat 3ms store is killed, landing everything\n\
        at 4ms next sync of store fails with EIO\nat 5ms store's clock steps +1h\nat 6ms store's disk loses 1.seg:4\n\
        at 7ms store is killed within 3 actions\nat 70s client-1 reads all\n";
    insta::assert_snapshot!(refused("everything.scenario", text));
    let steps = "system log\ncluster store client\n\nstep store lists /\n";
    insta::assert_snapshot!(refused("steps.scenario", steps));
}

#[test]
fn systems_with_a_network_and_random_plans_are_refused() {
    let text = "system toy\ncluster server client\nprofile none\n\nat 1ms client-1 adds\nat 2ms cut server <-> client-1\n";
    insta::assert_snapshot!(refused("toy.scenario", text));
    insta::assert_snapshot!(SwarmJob::<LogSystem>::new().worker_in(Kind::Real).err().unwrap());
    assert!(!real::can_host::<ToySystem>() && real::can_host::<LogSystem>());
}
