//! The disk's own known bugs, each switched on in turn: the promise that it breaks must be seen broken. One test, as
//! a switch is for the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "mutants")]

use onceward_model::mutants::Mutant;
use onceward_model::world::disk::promises;

#[test]
fn each_known_bug_of_the_disk_breaks_its_promise() {
    let broken = || {
        let failing = promises::ALL.iter().filter(|promise| (promise.check)().is_err());
        failing.map(|promise| promise.name).collect::<Vec<_>>()
    };
    assert_eq!(broken(), Vec::<&str>::new(), "a clean disk keeps its promises");
    for mutant in [Mutant::WriteSyncs, Mutant::CrashFlushes, Mutant::FailedSyncKeepsDirty] {
        mutant.activate();
        let about = mutant.about();
        let broken = broken();
        println!("{}: breaks {broken:?}", about.name);
        assert!(broken.contains(&about.kills), "{} breaks {broken:?}, not {}", about.name, about.kills);
    }
}
