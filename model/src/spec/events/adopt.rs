//! Takes up events that were in the store before the history began, or that were appended while nobody looked. They are
//! known from then on like all others; who asked for them, with which guards and keys, is not.

use super::{Facts, Firm, History, NOTHING_INVENTED, State};
use crate::world::{Ignored, Seen, Violation};
use onceward_core::{
    CallId, ClientId,
    log::api::{Event, EventId, Expected, Hash256, NewEvent, Part, Request},
};

/// Whoever asked for events that were adopted: none of the clients that were watched.
const SOMEBODY: ClientId = ClientId(u16::MAX - 1);

impl History {
    /// Takes up an event and its entity's chain there. One that is known already stays as it is known, and must be
    /// this one.
    ///
    /// # Errors
    /// The promise that it breaks by standing there.
    pub fn adopt(&mut self, seen: Seen, event: &Event, chain: Hash256) -> Result<(), Violation> {
        let Event { position, sequence, entity, id, kind, scope, correlation, causation, time, .. } = event;
        let call = CallId { client: SOMEBODY, number: *position };
        if self.was_refused(*id) {
            let what = "the store holds an event that was refused";
            let detail = format!("position {position}: {id:?} of {entity}");
            return Err(Violation::new(NOTHING_INVENTED, what).at(seen, detail));
        }
        let known = self.fact(*position).map(|facts| facts.origin);
        if known.is_none() {
            let new = NewEvent {
                id: *id,
                kind: kind.clone(),
                scope: scope.clone(),
                correlation: Some(*correlation),
                causation: *causation,
                payload: event.payload.clone(),
            };
            let part = Part { entity: entity.clone(), expected: Expected::Any, key: None, events: vec![new] };
            self.called(seen, call, &Request::Append { parts: vec![part], deadline: None });
            self.lost(call);
            self.settle(call, State::Acked(vec![*position]));
        }
        self.note(
            seen,
            *position,
            Facts {
                id: *id,
                entity: entity.clone(),
                sequence: *sequence,
                origin: known.unwrap_or((call, 0)),
                time: Some(*time),
                chain: Some(chain),
                firm: self.shown().min(Firm::Shown),
                seen: Ignored(seen),
            },
        )
    }

    /// Whether everybody who is known to have asked for this event was refused.
    fn was_refused(&self, id: EventId) -> bool {
        let mut asked = self.appenders(id.0).filter(|call| call.client != SOMEBODY).peekable();
        asked.peek().is_some() && asked.all(|call| self.state(call) == Some(&State::Refused))
    }

    /// Whether what stands at a position was adopted.
    pub(super) fn is_adopted(&self, position: u64) -> bool {
        self.fact(position).is_some_and(|facts| facts.origin.0.client == SOMEBODY)
    }
}
