//! Each promise, broken by a history made by hand, and kept by one that differs in that alone.

use super::*;
use crate::spec::publish::{FLUSH_AND_CLOSE_SETTLE, RETRIES_SPACED, SILENT_AFTER_END};
use onceward_core::{
    Dur, Wall, Window,
    reader::{
        Action, Config, Event, Failure, Input, Part, StreamId, Ticket, Timer,
        api::{End, Refusal},
        failure::Breach,
        wire::{Batch, Commit, FromClient, FromServer, PartitionData, PartitionSessionId, Range},
    },
    writer::wire::{Codec, Numbered, Payload},
};

const STREAM: StreamId = StreamId(1);
const SESSION: PartitionSessionId = PartitionSessionId(7);
const PART: Part = Part { stream: STREAM, session: SESSION, number: 1 };
const TICKET: Ticket = Ticket(3);

fn config() -> Config {
    Config { buffer_bytes: 100, ..Config::new("topic", "consumer") }
}

fn range(start: u64, end: u64) -> Range {
    Range { start, end }
}

/// A step: what happens to the reader, and what it does about it.
fn step(history: &mut History, input: Input, does: &[Action]) {
    history.before(&input);
    does.iter().for_each(|action| history.does(action, &config()));
    history.after();
}

fn says(said: FromServer) -> Input {
    Input::Received(STREAM, said)
}

fn send(said: FromClient) -> Action {
    Action::Send(STREAM, said)
}

fn tell(event: Event) -> Action {
    Action::Tell(event)
}

fn read(bytes: u64) -> Action {
    send(FromClient::Read { bytes })
}

fn commits(start: u64, end: u64) -> Action {
    send(FromClient::Commit(vec![Commit { session: SESSION, ranges: vec![range(start, end)] }]))
}

fn start() -> FromServer {
    let available = range(0, 9);
    FromServer::Start { session: SESSION, path: "topic".into(), partition: 0, committed: 0, available }
}

fn assigned(part: Part) -> Vec<Action> {
    let available = range(0, 9);
    let told = Event::Assigned { part, path: "topic".into(), partition: 0, committed: 0, available };
    let session = part.session;
    vec![tell(told), send(FromClient::Started { session, read_offset: None, commit_offset: None })]
}

/// So many messages of one byte from an offset on.
fn data(offset: u64, messages: u64) -> PartitionData {
    let payload = Payload {
        data: "x".into(),
        codec: Codec::RAW,
        uncompressed_size: 1,
        created_at: Wall(0),
        metadata: vec![],
    };
    let numbered = |offset| Numbered { seq_no: offset, payload: payload.clone() };
    let batch = Batch {
        offset,
        producer_id: "producer".into(),
        session_meta: [].into(),
        codec: Codec::RAW,
        written_at: Wall(0),
        messages: (offset..offset + messages).map(numbered).collect(),
    };
    PartitionData { session: SESSION, batches: vec![batch] }
}

fn sent(offset: u64, messages: u64, bytes: u64) -> Input {
    says(FromServer::Data { partitions: vec![data(offset, messages)], bytes })
}

fn given(offset: u64, messages: u64, bytes: u64) -> Action {
    tell(Event::Data(vec![(PART, data(offset, messages))], bytes))
}

fn committed(offset: u64) -> Input {
    says(FromServer::Committed(vec![(SESSION, offset)]))
}

fn stop(graceful: bool, committed: u64) -> Input {
    says(FromServer::Stop { session: SESSION, graceful, committed })
}

/// A reader with an open session, without a partition.
fn opened() -> History {
    let mut history = History::default();
    step(&mut history, Input::Start, &[Action::Open(STREAM)]);
    let init = FromServer::Init { session_id: "session".into() };
    step(&mut history, says(init), &[tell(Event::Session("session".into())), read(100)]);
    history
}

/// A reader with a partition, of which three messages were given to its caller and none committed.
fn reading() -> History {
    let mut history = opened();
    step(&mut history, says(start()), &assigned(PART));
    step(&mut history, sent(0, 3, 30), &[given(0, 3, 30)]);
    assert_eq!(history.judge(), Ok(()));
    history
}

/// One whose caller has committed two of them, which the server knows.
fn committing() -> History {
    let mut history = reading();
    step(&mut history, Input::Commit(TICKET, PART, range(0, 2)), &[commits(0, 2)]);
    assert_eq!(history.judge(), Ok(()));
    history
}

/// What is broken by one more step.
fn broken(mut history: History, input: Input, does: &[Action]) -> Option<&'static str> {
    step(&mut history, input, does);
    history.judge().err().map(|violation| violation.promise)
}

fn ended(breach: Breach) -> Vec<Action> {
    let end = End::Failed(Failure::Protocol(breach));
    vec![Action::Drop(STREAM), tell(Event::Stopped(PART)), tell(Event::Ended(end))]
}

#[test]
fn what_is_sent_is_handed_on_as_it_was_sent_and_once() {
    assert_eq!(broken(reading(), sent(3, 1, 10), &[given(3, 1, 10)]), None);
    assert_eq!(broken(reading(), sent(5, 1, 10), &[given(5, 1, 10)]), None);
    for does in [vec![], vec![given(3, 2, 10)], vec![given(3, 1, 9)], vec![given(3, 1, 10), given(3, 1, 10)]]
    {
        assert_eq!(broken(reading(), sent(3, 1, 10), &does), Some(HANDED_ON));
    }
    assert_eq!(broken(reading(), Input::Taken(30), &[given(0, 3, 30)]), Some(HANDED_ON));
    assert_eq!(broken(opened(), says(start()), &[]), Some(HANDED_ON));
    let other = Part { session: PartitionSessionId(8), ..PART };
    assert_eq!(broken(opened(), says(start()), &assigned(other)), Some(HANDED_ON));
}

#[test]
fn what_was_given_up_is_not_handed_on() {
    let mut history = committing();
    step(&mut history, stop(true, 0), &[tell(Event::Stopping(PART))]);
    step(&mut history, Input::Release(PART), &[]);
    assert_eq!(broken(history.clone(), sent(3, 1, 10), &[]), None);
    assert_eq!(broken(history, sent(3, 1, 10), &[given(3, 1, 10)]), Some(HANDED_ON));
}

#[test]
fn a_partition_that_is_over_is_said_to_be_so() {
    let told = [tell(Event::Stopped(PART))];
    assert_eq!(broken(reading(), stop(false, 0), &told), None);
    assert_eq!(broken(reading(), stop(false, 0), &[]), Some(HANDED_ON));
    assert_eq!(broken(reading(), Input::Taken(30), &told), Some(HANDED_ON));
    let lost = [Action::Drop(STREAM), told[0].clone()];
    assert_eq!(broken(reading(), Input::Ended(STREAM, None), &lost), None);
    assert_eq!(broken(reading(), Input::Ended(STREAM, None), &lost[..1]), Some(HANDED_ON));
}

#[test]
fn commits_are_sent_where_their_messages_came_from() {
    let commit = |part, start, end| Input::Commit(TICKET, part, range(start, end));
    assert_eq!(broken(reading(), commit(PART, 1, 2), &[commits(1, 2)]), None);
    assert_eq!(broken(reading(), commit(PART, 1, 2), &[commits(0, 2)]), Some(COMMITS_SETTLE));
    assert_eq!(broken(reading(), commit(PART, 2, 4), &[commits(2, 4)]), Some(COMMITS_SETTLE));
    // What was passed over goes with it.
    let mut history = reading();
    step(&mut history, sent(5, 1, 10), &[given(5, 1, 10)]);
    assert_eq!(broken(history.clone(), commit(PART, 5, 6), &[commits(3, 6)]), None);
    assert_eq!(broken(history, commit(PART, 5, 6), &[commits(2, 6)]), Some(COMMITS_SETTLE));
    assert_eq!(broken(committing(), commit(PART, 1, 3), &[commits(1, 3)]), Some(COMMITS_SETTLE));
    let stale = Part { number: 0, ..PART };
    assert_eq!(broken(reading(), commit(stale, 0, 2), &[commits(0, 2)]), Some(COMMITS_SETTLE));
    let gone = [tell(Event::Refused(TICKET, Refusal::Gone))];
    assert_eq!(broken(reading(), commit(stale, 0, 2), &gone), None);
    assert_eq!(broken(reading(), commit(PART, 0, 2), &gone), Some(COMMITS_SETTLE));
}

#[test]
fn commits_are_answered_once_and_with_the_truth() {
    let durable = tell(Event::Committed(TICKET));
    assert_eq!(broken(committing(), committed(2), std::slice::from_ref(&durable)), None);
    assert_eq!(broken(committing(), committed(2), &[]), Some(COMMITS_SETTLE));
    assert_eq!(broken(committing(), committed(1), &[]), None);
    assert_eq!(broken(committing(), committed(1), std::slice::from_ref(&durable)), Some(COMMITS_SETTLE));
    assert_eq!(broken(committing(), committed(2), &[durable.clone(), durable]), Some(COMMITS_SETTLE));
    let (unknown, over) = (tell(Event::NotCommitted(TICKET)), tell(Event::Stopped(PART)));
    assert_eq!(broken(committing(), stop(false, 1), &[unknown.clone(), over.clone()]), None);
    assert_eq!(broken(committing(), stop(false, 2), &[unknown.clone(), over.clone()]), Some(COMMITS_SETTLE));
    assert_eq!(broken(committing(), stop(false, 1), &[over]), Some(COMMITS_SETTLE));
    assert_eq!(broken(committing(), committed(1), &[unknown]), Some(COMMITS_SETTLE));
}

#[test]
fn no_more_is_asked_for_than_there_is_room_for() {
    // 70 of 100 bytes are asked for still, and 30 are with the caller.
    assert_eq!(broken(reading(), Input::Taken(29), &[read(29)]), None);
    assert_eq!(broken(reading(), Input::Taken(29), &[read(30)]), Some(WITHIN_ROOM));
    assert_eq!(broken(reading(), Input::Taken(29), &[read(0)]), Some(WITHIN_ROOM));
}

#[test]
fn a_partition_is_given_back_when_it_may_go() {
    let back = [send(FromClient::Stopped(SESSION)), tell(Event::Stopped(PART))];
    let asked = |mut history: History| {
        step(&mut history, stop(true, 0), &[tell(Event::Stopping(PART))]);
        history
    };
    assert_eq!(broken(asked(reading()), Input::Release(PART), &back), None);
    assert_eq!(broken(asked(committing()), Input::Release(PART), &[]), None);
    assert_eq!(broken(asked(committing()), Input::Release(PART), &back[..1]), Some(GIVEN_BACK));
    assert_eq!(broken(asked(reading()), Input::Taken(30), &back), Some(GIVEN_BACK));
    assert_eq!(broken(reading(), Input::Release(PART), &back), Some(GIVEN_BACK));
    assert_eq!(broken(reading(), stop(true, 0), &[]), Some(GIVEN_BACK));
    let mut history = asked(reading());
    step(&mut history, Input::Release(PART), &back);
    assert_eq!(broken(history, Input::Taken(30), &back[..1]), Some(GIVEN_BACK));
}

#[test]
fn a_breach_ends_a_reader_and_nothing_else_does() {
    let understated = Breach::Understated { bytes: 1, payloads: 2 };
    let lies = [
        sent(2, 1, 10),
        sent(3, 2, 1),
        says(start()),
        committed(1),
        says(FromServer::TokenUpdated),
        says(FromServer::Init { session_id: "again".into() }),
    ];
    for lie in lies {
        assert_eq!(broken(reading(), lie.clone(), &ended(understated)), None, "{lie:?}");
        assert_eq!(broken(reading(), lie.clone(), &[]), Some(ENDS), "{lie:?}");
    }
    // What was asked for is used up.
    let mut history = reading();
    step(&mut history, sent(3, 1, 70), &[given(3, 1, 70)]);
    assert_eq!(broken(history.clone(), sent(4, 1, 1), &ended(Breach::BeyondCredit)), None);
    assert_eq!(broken(history, sent(4, 1, 1), &[given(4, 1, 1)]), Some(ENDS));
    assert_eq!(broken(reading(), Input::Taken(30), &ended(understated)), Some(ENDS));
    let timeout = End::Failed(Failure::CommitTimeout);
    let does = [Action::Drop(STREAM), tell(Event::Stopped(PART)), tell(Event::Ended(timeout))];
    assert_eq!(broken(reading(), Input::Timer(Timer::Commit), &does), Some(ENDS));
}

#[test]
fn whoever_has_ended_is_silent() {
    let mut history = reading();
    let does = [Action::Drop(STREAM), tell(Event::Stopped(PART)), tell(Event::Ended(End::Destroyed))];
    step(&mut history, Input::Destroy, &does);
    assert_eq!(history.judge(), Ok(()));
    assert_eq!(broken(history.clone(), Input::Taken(30), &[read(30)]), Some(SILENT_AFTER_END));
    assert_eq!(
        broken(history, Input::Timer(Timer::Retry), &[Action::Open(StreamId(2))]),
        Some(SILENT_AFTER_END)
    );
    let does = [Action::Send(StreamId(0), FromClient::Read { bytes: 1 })];
    assert_eq!(broken(opened(), Input::Start, &does), Some(SILENT_AFTER_END));
}

#[test]
fn closes_wait_for_commits_and_are_answered_once() {
    let closed = |end: End| {
        let over = [Action::Drop(STREAM), tell(Event::Stopped(PART))];
        [&over[..], &[tell(Event::Closed(Ticket(9), end.clone())), tell(Event::Ended(end))]].concat()
    };
    let close = Input::Close(Ticket(9));
    assert_eq!(broken(reading(), close.clone(), &closed(End::Closed)), None);
    assert_eq!(broken(committing(), close.clone(), &[]), None);
    assert_eq!(broken(committing(), close.clone(), &closed(End::Closed)), Some(COMMITS_SETTLE));
    let does = [tell(Event::Closed(Ticket(8), End::Closed))];
    assert_eq!(broken(reading(), close.clone(), &does), Some(FLUSH_AND_CLOSE_SETTLE));
    let does = [tell(Event::Closed(Ticket(9), End::Closed))];
    assert_eq!(broken(committing(), close, &does), Some(FLUSH_AND_CLOSE_SETTLE));
}

#[test]
fn waits_grow_until_there_is_progress() {
    let equal = |millis| Window { from: Dur::millis(millis / 2), to: Dur::millis(millis) };
    let lost = |millis| vec![Action::Drop(STREAM), Action::Arm(Timer::Retry, equal(millis))];
    let over = || Input::Ended(STREAM, None);
    let mut history = opened();
    step(&mut history, over(), &lost(50));
    assert_eq!(history.judge(), Ok(()));
    assert_eq!(broken(history.clone(), over(), &lost(50)), Some(RETRIES_SPACED));
    assert_eq!(broken(history.clone(), over(), &lost(60_000)), Some(RETRIES_SPACED));
    let without_jitter = Window { from: Dur::ZERO, to: Dur::millis(100) };
    let does = [Action::Arm(Timer::Retry, without_jitter)];
    assert_eq!(broken(history.clone(), over(), &does), Some(RETRIES_SPACED));
    assert_eq!(broken(history.clone(), over(), &lost(100)), None);
    // A session alone is no progress; one that has lasted is.
    step(&mut history, Input::Timer(Timer::Retry), &[Action::Open(STREAM)]);
    step(&mut history, says(FromServer::Init { session_id: "session".into() }), &[]);
    assert_eq!(broken(history.clone(), over(), &lost(50)), Some(RETRIES_SPACED));
    step(&mut history, Input::Timer(Timer::Start), &[]);
    assert_eq!(broken(history, over(), &lost(50)), None);
}
