//! Flushes, closes and ends: whoever waits is answered, whatever happens to the session meanwhile.

use super::{
    super::{
        Config, Event, Failure, Input, Ticket, Timer,
        api::{End, Refusal, Report, Undelivered},
        failure::GrpcStatus,
    },
    rig::{Rig, config},
};
use alloc::{vec, vec::Vec};

fn flushed(events: &[Event]) -> Vec<(Ticket, bool)> {
    let one = |event: &Event| match event {
        Event::Flushed(ticket, how) => Some((*ticket, how.is_ok())),
        _ => None,
    };
    events.iter().filter_map(one).collect()
}

fn closed(events: &[Event]) -> Option<(Ticket, Report)> {
    events.iter().find_map(|event| match event {
        Event::Closed(ticket, report) => Some((*ticket, report.clone())),
        _ => None,
    })
}

#[test]
fn a_flush_sends_at_once_and_waits_for_what_was_before_it_and_no_more() {
    let mut rig = Rig::ready(config());
    rig.write(b'a');
    let flush = rig.flush();
    assert_eq!(rig.requests(), [[(1, b'a')]]);
    // What is written during a flush is sent in its turn (BUGS-S27).
    rig.write(b'b');
    assert!(flushed(&rig.events()).is_empty());
    rig.ack(&[1]);
    assert_eq!(flushed(&rig.events()), [(flush, true)]);
    rig.fire(Timer::Batch);
    assert_eq!(rig.requests(), [[(2, b'b')]]);
}

#[test]
fn a_flush_with_nothing_to_wait_for_is_answered_at_once() {
    let mut rig = Rig::new(config());
    let flush = rig.flush();
    assert_eq!(flushed(&rig.events()), [(flush, true)]);
}

#[test]
fn flushes_and_closes_outlive_sessions() {
    let mut rig = Rig::ready(config());
    for byte in b'a'..=b'c' {
        rig.write(byte);
    }
    let flush = rig.flush();
    rig.write(b'd');
    let close = rig.close();
    for _ in 0..3 {
        let stream = rig.now();
        rig.give(Input::Ended(stream, None));
        rig.fire(Timer::Retry);
        rig.look();
        rig.greet(0);
        assert_eq!(rig.requests(), [[(1, b'a'), (2, b'b')], [(3, b'c'), (4, b'd')]]);
    }
    rig.ack(&[1, 2, 3]);
    assert_eq!(flushed(&rig.events()), [(flush, true)]);
    rig.ack(&[4]);
    let events = rig.events();
    assert_eq!(closed(&events).map(|(ticket, report)| (ticket, report.end)), Some((close, End::Closed)));
    assert_eq!(events.last(), Some(&Event::Ended(End::Closed)));
    assert!(rig.stream.is_none() && rig.armed.is_empty(), "{:?}", rig.armed);
}

#[test]
fn a_close_before_the_first_session_delivers_what_was_accepted() {
    let mut rig = Rig::new(config());
    rig.write(b'a');
    rig.close();
    rig.greet(5);
    assert_eq!(rig.requests(), [[(6, b'a')]], "numbers are given by what the server has stored");
    rig.ack(&[6]);
    assert_eq!(closed(&rig.events()).map(|(_, report)| report.end), Some(End::Closed));
}

#[test]
fn a_close_with_nothing_to_deliver_is_over_at_once_in_every_state() {
    for steps in 0..4 {
        let mut rig = Rig::new(config());
        if steps > 0 {
            rig.give(Input::Start);
        }
        if steps > 1 {
            rig.greet(0);
        }
        if steps > 2 {
            rig.overload();
        }
        let close = rig.close();
        assert_eq!(
            closed(&rig.events()).map(|(ticket, report)| (ticket, report.end)),
            Some((close, End::Closed))
        );
        assert!(rig.stream.is_none() && rig.armed.is_empty(), "{:?}", rig.armed);
    }
}

#[test]
fn a_close_that_times_out_reports_each_message_that_was_not_delivered() {
    let mut rig = Rig::ready(Config { in_flight: 2, ..config() });
    let tickets: Vec<_> = (b'a'..=b'd').map(|byte| rig.write(byte)).collect();
    let flush = rig.flush();
    let close = rig.close();
    rig.ack(&[1]);
    rig.fire(Timer::Close);
    let events = rig.events();
    let sent = [Some(2), None, None];
    let missing: Vec<_> =
        tickets[1..].iter().zip(sent).map(|(ticket, sent)| Undelivered { ticket: *ticket, sent }).collect();
    let report = Report { end: End::CloseTimeout, undelivered: missing.clone().into() };
    assert_eq!(closed(&events), Some((close, report.clone())));
    assert!(events.contains(&Event::Undelivered(missing.into())));
    assert_eq!(flushed(&events), [(flush, false)]);
    // Whoever asks later hears the same.
    let again = rig.close();
    assert_eq!(closed(&rig.events()), Some((again, report)));
}

#[test]
fn the_close_timeout_does_not_start_over_with_acknowledgements() {
    let mut rig = Rig::ready(config());
    rig.write(b'a');
    rig.write(b'b');
    rig.close();
    rig.armed.remove(&Timer::Close);
    rig.ack(&[1]);
    rig.close();
    assert!(!rig.armed.contains_key(&Timer::Close));
}

#[test]
fn a_destroyed_writer_answers_everybody_and_does_nothing_more() {
    let mut rig = Rig::ready(config());
    rig.write(b'a');
    let flush = rig.flush();
    let close = rig.close();
    rig.give(Input::Destroy);
    let events = rig.events();
    assert_eq!(flushed(&events), [(flush, false)]);
    assert_eq!(closed(&events).map(|(ticket, report)| (ticket, report.undelivered.len())), Some((close, 1)));
    assert!(rig.stream.is_none() && rig.armed.is_empty());
    rig.look();
    for input in [Input::Start, Input::Destroy, Input::Token(None), Input::Timer(Timer::Retry)] {
        rig.give(input);
    }
    rig.write(b'b');
    assert_eq!(rig.refusal(), Some(Refusal::Closed));
    let late = rig.flush();
    assert_eq!(rig.events(), [Event::Flushed(late, Err(End::Destroyed))]);
}

#[test]
fn a_final_failure_while_closing_is_what_the_close_reports() {
    let mut rig = Rig::ready(config());
    rig.write(b'a');
    let close = rig.close();
    let (stream, status) = (rig.now(), GrpcStatus { code: 16, message: "who?".into() });
    rig.give(Input::Ended(stream, Some(status.clone())));
    let (ticket, report) = closed(&rig.events()).unwrap();
    assert_eq!((ticket, report.end), (close, End::Failed(Failure::Grpc(status))));
    assert_eq!(report.undelivered.to_vec(), [Undelivered { ticket: Ticket(1), sent: Some(1) }]);
}

#[test]
fn no_more_may_wait_than_the_configuration_allows() {
    let mut rig = Rig::ready(Config { waiters: 1, ..config() });
    rig.write(b'a');
    rig.flush();
    let (flush, _, close) = (rig.flush(), rig.close(), rig.close());
    let refused = |ticket| Event::Refused(ticket, Refusal::TooManyWait { limit: 1 });
    assert_eq!(rig.events(), vec![refused(flush), refused(close)]);
}
