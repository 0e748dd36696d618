//! A file-size limit is met in the middle of a write. Where another file still has room, the store goes on in that one;
//! where none has, it says that it is full, and takes up its work when there is space again. It loses nothing that it
//! had acknowledged. In a process of its own, for the limit is the process's.
#![allow(clippy::unwrap_used)]

use onceward::store::Options;
use onceward::{Append, Error, EventStore, Filter, Phase, Refusal, query};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::process::Command;
use std::time::{Duration, Instant};

const FOLDER: &str = "ONCEWARD_TEST_FULL_FOLDER";

fn limit(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
}

fn append(store: &EventStore, n: u64) -> Result<u64, Error> {
    // Of odd lengths, so that the limit lies within a write whatever the format adds.
    let payload = format!("{n} {}", "z".repeat(700 + (n % 13) as usize * 31));
    store.append(Append::to("a").event("k", payload)).wait().map(|receipt| receipt.position)
}

#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    for (round, allowed) in [9_001, 20_011, 700].into_iter().enumerate() {
        let mut options = Options::default();
        options.config.segments.segment_bytes = 1 << 20;
        options.config.segments.preallocate = round != 1;
        let store = options.open(&folder).unwrap();
        let first = round as u64 * 1_000;
        let mut acknowledged = vec![(append(&store, first).unwrap(), first)];
        limit(Some(allowed));
        let mut refused = 0;
        for n in first + 1..first + 100 {
            match append(&store, n) {
                Ok(position) => acknowledged.push((position, n)),
                Err(Error::Refused(Refusal::Full | Refusal::Unknown { .. })) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        let status = store.status().wait().unwrap();
        if allowed > 1_000 {
            assert_eq!((acknowledged.len(), refused), (100, 0), "there was room in new files");
            assert!(status.segments > 4, "{} segments", status.segments);
        } else {
            assert!(refused > 10, "{} acknowledged, {refused} refused", acknowledged.len());
            assert_eq!(status.phase, Phase::Full);
        }
        assert!(
            store.read(query(Filter::All)).wait().unwrap().events.len() >= acknowledged.len(),
            "reads go on"
        );

        limit(None);
        let begun = Instant::now();
        loop {
            match append(&store, first + 500) {
                Ok(position) => break acknowledged.push((position, first + 500)),
                Err(Error::Refused(Refusal::Full)) => std::thread::sleep(Duration::from_millis(5)),
                Err(other) => panic!("{other}"),
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "still full");
        }
        store.verify().wait().unwrap();
        if round == 0 {
            store.close().unwrap();
        }
        drop(store);
        let store = EventStore::open(&folder).unwrap();
        let events: Vec<_> = store.events(query(Filter::All)).map(Result::unwrap).collect();
        for (position, n) in acknowledged {
            let there = events.get(position as usize).map(|event| &event.payload[..]);
            assert!(
                there.is_some_and(|payload| payload.starts_with(format!("{n} z").as_bytes())),
                "{n} at {position}"
            );
        }
    }
    println!("reached the end");
}

#[test]
fn a_full_disk_is_said_and_survived() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("reached the end"), "{}: {told}", output.status);
}
