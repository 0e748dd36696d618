//! batpak: an event store with a hash chain. Single appends wait at its durability gate, with a sync after each drain
//! of its queue; groups are its atomic batches, which it syncs before it answers.

use super::{Engine, Reopened};
use crate::load::{Group, NAMES, SCOPE, entity};
use anyhow::{Context, Result};
use batpak::{
    event::EventKind,
    prelude::{AppendOptions, Coordinate, Store, StoreConfig, SyncMode},
    store::{BatchAppendItem, CausationRef, DurabilityGate, Open, WatermarkKind},
};
use serde::{Serialize, Serializer};
use std::{path::Path, time::Duration, time::Instant};

pub(crate) struct Batpak {
    store: Store<Open>,
    coordinates: Vec<Coordinate>,
}

/// Bytes as the binary type of its format, not as an array of numbers.
struct Payload<'a>(&'a [u8]);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

const KIND: EventKind = EventKind::custom(0xF, 1);
const GATE: DurabilityGate = DurabilityGate::new(WatermarkKind::Durable, Duration::from_secs(60));

fn open(dir: &Path) -> Result<Store<Open>> {
    let config = StoreConfig::new(dir)
        .with_sync_mode(SyncMode::SyncData)
        .with_sync_every_n_events(1)
        .with_group_commit_max_batch(0);
    Ok(Store::open(config)?)
}

impl Batpak {
    pub(crate) fn create(dir: &Path) -> Result<Batpak> {
        let coordinates = (0..NAMES).map(|n| Coordinate::new(entity(n), SCOPE)).collect::<Result<_, _>>()?;
        Ok(Batpak { store: open(dir)?, coordinates })
    }
}

impl Engine for Batpak {
    fn append(&self, group: &Group<'_>) -> Result<()> {
        let coordinate = &self.coordinates[group.entity];
        if group.len() == 1 {
            for event in group.events() {
                let options = AppendOptions::new().with_gate(GATE);
                let _receipt =
                    self.store.append_with_options(coordinate, KIND, &Payload(event.payload), options)?;
            }
            return Ok(());
        }
        let items = group
            .events()
            .map(|event| {
                let payload = Payload(event.payload);
                BatchAppendItem::new(
                    coordinate.clone(),
                    KIND,
                    &payload,
                    AppendOptions::new(),
                    CausationRef::None,
                )
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.store.append_batch(items)?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.store.close()?;
        Ok(())
    }
}

pub(crate) fn reopen(dir: &Path) -> Result<Reopened> {
    let start = Instant::now();
    let store = open(dir)?;
    let last = store.by_entity(&entity(0)).pop().context("no event")?;
    store.read_raw(last.event_id())?;
    let reopened = Reopened::now(start)?;
    // Its own records of opening and closing are of other kinds.
    let events = store.by_fact(KIND).len() as u64;
    store.close()?;
    Ok(reopened.with(events))
}
