//! The toy as the harness's commands see it: how to build it from a header, its verbs, workloads and scopes.

use super::{Mutant, Request, Toy, protocol as promise};
use crate::{
    scenario::Header,
    system::{Allowed, Mutant as KnownBug, NamedScope, Numbering, Problem, Promise, System, Verb, Word},
    world::{Budget, Choice, ChoiceOf, ClockChange, Key, Resource, Scope, Time, UNLIMITED, disk::Faults},
};
use onceward_core::{CallId, ClientId, Dur, NodeId};
use std::sync::Arc;

/// The toy, with everything around it.
#[derive(Clone, Copy, Debug)]
pub struct ToySystem;

const VERBS: [(&str, Request); 3] =
    [("adds", Request::Add), ("reads", Request::Read), ("asks-time", Request::Wall)];

impl System for ToySystem {
    type Protocol = Toy;

    const NAME: &'static str = "toy";
    const ABOUT: &'static str = "a counter with leases: the harness's own test subject";

    fn build(header: &Header) -> Result<Arc<Toy>, String> {
        let mut toy = Toy { clients: 1, lease: Dur::millis(100), retry: Dur::millis(20) };
        for (role, count) in &header.cluster {
            match role.as_str() {
                "server" if *count == 1 => {}
                "server" => return Err("there is exactly one server".into()),
                "client" if (1..=64).contains(count) => toy.clients = *count,
                "client" => return Err("1 to 64 clients".into()),
                other => return Err(format!("no role `{other}`: there are `server` and `client`")),
            }
        }
        for (name, value) in &header.config {
            let span = || match value.strip_suffix("ms").and_then(|n| n.parse().ok()) {
                Some(n) if n <= 1_000_000 => Ok(Dur::millis(n)),
                _ => Err(format!("`{name}` wants milliseconds, as in `{name}=100ms`")),
            };
            match name.as_str() {
                "lease" => toy.lease = span()?,
                "retry" => toy.retry = span()?,
                other => return Err(format!("no setting `{other}`: there are `lease` and `retry`")),
            }
        }
        Ok(Arc::new(toy))
    }

    fn verbs() -> &'static [Verb] {
        &[
            Verb { word: "adds", usage: "client-N adds", help: "A client counts one more." },
            Verb { word: "reads", usage: "client-N reads", help: "A client asks for the sum." },
            Verb { word: "asks-time", usage: "client-N asks-time", help: "Asks for a client's wall clock." },
        ]
    }

    fn parse_call(
        toy: &Toy,
        numbering: &mut Numbering,
        words: &[Word],
    ) -> Result<(NodeId, CallId, Request), Problem> {
        let [client, verb, rest @ ..] = words else {
            return Err(Problem::missing(words, "a client and a verb, as in `client-1 adds`"));
        };
        let number = client.numbered("client", toy.clients)?;
        let (_, request) = VERBS
            .iter()
            .find(|(word, _)| *word == verb.text)
            .ok_or_else(|| verb.problem("`adds`, `reads` or `asks-time`"))?;
        if let Some(word) = rest.first() {
            return Err(word.problem("nothing more"));
        }
        Ok((NodeId(number), numbering.next(ClientId(number - 1)), *request))
    }

    fn draw_header(key: Key) -> Header {
        let lease = if key.chance(0, 500_000) { "0ms" } else { "100ms" };
        header(1 + key.below(1, 3) as u16, lease, "20ms")
    }

    fn draw_workload(toy: &Toy, key: Key, calls: u32, span: Dur) -> Vec<(Time, ChoiceOf<Toy>)> {
        let mut drawn: Vec<_> = (0..calls)
            .map(|n| {
                let key = key.child(n);
                let request = if key.chance(0, 400_000) { Request::Add } else { Request::Read };
                (Time(key.below(1, span.0.max(1))), key.below(2, u64::from(toy.clients)) as u16, request)
            })
            .collect();
        drawn.sort_by_key(|(at, ..)| *at);
        let mut numbering = Numbering::default();
        let call = |(at, client, request)| {
            (at, Choice::Call(NodeId(client + 1), numbering.next(ClientId(client)), request))
        };
        drawn.into_iter().map(call).collect()
    }

    fn allowed(_: &Toy) -> Allowed {
        // A lease is over on the server only after twice its length, so no clock may run twice as fast as another.
        Allowed { drift: 300_000, ..Allowed::default() }
    }

    fn promises() -> &'static [Promise] {
        &[
            Promise {
                id: promise::READS_SEE_ACKED,
                says: "A read shows every add that was acknowledged before it began.",
            },
            Promise {
                id: promise::ADDS_COUNT_ONCE,
                says: "No add is counted twice, however often it is tried.",
            },
            Promise {
                id: promise::READS_GO_FORWARD,
                says: "A read shows no less than a read that had ended before it began.",
            },
        ]
    }

    fn marks() -> &'static [&'static str] {
        &["recovery found adds", "waited for a lease", "duplicate recognised", "read under a lease"]
    }

    fn mutants() -> Vec<KnownBug> {
        Mutant::ALL
            .iter()
            .map(|mutant| KnownBug {
                about: mutant.about(),
                activate: match mutant {
                    Mutant::AckBeforeDurable => || activate(Mutant::AckBeforeDurable),
                    Mutant::DuplicateNotRecognised => || activate(Mutant::DuplicateNotRecognised),
                    Mutant::StaleAckAccepted => || activate(Mutant::StaleAckAccepted),
                    Mutant::LeaseIgnoresDrift => || activate(Mutant::LeaseIgnoresDrift),
                    Mutant::LeaseForgotten => || activate(Mutant::LeaseForgotten),
                },
            })
            .collect()
    }

    fn scopes() -> Vec<NamedScope<Toy>> {
        vec![retries(), crashes(), drift(), outlived()]
    }
}

fn activate(mutant: Mutant) {
    #[cfg(feature = "mutants")]
    mutant.activate();
    #[cfg(not(feature = "mutants"))]
    let _ = mutant;
}

fn header(clients: u16, lease: &str, retry: &str) -> Header {
    Header {
        system: ToySystem::NAME.into(),
        cluster: vec![("server".into(), 1), ("client".into(), clients)],
        config: [("lease", lease), ("retry", retry)].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
    }
}

/// Messages doubled, timers at any time, connections broken.
fn retries() -> NamedScope<Toy> {
    let script = vec![(NodeId(1), Request::Add), (NodeId(1), Request::Add), (NodeId(1), Request::Read)];
    let budget = Budget::none().with(Resource::Fire, 2).with(Resource::Duplicate, 1).with(Resource::Break, 1);
    NamedScope {
        name: "retries",
        about: "one client adds twice and reads; timers fire early, one message is doubled, one connection breaks",
        header: header(1, "0ms", "0ms"),
        protocol: Arc::new(Toy { clients: 1, lease: Dur::ZERO, retry: Dur::ZERO }),
        scope: Scope { budget, ..Scope::new(vec![script]) },
        pinned: Some((1_081, 2_901)),
    }
}

/// The server's process and its disk.
fn crashes() -> NamedScope<Toy> {
    let script = vec![(NodeId(1), Request::Add), (NodeId(1), Request::Read)];
    let budget = Budget::none()
        .with(Resource::Fire, 1)
        .with(Resource::Kill, 1)
        .with(Resource::PowerLoss, 1)
        .with(Resource::DiskFault, 1);
    let disk = Faults { short_writes: true, write_errors: true, sync_errors: true, ..Faults::NONE };
    NamedScope {
        name: "crashes",
        about: "one client adds and reads; one kill, one power loss, one write or sync that fails",
        header: header(1, "0ms", "0ms"),
        protocol: Arc::new(Toy { clients: 1, lease: Dur::ZERO, retry: Dur::ZERO }),
        scope: Scope { budget, disk, ..Scope::new(vec![script]) },
        pinned: Some((52_396, 127_458)),
    }
}

/// A reader under a lease beside a writer, in unbounded time, one clock at half speed.
fn drift() -> NamedScope<Toy> {
    leases(
        "drift",
        "one client reads twice, another adds; one clock runs at half speed, for as long as it may take",
        Budget::none().with(Resource::Fire, 2).with(Resource::Clock, 1),
        Some((54_081, 225_220)),
    )
}

/// A lease that outlives the server's process.
fn outlived() -> NamedScope<Toy> {
    leases(
        "outlived",
        "one client reads twice, another adds; one kill, for as long as it may take",
        Budget::none().with(Resource::Fire, 1).with(Resource::Kill, 1),
        Some((69_634, 255_324)),
    )
}

fn leases(
    name: &'static str,
    about: &'static str,
    budget: Budget,
    pinned: Option<(u64, u64)>,
) -> NamedScope<Toy> {
    let reader = vec![(NodeId(1), Request::Read), (NodeId(1), Request::Read)];
    let writer = vec![(NodeId(2), Request::Add)];
    let budget = budget.with(Resource::Tick, UNLIMITED);
    NamedScope {
        name,
        about,
        header: header(2, "2ms", "0ms"),
        protocol: Arc::new(Toy { clients: 2, lease: Dur::millis(2), retry: Dur::ZERO }),
        scope: Scope {
            budget,
            clocks: vec![ClockChange::Drift(-500_000)],
            tick: Dur::millis(1),
            ..Scope::new(vec![reader, writer])
        },
        pinned,
    }
}
