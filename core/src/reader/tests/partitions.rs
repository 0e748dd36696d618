//! Partitions that come and go, and commits that settle.

use super::super::{
    Config, Event, Input, Timer,
    api::{End, Refusal},
    wire::{FromClient, FromServer, Range},
};
use super::rig::{Rig, commit, config, data, session, stop};
use alloc::vec;

fn started(number: u64, read_offset: Option<u64>) -> FromClient {
    FromClient::Started { session: session(number), read_offset, commit_offset: None }
}

fn durable(number: u64, offset: u64) -> FromServer {
    FromServer::Committed(vec![(session(number), offset)])
}

#[test]
fn partitions_are_taken_and_delivered() {
    let mut rig = Rig::ready(config());
    let part = rig.assign(1, 10);
    assert_eq!(rig.sent(), [started(1, None)]);
    rig.say(data(1, 10, 2, 20));
    let told = rig.told();
    assert!(matches!(&told[..], [Event::Data(list, 20)] if list.len() == 1 && list[0].0 == part), "{told:?}");
}

#[test]
fn a_caller_may_say_where_to_begin() {
    let mut rig = Rig::ready(Config { caller_begins: true, ..config() });
    let part = rig.assign(1, 10);
    assert_eq!(rig.sent(), []);
    rig.give(Input::Begin(part, Some(5)));
    rig.give(Input::Begin(part, Some(6)));
    assert_eq!(rig.sent(), [started(1, Some(5))]);
    rig.say(data(1, 5, 10, 20));
    // What was committed before needs no word to the server.
    let old = rig.commit(part, 5, 10);
    let new = rig.commit(part, 9, 12);
    rig.say(durable(1, 12));
    let (sent, told) = rig.look();
    assert_eq!(sent, [commit(1, 10, 12)]);
    assert_eq!(told[1..], [Event::Committed(old), Event::Committed(new)]);
}

#[test]
fn commits_settle_when_all_of_them_is_durable() {
    let (mut rig, part) = Rig::reading();
    rig.say(data(1, 10, 10, 20));
    rig.look();
    let first = rig.commit(part, 10, 13);
    let second = rig.commit(part, 13, 15);
    assert_eq!(rig.look(), (vec![commit(1, 10, 13), commit(1, 13, 15)], vec![]));
    rig.say(durable(1, 12));
    assert_eq!(rig.told(), []);
    rig.say(durable(1, 14));
    assert_eq!(rig.told(), [Event::Committed(first)]);
    rig.say(durable(1, 15));
    // Again, and older: nothing new.
    rig.say(durable(1, 13));
    assert_eq!(rig.told(), [Event::Committed(second)]);
    assert!(rig.marks.contains(&"a commit answered in part"));
}

#[test]
fn what_was_passed_over_is_committed_with_what_follows() {
    let (mut rig, part) = Rig::reading();
    // From 10, which is committed, to 14; and between 16 and 20.
    rig.say(data(1, 14, 2, 20));
    rig.say(data(1, 20, 2, 20));
    rig.look();
    rig.commit(part, 14, 16);
    rig.commit(part, 20, 22);
    assert_eq!(rig.sent(), [commit(1, 10, 16), commit(1, 16, 22)]);
    // Within a commit.
    let (mut rig, part) = Rig::reading();
    rig.say(data(1, 14, 2, 20));
    rig.say(data(1, 20, 2, 20));
    rig.look();
    rig.commit(part, 14, 22);
    assert_eq!(rig.sent(), [commit(1, 10, 22)]);
    // Only behind the one that it precedes.
    let (mut rig, part) = Rig::reading();
    rig.say(data(1, 14, 2, 20));
    rig.look();
    rig.commit(part, 15, 16);
    rig.commit(part, 14, 15);
    assert_eq!(rig.sent(), [commit(1, 15, 16), commit(1, 10, 15)]);
}

#[test]
fn commits_that_make_no_sense_are_refused_and_change_nothing() {
    let (mut rig, part) = Rig::reading();
    rig.say(data(1, 10, 10, 20));
    rig.commit(part, 12, 14);
    rig.look();
    let range = |start, end| Range { start, end };
    for (start, end, refusal) in [
        (12, 12, Refusal::Empty),
        (13, 12, Refusal::Empty),
        (19, 21, Refusal::NotDelivered(range(19, 21))),
        (9, 11, Refusal::NotDelivered(range(9, 11))),
        (13, 15, Refusal::Twice(range(13, 15))),
        (11, 13, Refusal::Twice(range(11, 13))),
        (10, 20, Refusal::Twice(range(10, 20))),
    ] {
        let ticket = rig.commit(part, start, end);
        assert_eq!(rig.look(), (vec![], vec![Event::Refused(ticket, refusal)]));
    }
    rig.commit(part, 10, 12);
    rig.say(durable(1, 14));
    rig.look();
    let ticket = rig.commit(part, 11, 15);
    assert_eq!(rig.told(), [Event::Refused(ticket, Refusal::Twice(range(11, 15)))]);
    for offset in 14..18 {
        rig.commit(part, offset, offset + 1);
    }
    rig.look();
    let ticket = rig.commit(part, 18, 19);
    assert_eq!(rig.told(), [Event::Refused(ticket, Refusal::TooManyWait { limit: 4 })]);
    let mut rig = Rig::ready(Config { consumer: "".into(), ..config() });
    let part = rig.assign(1, 0);
    rig.say(data(1, 0, 1, 10));
    rig.look();
    let ticket = rig.commit(part, 0, 1);
    assert_eq!(rig.told(), [Event::Refused(ticket, Refusal::NoConsumer)]);
}

#[test]
fn a_partition_of_an_older_session_is_another_one_under_the_same_number() {
    let (mut rig, old) = Rig::reading();
    rig.say(data(1, 10, 5, 20));
    let lost = rig.commit(old, 10, 12);
    rig.look();
    rig.reopen();
    let told = rig.told();
    assert_eq!(told[..2], [Event::NotCommitted(lost), Event::Stopped(old)]);
    let new = rig.assign(1, 10);
    assert_ne!(old, new);
    rig.say(data(1, 10, 5, 20));
    rig.look();
    let ticket = rig.commit(old, 12, 14);
    rig.give(Input::Release(old));
    assert_eq!(rig.look(), (vec![], vec![Event::Refused(ticket, Refusal::Gone)]));
}

#[test]
fn a_number_that_a_server_uses_again_is_another_partition() {
    let (mut rig, old) = Rig::reading();
    rig.say(stop(1, false, 10));
    let new = rig.assign(1, 10);
    assert_ne!(old, new);
    rig.say(data(1, 10, 5, 20));
    rig.look();
    let ticket = rig.commit(old, 10, 12);
    assert_eq!(rig.look(), (vec![], vec![Event::Refused(ticket, Refusal::Gone)]));
}

#[test]
fn a_partition_is_given_back_when_it_is_released_and_its_commits_are_answered() {
    let (mut rig, part) = Rig::reading();
    rig.say(data(1, 10, 10, 20));
    let first = rig.commit(part, 10, 12);
    // Not asked for yet.
    rig.give(Input::Release(part));
    rig.look();
    rig.say(stop(1, true, 10));
    rig.say(stop(1, true, 10));
    assert_eq!(rig.told(), [Event::Stopping(part)]);
    let second = rig.commit(part, 12, 13);
    // Held up by what nobody has committed.
    let third = rig.commit(part, 15, 16);
    rig.give(Input::Release(part));
    let late = rig.commit(part, 13, 15);
    let (sent, told) = rig.look();
    assert_eq!((sent.len(), told), (2, vec![Event::Refused(late, Refusal::Gone)]));
    rig.say(durable(1, 12));
    assert_eq!(rig.look(), (vec![], vec![Event::Committed(first)]));
    rig.say(durable(1, 13));
    let told = vec![Event::Committed(second), Event::NotCommitted(third), Event::Stopped(part)];
    assert_eq!(rig.look(), (vec![FromClient::Stopped(session(1))], told));
    // What crosses it.
    rig.say(stop(1, false, 13));
    rig.say(durable(1, 13));
    assert_eq!(rig.look(), (vec![], vec![]));
}

#[test]
fn nothing_is_delivered_of_a_partition_that_was_released() {
    let (mut rig, part) = Rig::reading();
    rig.say(data(1, 10, 10, 20));
    rig.commit(part, 10, 12);
    rig.say(stop(1, true, 10));
    rig.give(Input::Release(part));
    rig.look();
    rig.say(data(1, 20, 1, 10));
    assert_eq!((rig.told(), rig.reader.held()), (vec![], 20));
    rig.say(stop(1, false, 10));
    rig.look();
    rig.say(data(1, 21, 1, 980));
    // It took of the credit and not of the room.
    assert_eq!((rig.sent(), rig.reader.held()), (vec![FromClient::Read { bytes: 990 }], 20));
}

#[test]
fn a_partition_that_is_taken_away_answers_what_waits_for_it() {
    let (mut rig, part) = Rig::reading();
    rig.say(data(1, 10, 10, 20));
    let first = rig.commit(part, 10, 12);
    let second = rig.commit(part, 12, 14);
    rig.look();
    rig.say(stop(1, false, 12));
    assert_eq!(
        rig.look(),
        (vec![], vec![Event::Committed(first), Event::NotCommitted(second), Event::Stopped(part)])
    );
    // The position was moved beyond what this reader knows of: that says nothing of its commits.
    let (mut rig, part) = Rig::reading();
    rig.say(data(1, 10, 10, 20));
    let gap = rig.commit(part, 15, 16);
    rig.look();
    rig.say(stop(1, false, 50));
    assert_eq!(rig.told(), [Event::NotCommitted(gap), Event::Stopped(part)]);
}

#[test]
fn commits_that_nothing_holds_up_have_to_be_answered_in_time() {
    let (mut rig, part) = Rig::reading();
    rig.say(data(1, 10, 10, 20));
    rig.commit(part, 12, 14);
    assert!(!rig.armed.contains_key(&Timer::Commit));
    rig.commit(part, 10, 12);
    assert!(rig.armed.contains_key(&Timer::Commit));
    rig.say(durable(1, 14));
    assert!(!rig.armed.contains_key(&Timer::Commit));
    let lost = rig.commit(part, 14, 15);
    rig.look();
    rig.fire(Timer::Commit);
    let told = rig.told();
    assert!(
        matches!(told[..], [Event::NotCommitted(it), Event::Stopped(_), Event::Lost(..)] if it == lost),
        "{told:?}"
    );
}

#[test]
fn a_close_waits_for_commits_and_for_nothing_else() {
    let (mut rig, part) = Rig::reading();
    rig.say(data(1, 10, 10, 20));
    let first = rig.commit(part, 10, 12);
    let held_up = rig.commit(part, 15, 16);
    rig.look();
    let close = rig.close();
    rig.say(data(1, 20, 1, 970));
    rig.give(Input::Taken(20));
    // Neither delivered nor asked for again.
    assert_eq!(rig.look(), (vec![], vec![]));
    let late = rig.commit(part, 12, 13);
    assert_eq!(rig.told(), [Event::Refused(late, Refusal::Closed)]);
    rig.say(durable(1, 12));
    let end = End::Closed;
    let told = [
        Event::Committed(first),
        Event::NotCommitted(held_up),
        Event::Stopped(part),
        Event::Closed(close, end.clone()),
        Event::Ended(end),
    ];
    assert_eq!(rig.told(), told);
    assert!(rig.armed.is_empty() && rig.stream.is_none());
}

#[test]
fn a_close_ends_with_the_session_or_its_time() {
    let (mut rig, part) = Rig::reading();
    rig.say(data(1, 10, 10, 20));
    let ticket = rig.commit(part, 10, 12);
    let close = rig.close();
    rig.look();
    rig.fail(400_050);
    let told = rig.told();
    assert_eq!(told[0], Event::NotCommitted(ticket));
    assert_eq!(told[told.len() - 2], Event::Closed(close, End::Closed));
    assert!(rig.armed.is_empty());
    let (mut rig, part) = Rig::reading();
    rig.say(data(1, 10, 10, 20));
    rig.commit(part, 10, 12);
    let close = rig.close();
    rig.fire(Timer::Close);
    assert!(rig.told().contains(&Event::Closed(close, End::CloseTimeout)));
    let mut rig = Rig::new(config());
    let close = rig.close();
    assert_eq!(rig.told(), [Event::Closed(close, End::Closed), Event::Ended(End::Closed)]);
}
