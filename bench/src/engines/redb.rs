//! redb: a copy-on-write B-tree. The key is the event's number, the value its payload; one transaction for each group.

use super::{Engine, Reopened};
use crate::load::Group;
use anyhow::{Context, Result};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use std::{path::Path, time::Instant};

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");

pub(crate) struct Redb(Database);

impl Redb {
    pub(crate) fn create(dir: &Path) -> Result<Redb> {
        Ok(Redb(Database::create(dir.join("redb"))?))
    }
}

impl Engine for Redb {
    fn append(&self, group: &Group<'_>) -> Result<()> {
        // Durability::Immediate is the default.
        let transaction = self.0.begin_write()?;
        {
            let mut table = transaction.open_table(EVENTS)?;
            for event in group.events() {
                table.insert(event.number, event.payload)?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

pub(crate) fn reopen(dir: &Path) -> Result<Reopened> {
    let start = Instant::now();
    let db = Database::open(dir.join("redb"))?;
    let transaction = db.begin_read()?;
    let table = transaction.open_table(EVENTS)?;
    table.first()?.context("no event")?;
    let reopened = Reopened::now(start)?;
    Ok(reopened.with(table.len()?))
}
