//! The reader's known bugs, each from a client in the field.

crate::mutants! {
    /// A bug of the topic reader that a harness must catch.
    pub enum Mutant {
        /// BUGS-C10: a commit of a partition that was lost goes to the partition that has its number now
        /// (ydb-python-sdk fe00ecbe; pulsar 13945).
        StaleCommitSent => "commits-settle",
        /// BUGS-C11: a commit that is acknowledged in part is taken for acknowledged.
        PartialAckIsFull => "commits-settle",
        /// BUGS-B18, reading: messages of a partition that the caller has given up reach it.
        ReleasedIsDelivered => "what-is-read-is-handed-on",
    }
}

/// Whether a known bug of the reader is switched on.
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutant_in!($crate::reader::mutants::Mutant, $name)
    };
}
pub(crate) use mutant;
