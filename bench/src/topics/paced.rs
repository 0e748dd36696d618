//! Latency at a fixed rate: messages are due at moments that do not depend on answers, and each is timed from the moment
//! at which it was due, so that a pause counts for everything that it holds up.

use super::{DATABASE, broker};
use super::{Payloads, Peer, bare::Bare, broker::TOPIC, percentile};
use anyhow::{Result, bail};
use onceward::topic::{ClientOptions, Dur, Message, TopicClient, TopicWriter, WriterOptions};
use serde::{Deserialize, Serialize};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep_until, timeout},
};

/// Producers, each with a partition of its own.
const PRODUCERS: u32 = 8;
/// The longest that the last answers may take.
const LAST: Duration = Duration::from_secs(10);

/// What is sent how fast.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Pace {
    pub(super) peer: Peer,
    pub(super) to: SocketAddr,
    /// Messages a second, of all producers together.
    pub(super) rate: u32,
    pub(super) seconds: f64,
}

/// How long acknowledgements took, in microseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Latencies {
    pub(super) messages: u64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) p999_us: f64,
    pub(super) worst_us: f64,
}

/// Sends at a fixed rate for so long.
pub(super) fn run(pace: Pace) -> Result<Latencies> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        broker::create(pace.to, PRODUCERS).await?;
        let every = Duration::from_secs(1) * PRODUCERS / pace.rate;
        let count = (pace.seconds / every.as_secs_f64()) as u32;
        let mut tasks = JoinSet::new();
        match pace.peer {
            Peer::Bare => {
                let mut streams = Vec::new();
                for producer in 0..PRODUCERS {
                    let name = format!("paced-{producer}");
                    streams.push(Bare::open(pace.to, TOPIC, &name, Some(producer.into())).await?);
                }
                for (stream, first) in streams.into_iter().zip(firsts(every)) {
                    tasks.spawn(bare(stream, count, move |n| first + every * n));
                }
            }
            Peer::Onceward => {
                let client = TopicClient::new(ClientOptions::new(&format!("grpc://{}", pace.to), DATABASE)?)?;
                let mut writers = Vec::new();
                for producer in 0..PRODUCERS {
                    let mut options = WriterOptions::new(TOPIC, format!("paced-{producer}"));
                    options.core.partition = Some(producer);
                    // A lone message has nobody to wait for.
                    options.core.batch_wait = Dur(0);
                    let writer = client.writer(options)?;
                    writer.session().await?;
                    writers.push(writer);
                }
                for (writer, first) in writers.into_iter().zip(firsts(every)) {
                    tasks.spawn(onceward(writer, count, move |n| first + every * n));
                }
            }
            Peer::Ydb => bail!("not compared"),
        }
        let mut latencies = Vec::new();
        while let Some(task) = tasks.join_next().await {
            latencies.append(&mut task??);
        }
        latencies.sort_unstable();
        Ok(Latencies {
            messages: latencies.len() as u64,
            p50_us: percentile(&latencies, 500),
            p99_us: percentile(&latencies, 990),
            p999_us: percentile(&latencies, 999),
            worst_us: percentile(&latencies, 1000),
        })
    })
}

fn since(due: Instant) -> u32 {
    u32::try_from(due.elapsed().as_nanos()).unwrap_or(u32::MAX)
}

/// When the first message of each producer is due: one after the other, not all at once.
fn firsts(every: Duration) -> impl Iterator<Item = Instant> {
    let start = Instant::now() + Duration::from_millis(100);
    (0..PRODUCERS).map(move |producer| start + every * producer / PRODUCERS)
}

async fn bare(mut stream: Bare, count: u32, due: impl Fn(u32) -> Instant) -> Result<Vec<u32>> {
    let payloads = Payloads::new();
    let (mut sent, mut latencies) = (0, Vec::new());
    while latencies.len() < count as usize {
        tokio::select! {
            () = sleep_until(due(sent).into()), if sent < count => {
                stream.send(&payloads, 1)?;
                sent += 1;
            }
            acknowledged = stream.acknowledged() => {
                // Numbers begin with 1.
                for n in latencies.len() as u32..acknowledged? as u32 - 1 {
                    latencies.push(since(due(n)));
                }
            }
        }
    }
    Ok(latencies)
}

async fn onceward(writer: TopicWriter, count: u32, due: impl Fn(u32) -> Instant) -> Result<Vec<u32>> {
    let payloads = Payloads::new();
    let (tell, mut told) = mpsc::unbounded_channel();
    for n in 0..count {
        let due = due(n);
        sleep_until(due.into()).await;
        let answer = writer.write(Message::raw(payloads.make(n.into()))).await?;
        let tell = tell.clone();
        tokio::spawn(async move { tell.send(answer.await.map(|_| since(due))) });
    }
    drop(tell);
    let mut latencies = Vec::new();
    while let Some(latency) = timeout(LAST, told.recv()).await? {
        latencies.push(latency?);
    }
    writer.close().await?;
    Ok(latencies)
}
