//! Reading, client by client, from a source that always has more: the cost of the client alone.
//!
//! Rules that keep the comparison fair: a reader has asked for [`CREDIT`] bytes that it has not taken, which is what the
//! `ydb` crate does and cannot be told otherwise; the caller looks at every payload, commits every batch, and does not
//! wait for the answer.

use super::{
    DATABASE, Figures, Peer,
    bare::{dial, request},
    wire::{
        Commit, Credit, PartitionCommit, Range, ReaderHears, ReaderInit, ReaderSays, SUCCESS, Started,
        TopicPath,
    },
};
use crate::machine;
use anyhow::{Context, Result, ensure};
use onceward::topic::{ClientOptions, ReaderOptions, TopicClient, TopicReader};
use std::{
    hint::black_box,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;
use tonic_prost::ProstCodec;

const TOPIC: &str = "sourced";
const CONSUMER: &str = "bench";
/// Bytes that are asked for and not taken.
const CREDIT: u64 = 1 << 20;
/// How long a reader reads before the clock starts.
const WARM_UP: Duration = Duration::from_millis(100);

/// Reads for so long, after a short warm-up.
pub(super) fn run(peer: Peer, from: SocketAddr, seconds: f64) -> Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let time = Duration::from_secs_f64(seconds);
    runtime.block_on(async move {
        let run = tokio::spawn(async move {
            match peer {
                Peer::Bare => bare(from, time).await,
                Peer::Ydb => ydb(from, time).await,
                Peer::Onceward => onceward(from, time).await,
            }
        });
        run.await?
    })
}

/// A client that reads.
trait Reader {
    /// Reads and commits a batch. Answers with the number of its messages.
    fn batch(&mut self) -> impl Future<Output = Result<u64>> + Send;
}

/// Checks that messages come in order, and looks at them.
#[derive(Default)]
struct Order {
    next: u64,
}

impl Order {
    fn look(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        ensure!(offset == self.next, "{offset} comes instead of {}", self.next);
        self.next += 1;
        black_box(data.first().copied());
        Ok(())
    }
}

struct Bare {
    says: mpsc::UnboundedSender<ReaderSays>,
    hears: Streaming<ReaderHears>,
    order: Order,
}

impl Bare {
    fn ask(&self, bytes_size: i64) -> Result<()> {
        Ok(self.says.send(ReaderSays { credit: Some(Credit { bytes_size }), ..ReaderSays::default() })?)
    }
}

impl Reader for Bare {
    async fn batch(&mut self) -> Result<u64> {
        loop {
            let heard = self.hears.message().await?.context("the source has ended the stream")?;
            ensure!(heard.status == SUCCESS, "the source says {}", heard.status);
            if let Some(start) = heard.start {
                let partition_session_id = start.session.context("no session")?.partition_session_id;
                let started = Some(Started { partition_session_id });
                self.says.send(ReaderSays { started, ..ReaderSays::default() })?;
            }
            let Some(data) = heard.data else { continue };
            self.ask(data.bytes_size)?;
            let first = self.order.next;
            let mut partitions = Vec::new();
            for partition in data.partitions {
                let start = self.order.next as i64;
                for message in partition.batches.iter().flat_map(|batch| &batch.messages) {
                    self.order.look(message.offset as u64, &message.data)?;
                }
                let offsets = vec![Range { start, end: self.order.next as i64 }];
                let partition_session_id = partition.partition_session_id;
                partitions.push(PartitionCommit { partition_session_id, offsets });
            }
            self.says.send(ReaderSays { commit: Some(Commit { partitions }), ..ReaderSays::default() })?;
            return Ok(self.order.next - first);
        }
    }
}

async fn bare(from: SocketAddr, time: Duration) -> Result<Figures> {
    let mut grpc = dial(from).await?;
    let (says, words) = mpsc::unbounded_channel();
    let topics = vec![TopicPath { path: TOPIC.to_owned() }];
    let init = ReaderInit { topics, consumer: CONSUMER.to_owned() };
    says.send(ReaderSays { init: Some(init), ..ReaderSays::default() })?;
    let path = http::uri::PathAndQuery::from_static("/Ydb.Topic.V1.TopicService/StreamRead");
    let codec = ProstCodec::<ReaderSays, ReaderHears>::default();
    let answer = grpc.streaming(request(UnboundedReceiverStream::new(words)), path, codec).await?;
    let bare = Bare { says, hears: answer.into_inner(), order: Order::default() };
    bare.ask(CREDIT as i64)?;
    measured(time, bare).await
}

struct Ydb(ydb::TopicReader, Order);

impl Reader for Ydb {
    async fn batch(&mut self) -> Result<u64> {
        let mut batch = self.0.read_batch().await?;
        for message in &mut batch.messages {
            let data = message.read_and_take().await?.context("no payload")?;
            self.1.look(message.offset as u64, &data)?;
        }
        self.0.commit(batch.get_commit_marker())?;
        Ok(batch.messages.len() as u64)
    }
}

async fn ydb(from: SocketAddr, time: Duration) -> Result<Figures> {
    let client = format!("grpc://{from}{DATABASE}?use_discovery=false");
    let client = ydb::ClientBuilder::new_from_connection_string(client)?.build().await?;
    let reader = client.topic_client().create_reader(CONSUMER, TOPIC).await?;
    measured(time, Ydb(reader, Order::default())).await
}

struct Onceward(TopicReader, Order);

impl Reader for Onceward {
    async fn batch(&mut self) -> Result<u64> {
        let batch = self.0.read().await?;
        for message in &batch.messages {
            self.1.look(message.offset, &message.data)?;
        }
        drop(self.0.commit(&batch));
        Ok(batch.messages.len() as u64)
    }
}

async fn onceward(from: SocketAddr, time: Duration) -> Result<Figures> {
    let client = TopicClient::new(ClientOptions::new(&format!("grpc://{from}"), DATABASE)?)?;
    let mut options = ReaderOptions::new(TOPIC, CONSUMER);
    options.core.buffer_bytes = CREDIT;
    measured(time, Onceward(client.reader(options)?, Order::default())).await
}

/// Reads batch by batch for so long, after a short warm-up.
async fn measured(time: Duration, mut reader: impl Reader) -> Result<Figures> {
    until(Instant::now() + WARM_UP, &mut reader).await?;
    let (idle, start) = (machine::cpu(), Instant::now());
    let messages = until(start + time, &mut reader).await?;
    Ok(Figures::of(messages, start.elapsed(), machine::cpu() - idle))
}

async fn until(until: Instant, reader: &mut impl Reader) -> Result<u64> {
    let mut messages = 0;
    while Instant::now() < until {
        messages += reader.batch().await?;
    }
    Ok(messages)
}
