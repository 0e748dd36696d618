//! What the event store's machine costs by itself: appends, recovery and reads over files that are vectors. No thread,
//! no system call, no device; what those add is measured by the package `onceward-bench`.
//!
//! `cargo bench -p onceward-core --features std`
// A bench reads the clock; the machine does not.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use onceward_core::log::api::{EventId, Expected, Filter, Name, NewEvent, Part, Query, Request, Response};
use onceward_core::log::store::{Config, EventStore};
use onceward_core::{
    Action, CallId, ClientId, Clock, DiskError, DiskOk, DiskOp, DiskResult, Entry, Input, Machine, Mono,
    OpId, Path, Wall,
};
use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A store's machine and its files.
#[derive(Clone)]
struct Store {
    machine: EventStore,
    files: BTreeMap<Path, Vec<u8>>,
    calls: u64,
    events: u64,
    micros: u64,
}

const ENTITIES: u64 = 1000;

fn config(full_scan: bool) -> Config {
    let mut config = Config::new(Path::root(), 7);
    config.segments.preallocate = false;
    config.segments.segment_bytes = 16 << 20;
    config.segments.full_scan = full_scan;
    config
}

impl Store {
    fn open(files: BTreeMap<Path, Vec<u8>>, full_scan: bool) -> Store {
        let machine = EventStore::new(config(full_scan)).unwrap();
        let mut store = Store { machine, files, calls: 0, events: 0, micros: 0 };
        assert!(store.drive(Input::Boot).is_none());
        store
    }

    /// Steps until nothing is left to be done. The last answer.
    fn drive(&mut self, input: <EventStore as Machine>::Input) -> Option<Response> {
        let (mut answer, mut out) = (None, Vec::new());
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.micros += 1;
            let clock = Clock { mono: Mono(self.micros * 1000), wall: Wall(self.micros * 1000) };
            self.machine.step(clock, input, &mut out);
            for action in out.drain(..) {
                match action {
                    Action::Disk(id, op) => inputs.push_back(Input::Disk(id, self.perform(id, op))),
                    Action::Reply(_, response) => answer = Some(response),
                    _ => {}
                }
            }
        }
        answer
    }

    fn perform(&mut self, _: OpId, op: DiskOp) -> DiskResult {
        match op {
            DiskOp::Create(path) => drop(self.files.insert(path, Vec::new())),
            DiskOp::Write { path, offset, data } => {
                let file = self.files.get_mut(&path).ok_or(DiskError::NotFound)?;
                let end = offset as usize + data.len();
                file.resize(file.len().max(end), 0);
                file[offset as usize..end].copy_from_slice(&data);
                return Ok(DiskOk::Wrote(data.len() as u32));
            }
            DiskOp::Read { path, offset, len } => {
                let file = self.files.get(&path).ok_or(DiskError::NotFound)?;
                let from = file.len().min(offset as usize);
                let to = file.len().min(from + len as usize);
                return Ok(DiskOk::Read(Bytes::copy_from_slice(&file[from..to])));
            }
            DiskOp::List(_) => {
                let entry = |(path, bytes): (&Path, &Vec<u8>)| Entry {
                    path: path.clone(),
                    len: bytes.len() as u64,
                    dir: false,
                };
                return Ok(DiskOk::Listing(self.files.iter().map(entry).collect()));
            }
            DiskOp::SetLen { path, len } => {
                self.files.get_mut(&path).ok_or(DiskError::NotFound)?.resize(len as usize, 0);
            }
            _ => {}
        }
        Ok(DiskOk::Done)
    }

    fn ask(&mut self, request: Request) -> Response {
        self.calls += 1;
        let call = CallId { client: ClientId(0), number: self.calls };
        self.drive(Input::Call(call, request)).unwrap()
    }

    /// An append of so many events of 256 bytes to one entity.
    fn request(&mut self, events: u64) -> Request {
        let entity = format!("customer-order-{:05}", self.calls % ENTITIES);
        let (kind, scope) = (Name::new("appended").unwrap(), Name::new("warehouse-north-0001").unwrap());
        let events = (0..events).map(|_| {
            self.events += 1;
            NewEvent {
                // As far apart as random ids are.
                id: EventId(u128::from(self.events).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
                kind: kind.clone(),
                scope: scope.clone(),
                correlation: None,
                causation: None,
                payload: Bytes::from_static(&[0x5a; 256]),
            }
        });
        let events = events.collect();
        let part = Part { entity: Name::new(&entity).unwrap(), expected: Expected::Any, key: None, events };
        Request::Append { parts: vec![part], deadline: None }
    }

    fn fill(&mut self, events: u64) {
        for _ in 0..events / 100 {
            let request = self.request(100);
            assert!(matches!(self.ask(request), Response::Appended(_)));
        }
    }
}

fn appends(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    for size in [1, 100] {
        group.throughput(Throughput::Elements(size));
        group.bench_function(format!("{size} events of 256 bytes"), |bencher| {
            bencher.iter_custom(|times| {
                let mut store = Store::open(BTreeMap::new(), false);
                let mut took = Duration::ZERO;
                for _ in 0..times {
                    // A store that grows without end would measure the allocator.
                    if store.events > 500_000 {
                        store = Store::open(BTreeMap::new(), false);
                    }
                    let request = store.request(size);
                    let begun = Instant::now();
                    black_box(store.ask(request));
                    took += begun.elapsed();
                }
                took
            });
        });
    }
    group.finish();
}

const EVENTS: u64 = 100_000;

fn openings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open 100,000 events");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(10);
    let mut store = Store::open(BTreeMap::new(), false);
    store.fill(EVENTS);
    let killed = store.files.clone();
    store.ask(Request::Shutdown);
    for (name, files, full_scan) in [
        ("closed", &store.files, false),
        ("closed, every record read", &store.files, true),
        ("killed", &killed, false),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || files.clone(),
                |files| black_box(Store::open(files, full_scan)).machine.frontiers(),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn reads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read 100 events of 100,000");
    group.throughput(Throughput::Elements(100));
    let mut store = Store::open(BTreeMap::new(), false);
    store.fill(EVENTS);
    let entity = Name::new("customer-order-00007").unwrap();
    for (name, filter, from) in [
        ("in order, sealed", Filter::All, 1000),
        ("in order, recent", Filter::All, EVENTS - 1000),
        ("of an entity", Filter::Entity(entity), 0),
    ] {
        let query = Query { filter, from, limit: 100, max_bytes: 1 << 20, wait: None };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let Response::Events { events, .. } = store.ask(Request::Read(query.clone())) else {
                    panic!()
                };
                assert_eq!(events.len(), 100);
            });
        });
    }
    group.finish();
}

fn verification(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(10);
    let mut store = Store::open(BTreeMap::new(), false);
    store.fill(EVENTS);
    group.bench_function("100,000 events", |bencher| {
        bencher.iter(|| assert!(matches!(store.ask(Request::Verify), Response::Verified(_))));
    });
    group.finish();
}

criterion_group!(benches, appends, openings, reads, verification);
criterion_main!(benches);
