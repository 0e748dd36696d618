//! What a protocol and the system around it are written with, in one import.

pub use onceward_core::{
    Action, CallId, ClientId, Clock, DiskError, DiskOk, DiskOp, DiskResult, Dur, Input, Machine, Mark, Mono,
    Never, Node, NodeAction, NodeId, NodeInput, OpId, Path, SyncKind, Wall, Window,
};
pub use onceward_model::{
    scenario::Header,
    system::{Allowed, Calls, NamedScope, Numbering, Parsed, Problem, Promise, System, Verb, Word, spread},
    world::{
        Budget, ChoiceOf, Event, Geometry, Ignored, Key, Protocol, Resource, Scope, Seen, Time, Violation,
        World,
    },
};
