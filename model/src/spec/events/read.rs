//! Judges pages of events: each event by itself, and the page by what it should have held. It knows a scan of
//! everything from the acknowledged and shown positions alone, and so judges every index without looking at it.

use super::{
    ACKED_IS_DURABLE, CHAIN_VERIFIES, DEDUP_IMPLIES_DURABLE, DENSE_POSITIONS, Facts, Firm, History,
    INDEX_EQUALS_SCAN, NOTHING_INVENTED, READS_ARE_DURABLE, State,
    history::{Open, describe, nth, same},
};
use crate::mutants::mutant;
use crate::world::{Ignored, Seen, Violation};
use onceward_core::{
    CallId,
    log::api::{Event, EventId, Filter, Hash256, Head, Name, NewEvent, Part, Query},
};
use std::collections::BTreeSet;

type Judged = Result<(), Violation>;

impl History {
    pub(super) fn on_page(
        &mut self,
        seen: Seen,
        open: &Open,
        query: &Query,
        events: &[Event],
        next: u64,
        end: bool,
    ) -> Judged {
        let blame = |promise: &'static str, what: &str, detail: String| {
            Err(Violation::new(promise, what).at(*open.called, describe(query)).at(seen, detail))
        };
        if !events.iter().map(|e| e.position).is_sorted_by(|a, b| a < b)
            || events.len() > query.limit as usize
        {
            let positions: Vec<u64> = events.iter().map(|e| e.position).collect();
            return blame(DENSE_POSITIONS, "a page is out of order or too long", format!("{positions:?}"));
        }
        for event in events {
            self.on_event(seen, event)?;
        }
        if query.filter == Filter::All {
            let dense = (query.from..).zip(events).all(|(position, event)| event.position == position);
            if !dense || next != query.from + events.len() as u64 {
                let positions: Vec<u64> = events.iter().map(|e| e.position).collect();
                let detail = format!("positions {positions:?}, next {next}");
                return blame(DENSE_POSITIONS, "a scan has a gap", detail);
            }
        }
        if let Some(missing) = self.missing(open, query, events, next, end) {
            let promise = match (query.filter == Filter::All, missing.1.firm) {
                (false, _) => INDEX_EQUALS_SCAN,
                (true, Firm::Acked) => ACKED_IS_DURABLE,
                (true, Firm::Repeated) => DEDUP_IMPLIES_DURABLE,
                (true, _) => READS_ARE_DURABLE,
            };
            let (at, known) = (missing.0, missing.1);
            return Err(Violation::new(promise, "a read does not show an event that is in the store")
                .at(*known.seen, format!("{:?} of {} became known at position {at}", known.id, known.entity))
                .at(*open.called, describe(query))
                .at(seen, format!("{} events, next {next}, end {end}: not among them", events.len())));
        }
        if let (Filter::All, true, Some(last)) = (&query.filter, end, events.last())
            && let Some((call, n)) = self.origin(last)
            && nth(self.parts(call), n + 1).is_some()
            && events.len() < query.limit as usize
        {
            return blame(
                NOTHING_INVENTED,
                "a request is shown in part",
                format!("position {} is event {n} of its request, and the last one", last.position),
            );
        }
        Ok(())
    }

    /// Judges one event by itself, and takes note of it.
    fn on_event(&mut self, seen: Seen, event: &Event) -> Judged {
        let Some(origin) = self.origin(event) else {
            return Err(Violation::new(
                NOTHING_INVENTED,
                "the store shows an event that nobody appended, or that was refused",
            )
            .at(seen, format!("position {}: {:?} of {}", event.position, event.id, event.entity)));
        };
        if Hash256(*blake3::hash(&event.payload).as_bytes()) != event.content {
            return Err(Violation::new(CHAIN_VERIFIES, "an event's content hash is not that of its payload")
                .at(seen, format!("position {}: {:?}", event.position, event.id)));
        }
        let chain = self.follow(event);
        self.note(
            seen,
            event.position,
            Facts {
                id: event.id,
                entity: event.entity.clone(),
                sequence: event.sequence,
                origin,
                time: Some(event.time),
                chain,
                firm: self.shown(),
                seen: Ignored(seen),
            },
        )
    }

    /// Which call an event came from: one that asked for exactly this and was not refused.
    fn origin(&self, event: &Event) -> Option<(CallId, u32)> {
        let calls = self.ids.get(&event.id)?;
        calls.iter().copied().find(|(call, n)| {
            let allowed = !matches!(self.state(*call), Some(State::Refused) | None);
            allowed && nth(self.parts(*call), *n).is_some_and(|(part, new)| same(part, new, event))
        })
    }

    /// The first event that a page should have held.
    fn missing(
        &self,
        open: &Open,
        query: &Query,
        events: &[Event],
        next: u64,
        end: bool,
    ) -> Option<(u64, &Facts)> {
        if query.filter != Filter::All && mutant!(OracleTrustsIndex) {
            return None;
        }
        // What became known while the read was under way may or may not be in it.
        let upto = if end { open.known } else { next.min(open.known) };
        if upto <= query.from {
            return None;
        }
        let shown: BTreeSet<u64> = events.iter().map(|event| event.position).collect();
        let lineage = self.lineage(&query.filter, upto);
        let wanted = |(position, facts): &(&u64, &Facts)| match &lineage {
            Some(ids) => ids.contains(&facts.id),
            None => self.matches(&query.filter, facts) && !shown.contains(position),
        };
        let found = self.facts.range(query.from..upto).filter(|(p, _)| !shown.contains(p)).find(wanted);
        found.map(|(position, facts)| (*position, facts))
    }

    /// Whether an event is one that a filter asks for; false for filters along causation.
    pub(super) fn matches(&self, filter: &Filter, facts: &Facts) -> bool {
        let Some((part, new)) = nth(self.parts(facts.origin.0), facts.origin.1) else { return false };
        match filter {
            Filter::All => true,
            Filter::Entity(name) => part.entity == *name,
            Filter::Scope(name) => new.scope == *name,
            Filter::Kind(name) => new.kind == *name,
            Filter::Id(id) => new.id == *id,
            Filter::Correlation(id) => self.correlation(new) == Some(*id),
            Filter::CausesOf(_) | Filter::EffectsOf(_) => false,
        }
    }

    /// The conversation of an event; `None` where a cause is not known.
    fn correlation(&self, new: &NewEvent) -> Option<EventId> {
        let (mut new, mut hops) = (new, 0);
        loop {
            match (new.correlation, new.causation) {
                (Some(correlation), _) => return Some(correlation),
                (None, None) => return Some(new.id),
                (None, Some(cause)) if cause == new.id || hops == 10_000 => return None,
                (None, Some(cause)) => new = self.placed(cause)?.1,
            }
            hops += 1;
        }
    }

    fn placed(&self, id: EventId) -> Option<(&Part, &NewEvent)> {
        let facts = self.facts.get(self.places.get(&id)?)?;
        nth(self.parts(facts.origin.0), facts.origin.1)
    }

    /// The ids that a filter along causation asks for, as far as they are known below a position.
    fn lineage(&self, filter: &Filter, upto: u64) -> Option<BTreeSet<EventId>> {
        let mut ids = BTreeSet::new();
        match filter {
            Filter::CausesOf(id) => {
                let mut at = Some(*id);
                while let Some(id) = at.filter(|id| self.places.contains_key(id) && !ids.contains(id)) {
                    ids.insert(id);
                    at = self.placed(id).and_then(|(_, new)| new.causation);
                }
            }
            Filter::EffectsOf(id) => {
                ids.insert(*id);
                for facts in self.facts.range(..upto).map(|(_, facts)| facts) {
                    let cause = self.placed(facts.id).and_then(|(_, new)| new.causation);
                    if cause.is_some_and(|cause| ids.contains(&cause)) {
                        ids.insert(facts.id);
                    }
                }
            }
            _ => return None,
        }
        Some(ids)
    }

    pub(super) fn on_head(&mut self, seen: Seen, open: &Open, entity: &Name, head: Option<Head>) -> Judged {
        let told = format!("the head of {entity} is {head:?}");
        let last = self
            .sequences
            .range((entity.clone(), 0)..=(entity.clone(), u64::MAX))
            .map(|(key, at)| (key.1, *at));
        let known = last.rev().find(|(_, position)| *position < open.known);
        if head.map(|head| head.sequence) < known.map(|(sequence, _)| sequence) {
            return Err(Violation::new(INDEX_EQUALS_SCAN, "an entity's head lies before its last event")
                .at(*open.called, format!("{entity} was known to have {known:?}"))
                .at(seen, told));
        }
        let Some(head) = head else { return Ok(()) };
        let Some(facts) = self.facts.get(&head.position) else { return Ok(()) };
        if facts.entity != *entity || facts.sequence != head.sequence {
            return Err(Violation::new(INDEX_EQUALS_SCAN, "an entity's head is not its event")
                .at(
                    *facts.seen,
                    format!("position {} holds {} {}", head.position, facts.entity, facts.sequence),
                )
                .at(seen, told));
        }
        match facts.chain.filter(|chain| *chain != head.chain) {
            Some(chain) => {
                Err(Violation::new(CHAIN_VERIFIES, "an entity's head has another hash chain than its event")
                    .at(*facts.seen, format!("position {} has {chain:?}", head.position))
                    .at(seen, told))
            }
            None => Ok(()),
        }
    }

    pub(super) fn on_cursor_saved(&mut self, reader: &Name, position: u64) {
        let cursor = self.cursors.entry(reader.clone()).or_insert(0);
        *cursor = position.max(*cursor);
    }

    pub(super) fn on_cursor(&mut self, seen: Seen, reader: &Name, cursor: Option<u64>) -> Judged {
        match self.cursors.get(reader) {
            Some(saved) if cursor.is_none_or(|cursor| cursor < *saved) => {
                Err(Violation::new(ACKED_IS_DURABLE, "a saved cursor has gone back")
                    .at(seen, format!("{reader} had saved {saved}, the store says {cursor:?}")))
            }
            _ => Ok(()),
        }
    }
}
