//! Bare streams: the frames of the protocol over tonic and nothing else, made and answered by one task. They are taken
//! for the ceiling of this transport, which a client that spreads its work over two tasks can pass; and as the cheapest
//! load that there is they leave the broker the most of the machine.

use super::{
    BATCH, DATABASE, Payloads,
    wire::{RAW, SUCCESS, Timestamp, Write, WriterHears, WriterInit, WriterSays, Written},
};
use anyhow::{Context, Result, ensure};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{
    Request, Streaming,
    client::Grpc,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

/// Connects; a connection for each stream.
pub(super) async fn dial(to: SocketAddr) -> Result<Grpc<Channel>> {
    let channel = Endpoint::from_shared(format!("http://{to}"))?.tcp_nodelay(true).connect().await?;
    let mut grpc = Grpc::new(channel).max_decoding_message_size(64 << 20);
    grpc.ready().await?;
    Ok(grpc)
}

/// A request of this database.
pub(super) fn request<T>(body: T) -> Request<T> {
    let mut request = Request::new(body);
    request.metadata_mut().insert("x-ydb-database", MetadataValue::from_static(DATABASE));
    request
}

/// An open write stream.
pub(super) struct Bare {
    says: mpsc::UnboundedSender<WriterSays>,
    hears: Streaming<WriterHears>,
    /// The number of the next message.
    next: i64,
    /// Every message below is acknowledged.
    acknowledged: i64,
}

impl Bare {
    /// Opens a stream of a producer that has written nothing yet.
    pub(super) async fn open(
        to: SocketAddr,
        topic: &str,
        producer: &str,
        partition: Option<i64>,
    ) -> Result<Bare> {
        let mut grpc = dial(to).await?;
        let (says, words) = mpsc::unbounded_channel();
        let init = WriterInit {
            path: topic.to_owned(),
            producer_id: producer.to_owned(),
            partition_id: partition,
            get_last_seq_no: true,
        };
        says.send(WriterSays { init: Some(init), write: None })?;
        let path = http::uri::PathAndQuery::from_static("/Ydb.Topic.V1.TopicService/StreamWrite");
        let codec = ProstCodec::<WriterSays, WriterHears>::default();
        let answer = grpc.streaming(request(UnboundedReceiverStream::new(words)), path, codec).await?;
        let mut bare = Bare { says, hears: answer.into_inner(), next: 1, acknowledged: 1 };
        let session = bare.hear().await?.init.context("no session")?;
        ensure!(session.last_seq_no == 0, "{producer} has written before");
        Ok(bare)
    }

    async fn hear(&mut self) -> Result<WriterHears> {
        let heard = self.hears.message().await?.context("the server has ended the stream")?;
        let issue = heard.issues.first().map_or("", |issue| &issue.message);
        ensure!(heard.status == SUCCESS, "the server says {}: {issue}", heard.status);
        Ok(heard)
    }

    /// Sends one request of so many messages.
    pub(super) fn send(&mut self, payloads: &Payloads, messages: i64) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let created_at =
            Timestamp { seconds: now.as_secs().cast_signed(), nanos: now.subsec_nanos().cast_signed() };
        let message = |seq_no: i64| {
            let data = payloads.make(seq_no as u64);
            let uncompressed_size = data.len() as i64;
            Written { seq_no, created_at: Some(created_at), data: data.into(), uncompressed_size }
        };
        let messages = (self.next..self.next + messages).map(message).collect::<Vec<_>>();
        self.next += messages.len() as i64;
        self.says.send(WriterSays { init: None, write: Some(Write { messages, codec: RAW }) })?;
        Ok(())
    }

    /// Waits for acknowledgements, which must be those of the oldest messages. Answers with the number below which
    /// every message is acknowledged.
    pub(super) async fn acknowledged(&mut self) -> Result<i64> {
        let acks = self.hear().await?.acks.context("something else than acknowledgements")?;
        for ack in acks.acks {
            ensure!(ack.seq_no == self.acknowledged, "{} comes before {}", ack.seq_no, self.acknowledged);
            ensure!(ack.written.is_some(), "{} was not written", ack.seq_no);
            self.acknowledged += 1;
        }
        Ok(self.acknowledged)
    }

    fn in_flight(&self) -> usize {
        (self.next - self.acknowledged) as usize
    }

    /// Writes until a moment, with `window` messages unanswered at most, and waits for the last answer. Answers
    /// with the number of messages; how long each request took goes into `latencies`, in nanoseconds.
    pub(super) async fn write(
        &mut self,
        payloads: &Payloads,
        window: usize,
        until: Instant,
        latencies: &mut Vec<u32>,
    ) -> Result<u64> {
        let first = self.next;
        let mut requests = VecDeque::new();
        loop {
            let mut now = Instant::now();
            while now < until && self.in_flight() + BATCH <= window {
                self.send(payloads, BATCH as i64)?;
                requests.push_back((self.next, now));
                now = Instant::now();
            }
            if self.in_flight() == 0 {
                return Ok((self.next - first) as u64);
            }
            let acknowledged = self.acknowledged().await?;
            let now = Instant::now();
            while let Some((_, sent)) = requests.front().filter(|(end, _)| *end <= acknowledged) {
                latencies.push(u32::try_from((now - *sent).as_nanos()).unwrap_or(u32::MAX));
                requests.pop_front();
            }
        }
    }
}
