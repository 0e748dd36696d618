//! Each promise, kept once and broken once, in small histories written by hand.

use super::*;
use crate::world::{Seen, Time, Violation};
use bytes::Bytes;
use onceward_core::{
    CallId, ClientId, Dur,
    log::api::{
        Damage, Event, EventId, Expected, Filter, Frontiers, Hash256, Head, Hlc, Key, Name, NewEvent, Part,
        Promise as Told, Query, Receipt, Refusal, Request, Response,
    },
};

fn call(number: u64) -> CallId {
    CallId { client: ClientId(0), number }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn new(id: u128) -> NewEvent {
    let payload = Bytes::from(id.to_string());
    NewEvent {
        id: EventId(id),
        kind: name("k"),
        scope: name("s"),
        correlation: None,
        causation: None,
        payload,
    }
}

fn part(entity: &str, ids: &[u128]) -> Part {
    let events = ids.iter().map(|id| new(*id)).collect();
    Part { entity: name(entity), expected: Expected::Any, key: None, events }
}

fn append(part: Part) -> Request {
    Request::Append { parts: vec![part], deadline: None }
}

fn receipt(position: u64, sequence: u64, count: u32) -> Receipt {
    let time = Hlc { millis: 1 + position + u64::from(count), counter: 0 };
    // What a client of entity `a` is told whose events have their position for id and sequence.
    let chain = (0..position + u64::from(count))
        .fold(Hash256::default(), |link, n| onceward_core::log::store::link(&link, &event(n, n, n.into())));
    Receipt { position, sequence, count, time, chain, promise: Told::Durable, duplicate: false }
}

fn event(position: u64, sequence: u64, id: u128) -> Event {
    let payload = Bytes::from(id.to_string());
    Event {
        position,
        sequence,
        entity: name("a"),
        id: EventId(id),
        kind: name("k"),
        scope: name("s"),
        correlation: EventId(id),
        causation: None,
        time: Hlc { millis: 2 + position, counter: 0 },
        content: Hash256(*blake3::hash(&payload).as_bytes()),
        payload,
    }
}

fn query(filter: Filter) -> Request {
    Request::Read(Query { filter, from: 0, limit: 100, max_bytes: 1 << 20, wait: None })
}

fn page(events: Vec<Event>) -> Response {
    let next = events.len() as u64;
    Response::Events { events, next, end: true }
}

/// A history under construction: each exchange is one call and its answer.
struct Story {
    history: History,
    step: u64,
}

impl Story {
    fn new() -> Story {
        Story { history: History::new(true, 1000), step: 0 }
    }

    fn seen(&mut self) -> Seen {
        self.step += 1;
        Seen { step: self.step, at: Time(self.step) }
    }

    fn ask(&mut self, request: &Request) -> CallId {
        let seen = self.seen();
        self.history.called(seen, call(seen.step), request);
        call(seen.step)
    }

    fn say(&mut self, call: CallId, response: Response) -> Result<(), Violation> {
        let seen = self.seen();
        self.history.replied(seen, call, &response)
    }

    fn exchange(&mut self, request: Request, response: Response) -> Result<(), Violation> {
        let call = self.ask(&request);
        self.say(call, response)
    }

    /// Event `n` of entity `a` is acknowledged at position `n`.
    fn acked(events: u64) -> Story {
        let mut story = Story::new();
        for n in 0..events {
            let told = Response::Appended(vec![receipt(n, n, 1)]);
            story.exchange(append(part("a", &[u128::from(n)])), told).unwrap();
        }
        story
    }
}

#[track_caller]
fn breaks(promise: &str, result: Result<(), Violation>) {
    let violation = result.expect_err("a broken promise must be noticed");
    assert_eq!(violation.promise, promise, "{violation} {:?}", violation.evidence);
    assert!(!violation.evidence.is_empty());
}

#[test]
fn a_plain_story_is_accepted() {
    let mut story = Story::acked(3);
    let events = (0..3).map(|n| event(n, n, u128::from(n))).collect();
    story.exchange(query(Filter::All), page(events)).unwrap();
    story
        .exchange(
            query(Filter::Id(EventId(1))),
            Response::Events { events: vec![event(1, 1, 1)], next: 3, end: true },
        )
        .unwrap();
    assert_eq!(story.history.waiting().count(), 0);
}

#[test]
fn who_calls_after_the_store_was_asked_to_close_may_still_wait_when_it_has() {
    let mut story = Story::new();
    let early = story.ask(&Request::Status);
    let close = story.ask(&Request::Shutdown);
    let late = story.ask(&Request::Status);
    let owed = |story: &Story| story.history.waiting_before_close().collect::<Vec<_>>();
    assert_eq!(owed(&story), [early, close]);
    assert_eq!(story.history.waiting().collect::<Vec<_>>(), [early, close, late]);
    // A store that was started anew has not been asked.
    for call in [early, close, late] {
        story.history.lost(call);
    }
    story.history.booted();
    let again = story.ask(&Request::Status);
    assert_eq!(owed(&story), [again]);
}

#[test]
fn an_acknowledged_event_must_not_be_missing_after_a_crash() {
    let mut story = Story::acked(2);
    story.history.crashed(true);
    breaks(ACKED_IS_DURABLE, story.exchange(query(Filter::All), page(vec![event(0, 0, 0)])));
}

#[test]
fn an_acknowledged_position_must_not_hold_another_event() {
    let mut story = Story::acked(1);
    let lost = story.ask(&append(part("a", &[7])));
    story.history.lost(lost);
    breaks(ACKED_IS_DURABLE, story.exchange(query(Filter::All), page(vec![event(0, 0, 7)])));
}

#[test]
fn an_unknown_append_may_be_there_or_not() {
    for there in [false, true] {
        let mut story = Story::acked(1);
        let lost = story.ask(&append(part("a", &[7])));
        story.history.lost(lost);
        let mut events = vec![event(0, 0, 0)];
        events.extend(there.then(|| event(1, 1, 7)));
        story.exchange(query(Filter::All), page(events)).unwrap();
    }
}

#[test]
fn what_a_reader_saw_must_stay() {
    let mut story = Story::new();
    let open = story.ask(&append(part("a", &[0])));
    story.exchange(query(Filter::All), page(vec![event(0, 0, 0)])).unwrap();
    story.history.lost(open);
    story.history.crashed(true);
    breaks(READS_ARE_DURABLE, story.exchange(query(Filter::All), page(vec![])));
}

#[test]
fn under_a_weaker_policy_power_may_take_what_was_written() {
    let mut story = Story { history: History::new(false, 1000), step: 0 };
    let written = Receipt { promise: Told::Written, ..receipt(0, 0, 1) };
    story.exchange(append(part("a", &[0])), Response::Appended(vec![written.clone()])).unwrap();
    let mut killed = Story { history: story.history.clone(), step: story.step };
    killed.history.crashed(false);
    breaks(READS_ARE_DURABLE, killed.exchange(query(Filter::All), page(vec![])));
    story.history.crashed(true);
    story.exchange(query(Filter::All), page(vec![])).unwrap();
    let told = Receipt { promise: Told::Written, ..receipt(0, 0, 1) };
    story.exchange(append(part("a", &[1])), Response::Appended(vec![told])).unwrap();
    let frontiers = Frontiers { accepted: 1, written: 1, durable: 1, visible: 1 };
    story.exchange(Request::Barrier, Response::Frontiers(frontiers)).unwrap();
    story.history.crashed(true);
    breaks(READS_ARE_DURABLE, story.exchange(query(Filter::All), page(vec![])));
}

#[test]
fn a_retry_of_what_power_took_is_a_first_attempt() {
    let mut story = Story { history: History::new(false, 1000), step: 0 };
    let keyed = || append(Part { key: Some(Key(9)), ..part("a", &[0]) });
    let told = |at, duplicate| {
        Response::Appended(vec![Receipt { promise: Told::Written, duplicate, ..receipt(at, at, 1) }])
    };
    story.exchange(keyed(), told(0, false)).unwrap();
    story.exchange(keyed(), told(0, true)).unwrap();
    let mut killed = Story { history: story.history.clone(), step: story.step };
    killed.history.crashed(false);
    breaks(EXACTLY_ONCE, killed.exchange(keyed(), told(1, true)));
    story.history.crashed(true);
    story.exchange(append(part("a", &[5])), told(0, false)).unwrap();
    story.exchange(keyed(), told(1, false)).unwrap();
    story.exchange(keyed(), told(1, true)).unwrap();
    breaks(EXACTLY_ONCE, story.exchange(keyed(), told(2, true)));
}

#[test]
fn a_durable_store_must_not_answer_with_less() {
    let told = Receipt { promise: Told::Written, ..receipt(0, 0, 1) };
    breaks(ACKED_IS_DURABLE, Story::new().exchange(append(part("a", &[0])), Response::Appended(vec![told])));
}

#[test]
fn positions_are_not_given_twice() {
    breaks(
        DENSE_POSITIONS,
        Story::acked(1).exchange(append(part("a", &[5])), Response::Appended(vec![receipt(0, 1, 1)])),
    );
    breaks(
        DENSE_POSITIONS,
        Story::acked(1).exchange(append(part("a", &[5])), Response::Appended(vec![receipt(1, 0, 1)])),
    );
}

#[test]
fn a_scan_has_no_gap() {
    let mut story = Story::new();
    for id in [0, 1] {
        let lost = story.ask(&append(part("a", &[id])));
        story.history.lost(lost);
    }
    breaks(DENSE_POSITIONS, story.exchange(query(Filter::All), page(vec![event(1, 1, 1)])));
}

#[test]
fn an_event_stands_once() {
    let mut story = Story::acked(1);
    breaks(EXACTLY_ONCE, story.exchange(query(Filter::All), page(vec![event(0, 0, 0), event(1, 1, 0)])));
}

#[test]
fn a_retry_gets_the_first_answer() {
    let keyed = || append(Part { key: Some(Key(9)), ..part("a", &[0]) });
    let again = |position| Response::Appended(vec![Receipt { duplicate: true, ..receipt(position, 0, 1) }]);
    let story = || {
        let mut story = Story::new();
        story.exchange(keyed(), Response::Appended(vec![receipt(0, 0, 1)])).unwrap();
        story
    };
    story().exchange(keyed(), again(0)).unwrap();
    breaks(EXACTLY_ONCE, story().exchange(keyed(), again(3)));
    breaks(EXACTLY_ONCE, story().exchange(keyed(), Response::Appended(vec![receipt(1, 1, 1)])));
    let refusal = Refusal::KeyConflict { position: 0 };
    breaks(EXACTLY_ONCE, story().exchange(keyed(), Response::Refused(refusal)));
}

#[test]
fn another_request_under_a_key_is_refused() {
    let keyed = |id| append(Part { key: Some(Key(9)), ..part("a", &[id]) });
    let mut story = Story::new();
    story.exchange(keyed(0), Response::Appended(vec![receipt(0, 0, 1)])).unwrap();
    let again = Receipt { duplicate: true, ..receipt(0, 0, 1) };
    breaks(EXACTLY_ONCE, story.exchange(keyed(1), Response::Appended(vec![again])));
}

#[test]
fn a_retry_is_looked_at_before_its_guard() {
    let keyed = || append(Part { key: Some(Key(9)), expected: Expected::NoStream, ..part("a", &[0]) });
    let mut story = Story::new();
    story.exchange(keyed(), Response::Appended(vec![receipt(0, 0, 1)])).unwrap();
    let refusal = Refusal::WrongExpected { entity: name("a"), expected: Expected::NoStream, actual: Some(0) };
    breaks(EXACTLY_ONCE, story.exchange(keyed(), Response::Refused(refusal)));
}

#[test]
fn guards_are_judged_with_the_append() {
    let guarded = |expected| append(Part { expected, ..part("a", &[5]) });
    let told = || Response::Appended(vec![receipt(1, 1, 1)]);
    Story::acked(1).exchange(guarded(Expected::Exact(0)), told()).unwrap();
    for wrong in [Expected::NoStream, Expected::Exact(1), Expected::Exact(u64::MAX)] {
        breaks(CAS_IS_ATOMIC, Story::acked(1).exchange(guarded(wrong), told()));
    }
    let refuse = |actual| {
        Response::Refused(Refusal::WrongExpected { entity: name("a"), expected: Expected::Exact(3), actual })
    };
    Story::acked(1).exchange(guarded(Expected::Exact(3)), refuse(Some(0))).unwrap();
    for wrong in [None, Some(3), Some(9)] {
        breaks(CAS_IS_ATOMIC, Story::acked(1).exchange(guarded(Expected::Exact(3)), refuse(wrong)));
    }
}

#[test]
fn a_refused_append_never_appears() {
    let mut story = Story::acked(1);
    story.exchange(append(part("a", &[5])), Response::Refused(Refusal::Overloaded)).unwrap();
    breaks(NOTHING_INVENTED, story.exchange(query(Filter::All), page(vec![event(0, 0, 0), event(1, 1, 5)])));
}

#[test]
fn a_request_is_there_as_a_whole() {
    let mut story = Story::new();
    let lost = story.ask(&append(part("a", &[0, 1])));
    story.history.lost(lost);
    breaks(NOTHING_INVENTED, story.exchange(query(Filter::All), page(vec![event(0, 0, 0)])));
}

#[test]
fn an_index_agrees_with_the_scan() {
    let filters = [
        Filter::Entity(name("a")),
        Filter::Kind(name("k")),
        Filter::Scope(name("s")),
        Filter::Id(EventId(1)),
    ];
    for filter in filters {
        let empty = Response::Events { events: vec![], next: 2, end: true };
        breaks(INDEX_EQUALS_SCAN, Story::acked(2).exchange(query(filter), empty));
    }
}

#[test]
fn causes_and_effects_are_followed() {
    let mut story = Story::new();
    let caused = |id: u64| id.checked_sub(1).map(|id| EventId(u128::from(id)));
    for id in 0..3 {
        let request = append(Part {
            events: vec![NewEvent { causation: caused(id), ..new(id.into()) }],
            ..part("a", &[])
        });
        let lost = story.ask(&request);
        story.history.lost(lost);
    }
    let events =
        || (0..3).map(|n| Event { causation: caused(n), ..event(n, n, n.into()) }).collect::<Vec<_>>();
    story.exchange(query(Filter::All), page(events())).unwrap();
    for filter in
        [Filter::CausesOf(EventId(2)), Filter::EffectsOf(EventId(0)), Filter::Correlation(EventId(0))]
    {
        let mut cut = Story { history: story.history.clone(), step: story.step };
        cut.exchange(query(filter.clone()), page(events())).unwrap();
        let mut events = events();
        events.remove(1);
        breaks(
            INDEX_EQUALS_SCAN,
            cut.exchange(query(filter), Response::Events { events, next: 3, end: true }),
        );
    }
}

#[test]
fn hashes_recompute() {
    let mut story = Story::acked(1);
    let tampered = Event { content: Hash256([1; 32]), ..event(0, 0, 0) };
    breaks(CHAIN_VERIFIES, story.exchange(query(Filter::All), page(vec![tampered])));
    let mut story = Story::acked(1);
    let edited = Event { time: Hlc { millis: 3, counter: 0 }, ..event(0, 0, 0) };
    breaks(CHAIN_VERIFIES, story.exchange(query(Filter::All), page(vec![edited])));
    let mut story = Story::acked(1);
    let head = Head { sequence: 0, position: 0, chain: Hash256([9; 32]) };
    breaks(CHAIN_VERIFIES, story.exchange(Request::Head { entity: name("a") }, Response::Head(Some(head))));
    breaks(
        INDEX_EQUALS_SCAN,
        Story::acked(1).exchange(Request::Head { entity: name("a") }, Response::Head(None)),
    );
    let damage = Damage { file: "x".into(), offset: 0, what: "y".into() };
    breaks(
        CHAIN_VERIFIES,
        Story::acked(1).exchange(Request::Verify, Response::Refused(Refusal::Damaged(damage))),
    );
}

#[test]
fn damage_needs_a_reason() {
    let damaged =
        || Response::Refused(Refusal::Damaged(Damage { file: "x".into(), offset: 0, what: "y".into() }));
    breaks(RECOVERY_IS_TOTAL, Story::acked(1).exchange(query(Filter::All), damaged()));
    let mut story = Story::acked(1);
    story.history.damaged();
    story.exchange(query(Filter::All), damaged()).unwrap();
}

#[test]
fn time_grows_with_position() {
    let mut story = Story::acked(1);
    let late = Receipt { time: Hlc { millis: 2, counter: 0 }, ..receipt(1, 1, 1) };
    breaks(TIME_ORDERS_EFFECTS, story.exchange(append(part("a", &[1])), Response::Appended(vec![late])));
}

#[test]
fn a_subscriber_learns_of_its_gap() {
    let subscribe = Request::Subscribe { filter: Filter::All, capacity: 1 };
    let story = || {
        let mut story = Story::new();
        story.exchange(subscribe.clone(), Response::Subscribed { subscription: 1, from: 0 }).unwrap();
        for n in 0..3 {
            let told = Response::Appended(vec![receipt(n, n, 1)]);
            story.exchange(append(part("a", &[u128::from(n)])), told).unwrap();
        }
        story
    };
    let next = || Request::Next { subscription: 1, wait: Dur::ZERO };
    let told = |positions: &[u64], missed| Response::Notified { positions: positions.to_vec(), missed };
    story().exchange(next(), told(&[2], Some((0, 2)))).unwrap();
    story().exchange(next(), told(&[0, 1, 2], None)).unwrap();
    breaks(SUBSCRIBER_SEES_GAP, story().exchange(next(), told(&[2], None)));
    breaks(SUBSCRIBER_SEES_GAP, story().exchange(next(), told(&[], None)));
    breaks(SUBSCRIBER_SEES_GAP, story().exchange(next(), told(&[2], Some((1, 2)))));
}

#[test]
fn a_cursor_never_goes_back() {
    let mut story = Story::acked(2);
    story.exchange(Request::SaveCursor { reader: name("r"), position: 2 }, Response::Done).unwrap();
    story.exchange(Request::LoadCursor { reader: name("r") }, Response::Cursor(Some(2))).unwrap();
    let load = || Request::LoadCursor { reader: name("r") };
    story.history.crashed(true);
    breaks(ACKED_IS_DURABLE, story.exchange(load(), Response::Cursor(Some(1))));
    // Under a weaker policy only the power takes it back.
    let mut story = Story { history: History::new(false, 1000), step: 0 };
    story.exchange(Request::SaveCursor { reader: name("r"), position: 0 }, Response::Done).unwrap();
    story.history.crashed(false);
    breaks(ACKED_IS_DURABLE, story.exchange(load(), Response::Cursor(None)));
    story.history.crashed(true);
    story.exchange(load(), Response::Cursor(None)).unwrap();
}

#[test]
fn a_barrier_covers_what_was_known() {
    let frontiers = Frontiers { accepted: 2, written: 2, durable: 1, visible: 1 };
    breaks(ACKED_IS_DURABLE, Story::acked(2).exchange(Request::Barrier, Response::Frontiers(frontiers)));
}

#[test]
fn an_answer_without_a_question_is_noticed() {
    breaks(EVERYTHING_ANSWERED, Story::new().say(call(1), Response::Done));
    breaks(EVERYTHING_ANSWERED, Story::acked(1).exchange(Request::Status, Response::Done));
    breaks(
        EVERYTHING_ANSWERED,
        Story::acked(1).exchange(Request::Status, Response::Refused(Refusal::Closing)),
    );
}
