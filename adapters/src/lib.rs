//! A durable event store whose every decision is taken by a verified state machine: real files, sync and async API,
//! and the `onceward` command.
//!
//! The machines live in `onceward-core` and are pure. This crate gives them a world: [`driver`] turns their actions
//! into file operations and the completions into inputs.
#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!(
    "onceward needs positioned file access, folder syncs and file locks as Unix systems have them"
);

pub mod driver;
pub mod mutants;
