//! The engines under comparison, each behind the same small face: append a group and return once it is durable, close,
//! and open again what was closed.
//!
//! Rules that keep the comparison fair: an engine is used the way its own documentation shows for durable appends; it
//! stores at least the payload; `append` returns only after the device has said that the group is there; the group
//! commit of concurrent clients is the engine's own. This module decides which engines there are and nothing else.

mod batpak;
mod fjall;
mod okaywal;
mod onceward;
mod raw;
mod redb;

use crate::{load::Group, machine};
use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// An open engine. Shared by all clients of a run.
pub(crate) trait Engine: Send + Sync {
    /// Appends a group and returns once all of it is durable. A group is atomic where the engine can do that.
    fn append(&self, group: &Group<'_>) -> Result<()>;

    /// Closes the engine cleanly.
    fn close(self: Box<Self>) -> Result<()>;
}

/// What opening a closed engine took.
pub(crate) struct Reopened {
    /// From the start until the first event could be read and the next appended.
    pub(crate) ready: Duration,
    /// How many events are there.
    pub(crate) events: u64,
    /// Resident memory of the process at that moment, in bytes.
    pub(crate) rss: u64,
}

impl Reopened {
    /// To be called when the engine is ready.
    fn now(start: Instant) -> Result<Reopened> {
        let ready = start.elapsed();
        Ok(Reopened { ready, events: 0, rss: machine::memory()?.1 })
    }

    /// With the number of events, which may take long to find out.
    fn with(self, events: u64) -> Reopened {
        Reopened { events, ..self }
    }
}

/// The engines, in the order of the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// write + fdatasync of the payloads alone, to a growing file: the yardstick.
    Raw,
    /// The same into space reserved by posix_fallocate.
    RawFallocated,
    /// The same over a file that was filled with zeros and synced before.
    RawPrewritten,
    /// A write-ahead log that recycles prewritten files and keeps only the last of them.
    Okaywal,
    /// A log-structured merge tree.
    Fjall,
    /// A copy-on-write B-tree.
    Redb,
    /// An event store with a hash chain.
    Batpak,
    /// This project's event store.
    Onceward,
    /// The same, while everything that it is told is recorded for validation.
    OncewardRecorded,
}

impl Kind {
    /// The name in tables and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Raw => "raw",
            Kind::RawFallocated => "raw-fallocated",
            Kind::RawPrewritten => "raw-prewritten",
            Kind::Okaywal => "okaywal",
            Kind::Fjall => "fjall",
            Kind::Redb => "redb",
            Kind::Batpak => "batpak",
            Kind::Onceward => "onceward",
            Kind::OncewardRecorded => "onceward-recorded",
        }
    }

    /// Whether it makes sense to ask what it keeps: variants keep what the plain engine does.
    pub(crate) fn stores(self) -> bool {
        !matches!(self, Kind::RawFallocated | Kind::RawPrewritten | Kind::OncewardRecorded)
    }

    /// Opens a new engine in the empty folder `dir`. `keep` asks for all events to be kept, also by an engine that by
    /// default recycles its space.
    pub(crate) fn create(self, dir: &Path, keep: bool) -> Result<Box<dyn Engine>> {
        Ok(match self {
            Kind::Raw => Box::new(raw::Raw::create(dir, raw::Space::Grown)?),
            Kind::RawFallocated => Box::new(raw::Raw::create(dir, raw::Space::Fallocated)?),
            Kind::RawPrewritten => Box::new(raw::Raw::create(dir, raw::Space::Prewritten)?),
            Kind::Okaywal => Box::new(okaywal::Okaywal::create(dir, keep)?),
            Kind::Fjall => Box::new(fjall::Fjall::create(dir)?),
            Kind::Redb => Box::new(redb::Redb::create(dir)?),
            Kind::Batpak => Box::new(batpak::Batpak::create(dir)?),
            Kind::Onceward => Box::new(onceward::Onceward::create(dir)?),
            Kind::OncewardRecorded => Box::new(onceward::Onceward::recorded(dir)?),
        })
    }

    /// Opens what was closed in `dir` and counts.
    pub(crate) fn reopen(self, dir: &Path) -> Result<Reopened> {
        match self {
            Kind::Raw | Kind::RawFallocated | Kind::RawPrewritten => raw::reopen(dir),
            Kind::Okaywal => okaywal::reopen(dir),
            Kind::Fjall => fjall::reopen(dir),
            Kind::Redb => redb::reopen(dir),
            Kind::Batpak => batpak::reopen(dir),
            Kind::Onceward => onceward::reopen(dir),
            Kind::OncewardRecorded => onceward::reopen(&dir.join(onceward::STORE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{self, Until};

    /// A comparison with an engine that loses or invents events would be worth nothing.
    #[test]
    fn every_engine_keeps_what_it_was_given() {
        for kind in Kind::value_variants().iter().filter(|kind| kind.stores()) {
            for (clients, group) in [(1, 1), (1, 100), (4, 1)] {
                let place = tempfile::tempdir().unwrap();
                let engine = kind.create(place.path(), true).unwrap();
                let until = Until { time: Duration::from_secs(60), events: 400 };
                let done = load::run(&*engine, clients, group, until).unwrap();
                engine.close().unwrap();
                assert_eq!(done.events, 400, "{kind:?} with {clients} clients");
                assert_eq!(done.latencies.len() * group, 400);
                assert_eq!(kind.reopen(place.path()).unwrap().events, 400, "{kind:?} with {clients} clients");
            }
        }
    }

    #[test]
    fn the_ring_of_raw_wraps_before_its_end() {
        let place = tempfile::tempdir().unwrap();
        let engine = Kind::RawPrewritten.create(place.path(), true).unwrap();
        let before = crate::machine::size(place.path()).unwrap();
        let until = Until { time: Duration::from_secs(60), events: 300_000 };
        load::run(&*engine, 1, 10_000, until).unwrap();
        engine.close().unwrap();
        assert_eq!(crate::machine::size(place.path()).unwrap(), before);
    }
}
