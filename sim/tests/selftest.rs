//! The simulator keeps what it promises about itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[test]
fn every_promise_of_the_simulator_holds() {
    for test in onceward_sim::selftest::all() {
        if let Err(seen) = (test.check)() {
            panic!("{} ({}): {seen}", test.name, test.says);
        }
    }
}
