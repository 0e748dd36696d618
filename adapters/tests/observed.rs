//! What a program can observe of its store without asking it: metrics hooks and `tracing` spans, and what the
//! background scrub finds.
#![allow(clippy::unwrap_used)]

use onceward::driver::metrics::Metrics;
use onceward::store::Options;
use onceward::{Append, EventStore, Refusal};
use onceward_core::{DiskOp, DiskResult, Dur, Mark};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Counts what it is told, by name.
#[derive(Default)]
struct Counts(Mutex<BTreeMap<&'static str, u64>>);

impl Counts {
    fn add(&self, what: &'static str, number: u64) {
        *self.0.lock().unwrap().entry(what).or_default() += number;
    }

    fn get(&self, what: &str) -> u64 {
        self.0.lock().unwrap().get(what).copied().unwrap_or(0)
    }
}

impl Metrics for Counts {
    fn taken(&self, calls: usize) {
        self.add("taken", calls as u64);
    }

    fn answered(&self, calls: usize) {
        self.add("answered", calls as u64);
    }

    fn disk(&self, op: &DiskOp, result: &DiskResult, took: Dur) {
        assert!(result.is_ok() && took > Dur::ZERO);
        match op {
            DiskOp::Write { data, .. } => self.add("bytes written", data.len() as u64),
            DiskOp::Sync { .. } => self.add("syncs", 1),
            _ => self.add("other operations", 1),
        }
    }

    fn mark(&self, mark: Mark) {
        self.add(mark.0, 1);
    }
}

#[test]
fn metrics_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let counts = Arc::new(Counts::default());
    let mut options = Options::default();
    options.host.metrics = counts.clone();
    let store = options.open(folder.path()).unwrap();
    let before = counts.get("syncs");
    for _ in 0..10 {
        store.append(Append::to("a").event("k", vec![0; 1000])).wait().unwrap();
    }
    assert!(counts.get("syncs") >= before + 10 && counts.get("bytes written") > 10_000);
    assert!(counts.get("taken") >= 10 && counts.get("answered") >= 10);
    assert_eq!(counts.get("group of several appends"), 0);
    let all: Vec<_> = (0..100).map(|_| store.append(Append::to("a").event("k", "x")).start()).collect();
    for pending in all {
        pending.wait().unwrap();
    }
    assert!(counts.get("group of several appends") > 0, "{:?}", counts.0);
    store.close().unwrap();
}

/// Notes the name of every span and event, with its fields.
#[derive(Default)]
struct Notes {
    seen: Mutex<Vec<String>>,
    spans: AtomicU64,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl Subscriber for &'static Notes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("onceward")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(format!("span {}", span.metadata().name()));
        span.record(&mut line);
        self.seen.lock().unwrap().push(line.0);
        Id::from_u64(1 + self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("{}", event.metadata().level()));
        event.record(&mut line);
        self.seen.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn spans_are_opened() {
    // Operations are performed by whichever thread leads: so for the whole process.
    let notes: &'static Notes = Box::leak(Box::default());
    tracing::subscriber::set_global_default(notes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = EventStore::open(folder.path().join("store")).unwrap();
    store.append(Append::to("a").event("k", "1")).wait().unwrap();
    store.append(Append::to("a").event("k", "2")).start().wait().unwrap();
    store.backup(folder.path().join("copy")).unwrap();
    store.close().unwrap();
    let seen = notes.seen.lock().unwrap().clone();
    let has = |start: &str, part: &str| {
        let found = seen.iter().any(|line| line.starts_with(start) && line.contains(part));
        assert!(found, "no {start} with {part} in {seen:#?}");
    };
    has("span open folder=", "store");
    has("span call", "request=\"append\"");
    has("TRACE", "message=asked request=\"append\"");
    has("TRACE", "message=disk operation path=00000000000000000000.seg ok=true nanos=");
    has("span backup to=", "copy");
    has("span close folder=", "store");
    has("DEBUG", "message=closed");
}

#[test]
fn the_scrub_finds_rot() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options { scrub: Some(Duration::from_millis(10)), ..Options::default() };
    options.config.segments.segment_bytes = 4096;
    let store = options.open(folder.path()).unwrap();
    for n in 0..20 {
        store.append(Append::to("a").event("k", vec![n; 1000])).wait().unwrap();
    }
    // The device forgets a bit of what was proven long ago.
    let segment = folder.path().join("00000000000000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[1200] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let begun = Instant::now();
    let found = loop {
        match store.scrub().unwrap().last {
            Some(Err(refusal)) => break refusal,
            other => assert!(begun.elapsed() < Duration::from_secs(20), "{other:?}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let Refusal::Damaged(damage) = found else { panic!("{found}") };
    assert_eq!(damage.file, "00000000000000000000.seg");
    assert!(damage.offset <= 1200, "{damage}");
    // Appends go on: what is new is not damaged.
    store.append(Append::to("a").event("k", "x")).wait().unwrap();
}
