//! The reader's bounded worlds: a few messages, few losses, every order of what happens. A scope proves what it says for its
//! bounds and nothing beyond.

use super::{
    Feed, ReaderSystem, SERVER, header,
    wire::{Lie, Mood, Request},
};
use crate::{
    system::{NamedScope, System},
    world::{Budget, Resource, Scope, Script},
};
use onceward_core::NodeId;

const ONE: NodeId = NodeId(1);

fn makes(mood: Mood) -> Vec<(NodeId, Request)> {
    vec![(SERVER, Request::Server(mood))]
}

fn lies(lie: Lie) -> Vec<Script<Request>> {
    vec![makes(Mood::Lie(lie))]
}

/// All of them.
pub(super) fn all() -> Vec<NamedScope<Feed>> {
    let fires = |n| Budget::none().with(Resource::Fire, n);
    vec![
        scope(
            "read-and-commit",
            "two partitions, and credit for one message",
            (1, &[("partitions", "2"), ("credit", "10")]),
            vec![],
            fires(2),
            (1_993, 4_405),
        ),
        scope(
            "few-commits",
            "two partitions, one commit at a time, and a caller that takes its time",
            (1, &[("partitions", "2"), ("commits", "1"), ("deals", "1ms")]),
            vec![],
            fires(4),
            (35_066, 92_488),
        ),
        scope(
            "backwards",
            "a caller that takes its time and commits the last message first; the server has forgotten one",
            (1, &[("messages", "3"), ("order", "backwards"), ("deals", "1ms")]),
            vec![makes(Mood::Gap(1))],
            fires(3),
            (4_686, 11_360),
        ),
        scope(
            "session-lost",
            "the connection breaks at any point, on either side",
            (1, &[]),
            vec![],
            fires(3).with(Resource::Break, 1),
            (33_733, 101_389),
        ),
        scope(
            "session-lost-while-dealing",
            "a caller that takes its time; the connection breaks at any point, and what it knows is of another session",
            (1, &[("deals", "1ms")]),
            vec![],
            fires(4).with(Resource::Break, 1),
            (94_853, 300_741),
        ),
        scope(
            "sessions-ended",
            "the server ends all streams, with OVERLOADED and without a word",
            (1, &[]),
            vec![makes(Mood::Overload), makes(Mood::Finish)],
            fires(3),
            (28_841, 78_563),
        ),
        scope(
            "storm",
            "the server ends all streams and refuses three sessions",
            (1, &[("messages", "1")]),
            vec![vec![(SERVER, Request::Server(Mood::Refuse(3))), (SERVER, Request::Server(Mood::Finish))]],
            fires(5),
            (71_344, 265_772),
        ),
        scope(
            "partition-asked-for",
            "the server asks for the partition back, and gives it again; the caller takes its time",
            (1, &[("deals", "1ms"), ("release", "after")]),
            vec![makes(Mood::Ask)],
            fires(5),
            (115_838, 387_623),
        ),
        scope(
            "partition-taken",
            "the server takes the partition away and gives it again",
            (1, &[("deals", "1ms")]),
            vec![makes(Mood::Take)],
            fires(3),
            (8_671, 20_526),
        ),
        scope(
            "late",
            "the server sends messages of a partition that it has asked for",
            (1, &[("messages", "3"), ("credit", "20")]),
            vec![makes(Mood::Late), makes(Mood::Ask)],
            fires(2),
            (20_420, 55_682),
        ),
        scope(
            "commits-in-part",
            "each commit is answered in part first; the connection breaks at any point",
            (1, &[("response", "2")]),
            vec![makes(Mood::Halve)],
            fires(3).with(Resource::Break, 1),
            (35_942, 121_805),
        ),
        scope(
            "swallowed",
            "the server never answers the first commit",
            (1, &[]),
            vec![makes(Mood::Swallow(1))],
            fires(3),
            (6_163, 17_070),
        ),
        scope(
            "gaps",
            "the server forgets messages as it goes",
            (1, &[("messages", "3"), ("response", "2")]),
            vec![makes(Mood::Gap(1)), makes(Mood::Gap(1))],
            fires(2).with(Resource::Break, 1),
            (28_378, 95_377),
        ),
        scope(
            "close",
            "a reader is closed, at a server that never answers the first commit",
            (1, &[]),
            vec![vec![(ONE, Request::Close)], makes(Mood::Swallow(1))],
            fires(3),
            (17_530, 53_885),
        ),
        scope(
            "destroy",
            "a reader is destroyed, and closed all the same",
            (1, &[]),
            vec![vec![(ONE, Request::Destroy), (ONE, Request::Close)]],
            fires(2).with(Resource::Break, 1),
            (20_732, 63_659),
        ),
        scope(
            "killed",
            "the reader or the server is killed at any point; the server forgets what was committed",
            (1, &[("messages", "1")]),
            vec![],
            fires(3).with(Resource::Kill, 1),
            (23_937, 67_502),
        ),
        scope(
            "cut",
            "a link goes dead in one direction; fresh tokens show it",
            (1, &[("messages", "1"), ("token", "10ms")]),
            vec![],
            fires(4).with(Resource::Cut, 1),
            (41_376, 131_724),
        ),
        scope(
            "two-readers-share",
            "two readers share two partitions, which they are asked for",
            (2, &[("partitions", "2"), ("messages", "1")]),
            vec![],
            fires(1),
            (7_347, 18_004),
        ),
        scope(
            "two-readers-taken-from",
            "two readers share two partitions, which are taken from them",
            (2, &[("partitions", "2"), ("messages", "1"), ("stop-timeout", "0ms")]),
            vec![],
            fires(1),
            (10_117, 26_039),
        ),
        scope(
            "repeats",
            "the server sends messages twice",
            (1, &[]),
            lies(Lie::Repeat),
            fires(2),
            (1_470, 3_514),
        ),
        scope(
            "overdraws",
            "the server sends messages that a reader has not asked for, as its caller takes its time",
            (1, &[("credit", "10"), ("deals", "1ms")]),
            lies(Lie::Overdraw),
            fires(3),
            (2_629, 6_675),
        ),
        scope(
            "understates",
            "the server counts messages for too little",
            (1, &[]),
            lies(Lie::Understate),
            fires(2),
            (1_279, 3_123),
        ),
        scope(
            "gives-twice",
            "the server gives a partition session twice",
            (1, &[]),
            lies(Lie::GiveTwice),
            fires(2),
            (2_388, 5_662),
        ),
        scope(
            "unbegun",
            "the server sends messages of a partition that the caller has not begun yet",
            (1, &[("begin", "caller"), ("deals", "1ms")]),
            lies(Lie::Unbegun),
            fires(3),
            (1_975, 5_026),
        ),
        scope(
            "claims",
            "the server says that messages are committed that nobody has seen",
            (1, &[]),
            lies(Lie::Claim(1)),
            fires(2),
            (2_127, 5_146),
        ),
    ]
}

fn scope(
    name: &'static str,
    about: &'static str,
    (readers, settings): (u16, &[(&str, &str)]),
    scripts: Vec<Script<Request>>,
    budget: Budget,
    pinned: (u64, u64),
) -> NamedScope<Feed> {
    let own = |name: &str| settings.iter().any(|setting| setting.0 == name);
    let small = [("messages", "2"), ("response", "1"), ("token", "never")];
    let mut all: Vec<_> = small.into_iter().filter(|setting| !own(setting.0)).collect();
    all.extend(settings);
    let header = header(readers, scripts.len().max(1) as u16, &all);
    let protocol = match ReaderSystem::build(&header) {
        Ok(protocol) => protocol,
        // The settings are those above; a test builds every scope.
        Err(wrong) => unreachable!("the scope {name} has settings that its system refuses: {wrong}"),
    };
    let scope = Scope { budget, ..Scope::new(scripts) };
    NamedScope { name, about, header, protocol, scope, pinned: Some(pinned) }
}
