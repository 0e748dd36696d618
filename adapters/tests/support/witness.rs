//! What clients of a real store saw, judged by the oracles of the event store's promises. Calls and answers are noted
//! in the order in which they happened; an answer that contradicts an earlier one ends the test with the two.

use onceward::{Error, EventStore, Filter, Lost, Name, Page, Part, Query, Receipt, query};
use onceward_core::log::api::{Head, Request, Response};
use onceward_core::{CallId, ClientId};
use onceward_model::spec::events::History;
use onceward_model::world::{Seen, Time, Violation};

/// Books over one store, through all its lives. A clone goes on by itself: one history, several ends.
#[derive(Clone)]
pub struct Witness {
    history: History,
    step: u64,
    calls: u64,
}

/// The client that [`Witness::look_at_everything`] is. Others must have other numbers.
const WITNESS: ClientId = ClientId(99);

impl Witness {
    /// Of a new store with default settings.
    pub fn new() -> Witness {
        Witness { history: History::new(true, 1_000_000), step: 0, calls: 0 }
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    fn seen(&mut self) -> Seen {
        self.step += 1;
        Seen { step: self.step, at: Time(self.step) }
    }

    pub fn called(&mut self, call: CallId, request: &Request) {
        let seen = self.seen();
        self.history.called(seen, call, request);
    }

    pub fn replied(&mut self, call: CallId, response: &Response) -> Result<(), Violation> {
        let seen = self.seen();
        self.history.replied(seen, call, response)
    }

    /// The process has ended, or the power went: whoever waits for an answer gets none.
    pub fn crashed(&mut self, power: bool) {
        let open: Vec<CallId> = self.history.waiting().collect();
        open.into_iter().for_each(|call| self.history.lost(call));
        self.history.crashed(power);
        self.history.booted();
    }

    /// Asks and judges the answer.
    fn ask<T>(
        &mut self,
        request: Request,
        answer: impl FnOnce() -> Result<T, Error>,
        response: impl FnOnce(&T) -> Response,
    ) -> Result<T, Violation> {
        let call = CallId { client: WITNESS, number: self.calls };
        self.calls += 1;
        self.called(call, &request);
        let answer = answer();
        let told = match &answer {
            Ok(good) => response(good),
            Err(Error::Refused(refusal)) => Response::Refused(refusal.clone()),
            Err(other) => panic!("{request:?}: {other}"),
        };
        self.replied(call, &told)?;
        Ok(answer.unwrap_or_else(|error| panic!("{request:?}: {error}")))
    }

    fn page(&mut self, store: &EventStore, query: &Query) -> Result<Page, Violation> {
        self.ask(
            Request::Read(query.clone()),
            || store.read(query.clone()).wait(),
            |page| Response::Events { events: page.events.clone(), next: page.next, end: page.end },
        )
    }

    /// Reads everything, forwards and by entity, and verifies. How many events there are.
    pub fn look_at_everything(&mut self, store: &EventStore) -> Result<u64, Violation> {
        let mut wanted = query(Filter::All);
        let mut entities = std::collections::BTreeSet::new();
        loop {
            let page = self.page(store, &wanted)?;
            entities.extend(page.events.iter().map(|event| event.entity.clone()));
            wanted.from = page.next;
            if page.end {
                break;
            }
        }
        for entity in entities {
            self.head(store, &entity)?;
            self.page(store, &query(Filter::Entity(entity)))?;
        }
        let verified = self.ask(
            Request::Verify,
            || store.verify().wait(),
            |verified| Response::Verified(verified.clone()),
        )?;
        assert_eq!(verified.events, wanted.from);
        Ok(wanted.from)
    }

    pub fn head(&mut self, store: &EventStore, entity: &Name) -> Result<Option<Head>, Violation> {
        self.ask(
            Request::Head { entity: entity.clone() },
            || store.head(entity.clone()).wait(),
            |head| Response::Head(*head),
        )
    }

    /// Appends, which must be done: the store is open and nothing fails.
    pub fn append(&mut self, store: &EventStore, parts: Vec<Part>) -> Result<Vec<Receipt>, Violation> {
        self.ask(
            Request::Append { parts: parts.clone(), deadline: None },
            || store.append_batch(parts.into_iter().map(append)).wait(),
            |receipts| Response::Appended(receipts.clone()),
        )
    }
}

/// What the store is asked to get exactly this part of a request.
pub fn append(part: Part) -> onceward::Append {
    let append = onceward::Append::to(part.entity.as_str()).expecting(part.expected);
    let append = part.key.into_iter().fold(append, onceward::Append::key);
    part.events.into_iter().fold(append, onceward::Append::whole)
}

/// The answer to an append as the machine gave it. `None`: there is none.
pub fn response(answer: Result<Vec<Receipt>, Error>) -> Option<Response> {
    match answer {
        Ok(receipts) => Some(Response::Appended(receipts)),
        Err(Error::Refused(refusal)) => Some(Response::Refused(refusal)),
        Err(Error::Lost(Lost::Closed | Lost::Stopped)) => None,
        Err(other) => panic!("{other}"),
    }
}
