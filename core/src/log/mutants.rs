//! The event store's known bugs, each from the field's history or from a design that this store replaces.

crate::mutants! {
    /// A bug of the event store that a harness must catch.
    pub enum Mutant {
        /// BUGS-B1: an append is answered when it is written, before its sync has returned (nats-server 7564).
        AckBeforeSync => "acked-is-durable",
        /// BUGS-S10: a link of the hash chain leaves the previous one out.
        ChainWithoutPrevious => "chain-verifies",
        /// BUGS-S14: the wall clock is taken as it is, even when it steps back.
        WallClockTakenRaw => "time-orders-effects",
    }
}

/// Whether a known bug of the event store is switched on.
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutant_in!($crate::log::mutants::Mutant, $name)
    };
}
#[allow(unused_imports)]
pub(crate) use mutant;
