//! The event store for programs, on real folders: the calls, their deadlines, and how a store ends.
#![allow(clippy::unwrap_used)]

mod support;

use onceward::driver::metrics::Metrics;
use onceward::store::{Create, Notified, Options};
use onceward::{Append, Error, EventStore, Expected, Filter, Key, Lost, Name, OpenError, Refusal, query};
use onceward_core::{DiskOp, DiskResult, Dur};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::block_on;

fn payloads(store: &EventStore) -> Vec<String> {
    let events = store.events(query(Filter::All));
    events.map(|event| String::from_utf8(event.unwrap().payload.to_vec()).unwrap()).collect()
}

#[test]
fn threads_and_tasks_use_the_same_calls() {
    let folder = tempfile::tempdir().unwrap();
    let store = EventStore::open(folder.path()).unwrap();
    let first = store.append(Append::to("a").event("k", "1")).wait().unwrap();
    let second =
        block_on(store.append(Append::to("a").expecting(Expected::Exact(0)).event("k", "2"))).unwrap();
    assert_eq!((first.position, second.position, second.sequence), (0, 1, 1));
    let started: Vec<_> =
        (3..40).map(|n| store.append(Append::to("b").event("k", n.to_string())).start()).collect();
    let positions: Vec<u64> = started.into_iter().map(|pending| pending.wait().unwrap().position).collect();
    assert_eq!(positions, (2..39).collect::<Vec<u64>>(), "in the order in which they were started");
    assert_eq!(payloads(&store), (1..40).map(|n| n.to_string()).collect::<Vec<_>>());
    let head = store.head(Name::new("a").unwrap()).wait().unwrap().unwrap();
    assert_eq!((head.sequence, head.chain), (1, second.chain));
    assert_eq!(store.head(Name::new("none").unwrap()).wait().unwrap(), None);
}

#[test]
fn a_batch_is_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = EventStore::open(folder.path()).unwrap();
    let both = |expected| {
        [
            Append::to("a").expecting(Expected::NoStream).event("k", "1"),
            Append::to("b").expecting(expected).event("k", "2"),
        ]
    };
    let refused = store.append_batch(both(Expected::Exists)).wait().unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::WrongExpected { .. })) && !refused.outcome_unknown());
    assert_eq!(payloads(&store), [""; 0]);
    let receipts = store.append_batch(both(Expected::NoStream)).wait().unwrap();
    assert_eq!(receipts.iter().map(|receipt| receipt.position).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_retry_gets_the_first_answer_in_the_next_life_too() {
    let folder = tempfile::tempdir().unwrap();
    let append = || Append::to("a").key(Key(7)).expecting(Expected::NoStream).event("k", "1").event("k", "2");
    let first = {
        let store = EventStore::open(folder.path()).unwrap();
        let first = store.append(append()).wait().unwrap();
        assert_eq!(store.append(append()).wait().unwrap().position, first.position);
        first
    };
    let store = EventStore::open(folder.path()).unwrap();
    let again = store.append(append()).wait().unwrap();
    assert!(again.duplicate && !first.duplicate);
    assert_eq!((again.position, again.sequence, again.count, again.chain), (0, 0, 2, first.chain));
    assert_eq!(payloads(&store), ["1", "2"]);
}

#[test]
fn a_dropped_store_is_closed_and_a_closed_one_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let store = EventStore::open(folder.path()).unwrap();
    let clone = store.clone();
    let under_way: Vec<_> =
        (0..20).map(|n| store.append(Append::to("a").event("k", n.to_string())).start()).collect();
    drop(store);
    assert!(matches!(EventStore::open(folder.path()), Err(OpenError::Folder(_))), "a clone is left");
    drop(clone);
    let mut under_way = under_way.into_iter();
    let first = under_way.next().unwrap();
    assert!(matches!(EventStore::open(folder.path()), Err(OpenError::Folder(_))), "a call is left");
    let mut last = first.wait().unwrap().position;
    for pending in under_way {
        last = pending.wait().unwrap().position;
    }
    assert_eq!(last, 19);

    let store = EventStore::open(folder.path()).unwrap();
    assert!(store.recovered().clean, "{:?}", store.recovered());
    assert_eq!(payloads(&store).len(), 20);
    let clone = store.clone();
    store.close().unwrap();
    store.close().unwrap();
    assert_eq!(clone.status().wait(), Err(Error::Lost(Lost::Closed)));
    EventStore::open(folder.path()).unwrap();
}

#[test]
fn a_folder_must_be_a_store_or_empty() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let open = |create, name| Options { create, ..Options::default() }.open(at(name)).map(|_| ());
    assert!(matches!(open(Create::Never, "new"), Err(OpenError::Folder(_))));
    assert!(!at("new").exists());
    open(Create::New, "new/deep").unwrap();
    assert!(matches!(open(Create::New, "new/deep"), Err(OpenError::Exists { .. })));
    open(Create::Never, "new/deep").unwrap();
    assert!(matches!(open(Create::IfMissing, "new"), Err(OpenError::Foreign { file, .. }) if file == "deep"));
    std::fs::write(at("new/deep/notes.txt"), "mine").unwrap();
    open(Create::Never, "new/deep").unwrap();
    assert!(at("new/deep/notes.txt").exists());

    let mut bad = Options::default();
    bad.config.fetches = 0;
    assert!(matches!(bad.open(at("bad")), Err(OpenError::Config(error)) if error.field == "fetches"));
    assert!(!at("bad").exists());
}

#[test]
fn a_damaged_store_names_the_file_and_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.config.segments.segment_bytes = 4096;
    let store = options.open(folder.path()).unwrap();
    for n in 0..40 {
        store.append(Append::to("a").event("k", vec![n; 1000])).wait().unwrap();
    }
    store.close().unwrap();
    let mut files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let segment = &files[1];
    assert!(files.len() > 5 && segment.extension().unwrap() == "seg");
    let mut bytes = std::fs::read(segment).unwrap();
    bytes[1200] ^= 1;
    std::fs::write(segment, &bytes).unwrap();
    options.config.segments.full_scan = true;
    let Err(OpenError::Damaged { damage, .. }) = options.open(folder.path()) else { panic!("opened") };
    assert_eq!(damage.file, segment.file_name().unwrap().to_str().unwrap());
    assert!(damage.offset <= 1200, "{damage}");
}

#[test]
fn subscribers_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = EventStore::open(folder.path()).unwrap();
    let append = |kind: &str| store.append(Append::to("a").event(kind, "")).wait().unwrap();
    append("k");
    let news = store.subscribe(Filter::Kind(Name::new("k").unwrap()), 2).wait().unwrap();
    assert_eq!(news.from(), 1);
    assert_eq!(news.next(Duration::from_millis(1)).wait().unwrap(), Notified::default());
    let told = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| news.next(Duration::from_secs(60)).wait().unwrap());
        std::thread::sleep(Duration::from_millis(30));
        append("other");
        append("k");
        waiting.join().unwrap()
    });
    assert_eq!(told, Notified { positions: vec![2], missed: None });
    for _ in 0..4 {
        append("k");
    }
    let told = news.next(Duration::ZERO).wait().unwrap();
    assert_eq!(told.positions, [5, 6]);
    assert!(matches!(told.missed, Some((from, to)) if from <= 3 && to == 5), "{told:?}");
    drop(news);
    store.close().unwrap();
}

#[test]
fn cursors_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let reader = || Name::new("billing").unwrap();
    let store = EventStore::open(folder.path()).unwrap();
    store.append(Append::to("a").event("k", "1").event("k", "2")).wait().unwrap();
    assert_eq!(store.load_cursor(reader()).wait().unwrap(), None);
    store.save_cursor(reader(), 1).wait().unwrap();
    drop(store);
    let store = EventStore::open(folder.path()).unwrap();
    assert_eq!(store.load_cursor(reader()).wait().unwrap(), Some(1));
}

/// A device that takes its time for syncs, once it is told to.
#[derive(Default)]
struct Slow(AtomicU64);

impl Metrics for Slow {
    fn disk(&self, op: &DiskOp, _: &DiskResult, _: Dur) {
        if matches!(op, DiskOp::Sync { .. }) {
            std::thread::sleep(Duration::from_millis(self.0.load(Ordering::Relaxed)));
        }
    }
}

#[test]
fn a_deadline_holds_while_the_device_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let slow = Arc::new(Slow::default());
    let mut options = Options::default();
    options.host.metrics = slow.clone();
    let store = options.open(folder.path()).unwrap();
    let append = || store.append(Append::to("a").event("k", "1"));
    append().wait().unwrap();
    slow.0.store(1500, Ordering::Relaxed);
    let begun = Instant::now();
    let held = append().start();
    std::thread::sleep(Duration::from_millis(20));
    let span = Duration::from_millis(100);
    for answer in [append().within(span).wait(), block_on(append().within(span))] {
        let error = answer.unwrap_err();
        // Not taken in at all, or taken in and never begun: the store says what it knows.
        assert!(matches!(error, Error::Lost(Lost::Late) | Error::Refused(Refusal::Deadline)), "{error}");
    }
    assert!(begun.elapsed() < Duration::from_millis(1000), "{:?}", begun.elapsed());
    slow.0.store(0, Ordering::Relaxed);
    held.wait().unwrap();
    store.close().unwrap();
    let store = EventStore::open(folder.path()).unwrap();
    assert_eq!(payloads(&store).len(), 2, "what was refused for its deadline was not written");
}

#[test]
fn a_backup_is_made_while_others_append() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.config.segments.segment_bytes = 64 << 10;
    let store = options.open(folder.path().join("store")).unwrap();
    store.append(Append::to("a").event("k", "first")).wait().unwrap();
    let done = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let (store, done) = (&store, &done);
        scope.spawn(move || {
            while done.load(Ordering::Relaxed) == 0 {
                store.append(Append::to("b").event("k", vec![b'x'; 3000])).wait().unwrap();
            }
        });
        for n in 0..5 {
            let before = store.status().wait().unwrap().frontiers.visible;
            let to = folder.path().join(format!("copy-{n}"));
            let backup = store.backup(&to).unwrap();
            assert!(backup.verified.events >= before);
            let copy = EventStore::open(&to).unwrap();
            assert_eq!(payloads(&copy).len() as u64, backup.verified.events);
            assert_eq!(payloads(&copy)[0], "first");
            copy.append(Append::to("a").event("k", "a copy is a store")).wait().unwrap();
        }
        done.store(1, Ordering::Relaxed);
    });
    assert!(store.backup(folder.path().join("copy-0")).unwrap_err().to_string().ends_with("exists already"));
}

#[test]
fn the_scrub_verifies_in_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { scrub: Some(Duration::from_millis(10)), ..Options::default() };
    let store = options.open(folder.path()).unwrap();
    store.append(Append::to("a").event("k", "1")).wait().unwrap();
    let begun = Instant::now();
    let found = loop {
        let report = store.scrub().unwrap();
        match report.last {
            Some(Ok(found)) if found.events == 1 => break found,
            _ => assert!(begun.elapsed() < Duration::from_secs(20), "{report:?}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let report = loop {
        match store.verify().wait() {
            // A scrub is at it.
            Err(Error::Refused(Refusal::Overloaded)) if begun.elapsed() < Duration::from_secs(20) => {}
            report => break report.unwrap(),
        }
    };
    assert_eq!(report.digest, found.digest);
    drop(store);
    assert_eq!(EventStore::open(folder.path()).unwrap().scrub(), None);
}
