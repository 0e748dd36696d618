//! Read streams against bytes of another implementation, against nonsense, and against chance.

use super::*;
use crate::serve::convert::fixtures::{decoded, encoded};
use crate::serve::proto::common::{Duration, OffsetsRange, Timestamp};
use crate::serve::status::{BAD_REQUEST, UNSUPPORTED};
use onceward_core::writer::wire::{Codec, Numbered, Payload};
use onceward_core::{Dur, Wall};
use proptest::prelude::*;
use prost::Message;

fn told(known: &mut Known, message: proto::FromClient) -> Checked<FromClient> {
    known.heard(&Database::new("/local").unwrap(), message)
}

const SESSION: PartitionSessionId = PartitionSessionId(3);

#[test]
fn what_clients_say_is_understood() {
    let filter =
        |path: &str| TopicFilter { path: path.into(), partitions: vec![], max_lag: None, read_from: None };
    let events = TopicFilter {
        partitions: vec![1, 2],
        max_lag: Some(Dur::secs(5)),
        read_from: Some(Wall(6_000_000_007)),
        ..filter("/local/events")
    };
    let ranges = vec![Range { start: 1, end: 4 }, Range { start: 6, end: 7 }];
    let started =
        |read_offset, commit_offset| FromClient::Started { session: SESSION, read_offset, commit_offset };
    for (hex, expected) in [
        (
            "0a320a170a066576656e747312030201021a0208052204080610070a0f0a0b2f6c6f63616c2f6d6f726522001201631a\
             016e2801",
            FromClient::Init(Init { topics: vec![events, filter("/local/more")], consumer: "c".into() }),
        ),
        ("120308e807", FromClient::Read { bytes: 1000 }),
        (
            "1a100a0e0803120408011004120408061007",
            FromClient::Commit(vec![Commit { session: SESSION, ranges }]),
        ),
        ("22020803", FromClient::Status(SESSION)),
        ("2a080a06736563726574", FromClient::UpdateToken("secret".into())),
        ("3206080310001805", started(Some(0), Some(5))),
        ("32020803", started(None, None)),
        ("3a020803", FromClient::Stopped(SESSION)),
    ] {
        let hex: String = hex.split_whitespace().collect();
        assert_eq!(told(&mut Known::default(), decoded(&hex)), Ok(expected));
    }
}

fn say(message: proto::ClientMessage) -> proto::FromClient {
    proto::FromClient { client_message: Some(message) }
}

fn commit_of(session: i64, start: i64, end: i64) -> proto::FromClient {
    let offsets = vec![OffsetsRange { start, end }];
    let commit = proto::PartitionCommitOffset { partition_session_id: session, offsets };
    say(proto::ClientMessage::CommitOffsetRequest(proto::CommitOffsetRequest {
        commit_offsets: vec![commit],
    }))
}

fn init_of(paths: &[&str], change: impl Fn(&mut proto::TopicReadSettings)) -> proto::FromClient {
    let settings = paths.iter().map(|path| {
        let mut settings = proto::TopicReadSettings { path: (*path).into(), ..Default::default() };
        change(&mut settings);
        settings
    });
    let request = proto::InitRequest { topics_read_settings: settings.collect(), ..Default::default() };
    say(proto::ClientMessage::InitRequest(request))
}

#[test]
fn nonsense_is_refused_by_name() {
    use proto::ClientMessage as Said;
    const OFFSETS: &str = "commit_offset_request.commit_offsets.offsets: ";
    let started = |read_offset, commit_offset| {
        say(Said::StartPartitionSessionResponse(proto::StartPartitionSessionResponse {
            partition_session_id: 1,
            read_offset,
            commit_offset,
        }))
    };
    for (message, code, names) in [
        (proto::FromClient { client_message: None }, BAD_REQUEST, "client_message: "),
        (init_of(&[], |_| {}), BAD_REQUEST, "init_request.topics_read_settings: "),
        (init_of(&["t", "/local/t"], |_| {}), BAD_REQUEST, "init_request.topics_read_settings: /local/t is"),
        (
            init_of(&["t"], |settings| settings.partition_ids = vec![-2]),
            BAD_REQUEST,
            "init_request.topics_read_settings.partition_ids: ",
        ),
        (
            init_of(&["t"], |settings| settings.max_lag = Some(Duration { seconds: -1, nanos: 0 })),
            BAD_REQUEST,
            "init_request.topics_read_settings.max_lag: ",
        ),
        (
            init_of(&["t"], |settings| settings.read_from = Some(Timestamp { seconds: 0, nanos: -1 })),
            BAD_REQUEST,
            "init_request.topics_read_settings.read_from: ",
        ),
        (
            say(Said::ReadRequest(proto::ReadRequest { bytes_size: -1 })),
            BAD_REQUEST,
            "read_request.bytes_size: ",
        ),
        (commit_of(-1, 0, 1), BAD_REQUEST, "partition_session_id: "),
        (commit_of(1, 4, 4), BAD_REQUEST, OFFSETS),
        (commit_of(1, 5, 4), BAD_REQUEST, OFFSETS),
        (commit_of(1, -5, 4), BAD_REQUEST, OFFSETS),
        (started(Some(-1), None), BAD_REQUEST, "start_partition_session_response.read_offset: "),
        (started(None, Some(-1)), BAD_REQUEST, "start_partition_session_response.commit_offset: "),
        (decoded("0a0c0a080a066576656e74732001"), UNSUPPORTED, "init_request.direct_read: "),
        (
            say(Said::DirectReadAck(proto::DirectReadAck { partition_session_id: 1 })),
            UNSUPPORTED,
            "direct_read_ack: ",
        ),
    ] {
        let status = told(&mut Known::default(), message.clone()).unwrap_err();
        assert_eq!(status.code, code, "{message:?}");
        assert!(status.issues[0].message.starts_with(names), "{status:?}");
    }
}

#[test]
fn what_the_broker_says_has_the_bytes_that_clients_expect() {
    let mut known = Known::default();
    told(&mut known, init_of(&["events"], |_| {})).unwrap();
    let payload = |data: &'static str, uncompressed_size, created_at, metadata| Payload {
        data: data.into(),
        codec: Codec::GZIP,
        uncompressed_size,
        created_at: Wall(created_at),
        metadata,
    };
    let metadata = vec![("k".into(), (&b"\0v"[..]).into())];
    let batch = Batch {
        offset: 5,
        producer_id: "p".into(),
        session_meta: [("a".into(), "b".into())].into(),
        codec: Codec::GZIP,
        written_at: Wall(1_000_000_002),
        messages: vec![
            Numbered { seq_no: 7, payload: payload("xyz", 9, 3_000_000_004, metadata) },
            Numbered { seq_no: 8, payload: payload("", 0, 0, vec![]) },
        ],
    };
    let available = Range { start: 2, end: 9 };
    for (said, hex) in [
        (FromServer::Init { session_id: "s".into() }, "0880b5181a030a0173"),
        (
            FromServer::Data {
                partitions: vec![PartitionData { session: SESSION, batches: vec![batch] }],
                bytes: 100,
            },
            "0880b51822430a3f0803123b0a1d080510071a04080310042a0378797a30093a017042070a016b120200760a07080610\
             083a01701201701a060a016112016220022a04080110021064",
        ),
        (
            FromServer::Start {
                session: SESSION,
                path: "/local/events".into(),
                partition: 1,
                committed: 4,
                available,
            },
            "0880b518421c0a0c080312066576656e7473180110041a0408021009220408011001",
        ),
        (FromServer::Stop { session: SESSION, graceful: true, committed: 4 }, "0880b5184a06080310011804"),
        (FromServer::Committed(vec![(SESSION, 8)]), "0880b5182a060a0408031008"),
        (
            FromServer::Status {
                session: SESSION,
                available,
                committed: 4,
                written_until: Wall(1_000_000_000),
            },
            "0880b518320e0803120408021009180422020801",
        ),
        (FromServer::TokenUpdated, "0880b5183a00"),
    ] {
        let hex: String = hex.split_whitespace().collect();
        assert_eq!(encoded(&known.said(said)), hex);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        if let Ok(message) = proto::FromClient::decode(&*bytes) {
            let _ = told(&mut Known::default(), message);
        }
    }

    #[test]
    fn no_values_make_it_panic(a: i64, b: i64, c: i64, nanos: i32, text: String) {
        let _ = told(&mut Known::default(), commit_of(a, b, c));
        let _ = told(&mut Known::default(), init_of(&[&text], |settings| {
            settings.partition_ids = vec![a, b];
            settings.max_lag = Some(Duration { seconds: c, nanos });
            settings.read_from = Some(Timestamp { seconds: b, nanos });
        }));
    }
}
