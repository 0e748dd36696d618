//! What the clients of a topic have in common, a [writer](crate::writer) and a [reader](crate::reader): how far a session
//! has come, how far a fresh access token has come.

use crate::writer::StreamId;

/// What a client is doing about a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Phase {
    Idle,
    /// A stream was asked for.
    Opening(StreamId),
    /// A session was asked for.
    Greeting(StreamId),
    Ready(StreamId),
    /// Until the next try.
    Waiting,
    Over,
}

impl Phase {
    /// The stream of the present session, or of the one that is being opened.
    pub(crate) fn stream(self) -> Option<StreamId> {
        match self {
            Phase::Opening(stream) | Phase::Greeting(stream) | Phase::Ready(stream) => Some(stream),
            Phase::Idle | Phase::Waiting | Phase::Over => None,
        }
    }

    /// Whether a session is being opened.
    pub(crate) fn is_starting(self) -> bool {
        matches!(self, Phase::Opening(_) | Phase::Greeting(_))
    }

    /// Whether a session is open.
    pub(crate) fn is_ready(self) -> bool {
        matches!(self, Phase::Ready(_))
    }
}

/// How far a fresh token has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Token {
    Idle,
    /// Asked for.
    Fetching,
    /// Sent, and not answered.
    Sent,
}
