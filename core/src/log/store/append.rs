//! What an append means. This module judges one request against the history and, if nothing stands against it,
//! makes its records; it never waits and never answers by itself. The order of its questions is fixed: first the key
//! (a retry gets its receipt whatever has happened since), then the guards, then ids and causes; only then is
//! anything changed, and then all of it.

use super::{
    config::Config,
    hash,
    history::History,
    index::NewEntry,
    keys::{Done, DonePart},
    record::{self, Fields, Keyed, UnitWriter},
};
use crate::{
    Clock,
    log::{
        api::{EventId, Expected, NewEvent, Part, Promise, Receipt, Refusal},
        mutants::mutant,
        segments::Location,
    },
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use bytes::Bytes;

/// What is known of an event in a sealed segment.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Found {
    pub(crate) position: u64,
    pub(crate) correlation: EventId,
}

/// An append that waits for its turn.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Append {
    pub(crate) parts: Vec<Part>,
    /// Of the whole request, if it has a key.
    request: Option<[u8; 16]>,
    pub(crate) payload_bytes: u64,
    /// What is to be looked up next.
    pub(crate) wanted: BTreeSet<EventId>,
    /// What was looked up in sealed segments.
    pub(crate) found: BTreeMap<EventId, Option<Found>>,
}

/// What is to become of an append.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It was carried out before. The flag: its guards would not hold any more.
    Duplicate(Arc<Done>, bool),
    /// It is refused for a reason that rests on the event at this position.
    Refuse(Refusal, Option<u64>),
    /// These ids must be looked up in sealed segments first.
    Look(BTreeSet<EventId>),
    /// Nothing stands against it.
    Go,
}

impl Append {
    /// Checks what can be checked without the history.
    pub(crate) fn admit(config: &Config, parts: Vec<Part>) -> Result<Append, Refusal> {
        let limit = |what, is: u64, limit: u64| {
            if is <= limit { Ok(()) } else { Err(Refusal::Limit { what, is, limit }) }
        };
        if parts.is_empty() || parts.iter().any(|part| part.events.is_empty()) {
            return Err(Refusal::Invalid("an append has at least one part, a part at least one event"));
        }
        let events: usize = parts.iter().map(|part| part.events.len()).sum();
        limit("the number of events in a request", events as u64, config.request_events.into())?;
        let payloads = || parts.iter().flat_map(|part| &part.events).map(|event| event.payload.len() as u64);
        limit("the payload in bytes", payloads().max().unwrap_or(0), config.payload_bytes.into())?;
        let payload_bytes = payloads().sum();
        limit("the payload of a request in bytes", payload_bytes, config.request_bytes.into())?;
        if events > 1 && repeats(parts.iter().flat_map(|part| &part.events).map(|event| event.id)) {
            return Err(Refusal::Invalid("an event id stands twice in one append"));
        }
        if parts.len() > 1 && repeats(parts.iter().map(|part| &part.entity)) {
            return Err(Refusal::Invalid("an entity stands twice in one append"));
        }
        let request = parts.iter().any(|part| part.key.is_some()).then(|| digest(&parts));
        Ok(Append { parts, request, payload_bytes, wanted: BTreeSet::new(), found: BTreeMap::new() })
    }

    /// At least as many bytes as its records take.
    pub(crate) fn record_bytes(&self) -> u64 {
        let event = |part: &Part, event: &NewEvent| {
            let names = part.entity.as_str().len() + event.kind.as_str().len() + event.scope.as_str().len();
            (names + event.payload.len() + RECORD_BYTES) as u64
        };
        self.parts.iter().map(|part| part.events.iter().map(|new| event(part, new)).sum::<u64>()).sum()
    }

    /// How many records it makes.
    pub(crate) fn records(&self) -> usize {
        self.parts.iter().map(|part| part.events.len()).sum()
    }

    /// Judges the request.
    pub(crate) fn judge(&self, history: &History) -> Verdict {
        if mutant!(GuardBeforeKey)
            && let Some(refuse) = self.guards(history)
        {
            return refuse;
        }
        if let Some(verdict) = self.keys(history) {
            return verdict;
        }
        self.guards(history).unwrap_or_else(|| self.ids(history))
    }

    fn keys(&self, history: &History) -> Option<Verdict> {
        let request = self.request?;
        for part in &self.parts {
            let Some(key) = part.key else { continue };
            let entity = history.heads.find(&part.entity);
            let Some(done) = entity.and_then(|entity| history.keys.find(entity, key)) else { continue };
            if done.request == request || mutant!(KeyWithoutDigest) {
                return Some(Verdict::Duplicate(done.clone(), self.guards(history).is_some()));
            }
            let refusal = Refusal::KeyConflict { position: done.position };
            return Some(Verdict::Refuse(refusal, Some(done.end - 1)));
        }
        None
    }

    fn guards(&self, history: &History) -> Option<Verdict> {
        for part in &self.parts {
            let head = history.heads.head(&part.entity);
            let actual = head.map(|head| head.next - 1);
            let holds = match part.expected {
                _ if mutant!(ClockZeroIsAbsent) && part.expected != Expected::Any => {
                    let last = actual.unwrap_or(0);
                    match part.expected {
                        Expected::NoStream => last == 0,
                        Expected::Exact(sequence) => last == sequence,
                        _ => last > 0,
                    }
                }
                Expected::Any => true,
                Expected::NoStream => actual.is_none(),
                Expected::Exists => actual.is_some(),
                Expected::Exact(sequence) => actual == Some(sequence),
            };
            if !holds {
                let (entity, expected) = (part.entity.clone(), part.expected);
                let refusal = Refusal::WrongExpected { entity, expected, actual };
                return Some(Verdict::Refuse(refusal, head.map(|head| head.position)));
            }
        }
        None
    }

    /// Judges ids and causes, which may need a look into sealed segments.
    fn ids(&self, history: &History) -> Verdict {
        let mut look = BTreeSet::new();
        let mut earlier = BTreeSet::new();
        let causes = self.parts.iter().flat_map(|part| &part.events).any(|event| event.causation.is_some());
        for event in self.parts.iter().flat_map(|part| &part.events) {
            match self.find(history, event.id) {
                Ok(Some(found)) => {
                    let position = found.position;
                    return Verdict::Refuse(Refusal::IdTaken { id: event.id, position }, Some(position));
                }
                Ok(None) => {}
                Err(id) => drop(look.insert(id)),
            }
            if let Some(id) = event.causation.filter(|id| !earlier.contains(id)) {
                match self.find(history, id) {
                    Ok(Some(_)) => {}
                    Ok(None) => return Verdict::Refuse(Refusal::NoCause { id }, None),
                    Err(id) => drop(look.insert(id)),
                }
            }
            if causes {
                earlier.insert(event.id);
            }
        }
        if look.is_empty() { Verdict::Go } else { Verdict::Look(look) }
    }

    /// An event that was accepted before; the id itself if that must be looked up first.
    fn find(&self, history: &History, id: EventId) -> Result<Option<Found>, EventId> {
        if let Some(entry) = history.index.recent.find(id) {
            return Ok(Some(Found { position: entry.position, correlation: entry.correlation }));
        }
        if let Some(found) = self.found.get(&id) {
            return Ok(*found);
        }
        if history.index.may_hold(id) { Err(id) } else { Ok(None) }
    }

    /// Takes the request up into the history, after [`Verdict::Go`]. Answers its records and what it led to.
    pub(crate) fn carry_out(&self, history: &mut History, clock: Clock, horizon: u64) -> Carried {
        let mut writer = UnitWriter::new(self.record_bytes() as usize, self.records());
        let mut unit = history.open();
        let last = self.records();
        let mut count = 0;
        for part in &self.parts {
            let entity = Arc::make_mut(&mut history.heads).intern(&part.entity);
            let mut keyed = self.request.and_then(|request| part.key.map(|key| Keyed { key, request }));
            for event in &part.events {
                // Causes of the same request are in the index by now.
                let cause = event.causation.and_then(|cause| self.find(history, cause).ok().flatten());
                let inherited = cause.map_or(event.id, |cause| cause.correlation);
                let correlation = event.correlation.unwrap_or(inherited);
                let time = history.clock.next(clock.wall);
                let NewEvent { id, kind, scope, causation, payload, .. } = event;
                let (id, causation) = (*id, *causation);
                record::put_event(
                    &mut writer.out,
                    Fields { entity: &part.entity, id, kind, scope, correlation, causation, time, payload },
                );
                let entry = NewEntry {
                    at: Location::default(),
                    position: 0,
                    sequence: 0,
                    entity,
                    chain: Default::default(),
                    id,
                    correlation,
                    causation,
                    time,
                    scope,
                    kind,
                };
                let keyed = keyed.take();
                history.event(&mut unit, writer.current(), keyed.as_ref(), entry);
                if let Some(keyed) = &keyed {
                    record::put_key(&mut writer.out, keyed);
                }
                count += 1;
                if count < last {
                    writer.end();
                }
            }
        }
        let (parts, expired) = history.close(unit, horizon);
        record::put_digest(&mut writer.out, hash::short(&history.digest));
        writer.end();
        Carried { records: writer.finish(), parts, expired }
    }
}

/// Whether something stands there twice.
fn repeats<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.windows(2).any(|pair| pair[0] == pair[1])
}

/// What was done for an append.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) records: Vec<Bytes>,
    pub(crate) parts: Vec<DonePart>,
    /// Whether a key fell beyond the horizon.
    pub(crate) expired: bool,
}

/// The receipts of a request.
pub(crate) fn receipts(parts: &[DonePart], promise: Promise, duplicate: bool) -> Vec<Receipt> {
    let receipt = |part: &DonePart| Receipt {
        position: part.position,
        sequence: part.sequence,
        count: part.count,
        time: part.time,
        chain: part.chain,
        promise,
        duplicate,
    };
    parts.iter().map(receipt).collect()
}

/// At least what a record takes besides names and payload: ids, time, lengths, key, digest.
const RECORD_BYTES: usize = 160;

/// The digest of a request: everything that it asks for, without its guards, which are a condition and not part of
/// the work.
fn digest(parts: &[Part]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    let mut put = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    let id = |id: Option<u128>| id.map(u128::to_be_bytes);
    let bytes = |id: &Option<[u8; 16]>| id.as_ref().map_or(Vec::new(), |id| id.to_vec());
    for part in parts {
        put(part.entity.as_str().as_bytes());
        put(&bytes(&id(part.key.map(|key| key.0))));
        put(&(part.events.len() as u64).to_le_bytes());
        for event in &part.events {
            put(&event.id.0.to_be_bytes());
            put(event.kind.as_str().as_bytes());
            put(event.scope.as_str().as_bytes());
            put(&bytes(&id(event.correlation.map(|id| id.0))));
            put(&bytes(&id(event.causation.map(|id| id.0))));
            put(&event.payload);
        }
    }
    let mut digest = [0; 16];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    digest
}
