//! What the nodes say to each other and to their callers, and how payloads are encoded in this model. Values only.

use bytes::Bytes;
use onceward_core::{
    CallId, ClientId,
    writer::{
        Ticket,
        api::{End, Outcome, Refusal},
        wire::{Codec, FromClient, FromServer},
    },
};

/// What travels on a stream.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Msg {
    /// To the server.
    Up(FromClient),
    /// To a writer.
    Down(FromServer),
}

/// What callers ask: of a writer, or, as a [`Mood`], of the server.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Request {
    /// Write a message, which says who wrote it: see [`content`].
    Write {
        /// How it is encoded.
        codec: Codec,
        /// Its number, if the caller numbers.
        seq_no: Option<u64>,
        /// Its content is at least so long.
        bytes: u32,
    },
    /// Say when everything before is answered.
    Flush,
    /// Deliver, and end.
    Close,
    /// End at once.
    Destroy,
    /// Behave like this.
    Server(Mood),
}

/// What a server may do to its writers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mood {
    /// Ends every stream with OVERLOADED.
    Overload,
    /// Ends every stream without a word.
    Finish,
    /// Answers OVERLOADED to so many sessions that are asked for from now on.
    Refuse(u8),
    /// Stores the messages of so many requests from now on without ever acknowledging them.
    Swallow(u8),
    /// Sends every acknowledgement by itself from now on.
    Split,
    /// Loses the first message of the next request, stores the others, and acknowledges what it stored: a lie.
    LoseFirst,
    /// Acknowledges the first message of the next request twice: a lie.
    AckTwice,
    /// Tells the next session a last number that is higher by so much: a lie.
    Claim(u8),
}

/// What callers are told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Response {
    /// The message is dealt with.
    Acknowledged {
        /// Its number.
        seq_no: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// The writer has ended without delivering it.
    Undelivered {
        /// Under which number it was sent, if it was.
        sent: Option<u64>,
    },
    /// Everything before the flush is answered, or the writer has ended.
    Flushed(Result<(), End>),
    /// The writer has ended, for this reason and without delivering these.
    Closed(End, Vec<CallId>),
    /// Not taken.
    Refused(Refusal),
    /// Done.
    Done,
}

/// What a message says: who wrote it, padded to a length.
pub fn content(call: CallId, bytes: u32) -> Bytes {
    let mut text = format!("{}/{}", call.client.0 + 1, call.number).into_bytes();
    text.resize(text.len().max(bytes as usize), b'.');
    text.into()
}

/// Encodes a payload: gzip stands for every codec that changes the bytes.
pub fn encode(codec: Codec, content: &Bytes) -> Bytes {
    if codec != Codec::GZIP {
        return content.clone();
    }
    std::iter::once(GZIPPED).chain(content.iter().rev().copied()).collect()
}

/// Decodes a payload, if it is one of that codec.
pub fn decode(codec: Codec, data: &Bytes) -> Option<Bytes> {
    match (codec, data.split_first()) {
        (Codec::GZIP, Some((&GZIPPED, rest))) => Some(rest.iter().rev().copied().collect()),
        (Codec::GZIP, _) => None,
        _ => Some(data.clone()),
    }
}

const GZIPPED: u8 = 0x1f;

/// The ticket of a call.
pub(super) fn ticket(call: CallId) -> Ticket {
    Ticket(u64::from(call.client.0) << 48 | (call.number & MASK))
}

/// The call of a ticket.
pub(super) fn call(ticket: Ticket) -> CallId {
    CallId { client: ClientId((ticket.0 >> 48) as u16), number: ticket.0 & MASK }
}

const MASK: u64 = (1 << 48) - 1;
