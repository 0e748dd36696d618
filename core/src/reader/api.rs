//! What callers and drivers of a reader say to it and hear from it. Values only; nothing is decided here.
//!
//! # The contract of a caller
//!
//! A commit and a close carry a [`Ticket`] of the caller's choice, which comes back with the answer. Each ticket is
//! answered once: a commit by [`Event::Committed`], [`Event::NotCommitted`] or [`Event::Refused`], a close by
//! [`Event::Closed`] or [`Event::Refused`].
//!
//! Messages take memory until the caller says that it is done with them ([`Input::Taken`]); the server is asked for no
//! more than the rest of [`Config::buffer_bytes`](super::Config::buffer_bytes).

use super::failure::Failure;
use super::wire::{FromClient, FromServer, PartitionData, PartitionSessionId, Range};
use crate::writer::failure::GrpcStatus;
pub use crate::writer::{StreamId, Ticket};
use crate::{Mark, Window};
use alloc::{sync::Arc, vec::Vec};
use bytes::Bytes;

/// A partition for as long as this reader has it without a break. Never used twice by a reader.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Part {
    /// The stream on which it was given.
    pub stream: StreamId,
    /// What the server calls it there.
    pub session: PartitionSessionId,
    /// The reader's own count, as a server may not keep to its numbers.
    pub number: u64,
}

/// Something that happens to a reader.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Input {
    /// Begin: open a session.
    Start,
    /// Where to read a partition from, after [`Event::Assigned`] if the caller wants to say so
    /// ([`Config::caller_begins`](super::Config::caller_begins)); `None`: from what is committed.
    Begin(Part, Option<u64>),
    /// The caller is done with messages for which this much was counted in [`Event::Data`].
    Taken(u64),
    /// Messages are dealt with for good. The range is made of messages that were delivered in this partition, none of them
    /// in a commit before.
    Commit(Ticket, Part, Range),
    /// The caller gives up a partition; answers [`Event::Stopping`]. Commits before it count.
    Release(Part),
    /// Deliver nothing more, wait for the commits under way, and end.
    Close(Ticket),
    /// End at once.
    Destroy,
    /// A stream is open.
    Opened(StreamId),
    /// A server has said something on a stream.
    Received(StreamId, FromServer),
    /// A stream is over, without an error or with one.
    Ended(StreamId, Option<GrpcStatus>),
    /// A fresh access token, or none, after [`Action::FetchToken`].
    Token(Option<Bytes>),
    /// A timer has fired.
    Timer(Timer),
}

/// Something that a reader wants done.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    /// Open a stream; answered by [`Input::Opened`] or [`Input::Ended`], or by silence.
    Open(StreamId),
    /// Say something on a stream.
    Send(StreamId, FromClient),
    /// Drop a stream. Nothing that still comes from it matters.
    Drop(StreamId),
    /// Get a fresh access token; answered by [`Input::Token`].
    FetchToken,
    /// Start a timer, or start it anew.
    Arm(Timer, Window),
    /// Stop a timer.
    Disarm(Timer),
    /// Tell the caller.
    Tell(Event),
    /// An interesting place was reached.
    Mark(Mark),
}

/// The reader's timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// A session takes too long to open.
    Start,
    /// The wait before the next session is over.
    Retry,
    /// No commit was acknowledged for too long.
    Commit,
    /// A fresh token is due.
    Token,
    /// A close takes too long.
    Close,
}

/// What a caller is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Event {
    /// A session is open; its name.
    Session(Arc<str>),
    /// The session was lost, and with it every partition, or could not be had; the next is opened after a wait within
    /// these bounds.
    Lost(Failure, Window),
    /// A partition is read from now on.
    Assigned {
        /// What it is called until it is stopped or lost.
        part: Part,
        /// The topic.
        path: Arc<str>,
        /// The partition.
        partition: u32,
        /// Everything below is committed.
        committed: u64,
        /// The offsets that are there.
        available: Range,
    },
    /// Messages, and how much they count until [`Input::Taken`]. Of each partition in the order of their offsets.
    Data(Vec<(Part, PartitionData)>, u64),
    /// A partition goes to another reader, and waits for [`Input::Release`], for a while. It is sent nothing any more.
    Stopping(Part),
    /// A partition is gone: released, taken away, or lost with its session. Commits of it have been answered before.
    Stopped(Part),
    /// A commit is durable.
    Committed(Ticket),
    /// A commit may or may not be durable, and nobody will say so any more: the partition was lost first. Its messages may
    /// come again.
    NotCommitted(Ticket),
    /// Not accepted; nothing has changed.
    Refused(Ticket, Refusal),
    /// A close is over.
    Closed(Ticket, End),
    /// The reader has ended. Nothing is sent any more.
    Ended(End),
}

/// Why something is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Refusal {
    /// The partition was stopped or lost, and may be somebody else's.
    #[error("the partition is not read any more")]
    Gone,
    /// There is no consumer to commit for.
    #[error("a reader without a consumer commits nothing")]
    NoConsumer,
    /// Nothing, or a range that begins after its end.
    #[error("an empty range")]
    Empty,
    /// Not all of it was delivered in this partition.
    #[error("offsets {} to {} were not all delivered", .0.start, .0.end)]
    NotDelivered(Range),
    /// Some of it was committed before.
    #[error("some of the offsets {} to {} were committed before", .0.start, .0.end)]
    Twice(Range),
    /// As many commits are under way, or closes wait, as may.
    #[error("{limit} wait already")]
    TooManyWait {
        /// The bound.
        limit: u32,
    },
    /// The reader is closing or has ended.
    #[error("the reader is closed")]
    Closed,
}

/// Why a reader has ended.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum End {
    /// It was closed, and every commit was answered: as durable, unless [`Event::NotCommitted`] has said otherwise.
    #[error("closed")]
    Closed,
    /// It was closed, and not every commit was answered in time.
    #[error("not every commit was answered before the close timed out")]
    CloseTimeout,
    /// It was destroyed.
    #[error("destroyed")]
    Destroyed,
    /// There can be no session any more.
    #[error("{0}")]
    Failed(Failure),
}
