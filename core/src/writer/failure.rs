//! What can go wrong with a session, and whether it is worth another try. The tables are data; nothing else decides.
//!
//! A session that is lost to something transient is opened again. Everything else ends the writer at once: a retry that
//! cannot succeed only hides the reason from the caller.

use super::wire::{Codec, Status};
use alloc::sync::Arc;
use core::fmt;

/// Why a session was lost, or could not be had.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Failure {
    /// The server ended the stream without a word.
    #[error("the server ended the stream")]
    Finished,
    /// The transport failed.
    #[error("{0}")]
    Grpc(GrpcStatus),
    /// The server answered with an error.
    #[error("{}", Words(.0))]
    Status(Status),
    /// No session within the configured time.
    #[error("no session in time")]
    StartTimeout,
    /// Messages are in flight, and none was acknowledged within the configured time.
    #[error("no acknowledgement in time")]
    AckTimeout,
    /// A token was sent, and the server has not taken it within a whole interval.
    #[error("no answer to a fresh token in time")]
    TokenTimeout,
    /// The server does not keep to the protocol.
    #[error("the server breaks the protocol: {0}")]
    Protocol(Breach),
    /// Somebody else writes under the same producer id.
    #[error("another writer has the same producer id: {0}")]
    ProducerFenced(Fence),
    /// The server's last number is below one that it had acknowledged, while messages are open that may be stored: whether
    /// sending them again would store them twice cannot be known any more.
    #[error(
        "the server has forgotten acknowledged numbers: its last is {last_seq_no}, acknowledged was {acknowledged}"
    )]
    NumbersForgotten {
        /// What the server says.
        last_seq_no: u64,
        /// The highest number that it had acknowledged.
        acknowledged: u64,
    },
    /// There is no higher sequence number.
    #[error("the producer has used up all sequence numbers")]
    NumbersExhausted,
    /// The topic does not take the codec of a message that was accepted before this was known.
    #[error("the topic does not take codec {}", .0.0)]
    CodecNotSupported(Codec),
}

/// How a transport failed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
#[error("gRPC {}: {message}", grpc_name(*.code))]
pub struct GrpcStatus {
    /// The gRPC status code.
    pub code: u32,
    /// In words.
    pub message: Arc<str>,
}

/// How a server broke the protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Breach {
    /// An acknowledgement is not that of the oldest message in flight.
    #[error("acknowledgement of {got} where that of {expected} is next")]
    AckOutOfOrder {
        /// The number that it names.
        got: u64,
        /// The number of the oldest message in flight.
        expected: u64,
    },
    /// An acknowledgement although nothing is in flight.
    #[error("acknowledgement of {got} while nothing is in flight")]
    AckOfNothing {
        /// The number that it names.
        got: u64,
    },
    /// An acknowledgement of a transaction that was not asked for.
    #[error("acknowledgement of {got} within a transaction that nobody asked for")]
    AckInTransaction {
        /// The number that it names.
        got: u64,
    },
    /// Something other than the opening of the session before it, or that a second time.
    #[error("an answer out of turn")]
    OutOfTurn,
    /// A sequence number beyond those that the protocol can carry.
    #[error("a last sequence number that does not exist")]
    NoSuchNumber,
}

/// How another writer was noticed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Fence {
    /// A number that this writer had sent for the first time was stored already.
    #[error("number {0} was taken")]
    Taken(u64),
    /// The server's last number is one that this writer has never sent.
    #[error("the last number is {last_seq_no}, and this writer has sent no more than {sent}")]
    Ahead {
        /// What the server says.
        last_seq_no: u64,
        /// The highest number that this writer has sent or knew of.
        sent: u64,
    },
    /// The server's last number is none that this writer has sent, though it has sent higher ones.
    #[error("the last number is {0}, which this writer has never sent")]
    Foreign(u64),
    /// The producer has had more sessions than this writer has asked for, and numbers that this writer had sent are
    /// stored: as its own messages, or as somebody else's.
    #[error("it has had {sessions} sessions since this writer's last one, which has asked for {asked}")]
    Between {
        /// How many this writer has asked for.
        asked: u32,
        /// How many there were.
        sessions: u64,
    },
    /// The server says so.
    #[error("the server has given the session to it")]
    Told,
}

/// gRPC codes that are worth another try. All others are final.
pub const GRPC_RETRIED: &[(u32, &str)] = &[
    (1, "CANCELLED"),
    (8, "RESOURCE_EXHAUSTED"), // unless a frame is too large: see `OVERSIZED`
    (10, "ABORTED"),
    (13, "INTERNAL"),
    (14, "UNAVAILABLE"),
];

/// A RESOURCE_EXHAUSTED with these words is about one frame, which is as large the next time.
pub const OVERSIZED: &str = "larger than";

/// YDB status codes that are worth another try. Those that are only safe to repeat for idempotent requests are among
/// them, as writes are idempotent by producer and number. All others are final.
pub const STATUS_RETRIED: &[(u32, &str)] = &[
    (400_040, "ABORTED"),
    (400_050, "UNAVAILABLE"),
    (400_060, "OVERLOADED"),
    (400_090, "TIMEOUT"),
    (400_100, "BAD_SESSION"),
    (400_150, "SESSION_EXPIRED"),
    (400_170, "UNDETERMINED"),
    (400_190, "SESSION_BUSY"),
];

/// YDB status codes that are final, by name, for messages to people.
pub const STATUS_FINAL: &[(u32, &str)] = &[
    (400_010, "BAD_REQUEST"),
    (400_020, "UNAUTHORIZED"),
    (400_030, "INTERNAL_ERROR"),
    (400_070, "SCHEME_ERROR"),
    (400_080, "GENERIC_ERROR"),
    (400_120, "PRECONDITION_FAILED"),
    (400_130, "ALREADY_EXISTS"),
    (400_140, "NOT_FOUND"),
    (400_160, "CANCELLED"),
    (400_180, "UNSUPPORTED"),
    (400_200, "EXTERNAL_ERROR"),
];

/// The issue by which a server says that a newer session of the same producer has taken over.
const KILLED: (u32, &str) = (500_003, "ownership session is killed");

impl Failure {
    /// What a status of the server means.
    pub fn of_status(status: Status) -> Failure {
        let killed =
            status.issues.iter().any(|issue| issue.code == KILLED.0 && issue.message.contains(KILLED.1));
        if killed { Failure::ProducerFenced(Fence::Told) } else { Failure::Status(status) }
    }

    /// Whether a new session may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Failure::Finished | Failure::StartTimeout | Failure::AckTimeout | Failure::TokenTimeout => true,
            Failure::Grpc(status) => {
                named(GRPC_RETRIED, status.code).is_some()
                    && !(status.code == 8 && status.message.contains(OVERSIZED))
            }
            Failure::Status(status) => named(STATUS_RETRIED, status.code).is_some(),
            Failure::Protocol(_)
            | Failure::ProducerFenced(_)
            | Failure::NumbersForgotten { .. }
            | Failure::NumbersExhausted
            | Failure::CodecNotSupported(_) => false,
        }
    }
}

fn named(table: &[(u32, &'static str)], code: u32) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

fn grpc_name(code: u32) -> &'static str {
    named(GRPC_RETRIED, code).unwrap_or("failed")
}

/// A status in words.
struct Words<'a>(&'a Status);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.0.code;
        match named(STATUS_RETRIED, code).or(named(STATUS_FINAL, code)) {
            Some(name) => write!(f, "the server answers {name} ({code})")?,
            None => write!(f, "the server answers {code}")?,
        }
        self.0.issues.iter().try_for_each(|issue| write!(f, ": {}", issue.message))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::wire::Issue, *};
    use alloc::{string::ToString, vec::Vec};

    fn status(code: u32, issues: &[(u32, &str)]) -> Status {
        let issues = issues.iter().map(|(code, message)| Issue { code: *code, message: (*message).into() });
        Status { code, issues: issues.collect() }
    }

    #[test]
    fn each_code_is_in_one_table() {
        let mut codes: Vec<u32> = STATUS_RETRIED.iter().chain(STATUS_FINAL).map(|(code, _)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), STATUS_RETRIED.len() + STATUS_FINAL.len());
    }

    #[test]
    fn statuses_are_classified_as_the_table_says() {
        for code in 400_000..400_300 {
            let transient = Failure::of_status(status(code, &[])).is_transient();
            assert_eq!(transient, STATUS_RETRIED.iter().any(|(known, _)| *known == code), "{code}");
        }
        for code in 0..20 {
            let transient = Failure::Grpc(GrpcStatus { code, message: "".into() }).is_transient();
            assert_eq!(transient, [1, 8, 10, 13, 14].contains(&code), "{code}");
        }
    }

    #[test]
    fn a_frame_that_is_too_large_is_as_large_the_next_time() {
        let message = "grpc: received message larger than max (5 vs. 4)".into();
        assert!(!Failure::Grpc(GrpcStatus { code: 8, message }).is_transient());
    }

    #[test]
    fn a_killed_session_is_a_fence() {
        let words = "ownership session is killed by another session";
        let fenced = Failure::ProducerFenced(Fence::Told);
        assert_eq!(Failure::of_status(status(400_010, &[(1, "x"), (500_003, words)])), fenced);
        // The code alone means other things too.
        assert_ne!(Failure::of_status(status(400_010, &[(500_003, "no such topic")])), fenced);
    }

    #[test]
    fn failures_read_well() {
        let all = [
            Failure::of_status(status(400_060, &[(0, "too many sessions"), (0, "try later")])),
            Failure::of_status(status(400_999, &[])),
            Failure::Grpc(GrpcStatus { code: 14, message: "connection refused".into() }),
            Failure::Protocol(Breach::AckOutOfOrder { got: 3, expected: 2 }),
            Failure::ProducerFenced(Fence::Ahead { last_seq_no: 9, sent: 4 }),
            Failure::NumbersForgotten { last_seq_no: 0, acknowledged: 7 },
            Failure::CodecNotSupported(Codec(7)),
        ];
        let text: Vec<_> = all.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        the server answers OVERLOADED (400060): too many sessions: try later
        the server answers 400999
        gRPC UNAVAILABLE: connection refused
        the server breaks the protocol: acknowledgement of 3 where that of 2 is next
        another writer has the same producer id: the last number is 9, and this writer has sent no more than 4
        the server has forgotten acknowledged numbers: its last is 0, acknowledged was 7
        the topic does not take codec 7
        ");
    }
}
