//! What the clients of a topic have in common, a [writer](crate::writer) and a [reader](crate::reader): how far a session
//! has come, how far a fresh access token has come, how long to wait before the next session.

use crate::writer::StreamId;
use crate::{Dur, Window};

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

/// How long to wait for a new session after so many losses in a row, from 0: equal jitter, which is half of a span that
/// doubles from `first` to `longest`, and up to as much again. The driver draws.
pub(crate) fn retry_window(first: Dur, longest: Dur, losses: u32) -> Window {
    let doubled = first.0.saturating_mul(1u64.checked_shl(losses).unwrap_or(u64::MAX));
    let to = Dur(doubled.min(longest.0));
    Window { from: Dur(to.0.div_ceil(2)), to }
}

/// How often the span of [`retry_window`] still grows.
pub(crate) fn most_losses(first: Dur, longest: Dur) -> u32 {
    (0..64).find(|losses| retry_window(first, longest, *losses).to == longest).unwrap_or(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_half_of_each_is_jitter() {
        let (first, longest) = (Dur::millis(50), Dur::secs(30));
        let millis = |n| {
            let Window { from, to } = retry_window(first, longest, n);
            (from.0 / 1_000_000, to.0 / 1_000_000)
        };
        assert_eq!([0, 1, 2].map(millis), [(25, 50), (50, 100), (100, 200)]);
        assert_eq!(
            [9, 10, 63, 64, u32::MAX].map(millis),
            [(12_800, 25_600), (15_000, 30_000), (15_000, 30_000), (15_000, 30_000), (15_000, 30_000)]
        );
        assert_eq!(most_losses(first, longest), 10);
        assert_eq!(retry_window(Dur(1), Dur::MAX, most_losses(Dur(1), Dur::MAX)).to, Dur::MAX);
    }
}
