//! Memory where somebody does not keep up: of a writer whose server does not acknowledge, and of a broker whose reader
//! has asked for everything and takes nothing.

use super::{
    DATABASE, Payloads, Peer,
    bare::{dial, request},
    broker,
    wire::{Credit, ReaderHears, ReaderInit, ReaderSays, Started, TopicPath},
};
use crate::machine;
use anyhow::{Context, Result, bail};
use onceward::topic::{ClientOptions, Message, TopicClient, WriterOptions};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, time::Duration};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic_prost::ProstCodec;

/// What a writer may hold that is told a bound.
pub(super) const BOUND: u64 = 32 << 20;
/// Messages that are offered to a writer.
pub(super) const OFFERED: u64 = 200_000;
/// A writer that takes in nothing for so long takes in nothing any more.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a writer holds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Hoard {
    /// Messages that it has accepted.
    pub(super) accepted: u64,
    /// The most resident memory of its process since it was opened, less that at the begin, in bytes.
    pub(super) grown: u64,
}

/// Offers messages to a writer that is never answered.
pub(super) fn hoard(peer: Peer, to: SocketAddr) -> Result<Hoard> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let payloads = Payloads::new();
        let (accepted, before) = match peer {
            Peer::Onceward => {
                let client = TopicClient::new(ClientOptions::new(&format!("grpc://{to}"), DATABASE)?)?;
                let mut options = WriterOptions::new("hoarded", "onceward");
                options.core.message_bytes = 1 << 20;
                options.core.buffer_bytes = BOUND;
                let writer = client.writer(options)?;
                writer.session().await?;
                let before = machine::memory()?.1;
                // Nobody waits for the answer, as in the other one.
                let write = async |payload: Vec<u8>| {
                    drop(writer.write(Message::raw(payload)).await?);
                    Ok(())
                };
                (offer(&payloads, write).await?, before)
            }
            Peer::Ydb => {
                let client = format!("grpc://{to}{DATABASE}?use_discovery=false");
                let client = ydb::ClientBuilder::new_from_connection_string(client)?.build().await?;
                let writer = client.topic_client().create_writer("hoarded").await?;
                let before = machine::memory()?.1;
                let write =
                    async |payload: Vec<u8>| Ok(writer.write(ydb::TopicWriterMessage::new(payload)).await?);
                (offer(&payloads, write).await?, before)
            }
            Peer::Bare => bail!("it holds nothing"),
        };
        Ok(Hoard { accepted, grown: machine::memory()?.0.saturating_sub(before) })
    })
}

async fn offer(payloads: &Payloads, write: impl AsyncFn(Vec<u8>) -> Result<()>) -> Result<u64> {
    for number in 0..OFFERED {
        match timeout(PATIENCE, write(payloads.make(number))).await {
            Ok(written) => written?,
            Err(_) => return Ok(number),
        }
    }
    // What it has still to do with them counts as well.
    tokio::time::sleep(PATIENCE).await;
    Ok(OFFERED)
}

/// Makes a topic, opens a read stream of it, asks for a gigabyte and takes nothing. Returns when it is told to end.
pub(super) fn stall(from: SocketAddr) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        broker::create(from, 1).await?;
        let mut grpc = dial(from).await?;
        let (says, words) = mpsc::unbounded_channel();
        let topics = vec![TopicPath { path: broker::TOPIC.to_owned() }];
        let init = ReaderInit { topics, consumer: String::new() };
        says.send(ReaderSays { init: Some(init), ..ReaderSays::default() })?;
        let credit = Some(Credit { bytes_size: 1 << 30 });
        says.send(ReaderSays { credit, ..ReaderSays::default() })?;
        let path = http::uri::PathAndQuery::from_static("/Ydb.Topic.V1.TopicService/StreamRead");
        let codec = ProstCodec::<ReaderSays, ReaderHears>::default();
        let answer = grpc.streaming(request(UnboundedReceiverStream::new(words)), path, codec).await?;
        let mut hears = answer.into_inner();
        loop {
            let heard = hears.message().await?.context("the broker has ended the stream")?;
            if let Some(start) = heard.start {
                let id = start.session.context("no session")?.partition_session_id;
                let started = Some(Started { partition_session_id: id });
                says.send(ReaderSays { started, ..ReaderSays::default() })?;
                break;
            }
        }
        super::process::announce(super::process::Listening { address: from, metrics: None })?;
        super::process::end_of_input().await;
        drop((hears, says));
        Ok(())
    })
}
