//! Random work for an event store: a few clients that append to a few entities, guard, retry, read back, follow,
//! subscribe, and shut it down in between. It draws and performs nothing. Everything about one call is drawn from a key of its own, so that
//! removing a call changes no other.

use super::verbs::event_id;
use super::{Log, STORE};
use crate::{
    system::Numbering,
    world::{
        Choice, ChoiceOf, Key as Causal, Landed, Time,
        disk::{Damage, Label, Outcome},
    },
};
use bytes::Bytes;
use onceward_core::{
    CallId, ClientId, Dur, Path,
    log::{
        api::{EventId, Expected, Filter, Key, Name, NewEvent, Part, Promise, Query, Request},
        store::Config,
    },
};

/// Draws about `calls` calls of `clients` clients within `span`, in order of time.
pub(super) fn draw(clients: u16, key: Causal, calls: u32, span: Dur) -> Vec<(Time, ChoiceOf<Log>)> {
    let taste = Taste::draw(key);
    let crowd = (span.0 / 8).max(1);
    let mut agenda: Vec<(Time, u32, Item)> = Vec::new();
    for n in 0..calls {
        let key = key.child(n);
        let at = key.below(0, span.0.max(1));
        // Calls at the very same moment meet in the queue.
        let at = Time(if taste.crowds { at / crowd * crowd } else { at });
        if taste.shutdowns && key.chance(2, 40_000) {
            shut_down(key, at, |at, item| agenda.push((at, n, item)));
        } else {
            agenda.push((at, n, Item::Call(key)));
        }
    }
    agenda.sort_by_key(|(at, n, _)| (*at, *n));
    let (mut numbering, mut made): (Numbering, Vec<(CallId, Request)>) = Default::default();
    let mut work = Vec::with_capacity(agenda.len());
    for (at, n, item) in agenda {
        let mut call = || {
            let client = key.child(n).below(1, u64::from(clients.max(1)));
            numbering.next(ClientId(client as u16))
        };
        work.push((
            at,
            match item {
                Item::Do(choice) => choice,
                Item::Shutdown => Choice::Call(STORE, call(), Request::Shutdown),
                Item::Call(key) => {
                    let call = call();
                    let request = taste.request(key, call, &made);
                    if matches!(request, Request::Append { .. }) {
                        made.push((call, request.clone()));
                    }
                    Choice::Call(STORE, call, request)
                }
            },
        ));
    }
    work
}

enum Item {
    /// The call that this key draws.
    Call(Causal),
    Shutdown,
    Do(ChoiceOf<Log>),
}

/// A store that is shut down ends its process and is started again; now and then it is told to stop before it has
/// recovered, and then starts once more.
fn shut_down(key: Causal, at: Time, mut then: impl FnMut(Time, Item)) {
    let span = |purpose, from, to| key.log_uniform(purpose, from, to);
    let end = || Item::Do(Choice::Kill(STORE, Landed::Everything));
    let over = at.after(span(70, Dur::micros(100), Dur::millis(100)));
    let up = over.after(span(71, Dur::micros(10), Dur::millis(10)));
    then(at, Item::Shutdown);
    then(over, end());
    then(up, Item::Do(Choice::Boot(STORE, 0)));
    if key.chance(72, 500_000) {
        let soon = up.after(span(73, Dur::micros(1), Dur::millis(1)));
        let over = soon.after(span(74, Dur::micros(100), Dur::millis(10)));
        then(soon, Item::Shutdown);
        then(over, end());
        then(over.after(Dur::micros(10)), Item::Do(Choice::Boot(STORE, 0)));
    }
}

/// What one run is like: features are there or not, not everything a little.
struct Taste {
    entities: u64,
    batches: bool,
    several_entities: bool,
    big_payloads: bool,
    /// Payloads of one length: one record may then stand where another is looked for.
    alike: bool,
    guards: bool,
    keys: bool,
    retries: bool,
    causes: bool,
    subscribers: bool,
    deadlines: bool,
    shutdowns: bool,
    crowds: bool,
}

impl Taste {
    fn draw(key: Causal) -> Taste {
        let bits = key.draw(u32::MAX);
        let on = |n: u32| bits >> n & 1 == 1;
        Taste {
            entities: [1, 2, 4, 12][(bits >> 32 & 3) as usize],
            batches: on(0),
            several_entities: on(1),
            big_payloads: on(2),
            alike: on(16) && on(17),
            guards: on(3) || on(4),
            keys: on(5) || on(6),
            retries: on(7) || on(8),
            causes: on(9),
            subscribers: on(10),
            deadlines: on(11) && on(12),
            shutdowns: on(13) && on(14),
            crowds: on(15),
        }
    }

    fn request(&self, key: Causal, call: CallId, made: &[(CallId, Request)]) -> Request {
        let earlier = |purpose| {
            // Recent calls are retried most, old ones now and then.
            let back = key.log_uniform(purpose, Dur(1), Dur(made.len().max(1) as u64)).0 as usize;
            made.len().checked_sub(back).and_then(|at| made.get(at))
        };
        match key.below(5, 100) {
            0..70 => match earlier(3).filter(|_| self.retries && key.chance(4, 200_000)) {
                Some((_, request)) => self.spoil(key, request.clone()),
                None => self.append(key, call, made),
            },
            70..88 => Request::Read(self.query(key, made)),
            88..91 => Request::Barrier,
            91..92 => Request::Status,
            92..93 => Request::Verify,
            93..94 => {
                Request::SaveCursor { reader: name("reader", key.below(7, 2)), position: key.below(8, 4) }
            }
            94..95 => Request::Head { entity: name("entity", key.below(13, self.entities)) },
            95..96 => Request::LoadCursor { reader: name("reader", key.below(7, 2)) },
            _ if !self.subscribers => Request::Read(self.query(key, made)),
            96..97 => {
                Request::Subscribe { filter: self.filter(key, made), capacity: 1 + key.below(9, 4) as u32 }
            }
            _ => Request::Next { subscription: key.below(10, 2), wait: Dur(key.below(11, 3) * 1_000_000) },
        }
    }

    /// A retry, now and then one that is another request under the old key.
    fn spoil(&self, key: Causal, mut request: Request) -> Request {
        if let Request::Append { parts, deadline } = &mut request {
            *deadline = None;
            if key.chance(12, 100_000)
                && let Some(part) = parts.first_mut()
            {
                part.events.iter_mut().for_each(|event| event.id.0 ^= 1 << 127);
                part.events
                    .iter_mut()
                    .take(1)
                    .for_each(|event| event.payload = Bytes::from_static(b"another"));
            }
        }
        request
    }

    fn append(&self, key: Causal, call: CallId, made: &[(CallId, Request)]) -> Request {
        let parts = if self.several_entities { 1 + key.below(20, 4) / 2 } else { 1 };
        let first = key.below(21, self.entities);
        let mut n = 0;
        let parts = (0..parts.min(self.entities))
            .map(|p| {
                let events =
                    if self.batches { 1 + key.log_uniform(22, Dur(1), Dur(8)).0 as u32 / 2 } else { 1 };
                let from = n;
                n += events;
                Part {
                    entity: name("entity", (first + p) % self.entities),
                    expected: self.guard(key, made),
                    key: (self.keys && key.chance(23, 600_000)).then(|| {
                        Key(u128::from(call.client.0) << 64 | u128::from(call.number) << 8 | u128::from(p))
                    }),
                    events: (from..n).map(|n| self.event(key, call, n, made)).collect(),
                }
            })
            .collect();
        let deadline = (self.deadlines && key.chance(24, 300_000))
            .then(|| key.log_uniform(25, Dur::micros(1), Dur::millis(5)));
        Request::Append { parts, deadline }
    }

    fn guard(&self, key: Causal, made: &[(CallId, Request)]) -> Expected {
        if !self.guards {
            return Expected::Any;
        }
        // A guess that is right often enough: as many events as were asked for, shared evenly.
        let guess = made.len() as u64 / self.entities;
        match key.below(30, 10) {
            0..5 => Expected::Any,
            5 => Expected::NoStream,
            6 => Expected::Exists,
            7 => Expected::Exact(key.below(31, 3)),
            _ => Expected::Exact(guess.saturating_sub(key.below(32, 3))),
        }
    }

    /// One event. All of a part have the same kind, scope and cause, as the scenario language has it.
    fn event(&self, key: Causal, call: CallId, n: u32, made: &[(CallId, Request)]) -> NewEvent {
        let cause = made.len().checked_sub(1 + key.below(40, 4) as usize).and_then(|at| made.get(at));
        let own = key.child(n);
        let long = self.big_payloads && own.chance(41, 100_000);
        let len = match own.below(42, 40) {
            _ if self.alike => 8,
            _ if long => 1000 + own.below(42, 3000),
            short => short,
        };
        let byte = b'a' + own.below(43, 26) as u8;
        NewEvent {
            id: event_id(call, n),
            kind: name("kind", key.below(44, 3)),
            scope: name("scope", key.below(45, 2)),
            correlation: None,
            causation: cause
                .filter(|_| self.causes && key.chance(46, 300_000))
                .map(|(call, _)| event_id(*call, 0)),
            payload: Bytes::from(vec![byte; len as usize]),
        }
    }

    fn filter(&self, key: Causal, made: &[(CallId, Request)]) -> Filter {
        let any = made.get(key.below(50, made.len().max(1) as u64) as usize);
        let id = any.map_or(EventId(1), |(call, _)| event_id(*call, 0));
        match key.below(51, 8) {
            0..3 => Filter::All,
            3 => Filter::Entity(name("entity", key.below(52, self.entities))),
            4 => Filter::Scope(name("scope", key.below(52, 2))),
            5 => Filter::Kind(name("kind", key.below(52, 3))),
            6 => Filter::Correlation(id),
            _ => Filter::Id(id),
        }
    }

    fn query(&self, key: Causal, made: &[(CallId, Request)]) -> Query {
        let mut filter = self.filter(key, made);
        if let (Filter::Id(id), true) = (&filter, self.causes) {
            filter = if key.chance(60, 500_000) { Filter::CausesOf(*id) } else { Filter::EffectsOf(*id) };
        }
        Query {
            filter,
            from: if key.chance(61, 500_000) { 0 } else { key.below(62, made.len().max(1) as u64) },
            limit: 1 + key.log_uniform(63, Dur(1), Dur(1000)).0 as u32,
            max_bytes: 1 << 20,
            wait: key.chance(64, 200_000).then(|| key.log_uniform(65, Dur::micros(1), Dur::millis(20))),
        }
    }
}

/// Damage to one of the first segments: a bit that rots, or a sector that cannot be read any more. Only where the store
/// acknowledges what is durable: what a weaker policy may lose with the last groups is not kept book of.
pub(super) fn damage(config: &Config, key: Causal) -> Option<Damage> {
    if config.promise != Promise::Durable || !key.chance(80, 400_000) {
        return None;
    }
    let file = segment(config, key);
    let at = key.log_uniform(82, Dur(1), Dur(config.segments.segment_bytes)).0;
    Some(if key.chance(83, 700_000) {
        Damage::Rot { file, at, mask: 1 << key.below(84, 8) }
    } else {
        Damage::Lose { file, sector: (at / u64::from(config.segments.sector)) as u32 }
    })
}

/// A read that the device takes from elsewhere in the file.
pub(super) fn astray(config: &Config, key: Causal) -> Outcome {
    let sectors = config.segments.segment_bytes / u64::from(config.segments.sector);
    let sector = key.log_uniform(82, Dur(1), Dur(sectors.max(1))).0 as u32;
    Outcome::Misdirected { file: segment(config, key), sector }
}

/// One of the first segments.
fn segment(config: &Config, key: Causal) -> Label {
    let number = key.log_uniform(81, Dur(1), Dur(6)).0 - 1;
    let name = format!("{number:020}.seg");
    let folder = config.segments.folder.as_str();
    Label::new(Path::from(&*if folder.is_empty() { name } else { format!("{folder}/{name}") }))
}

/// `entity-3` and the like: short, and never refused.
fn name(what: &str, n: u64) -> Name {
    let text = format!("{what}-{n}");
    // A short word, a hyphen and a number are a valid name.
    Name::new(&text).unwrap_or_else(|_| unreachable!("{text} is a valid name"))
}
