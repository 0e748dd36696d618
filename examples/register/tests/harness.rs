//! The harness as a plain test uses it: no flag, no cfg.

use onceward_sim::trial;
use register::Register;

#[test]
fn no_random_plan_breaks_the_register() {
    trial::swarm::<Register<true>>(1..2_000).expect_passed();
}

#[test]
fn the_planted_bug_is_found_by_chance() {
    assert!(trial::swarm::<Register<false>>(1..2_000).broke("atomic"));
}

#[test]
fn the_planted_bug_is_found_by_exhaustion_and_its_absence_is_proven() {
    let report = trial::check::<Register<false>>("two-reads").unwrap();
    assert_eq!(report.counterexample().unwrap().violation.promise, "atomic", "{report}");
    let report = trial::check::<Register<true>>("two-reads").unwrap();
    assert!(report.holds(), "{report}");
}
