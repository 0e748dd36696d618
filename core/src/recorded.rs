//! What a recording of a machine in production needs to know of it: how its state and what it is told become data, and
//! which parts of that are bulky contents that stand in a log anyway. It decides nothing and does no I/O.
//!
//! Invariant: a request or a message whose contents were taken out and put back is the same.

use crate::{CallId, Closed, ConnId, DiskResult, Input, Never, Node, NodeId, NodeInput, OpId};
use alloc::{boxed::Box, string::String, vec::Vec};
use bytes::Bytes;
use core::fmt;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error, Visitor},
};

/// Something that a machine is told and that may have bulky contents.
pub trait Bulky: Serialize + DeserializeOwned {
    /// It without its contents, which serialises as one of its kind that [`Bulky::put_contents`] takes.
    type Bare<'a>: Serialize
    where
        Self: 'a;

    /// Leaves the contents out.
    fn bare(&self) -> Self::Bare<'_>;

    /// The contents, in order.
    fn contents(&self) -> Vec<Bytes>;

    /// Puts contents back where they were left out; says false, and leaves it incomplete, if these are not as many.
    fn put_contents(&mut self, contents: Vec<Bytes>) -> bool;
}

impl Bulky for Never {
    type Bare<'a> = Never;

    fn bare(&self) -> Never {
        *self
    }

    fn contents(&self) -> Vec<Bytes> {
        match *self {}
    }

    fn put_contents(&mut self, _contents: Vec<Bytes>) -> bool {
        match *self {}
    }
}

/// One of the lists in which a machine's log holds contents: the event store has one, a broker one for each partition of
/// a topic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Shelf {
    /// The topic's number.
    pub topic: u64,
    /// The partition's.
    pub partition: u32,
}

/// Where contents are in a machine's log, for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Place {
    /// The list.
    pub shelf: Shelf,
    /// The position of the first of them.
    pub first: u64,
    /// How many follow each other from there.
    pub count: u32,
}

/// Contents that stand in what was read from a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Held {
    /// Where they begin in it.
    pub at: u32,
    /// How many bytes they have.
    pub len: u32,
    /// The list in which the log holds them.
    pub shelf: Shelf,
    /// Their position there.
    pub position: u64,
}

/// A machine whose inputs can be recorded and given to it again.
pub trait Recorded:
    Node<Message: Bulky, Timer: Serialize + DeserializeOwned, Request: Bulky, Response: Serialize>
    + Serialize
    + DeserializeOwned
{
    /// The name of the system that it belongs to, as scenarios and commands know it.
    const SYSTEM: &'static str;

    /// Where the machine's log now holds the contents of a request that was answered so, for good, in the order of the
    /// contents. `None` if they are not known to be there.
    fn places(response: &Self::Response) -> Option<Vec<Place>>;

    /// The list in which the log will hold the contents of what is said on a connection; `None` if it will not.
    fn shelf(&self, _conn: ConnId) -> Option<Shelf> {
        None
    }

    /// The contents that stand in what was read from the machine's disk and that its log holds for good: in order, none upon
    /// another, none empty. The machine has not been given it yet.
    fn within(&self, _op: OpId, _read: &Bytes) -> Vec<Held> {
        Vec::new()
    }

    /// What this word of the machine says of the next contents that it was told on the same connection, in order: the
    /// position at which its log holds them now, for good, or `None` if they are not there.
    fn settled(_said: &Self::Message) -> Vec<Option<u64>> {
        Vec::new()
    }
}

/// A list, each of its items as something else.
pub(crate) struct Each<'a, T, V>(pub(crate) &'a [T], pub(crate) fn(&'a T) -> V);

impl<T, V: Serialize> Serialize for Each<'_, T, V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(self.1))
    }
}

/// What a machine can be told: an [`Input`] as data.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Told<M, T, Q> {
    /// See [`Input::Boot`].
    Boot,
    /// See [`Input::Disk`].
    Disk(OpId, DiskResult),
    /// See [`Input::Timer`].
    Timer(T),
    /// See [`Input::Call`].
    Call(CallId, Q),
    /// See [`Input::Message`].
    Message(NodeId, M),
    /// See [`Input::Opened`].
    Opened(ConnId),
    /// See [`Input::Accepted`].
    Accepted(ConnId),
    /// See [`Input::Received`].
    Received(ConnId, M),
    /// See [`Input::Closed`].
    Closed(ConnId, Closed),
}

/// What a machine of this kind can be told.
pub type ToldTo<N> = Told<<N as Node>::Message, <N as Node>::Timer, <N as Node>::Request>;

impl<'a, T> Told<(), &'a T, ()> {
    /// An input without what was asked or said.
    pub fn of<M, Q>(input: &'a Input<M, T, Q>) -> Told<(), &'a T, ()> {
        match input {
            Input::Boot => Told::Boot,
            Input::Disk(id, result) => Told::Disk(*id, result.clone()),
            Input::Timer(timer) => Told::Timer(timer),
            Input::Call(call, _) => Told::Call(*call, ()),
            Input::Message(from, _) => Told::Message(*from, ()),
            Input::Opened(conn) => Told::Opened(*conn),
            Input::Accepted(conn) => Told::Accepted(*conn),
            Input::Received(conn, _) => Told::Received(*conn, ()),
            Input::Closed(conn, how) => Told::Closed(*conn, *how),
        }
    }
}

impl<M, T, Q> Told<M, T, Q> {
    /// As a machine takes it.
    pub fn input<N: Node<Message = M, Timer = T, Request = Q>>(self) -> NodeInput<N> {
        match self {
            Told::Boot => Input::Boot,
            Told::Disk(id, result) => Input::Disk(id, result),
            Told::Timer(timer) => Input::Timer(timer),
            Told::Call(call, request) => Input::Call(call, request),
            Told::Message(from, message) => Input::Message(from, message),
            Told::Opened(conn) => Input::Opened(conn),
            Told::Accepted(conn) => Input::Accepted(conn),
            Told::Received(conn, message) => Input::Received(conn, message),
            Told::Closed(conn, how) => Input::Closed(conn, how),
        }
    }
}

/// Reads words that the code itself has as constants. They are never given back: whoever reads a recording meets a
/// handful of them.
pub(crate) fn words<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    String::deserialize(from).map(|text| &*Box::leak(text.into_boxed_str()))
}

/// 128 bits that look random, as 16 bytes: a number of variable length would be longer and ten times slower.
pub(crate) mod random {
    use super::{Deserializer, Sixteen};

    pub(crate) fn serialize<S: serde::Serializer>(bits: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&bits.to_le_bytes())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        from.deserialize_bytes(Sixteen)
    }
}

/// What was read from a disk. Files have room that nothing was written to yet, and recovery reads it: nothing but zeros is
/// their number, up to as many as can be lent, so that no number asks for memory.
pub(crate) mod read {
    use super::{Bytes, Deserialize, Deserializer, Error, Serialize};

    static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

    #[derive(Serialize, Deserialize)]
    enum Read<T> {
        Bytes(T),
        Zeros(u32),
    }

    pub(crate) fn serialize<S: serde::Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        match ZEROS.get(..bytes.len()) {
            // The length is that of a part of `ZEROS`.
            Some(zeros) if zeros == bytes => Read::<&Bytes>::Zeros(bytes.len() as u32).serialize(to),
            _ => Read::Bytes(bytes).serialize(to),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        match Read::deserialize(from)? {
            Read::Bytes(bytes) => Ok(bytes),
            Read::Zeros(count) => {
                let zeros = ZEROS.get(..count as usize).map(Bytes::from_static);
                zeros.ok_or_else(|| D::Error::custom("more zeros than were read at once"))
            }
        }
    }
}

/// Expects 16 bytes.
struct Sixteen;

impl Visitor<'_> for Sixteen {
    type Value = u128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("16 bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<u128, E> {
        let sixteen = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
        Ok(u128::from_le_bytes(sixteen))
    }
}
