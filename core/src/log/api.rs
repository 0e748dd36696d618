//! What clients of the event store say and hear. This module holds values only and decides nothing.
//!
//! Words: an *entity* is one stream of events with a dense sequence of its own; a *position* is the dense global
//! sequence over all entities, from 0; a *scope* groups entities; a *kind* says what happened.

use crate::{Dur, Wall};
use alloc::{string::String, sync::Arc, vec::Vec};
use bytes::Bytes;
use core::fmt;

/// A short text: an entity, a scope or a kind. Between 1 and [`Name::MAX`] bytes of UTF-8 without control characters.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is no [`Name`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum BadName {
    /// It has no bytes.
    #[error("a name must not be empty")]
    Empty,
    /// It has more than [`Name::MAX`] bytes.
    #[error("a name has at most {max} bytes, this one has {len}", max = Name::MAX)]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It holds a control character.
    #[error("a name must not hold control characters, this one does at byte {at}")]
    Control {
        /// Where the first one stands, in bytes.
        at: usize,
    },
}

impl Name {
    /// The most bytes a name may have.
    pub const MAX: usize = 255;

    /// Checks a text and makes it a name.
    pub fn new(text: &str) -> Result<Name, BadName> {
        if text.is_empty() {
            return Err(BadName::Empty);
        }
        if text.len() > Name::MAX {
            return Err(BadName::TooLong { len: text.len() });
        }
        match text.char_indices().find(|(_, c)| c.is_control()) {
            Some((at, _)) => Err(BadName::Control { at }),
            None => Ok(Name(Arc::from(text))),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// The identity of an event, chosen by whoever appends it, unique within a store.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventId(#[cfg_attr(feature = "serde", serde(with = "crate::recorded::random"))] pub u128);

/// An idempotency key: names one request of one entity, so that a retry is recognised.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(#[cfg_attr(feature = "serde", serde(with = "crate::recorded::random"))] pub u128);

// In hexadecimal, as the command line writes and reads them.
impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({:032x})", self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:032x})", self.0)
    }
}

/// A 256-bit blake3 hash.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash256(pub [u8; 32]);

impl fmt::Debug for Hash256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…")
    }
}

impl fmt::Display for Hash256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A hybrid logical clock (Kulkarni et al., 2014): wall milliseconds where the wall clock allows, a counter where it
/// does not. Orders every event of a store after all events that it was appended after, whatever the wall clocks do.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Hlc {
    /// Milliseconds since the Unix epoch, never less than that of any earlier event.
    pub millis: u64,
    /// Distinguishes events of one millisecond.
    pub counter: u32,
}

/// What must be true of an entity for an append to take place.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Expected {
    /// Anything.
    #[default]
    Any,
    /// The entity has no event.
    NoStream,
    /// The entity has at least one event.
    Exists,
    /// The sequence of the entity's last event; its first is 0.
    Exact(u64),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Any => f.write_str("be anything"),
            Expected::NoStream => f.write_str("have no event"),
            Expected::Exists => f.write_str("have an event"),
            Expected::Exact(sequence) => write!(f, "end with sequence {sequence}"),
        }
    }
}

/// How an entity ends, in words.
struct Ends(Option<u64>);

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(sequence) => write!(f, "ends with sequence {sequence}"),
            None => f.write_str("has no event"),
        }
    }
}

/// An event to be appended.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NewEvent {
    /// Its identity.
    pub id: EventId,
    /// What happened.
    pub kind: Name,
    /// What belongs together for readers; independent of the entity.
    pub scope: Name,
    /// The conversation it belongs to; its own id if `None`, or that of `causation` if there is one.
    pub correlation: Option<EventId>,
    /// The event that it reacts to, which must be in the store (or earlier in the same request).
    pub causation: Option<EventId>,
    /// The contents, opaque to the store.
    pub payload: Bytes,
}

/// One entity's share of an append.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Part {
    /// The stream to append to.
    pub entity: Name,
    /// The guard, judged before the request changes anything, and after the key.
    pub expected: Expected,
    /// Makes a retry safe.
    pub key: Option<Key>,
    /// At least one event, appended in this order without gaps.
    pub events: Vec<NewEvent>,
}

/// When an append may be answered.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Promise {
    /// When it is written: it survives the end of the process, not of the power.
    Written,
    /// When its sync has returned: it survives both.
    Durable,
}

/// How far the store has come: each is the number of events, so the position of the first that is not yet there.
/// `visible <= durable <= written <= accepted` under the durable policy; under a weaker one `visible` may run ahead of
/// `durable` up to `written`.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Frontiers {
    /// Given a position.
    pub accepted: u64,
    /// Written to a file.
    pub written: u64,
    /// Proven on the device.
    pub durable: u64,
    /// Shown to readers.
    pub visible: u64,
}

/// One of the [`Frontiers`].
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Frontier {
    /// See [`Frontiers::accepted`].
    Accepted,
    /// See [`Frontiers::written`].
    Written,
    /// See [`Frontiers::durable`].
    Durable,
    /// See [`Frontiers::visible`].
    Visible,
}

/// Which events a reader wants.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Filter {
    /// All.
    All,
    /// Those of one entity.
    Entity(Name),
    /// Those of one scope.
    Scope(Name),
    /// Those of one kind.
    Kind(Name),
    /// The one with this id.
    Id(EventId),
    /// Those of one conversation.
    Correlation(EventId),
    /// The chain of causes of an event, itself included; oldest first.
    CausesOf(EventId),
    /// Everything that followed from an event, itself included.
    EffectsOf(EventId),
}

/// A read of part of the store.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Query {
    /// Which events.
    pub filter: Filter,
    /// The first position that is wanted.
    pub from: u64,
    /// How many events at most; at least 1.
    pub limit: u32,
    /// How many payload bytes at most; the first event is given whatever its size.
    pub max_bytes: u32,
    /// How long to wait for a first matching event; `None`: answer at once, with nothing if there is nothing.
    pub wait: Option<Dur>,
}

/// An event as readers see it.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Event {
    /// Its global sequence.
    pub position: u64,
    /// Its sequence within the entity, from 0.
    pub sequence: u64,
    /// Its stream.
    pub entity: Name,
    /// Its identity.
    pub id: EventId,
    /// What happened.
    pub kind: Name,
    /// Its scope.
    pub scope: Name,
    /// The conversation.
    pub correlation: EventId,
    /// What it reacts to.
    pub causation: Option<EventId>,
    /// When, logically.
    pub time: Hlc,
    /// blake3 of the payload, computed from what was read.
    pub content: Hash256,
    /// The contents.
    pub payload: Bytes,
}

/// The end of an entity. Its hash chain is not kept with every event: a reader links the events from the first on
/// with [`super::store::link`] and compares the last link with this, or with a [`Receipt`].
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Head {
    /// The sequence of its last visible event.
    pub sequence: u64,
    /// That event's position.
    pub position: u64,
    /// The hash chain up to and including that event.
    pub chain: Hash256,
}

/// The good answer to one [`Part`].
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Receipt {
    /// Position of the part's first event; the others follow without a gap.
    pub position: u64,
    /// The first event's sequence within the entity.
    pub sequence: u64,
    /// How many events.
    pub count: u32,
    /// The last event's logical time.
    pub time: Hlc,
    /// The entity's hash chain after the last event.
    pub chain: Hash256,
    /// What is promised by this receipt.
    pub promise: Promise,
    /// Whether an earlier request with the same key had done the work.
    pub duplicate: bool,
}

/// What a client asks.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Request {
    /// Appends all parts or none, atomically, in order. Answered by [`Response::Appended`].
    Append {
        /// At least one; no entity twice.
        parts: Vec<Part>,
        /// Refused with [`Refusal::Deadline`] if it could not be written by then; `None`: wait as long as it takes.
        deadline: Option<Dur>,
    },
    /// Reads visible events. Answered by [`Response::Events`].
    Read(Query),
    /// Opens a lossy subscription: up to `capacity` notifications are kept for a reader that lags, then the oldest
    /// make way and the reader is told which it missed. Answered by [`Response::Subscribed`].
    Subscribe {
        /// Which events; not [`Filter::CausesOf`] nor [`Filter::EffectsOf`].
        filter: Filter,
        /// How many notifications are kept, at least 1.
        capacity: u32,
    },
    /// Takes what a subscription holds. Answered by [`Response::Notified`], after `wait` at the latest.
    Next {
        /// The subscription.
        subscription: u64,
        /// How long to wait for a first notification.
        wait: Dur,
    },
    /// Ends a subscription. Answered by [`Response::Done`].
    Unsubscribe {
        /// The subscription.
        subscription: u64,
    },
    /// Stores a reader's cursor, as a record of the log. Answered by [`Response::Done`] when it is what the store's policy
    /// promises of appends: durable, or, under [`Promise::Written`], written, and then a [`Request::Barrier`] makes sure.
    SaveCursor {
        /// The reader.
        reader: Name,
        /// The first position that it has not processed; never lower than one saved before.
        position: u64,
    },
    /// Asks for a reader's cursor. Answered by [`Response::Cursor`].
    LoadCursor {
        /// The reader.
        reader: Name,
    },
    /// Asks for the end of an entity, as far as readers may see it. Answered by [`Response::Head`].
    Head {
        /// The entity.
        entity: Name,
    },
    /// Makes everything accepted so far durable. Answered by [`Response::Frontiers`] once it is.
    Barrier,
    /// Waits until a frontier has passed a position. Answered by [`Response::Frontiers`].
    Await {
        /// Which one.
        frontier: Frontier,
        /// To be passed: `frontier > position`.
        position: u64,
    },
    /// Asks how the store is. Answered by [`Response::Status`], in every state.
    Status,
    /// Reads everything back, checks every checksum, hash chain and digest, and compares the index with the log.
    /// Answered by [`Response::Verified`].
    Verify,
    /// Closes the store: what is queued is written, up to the configured drain, and everything gets an answer. The
    /// last to be answered, by [`Response::Done`] when everything accepted is durable, or by the refusal that says why
    /// not.
    Shutdown,
}

/// What a client is answered.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Response {
    /// One receipt for each part.
    Appended(Vec<Receipt>),
    /// A page of events.
    Events {
        /// In order of position (oldest cause first for [`Filter::CausesOf`]).
        events: Vec<Event>,
        /// Where to go on reading.
        next: u64,
        /// Whether there was nothing more to read when this was answered.
        end: bool,
    },
    /// The subscription's number.
    Subscribed {
        /// For [`Request::Next`].
        subscription: u64,
        /// Events from this position on are notified.
        from: u64,
    },
    /// What a subscription held.
    Notified {
        /// Positions of matching events, ascending.
        positions: Vec<u64>,
        /// Matching events within this range (from, to exclusive) were dropped as the reader lagged. All lie before
        /// the first of `positions`.
        missed: Option<(u64, u64)>,
    },
    /// The end of an entity, `None` if it has no visible event.
    Head(Option<Head>),
    /// A reader's cursor, `None` if it never saved one.
    Cursor(Option<u64>),
    /// How far the store has come.
    Frontiers(Frontiers),
    /// How the store is.
    Status(Status),
    /// The store is whole.
    Verified(Verified),
    /// Done.
    Done,
    /// Not done, or not known to be done.
    Refused(Refusal),
}

/// A text of the code itself. (By another name, as serde takes every reference for one into what it reads.)
pub(crate) type Words = &'static str;

/// Why a request was not carried out, or may not have been.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Refusal {
    /// The guard does not hold. Nothing was changed.
    #[error("{entity} was expected to {expected}, it {}", Ends(*actual))]
    WrongExpected {
        /// The entity.
        entity: Name,
        /// The guard.
        expected: Expected,
        /// The sequence of its last event; `None`: it has no event.
        actual: Option<u64>,
    },
    /// The key was used by another request. Nothing was changed.
    #[error("the idempotency key was used by another request, at position {position}")]
    KeyConflict {
        /// Where that request's first event is.
        position: u64,
    },
    /// The event id is taken. Nothing was changed.
    #[error("event id {id:?} is taken by the event at position {position}")]
    IdTaken {
        /// The id.
        id: EventId,
        /// Where the event is.
        position: u64,
    },
    /// The causing event is not in the store. Nothing was changed.
    #[error("the causing event {id:?} is not in the store")]
    NoCause {
        /// The missing event.
        id: EventId,
    },
    /// The request itself is out of bounds. Nothing was changed.
    #[error("{what} is {is}, the limit is {limit}")]
    Limit {
        /// What is out of bounds.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::recorded::words"))]
        what: Words,
        /// Its value.
        is: u64,
        /// The most allowed.
        limit: u64,
    },
    /// The request makes no sense. Nothing was changed.
    #[error("invalid request: {0}")]
    Invalid(#[cfg_attr(feature = "serde", serde(deserialize_with = "crate::recorded::words"))] Words),
    /// The queue is full; try again later. Nothing was changed.
    #[error("the store is overloaded")]
    Overloaded,
    /// The disk is full; reads go on, and appends do once there is space. Nothing was changed.
    #[error("the disk is full")]
    Full,
    /// The deadline passed before the work was begun. Nothing was changed.
    #[error("the deadline passed before the append was written")]
    Deadline,
    /// The store is closing or closed. Nothing was changed.
    #[error("the store is closing")]
    Closing,
    /// The store is still recovering. Nothing was changed.
    #[error("the store is recovering")]
    Recovering,
    /// The outcome is unknown: an I/O error came between writing and proof. The append may be there after the next
    /// recovery, whole and at most once, or not at all; a retry with the same key finds out.
    #[error("the outcome is unknown: {cause}")]
    Unknown {
        /// The error.
        cause: crate::DiskError,
    },
    /// A read failed; what was asked for may well be there. Nothing was changed.
    #[error("the disk failed: {cause}")]
    Disk {
        /// The error.
        cause: crate::DiskError,
    },
    /// The store is damaged; it answers nothing that could be wrong.
    #[error("the store is damaged: {0}")]
    Damaged(Damage),
    /// There is no such subscription.
    #[error("no such subscription")]
    NoSubscription,
    /// A cursor must not go back, nor beyond the end. Nothing was changed.
    #[error("the cursor must lie between {from} and {to}")]
    CursorOutOfRange {
        /// The stored cursor.
        from: u64,
        /// The end of what is visible.
        to: u64,
    },
}

/// Damage that recovery or verification found, and where.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// Byte offset within it.
    pub offset: u64,
    /// What is wrong, for a person.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.file, self.offset, self.what)
    }
}

/// How a store is.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Status {
    /// What it is doing.
    pub phase: Phase,
    /// How far it has come.
    pub frontiers: Frontiers,
    /// What the recovery of this incarnation found; `None` until it is finished.
    pub recovery: Option<Recovered>,
    /// How many segments there are, the active one included.
    pub segments: u32,
    /// How many entities there are.
    pub entities: u64,
    /// The local wall clock at the answer.
    pub wall: Wall,
}

/// What a store is doing.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// Reading its files.
    Recovering,
    /// Serving reads and appends.
    Ready,
    /// Serving reads; appends are refused until there is space.
    Full,
    /// Closing.
    Closing,
    /// Closed; a new incarnation may open it.
    Closed,
    /// Serving nothing.
    Damaged(Damage),
}

/// What recovery found and did.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Recovered {
    /// How many events there are.
    pub events: u64,
    /// How many segments were read.
    pub segments: u32,
    /// Whether the last incarnation had closed the store.
    pub clean: bool,
    /// Bytes of unfinished commit groups that were cut off the end, by file. None of them was acknowledged as durable.
    pub cut: Vec<Cut>,
    /// Files of no use that were removed: segments that were never begun.
    pub removed: Vec<String>,
    /// Derived files or footers that were missing or wrong and were made anew.
    pub rebuilt: Vec<String>,
    /// Damage in the last synced group, where nothing on disk tells whether it had been acknowledged.
    pub possibly_acknowledged: Vec<Damage>,
}

/// The end of a file that recovery cut off.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Cut {
    /// The file.
    pub file: String,
    /// Where it was cut.
    pub offset: u64,
    /// How many bytes went.
    pub bytes: u64,
}

/// What a verification covered.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Verified {
    /// Events checked.
    pub events: u64,
    /// Entities whose chains were checked from the first event on.
    pub entities: u64,
    /// Segments read.
    pub segments: u32,
    /// The digest of the whole store: equal digests mean equal histories.
    pub digest: Hash256,
}
