//! What readers are sent, how much of it at a time, and whose turn it is.

use super::super::{Fetched, MESSAGE_COST};
use super::rig::{Rig, conn, filter};
use crate::reader::wire::{FromServer, TopicFilter};
use alloc::{vec, vec::Vec};

/// What the producer's name takes with each batch.
const NAME: u64 = 3;

#[test]
fn nothing_is_sent_before_it_is_asked_for_and_started() {
    let mut rig = Rig::with(1);
    rig.write(0, &[10]);
    rig.open(1, "c", &[filter("t")]);
    rig.read(1, 1000);
    assert!(rig.fetches.is_empty());
    rig.start_all(1);
    rig.answer_all();
    assert_eq!(rig.offsets(1)[&1], [0]);
    let mut rig = Rig::with(1);
    rig.write(0, &[10]);
    rig.reader(1, 0);
    assert!(rig.fetches.is_empty());
    rig.read(1, 1);
    rig.answer_all();
    assert_eq!(rig.offsets(1)[&1], [0]);
}

#[test]
fn one_message_may_exceed_the_credit_and_nothing_follows_until_that_is_made_up_for() {
    let mut rig = Rig::with(1);
    rig.write(0, &[100, 100, 100]);
    rig.reader(1, 1);
    rig.answer_all();
    let cost = 100 + MESSAGE_COST;
    assert_eq!(rig.offsets(1)[&1], [0]);
    rig.read(1, cost + NAME - 1);
    rig.answer_all();
    assert!(rig.offsets(1).is_empty(), "credit is 0");
    // The rest of the record is at hand.
    rig.read(1, 1);
    assert!(rig.fetches.is_empty());
    assert_eq!(rig.offsets(1)[&1], [1]);
    rig.read(1, 10_000);
    assert_eq!(rig.offsets(1)[&1], [2]);
}

#[test]
fn empty_messages_cost_as_well() {
    let mut rig = Rig::with(1);
    rig.write(0, &[0; 5]);
    rig.reader(1, NAME + 2 * MESSAGE_COST + 1);
    rig.answer_all();
    assert_eq!(rig.offsets(1)[&1], [0, 1, 2]);
}

#[test]
fn many_small_records_make_one_response_and_a_large_one_makes_several() {
    let mut rig = Rig::with(1);
    rig.config.fetches = 64;
    (0..20).for_each(|_| rig.write(0, &[0]));
    rig.reader(1, 100_000);
    rig.look(1);
    rig.answer_all();
    let sizes = |said: Vec<FromServer>| -> Vec<u64> {
        let bytes = said.into_iter().map(|said| match said {
            FromServer::Data { bytes, .. } => bytes,
            other => panic!("{other:?}"),
        });
        bytes.collect()
    };
    // At most 1000 bytes at once.
    let each = MESSAGE_COST + NAME;
    assert_eq!(sizes(rig.look(1)), [14 * each, 6 * each]);
    rig.write(0, &[300, 300, 300, 2000, 10, 10]);
    rig.answer_all();
    let big = |n: u64| n + MESSAGE_COST;
    assert_eq!(
        sizes(rig.look(1)),
        [2 * big(300) + NAME, big(300) + NAME, big(2000) + NAME, 2 * big(10) + NAME]
    );
}

#[test]
fn records_that_come_in_any_order_are_sent_in_that_of_the_offsets() {
    let mut rig = Rig::with(1);
    (0..3).for_each(|_| rig.write(0, &[10, 10]));
    rig.reader(1, 100_000);
    for index in [2, 1, 0] {
        assert!(rig.offsets(1).is_empty());
        rig.answer(index, Fetched::Batch);
    }
    assert_eq!(rig.offsets(1)[&1], [0, 1, 2, 3, 4, 5]);
}

#[test]
fn sessions_and_partitions_take_turns() {
    let mut rig = Rig::with(2);
    rig.config.response_bytes = 1_000_000;
    for _ in 0..10 {
        rig.write(0, &[10]);
        rig.write(1, &[10]);
    }
    let only = |number: u32| [TopicFilter { partitions: vec![number], ..filter("t") }];
    rig.open(1, "c", &[filter("t")]);
    rig.open(2, "d", &only(1));
    rig.open(3, "", &only(0));
    (1..4).for_each(|number| {
        rig.read(number, 100_000);
        rig.start_all(number);
    });
    // The first had the place to itself; then one at a time, as each has a turn.
    let mut order = vec![];
    while !rig.fetches.is_empty() {
        rig.answer(0, Fetched::Batch);
        order.push(rig.fetches.back().map_or((9, 9), |(_, at, span)| (at.number, span.first)));
    }
    // Session 2, session 3, then 1 (partition 1, 0, ...) and so on; what two want at once is fetched once.
    let late = order.iter().position(|it| *it == (1, 0)).unwrap();
    assert!(late <= 2, "{order:?}");
    for number in 1..4 {
        for offsets in rig.offsets(number).values() {
            assert_eq!(*offsets, (0..10).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_greedy_session_does_not_starve_another() {
    let mut rig = Rig::with(1);
    rig.config.fetches = 1;
    rig.config.response_bytes = 1_000_000;
    (0..50).for_each(|_| rig.write(0, &[10]));
    rig.open(1, "c", &[filter("t")]);
    rig.read(1, 1_000_000);
    rig.start_all(1);
    rig.answer(0, Fetched::Batch);
    rig.open(2, "d", &[filter("t")]);
    rig.read(2, 1);
    rig.start_all(2);
    for _ in 0..3 {
        rig.answer(0, Fetched::Batch);
    }
    assert_eq!(rig.offsets(2)[&1], [0]);
}

#[test]
fn what_several_want_at_once_is_fetched_once() {
    let mut rig = Rig::with(1);
    rig.write(0, &[10, 10]);
    for number in 1..5 {
        rig.open(number, "", &[filter("t")]);
        rig.read(number, 1000);
        rig.start_all(number);
    }
    assert_eq!(rig.fetches.len(), 1);
    rig.close(2);
    rig.answer_all();
    for number in [1, 3, 4] {
        assert_eq!(rig.offsets(number)[&1], [0, 1]);
    }
}

#[test]
fn new_messages_are_sent_as_they_are_shown() {
    let mut rig = Rig::with(1);
    rig.reader(1, 10_000);
    for n in 0..5 {
        rig.write(0, &[1]);
        rig.answer_all();
        assert_eq!(rig.offsets(1)[&1], [n]);
    }
}

#[test]
fn reading_goes_on_behind_what_was_given_up() {
    let mut rig = Rig::with(1);
    (0..6).for_each(|_| rig.write(0, &[1000]));
    rig.reader(1, 1);
    rig.answer_all();
    assert_eq!(rig.offsets(1)[&1], [0]);
    rig.trim(0, 4);
    rig.read(1, 100_000);
    rig.answer_all();
    assert_eq!(rig.offsets(1)[&1], [4, 5]);
    assert!(rig.marks.contains(&"a reader goes on behind what was given up"));
    // All of it given up.
    rig.write(0, &[1]);
    rig.trim(0, 7);
    rig.answer_all();
    rig.write(0, &[1]);
    rig.answer_all();
    rig.look(1);
}

#[test]
fn a_record_that_has_moved_is_looked_up_again() {
    let mut rig = Rig::with(1);
    (0..4).for_each(|_| rig.write(0, &[1]));
    rig.reader(1, 100_000);
    // Moved, though it is there: asked for anew. What comes after it waits.
    rig.answer(1, |_| Fetched::Moved);
    rig.answer_all();
    assert_eq!(rig.offsets(1)[&1], [0, 1, 2, 3]);
    // Gone.
    rig.write(0, &[1]);
    rig.write(0, &[1]);
    rig.trim(0, 5);
    rig.answer(0, |_| Fetched::Moved);
    rig.answer_all();
    assert_eq!(rig.offsets(1)[&1], [5]);
}

#[test]
fn a_session_whose_messages_cannot_be_read_may_try_again() {
    let mut rig = Rig::with(1);
    rig.write(0, &[1]);
    for number in 1..3 {
        rig.open(number, "", &[filter("t")]);
        rig.read(number, 1000);
        rig.start_all(number);
    }
    rig.answer(0, |_| Fetched::Failed);
    assert_eq!(rig.failed(1).unwrap().0, 400_050);
    assert_eq!(rig.failed(2).unwrap().0, 400_050);
    rig.reader(1, 1000);
    rig.answer_all();
    assert_eq!(rig.offsets(1)[&1], [0]);
}

#[test]
fn a_record_with_other_messages_is_not_sent() {
    let mut rig = Rig::with(1);
    rig.write(0, &[1, 1]);
    rig.reader(1, 1000);
    rig.answer(0, |batch| {
        let mut short = (*batch).clone();
        short.messages.pop();
        Fetched::Batch(short.into())
    });
    assert_eq!(rig.failed(1).unwrap().0, 400_050);
    assert!(!rig.readers.has(conn(1)));
}

#[test]
fn a_busy_partition_does_not_starve_another() {
    let mut rig = Rig::with(3);
    rig.config.fetches = 1;
    rig.config.response_bytes = 1_000_000;
    (0..9).for_each(|n| rig.write(n % 3, &[10]));
    rig.open(1, "c", &[filter("t")]);
    rig.start_all(1);
    rig.read(1, 1_000_000);
    let mut order = vec![];
    while let Some((_, at, _)) = rig.fetches.front() {
        order.push(at.number);
        rig.answer(0, Fetched::Batch);
    }
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn no_more_records_are_kept_for_readers_with_little_credit_than_may_be_fetched() {
    let mut rig = Rig::with(5);
    for number in 0..5 {
        rig.write(number, &[10; 10]);
        rig.open(number, "c", &[TopicFilter { partitions: vec![number], ..filter("t") }]);
        rig.read(number, 1);
        rig.start_all(number);
        rig.answer_all();
    }
    assert_eq!(rig.readers.fetches.held(), (vec![], 3));
    // Those that were not kept are fetched again.
    for number in 0..5 {
        rig.read(number, 10_000);
        rig.answer_all();
        assert_eq!(rig.offsets(number)[&1], (0..10).collect::<Vec<_>>());
    }
    assert_eq!(rig.readers.fetches.held(), (vec![], 0));
}
