//! What this judge promises to those who trust it: that it sees for itself. Whatever an index says of the store, what
//! is in the store is known from what callers were told. A short story, which must end as told: it runs as a test, and a
//! harness runs it against its own known bugs.

use super::{History, INDEX_EQUALS_SCAN};
use crate::{
    mutants,
    world::{Seen, Time},
};
use bytes::Bytes;
use onceward_core::{
    CallId, ClientId,
    log::{
        api::{
            Event, EventId, Expected, Filter, Hash256, Hlc, Name, NewEvent, Part, Promise as Told, Query,
            Receipt, Request, Response,
        },
        store::link,
    },
};

/// The promises of the judge.
pub(crate) const ALL: &[mutants::Promise] = &[mutants::Promise {
    name: "oracles-see-for-themselves",
    what: "A read by an index that has forgotten an event is noticed, whatever the index says.",
    check: sees_for_itself,
}];

fn sees_for_itself() -> Result<(), String> {
    let name = |text| Name::new(text).map_err(|bad| format!("{text}: {bad}"));
    let (entity, kind, scope) = (name("a")?, name("k")?, name("s")?);
    let (id, payload) = (EventId(1), Bytes::from_static(b"x"));
    let new = NewEvent {
        id,
        kind: kind.clone(),
        scope: scope.clone(),
        correlation: None,
        causation: None,
        payload: payload.clone(),
    };
    let time = Hlc { millis: 1, counter: 0 };
    let content = Hash256(*blake3::hash(&payload).as_bytes());
    let event = Event {
        position: 0,
        sequence: 0,
        entity: entity.clone(),
        id,
        kind,
        scope,
        correlation: id,
        causation: None,
        time,
        content,
        payload,
    };
    let chain = link(&Hash256::default(), &event);
    let receipt =
        Receipt { position: 0, sequence: 0, count: 1, time, chain, promise: Told::Durable, duplicate: false };
    let part = Part { entity: entity.clone(), expected: Expected::Any, key: None, events: vec![new] };

    let mut history = History::new(true, 1_000);
    let seen = |step| Seen { step, at: Time(step) };
    let mut exchange = |number, request: Request, response: Response| {
        let call = CallId { client: ClientId(0), number };
        history.called(seen(2 * number + 1), call, &request);
        history.replied(seen(2 * number + 2), call, &response)
    };
    let append = Request::Append { parts: vec![part], deadline: None };
    exchange(0, append, Response::Appended(vec![receipt])).map_err(|violation| violation.to_string())?;
    let by_entity =
        Query { filter: Filter::Entity(entity), from: 0, limit: 10, max_bytes: 1 << 20, wait: None };
    let forgotten = Response::Events { events: vec![], next: 1, end: true };
    match exchange(1, Request::Read(by_entity), forgotten) {
        Err(violation) if violation.promise == INDEX_EQUALS_SCAN => Ok(()),
        Err(violation) => Err(format!("noticed as something else: {violation}")),
        Ok(()) => Err("an index that has forgotten an acknowledged event went unnoticed".into()),
    }
}

#[test]
fn the_judge_sees_for_itself() {
    ALL.iter().for_each(|promise| assert_eq!((promise.check)(), Ok(()), "{}", promise.name));
}
