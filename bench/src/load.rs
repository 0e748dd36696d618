//! The load: which events the clients append, and the loop in which they do. This module decides payloads, ids and
//! names, the same for every engine, and measures nothing but time.
//!
//! Payloads are incompressible and made before the clock starts; ids are random 128-bit numbers, as UUIDs are; the
//! events of a group belong to one entity, the next group to another.

use crate::engines::Engine;
use anyhow::{Result, anyhow};
use std::{
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

/// Bytes in a payload.
pub(crate) const PAYLOAD: usize = 256;
/// How many entities there are.
pub(crate) const NAMES: usize = 1000;
/// The scope of all events: a name of 20 bytes.
pub(crate) const SCOPE: &str = "warehouse-north-0001";
/// How many different payloads there are. Far apart enough for a compressor not to see one twice.
const PAYLOADS: usize = 4096;

/// The name of an entity: 20 bytes.
pub(crate) fn entity(n: usize) -> String {
    format!("customer-order-{n:05}")
}

/// One event as an engine is given it.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a> {
    /// Unique in a run, ascending for each client.
    pub(crate) number: u64,
    /// Its contents.
    pub(crate) payload: &'a [u8],
}

/// Events that are appended together.
pub(crate) struct Group<'a> {
    pool: &'a Pool,
    first: u64,
    len: usize,
    /// Which entity they belong to.
    pub(crate) entity: usize,
}

impl Group<'_> {
    /// How many events.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The events.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event<'_>> {
        (self.first..).take(self.len).map(|number| Event { number, payload: self.pool.payload(number) })
    }
}

/// Payloads made beforehand.
pub(crate) struct Pool(Vec<u8>);

impl Pool {
    pub(crate) fn new() -> Pool {
        Pool((0..(PAYLOADS * PAYLOAD / 8) as u64).flat_map(|n| mix(n).to_le_bytes()).collect())
    }

    fn payload(&self, number: u64) -> &[u8] {
        &self.0[number as usize % PAYLOADS * PAYLOAD..][..PAYLOAD]
    }
}

/// A bijection that looks random (the finaliser of MurmurHash3, in the variant of SplitMix64).
pub(crate) fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// When a run ends.
#[derive(Clone, Copy)]
pub(crate) struct Until {
    /// After this much time.
    pub(crate) time: Duration,
    /// After so many events, whichever is first.
    pub(crate) events: u64,
}

/// What a run did.
pub(crate) struct Done {
    /// Events that were durable in time.
    pub(crate) events: u64,
    /// How long it took, until the last client had its last answer.
    pub(crate) took: Duration,
    /// How long each append took, in nanoseconds, sorted.
    pub(crate) latencies: Vec<u32>,
}

/// Lets `clients` threads append groups of `group` events, each waiting for its answer.
pub(crate) fn run(engine: &dyn Engine, clients: usize, group: usize, until: Until) -> Result<Done> {
    let pool = Pool::new();
    // Held until all threads are there; who gets through does so at the same time.
    let gate = RwLock::new(());
    let quota = until.events / clients as u64;
    let (start, outcomes) = std::thread::scope(|scope| {
        let closed = gate.write().unwrap_or_else(PoisonError::into_inner);
        let threads: Vec<_> = (0..clients)
            .map(|client| {
                let (pool, gate) = (&pool, &gate);
                std::thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, move || {
                    drop(gate.read());
                    one_client(engine, pool, client, group, Until { events: quota, ..until })
                })
            })
            .collect();
        let start = Instant::now();
        drop(closed);
        let outcomes: Vec<Result<Vec<u32>>> = threads
            .into_iter()
            .map(|thread| thread?.join().map_err(|_| anyhow!("a client panicked"))?)
            .collect();
        (start, outcomes)
    });
    let took = start.elapsed();
    let mut latencies = Vec::new();
    for outcome in outcomes {
        latencies.append(&mut outcome?);
    }
    latencies.sort_unstable();
    Ok(Done { events: (latencies.len() * group) as u64, took, latencies })
}

/// Appends until it is time to end. Answers with the latency of each append, in nanoseconds.
fn one_client(
    engine: &dyn Engine,
    pool: &Pool,
    client: usize,
    group: usize,
    until: Until,
) -> Result<Vec<u32>> {
    let mut latencies = Vec::with_capacity(1 << 12);
    let mut first = (client as u64) << 40;
    let end = first + until.events;
    let start = Instant::now();
    let mut before = start;
    while first < end && before - start < until.time {
        let entity = (latencies.len() + client * 7) % NAMES;
        engine.append(&Group { pool, first, len: group, entity })?;
        first += group as u64;
        let now = Instant::now();
        latencies.push(u32::try_from((now - before).as_nanos()).unwrap_or(u32::MAX));
        before = now;
    }
    Ok(latencies)
}
