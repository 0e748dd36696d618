//! What callers and drivers of a writer say to it and hear from it. Values only; nothing is decided here.
//!
//! # The contract of a caller
//!
//! A write, a flush and a close carry a [`Ticket`] of the caller's choice, which comes back with the answer. Each ticket
//! is answered once: a write by [`Event::Refused`], [`Event::Acknowledged`] or [`Event::Undelivered`], a flush by
//! [`Event::Flushed`], a close by [`Event::Closed`].

use super::{
    failure::{Failure, GrpcStatus},
    wire::{Codec, FromClient, FromServer, Payload, Session},
};
use crate::{Mark, Wall, Window};
use alloc::{sync::Arc, vec::Vec};
use bytes::Bytes;

/// A caller's name for something that it waits for. Never looked into.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Ticket(pub u64);

/// A stream to a server. The writer counts them; what comes from an older one than the newest is ignored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct StreamId(pub u32);

/// What an accepted message takes of the budget besides its bytes: its place in the window and its share of the books.
pub const MESSAGE_COST: u64 = 192;

/// Most bytes of metadata that servers take with one message.
pub const METADATA_BYTES: u64 = 4096;

/// A message to be written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Message {
    /// The payload as its codec encodes it.
    pub data: Bytes,
    /// How it is encoded. Whoever encodes says so: the writer declares to the server what it is told here.
    pub codec: Codec,
    /// Bytes of the payload before it was encoded.
    pub uncompressed_size: u64,
    /// When it came to be; `None`: when it was accepted.
    pub created_at: Option<Wall>,
    /// Names and values that travel beside the payload.
    pub metadata: Vec<(Arc<str>, Bytes)>,
    /// Its sequence number, from 1 to [`MAX_SEQ_NO`](super::wire::MAX_SEQ_NO); `None`: the writer numbers. All messages
    /// of a writer have one, or none has.
    pub seq_no: Option<u64>,
}

impl Message {
    /// A message as it is, to be numbered by the writer.
    pub fn raw(data: impl Into<Bytes>) -> Message {
        let data = data.into();
        let uncompressed_size = data.len() as u64;
        Message {
            data,
            codec: Codec::RAW,
            uncompressed_size,
            created_at: None,
            metadata: Vec::new(),
            seq_no: None,
        }
    }

    /// Bytes of payload and metadata.
    pub fn bytes(&self) -> u64 {
        self.data.len() as u64 + self.metadata_bytes()
    }

    pub(super) fn metadata_bytes(&self) -> u64 {
        self.metadata.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
    }

    pub(super) fn payload(self, accepted: Wall) -> Payload {
        let Message { data, codec, uncompressed_size, created_at, metadata, .. } = self;
        Payload { data, codec, uncompressed_size, created_at: created_at.unwrap_or(accepted), metadata }
    }
}

/// Something that happens to a writer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Input {
    /// Begin: open a session. What is written before is kept.
    Start,
    /// Write a message.
    Write(Ticket, Message),
    /// Send everything that was accepted so far without waiting for full requests, and say when it is answered.
    Flush(Ticket),
    /// Accept nothing more, deliver what was accepted, and end.
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

/// Something that a writer wants done.
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

/// The writer's timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// A session takes too long to open.
    Start,
    /// The wait before the next session is over.
    Retry,
    /// A request that is not full has waited long enough.
    Batch,
    /// Nothing was acknowledged for too long.
    Ack,
    /// A fresh token is due.
    Token,
    /// A close takes too long.
    Close,
}

/// What a caller is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Event {
    /// A session is open.
    Session {
        /// What the server says.
        session: Session,
        /// The number that the next message gets if the writer numbers.
        next_seq_no: u64,
    },
    /// A session was lost, or could not be had; the next is opened after a wait within these bounds.
    Lost(Failure, Window),
    /// Not accepted. Of a write that is refused, nothing will ever be stored.
    Refused(Ticket, Refusal),
    /// There is room again for a write that was refused for want of it.
    Writable,
    /// Accepted messages are dealt with, in the order in which they were accepted.
    Acknowledged(Vec<Acknowledged>),
    /// Accepted messages will not be delivered by this writer any more.
    Undelivered(Arc<[Undelivered]>),
    /// Everything that was accepted before a flush is answered; or it is not, and the writer has ended.
    Flushed(Ticket, Result<(), End>),
    /// A close is over: what came of it.
    Closed(Ticket, Report),
    /// The writer has ended. Nothing is sent any more.
    Ended(End),
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Acknowledged {
    /// Whose.
    pub ticket: Ticket,
    /// Its number.
    pub seq_no: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// It is stored at this offset.
    Written {
        /// Its place in the partition.
        offset: u64,
    },
    /// It was stored in an earlier session of this writer, whose acknowledgement was lost.
    Confirmed,
    /// It was never sent: the producer had stored this number, or a higher one, before this writer began. With the
    /// caller's own numbers only.
    Duplicate,
}

/// Why something is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Refusal {
    /// Too many unanswered bytes: try again after [`Event::Writable`].
    #[error("no room: {free} bytes are free, and the message takes {needs}")]
    Full {
        /// Bytes that are free.
        free: u64,
        /// Bytes that the message takes.
        needs: u64,
    },
    /// Larger than a message may be.
    #[error("a message of {is} bytes; at most {limit} are allowed")]
    TooLarge {
        /// Its bytes.
        is: u64,
        /// The bound.
        limit: u64,
    },
    /// More metadata than a message may have.
    #[error("{is} bytes of metadata; at most {limit} are allowed")]
    Metadata {
        /// Its bytes.
        is: u64,
        /// The bound.
        limit: u64,
    },
    /// Some messages of a writer with numbers, others without.
    #[error("a writer numbers all its messages, or the caller does")]
    MixedNumbers,
    /// The caller's numbers must rise.
    #[error("number {is} after {last}: numbers must rise")]
    NotRising {
        /// The number.
        is: u64,
        /// The highest so far.
        last: u64,
    },
    /// No sequence number.
    #[error("{is} is no sequence number")]
    NoSuchNumber {
        /// What was given.
        is: u64,
    },
    /// The topic does not take this codec.
    #[error("the topic does not take codec {}", .0.0)]
    Codec(Codec),
    /// The writer is closing or has ended.
    #[error("the writer is closed")]
    Closed,
    /// As many flushes, or closes, wait as may.
    #[error("{limit} wait already")]
    TooManyWait {
        /// The bound.
        limit: u32,
    },
}

/// A message that was accepted and not delivered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Undelivered {
    /// Whose.
    pub ticket: Ticket,
    /// The number under which it was sent and may be stored; `None`: it was never sent, and is not.
    pub sent: Option<u64>,
}

/// Why a writer has ended.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum End {
    /// It was closed, and everything was answered.
    #[error("closed")]
    Closed,
    /// It was closed, and not everything could be delivered in time.
    #[error("not everything could be delivered before the close timed out")]
    CloseTimeout,
    /// It was destroyed.
    #[error("destroyed")]
    Destroyed,
    /// There can be no session any more.
    #[error("{0}")]
    Failed(Failure),
}

/// What a close says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Report {
    /// Why the writer has ended.
    pub end: End,
    /// Every accepted message that was not delivered.
    pub undelivered: Arc<[Undelivered]>,
}
