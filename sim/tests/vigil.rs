//! A run that does not end is named, with the step that it hangs in, and the process fails. In a process of its own, which
//! ends by that.
#![allow(clippy::unwrap_used)]

use onceward_sim::{
    batch::{self, Lane, Options},
    run::ScenarioJob,
    shell::fragile::FragileSystem,
};
use std::{env, process::Command, time::Duration};

const CHILD: &str = "ONCEWARD_TEST_SPINS";

const TEXT: &str =
    "system fragile\ncluster one\nprofile none\n\nat 1ms client-1 asks-echo\nat 2ms client-1 asks-too-much\n";

#[test]
fn child() {
    if env::var_os(CHILD).is_none() {
        return;
    }
    let job = ScenarioJob::<FragileSystem>::read("spins.scenario", TEXT).unwrap();
    let options = Options { patience: Duration::from_secs(1), ..Options::new(2) };
    batch::run(&[Lane { job: Box::new(job), seeds: 7..8 }], &options, &|_| ());
    println!("came back");
}

#[test]
fn a_run_that_does_not_end_is_named_with_its_step() {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let (out, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{out}{told}");
    assert!(!out.contains("came back"));
    for words in
        ["spins.scenario, seed 7", "at 2ms  step 3 does not end: client-0 asks node-0 Spin", "--until 2"]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
}
