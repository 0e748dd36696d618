//! A process that appends is killed again and again, at any moment; whatever it had been told was durable is there, once,
//! in its place, and nothing else has come in between.
//!
//! `ONCEWARD_KILLS` sets how often (by default 100 times).
#![allow(clippy::unwrap_used)]

use onceward::store::Options;
use onceward::{Append, EventStore, Filter, Key, query};
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const FOLDER: &str = "ONCEWARD_TEST_KILLED_FOLDER";
const ROUND: &str = "ONCEWARD_TEST_KILLED_ROUND";

fn open(folder: &Path) -> EventStore {
    let mut options = Options::default();
    // Small, so that many are begun and sealed.
    options.config.segments.segment_bytes = 256 << 10;
    options.open(folder).unwrap()
}

/// Appends for ever, from several threads, and tells each answer in one line. Runs in a process of its own.
#[test]
fn child() {
    let (Ok(folder), Ok(round)) = (std::env::var(FOLDER), std::env::var(ROUND)) else { return };
    let round: u64 = round.parse().unwrap();
    let store = open(Path::new(&folder));
    let tell = |line: String| std::io::stdout().write_all(line.as_bytes()).unwrap();
    tell("open\n".to_owned());
    std::thread::scope(|scope| {
        for client in 0..3_u64 {
            let (store, tell) = (&store, &tell);
            scope.spawn(move || {
                for n in 0.. {
                    // The first alone, the second in batches over two entities, the third without waiting in between.
                    let text = |part: u64| {
                        format!("{round} {client} {n} {part} {}", "x".repeat((n * 37 % 900) as usize))
                    };
                    let entity = format!("client-{client}");
                    match client {
                        0 => {
                            let receipt =
                                store.append(Append::to(entity).event("k", text(0))).wait().unwrap();
                            tell(format!("ack {} {} 0\n", receipt.position, key(round, client, n)));
                        }
                        1 => {
                            let parts = [Append::to(entity), Append::to("shared")].into_iter().zip(0..);
                            let parts = parts.map(|(append, part)| {
                                append.event("k", text(part)).event("k", text(part + 2))
                            });
                            let receipts = store.append_batch(parts).wait().unwrap();
                            for (receipt, part) in receipts.iter().zip(0..) {
                                tell(format!("ack {} {} {part}\n", receipt.position, key(round, client, n)));
                                tell(format!(
                                    "ack {} {} {}\n",
                                    receipt.position + 1,
                                    key(round, client, n),
                                    part + 2
                                ));
                            }
                        }
                        _ => {
                            let one = |part| {
                                let append =
                                    Append::to("shared").key(Key(key(round, client, n) * 8 + part as u128));
                                store.append(append.event("k", text(part))).start()
                            };
                            let all = [one(0), one(1), one(2), one(3)];
                            for (pending, part) in all.into_iter().zip(0..) {
                                let receipt = pending.wait().unwrap();
                                tell(format!("ack {} {} {part}\n", receipt.position, key(round, client, n)));
                            }
                        }
                    }
                }
            });
        }
    });
}

/// Names the work of a client's n-th turn.
fn key(round: u64, client: u64, n: u64) -> u128 {
    (u128::from(round) << 40 | u128::from(client) << 32 | u128::from(n)) + 1
}

fn spawn(folder: &Path, round: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Checks everything that a store can show against everything that was ever acknowledged: (key, part) by position.
fn check(store: &EventStore, acknowledged: &BTreeMap<u64, (u128, u64)>) -> u64 {
    let mut seen: HashMap<(u128, u64), u64> = HashMap::new();
    let mut sequences: HashMap<String, u64> = HashMap::new();
    let mut next = 0;
    for event in store.events(query(Filter::All)) {
        let event = event.unwrap();
        assert_eq!(event.position, next, "positions are dense");
        next += 1;
        let sequence = sequences.entry(event.entity.to_string()).or_insert(0);
        assert_eq!(event.sequence, *sequence, "sequences are dense");
        *sequence += 1;
        let payload = std::str::from_utf8(&event.payload).unwrap();
        let numbers: Vec<u64> = payload.split(' ').take(4).map(|n| n.parse().unwrap()).collect();
        let [round, client, n, part] = numbers[..] else { panic!("{payload}") };
        assert_eq!(payload.len() - payload.rfind(' ').unwrap() - 1, (n * 37 % 900) as usize, "whole");
        let which = (key(round, client, n), part);
        assert_eq!(seen.insert(which, event.position), None, "{payload:?} is there twice");
    }
    for (position, which) in acknowledged {
        assert_eq!(
            seen.get(which),
            Some(position),
            "{which:?} was acknowledged at {position}, {next} events are there"
        );
    }
    // Of a batch, all or nothing.
    for (key, _) in seen.keys().filter(|(key, _)| (key - 1) >> 32 & 0xff == 1) {
        assert!((0..4).all(|part| seen.contains_key(&(*key, part))), "half a batch");
    }
    next
}

#[test]
fn what_was_acknowledged_survives_being_killed() {
    let kills: u64 = std::env::var("ONCEWARD_KILLS").map_or(100, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for round in 0..kills {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut child = spawn(folder.path(), round);
        let mut output = child.stdout.take().unwrap();
        if !(random >> 40).is_multiple_of(8) {
            // Usually once it is open, now and then while it recovers.
            let mut told = String::new();
            while !told.ends_with("open\n") {
                let mut byte = [0];
                assert_eq!(output.read(&mut byte).unwrap(), 1, "the child ended: {told}");
                told.push(byte[0].into());
            }
        }
        std::thread::sleep(Duration::from_micros((random >> 33) % 40_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut told = String::new();
        output.read_to_string(&mut told).unwrap();
        // A line that was not written to its end was not told.
        for line in told.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let Some(ack) = line.trim_end().strip_prefix("ack ") else { continue };
            let numbers: Vec<u128> = ack.split(' ').map(|n| n.parse().unwrap()).collect();
            let before = acknowledged.insert(numbers[0] as u64, (numbers[1], numbers[2] as u64));
            assert_eq!(before, None, "position {} was given twice", numbers[0]);
        }
        if round % 10 == 9 || round + 1 == kills {
            let store = open(folder.path());
            let there = check(&store, &acknowledged);
            assert!(there >= acknowledged.len() as u64);
            store.verify().wait().unwrap();
            store.close().unwrap();
        }
    }
    assert!(acknowledged.len() as u64 > kills, "{} acknowledgements in {kills} lives", acknowledged.len());
}
