//! The pipeline's bounded worlds: small workloads, few faults, every order of what happens. A scope proves what it says for
//! its bounds and nothing beyond.

use super::{Pipeline, PipelineSystem, Request, header};
use crate::{
    system::{NamedScope, System},
    world::{Budget, Resource, Scope, Script},
};
use onceward_core::{NodeId, writer::wire::Codec};

const ONE: NodeId = NodeId(1);

fn write() -> (NodeId, Request) {
    (ONE, Request::Write { codec: Codec::RAW, seq_no: None, bytes: 0 })
}

/// All of them.
pub(super) fn all() -> Vec<NamedScope<Pipeline>> {
    let fires = |n| Budget::none().with(Resource::Fire, n);
    vec![
        scope(
            "write-and-read",
            "a write of a stubborn writer, and somebody who reads everything",
            (1, 0, &[("stubborn", "1"), ("flush", "never")]),
            vec![vec![write()]],
            fires(1),
            (8_386, 26_463),
        ),
        scope(
            "connection-breaks",
            "a write of a stubborn writer; a connection breaks at any point, on either side",
            (1, 0, &[("stubborn", "1"), ("flush", "never")]),
            vec![vec![write()]],
            fires(1).with(Resource::Break, 1),
            (46_469, 160_373),
        ),
        scope(
            "writer-and-reader",
            "a write of a writer whose requests wait for company, and somebody who reads everything",
            (1, 0, &[("flush", "never")]),
            vec![vec![write()]],
            fires(2),
            (51_341, 170_505),
        ),
        scope(
            "broker-killed",
            "a write of a stubborn writer; the broker is killed at any point",
            (1, 0, &[("stubborn", "1"), ("flush", "never")]),
            vec![vec![write()]],
            fires(1).with(Resource::Kill, 1),
            (383_528, 1_189_411),
        ),
        scope(
            "drained",
            "a write of a stubborn writer; the broker drains it into a file whenever that is allowed",
            (1, 0, &[("stubborn", "1"), ("flush", "5ms"), ("tail", "0")]),
            vec![vec![write()]],
            fires(1),
            (8_873, 27_550),
        ),
        scope(
            "killed-while-draining",
            "a write of a stubborn writer; the broker is killed at any point of draining it",
            (1, 0, &[("stubborn", "1"), ("flush", "5ms")]),
            vec![vec![write()]],
            fires(1).with(Resource::Kill, 1),
            (419_769, 1_289_285),
        ),
        scope(
            "checkpointed-and-cut",
            "a write of a stubborn writer; the broker drains it, writes a checkpoint and cuts its log",
            (1, 0, &[("stubborn", "1"), ("flush", "5ms"), ("checkpoint", "1")]),
            vec![vec![write()]],
            fires(1),
            (47_388, 166_338),
        ),
        scope(
            "readers-share",
            "a write of a stubborn writer; two readers share the only partition",
            (1, 2, &[("stubborn", "1"), ("flush", "never")]),
            vec![vec![write()]],
            fires(0),
            (227_484, 952_199),
        ),
    ]
}

fn scope(
    name: &'static str,
    about: &'static str,
    (writers, readers, settings): (u16, u16, &[(&str, &str)]),
    scripts: Vec<Script<Request>>,
    budget: Budget,
    pinned: (u64, u64),
) -> NamedScope<Pipeline> {
    let header = header(writers, readers, scripts.len() as u16, settings);
    let protocol = match PipelineSystem::build(&header) {
        Ok(protocol) => protocol,
        // The settings are those above; a test builds every scope.
        Err(wrong) => unreachable!("the scope {name} has settings that its system refuses: {wrong}"),
    };
    NamedScope {
        name,
        about,
        header,
        protocol,
        scope: Scope { budget, ..Scope::new(scripts) },
        pinned: Some(pinned),
    }
}
