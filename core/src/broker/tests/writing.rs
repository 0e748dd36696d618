//! What writers are told, and when.

use super::rig::*;
use crate::broker::api::Message;
use crate::broker::status::{BAD_REQUEST, OVERLOADED, SCHEME_ERROR};
use crate::writer::wire::{Codec, FromClient, FromServer, Init};
use alloc::{format, sync::Arc, vec, vec::Vec};

#[test]
fn messages_are_acknowledged_in_order_at_dense_offsets() {
    let mut rig = Rig::new(config(), 1);
    let (conn, session) = rig.writer(init("p"));
    assert_eq!((session.last_seq_no, session.partition), (0, 0));
    assert_eq!(&*session.session_id, "p-0-1");
    assert_eq!(rig.write(conn, messages([1, 2])), [written(1, 0), written(2, 1)]);
    // Numbers may have gaps, offsets have none.
    assert_eq!(rig.write(conn, messages([7])), [written(7, 2)]);
    let all = rig.read_all(0, 0);
    assert_eq!(
        all.iter().map(|(offset, _, m)| (*offset, m.seq_no)).collect::<Vec<_>>(),
        [(0, 1), (1, 2), (2, 7)]
    );
    assert_eq!(all[2].2, messages([7])[0]);
}

#[test]
fn nothing_is_told_or_shown_before_it_is_durable() {
    let mut rig = Rig::new(config(), 1);
    let (conn, _) = rig.writer(init("p"));
    rig.hold_syncs = true;
    assert_eq!(rig.write(conn, messages([1])), []);
    assert_eq!(rig.topic().partitions[0].available.end, 0);
    // Passed over, and yet the answer rests on what is on its way.
    assert_eq!(rig.write(conn, messages([1])), []);
    let late = rig.open(init("q"));
    rig.run();
    assert_eq!(rig.hear(late), None);
    rig.hold_syncs = false;
    rig.run();
    assert_eq!(rig.acks(conn), [written(1, 0), skipped(1)]);
    assert_eq!(rig.topic().partitions[0].available.end, 1);
    assert!(matches!(rig.hear(late), Some(Message::WriteReply(FromServer::Init(_)))));
}

#[test]
fn a_number_is_stored_once() {
    let mut rig = Rig::new(config(), 1);
    let (conn, _) = rig.writer(init("p"));
    rig.write(conn, messages([1, 2, 3]));
    rig.hang_up(conn);
    let (conn, session) = rig.writer(init("p"));
    assert_eq!(session.last_seq_no, 3);
    assert_eq!(&*session.session_id, "p-0-2");
    // One acknowledgement each, also within one request, whatever is new among them.
    let acks = rig.write(conn, messages([2, 3, 4, 4, 3, 9, 5]));
    assert_eq!(
        acks,
        [skipped(2), skipped(3), written(4, 3), skipped(4), skipped(3), written(9, 4), skipped(5)]
    );
    assert_eq!(rig.read_all(0, 0).len(), 5);
    assert!(rig.marks.contains("producer known again") && rig.marks.contains("number known again"));
}

#[test]
fn producers_and_topics_have_numbers_of_their_own() {
    let mut rig = Rig::new(config(), 1);
    let (p, _) = rig.writer(init("p"));
    let (q, _) = rig.writer(init("q"));
    assert_eq!(rig.write(p, messages([1])), [written(1, 0)]);
    assert_eq!(rig.write(q, messages([1])), [written(1, 1)]);
    // Who does not say who it is is never known again.
    let (nobody, session) = rig.writer(init(""));
    assert_eq!(session.last_seq_no, 0);
    assert_eq!(rig.write(nobody, messages([1, 1, 0])), [written(1, 2), written(1, 3), written(0, 4)]);
}

#[test]
fn a_newer_session_ends_the_older() {
    let mut rig = Rig::new(config(), 1);
    let (older, _) = rig.writer(init("p"));
    rig.hold_syncs = true;
    rig.send(older, messages([1]));
    let newer = rig.open(init("p"));
    rig.send(older, messages([2]));
    rig.hold_syncs = false;
    rig.run();
    let status = rig.failure(older);
    assert_eq!((status.code, status.issues[0].code), (BAD_REQUEST, 500_003));
    // What was taken in before counts, what came after does not.
    match rig.hear(newer) {
        Some(Message::WriteReply(FromServer::Init(session))) => assert_eq!(session.last_seq_no, 1),
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.write(newer, messages([1, 2])), [skipped(1), written(2, 1)]);
    assert_eq!(rig.status().write_sessions, 1);
}

#[test]
fn messages_that_are_all_known_are_acknowledged_at_once() {
    let mut rig = Rig::new(config(), 1);
    let (conn, _) = rig.writer(init("p"));
    rig.write(conn, messages([1, 2, 3]));
    // Nobody else writes: no record will become durable after this.
    assert_eq!(rig.write(conn, messages([2, 3])), [skipped(2), skipped(3)]);
}

#[test]
fn a_session_that_was_thrown_out_while_it_opened_is_never_greeted() {
    let mut rig = Rig::new(config(), 1);
    rig.hold_syncs = true;
    let first = rig.open(init("p"));
    let second = rig.open(init("p"));
    rig.hold_syncs = false;
    rig.run();
    assert_eq!(rig.failure(first).code, BAD_REQUEST);
    assert_eq!(rig.hear(first), None);
    assert!(matches!(rig.hear(second), Some(Message::WriteReply(FromServer::Init(_)))));
}

#[test]
fn a_source_keeps_its_partition() {
    let mut rig = Rig::new(config(), 8);
    let mut used = alloc::collections::BTreeSet::new();
    for n in 0..40 {
        let name = format!("p{n}");
        let (conn, session) = rig.writer(init(&name));
        used.insert(session.partition);
        rig.hang_up(conn);
        let (conn, again) = rig.writer(Init { group: name.clone().into(), ..init(&name) });
        assert_eq!(again.partition, session.partition);
        rig.hang_up(conn);
        let other = (session.partition + 1) % 8;
        let conflict = rig.open(Init { partition: Some(other), ..init(&name) });
        rig.run();
        assert_eq!(rig.failure(conflict).code, BAD_REQUEST);
    }
    assert_eq!(used.len(), 8, "{used:?}");
    // The MD5 of "a" begins with 0c, that of "b" with 92: the first and the fifth eighth.
    assert_eq!((rig.writer(init("a")).1.partition, rig.writer(init("b")).1.partition), (0, 4));
    let spread: Vec<u32> = (0..8).map(|_| rig.writer(init("")).1.partition).collect();
    assert_eq!(spread.iter().collect::<alloc::collections::BTreeSet<_>>().len(), 8);
}

#[test]
fn what_cannot_be_a_session_is_refused_with_a_reason() {
    let mut rig = Rig::new(config(), 2);
    let long = "x".repeat(2049);
    for (init, code, words) in [
        (Init { path: "no".into(), ..init("p") }, SCHEME_ERROR, "there is no topic no"),
        (Init { group: "g".into(), ..init("p") }, BAD_REQUEST, "unsupported producer_id"),
        (Init { partition: Some(2), ..init("p") }, BAD_REQUEST, "no partition 2"),
        (init(&long), BAD_REQUEST, "longer than 2048"),
    ] {
        let conn = rig.open(init);
        rig.run();
        let status = rig.failure(conn);
        assert_eq!(status.code, code);
        assert!(status.issues[0].message.contains(words), "{status:?}");
    }
    let early = rig.connect(Message::Write(FromClient::UpdateToken(vec![].into())));
    assert_eq!(rig.failure(early).code, BAD_REQUEST);
    let (conn, _) = rig.writer(init("p"));
    rig.say(conn, Message::Write(FromClient::Init(init("p"))));
    assert_eq!(rig.failure(conn).code, BAD_REQUEST);
    assert_eq!(rig.status().write_sessions, 0);
}

#[test]
fn what_cannot_be_a_message_ends_the_session_with_a_reason() {
    let mut rig = Rig::new(config(), 1);
    let mut metadata = message(1, "x");
    metadata.payload.metadata = vec![(Arc::from("k"), vec![0; 4096].into())];
    for (codec, messages, words) in [
        (Codec(1), vec![], "without messages"),
        (Codec(0), messages([1]), "codec 0"),
        (Codec(1), messages([0]), "0 is no sequence number"),
        (Codec(1), vec![message(1, vec![0; 4097])], "4097 bytes, at most 4096"),
        (Codec(1), vec![metadata], "4097 bytes of metadata"),
    ] {
        let (conn, _) = rig.writer(init("p"));
        rig.say(conn, Message::Write(FromClient::Write { codec, messages }));
        rig.run();
        let status = rig.failure(conn);
        assert_eq!(status.code, BAD_REQUEST);
        assert!(status.issues[0].message.contains(words), "{status:?}");
    }
    assert_eq!(rig.topic().partitions[0].available.end, 0);
    let (conn, _) = rig.writer(init("p"));
    assert_eq!(rig.write(conn, vec![message(1, vec![0; 4096])]), [written(1, 0)]);
}

#[test]
fn a_large_request_is_stored_in_several_records_and_acknowledged_in_order() {
    let mut rig = Rig::new(config(), 1);
    let (conn, _) = rig.writer(init("p"));
    let large: Vec<_> = (1..=20).map(|n| message(n, vec![n as u8; 300])).collect();
    let before = rig.status().frontiers.accepted;
    let acks = rig.write(conn, large);
    assert_eq!(acks, (1..=20).map(|n| written(n, n - 1)).collect::<Vec<_>>());
    assert_eq!(rig.status().frontiers.accepted - before, 10);
}

#[test]
fn who_sends_more_than_may_wait_is_told_of_an_overload() {
    let mut small = config();
    small.segments.queue_bytes = 100 << 10;
    let mut rig = Rig::new(small, 1);
    let (conn, _) = rig.writer(init("p"));
    rig.hold_syncs = true;
    let mut sent = 0;
    while !rig.closed.contains(&conn) {
        sent += 1;
        rig.send(conn, vec![message(sent, vec![0; 2000])]);
        assert!(sent < 100);
    }
    assert!(rig.marks.contains("writer waits for room"));
    assert_eq!(rig.failure(conn).code, OVERLOADED);
    rig.hold_syncs = false;
    rig.run();
    // What was taken in is there, in order, and known again.
    let (conn, session) = rig.writer(init("p"));
    assert!((20..sent).contains(&session.last_seq_no), "{}", session.last_seq_no);
    let next = session.last_seq_no + 1;
    assert_eq!(rig.write(conn, messages([next])), [written(next, next - 1)]);
}

#[test]
fn sessions_take_turns_when_the_log_is_narrow() {
    let mut small = config();
    small.segments.queue_bytes = 80 << 10;
    small.session_bytes = 64 << 10;
    let mut rig = Rig::new(small, 1);
    let (p, _) = rig.writer(init("p"));
    let (q, _) = rig.writer(init("q"));
    rig.hold_syncs = true;
    for n in 1..=60 {
        rig.send(p, vec![message(n, vec![0; 1000])]);
    }
    for n in 1..=60 {
        rig.send(p, vec![message(n + 60, vec![0; 1000])]);
        if n <= 3 {
            rig.send(q, vec![message(n, vec![0; 1000])]);
        }
    }
    rig.hold_syncs = false;
    rig.run();
    let first_of_q = rig.acks(q)[0];
    assert_eq!(rig.acks(p).len(), 120);
    match first_of_q.status {
        crate::writer::wire::AckStatus::Written { offset } => assert!(offset < 80, "{offset}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_disk_refuses_writers_and_takes_them_again() {
    let mut rig = Rig::new(config(), 1);
    let (conn, _) = rig.writer(init("p"));
    rig.write(conn, messages([1]));
    rig.full = true;
    rig.send(conn, messages([2]));
    rig.run();
    rig.send(conn, messages([3]));
    rig.run();
    assert_eq!(rig.failure(conn).code, OVERLOADED);
    let refused = rig.open(init("p"));
    rig.run();
    assert_eq!(rig.failure(refused).code, OVERLOADED);
    assert_eq!(rig.read_all(0, 0).len(), 1, "readers are served");
    rig.full = false;
    rig.pass(crate::Dur::secs(5));
    let (conn, session) = rig.writer(init("p"));
    assert!((1..=2).contains(&session.last_seq_no));
    let acks = rig.write(conn, messages([2, 3]));
    assert_eq!(acks.last(), Some(&written(3, 2)));
    assert_eq!(rig.read_all(0, 0).iter().map(|(_, _, m)| m.seq_no).collect::<Vec<_>>(), [1, 2, 3]);
}
