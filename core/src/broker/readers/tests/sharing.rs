//! Who has which partition, and how partitions pass from one reader to another.

use super::rig::{Rig, conn, filter, id};
use crate::Dur;
use crate::reader::wire::{FromServer, TopicFilter};
use alloc::{vec, vec::Vec};

fn stop(session: u64, graceful: bool, committed: u64) -> FromServer {
    FromServer::Stop { session: id(session), graceful, committed }
}

#[test]
fn a_newcomer_gets_the_surplus_once_it_was_given_up() {
    let mut rig = Rig::with(4);
    rig.reader(1, 10);
    assert_eq!(rig.has(1), [0, 1, 2, 3]);
    rig.look(1);
    rig.reader(2, 10);
    assert_eq!(rig.has(2), []);
    assert_eq!(rig.look(1), [stop(3, true, 0), stop(4, true, 0)]);
    rig.stop_all(1);
    assert_eq!((rig.has(1), rig.has(2)), (vec![0, 1], vec![2, 3]));
    // Nothing moves while nothing changes.
    rig.look(2);
    rig.start_all(2);
    (0..4).for_each(|number| rig.write(number, &[1]));
    rig.pass(Dur::secs(1000));
    rig.grow(4);
    rig.answer_all();
    assert!(rig.alarm.is_none());
    let moves = |said: &FromServer| matches!(said, FromServer::Stop { .. } | FromServer::Start { .. });
    assert!(!rig.said.iter().any(|(_, said)| moves(said)));
}

#[test]
fn who_does_not_give_up_in_time_loses_it_at_once() {
    let mut rig = Rig::with(2);
    rig.reader(1, 10);
    rig.look(1);
    rig.reader(2, 10);
    assert_eq!(rig.look(1), [stop(2, true, 0)]);
    rig.pass(Dur::secs(29));
    assert_eq!((rig.look(1), rig.has(2)), (vec![], vec![]));
    rig.pass(Dur::secs(1));
    assert_eq!((rig.look(1), rig.has(2)), (vec![stop(2, false, 0)], vec![1]));
    assert_eq!(rig.alarm, None);
    // The late answer is about nothing.
    rig.say(1, crate::reader::wire::FromClient::Stopped(id(2)));
    assert_eq!((rig.has(1), rig.has(2)), (vec![0], vec![1]));
}

#[test]
fn an_early_alarm_is_set_again() {
    let mut rig = Rig::with(2);
    rig.reader(1, 10);
    rig.reader(2, 10);
    let at = rig.alarm.take();
    rig.step(|readers, ask, out| readers.timer(ask, out));
    assert_eq!(rig.alarm, at);
}

#[test]
fn what_a_reader_leaves_is_shared_among_the_others_at_once() {
    let mut rig = Rig::with(6);
    (1..4).for_each(|number| rig.reader(number, 10));
    (1..4).for_each(|number| rig.stop_all(number));
    (1..4).for_each(|number| rig.stop_all(number));
    assert_eq!([rig.has(1).len(), rig.has(2).len(), rig.has(3).len()], [2, 2, 2]);
    rig.look(1);
    rig.look(2);
    rig.close(3);
    assert_eq!([rig.has(1).len(), rig.has(2).len()], [3, 3]);
    let moves = |said: &FromServer| matches!(said, FromServer::Stop { .. });
    assert!(!rig.said.iter().any(|(_, said)| moves(said)));
}

#[test]
fn a_promise_to_who_has_left_goes_to_somebody_else() {
    let mut rig = Rig::with(2);
    rig.reader(1, 10);
    rig.reader(2, 10);
    rig.close(2);
    // Asked back already: it comes again, as a new partition session.
    rig.stop_all(1);
    assert_eq!(rig.has(1), [0, 1]);
    assert!(rig.leaf(1, 3).is_some());
    assert_eq!(rig.alarm, None);
}

#[test]
fn partitions_go_to_those_who_may_have_them() {
    let only = |partitions: &[u32]| TopicFilter { partitions: partitions.to_vec(), ..filter("t") };
    let mut rig = Rig::with(3);
    rig.open(1, "c", &[only(&[2, 1, 1])]);
    assert_eq!(rig.has(1), [1, 2]);
    rig.open(2, "c", &[only(&[2])]);
    rig.stop_all(1);
    assert_eq!((rig.has(1), rig.has(2)), (vec![1], vec![2]));
    rig.open(3, "c", &[filter("t")]);
    assert_eq!(rig.has(3), [0]);
    rig.close(1);
    assert_eq!((rig.has(2), rig.has(3)), (vec![2], vec![0, 1]));
    rig.close(3);
    assert_eq!(rig.has(2), [2]);
    assert_eq!(rig.readers.reader_of(rig.at(0), "c"), None);
}

#[test]
fn consumers_do_not_know_of_each_other() {
    let mut rig = Rig::with(2);
    rig.open(1, "c", &[filter("t")]);
    rig.open(2, "d", &[filter("t")]);
    assert_eq!((rig.has(1), rig.has(2)), (vec![0, 1], vec![0, 1]));
}

#[test]
fn new_partitions_are_shared_out() {
    let mut rig = Rig::with(1);
    rig.reader(1, 10);
    rig.reader(2, 10);
    rig.grow(4);
    assert_eq!((rig.has(1), rig.has(2)), (vec![0, 2], vec![1, 3]));
    rig.write(3, &[1]);
    rig.start_all(2);
    rig.answer_all();
    assert_eq!(rig.offsets(2).len(), 1);
}

#[test]
fn nothing_is_sent_of_a_partition_that_was_asked_back() {
    let mut rig = Rig::with(2);
    rig.reader(1, 10_000);
    rig.write(1, &[1]);
    rig.answer_all();
    rig.write(1, &[1]);
    // One is being fetched, one is written later.
    rig.open(2, "c", &[filter("t")]);
    rig.write(1, &[1]);
    rig.answer_all();
    assert_eq!(rig.offsets(1)[&2], [0]);
    rig.stop_all(1);
    rig.read(2, 10_000);
    rig.start_all(2);
    rig.answer_all();
    assert_eq!(rig.offsets(2)[&1], [0, 1, 2]);
}

#[test]
fn what_is_about_to_be_sent_is_sent_before_the_stop() {
    let mut rig = Rig::with(2);
    rig.reader(1, 10_000);
    rig.write(1, &[1]);
    rig.write(0, &[1]);
    // The first is here, the second is awaited.
    rig.answer(0, super::super::Fetched::Batch);
    rig.look(1);
    rig.reader(2, 10);
    let said: Vec<FromServer> = rig.look(1);
    assert!(matches!(said[..], [FromServer::Data { .. }, FromServer::Stop { .. }]), "{said:?}");
    assert!(rig.readers.has(conn(1)));
}

#[test]
fn room_that_a_stop_makes_is_used() {
    let mut rig = Rig::with(2);
    rig.reader(1, 100_000);
    rig.write(1, &[1500]);
    // A whole response is on its way, so that this one has to wait.
    rig.write(0, &[1]);
    assert_eq!(rig.fetches.len(), 1);
    rig.open(2, "c", &[filter("t")]);
    rig.answer_all();
    assert_eq!(rig.offsets(1)[&1], [0]);
}
