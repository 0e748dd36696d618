//! A disk that is full of the broker's own files: what makes room is taken all the same, and then writers are.

use super::super::Config;
use super::super::api::*;
use super::rig::*;
use crate::log::api::Phase;
use crate::{ConnId, Dur};
use alloc::vec::Vec;

const CAPACITY: usize = 120_000;

/// Draining soon; with a reserve that is more than what waits here.
fn reserving() -> Config {
    let mut config = draining();
    config.segments.reserve_bytes = 40 << 10;
    config
}

/// Writes until the disk is full. Gives the numbers that were acknowledged.
fn fill(rig: &mut Rig, conn: ConnId) -> u64 {
    rig.capacity = CAPACITY;
    let mut acknowledged = 0;
    for n in 1.. {
        acknowledged += rig.write(conn, [message(n, [7; 300].to_vec())].into()).len() as u64;
        if rig.closed.contains(&conn) {
            break;
        }
        assert!(n < 1_000, "the disk is not full");
        rig.pass(Dur::millis(10));
    }
    let failure = rig.failure(conn);
    assert_eq!(failure.code, super::super::status::OVERLOADED, "{failure:?}");
    acknowledged
}

fn start(config: Config, change: Change) -> (Rig, ConnId) {
    let mut rig = Rig::new(config, 1);
    assert_eq!(rig.ask(Request::Alter { path: "t".into(), change }), Response::Done);
    let (conn, _) = rig.writer(init("p"));
    (rig, conn)
}

/// There is room again: writers are taken, and what is there is read once and in order, also after a crash.
fn goes_on(rig: &mut Rig, acknowledged: u64) {
    rig.pass(Dur::secs(30));
    assert_eq!(rig.broker.phase(), Phase::Ready, "{:?}", rig.marks);
    assert!(rig.marks.contains("room made on a full disk"), "{:?}", rig.marks);
    let (conn, session) = rig.writer(init("p"));
    assert!(session.last_seq_no >= acknowledged);
    let next = session.last_seq_no + 1;
    assert_eq!(rig.write(conn, messages([next])), [written(next, next - 1)]);
    for _ in 0..2 {
        let first = rig.topic().partitions[0].available.start;
        assert!(first > 0, "something was given up");
        let there: Vec<u64> = rig.read_all(0, first).iter().map(|(.., message)| message.seq_no).collect();
        assert_eq!(there, Vec::from_iter(first + 1..=next));
        rig.disk.lose_power();
        rig.restart();
    }
}

#[test]
fn what_may_be_given_up_makes_room() {
    let change = Change { retention_bytes: Some(Some(10_000)), ..Change::default() };
    let (mut rig, conn) = start(reserving(), change);
    let acknowledged = fill(&mut rig, conn);
    assert!(acknowledged > 100, "{acknowledged}");
    goes_on(&mut rig, acknowledged);
}

#[test]
fn without_a_reserve_nobody_makes_room() {
    let mut config = reserving();
    config.segments.reserve_bytes = 0;
    let change = Change { retention_bytes: Some(Some(10_000)), ..Change::default() };
    let (mut rig, conn) = start(config, change);
    fill(&mut rig, conn);
    assert_eq!(rig.ask(Request::Drop { path: "t".into() }), Response::Refused(Refusal::Full));
}

#[test]
fn a_caller_makes_room_by_dropping_and_altering_but_not_by_creating() {
    let (mut rig, conn) = start(reserving(), Change::default());
    let acknowledged = fill(&mut rig, conn);
    rig.pass(Dur::secs(30));
    assert_eq!(rig.broker.phase(), Phase::Full);
    let other = || Request::Create { path: "other".into(), settings: settings(1) };
    assert_eq!(rig.ask(other()), Response::Refused(Refusal::Full));
    let attributes = [("a".into(), "b".repeat(100_000).into())].into();
    let long = Change { attributes, ..Change::default() };
    assert_eq!(rig.ask(Request::Alter { path: "t".into(), change: long }), Response::Refused(Refusal::Full));
    let change = Change { retention_bytes: Some(Some(10_000)), ..Change::default() };
    assert_eq!(rig.ask(Request::Alter { path: "t".into(), change }), Response::Done);
    rig.pass(Dur::secs(90));
    goes_on(&mut rig, acknowledged);

    let (mut rig, conn) = start(reserving(), Change::default());
    fill(&mut rig, conn);
    assert_eq!(rig.ask(Request::Drop { path: "t".into() }), Response::Done);
    rig.pass(Dur::secs(30));
    assert_eq!(rig.broker.phase(), Phase::Ready, "{:?}", rig.marks);
    assert_eq!(rig.ask(other()), Response::Done);
}

/// What was drained stands in the log as well until that is cut, which it is too short for otherwise.
#[test]
fn the_log_is_cut_early() {
    let mut config = reserving();
    config.checkpoint_bytes = 1 << 20;
    let (mut rig, conn) = start(config, Change::default());
    fill(&mut rig, conn);
    rig.pass(Dur::secs(30));
    assert!(rig.marks.contains("log cut"), "{:?}", rig.marks);
    assert_eq!(rig.broker.phase(), Phase::Ready, "{:?}", rig.marks);
    rig.writer(init("p"));
}

#[test]
fn a_shutdown_on_a_full_disk_ends() {
    let (mut rig, conn) = start(reserving(), Change::default());
    fill(&mut rig, conn);
    rig.full = true;
    assert_eq!(rig.ask(Request::Shutdown), Response::Done);
    assert_eq!(rig.broker.phase(), Phase::Closed);
}
