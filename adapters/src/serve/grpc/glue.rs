//! What stands between a service's functions and gRPC. Decides that whatever a call comes to is told within the API's
//! own envelope, so that a client's rules for trying again apply.

use super::stream::{self, Speech};
use super::{Api, Caller, REQUEST};
use crate::proto::codec::{Frames, Outgoing};
use crate::serve::metrics::count;
use crate::serve::proto::common::{Any, Operation, OperationResponse};
use crate::serve::proto::services::StatusResponse;
use crate::serve::status::{self, BAD_REQUEST, Checked, failure};
use bytes::Bytes;
use onceward_core::writer::wire::Status;
use std::future::Future;
use std::pin::Pin;
use tokio_stream::Stream;
use tonic::body::Body;
use tonic::server::{Grpc, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Request, Response, Streaming};

pub(super) type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What is said on a stream.
pub(super) type Words = Pin<Box<dyn Stream<Item = Result<Outgoing, tonic::Status>> + Send>>;

/// A unary method.
type Method = Box<dyn FnOnce(Bytes) -> Later<Result<Outgoing, tonic::Status>> + Send>;

/// A method whose answer is a stream.
type Telling = Box<dyn FnOnce(Bytes) -> Words + Send>;

/// A method with a stream each way.
type Exchange = Box<dyn FnOnce(Streaming<Bytes>) -> Words + Send>;

struct Unary(Option<Method>);

impl UnaryService<Bytes> for Unary {
    type Response = Outgoing;
    type Future = Later<Result<Response<Outgoing>, tonic::Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let answer = self.0.take().map(|method| method(request.into_inner()));
        Box::pin(async {
            match answer {
                Some(answer) => answer.await.map(Response::new),
                None => Err(tonic::Status::internal("a call was made twice")),
            }
        })
    }
}

struct Both(Option<Exchange>);

impl StreamingService<Bytes> for Both {
    type Response = Outgoing;
    type ResponseStream = Words;
    type Future = std::future::Ready<Result<Response<Words>, tonic::Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        std::future::ready(match self.0.take() {
            Some(exchange) => Ok(Response::new(exchange(request.into_inner()))),
            None => Err(tonic::Status::internal("a call was made twice")),
        })
    }
}

struct Down(Option<Telling>);

impl ServerStreamingService<Bytes> for Down {
    type Response = Outgoing;
    type ResponseStream = Words;
    type Future = std::future::Ready<Result<Response<Words>, tonic::Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        std::future::ready(match self.0.take() {
            Some(telling) => Ok(Response::new(telling(request.into_inner()))),
            None => Err(tonic::Status::internal("a call was made twice")),
        })
    }
}

fn grpc() -> Grpc<Frames> {
    Grpc::new(Frames).max_decoding_message_size(REQUEST)
}

pub(super) async fn unary(request: http::Request<Body>, method: Method) -> http::Response<Body> {
    grpc().unary(Unary(Some(method)), request).await
}

pub(super) async fn server_streaming(request: http::Request<Body>, telling: Telling) -> http::Response<Body> {
    grpc().server_streaming(Down(Some(telling)), request).await
}

/// A message of a client.
pub(super) fn decoded<M: prost::Message + Default>(frame: Bytes) -> Checked<M> {
    M::decode(frame).map_err(|error| failure(BAD_REQUEST, format!("the message cannot be read: {error}")))
}

/// Answers a unary call with an operation that is done.
pub(super) async fn operation<Q, A>(
    api: Api,
    request: http::Request<Body>,
    method: fn(Api, Caller, Q) -> A,
) -> http::Response<Body>
where
    Q: prost::Message + Default + 'static,
    A: Future<Output = Checked<Option<Any>>> + Send + 'static,
{
    let caller = Caller::new(&api, &request);
    count(&api.inner.counters.calls, 1);
    let answer = move |frame: Bytes| -> Later<Result<Outgoing, tonic::Status>> {
        match caller.and_then(|caller| Ok((caller, decoded(frame)?))) {
            Ok((caller, asked)) => {
                let answer = method(api, caller, asked);
                Box::pin(async { Ok(done(answer.await)) })
            }
            Err(status) => Box::pin(async { Ok(done(Err(status))) }),
        }
    };
    unary(request, Box::new(answer)).await
}

fn done(result: Checked<Option<Any>>) -> Outgoing {
    let mut operation = Operation {
        id: String::new(),
        ready: true,
        status: status::SUCCESS.cast_signed(),
        issues: Vec::new(),
        result: None,
    };
    match result {
        Ok(result) => operation.result = result,
        Err(status) => {
            operation.status = status::number(&status);
            operation.issues = status::issues(&status);
        }
    }
    Box::new(OperationResponse { operation: Some(operation) })
}

/// A result in its envelope. `name` is the message's, without the leading `Ydb.`.
pub(super) fn result(name: &str, message: &impl prost::Message) -> Option<Any> {
    Some(Any { type_url: format!("type.googleapis.com/Ydb.{name}"), value: message.encode_to_vec().into() })
}

/// Answers a call of a service whose answers have a status of their own. A stream of one message looks the same.
pub(super) async fn plain(request: http::Request<Body>, status: Status) -> http::Response<Body> {
    let answer = move |_: Bytes| -> Later<Result<Outgoing, tonic::Status>> {
        let (status, issues) = (status::number(&status), status::issues(&status));
        Box::pin(async move { Ok(Box::new(StatusResponse { status, issues }) as Outgoing) })
    };
    unary(request, Box::new(answer)).await
}

/// Opens a connection of the broker's for a stream.
pub(super) async fn bidirectional<S: Speech>(
    api: Api,
    request: http::Request<Body>,
    speech: fn(Caller) -> S,
) -> http::Response<Body> {
    let caller = Caller::new(&api, &request);
    count(&api.inner.counters.streams, 1);
    let open = move |said: Streaming<Bytes>| -> Words {
        match caller {
            Ok(caller) => {
                let Api { inner } = api;
                let speech = speech(caller);
                Box::pin(stream::open(speech, inner.backend.clone(), inner.share.clone(), said))
            }
            Err(status) => Box::pin(tokio_stream::once(Ok(Box::new(S::failed(status)) as Outgoing))),
        }
    };
    grpc().streaming(Both(Some(Box::new(open))), request).await
}
