//! Reads of the pool: whole files, kept for a while. It decides what is read when, and what is forgotten for it; readers are
//! woken when what they wait for is there.

#[cfg(feature = "serde")]
use super::super::catalogue::Loaded;
use super::super::catalogue::{File, PartitionId, Place};
use super::super::{Broker, Out, mark};
use super::OP_LOAD;
use super::format::{self, Name};
#[cfg(feature = "serde")]
use crate::OpId;
use crate::reader::wire::Range;
use crate::{Clock, DiskOk, DiskOp, DiskResult};
use alloc::{sync::Arc, vec::Vec};
use bytes::{Bytes, BytesMut};

/// A file that is being read.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Load {
    partition: PartitionId,
    file: File,
    parts: Vec<Bytes>,
    have: u64,
    /// It is the second try: what is on the disk is decided by that.
    again: bool,
}

impl Broker {
    /// A reader needs the file that holds this offset.
    pub(in super::super) fn load(&mut self, partition: PartitionId, offset: u64, out: &mut Out) {
        let of = self.catalogue.partition(partition);
        let Some(file) =
            of.filter(|of| of.place(offset) == Some(Place::Stored)).and_then(|of| of.file(offset))
        else {
            return self.shown.push(partition);
        };
        let first = file.first;
        let reads =
            self.pool.loads.values().any(|load| (load.partition, load.file.first) == (partition, first));
        if !reads && !self.pool.wanted.contains(&(partition, first)) {
            self.pool.wanted.push_back((partition, first));
            self.next_load(out);
        }
    }

    /// What a read of the pool has brought, if it is a whole file.
    #[cfg(feature = "serde")]
    pub(in super::super) fn loaded_in(&self, id: OpId, read: &Bytes) -> Option<(PartitionId, Loaded)> {
        let load = self.pool.loads.get(&id.0.checked_sub(OP_LOAD)?)?;
        let whole = load.have == 0 && read.len() as u64 == load.file.to - load.file.from;
        let sector = self.config.segments.sector;
        let loaded = whole.then(|| format::read(load.partition, &load.file, read, sector).ok()).flatten()?;
        Some((load.partition, loaded))
    }

    fn next_load(&mut self, out: &mut Out) {
        while self.pool.loads.len() < self.config.pool.loads as usize
            && let Some((partition, first)) = self.pool.wanted.pop_front()
        {
            match self.catalogue.partition(partition).and_then(|of| of.file(first)).copied() {
                Some(file) => {
                    mark(out, "messages read from the pool");
                    let slot = super::free(&self.pool.loads);
                    let load = Load { partition, file, parts: Vec::new(), have: 0, again: false };
                    self.read_on(slot, &load, out);
                    self.pool.loads.insert(slot, load);
                }
                None => self.shown.push(partition),
            }
        }
    }

    fn read_on(&self, slot: u32, load: &Load, out: &mut Out) {
        let Load { partition, file, have, .. } = load;
        let offset = file.from + have;
        let len = (file.to - offset).min(self.config.segments.read_chunk.into()) as u32;
        let path = self.path(Name { partition: *partition, number: file.number });
        Self::ask_disk(OP_LOAD + slot, DiskOp::Read { path, offset, len }, out);
    }

    /// Takes what was read.
    pub(super) fn load_step(&mut self, clock: Clock, slot: u32, result: DiskResult, out: &mut Out) {
        let Some(mut load) = self.pool.loads.remove(&slot) else { return };
        let data = match result {
            Ok(DiskOk::Read(data)) => data,
            _ => return self.not_loaded(clock, &load, out),
        };
        let all = load.file.to - load.file.from;
        let ended = data.is_empty();
        let data = data.slice(..data.len().min((all - load.have) as usize));
        load.have += data.len() as u64;
        load.parts.push(data);
        if !ended && load.have < all {
            self.read_on(slot, &load, out);
            self.pool.loads.insert(slot, load);
            return;
        }
        let bytes = join(core::mem::take(&mut load.parts));
        match format::read(load.partition, &load.file, &bytes, self.config.segments.sector) {
            Ok(loaded) => {
                let Load { partition, file, .. } = load;
                if let Some(of) = self.catalogue.partition_mut(partition)
                    && of.file(file.first).is_some_and(|now| now.first == file.first)
                {
                    of.loaded.insert(file.first, Arc::new(loaded));
                    self.keep(partition, file.first, all);
                }
                self.shown.push(partition);
                self.next_load(out);
            }
            Err(_) if !load.again => {
                (load.again, load.have) = (true, 0);
                self.read_on(slot, &load, out);
                self.pool.loads.insert(slot, load);
            }
            Err(_) => self.not_loaded(clock, &load, out),
        }
    }

    /// Keeps what was read, and forgets the oldest for it.
    fn keep(&mut self, partition: PartitionId, first: u64, bytes: u64) {
        let pool = &mut self.pool;
        if let Some(index) = pool.cache.iter().position(|(of, at, _)| (*of, *at) == (partition, first))
            && let Some((_, _, bytes)) = pool.cache.remove(index)
        {
            pool.cached -= bytes;
        }
        pool.cache.push_back((partition, first, bytes));
        pool.cached += bytes;
        while pool.cached > self.config.pool.cache_bytes && pool.cache.len() > 1 {
            let Some((partition, first, bytes)) = pool.cache.pop_front() else { return };
            pool.cached -= bytes;
            if let Some(of) = self.catalogue.partition_mut(partition) {
                of.loaded.remove(&first);
            }
        }
    }

    /// A file cannot be read, or is not what it must be.
    fn not_loaded(&mut self, clock: Clock, load: &Load, out: &mut Out) {
        let File { first, end, .. } = load.file;
        let partition = load.partition;
        // Given up in the meantime?
        let there = self.catalogue.partition(partition).and_then(|of| of.file(first));
        if there.is_some_and(|now| now.first == first) {
            mark(out, "a file of the pool cannot be read");
            let range = Range { start: first, end };
            self.ask_readers(clock, |readers, ask, wishes| readers.unreadable(ask, partition, range, wishes));
        }
        self.shown.push(partition);
        self.next_load(out);
    }
}

/// Makes one piece of several.
fn join(mut parts: Vec<Bytes>) -> Bytes {
    match parts.len() {
        0 | 1 => parts.pop().unwrap_or_default(),
        _ => {
            let mut all = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
            parts.iter().for_each(|part| all.extend_from_slice(part));
            all.freeze()
        }
    }
}
