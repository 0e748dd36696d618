//! A node in a real process on a real folder: groups, panics, deadlines, stops, recordings.

#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use onceward::driver::call::Lost;
use onceward::driver::files::{Files, OpenError};
use onceward::driver::host::{Host, Options};
use onceward::driver::metrics::Metrics;
use onceward::driver::record::Recording;
use onceward::driver::supervise::Restart;
use onceward_core::{DiskOp, DiskResult, Dur, SyncKind, Window};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::block_on;
use support::counter::{Ask, Counter, Told};

type Hosted = Host<Counter>;

fn start(folder: &tempfile::TempDir, options: Options) -> Hosted {
    Host::start(Files::open(folder.path()).unwrap(), options, |_, _| (), Counter::default).unwrap()
}

fn add(text: &'static str) -> Ask {
    Ask::Add(Bytes::from_static(text.as_bytes()))
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn what_is_answered_is_in_the_file_and_the_next_incarnation_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let host = start(&folder, Options::default());
    assert_eq!(host.ask(add("abc")), Ok(Told::Count(3)));
    assert_eq!(host.call(add("de")).wait(), Ok(Told::Count(5)));
    assert_eq!(block_on(host.call(add("f"))), Ok(Told::Count(6)));
    assert_eq!(std::fs::read(folder.path().join("log")).unwrap(), b"abcdef");
    drop(host);
    assert_eq!(start(&folder, Options::default()).ask(Ask::Count), Ok(Told::Count(6)));
}

#[test]
fn a_folder_has_one_user() {
    let folder = tempfile::tempdir().unwrap();
    let host = start(&folder, Options::default());
    let refused = Files::open(folder.path()).unwrap_err();
    assert!(matches!(&refused, OpenError::Locked { folder: named } if named == folder.path()));
    assert!(refused.to_string().contains(&*folder.path().to_string_lossy()));
    host.stop();
    Files::open(folder.path()).unwrap();
    let missing = Files::open(&folder.path().join("none")).unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }), "{missing}");
    std::fs::write(folder.path().join("file"), "").unwrap();
    let file = Files::open(&folder.path().join("file")).unwrap_err();
    assert!(matches!(file, OpenError::NotAFolder { .. }), "{file}");
}

#[derive(Default)]
struct Counts {
    syncs: AtomicU64,
    largest: AtomicU64,
    panics: Mutex<Vec<bool>>,
}

impl Metrics for Counts {
    fn disk(&self, op: &DiskOp, _: &DiskResult, _: Dur) {
        self.syncs
            .fetch_add(u64::from(matches!(op, DiskOp::Sync { kind: SyncKind::Data, .. })), Ordering::Relaxed);
    }
    fn answered(&self, calls: usize) {
        self.largest.fetch_max(calls as u64, Ordering::Relaxed);
    }
    fn panicked(&self, restarted: bool) {
        self.panics.lock().unwrap().push(restarted);
    }
}

#[test]
fn many_callers_share_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let counts = Arc::new(Counts::default());
    let host = start(&folder, Options { metrics: counts.clone(), ..Options::default() });
    let calls = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|n| {
                let host = &host;
                scope.spawn(move || {
                    for _ in 0..50 {
                        let answer = if n % 2 == 0 { host.ask(add("x")) } else { host.call(add("x")).wait() };
                        assert!(matches!(answer, Ok(Told::Count(_))));
                    }
                    50
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
    });
    assert_eq!(host.ask(Ask::Count), Ok(Told::Count(calls)));
    let (syncs, largest) = (counts.syncs.load(Ordering::Relaxed), counts.largest.load(Ordering::Relaxed));
    assert!(
        syncs < calls / 2 && largest > 2,
        "{calls} calls took {syncs} syncs, at most {largest} in one group"
    );
}

#[test]
fn timers_fire_while_nobody_calls() {
    let folder = tempfile::tempdir().unwrap();
    let host = start(&folder, Options::default());
    let window = Window { from: Dur::millis(20), to: Dur::millis(25) };
    let begun = Instant::now();
    let (long, short) =
        (host.call(Ask::Wait(Window::exactly(Dur::millis(60)))), host.call(Ask::Wait(window)));
    assert!(matches!(short.wait(), Ok(Told::Waited(span)) if span >= window.from));
    assert!(begun.elapsed() >= millis(20));
    assert!(matches!(host.ask(Ask::Wait(window)), Ok(Told::Waited(span)) if span >= window.from));
    assert!(matches!(long.wait(), Ok(Told::Waited(span)) if span >= Dur::millis(60)));
}

#[test]
fn deadlines_hold_for_threads_and_tasks_alike() {
    let folder = tempfile::tempdir().unwrap();
    let host = start(&folder, Options::default());
    let deadline = Instant::now() + millis(30);
    assert_eq!(host.ask_by(Ask::Ignore, deadline), Err(Lost::Late));
    assert!(Instant::now() >= deadline);
    let deadline = Instant::now() + millis(30);
    assert_eq!(block_on(host.call_by(Ask::Ignore, deadline)), Err(Lost::Late));
    assert!(Instant::now() >= deadline);
    assert_eq!(block_on(host.call_by(Ask::Count, Instant::now() + millis(10_000))), Ok(Told::Count(0)));
}

#[test]
fn a_panic_ends_the_incarnation_not_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let counts = Arc::new(Counts::default());
    let restart = Restart::Bounded { max: 2, within: Dur::secs(3600) };
    let host = start(&folder, Options { restart, metrics: counts.clone(), ..Options::default() });
    assert_eq!(host.ask(add("abc")), Ok(Told::Count(3)));

    let in_flight = host.call(Ask::Ignore);
    assert_eq!(host.ask(Ask::Panic), Err(Lost::Failed));
    assert_eq!(in_flight.wait(), Err(Lost::Failed));
    assert!(Lost::Failed.outcome_unknown());
    assert_eq!(host.ask(Ask::Count), Ok(Told::Count(3)), "recovered from the disk");

    assert_eq!(host.ask(Ask::Panic), Err(Lost::Failed));
    assert_eq!(host.ask(Ask::Count), Ok(Told::Count(3)));
    assert_eq!(host.ask(Ask::Panic), Err(Lost::Failed), "once more than is forgiven");
    assert_eq!(host.ask(Ask::Count), Err(Lost::Closed));
    assert_eq!(*counts.panics.lock().unwrap(), [true, true, false]);
    host.stop();
    Files::open(folder.path()).unwrap();
}

#[test]
fn calls_that_the_broken_incarnation_had_not_seen_are_carried_over() {
    let folder = tempfile::tempdir().unwrap();
    let host = start(
        &folder,
        Options { restart: Restart::Bounded { max: 1000, within: Dur::secs(60) }, ..Options::default() },
    );
    // Calls are taken in together while the first sync runs; whatever stands behind the panic in that batch, or comes
    // later, must be served by the next incarnation, and nothing may hang.
    let mut carried = 0;
    for _ in 0..200 {
        let calls =
            [host.call(add("x")), host.call(Ask::Panic), host.call(Ask::Count), host.call(Ask::Count)];
        let answers = calls.map(|call| call.wait());
        assert!(matches!(answers[0], Ok(Told::Count(_)) | Err(Lost::Failed)));
        assert_eq!(answers[1], Err(Lost::Failed));
        for answer in &answers[2..] {
            assert!(matches!(answer, Ok(Told::Count(_))), "{answer:?}");
            carried += 1;
        }
    }
    assert_eq!(carried, 400);
}

#[test]
fn a_stop_answers_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let host = start(&folder, Options::default());
    let open = host.call(Ask::Ignore);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| host.ask(Ask::Ignore));
        std::thread::sleep(millis(20));
        host.stop();
        // It may have come too late to be taken in.
        assert!(matches!(waiting.join().unwrap(), Err(Lost::Stopped | Lost::Closed)));
    });
    assert_eq!(open.wait(), Err(Lost::Stopped));
    assert_eq!(host.ask(Ask::Count), Err(Lost::Closed));
    assert_eq!(host.call(Ask::Count).wait(), Err(Lost::Closed));
    host.stop();
}

#[test]
fn the_inbox_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let host = start(&folder, Options { inbox: 0, ..Options::default() });
    assert_eq!(host.ask(Ask::Count), Err(Lost::Overloaded));
    assert!(!Lost::Overloaded.outcome_unknown());
}

#[test]
fn a_recording_tells_every_operation_in_order_with_its_result() {
    let folder = tempfile::tempdir().unwrap();
    let recording = Arc::new(Recording::new());
    let host = start(&folder, Options { recorder: Some(recording.clone()), ..Options::default() });
    host.ask(add("abc")).unwrap();
    host.stop();
    let told: Vec<String> =
        recording.operations().iter().map(|(op, result)| format!("{op:?} -> {result:?}")).collect();
    assert_eq!(
        told,
        [
            r#"Create("log") -> Some(Ok(Done))"#,
            r#"SyncDir("") -> Some(Ok(Done))"#,
            r#"List("") -> Some(Ok(Listing([Entry { path: "log", len: 0, dir: false }])))"#,
            r#"Write { path: "log", offset: 0, data: b"abc" } -> Some(Ok(Wrote(3)))"#,
            r#"Sync { path: "log", kind: Data } -> Some(Ok(Done))"#,
        ]
    );
}
