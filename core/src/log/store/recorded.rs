//! The event store as a recording needs to know it: payloads are the bulky contents of appends.

use super::EventStore;
use crate::log::api::{EventId, Expected, Key, Name, NewEvent, Part, Promise, Request, Response};
use crate::recorded::{Bulky, Each, Place, Recorded, Shelf};
use alloc::vec::Vec;
use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeStructVariant};

impl Recorded for EventStore {
    const SYSTEM: &'static str = "log";

    fn places(response: &Response) -> Option<Vec<Place>> {
        let shelf = Shelf::default();
        match response {
            Response::Appended(receipts) if receipts.iter().all(|r| r.promise == Promise::Durable) => {
                Some(receipts.iter().map(|r| Place { shelf, first: r.position, count: r.count }).collect())
            }
            _ => None,
        }
    }
}

impl Bulky for Request {
    type Bare<'a> = Bare<'a>;

    fn bare(&self) -> Bare<'_> {
        Bare(self)
    }

    fn contents(&self) -> Vec<Bytes> {
        let Request::Append { parts, .. } = self else { return Vec::new() };
        // Room for all at once: an iterator over nested lists does not say how long it is.
        let mut contents = Vec::with_capacity(parts.iter().map(|part| part.events.len()).sum());
        contents.extend(parts.iter().flat_map(|part| &part.events).map(|event| event.payload.clone()));
        contents
    }

    fn put_contents(&mut self, contents: Vec<Bytes>) -> bool {
        let Request::Append { parts, .. } = self else { return contents.is_empty() };
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
