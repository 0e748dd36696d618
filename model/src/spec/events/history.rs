//! What is known of a store from the outside, and the entry points through which it becomes known. The judgements are
//! in the neighbouring modules; this one keeps the books. Invariants: `facts` holds one entry for each position that
//! an answer named and that no power loss has made uncertain since; `sequences` and `places` are its inverses.

use super::EVERYTHING_ANSWERED;
use crate::world::{Ignored, Seen, Violation};
use onceward_core::{
    CallId,
    log::api::{
        Event, EventId, Frontiers, Hash256, Hlc, Name, NewEvent, Part, Promise, Query, Receipt, Refusal,
        Request, Response,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What is known of an append.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Not answered yet.
    Open,
    /// Answered with receipts: the position of each part.
    Acked(Vec<u64>),
    /// It may be there.
    Unknown,
    /// It must not be there, now or ever.
    Refused,
}

/// How firmly a position is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Firm {
    /// A reader saw it under a policy that shows what is merely written, or an append was so acknowledged: it may go
    /// with the power.
    Written,
    /// A reader saw it under the durable policy.
    Shown,
    /// The answer to a retry said that it is durable.
    Repeated,
    /// It was acknowledged as durable.
    Acked,
}

/// What is known of one position.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Facts {
    /// The event's id.
    pub id: EventId,
    /// Its entity.
    pub entity: Name,
    /// Its sequence there.
    pub sequence: u64,
    /// The call that appended it, and which of its events it is (counted over all parts).
    pub origin: (CallId, u32),
    /// Its logical time, where an answer told.
    pub time: Option<Hlc>,
    /// The entity's chain at this event, as a receipt told or as it was recomputed.
    pub chain: Option<Hash256>,
    /// How firmly it is known.
    pub firm: Firm,
    /// Where it became known.
    pub seen: Ignored<Seen>,
}

/// A call under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Open {
    pub(super) request: Arc<Request>,
    /// Everything below this position was known when the call was made.
    pub(super) known: u64,
    /// Whether somebody had asked the store to close before.
    pub(super) closing: bool,
    pub(super) called: Ignored<Seen>,
}

/// An append and what became of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Append {
    pub(super) parts: Arc<Request>,
    pub(super) state: State,
    pub(super) seen: Ignored<Seen>,
}

/// The history of one store.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct History {
    /// Whether the store shows and acknowledges only what is durable.
    pub(super) durable: bool,
    pub(super) open: BTreeMap<CallId, Open>,
    pub(super) appends: BTreeMap<CallId, Append>,
    /// Which calls would append an event of this id, and as which of their events.
    pub(super) ids: BTreeMap<EventId, Vec<(CallId, u32)>>,
    /// Which calls used a key of an entity.
    pub(super) keys: BTreeMap<(Name, u128), Vec<CallId>>,
    pub(super) facts: BTreeMap<u64, Facts>,
    /// The inverse of `facts` by entity and sequence.
    pub(super) sequences: BTreeMap<(Name, u64), u64>,
    /// The inverse of `facts` by event id.
    pub(super) places: BTreeMap<EventId, u64>,
    /// How many positions back a key is remembered at least.
    pub(super) horizon: u64,
    pub(super) subscriptions: BTreeMap<u64, super::subscribe::Subscription>,
    pub(super) cursors: BTreeMap<Name, u64>,
    /// How far each entity's hash chain was followed.
    pub(super) tails: BTreeMap<Name, super::chain::Tail>,
    /// Whether something happened to a disk that no store must mend.
    pub(super) beyond: bool,
    /// Whether somebody has asked the store to close since it was booted.
    pub(super) closing: bool,
}

impl History {
    /// An empty history. `durable`: the store's policy promises that nothing is acknowledged or shown before it is
    /// durable. `horizon`: for how many positions the store remembers a key at least.
    pub fn new(durable: bool, horizon: u64) -> History {
        History {
            durable,
            horizon,
            sequences: BTreeMap::new(),
            places: BTreeMap::new(),
            open: BTreeMap::new(),
            appends: BTreeMap::new(),
            ids: BTreeMap::new(),
            keys: BTreeMap::new(),
            facts: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            cursors: BTreeMap::new(),
            tails: BTreeMap::new(),
            beyond: false,
            closing: false,
        }
    }

    /// A client has called.
    pub fn called(&mut self, seen: Seen, call: CallId, request: &Request) {
        let request = Arc::new(request.clone());
        if let Request::Append { parts, .. } = &*request {
            let mut n = 0;
            for part in parts {
                if let Some(key) = part.key {
                    self.keys.entry((part.entity.clone(), key.0)).or_default().push(call);
                }
                for event in &part.events {
                    self.ids.entry(event.id).or_default().push((call, n));
                    n += 1;
                }
            }
            let append = Append { parts: Arc::clone(&request), state: State::Open, seen: Ignored(seen) };
            self.appends.insert(call, append);
        }
        let closing = self.closing;
        if matches!(*request, Request::Shutdown) {
            self.closing = true;
        }
        self.open.insert(call, Open { request, known: self.end(), closing, called: Ignored(seen) });
    }

    /// A call found nobody: it was certainly not carried out.
    pub fn refused(&mut self, call: CallId) {
        self.open.remove(&call);
        self.settle(call, State::Refused);
    }

    /// A call will not be answered any more.
    pub fn lost(&mut self, call: CallId) {
        if self.open.remove(&call).is_some() {
            self.settle(call, State::Unknown);
        }
    }

    /// The store's process has started.
    pub fn booted(&mut self) {
        self.closing = false;
        self.subscriptions.clear();
    }

    /// The store's process has ended. With the power went what was merely written.
    pub fn crashed(&mut self, power: bool) {
        self.subscriptions.clear();
        if self.beyond {
            self.doubt();
        }
        if !power {
            return;
        }
        if !self.durable {
            // Saving one was answered when it was written; what a barrier has covered since is not kept book of.
            self.cursors.clear();
        }
        let written = self.facts.iter().filter(|(_, facts)| facts.firm == Firm::Written);
        self.uncertain(&written.map(|(position, _)| *position).collect());
    }

    /// Where the disk was damaged, the last commit group may be gone: nothing on it says that the group was ever
    /// durable, so that no store can tell it from a torn one. Groups are acknowledged as a whole: the last one begins
    /// behind everything that was acknowledged before it was.
    fn doubt(&mut self) {
        let acked = |facts: &&Facts| facts.firm == Firm::Acked;
        let Some(last) = self.facts.values().rev().find(acked).map(|facts| facts.seen.0.step) else { return };
        let before = self.facts.iter().rev().find(|(_, facts)| acked(facts) && facts.seen.0.step < last);
        let from = before.map_or(0, |(position, _)| position + 1);
        self.cursors.clear();
        self.uncertain(&self.facts.range(from..).map(|(position, _)| *position).collect());
    }

    /// Forgets what is known of positions: it may be there or not.
    fn uncertain(&mut self, lost: &BTreeSet<u64>) {
        for position in lost {
            if let Some(facts) = self.facts.remove(position) {
                // What follows may be another event: the chain is followed anew.
                self.tails.remove(&facts.entity);
                self.places.remove(&facts.id);
                self.sequences.remove(&(facts.entity, facts.sequence));
                self.settle(facts.origin.0, State::Unknown);
            }
        }
        // Retries were told of the same positions.
        for append in self.appends.values_mut() {
            let (State::Acked(firsts), Request::Append { parts, .. }) = (&append.state, &*append.parts)
            else {
                continue;
            };
            let events = |(first, part): (&u64, &Part)| *first..first + part.events.len() as u64;
            if firsts.iter().zip(parts).map(events).any(|told| lost.range(told).next().is_some()) {
                append.state = State::Unknown;
            }
        }
    }

    /// A disk was damaged beyond what the store must mend: a clear refusal is in order from now on, a wrong answer is
    /// not.
    pub fn damaged(&mut self) {
        self.beyond = true;
        // It may be recovering at this moment.
        self.doubt();
    }

    /// A call was answered.
    ///
    /// # Errors
    /// The promise that the answer breaks.
    pub fn replied(&mut self, seen: Seen, call: CallId, response: &Response) -> Result<(), Violation> {
        let Some(open) = self.open.remove(&call) else {
            return Err(Violation::new(EVERYTHING_ANSWERED, "a call was answered that was not made")
                .at(seen, format!("{call:?}")));
        };
        match (&*open.request, response) {
            (_, Response::Refused(refusal)) => self.on_refusal(seen, call, &open, refusal),
            (Request::Append { parts, .. }, Response::Appended(receipts)) => {
                self.on_receipts(seen, call, &open, parts, receipts)
            }
            (Request::Read(query), Response::Events { events, next, end }) => {
                self.on_page(seen, &open, query, events, *next, *end)
            }
            (Request::Subscribe { filter, capacity: _ }, Response::Subscribed { subscription, from }) => {
                self.on_subscribed(seen, *subscription, filter.clone(), *from)
            }
            (Request::Next { subscription, .. }, Response::Notified { positions, missed }) => {
                self.on_notified(seen, &open, *subscription, positions, *missed)
            }
            (Request::Unsubscribe { subscription }, Response::Done) => {
                self.subscriptions.remove(subscription);
                Ok(())
            }
            (Request::SaveCursor { reader, position }, Response::Done) => {
                self.on_cursor_saved(reader, *position);
                Ok(())
            }
            (Request::LoadCursor { reader }, Response::Cursor(cursor)) => {
                self.on_cursor(seen, reader, *cursor)
            }
            (Request::Head { entity }, Response::Head(head)) => self.on_head(seen, &open, entity, *head),
            (Request::Barrier | Request::Await { .. }, Response::Frontiers(frontiers)) => {
                self.on_frontiers(seen, &open, *frontiers)
            }
            (Request::Status, Response::Status(status)) => self.on_status(seen, &open, status),
            (Request::Verify, Response::Verified(_)) | (Request::Shutdown, Response::Done) => Ok(()),
            (request, response) => {
                Err(Violation::new(EVERYTHING_ANSWERED, "an answer does not fit its question")
                    .at(*open.called, format!("{request:?}"))
                    .at(seen, format!("{response:?}")))
            }
        }
    }

    /// Calls without an answer.
    pub fn waiting(&self) -> impl Iterator<Item = CallId> + '_ {
        self.open.keys().copied()
    }

    /// Calls without an answer that were made before anybody asked the store to close; it may not know of later ones.
    pub fn waiting_before_close(&self) -> impl Iterator<Item = CallId> + '_ {
        self.open.iter().filter(|(_, open)| !open.closing).map(|(call, _)| *call)
    }

    /// How many events are known to be there.
    pub fn end(&self) -> u64 {
        self.facts.last_key_value().map_or(0, |(position, _)| position + 1)
    }

    /// What is known, by position.
    pub fn facts(&self) -> impl Iterator<Item = (u64, &Facts)> {
        self.facts.iter().map(|(position, facts)| (*position, facts))
    }

    /// What is known of one position.
    pub fn fact(&self, position: u64) -> Option<&Facts> {
        self.facts.get(&position)
    }

    /// The request of a call without an answer.
    pub fn request(&self, call: CallId) -> Option<Arc<Request>> {
        self.open.get(&call).map(|open| Arc::clone(&open.request))
    }

    /// The event that stands at a position, as it was asked for.
    pub fn event(&self, facts: &Facts) -> Option<(&Part, &NewEvent)> {
        nth(self.parts(facts.origin.0), facts.origin.1)
    }

    /// Whether something happened to a disk that no store must mend.
    pub fn is_beyond(&self) -> bool {
        self.beyond
    }

    /// What became of an append.
    pub fn state(&self, call: CallId) -> Option<&State> {
        self.appends.get(&call).map(|append| &append.state)
    }

    /// The calls that asked for an event of this id.
    pub fn appenders(&self, id: u128) -> impl Iterator<Item = CallId> + '_ {
        self.ids.get(&EventId(id)).into_iter().flatten().map(|(call, _)| *call)
    }

    pub(super) fn settle(&mut self, call: CallId, state: State) {
        if let Some(append) = self.appends.get_mut(&call) {
            append.state = state;
        }
    }

    pub(super) fn parts(&self, call: CallId) -> &[Part] {
        match self.appends.get(&call).map(|append| &*append.parts) {
            Some(Request::Append { parts, .. }) => parts,
            _ => &[],
        }
    }

    /// How firmly an answer under the store's policy makes something known.
    pub(super) fn shown(&self) -> Firm {
        if self.durable { Firm::Shown } else { Firm::Written }
    }

    fn on_refusal(
        &mut self,
        seen: Seen,
        call: CallId,
        open: &Open,
        refusal: &Refusal,
    ) -> Result<(), Violation> {
        self.judge_refusal(seen, call, open, refusal)?;
        let state = if matches!(refusal, Refusal::Unknown { .. }) { State::Unknown } else { State::Refused };
        self.settle(call, state);
        Ok(())
    }

    fn on_frontiers(&mut self, seen: Seen, open: &Open, frontiers: Frontiers) -> Result<(), Violation> {
        let ordered = frontiers.durable <= frontiers.written && frontiers.written <= frontiers.accepted;
        let shown = frontiers.visible <= if self.durable { frontiers.durable } else { frontiers.written };
        if !ordered || !shown {
            return Err(
                Violation::new(READS, "the frontiers are out of order").at(seen, format!("{frontiers:?}"))
            );
        }
        if matches!(*open.request, Request::Barrier) && frontiers.durable < open.known {
            return Err(Violation::new(
                super::ACKED_IS_DURABLE,
                "a barrier was answered before all was durable",
            )
            .at(*open.called, "the barrier was asked for")
            .at(seen, format!("{frontiers:?}, {} events were known by then", open.known)));
        }
        for (_, facts) in self.facts.range_mut(..frontiers.durable) {
            facts.firm = facts.firm.max(Firm::Shown);
        }
        Ok(())
    }
}

const READS: &str = super::READS_ARE_DURABLE;

/// One event of an append, with the part that it belongs to.
pub(super) fn nth(parts: &[Part], mut n: u32) -> Option<(&Part, &NewEvent)> {
    for part in parts {
        match part.events.get(n as usize) {
            Some(event) => return Some((part, event)),
            None => n -= part.events.len() as u32,
        }
    }
    None
}

/// Whether an event as read is the one that was asked to be appended.
pub(super) fn same(part: &Part, new: &NewEvent, read: &Event) -> bool {
    part.entity == read.entity
        && new.id == read.id
        && new.kind == read.kind
        && new.scope == read.scope
        && new.payload == read.payload
        && new.causation == read.causation
        && new.correlation.is_none_or(|correlation| correlation == read.correlation)
}

/// A query without its details, for evidence.
pub(super) fn describe(query: &Query) -> String {
    format!("{:?} from {} (limit {})", query.filter, query.from, query.limit)
}

/// A receipt in a few words, for evidence.
pub(super) fn told(receipt: &Receipt) -> String {
    let durable = if receipt.promise == Promise::Durable { "durable" } else { "written" };
    let again = if receipt.duplicate { " (again)" } else { "" };
    format!(
        "{} event(s) {durable} at position {}, sequence {}{again}",
        receipt.count, receipt.position, receipt.sequence
    )
}
