//! A durable event store whose every decision is taken by a verified state machine: real files, sync and async API,
//! and the `onceward` command.
//!
//! The machines live in `onceward-core` and are pure. This crate gives them a world: [`driver`] turns their actions
//! into file operations and the completions into inputs; [`store`] is the event store for programs, `serve` a
//! topic broker, and `topic` a client of topics. Start at [`EventStore`].
#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!(
    "onceward needs positioned file access, folder syncs and file locks as Unix systems have them"
);

pub mod driver;
pub mod mutants;
#[cfg(any(feature = "serve", feature = "topic"))]
// Each side says what the other one hears; where only one is built, some of it has no use.
#[cfg_attr(not(all(feature = "serve", feature = "topic")), allow(dead_code))]
mod proto;
#[cfg(feature = "serve")]
pub mod serve;
pub mod store;
#[cfg(feature = "topic")]
pub mod topic;
pub mod trace;

pub use driver::call::Lost;
pub use onceward_core::log::api::{
    BadName, Cut, Damage, Event, EventId, Expected, Filter, Frontier, Frontiers, Hash256, Head, Hlc, Key,
    Name, NewEvent, Part, Phase, Promise, Query, Receipt, Recovered, Refusal, Status, Verified,
};
pub use store::{Append, Error, EventStore, OpenError, Options, Page, Pending, Subscription, query};
