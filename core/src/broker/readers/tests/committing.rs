//! What is committed, and when a reader is told.

use super::super::Fetched;
use super::rig::{Rig, conn, filter, id};
use crate::Dur;
use crate::reader::wire::{Commit, FromClient, FromServer, Range};
use alloc::{vec, vec::Vec};

/// A reader that was sent ten messages in two records.
fn rig() -> Rig {
    let mut rig = Rig::with(1);
    rig.write(0, &[1; 5]);
    rig.write(0, &[1; 5]);
    rig.reader(1, 100_000);
    rig.answer_all();
    rig.look(1);
    rig
}

fn wished(rig: &Rig) -> Vec<u64> {
    rig.commits.iter().map(|(_, _, offset)| *offset).collect()
}

fn told(session: u64, offset: u64) -> FromServer {
    FromServer::Committed(vec![(id(session), offset)])
}

#[test]
fn a_reader_is_told_once_a_commit_is_durable() {
    let mut rig = rig();
    rig.commit(1, 1, 0, 3);
    assert_eq!((wished(&rig), rig.look(1)), (vec![3], vec![]));
    rig.durable();
    assert_eq!(rig.look(1), [told(1, 3)]);
}

#[test]
fn only_the_prefix_is_committed() {
    let mut rig = rig();
    rig.commit(1, 1, 5, 7);
    rig.commit(1, 1, 2, 5);
    assert_eq!(wished(&rig), []);
    assert!(rig.marks.contains(&"a commit waits for an earlier one"));
    rig.commit(1, 1, 0, 2);
    assert_eq!(wished(&rig), [7]);
}

#[test]
fn commits_while_one_is_under_way_become_one() {
    let mut rig = rig();
    (0..6).for_each(|n| rig.commit(1, 1, n, n + 1));
    assert_eq!(wished(&rig), [1]);
    rig.durable();
    assert_eq!(wished(&rig), [6]);
    rig.durable();
    assert_eq!(rig.look(1), [told(1, 1), told(1, 6)]);
    assert_eq!(wished(&rig), []);
}

#[test]
fn commits_that_make_no_sense_end_the_session() {
    for (ranges, words) in [
        (vec![(1, 1)], "a commit of nothing"),
        (vec![(2, 1)], "a commit of nothing"),
        (vec![(0, 2), (1, 3)], "a commit that overlaps with one before"),
        (vec![(4, 6), (5, 7)], "a commit that overlaps with one before"),
        (vec![(0, 11)], "a commit of what was not read"),
    ] {
        let mut rig = rig();
        let ranges: Vec<Range> = ranges.into_iter().map(|(start, end)| Range { start, end }).collect();
        rig.say(1, FromClient::Commit(vec![Commit { session: id(1), ranges }]));
        assert_eq!(rig.failed(1), Some((400_010, words.into())));
    }
    // What was committed before this session.
    let mut rig = rig();
    rig.commit(1, 1, 0, 4);
    rig.durable();
    rig.close(1);
    rig.reader(2, 100_000);
    rig.answer_all();
    rig.say_commit(2, 1, 3, 5);
    assert_eq!(rig.failed(2), Some((400_010, "a commit of what is committed".into())));
}

#[test]
fn commits_of_partition_sessions_that_are_over_change_nothing() {
    let mut rig = rig();
    rig.grow(2);
    rig.open(2, "c", &[filter("t")]);
    rig.say_commit(1, 9, 0, 3);
    rig.move_commit(0, 0);
    rig.look(1);
    rig.say_commit(1, 1, 0, 3);
    assert_eq!(wished(&rig), []);
    assert!(rig.readers.has(conn(1)) && rig.marks.contains(&"a stale commit"));
}

/// Two partitions of one reader, the second of which is asked back, with ten messages sent.
fn asked_back() -> Rig {
    let mut rig = Rig::with(2);
    rig.write(1, &[1; 10]);
    rig.reader(1, 100_000);
    rig.answer_all();
    rig.reader(2, 100_000);
    rig.look(1);
    assert_eq!(rig.leaf(1, 2).map(|leaf| leaf.stopping), Some(true));
    rig
}

#[test]
fn a_commit_of_a_stopping_reader_counts_and_the_next_reader_begins_behind_it() {
    let mut rig = asked_back();
    rig.commit(1, 2, 0, 4);
    rig.commit(1, 2, 4, 6);
    rig.stop_all(1);
    // 4 is under way, and 6 has to follow.
    assert_eq!((wished(&rig), rig.has(2)), (vec![4], vec![]));
    assert!(rig.marks.contains(&"a partition waits for a commit that is not durable"));
    rig.durable();
    assert_eq!((wished(&rig), rig.has(2)), (vec![6], vec![]));
    rig.durable();
    assert_eq!(rig.leaf(2, 1).map(|leaf| leaf.base), Some(6));
    rig.start_all(2);
    rig.answer_all();
    assert_eq!(rig.offsets(2)[&1], [6, 7, 8, 9]);
    // The old reader hears nothing of it any more.
    assert_eq!(rig.look(1), []);
}

#[test]
fn a_commit_of_a_reader_that_was_too_slow_counts_if_it_came_before_the_stop() {
    let mut rig = asked_back();
    rig.commit(1, 2, 0, 4);
    rig.pass(Dur::secs(30));
    rig.say_commit(1, 2, 4, 6);
    assert_eq!((wished(&rig), rig.has(2)), (vec![4], vec![]));
    rig.durable();
    assert_eq!(rig.leaf(2, 1).map(|leaf| leaf.base), Some(4));
    rig.say_commit(1, 2, 4, 6);
    assert_eq!(wished(&rig), []);
}

#[test]
fn a_commit_of_a_reader_that_is_gone_counts_and_waits_for_nobody() {
    let mut rig = rig();
    rig.commit(1, 1, 0, 3);
    rig.commit(1, 1, 3, 5);
    rig.close(1);
    rig.durable();
    assert_eq!(wished(&rig), [5]);
    rig.durable();
    assert!(rig.readers.groups.is_empty(), "nothing is left of it");
    rig.reader(2, 100_000);
    rig.answer_all();
    assert_eq!(rig.offsets(2)[&1], [5, 6, 7, 8, 9]);
}

#[test]
fn a_call_that_moves_the_position_takes_the_partition_from_its_reader() {
    for offset in [2, 9] {
        let mut rig = rig();
        rig.commit(1, 1, 0, 4);
        rig.durable();
        rig.look(1);
        rig.move_commit(0, offset);
        let said = rig.look(1);
        let stop = FromServer::Stop { session: id(1), graceful: false, committed: offset };
        assert_eq!(said[0], stop);
        assert!(matches!(said[1], FromServer::Start { committed, .. } if committed == offset), "{said:?}");
        rig.start_all(1);
        rig.answer_all();
        assert_eq!(rig.offsets(1)[&2], (offset..10).collect::<Vec<_>>());
    }
}

#[test]
fn a_commit_that_the_log_has_behind_a_call_still_counts_and_what_waited_does_not() {
    let mut rig = rig();
    rig.commit(1, 1, 0, 4);
    rig.commit(1, 1, 4, 6);
    // The log has the call's position first, then 4.
    rig.move_commit(0, 0);
    assert_eq!(rig.has(1), []);
    rig.durable();
    assert_eq!(rig.leaf(1, 2).map(|leaf| leaf.base), Some(4));
    assert_eq!(wished(&rig), []);
}

#[test]
fn what_was_given_up_need_not_be_committed() {
    let mut rig = rig();
    rig.commit(1, 1, 7, 8);
    rig.trim(0, 6);
    assert_eq!(wished(&rig), []);
    rig.trim(0, 7);
    assert_eq!(wished(&rig), [8]);
    rig.durable();
    // What it was sent, and is gone, may be committed still.
    rig.commit(1, 1, 2, 5);
    assert!(rig.readers.has(conn(1)));
    rig.trim(0, 10);
    rig.write(0, &[1]);
    rig.answer_all();
    // Readers that commit from the end of the last batch, and readers that do not.
    rig.commit(1, 1, 10, 11);
    assert_eq!(wished(&rig), [11]);
    let mut rig = Rig::with(1);
    rig.write(0, &[1; 5]);
    rig.write(0, &[1; 5]);
    rig.trim(0, 5);
    rig.reader(1, 10_000);
    rig.answer_all();
    rig.commit(1, 1, 0, 6);
    assert_eq!(wished(&rig), [6]);
}

#[test]
fn commits_are_no_reason_to_wait_for_fetches() {
    let mut rig = rig();
    rig.write(0, &[1]);
    rig.commit(1, 1, 0, 10);
    rig.durable();
    assert_eq!(rig.look(1), [told(1, 10)]);
    rig.answer(0, Fetched::Batch);
    rig.commit(1, 1, 10, 11);
    rig.durable();
}
