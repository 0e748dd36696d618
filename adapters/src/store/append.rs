//! How an append is put together. Decides defaults and gives ids where the caller gave none; checks names and nothing
//! else.

use super::error::BadRequest;
use bytes::Bytes;
use onceward_core::log::api::{EventId, Expected, Key, Name, NewEvent, Part};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Events to be appended to one entity.
///
/// ```
/// use onceward::{Append, Expected, Key};
/// let paid = Append::to("order-17")
///     .expecting(Expected::Exact(0))
///     .key(Key(0x6f72_6465_722d_3137))
///     .event("paid", "12.50 EUR");
/// ```
#[derive(Clone, Debug)]
pub struct Append {
    entity: String,
    scope: String,
    expected: Expected,
    key: Option<Key>,
    events: Vec<Draft>,
}

#[derive(Clone, Debug)]
enum Draft {
    Ready(NewEvent),
    Simple { kind: String, payload: Bytes },
}

impl Append {
    /// The scope of events that are appended without naming one.
    pub const SCOPE: &'static str = "default";

    /// To this entity, whatever its state, without a key, so far without events.
    pub fn to(entity: impl Into<String>) -> Append {
        let scope = Append::SCOPE.to_owned();
        Append { entity: entity.into(), scope, expected: Expected::Any, key: None, events: Vec::new() }
    }

    /// Only if this is true of the entity.
    pub fn expecting(mut self, expected: Expected) -> Append {
        self.expected = expected;
        self
    }

    /// With an idempotency key: a retry with the same key and contents gets the same answer and changes nothing.
    pub fn key(mut self, key: Key) -> Append {
        self.key = Some(key);
        self
    }

    /// In this scope: holds for all events of [`Append::event`].
    pub fn scope(mut self, scope: impl Into<String>) -> Append {
        self.scope = scope.into();
        self
    }

    /// One more event. Its id is new and random, or follows from the key if there is one, so that a retry is the same
    /// request.
    pub fn event(mut self, kind: impl Into<String>, payload: impl Into<Bytes>) -> Append {
        self.events.push(Draft::Simple { kind: kind.into(), payload: payload.into() });
        self
    }

    /// One more event, given whole.
    pub fn whole(mut self, event: NewEvent) -> Append {
        self.events.push(Draft::Ready(event));
        self
    }

    pub(super) fn part(self, ids: &Ids) -> Result<Part, BadRequest> {
        if self.events.is_empty() {
            return Err(BadRequest::NoEvents);
        }
        let entity = name("entity", &self.entity)?;
        let mut scope = None;
        let mut events = Vec::with_capacity(self.events.len());
        // Names are shared: most events of an append have the kind of the one before.
        let mut last: Option<Name> = None;
        for (at, draft) in self.events.into_iter().enumerate() {
            events.push(match draft {
                Draft::Ready(event) => event,
                Draft::Simple { kind, payload } => {
                    let kind = match last.take().filter(|last| last.as_str() == kind) {
                        Some(same) => same,
                        None => name("kind", &kind)?,
                    };
                    let scope = match &scope {
                        Some(scope) => Name::clone(scope),
                        None => scope.insert(name("scope", &self.scope)?).clone(),
                    };
                    last = Some(kind.clone());
                    // Under a key, a retry must be the same request: its ids follow from the key.
                    let id = match self.key {
                        Some(key) => derived(&entity, key, at),
                        None => ids.next(),
                    };
                    NewEvent { id, kind, scope, correlation: None, causation: None, payload }
                }
            });
        }
        Ok(Part { entity, expected: self.expected, key: self.key, events })
    }
}

fn name(what: &'static str, text: &str) -> Result<Name, BadRequest> {
    Name::new(text).map_err(|source| BadRequest::Name { what, text: text.to_owned(), source })
}

/// The id of the n-th event of the request that this key names.
fn derived(entity: &Name, key: Key, at: usize) -> EventId {
    let mut hasher = blake3::Hasher::new_derive_key("onceward 2026 event id of an idempotent append");
    hasher.update(&key.0.to_le_bytes());
    hasher.update(&(at as u64).to_le_bytes());
    hasher.update(entity.as_str().as_bytes());
    let mut id = [0; 16];
    hasher.finalize_xof().fill(&mut id);
    EventId(u128::from_le_bytes(id))
}

/// Random ids: a counter, hashed under keys that the system's entropy chose for this store handle.
#[derive(Debug)]
pub(super) struct Ids {
    keys: RandomState,
    count: AtomicU64,
}

impl Ids {
    pub(super) fn new() -> Ids {
        Ids { keys: RandomState::new(), count: AtomicU64::new(0) }
    }

    pub(super) fn next(&self) -> EventId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let half = |which: u8| u128::from(self.keys.hash_one((count, which)));
        EventId(half(0) << 64 | half(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_the_bad_one_is_named() {
        let ids = Ids::new();
        let bad = Append::to("a\nb").event("k", "").part(&ids).unwrap_err();
        assert_eq!(
            bad.to_string(),
            r#"entity "a\nb": a name must not hold control characters, this one does at byte 1"#
        );
        let bad = Append::to("a").event("", "").part(&ids).unwrap_err();
        assert_eq!(bad.to_string(), r#"kind "": a name must not be empty"#);
        assert_eq!(Append::to("a").part(&ids), Err(BadRequest::NoEvents));
    }

    #[test]
    fn ids_are_new_without_a_key_and_the_same_with_one() {
        let ids = Ids::new();
        let one = || Append::to("a").event("k", "1").event("k", "2");
        let all = |append: Append| append.part(&ids).unwrap().events.iter().map(|e| e.id).collect::<Vec<_>>();
        let (first, second) = (all(one()), all(one()));
        assert!(first[0] != first[1] && !second.contains(&first[0]) && !second.contains(&first[1]));
        assert_eq!(all(one().key(Key(1))), all(one().key(Key(1))));
        assert_ne!(all(one().key(Key(1))), all(one().key(Key(2))));
    }
}
