//! The event store's bounded worlds: deep ones for durability, wide ones for what clients may do at the same time. A
//! scope proves what it says for its bounds and nothing beyond.

use super::{LogSystem, STORE, header, verbs};
use crate::{
    system::{NamedScope, System},
    world::{Budget, Protocol as _, Reductions, Req, Resource, Scope, Script, disk::Faults},
};
use onceward_core::{
    CallId, ClientId,
    log::api::{Expected, Key, Name, NewEvent, Part, Request},
};

/// All of them.
pub(super) fn all() -> Vec<NamedScope<super::Log>> {
    let two = || vec![script(0, &[plain("a"), plain("a")])];
    let three = || vec![script(0, &[plain("a"), plain("a"), plain("b")])];
    let crashes =
        |kills, losses| Budget::none().with(Resource::Kill, kills).with(Resource::PowerLoss, losses);
    vec![
        scope(
            "power-loss",
            "three appends and two power losses at any point, every image",
            three(),
            crashes(0, 2),
            Faults::NONE,
            &[],
            (51_488, 64_054),
        ),
        scope(
            "kill-and-power-loss",
            "three appends, a kill and a power loss at any point, every image",
            three(),
            crashes(1, 1),
            Faults::NONE,
            &[],
            (61_396, 77_926),
        ),
        scope(
            "kills",
            "three appends and two kills at any point, with every way for writes under way to land",
            three(),
            crashes(2, 0),
            Faults::NONE,
            &[],
            (3_551, 4_310),
        ),
        scope(
            "failed-sync",
            "two appends, one failed sync, one power loss",
            two(),
            crashes(0, 1).with(Resource::DiskFault, 1),
            Faults { sync_errors: true, ..Faults::NONE },
            &[],
            (20_444, 23_657),
        ),
        scope(
            "pipelined",
            "two clients, whose appends are written while those before are synced; one failed sync, one power loss",
            vec![script(0, &[plain("a"), plain("a")]), script(1, &[plain("b")])],
            crashes(0, 1).with(Resource::DiskFault, 1),
            Faults { sync_errors: true, ..Faults::NONE },
            &[("pipelined", "yes"), ("sector", "512")],
            (44_583, 60_191),
        ),
        scope(
            "failed-write",
            "two appends, one failed or short write, one power loss",
            two(),
            crashes(0, 1).with(Resource::DiskFault, 1),
            Faults { write_errors: true, short_writes: true, ..Faults::NONE },
            &[],
            (30_068, 34_904),
        ),
        scope(
            "rolling",
            "three appends over segments that hold one each, one power loss",
            three(),
            crashes(0, 1),
            Faults::NONE,
            &[("segment", "300")],
            (7_714, 8_708),
        ),
        scope(
            "rivals",
            "two clients that guard, retry under a key and create the same entity, one kill",
            vec![
                script(0, &[guarded("a", Expected::NoStream, 1), guarded("a", Expected::NoStream, 1)]),
                script(1, &[guarded("a", Expected::NoStream, 2), guarded("a", Expected::Exact(0), 3)]),
            ],
            crashes(1, 0),
            Faults::NONE,
            &[],
            (1_496, 2_206),
        ),
    ]
}

fn scope(
    name: &'static str,
    about: &'static str,
    scripts: Vec<Script<Req<super::Log>>>,
    budget: Budget,
    disk: Faults,
    settings: &[(&str, &str)],
    pinned: (u64, u64),
) -> NamedScope<super::Log> {
    let mut all = vec![("sector", "64"), ("read-chunk", "4KiB")];
    all.extend_from_slice(settings);
    let header = header(scripts.len() as u16, &all);
    let mut protocol = match LogSystem::build(&header) {
        Ok(protocol) => protocol,
        // The settings are those above; a test builds every scope.
        Err(wrong) => unreachable!("the scope {name} has settings that its system refuses: {wrong}"),
    };
    if let Some(log) = std::sync::Arc::get_mut(&mut protocol) {
        log.geometry.tear_lengths = false;
    }
    let mut scope = Scope::new(scripts);
    scope.budget = budget;
    scope.disk = disk;
    scope.image_cap = 20_000;
    scope.reductions = Reductions::ALL;
    debug_assert_eq!(protocol.nodes(), 1);
    NamedScope { name, about, header, protocol, scope, pinned: Some(pinned) }
}

/// A client's calls, with ids as the scenario language gives them.
fn script(client: u16, calls: &[Part]) -> Script<Request> {
    let numbered = (0..).zip(calls).map(|(number, part)| {
        let call = CallId { client: ClientId(client), number };
        let mut part = part.clone();
        for (n, event) in (0..).zip(&mut part.events) {
            // A part with a key is a retry of the client's first one with that key.
            let first = calls.iter().position(|other| part.key.is_some() && other.key == part.key);
            let origin = CallId { number: first.map_or(number, |at| at as u64), ..call };
            event.id = verbs::event_id(origin, n);
        }
        (STORE, Request::Append { parts: vec![part], deadline: None })
    });
    numbered.collect()
}

fn plain(entity: &str) -> Part {
    guarded(entity, Expected::Any, 0)
}

fn guarded(entity: &str, expected: Expected, key: u128) -> Part {
    let name = |text: &str| match Name::new(text) {
        Ok(name) => name,
        Err(_) => unreachable!("one letter is a name"),
    };
    let event = NewEvent {
        id: Default::default(),
        kind: name("k"),
        scope: name("s"),
        correlation: None,
        causation: None,
        payload: bytes::Bytes::from_static(b"x"),
    };
    Part { entity: name(entity), expected, key: (key != 0).then_some(Key(key)), events: vec![event] }
}
