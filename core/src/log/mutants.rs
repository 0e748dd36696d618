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
        /// BUGS-S7, PEERS-B8: a sync that fails under a weaker policy is passed over; the next one is taken to cover
        /// everything.
        SyncFailureSwallowed => "acked-is-durable",
        /// BUGS-B9: a failed sync is simply asked for again, and its success is trusted (fsyncgate).
        FailedSyncRetried => "acked-is-durable",
        /// BUGS-S35: after a failed sync the group is read back, from the cache, and taken for durable.
        FailedSyncReadBack => "acked-is-durable",
        /// BUGS-S36: what recovery can read is taken for durable, although it may be in the cache only.
        RecoveredTailTakenAsDurable => "acked-is-durable",
        /// PEERS-B4: after a short write the group is written again behind the torn bytes.
        AppendBehindShortWrite => "acked-is-durable",
        /// BUGS-B4: the group that does not fit a segment any more is in neither segment.
        RollLosesRecord => "recovery-is-total",
        /// BUGS-B5: groups are never synced.
        GroupNotSynced => "acked-is-durable",
        /// Class: a sync is taken to cover what was written while it was under way.
        SyncCoversLaterWrites => "acked-is-durable",
        /// BUGS-B5: a new segment's file is used without having been synced.
        SegmentNotSynced => "acked-is-durable",
        /// BUGS-B5, PEERS-B28: a new segment's name is never made durable.
        SegmentNameNotSynced => "acked-is-durable",
        /// BUGS-B5: the name of the store's folder is never made durable.
        FolderNameNotSynced => "acked-is-durable",
        /// BUGS-B9: after a failed sync of that name, it is simply synced again.
        FolderSyncRetried => "acked-is-durable",
        /// Class: what looks damaged is believed at the first look, though the device may have read from elsewhere.
        DamageBelievedAtOnce => "recovery-is-total",
        /// BUGS-B7: a torn tail stops recovery instead of ending the log (mysticeti 219).
        TornTailRefused => "recovery-is-total",
        /// Damage is cut off without looking whether later groups prove that it was durable.
        CutBelowFrontier => "acked-is-durable",
        /// BUGS-B10, PEERS-B5: after a failed sync the records are given up, their bytes stay, and their sequences
        /// are used again (bernstein PR 3291).
        NumbersUsedAgain => "recovery-is-total",
        /// BUGS-E2: after a write that failed on a full disk, the next header counts it as proven (KurrentDB 3452).
        ProvenLengthAhead => "recovery-is-total",
        /// Full disks, class: space has returned, the store says so, and refuses appends for ever all the same.
        FullForGood => "accepts-work-after-faults",
        /// BUGS-E5: a segment counts by its header alone; a crash before its carried records are there loses them.
        CarriedNotChecked => "acked-is-durable",
        /// Recovery reads beyond the proven length that a successor states.
        ProvenLengthIgnored => "recovery-is-total",
        /// PEERS-B26: a folder that cannot be listed is taken for an empty one.
        ListErrorSwallowed => "acked-is-durable",
        /// PEERS-B27: a half-made segment stays in the way of every later try.
        HalfMadeSegmentWedges => "settles",
        /// Groups share sectors, so that tearing one spoils another that was acknowledged.
        GroupsNotPadded => "acked-is-durable",
        /// BUGS-B13: the dedup window is far smaller than promised (redpanda PR 3077).
        DedupHorizonOfOne => "exactly-once",
        /// BUGS-B15: the dedup table is not rebuilt on recovery (class; redpanda PR 551).
        DedupNotRecovered => "exactly-once",
        /// BUGS-E1: a footer lags behind its segment, and opening trusts it (eventus 3).
        FooterLagsAndIsTrusted => "acked-is-durable",
        /// BUGS-E1: a record is shown as what the index says of it, whatever it is.
        IndexTrustedOverLog => "index-equals-scan",
        /// BUGS-S8: the index misses what an I/O error touched.
        IndexLagsAfterFailure => "index-equals-scan",
        /// BUGS-S9, PEERS-B10: an entity whose last sequence is 0 is taken for an empty one.
        ClockZeroIsAbsent => "cas-is-atomic",
        /// BUGS-S11, PEERS-B22: shutdown drops what is queued beyond the drain, without an answer.
        ShutdownDropsTheRest => "everything-answered",
        /// BUGS-S12, PEERS-B21: a full subscription skips a notification and nobody learns of it.
        SubscriberGapSilent => "subscriber-sees-gap",
        /// BUGS-S13, PEERS-B14: a retry is answered although the original is not durable.
        RetryAnsweredBeforeDurable => "dedup-implies-durable",
        /// PEERS-B11: the guard is judged before the key, so that a retry of a success is refused.
        GuardBeforeKey => "exactly-once",
        /// PEERS-B13: a key answers for any request.
        KeyWithoutDigest => "exactly-once",
        /// BUGS-B17: after recovery the last position is given once more (Jepsen Bufstream 0.1.0).
        PositionReusedAfterRecovery => "dense-positions",
        /// PEERS-B1: readers see what is written, before it is durable.
        VisibleBeforeDurable => "reads-are-durable",
        /// Batches, class: the first event of the next batch shows before the batch is complete.
        FirstOfBatchShownEarly => "reads-are-durable",
        /// Guards, class: what one refuses is in the log all the same.
        RefusedIsStored => "nothing-invented",
        /// PEERS-B6, class: who waits for an append that failed half-way is never told.
        UnknownUnanswered => "everything-answered",
    }
}

/// Whether a known bug of the event store is switched on.
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutant_in!($crate::log::mutants::Mutant, $name)
    };
}
pub(crate) use mutant;
