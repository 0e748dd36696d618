//! Writing, client by client, to a sink that acknowledges at once: the cost of the client alone.
//!
//! Rules that keep the comparison fair: every message is a fresh vector that its writer owns, as a program that encodes
//! its messages hands them over; the caller has [`WINDOW`](super::WINDOW) messages unanswered at most, and waits for the
//! answer to each; a request holds [`BATCH`](super::BATCH) messages and waits a millisecond for them.

use super::{BATCH, DATABASE, Figures, Payloads, Peer, WINDOW, bare::Bare};
use crate::machine;
use anyhow::{Result, anyhow};
use onceward::topic::{ClientOptions, Dur, Message, TopicClient, TopicWriter, WriterOptions};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

const TOPIC: &str = "sunk";
/// How long a writer writes before the clock starts.
const WARM_UP: Duration = Duration::from_millis(100);
/// How long the first message of a request waits for company, where that can be said.
const WAIT: Duration = Duration::from_millis(1);

/// Writes for so long, after a short warm-up.
pub(super) fn run(peer: Peer, to: SocketAddr, seconds: f64) -> Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let time = Duration::from_secs_f64(seconds);
    // On a worker thread, as most of a program is.
    runtime.block_on(async move {
        let run = tokio::spawn(async move {
            match peer {
                Peer::Bare => bare(to, time).await,
                Peer::Ydb => ydb(to, time).await,
                Peer::Onceward => onceward(to, time).await,
            }
        });
        run.await?
    })
}

async fn bare(to: SocketAddr, time: Duration) -> Result<Figures> {
    let payloads = Payloads::new();
    let mut stream = Bare::open(to, TOPIC, "bare", None).await?;
    stream.write(&payloads, WINDOW, Instant::now() + WARM_UP, &mut Vec::new()).await?;
    let (idle, start) = (machine::cpu(), Instant::now());
    let messages = stream.write(&payloads, WINDOW, start + time, &mut Vec::new()).await?;
    Ok(Figures::of(messages, start.elapsed(), machine::cpu() - idle))
}

/// A client that writes.
trait Writer: Sync {
    /// Hands a message over; what it answers with waits for the acknowledgement.
    fn write(
        &self,
        payload: Vec<u8>,
    ) -> impl Future<Output = Result<impl Future<Output = Result<()>> + Send>> + Send;
}

impl Writer for ydb::TopicWriter {
    async fn write(&self, payload: Vec<u8>) -> Result<impl Future<Output = Result<()>> + Send> {
        let answer = self.write_with_ack_future(ydb::TopicWriterMessage::new(payload)).await?;
        Ok(async { answer.await.map(drop).map_err(|error| anyhow!(error)) })
    }
}

impl Writer for TopicWriter {
    async fn write(&self, payload: Vec<u8>) -> Result<impl Future<Output = Result<()>> + Send> {
        let answer = self.write(Message::raw(payload)).await?;
        Ok(async { answer.await.map(drop).map_err(|error| anyhow!(error)) })
    }
}

async fn ydb(to: SocketAddr, time: Duration) -> Result<Figures> {
    let client = format!("grpc://{to}{DATABASE}?use_discovery=false");
    let client = ydb::ClientBuilder::new_from_connection_string(client)?.build().await?;
    let options = ydb::TopicWriterOptions::builder()
        .topic_path(TOPIC)
        .producer_id("ydb".to_owned())
        .write_request_messages_chunk_size(BATCH)
        .write_request_send_messages_period(WAIT)
        .build();
    let writer = client.topic_client().create_writer_with_params(options).await?;
    let figures = load(time, &writer).await?;
    writer.stop().await?;
    Ok(figures)
}

async fn onceward(to: SocketAddr, time: Duration) -> Result<Figures> {
    let client = TopicClient::new(ClientOptions::new(&format!("grpc://{to}"), DATABASE)?)?;
    let mut options = WriterOptions::new(TOPIC, "onceward");
    options.core.in_flight = WINDOW as u32;
    options.core.batch_messages = BATCH as u32;
    options.core.batch_wait = Dur(WAIT.as_nanos() as u64);
    let writer = client.writer(options)?;
    writer.session().await?;
    let figures = load(time, &writer).await?;
    writer.close().await?;
    Ok(figures)
}

/// Writes for so long, after a short warm-up.
async fn load(time: Duration, writer: &impl Writer) -> Result<Figures> {
    let payloads = Payloads::new();
    until(Instant::now() + WARM_UP, writer, &payloads).await?;
    let (idle, start) = (machine::cpu(), Instant::now());
    let messages = until(start + time, writer, &payloads).await?;
    Ok(Figures::of(messages, start.elapsed(), machine::cpu() - idle))
}

/// Writes with as many messages unanswered as there may be, and waits for the last answer.
async fn until(until: Instant, writer: &impl Writer, payloads: &Payloads) -> Result<u64> {
    let mut unanswered = VecDeque::with_capacity(WINDOW);
    let mut number = 0;
    while Instant::now() < until {
        if unanswered.len() == WINDOW
            && let Some(answer) = unanswered.pop_front()
        {
            answer.await?;
        }
        unanswered.push_back(writer.write(payloads.make(number)).await?);
        number += 1;
    }
    for answer in unanswered {
        answer.await?;
    }
    Ok(number)
}
