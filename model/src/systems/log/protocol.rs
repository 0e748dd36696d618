//! The event store as a protocol: one store, its clients, what they see, and what they ask once faults have stopped.
//! It judges nothing itself: the promises are in [`crate::spec::events`].

use super::verbs;
use crate::{
    spec::{
        events::{ACCEPTS_WORK, EVERYTHING_ANSWERED, History},
        image,
    },
    world::{Event, Geometry, Ignored, PROBER, Protocol, Resp, Seen, Violation, World, client_name},
};
use bytes::Bytes;
use onceward_core::{
    CallId, NodeId,
    log::{
        api::{Expected, Filter, Name, NewEvent, Part, Phase, Promise, Query, Refusal, Request, Response},
        store::{Config, EventStore},
    },
};
use std::collections::BTreeSet;

/// The node that is the store.
pub const STORE: NodeId = NodeId(0);

/// An event store and its clients.
#[derive(Clone, Debug)]
pub struct Log {
    /// How the store is configured; the second one is for rolling upgrades.
    pub configs: Vec<Config>,
    /// How many clients there are.
    pub clients: u16,
    /// The disk.
    pub geometry: Geometry,
}

/// What is known from the outside.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Ghost {
    /// What clients saw.
    pub history: History,
    probe: Ignored<Probe>,
}

/// How far the look at the outcome has come.
#[derive(Clone, Debug, Default)]
struct Probe {
    /// Where the scan goes on; none when it has seen the end.
    scan: Option<u64>,
    scanned: bool,
    appended: bool,
    verified: bool,
}

impl Log {
    fn scan(&self, from: u64) -> Request {
        Request::Read(Query { filter: Filter::All, from, limit: 4096, max_bytes: 16 << 20, wait: None })
    }

    /// Reads through every index, for what the scan has shown to be there.
    fn indexed(&self, history: &History) -> Vec<Request> {
        let (mut entities, mut scopes, mut kinds) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (mut ids, mut last) = (Vec::new(), None);
        for (position, facts) in history.facts() {
            if let Some((part, event)) = history.event(facts) {
                entities.insert(part.entity.clone());
                scopes.insert(event.scope.clone());
                kinds.insert(event.kind.clone());
                if position % 7 == 0 && ids.len() < 8 {
                    ids.push(event.id);
                }
                last = Some(event.id);
            }
        }
        ids.extend(last);
        let mut filters: Vec<Filter> = Vec::new();
        filters.extend(entities.into_iter().map(Filter::Entity));
        filters.extend(scopes.into_iter().map(Filter::Scope));
        filters.extend(kinds.into_iter().map(Filter::Kind));
        for id in ids {
            filters.extend([
                Filter::Id(id),
                Filter::Correlation(id),
                Filter::CausesOf(id),
                Filter::EffectsOf(id),
            ]);
        }
        let query = |filter| Query { filter, from: 0, limit: 4096, max_bytes: 16 << 20, wait: None };
        filters.into_iter().map(|filter| Request::Read(query(filter))).collect()
    }

    /// New work on an entity that nobody used.
    fn fresh(&self, call: CallId) -> Request {
        // A fixed short word is a name.
        let name = |text| Name::new(text).unwrap_or_else(|_| unreachable!("{text} is a name"));
        let event = NewEvent {
            id: verbs::event_id(call, 0),
            kind: name("probe"),
            scope: name("probe"),
            correlation: None,
            causation: None,
            payload: Bytes::from_static(b"still alive"),
        };
        let part =
            Part { entity: name("probe"), expected: Expected::NoStream, key: None, events: vec![event] };
        Request::Append { parts: vec![part], deadline: None }
    }
}

impl Protocol for Log {
    type Node = EventStore;
    type Ghost = Ghost;

    fn nodes(&self) -> u16 {
        1
    }

    fn boot(&self, _node: NodeId, config: u8) -> EventStore {
        let at = usize::from(config).min(self.configs.len() - 1);
        match EventStore::new(self.configs[at].clone()) {
            Ok(store) => store,
            // The header's settings were validated when the cluster was built.
            Err(bad) => unreachable!("an invalid configuration got past the header: {bad}"),
        }
    }

    fn ghost(&self) -> Ghost {
        let durable = self.configs.iter().all(|config| config.promise == Promise::Durable);
        let horizon = self.configs.iter().map(|config| config.dedup_horizon).min().unwrap_or(0);
        Ghost {
            history: History::new(durable, horizon),
            probe: Ignored(Probe { scan: Some(0), ..Probe::default() }),
        }
    }

    fn geometry(&self, _node: NodeId) -> Geometry {
        self.geometry
    }

    fn observe(&self, ghost: &mut Ghost, seen: Seen, event: Event<'_, EventStore>) -> Result<(), Violation> {
        let history = &mut ghost.history;
        match event {
            Event::Called(_, call, request) => history.called(seen, call, request),
            Event::Refused(_, call) => history.refused(call),
            Event::Lost(_, call) => history.lost(call),
            Event::Booted(_) => history.booted(),
            Event::Crashed { power, .. } => history.crashed(power),
            Event::Damaged(_) => history.damaged(),
            Event::Stepped(..) => {}
            Event::Replied(_, call, response) => {
                let asked = history.request(call);
                history.replied(seen, call, response)?;
                let over = matches!(response, Response::Done | Response::Refused(Refusal::Unknown { .. }));
                if over && asked.as_deref() == Some(&Request::Shutdown) {
                    nobody_waits(history, seen)?;
                }
                if call.client == PROBER
                    && let Some(asked) = asked
                {
                    let (beyond, small) = (ghost.history.is_beyond(), self.geometry.capacity.is_some());
                    ghost.probe.answered(&asked, response, beyond, small).map_err(|what| {
                        Violation::new(ACCEPTS_WORK, what).at(seen, format!("{response:?}"))
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Judges the files where they are all there is: while the power is off; and at the very end, when every other
    /// way to look at the store has had its turn, since a power loss that comes then must take nothing.
    fn check(&self, ghost: &Ghost, world: &World<Log>) -> Result<(), Violation> {
        if world.host(STORE).powered && !ghost.probe.done() {
            return Ok(());
        }
        let folder = &self.configs[0].segments.folder;
        image::judge(&ghost.history, &world.host(STORE).disk.durable_image(), folder)
    }

    fn settled(&self, ghost: &Ghost, world: &World<Log>) -> bool {
        let host = world.host(STORE);
        let at_rest = host.node.as_ref().is_some_and(|store| {
            let frontiers = store.frontiers();
            match store.phase() {
                Phase::Recovering | Phase::Closing | Phase::Closed => false,
                Phase::Full => self.geometry.capacity.is_some(),
                // While a failing disk keeps outcomes unknown, the store is still trying.
                Phase::Ready => frontiers.durable == frontiers.accepted,
                Phase::Damaged(_) => true,
            }
        });
        ghost.history.waiting().next().is_none() && host.runs() && at_rest
    }

    fn over(&self, store: &EventStore) -> bool {
        store.phase() == Phase::Closed
    }

    fn probes(&self, ghost: &Ghost, round: u32) -> Vec<(NodeId, CallId, Request)> {
        let call = |n: u64| CallId { client: PROBER, number: u64::from(round) << 16 | n };
        let one = |request| vec![(STORE, call(0), request)];
        if let Some(from) = ghost.probe.scan {
            return one(self.scan(from));
        }
        if ghost.history.is_beyond() {
            return Vec::new();
        }
        if !ghost.probe.verified {
            let requests = std::iter::once(Request::Verify).chain(self.indexed(&ghost.history));
            return (0..).zip(requests).map(|(n, request)| (STORE, call(n), request)).collect();
        }
        if !ghost.probe.appended {
            return one(self.fresh(call(0)));
        }
        Vec::new()
    }

    fn healed(&self, ghost: &Ghost) -> Result<(), Violation> {
        if ghost.history.is_beyond() {
            return Ok(());
        }
        if let Some(call) = ghost.history.waiting().next() {
            let what = format!("call {} of {} was never answered", call.number, client_name(call.client));
            return Err(Violation::new(EVERYTHING_ANSWERED, what));
        }
        if ghost.probe.done() {
            Ok(())
        } else {
            Err(Violation::new(ACCEPTS_WORK, "the store does not work although faults have stopped"))
        }
    }

    fn node_name(&self, _node: NodeId) -> String {
        "store".into()
    }

    fn call_label(&self, _node: NodeId, call: CallId, request: &Request) -> String {
        verbs::label(call, request)
    }

    fn response_label(&self, response: &Resp<Log>) -> String {
        verbs::answer(response)
    }
}

/// A store that says that it has shut down has answered everybody who called before it was asked to.
fn nobody_waits(history: &History, seen: Seen) -> Result<(), Violation> {
    let mut waiting = history.waiting_before_close();
    let forgotten =
        waiting.find(|call| !matches!(history.request(*call).as_deref(), Some(Request::Shutdown)));
    match forgotten {
        None => Ok(()),
        Some(CallId { client, number }) => {
            let what = "the store has shut down without having answered everybody";
            let detail = format!("call {number} of {} is open", client_name(client));
            Err(Violation::new(EVERYTHING_ANSWERED, what).at(seen, detail))
        }
    }
}

impl Probe {
    /// Whether nothing is left to be looked at.
    fn done(&self) -> bool {
        self.scanned && self.verified && self.appended
    }

    /// Takes note of an answer, or says why it is not the answer of a store that works.
    ///
    /// `beyond`: a disk was damaged more than a store must mend. `small`: the disk may well be full for good.
    fn answered(
        &mut self,
        asked: &Request,
        response: &Response,
        beyond: bool,
        small: bool,
    ) -> Result<(), String> {
        match (asked, response) {
            (Request::Read(Query { filter: Filter::All, .. }), Response::Events { next, end, .. })
                if !self.scanned =>
            {
                self.scan = (!end).then_some(*next);
                self.scanned = *end;
            }
            (Request::Read(_), Response::Events { .. }) => {}
            (Request::Verify, Response::Verified(_)) => self.verified = true,
            (Request::Append { .. }, Response::Appended(_)) => self.appended = true,
            (
                Request::Append { .. },
                Response::Refused(Refusal::Full | Refusal::Overloaded | Refusal::Unknown { .. }),
            ) if small => {
                self.appended = true;
            }
            (_, Response::Refused(_)) if beyond => self.scan = None,
            (_, Response::Refused(refusal)) => {
                return Err(format!("once faults have stopped, the store says: {refusal}"));
            }
            _ => {}
        }
        Ok(())
    }
}
