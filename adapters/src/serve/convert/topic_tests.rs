//! Unary calls against bytes of another implementation, and against nonsense.

use super::*;
use crate::serve::convert::fixtures::{decoded, encoded};
use crate::serve::proto::common::{Duration, SupportedCodecs, Timestamp};
use crate::serve::status::{BAD_REQUEST, UNSUPPORTED};
use onceward_core::Wall;
use onceward_core::reader::wire::Range;
use onceward_core::writer::wire::Codec;
use proptest::prelude::*;
use prost::Message;

fn database() -> Database {
    Database::new("/local").unwrap()
}

fn consumer() -> Consumer {
    Consumer {
        important: true,
        read_from: Some(Wall(9_000_000_000)),
        codecs: vec![Codec::RAW],
        attributes: [("x".into(), "y".into())].into(),
    }
}

fn settings() -> Settings {
    Settings {
        partitions: 1,
        retention: Some(Dur::secs(60)),
        retention_bytes: Some(2 << 20),
        codecs: vec![Codec::RAW],
        attributes: [("u".into(), "v".into())].into(),
        consumers: [("c".into(), consumer())].into(),
    }
}

#[test]
fn what_clients_ask_is_understood() {
    let hex = "12066576656e74731a0808031804220208012202083c28023a060a040102914e400552060a01751201765a160a016310011a\
               0208092a030a010132060a0178120179";
    let created = create(&database(), decoded(hex)).unwrap();
    let codecs = vec![Codec::RAW, Codec::GZIP, Codec(10_001)];
    let path = || Arc::from("/local/events");
    assert_eq!(
        created,
        Request::Create { path: path(), settings: Settings { partitions: 3, codecs, ..settings() } }
    );

    let hex = "12066576656e74731a020805220028003a030a010152050a017512005a030a01646201656a190a016310002a030a01043205\
               0a0178120032060a017a120131";
    let changed = Consumer {
        important: false,
        codecs: vec![Codec(4)],
        attributes: [("z".into(), "1".into())].into(),
        ..consumer()
    };
    let change = Change {
        partitions: Some(5),
        retention: Some(None),
        retention_bytes: Some(None),
        codecs: Some(vec![Codec::RAW]),
        attributes: [("u".into(), "".into())].into(),
        add_consumers: [("d".into(), Consumer::default())].into(),
        drop_consumers: vec!["e".into()],
        alter_consumers: [("c".into(), changed)].into(),
    };
    let altered = alter(&database(), decoded(hex), Some(&settings())).unwrap();
    assert_eq!(altered, Request::Alter { path: path(), change });

    let moved = commit(&database(), decoded("12066576656e74731801220163284d")).unwrap();
    assert_eq!(moved, Request::Commit { path: path(), partition: 1, consumer: "c".into(), offset: 77 });
}

#[test]
fn what_is_not_set_has_a_meaning() {
    let asked = proto::CreateTopicRequest { path: "t".into(), ..Default::default() };
    let Ok(Request::Create { settings, .. }) = create(&database(), asked) else { panic!() };
    assert_eq!(
        settings,
        Settings {
            partitions: 1,
            retention: None,
            retention_bytes: None,
            codecs: vec![],
            attributes: BTreeMap::new(),
            consumers: BTreeMap::new(),
        }
    );
    let asked = proto::AlterTopicRequest { path: "t".into(), ..Default::default() };
    let Ok(Request::Alter { change, .. }) = alter(&database(), asked, None) else { panic!() };
    assert_eq!(change, Change::default());
}

#[test]
fn nonsense_is_refused_by_name() {
    let ask = |change: fn(&mut proto::CreateTopicRequest)| {
        let mut asked = proto::CreateTopicRequest { path: "t".into(), ..Default::default() };
        change(&mut asked);
        create(&database(), asked)
    };
    let change = |change: fn(&mut proto::AlterTopicRequest)| {
        let mut asked = proto::AlterTopicRequest { path: "t".into(), ..Default::default() };
        change(&mut asked);
        alter(&database(), asked, Some(&settings()))
    };
    let offset = |partition_id, consumer: &str, offset| {
        let consumer = consumer.to_owned();
        commit(&database(), proto::CommitOffsetRequest { path: "t".into(), partition_id, consumer, offset })
    };
    fn partitions(min: i64, max: i64, strategy: i32) -> Option<proto::PartitioningSettings> {
        Some(proto::PartitioningSettings {
            min_active_partitions: min,
            max_active_partitions: max,
            auto_partitioning_settings: Some(proto::AutoPartitioningSettings { strategy }),
            ..Default::default()
        })
    }
    fn named(name: &str) -> proto::Consumer {
        proto::Consumer { name: name.into(), ..Default::default() }
    }
    for (answer, code, names) in [
        (ask(|it| it.path = "/other/t".into()), SCHEME_ERROR, "path: "),
        (
            ask(|it| it.partitioning_settings = partitions(-1, 0, 0)),
            BAD_REQUEST,
            "partitioning_settings.min_active_partitions: ",
        ),
        (
            ask(|it| it.partitioning_settings = partitions(3, 2, 0)),
            BAD_REQUEST,
            "partitioning_settings.max_active_partitions: ",
        ),
        (
            ask(|it| it.partitioning_settings = partitions(1, 2, 2)),
            UNSUPPORTED,
            "partitioning_settings.auto_partitioning_settings.strategy: ",
        ),
        (
            ask(|it| it.retention_period = Some(Duration { seconds: -1, nanos: 0 })),
            BAD_REQUEST,
            "retention_period: ",
        ),
        (ask(|it| it.retention_storage_mb = -1), BAD_REQUEST, "retention_storage_mb: "),
        (ask(|it| it.retention_storage_mb = i64::MAX), BAD_REQUEST, "retention_storage_mb: "),
        (
            ask(|it| it.supported_codecs = Some(SupportedCodecs { codecs: vec![1, 0] })),
            BAD_REQUEST,
            "supported_codecs: ",
        ),
        (ask(|it| it.consumers = vec![named("")]), BAD_REQUEST, "consumers: "),
        (ask(|it| it.consumers = vec![named("a"), named("a")]), BAD_REQUEST, "consumers: "),
        (
            ask(|it| {
                let read_from = Some(Timestamp { seconds: -1, nanos: 0 });
                it.consumers = vec![proto::Consumer { read_from, ..named("a") }];
            }),
            BAD_REQUEST,
            "consumers.read_from: ",
        ),
        (ask(|it| it.content_based_deduplication = true), UNSUPPORTED, "content_based_deduplication: "),
        (
            change(|it| {
                it.alter_consumers = vec![proto::AlterConsumer { name: "no".into(), ..Default::default() }];
            }),
            NOT_FOUND,
            "alter_consumers: ",
        ),
        (
            change(|it| it.set_content_based_deduplication = Some(true)),
            UNSUPPORTED,
            "set_content_based_deduplication: ",
        ),
        (change(|it| it.set_retention_storage_mb = Some(-1)), BAD_REQUEST, "set_retention_storage_mb: "),
        (offset(-1, "c", 1), BAD_REQUEST, "partition_id: "),
        (offset(0, "c", -1), BAD_REQUEST, "offset: "),
        (offset(0, "", 1), BAD_REQUEST, "consumer: "),
    ] {
        let status = answer.unwrap_err();
        assert_eq!(status.code, code, "{status:?}");
        assert!(status.issues[0].message.starts_with(names), "{status:?}");
    }
}

#[test]
fn what_the_broker_says_has_the_bytes_that_clients_expect() {
    let partition = PartitionDescription {
        available: Range { start: 2, end: 9 },
        bytes: 100,
        last_write: Some(Wall(1_000_000_000)),
        committed: [("c".into(), 4)].into(),
        readers: [("c".into(), "r".into())].into(),
    };
    let topic = Description {
        path: "/local/events".into(),
        settings: settings(),
        created_at: Wall(2_000_000_000),
        partitions: vec![partition],
    };
    let traffic = Traffic::default();
    traffic.wrote(&topic.path, 0, 6, Dur(1_000_000_002));
    let all = Include { stats: true, location: true };
    assert_eq!(
        encoded(&described(&topic, &traffic, all)),
        "0a110a066576656e7473281140644a0308d00f120808011801220208011a2410012a1a0a0408021009\
         10641a0208012204080110022a06080610061806\
         3204080110012202083c28023a030a010152060a01751201765a160a016310011a0208092a030a010132060a0178120179\
         6a140864120208011a04080110022206080610061806"
            .split_whitespace()
            .collect::<String>()
    );
    let mut asked = proto::DescribeConsumerRequest {
        consumer: "c".into(),
        include_stats: true,
        include_location: true,
        ..Default::default()
    };
    assert_eq!(
        encoded(&standing(&topic, &traffic, &asked).unwrap()),
        "0a110a066576656e7473281140644a0308d00f12160a016310011a0208092a030a010132060a01781201791a2b10012a1a0a04\
         0802100910641a0208012204080110022a06080610061806320510041a01723a0408011001"
    );
    asked.consumer = "other".into();
    assert_eq!(standing(&topic, &traffic, &asked).unwrap_err().code, SCHEME_ERROR);

    let plain = described(&topic, &traffic, Include::default());
    assert!(plain.topic_stats.is_none() && plain.partitions[0].partition_stats.is_none());
    let one = |partition_id| {
        described_one(
            &topic,
            &traffic,
            &proto::DescribePartitionRequest { partition_id, ..Default::default() },
        )
    };
    assert_eq!(one(0).unwrap().partition.unwrap(), plain.partitions[0]);
    assert_eq!(one(1).unwrap_err().code, SCHEME_ERROR);
    assert_eq!(one(-1).unwrap_err().code, BAD_REQUEST);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        if let Ok(asked) = proto::CreateTopicRequest::decode(&*bytes) {
            let _ = create(&database(), asked);
        }
        if let Ok(asked) = proto::AlterTopicRequest::decode(&*bytes) {
            let _ = alter(&database(), asked, Some(&settings()));
        }
        if let Ok(asked) = proto::CommitOffsetRequest::decode(&*bytes) {
            let _ = commit(&database(), asked);
        }
    }
}
