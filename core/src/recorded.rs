//! What a recording of a machine in production needs to know of it: how its state and what it is told become data, and
//! which parts of a request are bulky contents that stand in a log anyway. It decides nothing and does no I/O.
//!
//! Invariant: a request whose contents were taken out and put back is the same request.

use crate::{
    CallId, DiskResult, Input, Never, Node, OpId,
    log::{
        api::{EventId, Expected, Key, Name, NewEvent, Part, Promise, Request, Response},
        store::EventStore,
    },
};
use alloc::{boxed::Box, string::String, vec::Vec};
use bytes::Bytes;
use core::fmt;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error, Visitor},
    ser::SerializeStructVariant,
};

/// A machine without a network whose inputs can be recorded and given to it again.
pub trait Recorded:
    Node<
        Message = Never,
        Timer: Serialize + DeserializeOwned,
        Request: Serialize + DeserializeOwned,
        Response: Serialize,
    > + Serialize
    + DeserializeOwned
{
    /// The name of the system that it belongs to, as scenarios and commands know it.
    const SYSTEM: &'static str;

    /// A request without its bulky contents, which serialises as a request that [`Recorded::put_contents`] takes.
    type Bare<'a>: Serialize
    where
        Self::Request: 'a;

    /// Leaves the bulky contents of a request out.
    fn bare(request: &Self::Request) -> Self::Bare<'_>;

    /// The bulky contents of a request, in order.
    fn contents(request: &Self::Request) -> Vec<Bytes>;

    /// Puts contents back where they were left out; says false, and leaves the request incomplete, if these are not as
    /// many.
    fn put_contents(request: &mut Self::Request, contents: Vec<Bytes>) -> bool;

    /// Where the machine's log now holds the contents of a request that was answered so, for good: ranges of positions,
    /// first and number, in the order of the contents. `None` if they are not known to be there.
    fn places(response: &Self::Response) -> Option<Vec<(u64, u32)>>;
}

impl Recorded for EventStore {
    const SYSTEM: &'static str = "log";

    type Bare<'a> = Bare<'a>;

    fn bare(request: &Request) -> Bare<'_> {
        Bare(request)
    }

    fn contents(request: &Request) -> Vec<Bytes> {
        let Request::Append { parts, .. } = request else { return Vec::new() };
        // Room for all at once: an iterator over nested lists does not say how long it is.
        let mut contents = Vec::with_capacity(parts.iter().map(|part| part.events.len()).sum());
        contents.extend(parts.iter().flat_map(|part| &part.events).map(|event| event.payload.clone()));
        contents
    }

    fn put_contents(request: &mut Request, contents: Vec<Bytes>) -> bool {
        let Request::Append { parts, .. } = request else { return contents.is_empty() };
        let mut contents = contents.into_iter();
        let mut enough = true;
        for event in parts.iter_mut().flat_map(|part| &mut part.events) {
            match contents.next() {
                Some(payload) => event.payload = payload,
                None => enough = false,
            }
        }
        enough && contents.next().is_none()
    }

    fn places(response: &Response) -> Option<Vec<(u64, u32)>> {
        match response {
            Response::Appended(receipts) if receipts.iter().all(|r| r.promise == Promise::Durable) => {
                Some(receipts.iter().map(|receipt| (receipt.position, receipt.count)).collect())
            }
            _ => None,
        }
    }
}

/// A request to the event store, serialised as if its payloads were empty. Nothing is copied: a thread that steps a
/// machine can afford it.
#[derive(Clone, Copy, Debug)]
pub struct Bare<'a>(&'a Request);

impl Serialize for Bare<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Request::Append { parts, deadline } = self.0 else { return self.0.serialize(to) };
        let mut append = to.serialize_struct_variant("Request", 0, "Append", 2)?;
        append.serialize_field("parts", &Each(parts, BarePart::of))?;
        append.serialize_field("deadline", deadline)?;
        append.end()
    }
}

/// A list, each of its items as something else.
struct Each<'a, T, V>(&'a [T], fn(&'a T) -> V);

impl<T, V: Serialize> Serialize for Each<'_, T, V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(self.1))
    }
}

/// [`Part`], field by field.
#[derive(Serialize)]
struct BarePart<'a> {
    entity: &'a Name,
    expected: Expected,
    key: Option<Key>,
    events: Each<'a, NewEvent, BareEvent<'a>>,
}

impl BarePart<'_> {
    fn of(part: &Part) -> BarePart<'_> {
        // Whoever adds a field is reminded here.
        let Part { entity, expected, key, events } = part;
        BarePart { entity, expected: *expected, key: *key, events: Each(events, BareEvent::of) }
    }
}

/// [`NewEvent`], field by field.
#[derive(Serialize)]
struct BareEvent<'a> {
    id: EventId,
    kind: &'a Name,
    scope: &'a Name,
    correlation: Option<EventId>,
    causation: Option<EventId>,
    payload: Bytes,
}

impl BareEvent<'_> {
    fn of(event: &NewEvent) -> BareEvent<'_> {
        let NewEvent { id, kind, scope, correlation, causation, payload: _ } = event;
        BareEvent {
            id: *id,
            kind,
            scope,
            correlation: *correlation,
            causation: *causation,
            payload: Bytes::new(),
        }
    }
}

/// What a machine without a network can be told: an [`Input`] as data.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Told<T, Q> {
    /// See [`Input::Boot`].
    Boot,
    /// See [`Input::Disk`].
    Disk(OpId, DiskResult),
    /// See [`Input::Timer`].
    Timer(T),
    /// See [`Input::Call`].
    Call(CallId, Q),
}

impl<'a, T, Q> Told<&'a T, &'a Q> {
    /// The same, unless it came over a network.
    pub fn of(input: &'a Input<Never, T, Q>) -> Option<Told<&'a T, &'a Q>> {
        match input {
            Input::Boot => Some(Told::Boot),
            Input::Disk(id, result) => Some(Told::Disk(*id, result.clone())),
            Input::Timer(timer) => Some(Told::Timer(timer)),
            Input::Call(call, request) => Some(Told::Call(*call, request)),
            Input::Opened(_) | Input::Accepted(_) | Input::Closed(..) => None,
            Input::Message(_, never) | Input::Received(_, never) => match *never {},
        }
    }
}

impl<T, Q> Told<T, Q> {
    /// The same with another request.
    pub fn map<P>(self, request: impl FnOnce(Q) -> P) -> Told<T, P> {
        match self {
            Told::Boot => Told::Boot,
            Told::Disk(id, result) => Told::Disk(id, result),
            Told::Timer(timer) => Told::Timer(timer),
            Told::Call(call, asked) => Told::Call(call, request(asked)),
        }
    }

    /// As a machine takes it.
    pub fn input(self) -> Input<Never, T, Q> {
        match self {
            Told::Boot => Input::Boot,
            Told::Disk(id, result) => Input::Disk(id, result),
            Told::Timer(timer) => Input::Timer(timer),
            Told::Call(call, request) => Input::Call(call, request),
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
