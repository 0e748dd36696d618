//! Reads under way. This module decides which places of the disk a read needs next and what it answers; it never
//! shows an event beyond the visible frontier, and never believes an index: every record that comes back is compared
//! with what the index said, and a difference is damage, not an answer.
//!
//! A read walks the positions upwards: sealed segments through their filters and footers, then the index of recent
//! events. It remembers only where it stands, so that waiting costs nothing and every event is looked at once.

use super::{
    hash,
    history::History,
    index::{Entry, Match, SegmentIndex},
    record::{self, Content, Stored},
    table::{self, fingerprint},
};
use crate::{
    CallId, Mono,
    log::{
        api::{Damage, Event, EventId, Filter, Query, Refusal, Response},
        mutants::mutant,
        segments::{Location, Record},
    },
};
use alloc::{
    boxed::Box,
    collections::{BTreeSet, VecDeque},
    format,
    string::ToString,
    sync::Arc,
    vec::Vec,
};

/// Who asked.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Owner {
    /// A client.
    Call(CallId),
    /// The append at the head of the queue, which must know whether this id is in a sealed segment.
    Append(CallId, EventId),
}

/// A read under way.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Reading {
    pub(crate) owner: Owner,
    pub(crate) query: Query,
    pub(crate) deadline: Option<Mono>,
    /// The next position to be looked at.
    at: u64,
    picks: VecDeque<Pick>,
    events: Vec<Event>,
    bytes: u64,
    trail: Trail,
    /// The segment whose footer is needed, and whether it is on its way.
    footer: Option<(u64, bool)>,
}

/// An event that is wanted.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Pick {
    place: Place,
    state: State,
    /// Another event came once: it is asked for a second time.
    again: bool,
}

impl Pick {
    fn wanted(place: Place) -> Pick {
        Pick { place, state: State::Wanted, again: false }
    }
}

/// Where an index says that an event stands, and what it says of it.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Place {
    position: u64,
    sequence: u64,
    /// The record's own sequence.
    record: u64,
    at: Location,
    /// Of its id.
    print: u32,
}

impl Place {
    /// Of a recent event.
    fn of(record: u64, entry: &Entry) -> Place {
        let (position, sequence, at) = (entry.position, entry.sequence, entry.at);
        Place { position, sequence, record, at, print: fingerprint(entry.id.0) }
    }
}

#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum State {
    Wanted,
    Asked,
    Got(Box<Event>),
    /// The fingerprint agreed, the event did not.
    Other,
}

/// What a read along causes remembers.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Trail {
    /// Not such a read, or the chain is complete.
    None,
    /// The event looked for, and those found, the latest first.
    Causes(EventId, Vec<Place>),
    /// Every event known to have followed from the first, which is among them.
    Effects(BTreeSet<EventId>, BTreeSet<u32>),
}

/// What a read needs to go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// These records.
    Records(Vec<(u64, Location)>),
    /// A footer.
    Footer(u64),
    /// New events, or the deadline.
    Wait,
    /// Nothing: this is the answer.
    Done(Response),
}

/// The bounds within which a read goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) visible: u64,
    /// How many more records may be asked for.
    pub(crate) fetches: usize,
    /// Longest chain of causes.
    pub(crate) causes: u32,
}

impl Reading {
    pub(crate) fn new(owner: Owner, query: Query, deadline: Option<Mono>) -> Reading {
        let (at, trail) = match query.filter {
            Filter::CausesOf(id) => (0, Trail::Causes(id, Vec::new())),
            Filter::EffectsOf(id) => {
                (0, Trail::Effects(BTreeSet::from([id]), BTreeSet::from([fingerprint(id.0)])))
            }
            _ => (query.from, Trail::None),
        };
        let (picks, events) = (VecDeque::new(), Vec::new());
        Reading { owner, query, deadline, at, picks, events, bytes: 0, trail, footer: None }
    }

    /// The client that waits for it.
    pub(crate) fn caller(&self) -> Option<CallId> {
        match self.owner {
            Owner::Call(call) => Some(call),
            Owner::Append(..) => None,
        }
    }

    /// Whether something is on its way for it.
    pub(crate) fn outstanding(&self) -> bool {
        self.waits() || self.picks.iter().any(|pick| pick.state == State::Asked)
    }

    /// Whether it waits for a footer.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.footer, Some((_, true)))
    }

    /// Whether it waits for this footer.
    pub(crate) fn waits_for(&self, segment: u64) -> bool {
        self.footer == Some((segment, true))
    }

    /// The footer is in memory.
    pub(crate) fn footer_ready(&mut self) {
        self.footer = None;
    }

    /// Goes on as far as possible.
    pub(crate) fn advance(&mut self, history: &mut History, bounds: Bounds) -> Need {
        loop {
            if let Err(refusal) = self.collect(bounds) {
                return Need::Done(Response::Refused(refusal));
            }
            if self.full() {
                return Need::Done(self.answer(bounds.visible));
            }
            if self.picks.len() < self.window(bounds)
                && let Some(segment) = self.scan(history, bounds)
            {
                self.footer = Some((segment, false));
            }
            let asked = self.ask(bounds.fetches);
            if !asked.is_empty() {
                return Need::Records(asked);
            }
            if let Some((segment, asked @ false)) = &mut self.footer
                && bounds.fetches > 0
            {
                *asked = true;
                return Need::Footer(*segment);
            }
            if !self.picks.is_empty() || self.footer.is_some() {
                return Need::Records(Vec::new());
            }
            if self.at < bounds.visible {
                continue;
            }
            match core::mem::replace(&mut self.trail, Trail::None) {
                // The chain is complete: now its page is read.
                Trail::Causes(_, found) if !found.is_empty() => self.turn(found, bounds.visible),
                trail => {
                    self.trail = trail;
                    let waits = self.events.is_empty() && self.deadline.is_some();
                    return if waits { Need::Wait } else { Need::Done(self.answer(bounds.visible)) };
                }
            }
        }
    }

    /// What is answered with what was found so far.
    pub(crate) fn answer(&mut self, visible: u64) -> Response {
        let last = self.events.last().map(|event| event.position + 1);
        let (next, end) = match last.filter(|_| self.full()) {
            Some(next) => (next, next >= visible),
            None => (self.at.max(self.query.from), true),
        };
        Response::Events { events: core::mem::take(&mut self.events), next, end }
    }

    fn full(&self) -> bool {
        self.events.len() >= self.query.limit as usize || self.bytes >= u64::from(self.query.max_bytes)
    }

    fn window(&self, bounds: Bounds) -> usize {
        let left = (self.query.limit as usize).saturating_sub(self.events.len());
        // Along causes each event decides what is looked for next.
        if self.trail == Trail::None { left.min(bounds.fetches.max(1)) } else { 1 }
    }

    /// Takes what has come, in order.
    fn collect(&mut self, bounds: Bounds) -> Result<(), Refusal> {
        while let Some(Pick { state: State::Got(_) | State::Other, .. }) = self.picks.front() {
            if self.full() {
                break;
            }
            let Some(Pick { place, state: State::Got(event), .. }) = self.picks.pop_front() else { continue };
            let too_long = |len: usize| {
                let (is, limit) = (len as u64, bounds.causes.into());
                if is < limit {
                    Ok(())
                } else {
                    Err(Refusal::Limit { what: "the chain of causes", is: is + 1, limit })
                }
            };
            match &mut self.trail {
                Trail::Causes(wanted, found) => {
                    too_long(found.len())?;
                    found.push(place);
                    match event.causation {
                        Some(cause) => (*wanted, self.at) = (cause, 0),
                        None => self.at = u64::MAX,
                    }
                    continue;
                }
                Trail::Effects(ids, prints) => {
                    too_long(ids.len())?;
                    ids.insert(event.id);
                    prints.insert(fingerprint(event.id.0));
                    if event.position < self.query.from {
                        continue;
                    }
                }
                Trail::None => {}
            }
            let size = event.payload.len() as u64;
            if !self.events.is_empty() && self.bytes + size > u64::from(self.query.max_bytes) {
                self.bytes = u64::MAX;
                break;
            }
            self.bytes += size;
            self.events.push(*event);
        }
        Ok(())
    }

    /// Turns from climbing to reading what was found, oldest first.
    fn turn(&mut self, found: Vec<Place>, visible: u64) {
        self.at = visible;
        let from = self.query.from;
        let wanted = found.into_iter().rev().filter(|place| place.position >= from);
        self.picks = wanted.take(self.query.limit as usize).map(Pick::wanted).collect();
    }

    /// Looks for more events. Answers a segment whose footer must be read first.
    fn scan(&mut self, history: &mut History, bounds: Bounds) -> Option<u64> {
        if self.footer.is_some() {
            return None;
        }
        let window = self.window(bounds);
        while self.at < bounds.visible && self.picks.len() < window {
            let Some(sealed) = history.index.sealed_from(self.at) else {
                self.scan_recent(history, bounds, window);
                break;
            };
            if sealed.from >= bounds.visible {
                self.at = bounds.visible;
                break;
            }
            let (segment, to) = (sealed.segment, sealed.to);
            if !self.may_hold(sealed) {
                self.at = to;
                continue;
            }
            let Some(index) = history.index.footer(segment) else { return Some(segment) };
            self.scan_footer(&index, window);
        }
        None
    }

    fn may_hold(&self, sealed: &super::index::Sealed) -> bool {
        match &self.trail {
            Trail::None => sealed.may_hold(&self.query.filter),
            Trail::Causes(id, _) => sealed.may_hold(&Filter::Id(*id)),
            Trail::Effects(_, prints) => sealed.filter.any_caused_by(prints),
        }
    }

    fn scan_footer(&mut self, index: &Arc<SegmentIndex>, window: usize) {
        let matcher = match &self.trail {
            Trail::None => index.matcher(&self.query.filter),
            Trail::Causes(id, _) => Match::Id(table::hash_id(id.0)),
            Trail::Effects(..) => Match::All,
        };
        let skip = usize::try_from(self.at.saturating_sub(index.positions)).unwrap_or(usize::MAX);
        for (n, row) in index.rows.iter().enumerate().skip(skip) {
            let takes = match &self.trail {
                Trail::Effects(_, prints) => {
                    prints.contains(&row.causation) || prints.contains(&table::narrow(row.id))
                }
                _ => matcher.takes(row),
            };
            if !takes {
                continue;
            }
            let position = index.positions + n as u64;
            let record = index.first + u64::from(row.record);
            let (sequence, at, print) = (row.sequence, index.location(row), table::narrow(row.id));
            self.picks.push_back(Pick::wanted(Place { position, sequence, record, at, print }));
            self.at = position + 1;
            if self.picks.len() == window {
                return;
            }
        }
        self.at = index.positions_end();
    }

    fn scan_recent(&mut self, history: &History, bounds: Bounds, window: usize) {
        let recent = &history.index.recent;
        let id = match (&self.trail, &self.query.filter) {
            (Trail::None, Filter::Id(id)) | (Trail::Causes(id, _), _) => Some(*id),
            _ => None,
        };
        if let Some(id) = id {
            // Ids have an index of their own.
            let here = self.at..bounds.visible;
            let found = recent.find(id).filter(|entry| here.contains(&entry.position));
            if let Some((record, entry)) = found.and_then(|entry| recent.at_position(entry.position)) {
                self.picks.push_back(Pick::wanted(Place::of(record, entry)));
            }
            self.at = bounds.visible;
            return;
        }
        for (record, entry) in recent.range(self.at, bounds.visible) {
            let takes = match &self.trail {
                Trail::Effects(ids, _) => {
                    ids.contains(&entry.id) || entry.causation.is_some_and(|cause| ids.contains(&cause))
                }
                _ => recent.matches(&history.heads, entry, &self.query.filter),
            };
            self.at = entry.position + 1;
            if !takes {
                continue;
            }
            self.picks.push_back(Pick::wanted(Place::of(record, entry)));
            if self.picks.len() == window {
                return;
            }
        }
        self.at = bounds.visible;
    }

    /// Asks for up to so many of the wanted records.
    fn ask(&mut self, most: usize) -> Vec<(u64, Location)> {
        let wanted = self.picks.iter_mut().filter(|pick| pick.state == State::Wanted).take(most);
        wanted
            .map(|pick| {
                pick.state = State::Asked;
                (pick.place.position, pick.place.at)
            })
            .collect()
    }

    /// A record has moved: it is to be asked for again, where it stands now.
    pub(crate) fn moved(&mut self, position: u64, at: Location) {
        if let Some(pick) = self.picks.iter_mut().find(|pick| pick.place.position == position) {
            (pick.place.at, pick.state) = (at, State::Wanted);
        }
    }

    /// Takes a record that was asked for. One that is not what the index says is asked for once more: a read may have
    /// gone astray, and what is on the disk is decided by the second.
    pub(crate) fn fetched(&mut self, position: u64, record: &Record) -> Result<(), Damage> {
        let Some(n) = self.picks.iter().position(|pick| pick.place.position == position) else {
            return Ok(());
        };
        let judged = self.judge(self.picks[n].place, record);
        let pick = &mut self.picks[n];
        pick.state = match judged {
            Ok(Some(event)) => State::Got(event),
            Ok(None) => State::Other,
            Err(damage) if pick.again => return Err(damage),
            Err(_) => {
                pick.again = true;
                State::Wanted
            }
        };
        Ok(())
    }

    /// The event at a place, `None` if the index was right and it is not wanted all the same, or what is wrong.
    fn judge(&self, place: Place, record: &Record) -> Result<Option<Box<Event>>, Damage> {
        let damage =
            |what| Damage { file: format!("segment {}", place.at.segment), offset: place.at.offset, what };
        let event = match record::decode(&record.body) {
            Err(bad) => return Err(damage(bad.to_string())),
            Ok(record) => match record.content {
                Content::Event(event) => event,
                Content::Cursor { .. } => {
                    return Err(damage("the index points to what is no event".to_string()));
                }
            },
        };
        let same = record.sequence == place.record && fingerprint(event.id.0) == place.print;
        if !same && !mutant!(IndexTrustedOverLog) {
            return Err(damage("the index points to another event".to_string()));
        }
        let wanted = match (&self.query.filter, &self.trail) {
            (_, Trail::Causes(id, _)) => event.id == *id,
            (_, Trail::Effects(ids, _)) => {
                ids.contains(&event.id) || event.causation.is_some_and(|cause| ids.contains(&cause))
            }
            (Filter::All | Filter::CausesOf(_) | Filter::EffectsOf(_), _) => true,
            (Filter::Entity(name), _) => event.entity == *name,
            (Filter::Scope(name), _) => event.scope == *name,
            (Filter::Kind(name), _) => event.kind == *name,
            (Filter::Id(id), _) => event.id == *id,
            (Filter::Correlation(id), _) => event.correlation == *id,
        };
        let exact = matches!(self.query.filter, Filter::Entity(_) | Filter::Scope(_) | Filter::Kind(_));
        if !wanted && exact && !mutant!(IndexTrustedOverLog) {
            return Err(damage("the index says something else than the event".to_string()));
        }
        Ok(wanted.then(|| Box::new(shown(event, place))))
    }
}

fn shown(event: Stored, place: Place) -> Event {
    let content = hash::content(&event.payload);
    let Place { position, sequence, .. } = place;
    let Stored { entity, id, kind, scope, correlation, causation, time, payload, .. } = event;
    Event { position, sequence, entity, id, kind, scope, correlation, causation, time, content, payload }
}
