//! Mutants of the simulator itself: ways to run many seeds that show nothing. The [self-tests](crate::selftest) must
//! notice each of them.

onceward_core::mutants! {
    /// A bug of the simulator that its self-tests must notice.
    pub enum Mutant {
        /// BUGS-L3: the network never duplicates.
        NeverDuplicates => "faults-happen",
        /// BUGS-L4: all clocks are equal.
        ClocksEqual => "clocks-differ",
        /// BUGS-L8: faults end before the interesting phase.
        FaultsEndEarly => "faults-meet-work",
        /// BUGS-L10: a seed is run twice and counted as two.
        SeedCountedTwice => "seeds-are-different-runs",
        /// What a run draws depends on what else was drawn, so that removing one entry of a plan reshuffles all others.
        RootsByPosition => "entries-are-independent",
        /// Healing looks at nothing: a cluster that never answers again passes.
        HealingTrusts => "healing-judges",
        /// BUGS-L7: an empty recording validates.
        EmptyValidates => "nothing-is-no-evidence",
    }
}

/// Whether a known bug of the simulator is switched on.
macro_rules! mutant {
    ($name:ident) => {
        onceward_core::mutant_in!($crate::mutants::Mutant, $name)
    };
}
pub(crate) use mutant;

static SWITCHED_ON: std::sync::OnceLock<&'static str> = std::sync::OnceLock::new();

/// Takes note of the known bug that the user has switched on, whosever it is: what shows a failure again needs it too.
pub(crate) fn switched_on(name: &'static str) {
    // The first stays: there is one bug for each process.
    let _ = SWITCHED_ON.set(name);
}

/// The known bug that the user has switched on.
pub(crate) fn which() -> Option<&'static str> {
    SWITCHED_ON.get().copied()
}
