//! A canary for madsim's hooks: what a stray dependency might draw on is the same in every run of a seed, or refused.
//! A new version of the standard library, or of madsim, that lets one of these through is noticed here rather than as
//! a seed that cannot be reproduced.
#![cfg(madsim)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use onceward_core::Dur;
use onceward_model::world::Time;
use onceward_sim::{engine::Ticker, run::host};
use std::{
    collections::HashMap,
    time::{Instant, SystemTime},
};

/// What one run sees of the outside.
#[derive(PartialEq, Eq, Debug)]
struct Seen {
    order: Vec<u32>,
    entropy: [u8; 16],
    wall: SystemTime,
    gone: u128,
    refused: bool,
}

fn run(seed: u64) -> Seen {
    host::fresh(|| {
        host::inside(seed, |clock| {
            let before = Instant::now();
            clock.now(Time(Dur::millis(1_500).0));
            let map: HashMap<u32, ()> = (0..64).map(|n| (n, ())).collect();
            let mut entropy = [0; 16];
            getrandom::fill(&mut entropy).unwrap();
            Seen {
                order: map.into_keys().collect(),
                entropy,
                wall: SystemTime::now(),
                gone: before.elapsed().as_millis(),
                refused: std::panic::catch_unwind(|| std::thread::spawn(|| ()).join()).is_err(),
            }
        })
    })
}

#[test]
fn hash_order_entropy_and_clocks_are_the_seeds() {
    let first = run(7);
    for _ in 0..3 {
        // Real time passes in between; nothing of it is seen.
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert_eq!(run(7), first);
    }
    let other = run(8);
    assert_ne!(other.order, first.order, "another seed draws other hash keys");
    assert_ne!(other.entropy, first.entropy);
}

#[test]
fn simulated_time_is_what_the_clocks_show() {
    let seen = run(1);
    assert!((1_500..1_510).contains(&seen.gone), "{} ms", seen.gone);
}

#[test]
fn a_stray_thread_is_refused() {
    assert!(run(1).refused);
}

/// Outside of a run the hooks step aside: each thread draws hash keys of its own.
#[test]
fn outside_of_a_run_nothing_is_faked() {
    let mut one = [0; 16];
    let mut two = [0; 16];
    getrandom::fill(&mut one).unwrap();
    getrandom::fill(&mut two).unwrap();
    assert_ne!(one, two);
}
