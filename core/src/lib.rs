//! Pure state machines of durable, exactly-once write pipelines.
//!
//! Everything in this crate is *inputs in, actions out*. There is no I/O, no clock, no random number, no thread and
//! no logging here: a [`Node`] is given one [`Input`] and the [`Clock`] of that moment, and
//! answers with [`Action`]s, in order. The same state, clock and input give the same actions on every
//! computer and in every build, so that a model checker, a simulator, a fuzzer and a production driver run the
//! very same decisions.
//!
//! # The contract of a driver
//!
//! Whoever drives a machine owes it five things:
//!
//! 1. [`Input::Boot`] is the first input of every incarnation, and is given once.
//! 2. The actions of a step are performed in the order given. They need not be *finished* in that order: each disk
//!    operation is answered once, by [`Input::Disk`] with the same [`OpId`], whenever it is done.
//!    Operations on the same file are started in order.
//! 3. A timer fires once, not before the lower bound of its window has passed on the local monotonic clock, unless
//!    it is disarmed or armed anew before; arming a timer that is armed replaces it.
//! 4. The monotonic clock never goes back within an incarnation. The wall clock may do anything.
//! 5. A machine that is not stepped any more (a crash) leaves nothing behind but its disk.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod backoff;
mod bounds;
pub mod broker;
mod client;
pub mod disk;
pub mod ids;
pub mod log;
pub mod machine;
pub mod mutants;
#[cfg(test)]
mod obedient;
mod pack;
pub mod reader;
#[cfg(feature = "serde")]
pub mod recorded;
pub mod time;
pub mod writer;

pub use bounds::ConfigError;
pub use disk::{DiskError, DiskOk, DiskOp, DiskResult, Entry, Path, SyncKind};
pub use ids::{CallId, ClientId, ConnId, NodeId, OpId};
pub use machine::{Action, Closed, Input, Machine, Mark, Never, Node, NodeAction, NodeInput};
pub use time::{Clock, Dur, Mono, Wall, Window};
