//! The broker and YDB's official Rust client, the `ydb` crate: exactly once, also while the broker dies. It is here and not
//! beside the tests of the other clients, as this package has the crate anyway, and it takes minutes to build:
//!
//! ```sh
//! cargo test --release -p onceward-bench --features topics --test rust_client
//! ```
#![cfg(feature = "topics")]
#![allow(clippy::unwrap_used)]

use onceward::serve::{Options, Server};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::runtime::Runtime;
use ydb::{
    AccessTokenCredentials, AlterTopicOptionsBuilder, Client, ClientBuilder, ConsumerBuilder,
    CreateTopicOptionsBuilder, DescribeConsumerOptionsBuilder, DescribeTopicOptionsBuilder, TopicWriter,
    TopicWriterMessage, TopicWriterOptions, YdbResult,
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
const CONSUMER: &str = "consumer";

fn broker(data: &Path, listen: &str, access: Option<PathBuf>) -> Server {
    Options { listen: listen.to_owned(), access, ..Options::new(data) }.start().unwrap()
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.unwrap()
}

async fn client(address: SocketAddr, token: Option<&str>) -> Client {
    let port = address.port();
    let builder =
        ClientBuilder::new_from_connection_string(format!("grpc://localhost:{port}/local")).unwrap();
    let builder = match token {
        Some(token) => builder.with_credentials(AccessTokenCredentials::from(token)),
        None => builder,
    };
    soon(builder.build()).await.unwrap()
}

async fn create(client: &Client, topic: &str, partitions: i64) -> YdbResult<()> {
    let consumer = ConsumerBuilder::default().name(CONSUMER.to_owned()).build()?;
    let mut options = CreateTopicOptionsBuilder::default();
    let options = options.min_active_partitions(partitions).consumers(vec![consumer]).build()?;
    soon(client.topic_client().create_topic(topic.to_owned(), options)).await
}

/// What stands in the message of a number: of many lengths.
fn body(producer: &str, number: u64) -> Vec<u8> {
    format!("{producer} {number} ").into_bytes().repeat(1 + number as usize % 50)
}

fn bodies(producer: &str, count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|number| body(producer, number)).collect()
}

async fn writer(client: &Client, topic: &str, producer: &str) -> YdbResult<TopicWriter> {
    let options = TopicWriterOptions::builder().topic_path(topic).producer_id(producer.to_owned()).build();
    soon(client.topic_client().create_writer_with_params(options)).await
}

/// Writes messages of some numbers, and waits until all are acknowledged.
async fn write(client: &Client, topic: &str, producer: &str, numbers: impl Iterator<Item = u64>) {
    let writer = writer(client, topic, producer).await.unwrap();
    let mut answers = Vec::new();
    for number in numbers {
        let message = TopicWriterMessage::new(body(producer, number));
        answers.push(soon(writer.write_with_ack_future(message)).await.unwrap());
    }
    for answer in answers {
        soon(answer).await.unwrap();
    }
    soon(writer.stop()).await.unwrap();
}

/// Reads so many messages and commits them: by producer.
async fn read(client: &Client, topic: &str, count: usize) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut reader = soon(client.topic_client().create_reader(CONSUMER, topic)).await.unwrap();
    let (mut seen, mut total) = (BTreeMap::<String, Vec<Vec<u8>>>::new(), 0);
    let (mut next, mut commits) = (BTreeMap::new(), Vec::new());
    while total < count {
        let mut batch = soon(reader.read_batch()).await.unwrap();
        for message in &mut batch.messages {
            let expected = next.entry(message.get_partition_id()).or_insert(message.offset);
            assert_eq!(message.offset, *expected, "a gap, or one that came twice");
            *expected += 1;
            total += 1;
            let producer = message.get_producer_id().to_owned();
            seen.entry(producer).or_default().push(soon(message.read_and_take()).await.unwrap().unwrap());
        }
        commits.push(reader.commit_with_ack(batch.get_commit_marker()));
    }
    for commit in commits {
        soon(commit).await.unwrap();
    }
    assert_eq!(total, count, "more than was written");
    seen
}

#[test]
fn the_official_rust_client_works() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), "127.0.0.1:0", None);
    Runtime::new().unwrap().block_on(async {
        let client = client(broker.address(), None).await;
        create(&client, "wide", 3).await.unwrap();
        assert!(create(&client, "wide", 3).await.is_err(), "it is there already");
        for producer in ["one", "two", "three"] {
            write(&client, "wide", producer, 0..200).await;
            write(&client, "wide", producer, 200..300).await;
        }
        let seen = read(&client, "wide", 900).await;
        assert_eq!(seen.len(), 3);
        for (producer, messages) in seen {
            assert!(messages == bodies(&producer, 300), "{producer}");
        }
        write(&client, "wide", "one", 300..301).await;
        let after = read(&client, "wide", 1).await;
        assert!(after["one"] == [body("one", 300)], "what was committed has come again");
        let mut topics = client.topic_client();
        let options = DescribeTopicOptionsBuilder::default()
            .include_stats(true)
            .include_location(true)
            .build()
            .unwrap();
        let told = soon(topics.describe_topic("wide".to_owned(), options)).await.unwrap();
        assert_eq!(
            (told.partitions.len(), told.consumers.len(), told.retention_period),
            (3, 1, Duration::ZERO)
        );
        let lately = told.stats.unwrap().bytes_written_per_minute;
        let written: usize =
            ["one", "two", "three"].iter().flat_map(|of| bodies(of, 300)).map(|it| it.len()).sum();
        // The client compresses them as it likes.
        assert!(lately > 0 && lately as usize <= written, "{lately} of {written}");
        let options = DescribeConsumerOptionsBuilder::default()
            .include_stats(true)
            .include_location(true)
            .build()
            .unwrap();
        let (topic, consumer) = ("wide".to_owned(), CONSUMER.to_owned());
        let told = soon(topics.describe_consumer(topic, consumer, options)).await.unwrap();
        let committed: i64 =
            told.partitions.iter().map(|partition| partition.consumer_stats.committed_offset).sum();
        assert_eq!(committed, 901);
        let day = Duration::from_secs(86_400);
        let options = AlterTopicOptionsBuilder::default().set_retention_period(day).build().unwrap();
        soon(topics.alter_topic("wide".to_owned(), options)).await.unwrap();
        let options = DescribeTopicOptionsBuilder::default().build().unwrap();
        let told = soon(topics.describe_topic("wide".to_owned(), options)).await.unwrap();
        assert_eq!((told.retention_period, told.stats.is_none()), (day, true));
        soon(topics.drop_topic("wide".to_owned())).await.unwrap();
        assert!(soon(topics.drop_topic("wide".to_owned())).await.is_err(), "it is gone");
    });
    broker.stop().unwrap();
}

#[test]
fn who_may_only_read_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("access.json");
    let rights = r#"{"tokens": [
        {"name": "owner", "token": "o-secret", "admin": ["/local/*"], "write": ["/local/*"], "read": ["/local/*"]},
        {"name": "guest", "token": "g-secret", "read": ["/local/*"]}
    ]}"#;
    std::fs::write(&list, rights).unwrap();
    let broker = broker(&folder.path().join("data"), "127.0.0.1:0", Some(list));
    Runtime::new().unwrap().block_on(async {
        let owner = client(broker.address(), Some("o-secret")).await;
        let guest = client(broker.address(), Some("g-secret")).await;
        create(&owner, "guarded", 1).await.unwrap();
        write(&owner, "guarded", "owner", 0..10).await;
        assert!(create(&guest, "own", 1).await.is_err());
        assert!(writer(&guest, "guarded", "guest").await.is_err());
        assert!(read(&guest, "guarded", 10).await["owner"] == bodies("owner", 10));
    });
    broker.stop().unwrap();
}

#[test]
fn everything_is_stored_once_while_the_broker_dies() {
    const COUNT: u64 = 3000;
    let folder = tempfile::tempdir().unwrap();
    let mut serving = broker(folder.path(), "127.0.0.1:0", None);
    let address = serving.address();
    let runtime = Runtime::new().unwrap();
    let client = Arc::new(runtime.block_on(client(address, None)));
    runtime.block_on(create(&client, "survivor", 1)).unwrap();

    let stored = Arc::new(AtomicU64::new(0));
    let (writes, counts) = (client.clone(), stored.clone());
    let written = runtime.spawn(async move {
        let writer = writer(&writes, "survivor", "one").await.unwrap();
        for number in (0..COUNT).step_by(10) {
            let mut answers = Vec::new();
            for number in number..number + 10 {
                let message = TopicWriterMessage::new(body("one", number));
                answers.push(soon(writer.write_with_ack_future(message)).await.unwrap());
            }
            for answer in answers {
                soon(answer).await.unwrap();
            }
            counts.store(number + 10, Ordering::Relaxed);
        }
        soon(writer.stop()).await.unwrap();
    });
    // In the middle of what is written, not before the first nor behind the last.
    for reached in [500, 1200, 2000] {
        while stored.load(Ordering::Relaxed) < reached && !written.is_finished() {
            thread::sleep(Duration::from_millis(1));
        }
        // Dropped, it ends as it would in a crash: nothing is drained, flushed or said.
        drop(serving);
        serving = broker(folder.path(), &address.to_string(), None);
    }
    runtime.block_on(written).unwrap();
    let seen = runtime.block_on(read(&client, "survivor", COUNT as usize));
    assert!(seen["one"] == bodies("one", COUNT));
    drop(runtime);
    serving.stop().unwrap();
}
