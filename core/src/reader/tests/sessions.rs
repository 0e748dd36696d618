//! How sessions open, are lost and end; credit; tokens.

use super::super::{
    Config, Event, Failure, Input, Timer,
    api::End,
    failure::Breach,
    wire::{FromClient, FromServer},
};
use super::rig::{Rig, config, data, session, start, stop};
use crate::writer::Failure as OfSession;
use crate::{Dur, Window};
use alloc::{string::ToString, vec, vec::Vec};

fn read(bytes: u64) -> FromClient {
    FromClient::Read { bytes }
}

#[test]
fn a_session_is_opened_and_asks_for_as_much_as_there_is_room_for() {
    let mut rig = Rig::new(config());
    rig.give(Input::Start);
    let stream = rig.now();
    rig.give(Input::Opened(stream));
    assert_eq!(rig.sent(), [FromClient::Init(config().init())]);
    rig.say(FromServer::Init { session_id: "s".into() });
    assert_eq!(rig.look(), (vec![read(1000)], vec![Event::Session("s".into())]));
}

#[test]
fn what_is_taken_is_asked_for_again_and_not_in_dribbles() {
    let (mut rig, _) = Rig::reading();
    rig.say(data(1, 10, 5, 400));
    assert_eq!((rig.sent(), rig.reader.held()), (vec![], 400));
    rig.give(Input::Taken(100));
    rig.give(Input::Taken(149));
    assert_eq!(rig.sent(), []);
    rig.give(Input::Taken(1));
    assert_eq!(rig.sent(), [read(250)]);
    // One message may exceed the room; nothing is asked for before that is made up for.
    rig.say(data(1, 15, 1, 2000));
    rig.give(Input::Taken(1149));
    assert_eq!(rig.sent(), []);
    rig.give(Input::Taken(2));
    // 1000 held less one: all the room that there is.
    assert_eq!(rig.sent(), [read(1151)]);
}

#[test]
fn what_the_caller_has_counts_in_the_next_session() {
    let (mut rig, _) = Rig::reading();
    rig.say(data(1, 10, 5, 600));
    rig.reopen();
    assert_eq!(rig.sent()[1..], [read(400)]);
}

#[test]
fn a_lost_session_is_opened_again_after_waits_that_grow() {
    let mut rig = Rig::new(config());
    rig.give(Input::Start);
    let mut waits = vec![];
    for _ in 0..4 {
        rig.greet();
        rig.fail(400_050);
        waits.push(rig.armed[&Timer::Retry].to.0 / 1_000_000);
        assert_eq!(rig.armed.len(), 1, "{:?}", rig.armed);
        rig.fire(Timer::Retry);
    }
    assert_eq!(waits, [50, 100, 200, 400]);
    // A session that lasts.
    rig.greet();
    rig.fire(Timer::Start);
    rig.fail(400_060);
    assert_eq!(rig.armed[&Timer::Retry].to, Dur::millis(50));
    rig.fire(Timer::Retry);
    rig.fire(Timer::Start);
    let lost = |failure, millis| {
        Event::Lost(failure, Window { from: Dur::millis(millis / 2), to: Dur::millis(millis) })
    };
    assert_eq!(rig.told().last(), Some(&lost(Failure::Session(OfSession::StartTimeout), 100)));
    // A session that brings something.
    rig.fire(Timer::Retry);
    rig.greet();
    rig.say(start(1, 0));
    rig.say(data(1, 0, 1, 10));
    let stream = rig.now();
    rig.give(Input::Ended(stream, None));
    assert_eq!(rig.told().last(), Some(&lost(Failure::Session(OfSession::Finished), 50)));
}

#[test]
fn what_cannot_get_better_ends_the_reader() {
    let mut rig = Rig::ready(config());
    rig.assign(1, 0);
    rig.look();
    rig.fail(400_070);
    let told = rig.told();
    assert!(matches!(told[..], [Event::Stopped(_), Event::Ended(End::Failed(_))]), "{told:?}");
    assert!(rig.armed.is_empty() && rig.stream.is_none());
    rig.give(Input::Start);
    rig.give(Input::Timer(Timer::Retry));
    assert_eq!(rig.look(), (vec![], vec![]));
}

#[test]
fn a_server_that_breaks_the_protocol_is_told_from_one_that_fails() {
    let greeting = || FromServer::Init { session_id: "s".into() };
    let cases: [(&[FromServer], Breach); 10] = [
        (&[greeting()], Breach::OutOfTurn),
        (&[FromServer::TokenUpdated], Breach::OutOfTurn),
        (&[start(1, 0), start(1, 0)], Breach::GivenTwice(1)),
        (&[start(1, 5), data(1, 4, 1, 10)], Breach::OutOfOrder { got: 4, expected: 5 }),
        (&[start(1, 5), data(1, 5, 2, 10), data(1, 6, 1, 10)], Breach::OutOfOrder { got: 6, expected: 7 }),
        (&[start(1, 0), data(1, 0, 1, 1000), data(1, 1, 1, 10)], Breach::BeyondCredit),
        (&[start(1, 0), data(1, 0, 5, 4)], Breach::Understated { bytes: 4, payloads: 5 }),
        (&[start(1, 0), data(1, 0, 0, 0)], Breach::Understated { bytes: 0, payloads: 0 }),
        (
            &[start(1, 3), FromServer::Committed(vec![(session(1), 4)])],
            Breach::NeverCommitted { got: 4, sent: 3 },
        ),
        (
            &[start(1, 0), data(1, 0, 5, 10), FromServer::Committed(vec![(session(1), 1)])],
            Breach::NeverCommitted { got: 1, sent: 0 },
        ),
    ];
    for (said, breach) in cases {
        let mut rig = Rig::ready(config());
        said.iter().cloned().for_each(|said| rig.say(said));
        let end = End::Failed(Failure::Protocol(breach));
        assert_eq!(rig.told().pop(), Some(Event::Ended(end)), "{breach}");
    }
    let mut rig = Rig::ready(Config { caller_begins: true, ..config() });
    rig.say(start(1, 0));
    rig.say(data(1, 0, 1, 10));
    assert_eq!(rig.reader.end(), Some(&End::Failed(Failure::Protocol(Breach::NotBegun(1)))));
}

#[test]
fn what_an_older_stream_says_is_ignored() {
    let (mut rig, _) = Rig::reading();
    let old = rig.now();
    rig.reopen();
    // Under the same number as in the older one.
    rig.assign(1, 10);
    rig.look();
    rig.give(Input::Received(old, data(1, 10, 1, 10)));
    rig.give(Input::Received(old, stop(1, false, 0)));
    rig.give(Input::Ended(old, None));
    rig.give(Input::Opened(old));
    assert_eq!(rig.look(), (vec![], vec![]));
}

#[test]
fn tokens_are_refreshed_one_at_a_time() {
    let mut rig = Rig::ready(Config { token_interval: Some(Dur::secs(60)), ..config() });
    rig.fire(Timer::Token);
    rig.fire(Timer::Token);
    assert_eq!(rig.fetches, 1);
    rig.give(Input::Token(Some("t".into())));
    assert_eq!(rig.sent(), [FromClient::UpdateToken("t".into())]);
    rig.say(FromServer::TokenUpdated);
    rig.fire(Timer::Token);
    rig.give(Input::Token(Some("u".into())));
    rig.fire(Timer::Token);
    let failure = Failure::Session(OfSession::TokenTimeout);
    assert!(matches!(rig.told().last(), Some(Event::Lost(lost, _)) if *lost == failure));
}

#[test]
fn destroyed_it_says_nothing_more() {
    let (mut rig, part) = Rig::reading();
    rig.say(data(1, 10, 5, 10));
    let ticket = rig.commit(part, 10, 11);
    rig.look();
    rig.give(Input::Destroy);
    rig.give(Input::Destroy);
    let end = Event::Ended(End::Destroyed);
    assert_eq!(rig.told(), [Event::NotCommitted(ticket), Event::Stopped(part), end]);
    assert!(rig.armed.is_empty() && rig.stream.is_none());
    let late = rig.close();
    assert_eq!(rig.told(), [Event::Closed(late, End::Destroyed)]);
}

#[test]
fn failures_read_well() {
    let all = [
        Failure::Session(OfSession::Finished),
        Failure::CommitTimeout,
        Failure::Protocol(Breach::OutOfOrder { got: 1, expected: 2 }),
        Failure::Protocol(Breach::NeverCommitted { got: 4, sent: 3 }),
        Failure::Protocol(Breach::Understated { bytes: 4, payloads: 5 }),
    ];
    let text: Vec<_> = all.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(text.join("\n"), @r"
    the server ended the stream
    no commit acknowledged in time
    the server breaks the protocol: offset 1 where 2 or a later one is next
    the server breaks the protocol: 4 acknowledged as committed where no more than 3 was
    the server breaks the protocol: 4 bytes were counted for 5 bytes of payloads
    ");
}

#[test]
fn each_bound_is_checked_and_named() {
    let good = Config::new("topic", "consumer");
    good.validate().unwrap();
    for (field, bad) in [
        ("topics", Config { topics: vec![], ..good.clone() }),
        ("buffer_bytes", Config { buffer_bytes: 0, ..good.clone() }),
        ("commits", Config { commits: 0, ..good.clone() }),
        ("start_timeout", Config { start_timeout: Dur::ZERO, ..good.clone() }),
        ("commit_timeout", Config { commit_timeout: Dur::ZERO, ..good.clone() }),
        ("token_interval", Config { token_interval: Some(Dur::ZERO), ..good.clone() }),
        ("backoff", Config { backoff: Dur::ZERO, ..good.clone() }),
        ("backoff_max", Config { backoff_max: Dur::millis(49), ..good.clone() }),
    ] {
        assert_eq!(bad.validate().unwrap_err().field, field);
    }
}
