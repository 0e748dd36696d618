//! Reads, waits and subscriptions.

use super::rig::*;
use crate::{Dur, log::api::*};
use alloc::{collections::BTreeMap, vec, vec::Vec};

fn wait(filter: Filter, from: u64) -> Request {
    Request::Read(Query { filter, from, limit: 10, max_bytes: 1 << 20, wait: Some(Dur::millis(50)) })
}

/// Three conversations over several segments: every event reacts to one that stands a few before it.
fn story(rig: &mut Rig) {
    for id in 0..150u128 {
        let mut part = part(["a", "b", "c", "d"][id as usize % 4], Expected::Any, &[id + 1]);
        part.events[0].scope = name(["north", "south"][id as usize / 7 % 2]);
        part.events[0].kind = name(["opened", "closed", "paid"][id as usize / 5 % 3]);
        part.events[0].causation = (id >= 3).then(|| EventId(id - 2));
        rig.receipts(append(vec![part]));
    }
}

#[test]
fn every_filter_gives_what_a_scan_gives() {
    let mut rig = Rig::new(config());
    story(&mut rig);
    let all = rig.events(read(Filter::All));
    assert_eq!(all.len(), 150);
    let chosen = |wanted: &dyn Fn(&Event) -> bool| -> Vec<Event> {
        all.iter().filter(|event| wanted(event)).cloned().collect()
    };
    let mut expected = vec![
        (Filter::Entity(name("c")), chosen(&|event| event.entity == name("c"))),
        (Filter::Scope(name("south")), chosen(&|event| event.scope == name("south"))),
        (Filter::Kind(name("paid")), chosen(&|event| event.kind == name("paid"))),
        (Filter::Id(EventId(70)), chosen(&|event| event.id == EventId(70))),
        (Filter::Correlation(EventId(2)), chosen(&|event| event.correlation == EventId(2))),
        (Filter::Entity(name("nobody")), vec![]),
    ];
    let causes: BTreeMap<_, _> = all.iter().map(|event| (event.id, event.causation)).collect();
    let reaches = |mut id: EventId, root: EventId| loop {
        if id == root {
            return true;
        }
        let Some(cause) = causes[&id] else { return false };
        id = cause;
    };
    let leaf = EventId(142);
    expected.push((Filter::EffectsOf(EventId(13)), chosen(&|event| reaches(event.id, EventId(13)))));
    expected.push((Filter::CausesOf(leaf), chosen(&|event| reaches(leaf, event.id))));
    assert!(
        expected
            .iter()
            .all(|(filter, events)| events.len() > 1 || matches!(filter, Filter::Id(_) | Filter::Entity(_)))
    );
    for restart in [false, true] {
        for (filter, events) in &expected {
            assert_eq!(rig.events(read(filter.clone())), *events, "{filter:?}");
            // In pages, from every third position.
            for from in (0..150).step_by(3) {
                let page = rig.events(read_from(filter.clone(), from, 4));
                let wanted: Vec<_> =
                    events.iter().filter(|event| event.position >= from).take(4).cloned().collect();
                assert_eq!(page, wanted, "{filter:?} from {from}");
            }
        }
        if !restart {
            rig.restart();
        }
    }
    assert!(rig.marks.contains("read from a sealed segment"));
}

#[test]
fn pages_end_where_the_next_begins() {
    let mut rig = Rig::new(config());
    rig.fill(0..100);
    let (mut from, mut seen) = (0, Vec::new());
    loop {
        let Response::Events { events, next, end } = rig.ask(read_from(Filter::Entity(name("b")), from, 7))
        else {
            panic!()
        };
        seen.extend(events.iter().map(|event| event.position));
        if end {
            break;
        }
        assert!(next > from);
        from = next;
    }
    assert_eq!(seen, (0..100).filter(|n| n % 3 == 1).collect::<Vec<u64>>());
}

#[test]
fn a_page_holds_so_many_bytes_but_at_least_one_event() {
    let mut rig = Rig::new(config());
    rig.fill(0..5);
    let read =
        |max_bytes| Request::Read(Query { filter: Filter::All, from: 0, limit: 10, max_bytes, wait: None });
    assert_eq!(rig.events(read(1)).len(), 1);
    assert_eq!(rig.events(read(59)).len(), 2);
    assert_eq!(rig.events(read(60)).len(), 3);
}

#[test]
fn a_reader_waits_for_the_next_event_or_its_time() {
    let mut rig = Rig::new(config());
    rig.fill(0..4);
    let waiting = rig.call(wait(Filter::Entity(name("b")), 2));
    rig.run();
    assert_eq!(rig.answer(waiting), None);
    rig.fill(6..8);
    let Some(Response::Events { events, next, .. }) = rig.answer(waiting) else { panic!() };
    assert_eq!((events[0].id, next), (EventId(7), 6));
    let waiting = rig.call(wait(Filter::Entity(name("b")), 6));
    rig.pass(Dur::millis(49));
    assert_eq!(rig.answer(waiting), None);
    rig.pass(Dur::millis(1));
    assert_eq!(rig.answer(waiting), Some(Response::Events { events: vec![], next: 6, end: true }));
}

#[test]
fn the_chain_can_be_worked_out_from_what_is_read() {
    let mut rig = Rig::new(config());
    let mut told = BTreeMap::new();
    for id in 0..90 {
        let receipt =
            rig.receipts(append(vec![part(["a", "b"][id as usize % 2], Expected::Any, &[id])])).remove(0);
        told.insert(receipt.position, receipt.chain);
    }
    let mut chain = Hash256::default();
    for event in rig.events(read(Filter::Entity(name("a")))) {
        chain = super::super::link(&chain, &event);
        assert_eq!(told[&event.position], chain);
        assert_eq!(event.content, Hash256(*blake3::hash(&event.payload).as_bytes()));
    }
    let head = Head { sequence: 44, position: 88, chain };
    assert_eq!(rig.ask(Request::Head { entity: name("a") }), Response::Head(Some(head)));
}

#[test]
fn a_slow_subscriber_learns_what_it_missed_and_blocks_nobody() {
    let mut rig = Rig::new(config());
    rig.fill(0..1);
    let filter = Filter::Entity(name("b"));
    let Response::Subscribed { subscription, from } = rig.ask(Request::Subscribe { filter, capacity: 2 })
    else {
        panic!()
    };
    assert_eq!(from, 1);
    let next = |wait| Request::Next { subscription, wait };
    rig.fill(1..3);
    assert_eq!(rig.ask(next(Dur::ZERO)), Response::Notified { positions: vec![1], missed: None });
    rig.fill(3..15);
    // 4, 7, 10 and 13 match; two are kept.
    assert_eq!(
        rig.ask(next(Dur::ZERO)),
        Response::Notified { positions: vec![10, 13], missed: Some((4, 8)) }
    );
    let waiting = rig.call(next(Dur::millis(5)));
    rig.fill(15..17);
    assert_eq!(rig.answer(waiting), Some(Response::Notified { positions: vec![16], missed: None }));
    let waiting = rig.call(next(Dur::millis(5)));
    rig.pass(Dur::millis(5));
    assert_eq!(rig.answer(waiting), Some(Response::Notified { positions: vec![], missed: None }));
    assert_eq!(rig.ask(Request::Unsubscribe { subscription }), Response::Done);
    assert_eq!(rig.refusal(next(Dur::ZERO)), Refusal::NoSubscription);
}

#[test]
fn a_footer_that_cannot_be_read_is_rebuilt_from_the_log() {
    let mut rig = Rig::new(config());
    rig.fill(0..150);
    rig.restart();
    assert!(rig.marks.contains("footer taken over"));
    // The last bytes of every sealed file belong to its footer.
    let sealed: Vec<_> = rig.disk.files.keys().cloned().collect();
    for file in &sealed[..sealed.len() - 1] {
        let (seen, _) = rig.disk.files.get_mut(file).unwrap();
        let end = seen.len();
        seen[end - 8..].fill(0xff);
    }
    assert_eq!(rig.ids(Filter::Entity(name("b"))), (0..150).filter(|n| n % 3 == 1).collect::<Vec<_>>());
    assert_eq!(rig.verified().events, 150);
    // Opening without footers gives the same history.
    rig.restart();
    assert_eq!(rig.ids(Filter::All), (0..150).collect::<Vec<_>>());
    assert_eq!(rig.verified().events, 150);
}
