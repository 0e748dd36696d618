//! Each promise, broken by a history made by hand, and kept by one that differs in that alone.

use super::*;
use crate::world::{Seen, Violation};
use bytes::Bytes;
use onceward_core::{
    CallId, ClientId, Dur, NodeId, Window,
    writer::{
        Config,
        api::{End, MESSAGE_COST, Outcome},
    },
};

const WRITER: NodeId = NodeId(1);
const AT: Seen = Seen { step: 1, at: crate::world::Time(0) };

fn call(number: u64) -> CallId {
    CallId { client: ClientId(0), number }
}

fn content(number: u64) -> Bytes {
    format!("message {number}").into()
}

/// A writer with so many open writes, as calls 0, 1 and so on.
fn written(count: u64) -> History {
    let mut history = History::default();
    history.booted(WRITER);
    for number in 0..count {
        let asked = Asked::Write { content: content(number), bytes: 9 };
        history.called(AT, WRITER, call(number), asked);
    }
    history
}

/// What is stored: messages under numbers.
fn stored(all: &[(u64, u64)]) -> Vec<Record> {
    all.iter().map(|(seq_no, n)| Record { seq_no: *seq_no, content: Some(content(*n)) }).collect()
}

fn promise(result: Result<(), Violation>) -> Option<&'static str> {
    result.err().map(|violation| violation.promise)
}

#[test]
fn what_is_acknowledged_is_stored_under_its_number() {
    let mut history = written(1);
    history.acknowledged(call(0), 5, Outcome::Confirmed);
    assert_eq!(promise(history.judge(&[])), Some(ACKED_IS_STORED));
    assert_eq!(promise(history.judge(&stored(&[(4, 0)]))), Some(ACKED_IS_STORED));
    assert_eq!(promise(history.judge(&stored(&[(5, 0)]))), None);
}

#[test]
fn nothing_is_stored_twice_or_out_of_order_or_otherwise_than_written() {
    let history = written(2);
    assert_eq!(promise(history.judge(&stored(&[(1, 0), (2, 1)]))), None);
    assert_eq!(promise(history.judge(&stored(&[(1, 0), (2, 0)]))), Some(STORED_ONCE));
    assert_eq!(promise(history.judge(&stored(&[(1, 1), (2, 0)]))), Some(PRODUCER_ORDER));
    assert_eq!(promise(history.judge(&stored(&[(1, 7)]))), Some(CONTENT_AS_WRITTEN));
    assert_eq!(promise(history.judge(&[Record { seq_no: 1, content: None }])), Some(CONTENT_AS_WRITTEN));
}

#[test]
fn what_was_refused_or_never_sent_is_not_stored_and_what_is_unknown_may_be() {
    let mut history = written(3);
    history.refused(call(0));
    history.undelivered(call(1), false);
    history.undelivered(call(2), true);
    assert_eq!(promise(history.judge(&stored(&[(1, 0)]))), Some(REFUSED_IS_NOT_STORED));
    assert_eq!(promise(history.judge(&stored(&[(1, 1)]))), Some(REFUSED_IS_NOT_STORED));
    assert_eq!(promise(history.judge(&stored(&[(1, 2)]))), None);
}

#[test]
fn a_flush_waits_for_what_was_before_it() {
    for (answered, broken) in [(0, Some(FLUSH_IS_A_BARRIER)), (1, Some(FLUSH_IS_A_BARRIER)), (2, None)] {
        let mut history = written(2);
        history.called(AT, WRITER, call(9), Asked::Flush);
        history.called(AT, WRITER, call(10), Asked::Write { content: content(10), bytes: 9 });
        (0..answered).for_each(|n| history.acknowledged(call(n), n + 1, Outcome::Confirmed));
        let mut failed = history.clone();
        assert_eq!(promise(history.flushed(AT, call(9), true)), broken);
        assert_eq!(promise(failed.flushed(AT, call(9), false)), None);
    }
}

#[test]
fn a_close_names_what_it_did_not_deliver() {
    let mut history = written(2);
    history.called(AT, WRITER, call(9), Asked::Close);
    history.acknowledged(call(0), 1, Outcome::Confirmed);
    history.undelivered(call(1), true);
    let say = |end, named: &[CallId]| promise(history.clone().closed(AT, call(9), &end, named));
    assert_eq!(say(End::Closed, &[]), Some(CLOSE_REPORTS));
    assert_eq!(say(End::Closed, &[call(1)]), Some(CLOSE_REPORTS));
    assert_eq!(say(End::CloseTimeout, &[]), Some(CLOSE_REPORTS));
    assert_eq!(say(End::CloseTimeout, &[call(1)]), None);
    // A process that is gone took its messages with it: the next one's close knows nothing of them.
    let mut history = written(1);
    history.lost(call(0));
    history.booted(WRITER);
    history.called(AT, WRITER, call(9), Asked::Close);
    assert_eq!(promise(history.closed(AT, call(9), &End::Closed, &[])), None);
}

#[test]
fn whoever_waits_for_ever_is_noticed() {
    let mut history = written(1);
    assert_eq!(promise(history.unanswered()), Some(WRITES_ANSWERED));
    history.acknowledged(call(0), 1, Outcome::Duplicate);
    assert!(history.is_settled());
    history.called(AT, WRITER, call(1), Asked::Flush);
    history.called(AT, WRITER, call(2), Asked::Close);
    for open in [call(1), call(2)] {
        assert_eq!(promise(history.unanswered()), Some(FLUSH_AND_CLOSE_SETTLE));
        history.lost(open);
    }
    assert!(history.is_settled());
}

#[test]
fn waits_grow_until_there_is_progress() {
    let config = Config::new("topic", "producer");
    let equal = |millis| Window { from: Dur::millis(millis / 2), to: Dur::millis(millis) };
    let mut history = written(1);
    assert_eq!(promise(history.waits(AT, WRITER, equal(50), &config)), None);
    assert_eq!(promise(history.clone().waits(AT, WRITER, equal(50), &config)), Some(RETRIES_SPACED));
    let no_jitter_below_half = Window { from: Dur::ZERO, to: Dur::millis(100) };
    assert_eq!(
        promise(history.clone().waits(AT, WRITER, no_jitter_below_half, &config)),
        Some(RETRIES_SPACED)
    );
    assert_eq!(promise(history.clone().waits(AT, WRITER, equal(60_000), &config)), Some(RETRIES_SPACED));
    assert_eq!(promise(history.waits(AT, WRITER, equal(100), &config)), None);
    // A session alone is no progress while something is open.
    history.greeted(WRITER);
    assert_eq!(promise(history.clone().waits(AT, WRITER, equal(50), &config)), Some(RETRIES_SPACED));
    // Progress counts when the writer has it, whenever its caller is told.
    history.progressed(WRITER);
    assert_eq!(promise(history.waits(AT, WRITER, equal(50), &config)), None);
    history.acknowledged(call(0), 1, Outcome::Confirmed);
    history.greeted(WRITER);
    assert_eq!(promise(history.waits(AT, WRITER, equal(50), &config)), None);
}

#[test]
fn budgets_and_silence() {
    let mut history = written(2);
    assert_eq!(promise(history.within(WRITER, 2 * (MESSAGE_COST + 9))), None);
    assert_eq!(promise(history.within(WRITER, 2 * (MESSAGE_COST + 9) - 1)), Some(WITHIN_BUDGET));
    assert_eq!(promise(history.speaks(AT, WRITER)), None);
    history.ended(WRITER);
    assert_eq!(promise(history.speaks(AT, WRITER)), Some(SILENT_AFTER_END));
}
