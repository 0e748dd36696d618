//! The client of topics against this project's broker, on real sockets: everything once, whatever happens in between.
#![cfg(all(feature = "cli", feature = "serve", feature = "topic"))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/broker.rs"]
mod broker;

use broker::Broker;
use onceward::serve::{Options, Server};
use onceward::topic::{
    Batch, ClientOptions, CloseError, Codec, CommitError, Compression, Consumer, Credentials, Delivery,
    Message, Outcome, Range, ReaderEvent, ReaderOptions, Settings, TokenError, TokenProvider, TopicClient,
    TopicReader, TopicWriter, WriteError, WriterOptions, settings,
};
use onceward_core::Dur;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::TcpListener;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Runs a test against a broker of its own.
fn with_broker<F: Future<Output = ()>>(test: impl FnOnce(TopicClient) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), None);
    block_on(async { test(connect(&server.address().to_string())).await });
    server.stop().unwrap();
}

fn serve(data: &Path, access: Option<&Path>) -> Server {
    let access = access.map(Path::to_path_buf);
    Options { listen: "127.0.0.1:0".into(), access, ..Options::new(data) }.start().unwrap()
}

fn connect(address: &str) -> TopicClient {
    TopicClient::new(ClientOptions::new(address, "/local").unwrap()).unwrap()
}

/// Runs a test, and fails it if it takes much longer than any should.
fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(120), test).await }).expect("it hangs");
}

async fn create(client: &TopicClient, partitions: u32) {
    let consumers = BTreeMap::from([(Arc::from("app"), Consumer::default())]);
    client.create("t", &Settings { consumers, ..settings(partitions) }).await.unwrap();
}

fn writer(client: &TopicClient, producer: &str) -> TopicWriter {
    client.writer(WriterOptions::new("t", producer)).unwrap()
}

fn reader(client: &TopicClient) -> TopicReader {
    client.reader(ReaderOptions::new("t", "app")).unwrap()
}

async fn write(writer: &TopicWriter, range: std::ops::Range<usize>) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for n in range {
        deliveries.push(writer.write(Message::raw(format!("message {n}"))).await.unwrap());
    }
    deliveries
}

/// Reads and commits so many messages: payloads by partition and offset.
async fn read(reader: &TopicReader, count: usize) -> BTreeMap<(u32, u64), String> {
    let mut read = BTreeMap::new();
    while read.len() < count {
        let batch = reader.read().await.unwrap();
        keep(&mut read, &batch);
        reader.commit(&batch).await.unwrap();
    }
    assert_eq!(read.len(), count);
    read
}

fn keep(read: &mut BTreeMap<(u32, u64), String>, batch: &Batch) {
    for message in &batch.messages {
        let text = String::from_utf8(message.data.to_vec()).unwrap();
        let before = read.insert((batch.partition, message.offset), text.clone());
        assert!(before.is_none_or(|before| before == text), "an offset means one message");
    }
}

fn texts(read: BTreeMap<(u32, u64), String>) -> Vec<String> {
    read.into_values().collect()
}

fn expected(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("message {n}")).collect()
}

#[test]
fn what_is_written_is_read_and_what_is_committed_stays_so() {
    with_broker(|client| async move {
        create(&client, 1).await;
        let first = writer(&client, "p");
        for (n, delivery) in write(&first, 0..2500).await.into_iter().enumerate() {
            let receipt = delivery.await.unwrap();
            assert_eq!(receipt.seq_no, n as u64 + 1);
            assert_eq!(receipt.outcome, Outcome::Written { offset: n as u64 });
        }
        first.flush().await.unwrap();
        assert_eq!((first.unanswered(), first.buffered()), (0, 0));
        first.close().await.unwrap();

        let reads = reader(&client);
        assert_eq!(texts(read(&reads, 2500).await), expected(0..2500));
        reads.close().await.unwrap();

        // The producer goes on where it was, and so does the consumer.
        let second = writer(&client, "p");
        let session = second.session().await.unwrap();
        // Writers notice others by what stands at the end of the name: the producer's sessions are counted there.
        assert_eq!((session.last_seq_no, &*session.session_id), (2500, "p-0-2"));
        let mut last = write(&second, 2500..2501).await;
        assert_eq!(last.remove(0).await.unwrap().seq_no, 2501);
        second.close().await.unwrap();
        let reads = reader(&client);
        assert_eq!(texts(read(&reads, 1).await), expected(2500..2501));

        let topic = client.describe("t").await.unwrap();
        assert_eq!(topic.partitions[0].available, Range { start: 0, end: 2501 });
        let app = client.describe_consumer("t", "app").await.unwrap();
        assert_eq!(app.partitions[0].1, 2501);
    });
}

#[test]
fn numbers_of_the_caller_make_a_repetition_harmless() {
    with_broker(|client| async move {
        create(&client, 1).await;
        for upto in [100_u64, 250] {
            let writer = writer(&client, "p");
            let mut outcomes = Vec::new();
            for n in 1..=upto {
                let message = Message { seq_no: Some(n), ..Message::raw(format!("message {}", n - 1)) };
                outcomes.push(writer.write(message).await.unwrap());
            }
            let mut written = 0;
            for outcome in outcomes {
                written += usize::from(outcome.await.unwrap().outcome != Outcome::Duplicate);
            }
            assert_eq!(written, if upto == 100 { 100 } else { 150 });
            writer.close().await.unwrap();
        }
        assert_eq!(texts(read(&reader(&client), 250).await), expected(0..250));
    });
}

#[test]
fn payloads_are_compressed_and_come_back() {
    with_broker(|client| async move {
        create(&client, 1).await;
        let large: Vec<u8> = (0..2_000_000_u32).map(|n| (n / 1000) as u8).collect();
        let options = WriterOptions { compression: Compression::Gzip(6), ..WriterOptions::new("t", "p") };
        let zipped = client.writer(options).unwrap();
        let meta = vec![(Arc::from("unit"), b"kg".to_vec().into())];
        let message = Message { metadata: meta.clone(), ..Message::raw("pears ".repeat(100)) };
        drop(zipped.write(message).await.unwrap());
        drop(zipped.write(Message::raw(large.clone())).await.unwrap());
        drop(zipped.write(Message { codec: Codec(10_001), ..Message::raw("private") }).await.unwrap());
        drop(zipped.write(Message { codec: Codec::GZIP, ..Message::raw("not gzip") }).await.unwrap());
        zipped.close().await.unwrap();
        let stored = client.describe("t").await.unwrap().partitions[0].bytes;
        assert!(stored < 100_000, "{stored} bytes for 2 MB of nearly nothing");

        let reader = reader(&client);
        let mut messages = Vec::new();
        while messages.len() < 4 {
            messages.extend(reader.read().await.unwrap().messages);
        }
        assert_eq!(messages[0].data, "pears ".repeat(100));
        assert_eq!((&messages[0].metadata, messages[0].codec), (&meta, Codec::RAW));
        assert_eq!(&*messages[0].producer_id, "p");
        assert!(messages[0].created_at.0 > 0 && messages[0].written_at.0 > 0);
        assert!(messages[1].data == large, "the large one is another");
        assert_eq!((&messages[2].data[..], messages[2].codec), (&b"private"[..], Codec(10_001)));
        assert_eq!((&messages[3].data[..], messages[3].codec), (&b"not gzip"[..], Codec::GZIP));
        assert!(messages[3].flaw.is_some() && messages[2].flaw.is_none());
    });
}

#[test]
fn partitions_keep_their_order_and_are_shared_by_readers() {
    with_broker(|client| async move {
        create(&client, 3).await;
        let mut writers = Vec::new();
        for partition in 0..3 {
            let mut options = WriterOptions::new("t", format!("p{partition}"));
            options.core.partition = Some(partition);
            writers.push(client.writer(options).unwrap());
        }
        for n in 0..300 {
            drop(writers[n % 3].write(Message::raw(format!("message {n}"))).await.unwrap());
        }
        for writer in writers {
            writer.close().await.unwrap();
        }
        let first = reader(&client);
        let mut events = first.events();
        let mut seen = BTreeMap::new();
        let mut held = BTreeMap::new();
        while held.len() < 3 {
            let mut batch = first.read().await.unwrap();
            batch.messages.truncate(10);
            held.entry(batch.partition).or_insert(batch);
        }
        // Another reader comes. It is to have a partition, but none that somebody still works on.
        let second = reader(&client);
        let mut next =
            async || tokio::time::timeout(Duration::from_secs(10), events.recv()).await.unwrap().unwrap();
        let stopping = loop {
            if let ReaderEvent::Stopping { partition, .. } = next().await {
                break partition;
            }
        };
        tokio::time::sleep(Duration::from_millis(200)).await;
        let batch = held.remove(&stopping).unwrap();
        first.commit(&batch).await.unwrap();
        keep(&mut seen, &batch);
        drop(batch);
        assert_eq!(next().await, ReaderEvent::Stopped { topic: "t".into(), partition: stopping });

        let batch = second.read().await.unwrap();
        assert_eq!(
            (batch.partition, batch.messages[0].offset),
            (stopping, 10),
            "it goes on where the first stopped"
        );
        keep(&mut seen, &batch);
        let texts = |partition: u32, offsets: std::ops::Range<u32>| -> Vec<String> {
            offsets.map(|offset| format!("message {}", offset * 3 + partition)).collect()
        };
        assert_eq!(seen.into_values().collect::<Vec<_>>(), texts(stopping, 0..100));
        for (partition, batch) in held {
            let mut seen = BTreeMap::new();
            keep(&mut seen, &batch);
            assert_eq!(seen.into_values().collect::<Vec<_>>(), texts(partition, 0..10));
            first.commit(&batch).await.unwrap();
        }
        first.close().await.unwrap();
    });
}

#[test]
fn another_writer_of_the_same_producer_ends_the_first() {
    with_broker(|client| async move {
        create(&client, 1).await;
        let first = writer(&client, "p");
        drop(write(&first, 0..3).await);
        first.flush().await.unwrap();
        let second = writer(&client, "p");
        assert_eq!(second.session().await.unwrap().last_seq_no, 3);
        // It learns of it by itself, or with what it writes next.
        let refused = async {
            loop {
                match first.write(Message::raw("late")).await {
                    Ok(delivery) => drop(delivery.await),
                    Err(error) => return error,
                }
            }
        };
        let refused = refused.await.to_string();
        assert_eq!(
            refused,
            "the writer has ended: another writer has the same producer id: the server has given the session to it"
        );
        drop(write(&second, 3..6).await);
        second.close().await.unwrap();
        assert_eq!(texts(read(&reader(&client), 6).await), expected(0..6));
    });
}

#[test]
fn what_cannot_be_is_refused_by_its_name() {
    with_broker(|client| async move {
        let nothing = client.describe("t").await.unwrap_err().to_string();
        assert_eq!(nothing, "the server answers SCHEME_ERROR (400070): there is no topic /local/t");
        let lost = writer(&client, "p");
        let ended = lost.session().await.unwrap_err().to_string();
        assert!(ended.ends_with("SCHEME_ERROR (400070): there is no topic /local/t"), "{ended}");
        let ended = reader(&client).read().await.unwrap_err().to_string();
        assert!(ended.ends_with("SCHEME_ERROR (400070): there is no topic /local/t"), "{ended}");

        create(&client, 1).await;
        let twice = client.create("t", &settings(1)).await.unwrap_err().to_string();
        assert!(twice.starts_with("the server answers ALREADY_EXISTS (400130)"), "{twice}");
        let mut options = WriterOptions::new("t", "p");
        options.core.message_bytes = 10;
        let small = client.writer(options).unwrap();
        let refused = small.write(Message::raw("eleven bytes")).await.unwrap_err();
        assert_eq!(refused.to_string(), "a message of 12 bytes; at most 10 are allowed");
        drop(small.write(Message::raw("fits")).await.unwrap());
        small.close().await.unwrap();

        let reader = client.reader(ReaderOptions::new("t", "")).unwrap();
        let batch = reader.read().await.unwrap();
        let refused = reader.commit(&batch).await.unwrap_err();
        assert_eq!(refused.to_string(), "a reader without a consumer commits nothing");
        let mut batch = batch;
        batch.messages.clear();
        assert_eq!(reader.commit(&batch).await, Err(CommitError::Empty));
        client.drop("t").await.unwrap();
        assert_eq!(client.list("").await.unwrap(), []);
    });
}

#[test]
fn nobody_there_is_told_at_once_for_calls_and_waited_for_by_sessions() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    block_on(async {
        let client = connect(&free);
        let error = client.describe("t").await.unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("cannot connect to grpc://{free}: Connection refused")),
            "{error}"
        );
        let mut options = WriterOptions::new("t", "p");
        options.core.close_timeout = Dur::millis(300);
        let writer = client.writer(options).unwrap();
        let delivery = writer.write(Message::raw("x")).await.unwrap();
        let ticket = delivery.ticket();
        let Err(CloseError::Writer { undelivered, .. }) = writer.close().await else { panic!("it cannot") };
        assert_eq!(undelivered.iter().map(|it| (it.ticket, it.sent)).collect::<Vec<_>>(), [(ticket, None)]);
        assert!(matches!(delivery.await, Err(WriteError::Ended { sent: None, .. })));
    });
}

/// Gives each asker the next token of a list, and the last one from then on.
struct Tokens(Vec<&'static str>, AtomicUsize);

impl TokenProvider for Tokens {
    fn token(&self) -> Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send + '_>> {
        let n = self.1.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move { Ok(self.0[n.min(self.0.len() - 1)].to_owned()) })
    }
}

#[test]
fn tokens_are_shown_refreshed_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("access.json");
    let tokens = r#"{"tokens": [{"name": "anna", "token": "good", "admin": ["/local/*"], "write": ["/local/*"]},
        {"name": "ben", "token": "poor", "read": ["/local/u"]}]}"#;
    std::fs::write(&list, tokens).unwrap();
    let server = serve(&folder.path().join("data"), Some(&list));
    let address = server.address().to_string();
    let client = |credentials| {
        let options = ClientOptions::new(&address, "/local").unwrap();
        TopicClient::new(ClientOptions { credentials, ..options }).unwrap()
    };
    block_on(async {
        let good = client(Credentials::Token("good".into()));
        create(&good, 1).await;
        for who in
            [Credentials::Anonymous, Credentials::Token("bad".into()), Credentials::Token("poor".into())]
        {
            let other = client(who);
            let error = other.describe("t").await.unwrap_err().to_string();
            assert!(error.starts_with("the server answers UNAUTHORIZED (400020): "), "{error}");
            let error = writer(&other, "p").session().await.unwrap_err().to_string();
            assert!(error.contains("UNAUTHORIZED (400020): "), "{error}");
        }
        // One session, three tokens, the last of them bad: the session ends with it.
        let tokens = Arc::new(Tokens(vec!["good", "good", "good", "bad"], AtomicUsize::new(0)));
        let mut options = WriterOptions::new("t", "p");
        options.core.token_interval = Some(Dur::millis(100));
        let writer = client(Credentials::Provider(tokens.clone())).writer(options).unwrap();
        writer.write(Message::raw("x")).await.unwrap().await.unwrap();
        let ended = loop {
            match writer.write(Message::raw("y")).await {
                Ok(delivery) => drop(delivery.await),
                Err(error) => break error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(ended.contains("UNAUTHORIZED (400020): "), "{ended}");
        assert_eq!(tokens.1.load(Ordering::Relaxed), 4);
    });
    server.stop().unwrap();
}

#[test]
fn a_server_that_never_answers_stops_the_writer_at_its_bound() {
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap().to_string();
    block_on(async {
        let mut options = WriterOptions::new("t", "p");
        options.core.message_bytes = 1000;
        options.core.buffer_bytes = 20_000;
        options.core.close_timeout = Dur::millis(100);
        let writer = connect(&address).writer(options).unwrap();
        let mut accepted = Vec::new();
        let waiting = async {
            loop {
                accepted.push(writer.write(Message::raw(vec![0; 1000])).await.unwrap().ticket());
            }
        };
        assert!(
            tokio::time::timeout(Duration::from_millis(300), waiting).await.is_err(),
            "it waits for room"
        );
        assert_eq!(accepted.len(), 16, "1000 bytes and 192 of books fit so often into 20000");
        assert!(writer.buffered() <= 20_000);
        let Err(CloseError::Writer { undelivered, .. }) = writer.close().await else { panic!("it cannot") };
        assert_eq!(undelivered.iter().map(|it| it.ticket).collect::<Vec<_>>(), accepted);
    });
}

#[test]
fn a_reader_that_takes_its_time_is_sent_no_more_than_it_asked_for() {
    with_broker(|client| async move {
        create(&client, 1).await;
        let writer = writer(&client, "p");
        for _ in 0..2000 {
            drop(writer.write(Message::raw(vec![7; 1000])).await.unwrap());
        }
        writer.close().await.unwrap();
        let mut options = ReaderOptions::new("t", "app");
        options.core.buffer_bytes = 100_000;
        let reader = client.reader(options).unwrap();
        let mut most = 0;
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            most = most.max(reader.held());
        }
        assert!((50_000..=102_000).contains(&most), "{most} bytes were held");
        let mut count = 0;
        while count < 2000 {
            count += reader.read().await.unwrap().messages.len();
            assert!(reader.held() <= 102_000);
        }
        assert_eq!(count, 2000);
    });
}

#[test]
fn what_is_dropped_leaves_no_task_behind() {
    with_broker(|client| async move {
        create(&client, 1).await;
        let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        // The connection of the calls stays.
        let before = alive();
        for _ in 0..3 {
            let (writer, reader) = (writer(&client, "p"), reader(&client));
            writer.write(Message::raw("x")).await.unwrap().await.unwrap();
            let batch = reader.read().await.unwrap();
            assert!(alive() > before);
            drop((writer, reader));
            drop(batch);
        }
        for _ in 0..500 {
            if alive() <= before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} tasks, {before} before", alive());
    });
}

#[test]
fn a_broker_that_is_killed_under_writer_and_reader_loses_and_doubles_nothing() {
    const COUNT: usize = 3000;
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(folder.path(), "127.0.0.1:0", &[]);
    let address = broker.address.clone();
    block_on(async {
        let client = connect(&address);
        create(&client, 3).await;
        let mut options = WriterOptions::new("t", "p");
        options.core.backoff_max = Dur::millis(200);
        let writing = {
            let client = client.clone();
            tokio::spawn(async move {
                let writer = client.writer(options).unwrap();
                let mut deliveries = Vec::new();
                for n in 0..COUNT {
                    deliveries.push(writer.write(Message::raw(format!("message {n}"))).await.unwrap());
                    if n % 20 == 0 {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
                writer.flush().await.unwrap();
                let mut last = 0;
                for delivery in deliveries {
                    let receipt = delivery.await.unwrap();
                    assert!(receipt.seq_no > last, "in the order of the calls");
                    last = receipt.seq_no;
                }
                writer.close().await.unwrap();
            })
        };
        let reading = {
            let client = client.clone();
            tokio::spawn(async move {
                let mut options = ReaderOptions::new("t", "app");
                options.core.backoff_max = Dur::millis(200);
                let reader = client.reader(options).unwrap();
                let mut seen = BTreeMap::new();
                while seen.len() < COUNT {
                    let batch = reader.read().await.unwrap();
                    keep(&mut seen, &batch);
                    // Lost with its session, and then read again.
                    let _ = reader.commit(&batch).await;
                }
                reader.close().await.unwrap();
                seen
            })
        };
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            broker.kill();
            broker = Broker::start(folder.path(), &address, &[]);
        }
        writing.await.unwrap();
        let seen = reading.await.unwrap();
        assert_eq!(texts(seen), expected(0..COUNT), "one partition, in order, each once");
        let ends: u64 = client.describe("t").await.unwrap().partitions.iter().map(|p| p.available.end).sum();
        assert_eq!(ends, COUNT as u64, "nothing is stored twice");
    });
    assert!(broker.stop().0.success());
}
