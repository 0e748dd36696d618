//! The event store as a system of the harness: its settings and verbs in the scenario language, its random workload,
//! promises, marks, mutants and bounded scopes.

mod config;
mod protocol;
mod recorded;
mod scopes;
mod verbs;
mod wire;
mod workload;

#[cfg(test)]
mod tests;

pub use protocol::{Ghost, Log, STORE};
use verbs::VERBS;

use crate::{
    scenario::{Header, OpKind},
    spec::events::PROMISES,
    system::{
        Allowed, Hosted, HostedVisitor, Mutant, NamedScope, Numbering, Problem, Promise, RecordedVisitor,
        System, Verb, Word,
    },
    world::{
        ChoiceOf, Key, Time,
        disk::{Damage, Outcome},
    },
};
use onceward_core::{
    CallId, Dur, NodeId,
    log::{
        api::{Request, Response},
        segments, store,
    },
};
use std::sync::{Arc, OnceLock};

/// The event store.
#[derive(Clone, Copy, Debug)]
pub struct LogSystem;

impl System for LogSystem {
    type Protocol = Log;

    const NAME: &'static str = "log";
    const ABOUT: &'static str = "an event store: one node, its clients, and a disk that fails";

    fn build(header: &Header) -> Result<Arc<Log>, String> {
        config::build(header).map(Arc::new)
    }

    fn verbs() -> &'static [Verb] {
        VERBS
    }

    fn parse_call(
        protocol: &Log,
        numbering: &mut Numbering,
        words: &[Word],
    ) -> Result<(NodeId, CallId, Request), Problem> {
        verbs::parse(protocol.clients, numbering, words).map(|(call, request)| (STORE, call, request))
    }

    fn draw_header(key: Key) -> Header {
        config::draw(key)
    }

    fn draw_workload(protocol: &Log, key: Key, calls: u32, span: Dur) -> Vec<(Time, ChoiceOf<Log>)> {
        workload::draw(protocol.clients, key, calls, span)
    }

    fn allowed(_protocol: &Log) -> Allowed {
        Allowed::default()
    }

    fn draw_damage(protocol: &Log, key: Key) -> Option<(NodeId, Damage)> {
        workload::damage(&protocol.configs[0], key).map(|damage| (STORE, damage))
    }

    fn draw_outcome(protocol: &Log, key: Key) -> Option<(NodeId, OpKind, Outcome)> {
        Some((STORE, OpKind::Read, workload::astray(&protocol.configs[0], key)))
    }

    fn promises() -> &'static [Promise] {
        PROMISES
    }

    fn marks() -> &'static [&'static str] {
        static ALL: OnceLock<Vec<&str>> = OnceLock::new();
        ALL.get_or_init(|| [segments::MARKS, store::MARKS].concat())
    }

    fn mutants() -> Vec<Mutant> {
        onceward_core::log::Mutant::ALL
            .iter()
            .map(|mutant| Mutant { about: mutant.about(), activate: mutant.switch_on() })
            .collect()
    }

    fn scopes() -> Vec<NamedScope<Log>> {
        scopes::all()
    }

    fn hosted<V: HostedVisitor<Log>>(visitor: V) -> Option<V::Out> {
        Some(visitor.visit::<LogSystem>())
    }

    fn recorded<V: RecordedVisitor>(visitor: V) -> Option<V::Out> {
        Some(visitor.visit::<LogSystem>())
    }
}

impl Hosted for LogSystem {
    fn encode(response: &Response) -> Vec<u8> {
        wire::encode(response)
    }

    fn decode(bytes: &[u8]) -> Option<Response> {
        wire::decode(bytes)
    }
}

/// A header for this system with these settings.
pub fn header(clients: u16, settings: &[(&str, &str)]) -> Header {
    let config = settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Header {
        system: LogSystem::NAME.into(),
        cluster: vec![("store".into(), 1), ("client".into(), clients)],
        config,
    }
}

/// The roles of a cluster line.
fn roles(header: &Header) -> Result<u16, String> {
    let (mut clients, mut stores) = (1, 1);
    for (role, count) in &header.cluster {
        match role.as_str() {
            "store" => stores = *count,
            "client" => clients = *count,
            other => {
                return Err(format!(
                    "there is no role `{other}`: the event store has one `store` and `client`s"
                ));
            }
        }
    }
    if stores != 1 {
        return Err(format!("there is exactly one store, not {stores}"));
    }
    if !(1..=1000).contains(&clients) {
        return Err(format!("between 1 and 1000 clients, not {clients}"));
    }
    Ok(clients)
}
