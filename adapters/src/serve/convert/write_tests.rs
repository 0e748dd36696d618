//! Write streams against bytes of another implementation, against nonsense, and against chance.

use super::*;
use crate::serve::convert::fixtures::{decoded, encoded};
use crate::serve::status::{OVERLOADED, UNSUPPORTED};
use onceward_core::writer::wire::{Issue, Status};
use proptest::prelude::*;
use prost::Message;

fn database() -> Database {
    Database::new("/local").unwrap()
}

fn told(known: &mut Known, message: proto::FromClient) -> Checked<FromClient> {
    known.heard(&database(), message)
}

fn plain_init() -> Init {
    Init {
        path: "/local/events".into(),
        producer_id: "p".into(),
        partition: None,
        group: "".into(),
        session_meta: Arc::new([]),
    }
}

#[test]
fn what_clients_say_is_understood() {
    let mut known = Known::default();
    for (hex, expected) in [
        (
            "0a180a066576656e74731201701a060a01611201622201703001",
            Init { group: "p".into(), session_meta: [("a".into(), "b".into())].into(), ..plain_init() },
        ),
        ("0a140a0d2f6c6f63616c2f6576656e74731201702802", Init { partition: Some(2), ..plain_init() }),
        ("0a180a0d2f6c6f63616c2f6576656e74731201703a0408021001", Init { partition: Some(2), ..plain_init() }),
    ] {
        assert_eq!(told(&mut known, decoded(hex)), Ok(FromClient::Init(expected)));
    }
    let token = FromClient::UpdateToken("secret".into());
    assert_eq!(told(&mut known, decoded("1a080a06736563726574")), Ok(token));
}

#[test]
fn messages_are_understood() {
    let mut known = Known { group: "p".into(), ..Known::default() };
    let hex = "12230a1b08071204080310041a0378797a20092a01703a070a016b120200760a0208081002";
    let payload = Payload {
        data: "xyz".into(),
        codec: Codec::GZIP,
        uncompressed_size: 9,
        created_at: Wall(3_000_000_004),
        metadata: vec![("k".into(), (&b"\0v"[..]).into())],
    };
    let empty = Payload {
        data: Default::default(),
        codec: Codec::GZIP,
        uncompressed_size: 0,
        created_at: Wall(0),
        metadata: vec![],
    };
    let messages = vec![Numbered { seq_no: 7, payload }, Numbered { seq_no: 8, payload: empty }];
    assert_eq!(told(&mut known, decoded(hex)), Ok(FromClient::Write { codec: Codec::GZIP, messages }));
}

#[test]
fn payloads_share_the_memory_of_their_frame() {
    let mut message = write(vec![proto::MessageData { data: vec![7; 1000].into(), ..numbered(1) }], 1);
    let frame = bytes::Bytes::from(message.encode_to_vec());
    let within = frame.as_ptr_range();
    message = proto::FromClient::decode(frame.clone()).unwrap();
    let Ok(FromClient::Write { messages, .. }) = told(&mut Known::default(), message) else { panic!() };
    assert!(within.contains(&messages[0].payload.data.as_ptr()));
}

fn numbered(seq_no: i64) -> proto::MessageData {
    proto::MessageData { seq_no, ..Default::default() }
}

fn write(messages: Vec<proto::MessageData>, codec: i32) -> proto::FromClient {
    let request = proto::WriteRequest { messages, codec, tx: None };
    proto::FromClient { client_message: Some(proto::ClientMessage::WriteRequest(request)) }
}

fn init_with(change: impl FnOnce(&mut proto::InitRequest)) -> proto::FromClient {
    let mut request = proto::InitRequest { path: "t".into(), producer_id: "p".into(), ..Default::default() };
    change(&mut request);
    proto::FromClient { client_message: Some(proto::ClientMessage::InitRequest(request)) }
}

#[test]
fn nonsense_is_refused_by_name() {
    use crate::serve::proto::common::Timestamp;
    let with = |change: fn(&mut proto::MessageData)| {
        let mut message = numbered(1);
        change(&mut message);
        write(vec![message], 1)
    };
    let generation = |generation| {
        Some(proto::Partitioning::PartitionWithGeneration(PartitionWithGeneration {
            partition_id: 0,
            generation,
        }))
    };
    for (message, code, names) in [
        (proto::FromClient { client_message: None }, BAD_REQUEST, "client_message: "),
        (init_with(|init| init.path.clear()), BAD_REQUEST, "path: "),
        (init_with(|init| init.producer_id = "p".repeat(2049)), BAD_REQUEST, "init_request.producer_id: "),
        (
            init_with(|init| init.partitioning = Some(proto::Partitioning::PartitionId(-1))),
            BAD_REQUEST,
            "init_request.partition_id: ",
        ),
        (
            init_with(|init| init.partitioning = Some(proto::Partitioning::PartitionId(1 << 40))),
            BAD_REQUEST,
            "init_request.partition_id: ",
        ),
        (
            init_with(|init| init.partitioning = generation(2)),
            BAD_REQUEST,
            "init_request.partition_with_generation: ",
        ),
        (
            init_with(|init| init.partitioning = Some(proto::Partitioning::MessageGroupId("q".into()))),
            BAD_REQUEST,
            "unsupported producer_id / message_group_id / partition_id settings",
        ),
        (write(vec![], 1), BAD_REQUEST, "write_request.messages: "),
        (write(vec![numbered(1)], 0), BAD_REQUEST, "write_request.codec: "),
        (write(vec![numbered(1)], -5), BAD_REQUEST, "write_request.codec: "),
        (write(vec![numbered(-1)], 1), BAD_REQUEST, "messages.seq_no: "),
        (with(|message| message.uncompressed_size = -1), BAD_REQUEST, "messages.uncompressed_size: "),
        (
            with(|message| message.created_at = Some(Timestamp { seconds: -1, nanos: 0 })),
            BAD_REQUEST,
            "messages.created_at: ",
        ),
        (
            with(|message| message.partitioning = Some(proto::MessagePartitioning::PartitionId(3))),
            BAD_REQUEST,
            "messages.partitioning: ",
        ),
        (
            with(|message| {
                let value = vec![0; METADATA].into();
                message.metadata_items = vec![MetadataItem { key: "k".into(), value }];
            }),
            BAD_REQUEST,
            "messages.metadata_items: 4097 bytes, at most 4096",
        ),
        (decoded("120e0a02080110011a060a0174120173"), UNSUPPORTED, "write_request.tx: "),
    ] {
        let status = told(&mut Known::default(), message.clone()).unwrap_err();
        assert_eq!(status.code, code, "{message:?}");
        assert!(status.issues[0].message.starts_with(names), "{status:?}");
    }
}

#[test]
fn producer_and_group_fit_together_in_the_known_ways() {
    for (producer, group) in [("", ""), ("", "g"), ("p", ""), ("p", "p")] {
        let message = init_with(|init| {
            init.producer_id = producer.into();
            init.partitioning = Some(proto::Partitioning::MessageGroupId(group.into()));
        });
        let Ok(FromClient::Init(init)) = told(&mut Known::default(), message) else { panic!() };
        assert_eq!((&*init.producer_id, &*init.group), (producer, group));
    }
}

#[test]
fn unknown_codecs_pass() {
    let Ok(FromClient::Write { codec, .. }) = told(&mut Known::default(), write(vec![numbered(1)], 10_050))
    else {
        panic!()
    };
    assert_eq!(codec, Codec(10_050));
}

#[test]
fn what_the_broker_says_has_the_bytes_that_clients_expect() {
    let mut known = Known::default();
    let session = Session {
        session_id: "s".into(),
        partition: 2,
        last_seq_no: 9,
        codecs: vec![Codec::RAW, Codec::GZIP],
    };
    let ack = |seq_no, status| Ack { seq_no, status };
    let acks = vec![
        ack(1, AckStatus::Written { offset: 5 }),
        ack(2, AckStatus::Skipped),
        ack(3, AckStatus::WrittenInTx),
    ];
    let issues = vec![Issue { code: 5, message: "busy".into() }];
    for (said, hex) in [
        (FromServer::Init(session), "0880b5181a0d0809120173180222040a020102"),
        (FromServer::Acks(acks), "0880b518221a0a060801120208050a0608021a0208010a040803220010021a00"),
        (FromServer::TokenUpdated, "0880b5182a00"),
        (FromServer::Failed(Status { code: OVERLOADED, issues }), "08bcb518120a12046275737920052801"),
    ] {
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

    /// Chance alone seldom hits a message: here every field is there, with any value.
    #[test]
    fn no_values_make_it_panic(
        seq_no: i64, size: i64, seconds: i64, nanos: i32, codec: i32, partition: i64, generation: i64,
        text: String,
    ) {
        use crate::serve::proto::common::Timestamp;
        let message = proto::MessageData {
            seq_no,
            uncompressed_size: size,
            created_at: Some(Timestamp { seconds, nanos }),
            partitioning: Some(proto::MessagePartitioning::PartitionId(partition)),
            ..Default::default()
        };
        let _ = told(&mut Known::default(), write(vec![message], codec));
        let with = PartitionWithGeneration { partition_id: partition, generation };
        let _ = told(&mut Known::default(), init_with(|init| {
            init.path = text.clone();
            init.partitioning = Some(proto::Partitioning::PartitionWithGeneration(with));
        }));
    }
}
