//! The other end of the clients under comparison: a server that takes in messages, acknowledges them at once and keeps
//! nothing, and gives readers as many as they take. It runs on one thread of a process of its own, and does as little as
//! the protocol allows, so that the client is what is measured.

use super::{
    source::Source,
    wire::{
        Ack, Acks, Codecs, Offset, RAW, ReaderHears, ReaderSays, SUCCESS, SinkHears, Unread, WriterHears,
        WriterSession,
    },
};
use anyhow::Result;
use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt};
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    server::{Grpc, StreamingService},
    transport::{Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;

/// Bytes of a stream that a client may have sent and the server has not read: as the broker has it.
const WINDOW: u32 = 1 << 20;
/// Largest frame that is taken.
const FRAME: usize = 64 << 20;

/// Serves until standard input ends. `acknowledges`: whether writers are answered after their first word.
pub(super) fn serve(acknowledges: bool, listening: impl FnOnce(SocketAddr) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        listening(listener.local_addr()?)?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let serving = Server::builder()
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(4 * WINDOW)
            .serve_with_incoming(Api { acknowledges }, incoming);
        tokio::select! {
            ended = serving => Ok(ended?),
            () = super::process::end_of_input() => Ok(()),
        }
    })
}

/// What is served.
#[derive(Clone, Copy)]
struct Api {
    acknowledges: bool,
}

impl tower_service::Service<http::Request<Body>> for Api {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let api = *self;
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/Ydb.Topic.V1.TopicService/StreamWrite" => {
                    let codec = ProstCodec::<WriterHears, SinkHears>::default();
                    Grpc::new(codec).max_decoding_message_size(FRAME).streaming(Sink(api), request).await
                }
                "/Ydb.Topic.V1.TopicService/StreamRead" => {
                    let codec = ProstCodec::<ReaderHears, ReaderSays>::default();
                    Grpc::new(codec).streaming(Sourced, request).await
                }
                path => Status::unimplemented(format!("{path}: the bench does not serve it")).into_http(),
            })
        })
    }
}

/// Takes in messages and keeps none.
struct Sink(Api);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl StreamingService<SinkHears> for Sink {
    type Response = WriterHears;
    type ResponseStream = Answers<WriterHears>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<SinkHears>>) -> Self::Future {
        let acknowledges = self.0.acknowledges;
        let answers = request.into_inner().filter_map(move |heard| match heard {
            Ok(SinkHears { write: Some(write), .. }) => acknowledges.then(|| Ok(acks(&write.messages))),
            Ok(_) => Some(Ok(session())),
            Err(status) => Some(Err(status)),
        });
        ready(Ok(Response::new(Box::pin(answers))))
    }
}

/// Gives out messages.
struct Sourced;

impl StreamingService<ReaderSays> for Sourced {
    type Response = ReaderHears;
    type ResponseStream = Source;
    type Future = Ready<Result<Response<Source>, Status>>;

    fn call(&mut self, request: Request<Streaming<ReaderSays>>) -> Self::Future {
        ready(Ok(Response::new(Source::new(request.into_inner()))))
    }
}

fn session() -> WriterHears {
    let session = WriterSession {
        last_seq_no: 0,
        session_id: "bench".to_owned(),
        partition_id: 0,
        supported_codecs: Some(Codecs { codecs: vec![RAW] }),
    };
    WriterHears { status: SUCCESS, init: Some(session), ..WriterHears::default() }
}

/// One acknowledgement for each message, in their order: what the protocol asks for.
fn acks(messages: &[super::wire::Number]) -> WriterHears {
    let acks = messages
        .iter()
        .map(|message| Ack { seq_no: message.seq_no, written: Some(Offset { offset: message.seq_no - 1 }) })
        .collect();
    let acks = Acks { acks, partition_id: 0, write_statistics: Some(Unread {}) };
    WriterHears { status: SUCCESS, acks: Some(acks), ..WriterHears::default() }
}
