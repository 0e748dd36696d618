//! Stores that earlier builds have written, one folder for each version of the format and way of ending: every later
//! build opens them, believes their footers, and reads from them what was written. A new version of the format gets a new
//! folder (`cargo test -p onceward --test golden -- --ignored`); the old ones stay as they are.
#![allow(clippy::unwrap_used)]

use onceward::store::{Create, Options};
use onceward::{Append, EventId, EventStore, Expected, Filter, Key, Name, NewEvent, query};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The version that this build writes.
const VERSION: &str = "v1";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn options() -> Options {
    let mut options = Options::default();
    let segments = &mut options.config.segments;
    (segments.segment_bytes, segments.preallocate) = (4096, false);
    options
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn retry() -> Append {
    Append::to("order-17").key(Key(0x17)).expecting(Expected::NoStream).event("created", "3 pears")
}

/// One of everything that the format can say, over several segments.
fn fill(store: &EventStore) {
    let mut ids = 1u128..;
    let mut event = |kind: &str, cause: Option<u128>, payload: Vec<u8>| NewEvent {
        id: EventId(ids.next().unwrap() << 64 | 0xabcd),
        kind: name(kind),
        scope: name("shop"),
        correlation: None,
        causation: cause.map(|cause| EventId(cause << 64 | 0xabcd)),
        payload: payload.into(),
    };
    let keyed = Append::to("order-17").key(Key(0x17)).expecting(Expected::NoStream);
    store.append(keyed.event("created", "3 pears")).wait().unwrap();
    let first = event("created", None, b"all bytes: ".iter().copied().chain(0..=255).collect());
    store.append(Append::to("order-18").whole(first)).wait().unwrap();
    let both = [
        Append::to("order-17").expecting(Expected::Exact(0)).whole(event("paid", Some(1), b"12.50".to_vec())),
        Append::to("stock").whole(event("reserved", Some(2), Vec::new())),
    ];
    store.append_batch(both).wait().unwrap();
    store.save_cursor(name("mailer"), 3).wait().unwrap();
    for n in 0..40u8 {
        let several = Append::to(format!("order-{}", 20 + n % 7));
        let several = several.whole(event("noted", None, vec![n; 200])).whole(event("noted", None, vec![n]));
        store.append(several).wait().unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
#[ignore = "writes a golden store for a new version of the format"]
fn write_golden_stores() {
    let folder = golden().join(VERSION);
    assert!(!folder.exists(), "golden stores are never written again: this version has its own");
    let work = tempfile::tempdir().unwrap();
    let at = work.path().join("store");
    let store = options().open(&at).unwrap();
    fill(&store);
    // As a kill would leave it: everything is synced, nothing sealed at the end.
    copy(&at, &folder.join("killed"));
    store.close().unwrap();
    copy(&at, &folder.join("closed"));
}

/// What a store says of itself, and that it goes on working.
fn account(folder: &Path) -> String {
    let store = Options { create: Create::Never, ..options() }.open(folder).unwrap();
    let recovered = store.recovered().clone();
    assert_eq!((&recovered.cut, &recovered.rebuilt, &recovered.removed), (&vec![], &vec![], &vec![]));
    let verified = store.verify().wait().unwrap();
    let mut text = format!("{recovered:#?}\n{verified:#?}\n");
    for event in store.events(query(Filter::All)) {
        let event = event.unwrap();
        // Ids and times of events that named none are random, but written in the file for ever.
        writeln!(text, "{event:?}").unwrap();
    }
    assert_eq!(store.load_cursor(name("mailer")).wait().unwrap(), Some(3));
    let again = store.append(retry()).wait().unwrap();
    assert!(again.duplicate && again.position == 0, "{again:?}");
    let next = store.append(Append::to("order-18").expecting(Expected::Exact(0)).event("paid", "7")).wait();
    assert_eq!(next.unwrap().position, recovered.events);
    store.close().unwrap();
    text
}

#[test]
fn stores_of_every_version_open_and_say_what_was_written() {
    let mut versions: Vec<_> = fs::read_dir(golden()).unwrap().map(|entry| entry.unwrap().path()).collect();
    versions.sort();
    assert!(versions.iter().any(|folder| folder.ends_with(VERSION)), "this version has no golden store");
    for folder in versions {
        for ending in ["closed", "killed"] {
            let work = tempfile::tempdir().unwrap();
            copy(&folder.join(ending), work.path());
            let version = folder.file_name().unwrap().to_str().unwrap();
            insta::assert_snapshot!(format!("golden-{version}-{ending}"), account(work.path()));
        }
    }
}
