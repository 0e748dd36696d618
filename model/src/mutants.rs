//! The known bugs of the harness itself: worlds that are too kind, and judges that look away. Its own self-tests
//! must notice each of them.

onceward_core::mutants! {
    /// A bug of the harness that its self-tests must notice.
    pub enum Mutant {
        /// BUGS-L1: a write is durable as soon as it is answered.
        WriteSyncs => "unsynced-may-vanish",
        /// BUGS-L2: a power loss first writes out all that is not durable.
        CrashFlushes => "unanswered-may-vanish",
        /// BUGS-L9: a failed sync keeps the pages dirty, so that the next one saves them.
        FailedSyncKeepsDirty => "failed-sync-loses",
        /// BUGS-L5: an oracle believes what the implementation's own index says.
        OracleTrustsIndex => "oracles-see-for-themselves",
        /// BUGS-L6: the trace drops one kind of event.
        TimersNotTraced => "traces-are-whole",
    }
}

/// A promise of a part of the harness to those who trust it as a judge.
#[derive(Clone, Copy)]
pub struct Promise {
    /// Its name.
    pub name: &'static str,
    /// The promise in one sentence.
    pub what: &'static str,
    /// Tells the story; the error says what was seen instead.
    pub check: fn() -> Result<(), String>,
}

/// What the judges in this package promise.
pub fn promises() -> impl Iterator<Item = &'static Promise> {
    crate::world::disk::promises::ALL.iter().chain(crate::spec::events::eyes::ALL)
}

/// Whether a known bug of the harness is switched on.
macro_rules! mutant {
    ($name:ident) => {
        onceward_core::mutant_in!($crate::mutants::Mutant, $name)
    };
}
pub(crate) use mutant;
