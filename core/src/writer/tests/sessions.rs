//! Sessions that are opened, lost and opened again; what the last number says; other writers; tokens.

use super::{
    super::{
        Config, Event, Failure, Input, Timer,
        api::{End, Outcome, Undelivered},
        failure::{Breach, Fence, GrpcStatus},
        wire::{Ack, AckStatus, Codec, FromClient, FromServer, Issue, Status},
    },
    rig::{Rig, config},
};
use crate::Dur;
use alloc::vec;

/// Two messages in flight as 1 and 2, one that waits, and the session lost; the next stream is asked for.
fn lost() -> Rig {
    let mut rig = Rig::ready(config());
    rig.write(b'a');
    rig.write(b'b');
    rig.write(b'c');
    rig.overload();
    rig.fire(Timer::Retry);
    rig.look();
    rig
}

fn ended(rig: &Rig) -> Option<&Failure> {
    match &rig.writer.report()?.end {
        End::Failed(failure) => Some(failure),
        _ => None,
    }
}

#[test]
fn a_session_begins_with_its_init_and_numbers_after_the_last_one() {
    let mut rig = Rig::new(config());
    rig.write(b'a');
    assert!(rig.stream.is_none(), "not before it is started");
    rig.give(Input::Start);
    rig.greet(41);
    let FromClient::Init(init) = rig.sent.remove(0) else { panic!("an init comes first") };
    assert_eq!((&*init.path, &*init.producer_id), ("topic", "producer"));
    assert_eq!(rig.requests(), [[(42, b'a')]], "what has waited for the session waits no more");
    let events = rig.events();
    assert!(matches!(&events[..], [Event::Session { next_seq_no: 42, .. }]), "{events:?}");
}

#[test]
fn after_a_lost_session_the_rest_is_sent_again_under_the_same_numbers() {
    let mut rig = lost();
    rig.greet(1);
    assert_eq!(rig.answered(), [(super::super::Ticket(1), 1, Outcome::Confirmed)]);
    assert_eq!(rig.requests(), [[(2, b'b'), (3, b'c')]]);
    // The server had stored it after all, and says so.
    rig.skip(2);
    assert_eq!(rig.answered(), [(super::super::Ticket(2), 2, Outcome::Confirmed)]);
    rig.ack(&[3]);
    assert_eq!(rig.writer.unanswered(), 0);
    assert!(rig.marks.contains(&"sent again after a lost session"));
}

#[test]
fn a_last_number_that_covers_everything_in_flight_leaves_the_rest() {
    let mut rig = lost();
    rig.greet(2);
    assert_eq!(rig.answered().len(), 2);
    assert_eq!(rig.requests(), [[(3, b'c')]]);
}

#[test]
fn a_last_number_that_was_never_sent_is_another_writer() {
    let mut rig = lost();
    rig.greet(3);
    assert_eq!(ended(&rig), Some(&Failure::ProducerFenced(Fence::Ahead { last_seq_no: 3, sent: 2 })));
    // What was sent may be stored, what was not is not.
    let fates: alloc::vec::Vec<_> =
        rig.writer.report().unwrap().undelivered.iter().map(|u: &Undelivered| u.sent).collect();
    assert_eq!(fates, [Some(1), Some(2), None]);
}

#[test]
fn a_last_number_between_those_that_were_sent_is_another_writer() {
    let mut rig = Rig::ready(config());
    rig.write_numbered(10);
    rig.write_numbered(20);
    rig.overload();
    rig.fire(Timer::Retry);
    rig.greet(15);
    assert_eq!(ended(&rig), Some(&Failure::ProducerFenced(Fence::Foreign(15))));
}

/// Two messages in flight as 1 and 2, the session, the producer's third, lost, and so many streams lost since before a
/// server could greet on them; the next one is asked for.
fn lost_with_epochs(asked: u32) -> Rig {
    let mut rig = Rig::new(config());
    rig.give(Input::Start);
    rig.greet_as("producer-0-3", 0, &[]);
    rig.write(b'a');
    rig.write(b'b');
    for asked in 0..=asked {
        if asked > 0 {
            rig.give(Input::Opened(rig.now()));
        }
        rig.overload();
        rig.fire(Timer::Retry);
    }
    rig.look();
    rig
}

#[test]
fn a_session_in_between_is_another_writer_if_something_open_was_stored() {
    for (asked, epoch, last_seq_no, fence) in [
        (0, 4, 2, None),
        (0, 5, 2, Some(Fence::Between { asked: 1, sessions: 2 })),
        (0, 5, 1, Some(Fence::Between { asked: 1, sessions: 2 })),
        // Whoever it was has stored nothing.
        (0, 5, 0, None),
        // Greetings of its own that were lost.
        (1, 5, 2, None),
        (1, 6, 2, Some(Fence::Between { asked: 2, sessions: 3 })),
        // The server has forgotten the producer meanwhile.
        (0, 1, 2, None),
    ] {
        let mut rig = lost_with_epochs(asked);
        rig.greet_as(&alloc::format!("producer-0-{epoch}"), last_seq_no, &[]);
        assert_eq!(ended(&rig), fence.map(Failure::ProducerFenced).as_ref(), "{asked} {epoch} {last_seq_no}");
    }
}

#[test]
fn an_opening_of_its_own_that_the_server_hears_late_is_nobody_elses() {
    for (last, fence) in [(6, None), (7, Some(Fence::Between { asked: 2, sessions: 3 }))] {
        // One opening was lost with its stream; the next one's session is the producer's fourth.
        let mut rig = lost_with_epochs(1);
        rig.greet_as("producer-0-4", 0, &[]);
        rig.overload();
        rig.fire(Timer::Retry);
        // The lost one was the fifth.
        rig.greet_as(&alloc::format!("producer-0-{last}"), 2, &[]);
        assert_eq!(ended(&rig), fence.map(Failure::ProducerFenced).as_ref(), "{last}");
    }
}

#[test]
fn names_of_sessions_that_say_nothing_of_epochs_prove_nothing() {
    for name in
        ["s", "producer|9a-5b_7", "producer-0", "producer-0-x", "producer-9a-5", "other-0-9", "producer"]
    {
        let mut rig = lost_with_epochs(0);
        rig.greet_as(name, 2, &[]);
        assert_eq!(ended(&rig), None, "{name}");
        assert_eq!(rig.answered().len(), 2, "{name}");
    }
}

#[test]
fn a_number_that_was_taken_before_it_was_sent_is_another_writer() {
    let mut rig = Rig::ready(config());
    rig.write(b'a');
    rig.write(b'b');
    rig.ack(&[1]);
    rig.skip(2);
    assert_eq!(ended(&rig), Some(&Failure::ProducerFenced(Fence::Taken(2))));
    assert!(rig.stream.is_none());
}

#[test]
fn the_server_may_say_that_another_writer_has_taken_over() {
    let mut rig = Rig::ready(config());
    let message = "ownership session is killed by another session".into();
    rig.say(FromServer::Failed(Status { code: 400_010, issues: vec![Issue { code: 500_003, message }] }));
    assert_eq!(ended(&rig), Some(&Failure::ProducerFenced(Fence::Told)));
}

#[test]
fn a_forgetful_server_matters_only_while_something_may_be_stored() {
    let mut rig = Rig::ready(config());
    rig.write(b'a');
    rig.write(b'b');
    rig.ack(&[1, 2]);
    rig.overload();
    rig.fire(Timer::Retry);
    rig.greet(0);
    rig.write(b'c');
    rig.write(b'd');
    assert_eq!(rig.requests().last(), Some(&vec![(3, b'c'), (4, b'd')]), "no number is used twice");
    rig.ack(&[3]);
    rig.overload();
    rig.fire(Timer::Retry);
    rig.greet(0);
    assert_eq!(ended(&rig), Some(&Failure::NumbersForgotten { last_seq_no: 0, acknowledged: 3 }));
}

#[test]
fn the_callers_numbers_that_were_used_before_are_not_sent() {
    let mut rig = Rig::new(config());
    let early = rig.write_numbered(7);
    rig.give(Input::Start);
    rig.greet(8);
    let late = rig.write_numbered(8);
    let next = rig.write_numbered(9);
    rig.flush();
    assert_eq!(rig.answered(), [(early, 7, Outcome::Duplicate), (late, 8, Outcome::Duplicate)]);
    assert_eq!(rig.requests(), [[(9, 9)]]);
    rig.ack(&[9]);
    assert_eq!(rig.answered(), [(next, 9, Outcome::Written { offset: 9 })]);
}

#[test]
fn waits_grow_with_each_loss_and_start_over_with_an_acknowledgement() {
    let mut rig = Rig::ready(config());
    rig.write(b'a');
    rig.flush();
    let wait = |rig: &mut Rig| rig.armed[&Timer::Retry].to.0 / 1_000_000;
    let mut waits = vec![];
    for _ in 0..4 {
        rig.overload();
        waits.push(wait(&mut rig));
        rig.fire(Timer::Retry);
        // A server that greets and then fails is not hammered.
        rig.greet(0);
    }
    assert_eq!(waits, [50, 100, 200, 400]);
    rig.ack(&[1]);
    rig.overload();
    assert_eq!(wait(&mut rig), 50);
    rig.fire(Timer::Retry);
    rig.greet(1);
    rig.overload();
    assert_eq!(wait(&mut rig), 50, "a session that has nothing to prove is a success");
}

#[test]
fn each_way_to_lose_a_session_is_worth_another_try_or_not() {
    let grpc = |code| Some(GrpcStatus { code, message: "".into() });
    for (why, again) in
        [(None, true), (grpc(14), true), (grpc(1), true), (grpc(16), false), (grpc(12), false)]
    {
        let mut rig = Rig::ready(config());
        let stream = rig.now();
        rig.give(Input::Ended(stream, why.clone()));
        assert_eq!(rig.armed.contains_key(&Timer::Retry), again, "{why:?}");
        assert_eq!(ended(&rig).is_none(), again);
    }
}

#[test]
fn a_session_that_does_not_open_in_time_is_given_up_and_a_late_answer_is_ignored() {
    let mut rig = Rig::new(config());
    rig.give(Input::Start);
    let first = rig.now();
    rig.give(Input::Opened(first));
    rig.fire(Timer::Start);
    assert!(matches!(rig.events()[..], [Event::Lost(Failure::StartTimeout, _)]));
    rig.give(Input::Received(first, FromServer::TokenUpdated));
    rig.give(Input::Ended(first, None));
    rig.fire(Timer::Retry);
    rig.give(Input::Received(first, FromServer::TokenUpdated));
    rig.greet(0);
    assert!(rig.writer.is_ready());
}

#[test]
fn messages_in_flight_without_acknowledgement_lose_the_session() {
    let mut rig = Rig::ready(config());
    rig.write(b'a');
    rig.write(b'b');
    rig.ack(&[1]);
    assert!(rig.armed.contains_key(&Timer::Ack), "one is still in flight");
    rig.fire(Timer::Ack);
    assert!(rig.stream.is_none() && rig.armed.contains_key(&Timer::Retry));
}

#[test]
fn what_breaks_the_protocol_ends_the_writer() {
    let ack = |seq_no, status| FromServer::Acks(vec![Ack { seq_no, status }]);
    let written = AckStatus::Written { offset: 0 };
    let two = Breach::AckOutOfOrder { got: 2, expected: 1 };
    for (said, breach) in [
        (ack(2, written), two),
        (ack(1, AckStatus::WrittenInTx), Breach::AckInTransaction { got: 1 }),
        (FromServer::TokenUpdated, Breach::OutOfTurn),
    ] {
        let mut rig = Rig::ready(config());
        rig.write(b'a');
        rig.write(b'b');
        rig.say(said);
        assert_eq!(ended(&rig), Some(&Failure::Protocol(breach)));
    }
    let mut rig = Rig::ready(config());
    rig.ack(&[1]);
    assert_eq!(ended(&rig), Some(&Failure::Protocol(Breach::AckOfNothing { got: 1 })));
    let mut rig = Rig::new(config());
    rig.give(Input::Start);
    rig.greet(u64::MAX);
    assert_eq!(ended(&rig), Some(&Failure::Protocol(Breach::NoSuchNumber)));
}

#[test]
fn acknowledgements_before_a_gap_count() {
    let mut rig = Rig::ready(config());
    for byte in b'a'..=b'd' {
        rig.write(byte);
    }
    rig.ack(&[1, 2, 4]);
    assert_eq!(rig.answered().len(), 2);
    assert_eq!(ended(&rig), Some(&Failure::Protocol(Breach::AckOutOfOrder { got: 4, expected: 3 })));
}

#[test]
fn a_codec_that_the_topic_does_not_take_ends_the_writer_if_it_was_accepted_before() {
    let mut rig = Rig::new(config());
    rig.write_as(super::super::Message { codec: Codec(9), ..super::super::Message::raw(vec![1]) });
    rig.give(Input::Start);
    rig.greet_with(0, &[Codec::RAW, Codec::GZIP]);
    assert_eq!(ended(&rig), Some(&Failure::CodecNotSupported(Codec(9))));
}

#[test]
fn a_token_is_fetched_sent_and_awaited_one_at_a_time() {
    let mut rig = Rig::ready(Config { token_interval: Some(Dur::secs(60)), ..config() });
    rig.fire(Timer::Token);
    rig.fire(Timer::Token);
    assert_eq!(rig.fetches, 1, "one at a time");
    rig.give(Input::Token(Some("t".into())));
    assert_eq!(rig.sent, [FromClient::UpdateToken("t".into())]);
    rig.say(FromServer::TokenUpdated);
    rig.fire(Timer::Token);
    rig.give(Input::Token(None));
    rig.fire(Timer::Token);
    assert_eq!((rig.fetches, rig.sent.len()), (3, 1));
}

#[test]
fn a_stream_that_leaves_a_token_unanswered_is_dead_and_a_late_token_is_not_sent() {
    let mut rig = Rig::ready(Config { token_interval: Some(Dur::secs(60)), ..config() });
    rig.fire(Timer::Token);
    rig.give(Input::Token(Some("t".into())));
    rig.fire(Timer::Token);
    assert!(matches!(rig.events()[..], [Event::Lost(Failure::TokenTimeout, _)]));
    rig.fire(Timer::Retry);
    rig.greet(0);
    rig.look();
    rig.give(Input::Token(Some("old".into())));
    assert!(rig.sent.is_empty());
}
