//! The writer's bounded worlds: small workloads, few losses, every order of what happens. A scope proves what it says for
//! its bounds and nothing beyond.

use super::{
    SERVER, Topic, WriterSystem, header,
    wire::{Mood, Request},
};
use crate::{
    system::{NamedScope, System},
    world::{Budget, Resource, Scope, Script},
};
use onceward_core::{NodeId, writer::wire::Codec};

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);

type Call = (NodeId, Request);

fn write(writer: NodeId) -> Call {
    coded(writer, Codec::RAW)
}

fn coded(writer: NodeId, codec: Codec) -> Call {
    (writer, Request::Write { codec, seq_no: None, bytes: 0 })
}

fn numbered(number: u64) -> Call {
    (ONE, Request::Write { codec: Codec::RAW, seq_no: Some(number), bytes: 0 })
}

fn makes(mood: Mood) -> Call {
    (SERVER, Request::Server(mood))
}

/// All of them.
pub(super) fn all() -> Vec<NamedScope<Topic>> {
    let fires = |n| Budget::none().with(Resource::Fire, n);
    vec![
        scope(
            "lost-session",
            "two writes at once and a close; the connection breaks at any point, on either side, and the server goes on \
             with what is left of it",
            (1, &[("fencing", "no")]),
            vec![vec![write(ONE)], vec![write(ONE), (ONE, Request::Close)]],
            fires(3).with(Resource::Break, 1),
            (92_540, 303_795),
        ),
        scope(
            "ended-before-acknowledged",
            "two writes; the server stores the first, never acknowledges it, and ends all streams with OVERLOADED",
            (1, &[("batch", "1")]),
            vec![vec![makes(Mood::Swallow(1)), write(ONE), write(ONE)], vec![makes(Mood::Overload)]],
            fires(2),
            (1_518, 3_480),
        ),
        scope(
            "flush",
            "a flush before, between or after two writes; the server ends all streams without a word",
            (1, &[]),
            vec![vec![write(ONE)], vec![(ONE, Request::Flush)], vec![write(ONE)], vec![makes(Mood::Finish)]],
            fires(3),
            (65_151, 189_348),
        ),
        scope(
            "close",
            "a write and a close that may time out; the server ends all streams with OVERLOADED",
            (1, &[]),
            vec![vec![write(ONE)], vec![(ONE, Request::Close)], vec![makes(Mood::Overload)]],
            fires(4),
            (40_967, 135_025),
        ),
        scope(
            "storm",
            "a write, while the server refuses three sessions",
            (1, &[]),
            vec![vec![makes(Mood::Refuse(3)), write(ONE)]],
            fires(5),
            (23_217, 73_264),
        ),
        scope(
            "swallowed",
            "two writes at once and a destroy; the server never acknowledges the first request",
            (1, &[("batch", "1")]),
            vec![vec![write(ONE)], vec![write(ONE), (ONE, Request::Destroy)], vec![makes(Mood::Swallow(1))]],
            fires(3),
            (15_570, 44_046),
        ),
        scope(
            "rivals",
            "two writers with one producer id, at a server that fences neither, as long as no session is lost",
            (2, &[("producers", "shared"), ("fencing", "no"), ("batch", "1")]),
            vec![vec![write(ONE), write(ONE)], vec![write(TWO)]],
            fires(0),
            (712, 1_456),
        ),
        scope(
            "rivals-between-sessions",
            "two writers with one producer id, at a server that ends the older session and numbers them; one session is lost",
            (2, &[("producers", "shared"), ("batch", "1"), ("sessions", "numbered"), ("disk", "no")]),
            vec![vec![write(ONE)], vec![write(TWO)]],
            fires(1).with(Resource::Break, 1),
            (49_229, 139_404),
        ),
        scope(
            "fenced",
            "two writers with one producer id, at a server that ends the older session, as long as no other is lost",
            (2, &[("producers", "shared"), ("batch", "1")]),
            vec![vec![write(ONE), write(ONE)], vec![write(TWO)]],
            fires(0),
            (873, 1_801),
        ),
        scope(
            "loses-first",
            "two writes at once; the server loses one and acknowledges the other, and no session is lost",
            (1, &[]),
            vec![vec![write(ONE)], vec![write(ONE)], vec![makes(Mood::LoseFirst)]],
            fires(0),
            (130, 242),
        ),
        scope(
            "acks-twice",
            "two writes at once; the server acknowledges one twice",
            (1, &[("batch", "1")]),
            vec![vec![write(ONE)], vec![write(ONE)], vec![makes(Mood::AckTwice)]],
            fires(2),
            (4_313, 11_200),
        ),
        scope(
            "codecs",
            "two writes at once in different codecs",
            (1, &[]),
            vec![vec![coded(ONE, Codec::RAW)], vec![coded(ONE, Codec::GZIP)]],
            fires(2),
            (1_823, 3_992),
        ),
        scope(
            "power-loss",
            "two writes at once; the server loses power at any point",
            (1, &[("disk", "yes")]),
            vec![vec![write(ONE)], vec![write(ONE)]],
            fires(2).with(Resource::PowerLoss, 1),
            (105_077, 295_133),
        ),
        scope(
            "killed",
            "two writes, one after the other; the writer or the server is killed at any point",
            (1, &[("disk", "yes"), ("fencing", "no")]),
            vec![vec![write(ONE), write(ONE)]],
            fires(2).with(Resource::Kill, 1),
            (33_416, 94_125),
        ),
        scope(
            "cut",
            "two writes at once and a flush; a link goes dead in one direction",
            (1, &[]),
            vec![vec![write(ONE), (ONE, Request::Flush)], vec![write(ONE)]],
            fires(3).with(Resource::Cut, 1),
            (24_796, 75_061),
        ),
        scope(
            "room",
            "two writes at once with room for one, a flush, and a fresh token",
            (1, &[("room", "1"), ("token", "10ms")]),
            vec![vec![write(ONE), (ONE, Request::Flush)], vec![write(ONE)]],
            fires(2),
            (2_185, 4_991),
        ),
        scope(
            "numbers",
            "writes under the caller's numbers, of which one was used before, and a flush",
            (1, &[("before", "1")]),
            vec![vec![numbered(1), numbered(3)], vec![(ONE, Request::Flush)]],
            fires(2).with(Resource::Break, 1),
            (6_850, 18_393),
        ),
    ]
}

/// A scope; its server keeps what it stores in its memory, unless the scope is about crashes.
fn scope(
    name: &'static str,
    about: &'static str,
    (writers, settings): (u16, &[(&str, &str)]),
    scripts: Vec<Script<Request>>,
    budget: Budget,
    pinned: (u64, u64),
) -> NamedScope<Topic> {
    let mut all = vec![("disk", if settings.contains(&("disk", "yes")) { "yes" } else { "no" })];
    all.extend(settings.iter().filter(|setting| setting.0 != "disk"));
    let header = header(writers, scripts.len() as u16, &all);
    let protocol = match WriterSystem::build(&header) {
        Ok(protocol) => protocol,
        // The settings are those above; a test builds every scope.
        Err(wrong) => unreachable!("the scope {name} has settings that its system refuses: {wrong}"),
    };
    let scope = Scope { budget, ..Scope::new(scripts) };
    NamedScope { name, about, header, protocol, scope, pinned: Some(pinned) }
}
