//! What is answered, shown and told only when it is durable; failures; cursors; the end.

use super::rig::*;
use crate::{DiskError, Dur, log::api::*};
use alloc::{vec, vec::Vec};

fn keyed(id: u128) -> Request {
    append(vec![Part { key: Some(Key(9)), ..part("z", Expected::NoStream, &[id]) }])
}

/// A store with one durable event and a second whose sync is not answered.
fn half_done(plan: super::super::Config) -> (Rig, crate::CallId) {
    let mut rig = Rig::new(plan);
    rig.fill(0..1);
    rig.hold_syncs = true;
    let call = rig.call(append(vec![part("b", Expected::Any, &[1, 2])]));
    rig.run();
    (rig, call)
}

#[test]
fn nothing_is_answered_shown_or_told_before_it_is_durable() {
    let (mut rig, first) = half_done(config());
    let Response::Subscribed { subscription, .. } =
        rig.ask(Request::Subscribe { filter: Filter::All, capacity: 5 })
    else {
        panic!()
    };
    let told = rig.call(Request::Next { subscription, wait: Dur::secs(9) });
    let head = rig.call(Request::Head { entity: name("b") });
    let guard = rig.call(append(vec![part("b", Expected::NoStream, &[3])]));
    let taken = rig.call(append(vec![part("c", Expected::Any, &[2])]));
    let passed = rig.call(Request::Await { frontier: Frontier::Durable, position: 2 });
    let synced = rig.call(Request::Barrier);
    rig.run();
    assert_eq!(rig.ids(Filter::All), [0]);
    for call in [first, told, head, guard, taken, passed, synced] {
        assert_eq!(rig.answer(call), None);
    }
    assert_eq!(rig.store.frontiers(), Frontiers { accepted: 3, written: 3, durable: 1, visible: 1 });
    rig.hold_syncs = false;
    rig.run();
    assert!(matches!(rig.answer(first), Some(Response::Appended(_))));
    assert_eq!(rig.answer(told), Some(Response::Notified { positions: vec![1, 2], missed: None }));
    assert!(matches!(rig.answer(head), Some(Response::Head(Some(Head { sequence: 1, position: 2, .. })))));
    assert!(matches!(
        rig.answer(guard),
        Some(Response::Refused(Refusal::WrongExpected { actual: Some(1), .. }))
    ));
    assert!(matches!(rig.answer(taken), Some(Response::Refused(Refusal::IdTaken { position: 2, .. }))));
    assert!(matches!(rig.answer(passed), Some(Response::Frontiers(_))));
    assert!(matches!(rig.answer(synced), Some(Response::Frontiers(Frontiers { durable: 3, .. }))));
}

#[test]
fn a_weaker_policy_says_so() {
    let mut plan = config();
    plan.promise = Promise::Written;
    let (mut rig, first) = half_done(plan);
    let Some(Response::Appended(receipts)) = rig.answer(first) else { panic!() };
    assert_eq!(receipts[0].promise, Promise::Written);
    assert_eq!(rig.ids(Filter::All), [0, 1, 2]);
    assert_eq!(rig.store.frontiers(), Frontiers { accepted: 3, written: 3, durable: 1, visible: 3 });
}

#[test]
fn a_retry_waits_until_the_original_is_durable() {
    let mut rig = Rig::new(config());
    rig.fill(0..1);
    rig.hold_syncs = true;
    let first = rig.call(keyed(1));
    let again = rig.call(keyed(1));
    let other = rig.call(keyed(2));
    rig.run();
    for call in [first, again, other] {
        assert_eq!(rig.answer(call), None);
    }
    assert!(rig.marks.contains("retry before the original is durable"));
    // Power is lost before the answer: the retry of the retry does the work.
    rig.disk.lose_power();
    rig.restart();
    assert!(!rig.receipts(keyed(1))[0].duplicate);
    assert!(rig.receipts(keyed(1))[0].duplicate);
}

#[test]
fn an_append_whose_syncs_fail_is_unknown_and_keeps_its_place() {
    let mut rig = Rig::new(config());
    rig.fill(0..1);
    rig.fail_syncs = 1_000;
    let first = rig.call(keyed(1));
    let again = rig.call(keyed(1));
    let guard = rig.call(append(vec![part("z", Expected::NoStream, &[5])]));
    rig.pass(Dur::secs(5));
    let cause = DiskError::Io;
    assert_eq!(rig.answer(first), Some(Response::Refused(Refusal::Unknown { cause })));
    assert_eq!(rig.answer(again), Some(Response::Refused(Refusal::Unknown { cause })));
    assert_eq!(rig.answer(guard), Some(Response::Refused(Refusal::Disk { cause })));
    assert_eq!(rig.refusal(keyed(1)), Refusal::Unknown { cause }, "a retry meanwhile");
    assert_eq!(rig.refusal(append(vec![part("c", Expected::Any, &[7])])), Refusal::Disk { cause });
    assert_eq!(rig.ids(Filter::All), [0]);
    rig.fail_syncs = 0;
    rig.pass(Dur::secs(5));
    assert!(rig.receipts(keyed(1))[0].duplicate, "it came through");
    assert_eq!(rig.receipts(append(vec![part("c", Expected::Any, &[7])]))[0].position, 2);
    assert_eq!(rig.ids(Filter::All), [0, 1, 7]);
    assert_eq!(rig.verified().events, 3);
    rig.restart();
    assert_eq!(rig.ids(Filter::All), [0, 1, 7]);
}

#[test]
fn cursors_are_durable_and_never_go_back() {
    let mut rig = Rig::new(config());
    rig.fill(0..5);
    let save = |position| Request::SaveCursor { reader: name("r"), position };
    let load = || Request::LoadCursor { reader: name("r") };
    assert_eq!(rig.ask(load()), Response::Cursor(None));
    assert_eq!(rig.refusal(save(6)), Refusal::CursorOutOfRange { from: 0, to: 5 });
    assert_eq!(rig.ask(save(3)), Response::Done);
    assert_eq!(rig.refusal(save(2)), Refusal::CursorOutOfRange { from: 3, to: 5 });
    rig.hold_syncs = true;
    let later = rig.call(save(4));
    rig.run();
    assert_eq!(rig.answer(later), None);
    assert_eq!(rig.ask(load()), Response::Cursor(Some(3)));
    rig.hold_syncs = false;
    rig.run();
    assert_eq!(rig.answer(later), Some(Response::Done));
    for _ in 0..2 {
        assert_eq!(rig.ask(load()), Response::Cursor(Some(4)));
        // Positions take no notice of cursors, through a footer either.
        rig.fill(rig.store.frontiers().accepted.into()..rig.store.frontiers().accepted as u128 + 100);
        rig.restart();
    }
    let positions: Vec<_> = rig.events(read(Filter::All)).iter().map(|event| event.position).collect();
    assert_eq!(positions, (0..205).collect::<Vec<_>>());
    rig.verified();
}

#[test]
fn shutdown_answers_everybody_and_the_next_opening_is_clean() {
    let mut rig = Rig::new(config());
    rig.fill(0..4);
    let waiting = Query { filter: Filter::All, from: 4, limit: 1, max_bytes: 1, wait: Some(Dur::secs(9)) };
    let waiting = rig.call(Request::Read(waiting));
    let passed = rig.call(Request::Await { frontier: Frontier::Visible, position: 9 });
    let last = rig.call(append(vec![part("a", Expected::Any, &[4])]));
    let closed = rig.call(Request::Shutdown);
    let late = rig.call(append(vec![part("a", Expected::Any, &[5])]));
    rig.run();
    let closing = Some(Response::Refused(Refusal::Closing));
    assert_eq!(
        [waiting, passed, late].map(|call| rig.answer(call)),
        [closing.clone(), closing.clone(), closing]
    );
    assert!(matches!(rig.answer(last), Some(Response::Appended(_))));
    assert_eq!(rig.answer(closed), Some(Response::Done));
    assert_eq!(rig.refusal(read(Filter::All)), Refusal::Closing);
    assert_eq!(rig.store.phase(), Phase::Closed);
    rig.restart();
    let Response::Status(status) = rig.ask(Request::Status) else { panic!() };
    assert!(status.recovery.is_some_and(|recovered| recovered.clean && recovered.events == 5));
    assert_eq!(rig.ids(Filter::All), [0, 1, 2, 3, 4]);
}

#[test]
fn shutdown_drains_up_to_its_limit_and_refuses_the_rest() {
    let mut plan = config();
    (plan.payload_bytes, plan.request_bytes, plan.request_events) = (1_000, 1_000, 1);
    (plan.segments.queue_bytes, plan.drain_requests) = (1_000 + 1_024, 1);
    let mut rig = Rig::new(plan);
    rig.hold_all = true;
    let large = |id| {
        let mut part = part("a", Expected::Any, &[id]);
        part.events[0].payload = bytes::Bytes::from(vec![0; 900]);
        append(vec![part])
    };
    let calls: Vec<_> = (1..=4).map(|id| rig.call(large(id))).collect();
    let closed = rig.call(Request::Shutdown);
    rig.hold_all = false;
    rig.run();
    let done: Vec<_> =
        calls.iter().map(|call| matches!(rig.answer(*call), Some(Response::Appended(_)))).collect();
    assert_eq!(done, [true, true, false, false]);
    assert_eq!(rig.answer(closed), Some(Response::Done));
    assert!(rig.marks.contains("drain limit reached"));
    rig.restart();
    assert_eq!(rig.ids(Filter::All), [1, 2]);
}

#[test]
fn calls_before_the_end_of_recovery_are_refused() {
    let mut rig = Rig::new(config());
    rig.fill(0..4);
    let config = rig.store.config().clone();
    let disk = core::mem::take(&mut rig.disk);
    let mut store = super::super::EventStore::new(config).unwrap();
    let mut actions = Vec::new();
    let call = crate::CallId::default();
    use crate::{Action, Input, Machine};
    store.step(rig.clock, Input::Boot, &mut actions);
    assert!(!disk.files.is_empty() && actions.iter().any(|action| matches!(action, Action::Disk(..))));
    store.step(rig.clock, Input::Call(call, read(Filter::All)), &mut actions);
    store.step(rig.clock, Input::Call(call, Request::Shutdown), &mut actions);
    let replies: Vec<_> =
        actions.iter().filter(|action| matches!(action, Action::Reply(..))).cloned().collect();
    let refused = Response::Refused(Refusal::Recovering);
    assert_eq!(replies, [Action::Reply(call, refused), Action::Reply(call, Response::Done)]);
}
