//! fjall: a log-structured merge tree. The key is the event's number, the value its payload; no further index.

use super::{Engine, Reopened};
use crate::load::Group;
use anyhow::{Context, Result};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::{path::Path, time::Instant};

pub(crate) struct Fjall {
    db: Database,
    events: Keyspace,
}

fn open(dir: &Path) -> Result<Fjall> {
    let db = Database::builder(dir).open()?;
    let events = db.keyspace("events", KeyspaceCreateOptions::default)?;
    Ok(Fjall { db, events })
}

impl Fjall {
    pub(crate) fn create(dir: &Path) -> Result<Fjall> {
        open(dir)
    }
}

impl Engine for Fjall {
    fn append(&self, group: &Group<'_>) -> Result<()> {
        if group.len() == 1 {
            for event in group.events() {
                self.events.insert(event.number.to_be_bytes(), event.payload)?;
            }
            return Ok(self.db.persist(PersistMode::SyncData)?);
        }
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for event in group.events() {
            batch.insert(&self.events, event.number.to_be_bytes(), event.payload);
        }
        Ok(batch.commit()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }
}

pub(crate) fn reopen(dir: &Path) -> Result<Reopened> {
    let start = Instant::now();
    let fjall = open(dir)?;
    let first = fjall.events.first_key_value().context("no event")?;
    first.value()?;
    let reopened = Reopened::now(start)?;
    Ok(reopened.with(fjall.events.len()? as u64))
}
