//! How sessions begin and end, and what is refused.

use super::rig::{Rig, conn, filter, id};
use crate::reader::wire::{FromClient, FromServer, Init, Range, TopicFilter};
use crate::writer::wire::{Issue, Status};
use crate::{Dur, Wall};
use alloc::{vec, vec::Vec};

const BAD_REQUEST: u32 = 400_010;
const UNAVAILABLE: u32 = 400_050;
const OVERLOADED: u32 = 400_060;
const SCHEME_ERROR: u32 = 400_070;

#[test]
fn a_reader_is_greeted_and_offered_its_partitions() {
    let mut rig = Rig::with(2);
    rig.write(1, &[1, 1, 1]);
    rig.trim(1, 2);
    rig.open(1, "c", &[filter("t")]);
    let start = |session, partition, available| FromServer::Start {
        session: id(session),
        path: "t".into(),
        partition,
        committed: 0,
        available,
    };
    assert_eq!(
        rig.look(1),
        [
            FromServer::Init { session_id: "c_1".into() },
            start(1, 0, Range { start: 0, end: 0 }),
            start(2, 1, Range { start: 2, end: 3 }),
        ]
    );
    assert_eq!((rig.readers.len(), rig.readers.has(conn(1))), (1, true));
    assert_eq!(rig.readers.reader_of(rig.at(1), "c").as_deref(), Some("c_1"));
    assert_eq!(rig.readers.reader_of(rig.at(1), "d"), None);
    rig.close(1);
    assert_eq!((rig.readers.len(), rig.readers.reader_of(rig.at(1), "c")), (0, None));
}

#[test]
fn what_makes_no_sense_to_read_is_refused() {
    let mut rig = Rig::with(2);
    rig.create("u", 1);
    let only = |partitions: &[u32]| TopicFilter { partitions: partitions.to_vec(), ..filter("t") };
    let cases: [(&str, &[TopicFilter], u32, &str); 6] = [
        ("c", &[], BAD_REQUEST, "no topic to read"),
        ("c", &[filter("t"), filter("v")], SCHEME_ERROR, "there is no topic v"),
        ("", &[filter("v")], SCHEME_ERROR, "there is no topic v"),
        ("x", &[filter("t")], BAD_REQUEST, "the topic t has no consumer x"),
        ("c", &[filter("t"), filter("u"), filter("t")], BAD_REQUEST, "the topic t is named twice"),
        ("c", &[only(&[0, 2])], BAD_REQUEST, "the topic t has no partition 2"),
    ];
    for (consumer, topics, code, words) in cases {
        rig.open(1, consumer, topics);
        assert_eq!(rig.failed(1), Some((code, words.into())));
        assert_eq!(rig.readers.len(), 0);
    }
    // Nothing of it is left.
    rig.reader(1, 10);
    assert_eq!(rig.has(1), [0, 1]);
}

#[test]
fn a_session_is_opened_first_and_once() {
    let mut rig = Rig::with(1);
    rig.books.insert(conn(1), Default::default());
    rig.say(1, FromClient::Read { bytes: 1 });
    assert_eq!(rig.failed(1).unwrap().0, BAD_REQUEST);
    rig.reader(1, 10);
    rig.say(1, FromClient::Init(Init { topics: vec![filter("t")], consumer: "c".into() }));
    assert_eq!(rig.failed(1).unwrap().0, BAD_REQUEST);
    assert_eq!(rig.readers.len(), 0);
}

#[test]
fn there_are_no_more_sessions_than_are_allowed() {
    let mut rig = Rig::with(1);
    (0..8).for_each(|number| rig.open(number, "c", &[filter("t")]));
    rig.open(8, "c", &[filter("t")]);
    assert_eq!(rig.failed(8).unwrap().0, OVERLOADED);
    rig.close(3);
    rig.open(8, "c", &[filter("t")]);
    assert_eq!((rig.failed(8), rig.readers.len()), (None, 8));
}

#[test]
fn a_reader_says_where_to_read_from() {
    for (read, commit, wrong) in [
        (Some(1), None, Some("a read offset before the start of the partition")),
        (Some(6), None, Some("a read offset behind the end of the partition")),
        (None, Some(6), Some("a commit offset behind the end of the partition")),
        (Some(3), Some(4), Some("a read offset before the commit offset")),
        (Some(2), None, None),
        (Some(5), None, None),
        (None, Some(5), None),
        (Some(4), Some(3), None),
        (None, Some(1), None),
    ] {
        let mut rig = Rig::with(1);
        rig.write(0, &[1; 5]);
        rig.trim(0, 2);
        rig.open(1, "c", &[filter("t")]);
        rig.read(1, 10_000);
        rig.start(1, 1, read, commit);
        rig.answer_all();
        let sent = rig.offsets(1).remove(&1).unwrap_or_default();
        match wrong {
            Some(words) => {
                assert_eq!(sent, []);
                assert!(!rig.readers.has(conn(1)), "{words}");
            }
            None => assert_eq!(sent, (read.or(commit).unwrap_or(2).max(2)..5).collect::<Vec<_>>()),
        }
        let committed: Vec<u64> = rig.commits.iter().map(|(_, _, offset)| *offset).collect();
        assert_eq!(committed, commit.filter(|_| wrong.is_none()).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_start_that_was_overtaken_by_retention_is_taken() {
    let mut rig = Rig::with(1);
    rig.write(0, &[1]);
    rig.write(0, &[1]);
    rig.open(1, "c", &[filter("t")]);
    rig.read(1, 1000);
    rig.trim(0, 1);
    rig.start(1, 1, Some(0), None);
    rig.answer_all();
    assert_eq!(rig.offsets(1)[&1], [1]);
}

#[test]
fn partition_sessions_start_once_and_stop_when_asked() {
    let mut rig = Rig::with(1);
    rig.reader(1, 10);
    let started = |session| FromClient::Started { session, read_offset: None, commit_offset: None };
    // Of no partition session: overtaken by a stop.
    rig.say(1, started(id(9)));
    rig.say(1, FromClient::Stopped(id(9)));
    rig.say(1, FromClient::Status(id(9)));
    assert!(rig.readers.has(conn(1)));
    rig.say(1, started(id(1)));
    assert_eq!(rig.failed(1).unwrap().1, "a partition session was started twice");
    rig.reader(1, 10);
    rig.say(1, FromClient::Stopped(id(1)));
    assert_eq!(rig.failed(1).unwrap().1, "a partition session was given up that nobody asked for");
}

#[test]
fn questions_and_tokens_are_answered() {
    let mut rig = Rig::with(1);
    rig.write(0, &[1, 1]);
    rig.reader(1, 0);
    rig.look(1);
    rig.say(1, FromClient::Status(id(1)));
    rig.say(1, FromClient::UpdateToken(vec![1].into()));
    let status = FromServer::Status {
        session: id(1),
        available: Range { start: 0, end: 2 },
        committed: 0,
        written_until: Wall(Dur::secs(1000).0),
    };
    assert_eq!(rig.look(1), [status, FromServer::TokenUpdated]);
}

#[test]
fn old_messages_are_passed_over_for_who_does_not_want_them() {
    let minute = Dur::secs(60);
    let lag = |lag| TopicFilter { max_lag: Some(Dur::secs(lag)), ..filter("t") };
    let from = |secs| TopicFilter { read_from: Some(Wall(Dur::secs(secs).0)), ..filter("t") };
    // Written at 1000, 1060 and 1120 seconds; now is 1180.
    for (consumer, filter, first) in [
        (None, filter("t"), 0),
        (None, lag(61), 2),
        (None, lag(180), 0),
        (None, lag(10), 3),
        (None, from(1000), 0),
        (None, from(1001), 1),
        (Some(1061), from(1001), 2),
        (Some(1061), filter("t"), 2),
        (Some(900), lag(120), 1),
    ] {
        let mut rig = Rig::with(1);
        for _ in 0..3 {
            rig.write(0, &[1]);
            rig.wait(minute);
        }
        let topic = rig.topic("t");
        let mut settings = rig.catalogue.topic(topic).unwrap().settings.clone();
        settings.consumers.get_mut("c").unwrap().read_from = consumer.map(|secs| Wall(Dur::secs(secs).0));
        rig.catalogue.alter(topic, settings);
        rig.open(1, "c", &[filter]);
        rig.read(1, 10_000);
        rig.start_all(1);
        rig.answer_all();
        let sent = rig.offsets(1).remove(&1).unwrap_or_default();
        assert_eq!(sent, (first..3).collect::<Vec<_>>());
    }
}

#[test]
fn without_a_consumer_everything_is_read_by_everybody_and_nothing_committed() {
    let mut rig = Rig::with(2);
    rig.write(0, &[1, 1]);
    rig.write(1, &[1]);
    for number in 1..3 {
        rig.open(number, "", &[filter("t")]);
        rig.read(number, 1000);
        rig.start_all(number);
    }
    rig.answer_all();
    for number in 1..3 {
        let sent: Vec<(u64, Vec<u64>)> = rig.offsets(number).into_iter().collect();
        assert_eq!(sent, [(1, vec![0, 1]), (2, vec![0])]);
    }
    let only = TopicFilter { partitions: vec![1], ..filter("t") };
    rig.open(3, "", &[only]);
    assert_eq!(rig.has(3), [1]);
    rig.say_commit(1, 1, 0, 1);
    assert_eq!(rig.failed(1).unwrap().1, "a commit without a consumer");
    rig.start(3, 1, None, Some(1));
    assert_eq!(rig.failed(3).unwrap().1, "a commit without a consumer");
    rig.grow(3);
    assert_eq!(rig.has(2), [0, 1, 2]);
}

#[test]
fn sessions_of_what_was_dropped_end() {
    let mut rig = Rig::with(1);
    rig.create("u", 1);
    rig.open(1, "c", &[filter("t"), filter("u")]);
    rig.open(2, "c", &[filter("u")]);
    rig.open(3, "d", &[filter("t")]);
    rig.open(4, "", &[filter("t")]);
    assert_eq!((rig.books[&conn(1)].parts.len(), rig.books[&conn(2)].parts.len()), (2, 0));
    let topic = rig.topic("t");
    let mut settings = rig.catalogue.topic(topic).unwrap().settings.clone();
    settings.consumers.remove("d");
    rig.catalogue.alter(topic, settings);
    rig.changed(topic);
    assert_eq!(rig.failed(3), Some((BAD_REQUEST, "the consumer d was dropped".into())));
    assert_eq!(rig.readers.len(), 3);
    rig.catalogue.remove(topic);
    rig.changed(topic);
    for number in [1, 4] {
        assert_eq!(rig.failed(number), Some((SCHEME_ERROR, "the topic was dropped".into())));
    }
    // What else they had passes on.
    assert_eq!((rig.readers.len(), rig.books[&conn(2)].parts.len()), (1, 1));
}

#[test]
fn the_end_of_the_broker_ends_every_session() {
    let mut rig = Rig::with(2);
    rig.write(0, &[1]);
    rig.reader(1, 100);
    rig.reader(2, 100);
    assert!(rig.alarm.is_some() && !rig.fetches.is_empty());
    let words = Issue { code: 0, message: "the end".into() };
    let status = Status { code: UNAVAILABLE, issues: vec![words] };
    rig.step(|readers, _, out| readers.close_all(out, &status));
    assert_eq!(rig.failed(1), Some((UNAVAILABLE, "the end".into())));
    assert_eq!(rig.failed(2), Some((UNAVAILABLE, "the end".into())));
    assert_eq!((rig.readers.len(), rig.alarm), (0, None));
    rig.answer_all();
    assert_eq!(rig.said, []);
}
