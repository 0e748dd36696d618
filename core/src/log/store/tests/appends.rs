//! Guards, keys, ids, causes, batches, limits, deadlines.

use super::rig::*;
use crate::{Dur, Wall, log::api::*};
use alloc::{vec, vec::Vec};

fn keyed(entity: &str, expected: Expected, key: u128, ids: &[u128]) -> Part {
    Part { key: Some(Key(key)), ..part(entity, expected, ids) }
}

#[test]
fn positions_and_sequences_are_dense() {
    let mut rig = Rig::new(config());
    let first = rig.receipts(append(vec![part("a", Expected::Any, &[1, 2]), part("b", Expected::Any, &[3])]));
    let second = rig.receipts(append(vec![part("a", Expected::Any, &[4])]));
    let places =
        |receipts: &[Receipt]| receipts.iter().map(|r| (r.position, r.sequence, r.count)).collect::<Vec<_>>();
    assert_eq!(places(&first), [(0, 0, 2), (2, 0, 1)]);
    assert_eq!(places(&second), [(3, 2, 1)]);
    assert!(first.iter().all(|receipt| receipt.promise == Promise::Durable && !receipt.duplicate));
}

#[test]
fn guards_know_absent_from_first() {
    let mut rig = Rig::new(config());
    let wrong = |expected, actual| Refusal::WrongExpected { entity: name("a"), expected, actual };
    for expected in [Expected::Exists, Expected::Exact(0)] {
        assert_eq!(rig.refusal(append(vec![part("a", expected, &[1])])), wrong(expected, None));
    }
    rig.receipts(append(vec![part("a", Expected::NoStream, &[1])]));
    for expected in [Expected::NoStream, Expected::Exact(1)] {
        assert_eq!(rig.refusal(append(vec![part("a", expected, &[2])])), wrong(expected, Some(0)));
    }
    rig.receipts(append(vec![part("a", Expected::Exact(0), &[2])]));
    rig.receipts(append(vec![part("a", Expected::Exists, &[3])]));
}

#[test]
fn a_retry_gets_the_same_receipt_though_the_guard_no_longer_holds() {
    let mut rig = Rig::new(config());
    let request = append(vec![keyed("a", Expected::NoStream, 9, &[1, 2]), part("b", Expected::Any, &[3])]);
    let first = rig.receipts(request.clone());
    for restarts in 0..2 {
        let again = rig.receipts(request.clone());
        let marked = again.iter().map(|receipt| Receipt { duplicate: false, ..receipt.clone() });
        assert_eq!(marked.collect::<Vec<_>>(), first);
        assert!(again.iter().all(|receipt| receipt.duplicate));
        if restarts == 0 {
            rig.restart();
        }
    }
    assert!(rig.marks.contains("retry after the guard no longer holds"));
    assert_eq!(rig.ids(Filter::All), [1, 2, 3]);
}

#[test]
fn a_key_answers_for_one_request_of_one_entity() {
    let mut rig = Rig::new(config());
    rig.receipts(append(vec![keyed("a", Expected::Any, 9, &[1])]));
    let conflict = Refusal::KeyConflict { position: 0 };
    assert_eq!(rig.refusal(append(vec![keyed("a", Expected::Any, 9, &[2])])), conflict);
    let mut other = keyed("a", Expected::Any, 9, &[1]);
    other.events[0].payload = bytes::Bytes::from_static(b"other");
    assert_eq!(rig.refusal(append(vec![other])), conflict);
    let both = vec![keyed("a", Expected::Any, 9, &[1]), part("b", Expected::Any, &[5])];
    assert_eq!(rig.refusal(append(both)), conflict, "more work under the same key is another request");
    rig.receipts(append(vec![keyed("b", Expected::Any, 9, &[2])]));
}

#[test]
fn keys_are_forgotten_by_position_and_alike_after_a_restart() {
    let mut plan = config();
    plan.dedup_horizon = 4;
    let request = append(vec![keyed("a", Expected::Any, 9, &[100])]);
    for restart in [false, true] {
        let mut rig = Rig::new(plan.clone());
        rig.receipts(request.clone());
        rig.fill(0..3);
        if restart {
            rig.restart();
        }
        assert!(rig.receipts(request.clone())[0].duplicate, "three events follow");
        rig.fill(3..4);
        if restart {
            rig.restart();
        }
        let id = EventId(100);
        assert_eq!(rig.refusal(request.clone()), Refusal::IdTaken { id, position: 0 }, "four events follow");
        rig.receipts(append(vec![keyed("a", Expected::Any, 9, &[101])]));
        assert!(rig.marks.contains("key expired"));
    }
}

#[test]
fn keys_come_back_through_footers() {
    let mut rig = Rig::new(config());
    let request =
        append(vec![keyed("k", Expected::NoStream, 9, &[1_000]), keyed("l", Expected::Any, 9, &[1_001])]);
    let first = rig.receipts(request.clone());
    rig.fill(0..200);
    rig.restart();
    assert!(rig.marks.contains("footer taken over"));
    let again = rig.receipts(request);
    assert_eq!(
        again.iter().map(|r| r.chain).collect::<Vec<_>>(),
        first.iter().map(|r| r.chain).collect::<Vec<_>>()
    );
    assert!(again[1].duplicate);
}

#[test]
fn a_batch_is_all_or_nothing() {
    let mut rig = Rig::new(config());
    rig.receipts(append(vec![part("b", Expected::Any, &[1])]));
    let parts = vec![part("a", Expected::Any, &[2]), part("b", Expected::NoStream, &[3])];
    assert!(matches!(rig.refusal(append(parts)), Refusal::WrongExpected { .. }));
    assert_eq!(rig.ids(Filter::All), [1]);
    assert_eq!(rig.ask(Request::Head { entity: name("a") }), Response::Head(None));
    assert_eq!(rig.receipts(append(vec![part("a", Expected::NoStream, &[2])]))[0].position, 1);
}

#[test]
fn a_reaction_inherits_the_conversation_even_from_a_sealed_segment() {
    let mut rig = Rig::new(config());
    let mut root = part("a", Expected::Any, &[1_000]);
    root.events[0].correlation = Some(EventId(7_700));
    rig.receipts(append(vec![root]));
    rig.fill(0..200);
    let mut reaction = part("b", Expected::Any, &[1_001, 1_002]);
    reaction.events[0].causation = Some(EventId(1_000));
    reaction.events[1].causation = Some(EventId(1_001));
    rig.receipts(append(vec![reaction]));
    assert!(rig.marks.contains("cause looked up in a sealed segment"));
    let events = rig.events(read(Filter::Correlation(EventId(7_700))));
    assert_eq!(events.iter().map(|event| event.id.0).collect::<Vec<_>>(), [1_000, 1_001, 1_002]);
    assert_eq!(events[2].causation, Some(EventId(1_001)));
    let mut orphan = part("b", Expected::Any, &[1_003]);
    orphan.events[0].causation = Some(EventId(5_555));
    assert_eq!(rig.refusal(append(vec![orphan])), Refusal::NoCause { id: EventId(5_555) });
}

#[test]
fn an_event_id_is_unique_in_the_whole_store() {
    let mut rig = Rig::new(config());
    rig.fill(0..200);
    for id in [0, 100, 199] {
        let refusal = rig.refusal(append(vec![part("x", Expected::Any, &[id])]));
        assert_eq!(refusal, Refusal::IdTaken { id: EventId(id), position: id as u64 });
    }
    assert!(matches!(
        rig.refusal(append(vec![part("x", Expected::Any, &[7_000, 7_000])])),
        Refusal::Invalid(_)
    ));
}

#[test]
fn what_is_out_of_bounds_is_refused_by_name() {
    let mut plan = config();
    (plan.payload_bytes, plan.request_bytes, plan.request_events) = (20, 50, 3);
    let mut rig = Rig::new(plan);
    assert!(matches!(rig.refusal(append(vec![])), Refusal::Invalid(_)));
    assert!(matches!(rig.refusal(append(vec![part("a", Expected::Any, &[])])), Refusal::Invalid(_)));
    let twice = vec![part("a", Expected::Any, &[1]), part("a", Expected::Any, &[2])];
    assert!(matches!(rig.refusal(append(twice)), Refusal::Invalid(_)));
    let limit = |refusal| match refusal {
        Refusal::Limit { is, limit, .. } => (is, limit),
        other => panic!("{other:?}"),
    };
    assert_eq!(limit(rig.refusal(append(vec![part("a", Expected::Any, &[1, 2, 3, 4])]))), (4, 3));
    assert_eq!(limit(rig.refusal(append(vec![part("a", Expected::Any, &[1, 2, 3])]))), (60, 50));
    let mut large = part("a", Expected::Any, &[1]);
    large.events[0].payload = bytes::Bytes::from_static(&[0; 21]);
    assert_eq!(limit(rig.refusal(append(vec![large]))), (21, 20));
    rig.receipts(append(vec![part("a", Expected::Any, &[1, 2])]));
}

#[test]
fn time_orders_effects_whatever_the_wall_clock_does() {
    let mut rig = Rig::new(config());
    let year = 365 * 24 * 3_600_000_000_000;
    let mut last = rig.receipts(append(vec![part("a", Expected::Any, &[1])]))[0].time;
    let now = rig.clock.wall.0;
    for (id, wall) in [(2, now + year), (3, now), (4, 0), (5, now)] {
        rig.clock.wall = Wall(wall);
        let mut reaction = part("b", Expected::Any, &[id]);
        reaction.events[0].causation = Some(EventId(id - 1));
        let time = rig.receipts(append(vec![reaction]))[0].time;
        assert!(time > last);
        last = time;
        rig.restart();
    }
    assert!(rig.marks.contains("wall clock ran back"));
}

#[test]
fn an_append_that_cannot_begin_in_time_is_refused_and_leaves_nothing() {
    let mut plan = config();
    (plan.payload_bytes, plan.request_bytes, plan.request_events) = (1_000, 1_000, 1);
    plan.segments.queue_bytes = 1_000 + 1_024;
    plan.queue_requests = 2;
    let mut rig = Rig::new(plan);
    rig.hold_all = true;
    let mut large = |id| {
        let mut part = part("a", Expected::Any, &[id]);
        part.events[0].payload = bytes::Bytes::from(vec![0; 900]);
        Request::Append { parts: vec![part], deadline: Some(Dur::millis(10)) }
    };
    let requests: Vec<_> = (1..=4).map(&mut large).collect();
    let calls: Vec<_> = requests.into_iter().map(|request| rig.call(request)).collect();
    assert_eq!(rig.answer(calls[3]), Some(Response::Refused(Refusal::Overloaded)));
    rig.pass(Dur::millis(20));
    for call in &calls[1..3] {
        assert_eq!(rig.answer(*call), Some(Response::Refused(Refusal::Deadline)));
    }
    rig.hold_all = false;
    rig.run();
    assert!(matches!(rig.answer(calls[0]), Some(Response::Appended(_))), "what was begun is finished");
    assert_eq!(rig.ids(Filter::All), [1]);
}
