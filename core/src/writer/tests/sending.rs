//! Batches, numbers, the window and the budget.

use super::{
    super::{
        Config, Input, Message, Timer,
        api::{MESSAGE_COST, Outcome, Refusal},
        wire::{Codec, FromClient},
    },
    rig::{Rig, config},
};
use alloc::{vec, vec::Vec};

#[test]
fn a_full_batch_goes_at_once_and_a_lone_message_when_it_has_waited() {
    let mut rig = Rig::ready(config());
    rig.write(b'a');
    assert!(rig.requests().is_empty());
    rig.write(b'b');
    assert_eq!(rig.requests(), [[(1, b'a'), (2, b'b')]]);
    assert!(!rig.armed.contains_key(&Timer::Batch), "nothing waits");
    rig.write(b'c');
    rig.fire(Timer::Batch);
    assert_eq!(rig.requests(), [[(3, b'c')]]);
    // The timer serves each message that waits, not only the first one (BUGS-S26).
    rig.write(b'd');
    rig.fire(Timer::Batch);
    assert_eq!(rig.requests(), [[(4, b'd')]]);
}

#[test]
fn a_batch_ends_at_its_bytes_but_a_larger_message_still_goes() {
    let mut rig = Rig::ready(Config { batch_messages: 4, batch_bytes: 10, ..config() });
    rig.write_as(Message::raw(vec![b'a'; 6]));
    rig.write_as(Message::raw(vec![b'b'; 6]));
    assert_eq!(rig.requests(), [vec![(1, b'a')]], "two are enough to be sent, and too much for one request");
    rig.write_as(Message::raw(vec![b'c'; 50]));
    assert_eq!(rig.requests(), [vec![(2, b'b')], vec![(3, b'c')]]);
}

#[test]
fn a_request_declares_the_codec_of_all_its_messages() {
    let mut rig = Rig::ready(Config { batch_messages: 4, ..config() });
    for (byte, codec) in [(b'a', 1), (b'b', 2), (b'c', 2), (b'd', 10_001)] {
        rig.write_as(Message { codec: Codec(codec), ..Message::raw(vec![byte]) });
    }
    rig.flush();
    let declared = |said: &FromClient| match said {
        FromClient::Write { codec, messages } => (codec.0, messages.len()),
        _ => panic!("{said:?}"),
    };
    let codecs: Vec<_> = rig.sent.iter().map(declared).collect();
    assert_eq!(codecs, [(1, 1), (2, 2), (10_001, 1)]);
}

#[test]
fn the_window_is_never_exceeded_and_does_not_dribble() {
    let mut rig = Rig::ready(config());
    for byte in b'a'..=b'h' {
        rig.write(byte);
    }
    assert_eq!(rig.requests(), [[(1, b'a'), (2, b'b')], [(3, b'c'), (4, b'd')]]);
    rig.ack(&[1]);
    assert!(rig.requests().is_empty(), "one place is free, and a whole request waits");
    rig.ack(&[2]);
    assert_eq!(rig.requests(), [[(5, b'e'), (6, b'f')]]);
}

#[test]
fn acknowledgements_answer_in_order_with_numbers_and_offsets() {
    let mut rig = Rig::ready(config());
    let (a, b) = (rig.write(b'a'), rig.write(b'b'));
    rig.ack(&[1]);
    assert_eq!(rig.answered(), [(a, 1, Outcome::Written { offset: 1 })]);
    rig.ack(&[2]);
    assert_eq!(rig.answered(), [(b, 2, Outcome::Written { offset: 2 })]);
    assert_eq!(rig.writer.unanswered(), 0);
    assert!(!rig.armed.contains_key(&Timer::Ack));
}

#[test]
fn the_budget_refuses_and_says_when_there_is_room_again() {
    let mut rig = Rig::ready(Config { buffer_bytes: 2 * (MESSAGE_COST + 50), ..config() });
    rig.write_as(Message::raw(vec![b'a'; 50]));
    rig.write_as(Message::raw(vec![b'b'; 50]));
    assert_eq!(rig.writer.buffered(), 2 * (MESSAGE_COST + 50));
    rig.write(b'c');
    assert_eq!(rig.refusal(), Some(Refusal::Full { free: 0, needs: MESSAGE_COST + 1 }));
    rig.ack(&[1]);
    assert!(rig.events().contains(&super::super::Event::Writable));
    rig.write(b'c');
    rig.flush();
    // The refused message has taken no number.
    assert_eq!(rig.requests().last(), Some(&vec![(3, b'c')]));
    rig.ack(&[2, 3]);
    assert!(!rig.events().contains(&super::super::Event::Writable), "nobody was turned away since");
    assert_eq!(rig.writer.buffered(), 0);
}

#[test]
fn what_cannot_be_accepted_is_refused_with_a_reason_and_takes_no_number() {
    let mut rig = Rig::new(config());
    rig.give(Input::Start);
    rig.greet_with(0, &[Codec::RAW]);
    let raw = |bytes: usize| Message::raw(vec![b'x'; bytes]);
    rig.write_as(raw(101));
    assert_eq!(rig.refusal(), Some(Refusal::TooLarge { is: 101, limit: 100 }));
    rig.write_as(Message { codec: Codec::GZIP, ..raw(1) });
    assert_eq!(rig.refusal(), Some(Refusal::Codec(Codec::GZIP)));
    rig.write(b'a');
    assert_eq!(rig.refusal(), None);
    rig.write_numbered(1);
    assert_eq!(rig.refusal(), Some(Refusal::MixedNumbers));
    rig.flush();
    assert_eq!(rig.requests(), [[(1, b'a')]]);
    rig.close();
    rig.write(b'b');
    assert_eq!(rig.refusal(), Some(Refusal::Closed));
    let mut rig = Rig::ready(Config { message_bytes: 5000, ..config() });
    let metadata = vec![("k".into(), vec![0u8; 4096].into())];
    rig.write_as(Message { metadata, ..raw(1) });
    assert_eq!(rig.refusal(), Some(Refusal::Metadata { is: 4097, limit: 4096 }));
}

#[test]
fn the_callers_numbers_must_rise() {
    let mut rig = Rig::ready(config());
    rig.write_numbered(0);
    assert_eq!(rig.refusal(), Some(Refusal::NoSuchNumber { is: 0 }));
    rig.write_as(Message { seq_no: Some(u64::MAX), ..Message::raw(vec![1]) });
    assert_eq!(rig.refusal(), Some(Refusal::NoSuchNumber { is: u64::MAX }));
    rig.write_numbered(5);
    rig.write_numbered(5);
    assert_eq!(rig.refusal(), Some(Refusal::NotRising { is: 5, last: 5 }));
    rig.write_numbered(9);
    assert_eq!(rig.requests(), [[(5, 5), (9, 9)]], "gaps are allowed");
}

#[test]
fn the_last_number_of_all_is_given_and_none_after_it() {
    let mut rig = Rig::new(config());
    rig.give(Input::Start);
    rig.greet(super::super::wire::MAX_SEQ_NO - 1);
    rig.write(b'a');
    rig.write(b'b');
    assert_eq!(rig.requests(), [[(super::super::wire::MAX_SEQ_NO, b'a')]]);
    assert_eq!(rig.writer.report(), None);
    rig.fire(Timer::Batch);
    assert_eq!(rig.writer.report().map(|r| r.undelivered.len()), Some(2));
}
