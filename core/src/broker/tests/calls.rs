//! Calls: topics made, changed, dropped, described.

use super::rig::*;
use crate::Dur;
use crate::broker::api::*;
use crate::broker::status::{SCHEME_ERROR, UNAVAILABLE};
use crate::log::api::Phase;
use alloc::{sync::Arc, vec};

fn create(path: &str, partitions: u32) -> Request {
    Request::Create { path: path.into(), settings: settings(partitions) }
}

fn drop_topic() -> Request {
    Request::Drop { path: "t".into() }
}

#[test]
fn a_topic_is_made_once_and_is_there_after_a_restart() {
    let mut rig = Rig::new(config(), 3);
    assert_eq!(rig.ask(create("t", 1)), Response::Refused(Refusal::Exists("t".into())));
    assert_eq!(rig.ask(create("u/v", 1)), Response::Done);
    let before = rig.topic();
    rig.restart();
    assert_eq!(rig.topic(), before);
    assert_eq!(before.partitions.len(), 3);
    assert_eq!(
        rig.ask(Request::List { prefix: "".into() }),
        Response::Topics(vec!["t".into(), "u/v".into()])
    );
    assert_eq!(rig.ask(Request::List { prefix: "u/".into() }), Response::Topics(vec!["u/v".into()]));
}

#[test]
fn changes_that_come_at_once_are_judged_one_after_the_other() {
    let mut rig = Rig::new(config(), 1);
    rig.hold_syncs = true;
    let first = rig.call(create("u", 1));
    let second = rig.call(create("u", 2));
    let third = rig.call(Request::Drop { path: "u".into() });
    rig.run();
    assert_eq!(rig.answer(first), None);
    rig.hold_syncs = false;
    rig.run();
    assert_eq!(rig.answer(first), Some(Response::Done));
    assert_eq!(rig.answer(second), Some(Response::Refused(Refusal::Exists("u".into()))));
    assert_eq!(rig.answer(third), Some(Response::Done));
    assert_eq!(rig.status().topics, 1);
}

#[test]
fn settings_change_and_stay_changed() {
    let mut rig = Rig::new(config(), 2);
    let change = Change {
        partitions: Some(4),
        retention: Some(Some(Dur::secs(9))),
        codecs: Some(vec![crate::writer::wire::Codec(2)]),
        attributes: [(Arc::from("k"), Arc::from("v"))].into(),
        add_consumers: [(Arc::from("d"), Consumer { important: true, ..Consumer::default() })].into(),
        drop_consumers: vec!["c".into()],
        ..Change::default()
    };
    let alter = |change| Request::Alter { path: "t".into(), change };
    assert_eq!(rig.ask(alter(change)), Response::Done);
    rig.restart();
    let topic = rig.topic();
    assert_eq!((topic.settings.partitions, topic.partitions.len()), (4, 4));
    assert_eq!(topic.settings.retention, Some(Dur::secs(9)));
    assert_eq!(topic.settings.attributes.len(), 1);
    assert_eq!(topic.settings.consumers.keys().map(|name| &**name).collect::<vec::Vec<_>>(), ["d"]);
    for (change, words) in [
        (Change { partitions: Some(3), ..Change::default() }, "cannot have fewer"),
        (Change { partitions: Some(2000), ..Change::default() }, "the number of partitions: 2000"),
        (Change { drop_consumers: vec!["c".into()], ..Change::default() }, "no consumer c"),
        (
            Change { add_consumers: [(Arc::from("d"), Consumer::default())].into(), ..Change::default() },
            "the consumer d exists",
        ),
    ] {
        match rig.ask(alter(change)) {
            Response::Refused(refusal) => {
                assert!(alloc::string::ToString::to_string(&refusal).contains(words), "{refusal}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rig.topic(), topic);
    let away = Change { attributes: [(Arc::from("k"), Arc::from(""))].into(), ..Change::default() };
    assert_eq!(rig.ask(alter(away)), Response::Done);
    assert!(rig.topic().settings.attributes.is_empty());
}

#[test]
fn a_dropped_topic_is_gone_and_its_name_free_for_another() {
    let mut rig = Rig::new(config(), 1);
    let (conn, _) = rig.writer(init("p"));
    rig.write(conn, messages([1, 2]));
    rig.hold_syncs = true;
    let dropping = rig.call(drop_topic());
    assert_eq!(rig.failure(conn).code, SCHEME_ERROR);
    // Nobody gets in while it goes.
    let late = rig.open(init("p"));
    assert_eq!(rig.failure(late).code, SCHEME_ERROR);
    rig.hold_syncs = false;
    rig.run();
    assert_eq!(rig.answer(dropping), Some(Response::Done));
    assert_eq!(rig.ask(drop_topic()), Response::Refused(Refusal::NoTopic("t".into())));
    assert_eq!(rig.ask(create("t", 1)), Response::Done);
    let (conn, session) = rig.writer(init("p"));
    assert_eq!((session.last_seq_no, rig.topic().partitions[0].available.end), (0, 0));
    assert_eq!(rig.write(conn, messages([1])), [written(1, 0)]);
    rig.restart();
    assert_eq!(rig.topic().partitions[0].available.end, 1);
    assert_eq!(rig.writer(init("p")).1.last_seq_no, 1);
}

#[test]
fn a_commit_by_call_moves_both_ways_and_lasts() {
    let mut rig = Rig::new(config(), 1);
    let (conn, _) = rig.writer(init("p"));
    rig.write(conn, messages(1..=5));
    let commit = |partition, consumer: &str, offset| Request::Commit {
        path: "t".into(),
        partition,
        consumer: consumer.into(),
        offset,
    };
    for offset in [4, 2] {
        assert_eq!(rig.ask(commit(0, "c", offset)), Response::Done);
        assert_eq!(rig.topic().partitions[0].committed["c"], offset);
    }
    rig.restart();
    assert_eq!(rig.topic().partitions[0].committed["c"], 2);
    assert_eq!(rig.ask(commit(1, "c", 1)), Response::Refused(Refusal::NoPartition(1)));
    assert_eq!(rig.ask(commit(0, "d", 1)), Response::Refused(Refusal::NoConsumer("d".into())));
    assert!(matches!(rig.ask(commit(0, "c", 6)), Response::Refused(Refusal::Invalid(_))));
}

#[test]
fn a_change_whose_sync_fails_is_unknown_and_settled_later() {
    let mut rig = Rig::new(config(), 1);
    rig.fail_syncs = u32::MAX;
    let call = rig.call(create("u", 1));
    rig.pass(Dur::secs(60));
    assert_eq!(rig.answer(call), Some(Response::Refused(Refusal::Unknown)));
    assert!(rig.marks.contains("outcome of a call unknown"));
    assert_eq!(rig.ask(create("v", 1)), Response::Refused(Refusal::Overloaded));
    rig.fail_syncs = 0;
    rig.pass(Dur::secs(60));
    assert_eq!(rig.status().topics, 2);
    assert_eq!(rig.ask(create("v", 1)), Response::Done);
}

#[test]
fn old_messages_are_given_up_and_stay_so() {
    let mut config = config();
    // A file for each.
    config.pool.segment_bytes = 1;
    config.pool.flush_bytes = 1;
    let mut rig = Rig::new(config, 1);
    let alter = Change { retention: Some(Some(Dur::secs(100))), ..Change::default() };
    assert_eq!(rig.ask(Request::Alter { path: "t".into(), change: alter }), Response::Done);
    let (conn, _) = rig.writer(init("p"));
    for n in 1..=10 {
        rig.write(conn, messages([n]));
        rig.pass(Dur::secs(30));
    }
    rig.pass(Dur::secs(3600));
    let available = rig.topic().partitions[0].available;
    assert_eq!((available.start, available.end), (6, 10));
    assert_eq!(rig.read_all(0, 6).len(), 4);
    rig.restart();
    assert_eq!(rig.topic().partitions[0].available, available);
    let (conn, session) = rig.writer(init("p"));
    assert_eq!(session.last_seq_no, 10, "what was given up is known again");
    assert_eq!(rig.write(conn, messages([10, 11])), [skipped(10), written(11, 10)]);
}

#[test]
fn the_end_answers_everybody() {
    let mut rig = Rig::new(config(), 1);
    let (conn, _) = rig.writer(init("p"));
    rig.hold_syncs = true;
    rig.send(conn, messages([1]));
    let change = rig.call(create("u", 1));
    let waiting = rig.call(create("v", 1));
    let end = rig.call(Request::Shutdown);
    let again = rig.call(Request::Shutdown);
    let late = rig.open(init("q"));
    assert_eq!(rig.failure(late).code, UNAVAILABLE);
    assert_eq!(rig.ask(create("w", 1)), Response::Refused(Refusal::Closing));
    assert_eq!(rig.answer(waiting), Some(Response::Refused(Refusal::Closing)));
    assert_eq!(rig.answer(end), None);
    rig.hold_syncs = false;
    rig.run();
    assert_eq!(rig.answer(change), Some(Response::Done));
    assert_eq!(rig.answer(end), Some(Response::Done));
    assert_eq!(rig.answer(again), Some(Response::Done));
    assert_eq!(rig.acks(conn), [written(1, 0)]);
    assert_eq!(rig.failure(conn).code, UNAVAILABLE);
    assert_eq!(rig.status().phase, Phase::Closed);
    rig.restart();
    assert_eq!((rig.status().topics, rig.topic().partitions[0].available.end), (2, 1));
    assert!(rig.status().recovery.unwrap().clean);
}

#[test]
fn nothing_is_taken_in_while_it_recovers() {
    let mut rig = Rig::new(config(), 1);
    let config = config();
    rig.broker = crate::broker::Broker::new(config).unwrap();
    assert_eq!(rig.ask(create("u", 1)), Response::Refused(Refusal::Recovering));
    let conn = rig.open(init("p"));
    assert_eq!(rig.failure(conn).code, UNAVAILABLE);
    assert_eq!(rig.status().phase, Phase::Recovering);
}
