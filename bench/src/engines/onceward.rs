//! Onceward: the event store, with everything that it does by default: guards, idempotency by event id, hash chain, a
//! digest of the store, all indexes, a sync for each commit group. A group is one atomic append.

use super::{Engine, Reopened};
use crate::load::{Event, Group, NAMES, SCOPE, entity, mix};
use ::onceward::{Append, EventId, EventStore, Filter, Name, NewEvent, query};
use ::onceward::{store::Options, trace::Recording};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use std::{path::Path, time::Instant};

/// The store's folder where there is another beside it.
pub(crate) const STORE: &str = "store";

pub(crate) struct Onceward {
    store: EventStore,
    entities: Vec<String>,
    kind: Name,
    scope: Name,
}

impl Onceward {
    pub(crate) fn create(dir: &Path) -> Result<Onceward> {
        Onceward::over(EventStore::open(dir)?)
    }

    /// With a recording beside it.
    pub(crate) fn recorded(dir: &Path) -> Result<Onceward> {
        let record = Some(Recording::into_folder(dir.join("recording")));
        Onceward::over(Options { record, ..Options::default() }.open(dir.join(STORE))?)
    }

    fn over(store: EventStore) -> Result<Onceward> {
        Ok(Onceward {
            store,
            entities: (0..NAMES).map(entity).collect(),
            kind: Name::new("appended")?,
            scope: Name::new(SCOPE)?,
        })
    }

    fn event(&self, event: Event<'_>) -> NewEvent {
        let id = u128::from(mix(event.number)) << 64 | u128::from(mix(!event.number));
        NewEvent {
            id: EventId(id),
            kind: self.kind.clone(),
            scope: self.scope.clone(),
            correlation: None,
            causation: None,
            payload: Bytes::copy_from_slice(event.payload),
        }
    }
}

impl Engine for Onceward {
    fn append(&self, group: &Group<'_>) -> Result<()> {
        let mut append = Append::to(self.entities[group.entity].clone());
        for event in group.events() {
            append = append.whole(self.event(event));
        }
        self.store.append(append).wait()?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.store.close()?)
    }
}

/// Opens and reads the first event of an entity.
pub(crate) fn reopen(dir: &Path) -> Result<Reopened> {
    let start = Instant::now();
    let store = EventStore::open(dir)?;
    let mut first = query(Filter::Entity(Name::new(&entity(0))?));
    first.limit = 1;
    store.read(first).wait()?.events.pop().context("no event")?;
    let reopened = Reopened::now(start)?;
    let events = store.status().wait()?.frontiers.visible;
    ensure!(store.recovered().clean, "not closed cleanly: {:?}", store.recovered());
    store.close()?;
    Ok(reopened.with(events))
}
