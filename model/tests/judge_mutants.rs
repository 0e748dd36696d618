//! The known bugs of the simulated disk and of an oracle, each switched on in turn: the promise that it breaks must be
//! seen broken. One test, as a switch is for the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "mutants")]

use onceward_model::mutants::{Mutant, promises};

#[test]
fn each_known_bug_of_a_judge_breaks_its_promise() {
    let broken = || {
        let failing = promises().filter(|promise| (promise.check)().is_err());
        failing.map(|promise| promise.name).collect::<Vec<_>>()
    };
    assert_eq!(broken(), Vec::<&str>::new(), "without a bug, every promise is kept");
    let own = |mutant: &&Mutant| promises().any(|promise| promise.name == mutant.about().kills);
    let judges: Vec<_> = Mutant::ALL.iter().filter(own).collect();
    assert!(judges.len() > 3, "{judges:?}");
    for mutant in judges {
        mutant.activate();
        let about = mutant.about();
        let broken = broken();
        println!("{}: breaks {broken:?}", about.name);
        assert!(broken.contains(&about.kills), "{} breaks {broken:?}, not {}", about.name, about.kills);
    }
}
