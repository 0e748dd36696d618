//! The writer's known bugs, each from a client in the field.

crate::mutants! {
    /// A bug of the topic writer that a harness must catch.
    pub enum Mutant {
        /// BUGS-S26: the timer of requests that are not full works once; later messages stay in the buffer for ever.
        FlushTimerFiresOnce => "writes-answered",
        /// BUGS-S27: a message that is written during a flush takes a number and is lost.
        WriteDuringFlushLost => "writes-answered",
        /// BUGS-S28: a lost session forgets that somebody flushes or closes.
        IntentForgottenOnLoss => "flush-and-close-settle",
        /// BUGS-S29: a close that times out calls itself a success.
        CloseTimeoutIsSuccess => "close-reports-losses",
        /// BUGS-S30: attempts are counted from 0 with each retry, so that waits never grow.
        AttemptsReset => "retries-are-spaced",
        /// BUGS-S31: messages in flight get new numbers when a session is lost, although they may be stored.
        ReconnectRenumbers => "stored-once",
        /// BUGS-S32, BUGS-C3: the window advances by the number of acknowledgements, whatever they name.
        AcksCounted => "acked-is-stored",
        /// BUGS-S33: a number that was taken by another writer is a success.
        SkippedIsSuccess => "acked-is-stored",
        /// BUGS-S34: a request declares a codec in which not all of its payloads are encoded.
        CodecDeclaredNotApplied => "content-as-written",
        /// BUGS-C6: a flush is answered once everything before it is sent (ydb-rs-sdk PR 386 review).
        FlushAnsweredWhenSent => "flush-is-a-barrier",
        /// BUGS-C1: numbers begin at 1, whatever the server says to be stored, and what it then passes over is taken for
        /// stored (ydb-js-sdk PR 545).
        LastNumberIgnored => "acked-is-stored",
        /// BUGS-C4: what the server's last number confirms is answered with that one number (ydb-java-sdk PR 647 review).
        ConfirmedUnderOneNumber => "acked-is-stored",
        /// BUGS-C7: the server's last number has moved between sessions, and nobody asks by whose messages
        /// (ydb-go-sdk 480).
        MovedNumberNotChecked => "acked-is-stored",
        /// BUGS-C9: an error that can be tried again gives new numbers to what was in flight (redpanda 3039; KAFKA-14034).
        ErrorRenumbers => "stored-once",
    }
}

/// Whether a known bug of the writer is switched on.
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutant_in!($crate::writer::mutants::Mutant, $name)
    };
}
pub(crate) use mutant;
