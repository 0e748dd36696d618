//! The broker's known bugs, each from the field's history or from a design that this broker replaces.

crate::mutants! {
    /// A bug of the broker that a harness must catch.
    pub enum Mutant {
        /// BUGS-S1, BUGS-B2: messages are acknowledged when they are written, before the sync has returned.
        AcknowledgedWhenWritten => "shown-is-durable",
        /// BUGS-S6: readers are shown messages that are written and not durable yet.
        ShownWhenWritten => "offsets-are-stable",
        /// BUGS-B11: a producer without a session is forgotten (redpanda 22670).
        IdleProducerForgotten => "stored-once",
        /// BUGS-B13: only the latest number is known again, not the ones before it (redpanda PR 3077).
        OnlyLatestNumberKnown => "stored-once",
        /// BUGS-B15: what producers have stored is not rebuilt on recovery (class; redpanda PR 551).
        NumbersNotRecovered => "stored-once",
        /// YDB-P7, class: an older session of a producer goes on when a newer one is open.
        OlderSessionLives => "one-writer",
        /// PEERS-S9: numbers count as stored before there is room for their messages in the log.
        NumbersBeforeRoom => "acked-is-stored",
        /// BUGS-C10: a partition session is named after its partition, so that what a reader says about an old one counts
        /// for a new one (ydb-python-sdk fe00ecbe; pulsar 13945).
        PartitionSessionsReused => "partition-sessions-are-new",
        /// BUGS-C11, reading: a commit of some messages of a record commits them all.
        PartOfRecordCommitsAll => "commits-are-asked-for",
        /// BUGS-S6, draining: messages count as drained when they are written to a file, before its sync.
        DrainedBeforeSync => "broker-opens-again",
        /// BUGS-S3: what was written to a partition while it was flushed is taken for flushed.
        DrainedAhead => "settles",
        /// PEERS-S1, PEERS-S13, class: the log is cut before what stands there is drained.
        LogCutBeforeDrained => "broker-opens-again",
        /// Checkpoints, class: one says nothing of what producers have stored.
        CheckpointForgetsNumbers => "stored-once",
        /// Checkpoints, class: one says nothing of commits.
        CheckpointForgetsCommits => "commits-last",
        /// BUGS-B18: a reader that was too slow to give a partition up goes on reading and committing.
        StaleSessionGoesOn => "one-reader",
        /// A sync of the folder fails for the pool, and the log takes its own next one for the news of all its names
        /// (found by random plans).
        OthersFailedSyncForgotten => "commits-last",
    }
}

/// Whether a known bug of the broker is switched on.
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutant_in!($crate::broker::mutants::Mutant, $name)
    };
}
pub(crate) use mutant;
