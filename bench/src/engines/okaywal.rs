//! okaywal: a write-ahead log. An entry for each group, a chunk for each event.
//!
//! As it comes, it recycles its prewritten files of a megabyte as soon as a checkpoint is done, and the checkpoint of
//! this comparison does nothing: it shows what a log that keeps nothing can reach. Where events must be kept, the
//! checkpoint is put off for ever.

use super::{Engine, Reopened};
use crate::load::Group;
use anyhow::Result;
use okaywal::{
    Configuration, Entry, EntryId, LogManager, LogVoid, ReadChunkResult, SegmentReader, WriteAheadLog,
};
use std::{
    io::{self, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

pub(crate) struct Okaywal(WriteAheadLog);

fn config(dir: &Path, keep: bool) -> Configuration {
    let config = Configuration::default_for(dir);
    if keep { config.checkpoint_after_bytes(u64::MAX) } else { config }
}

impl Okaywal {
    pub(crate) fn create(dir: &Path, keep: bool) -> Result<Okaywal> {
        Ok(Okaywal(config(dir, keep).open(LogVoid)?))
    }
}

impl Engine for Okaywal {
    fn append(&self, group: &Group<'_>) -> Result<()> {
        let mut entry = self.0.begin_entry()?;
        for event in group.events() {
            entry.write_chunk(event.payload)?;
        }
        entry.commit()?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.0.shutdown()?)
    }
}

/// Recovers every chunk and counts.
#[derive(Debug)]
struct Counter(Arc<AtomicU64>);

impl LogManager for Counter {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        let mut chunk = Vec::new();
        let mut chunks = 0;
        loop {
            match entry.read_chunk()? {
                ReadChunkResult::Chunk(mut found) => {
                    chunk.clear();
                    found.read_to_end(&mut chunk)?;
                    chunks += 1;
                }
                ReadChunkResult::EndOfEntry => break,
                ReadChunkResult::AbortedEntry => return Ok(()),
            }
        }
        self.0.fetch_add(chunks, Ordering::Relaxed);
        Ok(())
    }

    fn checkpoint_to(&mut self, _: EntryId, _: &mut SegmentReader, _: &WriteAheadLog) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn reopen(dir: &Path) -> Result<Reopened> {
    let events = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let log = config(dir, true).open(Counter(events.clone()))?;
    let reopened = Reopened::now(start)?;
    log.shutdown()?;
    Ok(reopened.with(events.load(Ordering::Relaxed)))
}
