//! What can go wrong with a read session, and whether it is worth another try: what the writer's tables say, and what a
//! reader sees of a server that breaks the protocol.

use crate::writer;

/// Why a session was lost, or could not be had.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Failure {
    /// As it may happen to any session; classified by the tables of [`writer::failure`].
    #[error("{0}")]
    Session(writer::Failure),
    /// Commits are under way, and none was acknowledged within the configured time.
    #[error("no commit acknowledged in time")]
    CommitTimeout,
    /// The server does not keep to the protocol.
    #[error("the server breaks the protocol: {0}")]
    Protocol(Breach),
}

/// How a server broke the protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Breach {
    /// Something other than the opening of the session before it, or that a second time.
    #[error("an answer out of turn")]
    OutOfTurn,
    /// A partition session was given that is there already.
    #[error("partition session {0} was given twice")]
    GivenTwice(u64),
    /// Messages of a partition that the reader has not begun, or has stopped reading.
    #[error("messages of partition session {0}, which has not begun")]
    NotBegun(u64),
    /// Messages that do not follow those before.
    #[error("offset {got} where {expected} or a later one is next")]
    OutOfOrder {
        /// The offset.
        got: u64,
        /// The one after the last.
        expected: u64,
    },
    /// More than was asked for.
    #[error("messages beyond what was asked for")]
    BeyondCredit,
    /// Messages count for less than their payloads are.
    #[error("{bytes} bytes were counted for {payloads} bytes of payloads")]
    Understated {
        /// What the server counts.
        bytes: u64,
        /// What the payloads are.
        payloads: u64,
    },
    /// More is acknowledged than was committed.
    #[error("{got} acknowledged as committed where no more than {sent} was")]
    NeverCommitted {
        /// What the server says.
        got: u64,
        /// How far this reader had committed without a gap.
        sent: u64,
    },
}

impl Failure {
    /// Whether a new session may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Failure::Session(failure) => failure.is_transient(),
            Failure::CommitTimeout => true,
            Failure::Protocol(_) => false,
        }
    }
}
