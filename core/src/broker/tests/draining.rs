//! The pool and checkpoints: what is drained when, what the log is cut by, and that nothing is lost, twice or held up by it.

use super::super::Config;
use super::super::api::*;
use super::rig::*;
use crate::log::api::Phase;
use crate::{ConnId, DiskOp, Dur};
use alloc::{string::String, vec::Vec};

/// Writes messages one by one and waits for each.
fn write(rig: &mut Rig, conn: ConnId, numbers: core::ops::RangeInclusive<u64>) {
    for n in numbers {
        assert_eq!(rig.write(conn, messages([n])), [written(n, n - 1)]);
    }
}

/// Everything in partition 0 is there, once and in order.
fn check(rig: &mut Rig, numbers: core::ops::RangeInclusive<u64>) {
    let all = rig.read_all(0, numbers.start() - 1);
    let there: Vec<(u64, u64)> = all.iter().map(|(offset, _, message)| (*offset, message.seq_no)).collect();
    let wanted: Vec<(u64, u64)> = numbers.map(|n| (n - 1, n)).collect();
    assert_eq!(there, wanted);
    assert!(all.iter().all(|(.., message)| message == &messages([message.seq_no])[0]));
}

fn files(rig: &Rig, suffix: &str) -> Vec<String> {
    rig.disk.files.keys().filter(|name| name.ends_with(suffix)).cloned().collect()
}

fn phase(rig: &Rig) -> Phase {
    rig.broker.phase()
}

/// By the clock alone.
fn slow() -> Config {
    let mut config = draining();
    config.tail_bytes = 4096;
    config.pool.segment_bytes = 1 << 20;
    config.pool.flush_bytes = 1 << 20;
    config.pool.undrained_bytes = 1 << 20;
    config.checkpoint_bytes = 1 << 20;
    config
}

#[test]
fn messages_are_drained_after_the_interval_and_read_from_where_they_are() {
    let mut rig = Rig::new(slow(), 1);
    let (conn, _) = rig.writer(init("p"));
    write(&mut rig, conn, 1..=5);
    rig.pass(Dur::millis(4900));
    assert!(files(&rig, ".msgs").is_empty());
    assert!(rig.status().undrained > 0);
    rig.pass(Dur::millis(200));
    assert_eq!(files(&rig, ".msgs"), ["pool/0-0-0.msgs"]);
    assert_eq!((rig.status().undrained, rig.status().pool_files), (0, 1));
    check(&mut rig, 1..=5);
    assert!(!rig.marks.contains("messages read from the pool"), "memory has them");
    // More of them, into the same file; then nothing is in memory.
    write(&mut rig, conn, 6..=7);
    rig.pass(Dur::secs(6));
    assert_eq!(files(&rig, ".msgs").len(), 1);
    rig.restart();
    assert!(rig.marks.is_empty() || !rig.marks.contains("messages read from the pool"));
    check(&mut rig, 1..=7);
    assert!(rig.marks.contains("messages read from the pool"));
    check(&mut rig, 4..=7);
    // A file of an earlier life does not grow.
    let (conn, session) = rig.writer(init("p"));
    assert_eq!(session.last_seq_no, 7);
    write(&mut rig, conn, 8..=8);
    rig.pass(Dur::secs(6));
    assert_eq!(files(&rig, ".msgs").len(), 2);
    check(&mut rig, 1..=8);
}

#[test]
fn much_is_drained_at_once_into_files_of_bounded_size() {
    let mut config = slow();
    config.pool.flush_interval = None;
    config.pool.segment_bytes = 600;
    config.pool.flush_bytes = 600;
    let mut rig = Rig::new(config, 1);
    let (conn, _) = rig.writer(init("p"));
    write(&mut rig, conn, 1..=60);
    let files = files(&rig, ".msgs");
    assert!(files.len() >= 5, "{files:?}");
    for file in &files {
        assert!(rig.disk.files[file].0.len() <= 600);
    }
    assert!(rig.status().undrained < 600);
    check(&mut rig, 1..=60);
    rig.restart();
    check(&mut rig, 1..=60);
}

#[test]
fn all_partitions_together_are_bounded() {
    let mut config = slow();
    config.pool.flush_interval = None;
    config.pool.undrained_bytes = 1000;
    let mut rig = Rig::new(config, 8);
    for n in 0..8 {
        let (conn, _) = rig.writer(crate::writer::wire::Init { partition: Some(n), ..init("") });
        rig.write(conn, messages(1..=3));
        assert!(rig.status().undrained < 1000, "{}", rig.status().undrained);
    }
}

#[test]
fn an_old_file_gets_nothing_more() {
    let mut config = slow();
    config.pool.segment_age = Dur::secs(60);
    let mut rig = Rig::new(config, 1);
    let (conn, _) = rig.writer(init("p"));
    for n in 1..=9 {
        write(&mut rig, conn, n..=n);
        rig.pass(Dur::secs(20));
    }
    assert_eq!(files(&rig, ".msgs").len(), 3);
    check(&mut rig, 1..=9);
}

#[test]
fn the_log_is_cut_and_a_start_begins_with_a_checkpoint() {
    let mut rig = Rig::new(draining(), 2);
    let (conn, _) = rig.writer(crate::writer::wire::Init { partition: Some(0), ..init("p") });
    for n in 1..=200 {
        write(&mut rig, conn, n..=n);
    }
    rig.pass(Dur::secs(6));
    assert!(rig.marks.contains("log cut"), "{:?}", rig.marks);
    let log = files(&rig, ".seg");
    assert!(log.len() <= 4, "{log:?}");
    assert!(!log.contains(&"00000000000000000000.seg".into()));
    let commit = Request::Commit { path: "t".into(), partition: 0, consumer: "c".into(), offset: 150 };
    assert_eq!(rig.ask(commit), Response::Done);
    for n in 201..=300 {
        write(&mut rig, conn, n..=n);
    }
    let before = rig.topic();
    for _ in 0..3 {
        rig.marks.clear();
        rig.restart();
        assert_eq!(phase(&rig), Phase::Ready);
        assert!(rig.marks.contains("begun from a checkpoint"));
        assert_eq!(rig.topic(), before);
        check(&mut rig, 1..=300);
    }
    let (conn, session) = rig.writer(init("p"));
    assert_eq!(session.last_seq_no, 300);
    assert_eq!(rig.write(conn, messages([300, 301])), [skipped(300), written(301, 300)]);
}

#[test]
fn a_crash_at_any_moment_loses_nothing_and_drains_nothing_twice() {
    let mut config = draining();
    config.pool.flush_interval = Some(Dur::millis(1));
    config.checkpoint_bytes = 500;
    let mut ops = 0;
    for power in [false, true] {
        for steps in 0.. {
            let mut rig = Rig::new(config.clone(), 1);
            let (conn, _) = rig.writer(init("p"));
            write(&mut rig, conn, 1..=8);
            rig.pass(Dur::millis(5));
            write(&mut rig, conn, 9..=20);
            rig.fire_flush();
            let done = rig.run_some(steps);
            if power {
                rig.disk.lose_power();
            }
            rig.restart();
            assert_eq!(phase(&rig), Phase::Ready, "{steps}");
            check(&mut rig, 1..=20);
            rig.pass(Dur::secs(1));
            check(&mut rig, 1..=20);
            rig.restart();
            check(&mut rig, 1..=20);
            ops = steps;
            if done {
                break;
            }
        }
        assert!(ops > 7, "{ops}");
    }
}

#[test]
fn a_flush_that_fails_begins_anew_in_another_file() {
    let mut rig = Rig::new(slow(), 1);
    let (conn, _) = rig.writer(init("p"));
    write(&mut rig, conn, 1..=3);
    rig.pass(Dur::secs(6));
    write(&mut rig, conn, 4..=6);
    rig.fail = |op| matches!(op, DiskOp::Sync { path, .. } if path.as_str().ends_with(".msgs"));
    rig.pass(Dur::secs(6));
    assert!(rig.marks.contains("a flush failed"));
    // Nobody is held up by it.
    write(&mut rig, conn, 7..=9);
    check(&mut rig, 1..=9);
    assert!(rig.status().undrained > 0);
    rig.fail = |_| false;
    rig.pass(Dur::secs(6));
    assert_eq!(rig.status().undrained, 0);
    assert_eq!(files(&rig, ".msgs").len(), 2, "those that failed are removed");
    rig.restart();
    check(&mut rig, 1..=9);
}

#[test]
fn a_slow_flush_of_one_partition_holds_up_no_other() {
    let mut rig = Rig::new(slow(), 2);
    let to = |partition| crate::writer::wire::Init { partition: Some(partition), ..init("") };
    let (slow, _) = rig.writer(to(0));
    let (other, _) = rig.writer(to(1));
    rig.write(slow, messages(1..=3));
    rig.hold = |op| op.path().as_str().starts_with("pool/0-0-");
    rig.pass(Dur::secs(6));
    for n in 0..10 {
        assert_eq!(rig.write(other, messages([n + 1])).len(), 1);
        rig.pass(Dur::secs(1));
    }
    assert_eq!(rig.write(slow, messages([4])).len(), 1, "not even itself");
    assert!(files(&rig, ".msgs").iter().any(|name| name.starts_with("pool/0-1-")));
    assert_eq!(rig.read_all(0, 0).len(), 4);
    rig.hold = |_| false;
    rig.pass(Dur::secs(20));
    assert_eq!(rig.status().undrained, 0);
    assert_eq!(rig.read_all(0, 0).len(), 4);
}

#[test]
fn a_partition_that_cannot_be_drained_keeps_the_log_and_bounds_what_is_taken_in() {
    let mut config = draining();
    config.pool.backlog_bytes = 3000;
    let mut rig = Rig::new(config, 1);
    rig.fail = |op| matches!(op, DiskOp::Create(path) if path.as_str().ends_with(".msgs"));
    let (conn, _) = rig.writer(init("p"));
    for n in 1..=120 {
        rig.send(conn, messages([n]));
        rig.run();
    }
    assert!(rig.marks.contains("writers wait for the pool"));
    assert!(!rig.marks.contains("log cut"));
    assert!(rig.status().undrained < 4500, "{}", rig.status().undrained);
    rig.fail = |_| false;
    rig.pass(Dur::secs(20));
    assert_eq!(rig.acks(conn).len(), 120);
    assert!(rig.marks.contains("log cut"));
    check(&mut rig, 1..=120);
}

#[test]
fn a_full_disk_stops_draining_and_nothing_else_of_it() {
    let mut rig = Rig::new(slow(), 1);
    let (conn, _) = rig.writer(init("p"));
    write(&mut rig, conn, 1..=5);
    rig.full = true;
    rig.pass(Dur::secs(20));
    assert!(rig.status().undrained > 0);
    check(&mut rig, 1..=5);
    rig.full = false;
    rig.pass(Dur::secs(20));
    assert_eq!(rig.status().undrained, 0);
    rig.restart();
    check(&mut rig, 1..=5);
}

#[test]
fn the_end_drains_what_it_can() {
    for failing in [false, true] {
        let mut rig = Rig::new(slow(), 3);
        for n in 0..3 {
            let (conn, _) = rig.writer(crate::writer::wire::Init { partition: Some(n), ..init("") });
            rig.write(conn, messages(1..=3));
        }
        if failing {
            rig.fail = |op| op.path().as_str().contains(".msgs");
        }
        assert_eq!(rig.ask(Request::Shutdown), Response::Done);
        assert_eq!(files(&rig, ".msgs").len(), if failing { 0 } else { 3 });
        rig.fail = |_| false;
        rig.restart();
        assert_eq!(rig.status().undrained == 0, !failing);
        check(&mut rig, 1..=3);
    }
}

#[test]
fn what_is_given_up_frees_the_disk() {
    let mut rig = Rig::new(draining(), 1);
    let (conn, _) = rig.writer(init("p"));
    write(&mut rig, conn, 1..=100);
    rig.pass(Dur::secs(6));
    let before = files(&rig, ".msgs");
    let alter = Change { retention_bytes: Some(Some(1000)), ..Change::default() };
    assert_eq!(rig.ask(Request::Alter { path: "t".into(), change: alter }), Response::Done);
    rig.pass(Dur::secs(61));
    let after = files(&rig, ".msgs");
    assert!(after.len() < before.len() - 3 && !after.contains(&before[0]), "{before:?} {after:?}");
    let start = rig.topic().partitions[0].available.start;
    assert!(rig.topic().partitions[0].bytes >= 1000);
    check(&mut rig, start + 1..=100);
    rig.restart();
    assert_eq!(files(&rig, ".msgs"), after);
    check(&mut rig, start + 1..=100);
}

#[test]
fn a_topic_that_is_dropped_takes_its_files_with_it() {
    let mut rig = Rig::new(slow(), 2);
    let (conn, _) = rig.writer(init("p"));
    write(&mut rig, conn, 1..=5);
    rig.pass(Dur::secs(6));
    write(&mut rig, conn, 6..=9);
    // While a flush is on its way.
    rig.hold = |op| matches!(op, DiskOp::Sync { path, .. } if path.as_str().ends_with(".msgs"));
    rig.pass(Dur::secs(6));
    assert_eq!(rig.ask(Request::Drop { path: "t".into() }), Response::Done);
    rig.hold = |_| false;
    rig.pass(Dur::secs(6));
    assert!(files(&rig, ".msgs").is_empty());
    rig.restart();
    assert_eq!(phase(&rig), Phase::Ready);
}

/// A store whose log does not have what is in the pool.
fn drained() -> Rig {
    let mut rig = Rig::new(draining(), 1);
    let (conn, _) = rig.writer(init("p"));
    write(&mut rig, conn, 1..=200);
    rig.pass(Dur::secs(6));
    assert!(rig.marks.contains("log cut"));
    rig
}

#[test]
fn a_crash_while_the_front_is_given_up_leaves_a_log_that_opens() {
    let mut rare = draining();
    rare.checkpoint_bytes = 10_000;
    let mut rig = Rig::new(rare, 1);
    let (conn, _) = rig.writer(init("p"));
    for n in 1..=1000 {
        let before = rig.disk.files.clone();
        write(&mut rig, conn, n..=n);
        let now = &rig.disk.files;
        let removed =
            before.into_iter().filter(|(name, _)| name.ends_with(".seg") && !now.contains_key(name));
        let removed: Vec<_> = removed.collect();
        if removed.len() > 1 {
            // All but the first of them are still there.
            rig.disk.files.extend(removed.into_iter().skip(1));
            rig.restart();
            assert_eq!(phase(&rig), Phase::Ready);
            check(&mut rig, 1..=n);
            let (conn, session) = rig.writer(init("p"));
            assert_eq!(session.last_seq_no, n);
            write(&mut rig, conn, n + 1..=n + 400);
            rig.restart();
            return check(&mut rig, 1..=n + 400);
        }
    }
    panic!("the log was never cut by more than one file");
}

fn damage(rig: &mut Rig) -> String {
    rig.restart();
    match phase(rig) {
        Phase::Damaged(damage) => alloc::format!("{damage}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_missing_is_named() {
    let mut rig = drained();
    rig.disk.files.remove("pool/0-0-3.msgs");
    insta::assert_snapshot!(damage(&mut rig), @"pool/0-0-3.msgs at byte 0: the file is missing, the log refers to it");

    let mut rig = drained();
    let (seen, _) = rig.disk.files.get_mut("pool/0-0-3.msgs").unwrap();
    seen.truncate(100);
    insta::assert_snapshot!(damage(&mut rig), @"pool/0-0-3.msgs at byte 100: the file has 100 bytes, the log refers to 544");

    // The front of the log went without having been given up.
    let mut rare = draining();
    rare.checkpoint_bytes = 10_000;
    let mut rig = Rig::new(rare, 1);
    let (conn, _) = rig.writer(init("p"));
    write(&mut rig, conn, 1..=400);
    rig.pass(Dur::secs(6));
    assert!(rig.marks.contains("log cut"));
    let first = files(&rig, ".seg")[0].clone();
    rig.disk.files.remove(&first);
    insta::assert_snapshot!(damage(&mut rig), @"00000000000000000009.seg at byte 164: the log has lost its beginning and has no complete checkpoint");
}

#[test]
fn a_file_that_rots_fails_its_readers_and_nobody_else() {
    let mut rig = drained();
    rig.restart();
    let (seen, _) = rig.disk.files.get_mut("pool/0-0-3.msgs").unwrap();
    seen[120] ^= 1;
    let all = rig.read_all(0, 0);
    assert!(all.len() < 100, "{}", all.len());
    assert!(rig.marks.contains("a file of the pool cannot be read"));
    assert_eq!(rig.read_all(0, 100).len(), 100);
}

#[test]
fn readers_who_want_young_messages_get_no_old_ones_of_a_file() {
    let mut rig = Rig::new(slow(), 1);
    let (conn, _) = rig.writer(init("p"));
    let mut middle = rig.clock.wall;
    for n in 1..=10 {
        write(&mut rig, conn, n..=n);
        if n == 4 {
            middle = crate::Wall(rig.clock.wall.0 + 1);
        }
        rig.pass(Dur::millis(100));
    }
    rig.pass(Dur::secs(6));
    rig.restart();
    let topics = alloc::vec![crate::reader::wire::TopicFilter {
        path: "t".into(),
        partitions: Vec::new(),
        max_lag: None,
        read_from: Some(middle),
    }];
    let there = rig.read_topics(topics, None);
    assert_eq!(there.iter().map(|(offset, ..)| *offset).collect::<Vec<_>>(), [4, 5, 6, 7, 8, 9]);
}

#[test]
fn the_same_inputs_give_the_same_files() {
    let run = || {
        let mut rig = drained();
        rig.restart();
        rig.pass(Dur::secs(10));
        rig.disk.files
    };
    assert_eq!(run(), run());
}
