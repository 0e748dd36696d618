//! `grpc.health.v1.Health`, as orchestrators ask it. Needs no token. Decides nothing: the broker says how it stands. Whoever
//! watches is told at once, and again within [`AGAIN`] of each change, until the broker has stopped.

use super::Api;
use super::glue::{Later, Words, decoded, server_streaming, unary};
use crate::proto::codec::Outgoing;
use crate::serve::http::{serves, status};
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::body::Body;

/// How often the broker is asked on behalf of somebody who watches.
const AGAIN: Duration = Duration::from_millis(500);

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct CheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct CheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;
const SERVICE_UNKNOWN: i32 = 3;

/// Whether a request is about the broker.
fn is_ours(frame: Bytes) -> Result<bool, Status> {
    let asked = decoded::<CheckRequest>(frame);
    let asked = asked.map_err(|_| Status::invalid_argument("the message cannot be read"))?;
    Ok(matches!(&*asked.service, "" | "Ydb.Topic.V1.TopicService"))
}

pub(super) async fn check(api: Api, request: http::Request<Body>) -> http::Response<Body> {
    let answer = move |frame: Bytes| -> Later<Result<Outgoing, Status>> {
        Box::pin(async move {
            if !is_ours(frame)? {
                return Err(Status::not_found("there is no such service here"));
            }
            let known = status(&*api.inner.backend).await;
            let status = if serves(known.as_ref()) { SERVING } else { NOT_SERVING };
            Ok(Box::new(CheckResponse { status }) as Outgoing)
        })
    };
    unary(request, Box::new(answer)).await
}

pub(super) async fn watch(api: Api, request: http::Request<Body>) -> http::Response<Body> {
    let answer = move |frame: Bytes| -> Words {
        let (words, told) = mpsc::channel(1);
        tokio::spawn(tell(api, frame, words));
        Box::pin(ReceiverStream::new(told))
    };
    server_streaming(request, Box::new(answer)).await
}

/// Tells whoever watches, until nobody does or the broker does not answer any more.
async fn tell(api: Api, frame: Bytes, words: mpsc::Sender<Result<Outgoing, Status>>) {
    let ours = is_ours(frame);
    let mut last = None;
    loop {
        let known = status(&*api.inner.backend).await;
        let said = match &ours {
            Ok(true) if serves(known.as_ref()) => Ok(SERVING),
            Ok(true) => Ok(NOT_SERVING),
            Ok(false) => Ok(SERVICE_UNKNOWN),
            Err(status) => Err(status.clone()),
        };
        let status = said.as_ref().ok().copied();
        if last != Some(status) {
            last = Some(status);
            let said = said.map(|status| Box::new(CheckResponse { status }) as Outgoing);
            if words.send(said).await.is_err() {
                return;
            }
        }
        if known.is_none() || ours.is_err() {
            return;
        }
        tokio::select! {
            () = words.closed() => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

#[cfg(test)]
#[cfg(feature = "topic")]
mod tests {
    use super::*;
    use crate::proto::codec::Frames;
    use crate::serve::Options;
    use prost::Message;
    use tonic::client::Grpc;
    use tonic::transport::Channel;
    use tonic::{Code, Request, Streaming};

    fn asked(service: &str) -> Request<Outgoing> {
        Request::new(Box::new(CheckRequest { service: service.into() }))
    }

    fn read(frame: Bytes) -> i32 {
        CheckResponse::decode(frame).unwrap().status
    }

    async fn client(address: std::net::SocketAddr) -> Grpc<Channel> {
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let mut client = Grpc::new(channel);
        client.ready().await.unwrap();
        client
    }

    async fn check(client: &mut Grpc<Channel>, service: &str) -> Result<i32, Code> {
        client.ready().await.unwrap();
        let path = "/grpc.health.v1.Health/Check".parse().unwrap();
        let answer = client.unary(asked(service), path, Frames).await;
        answer.map(|answer| read(answer.into_inner())).map_err(|status| status.code())
    }

    async fn watch(client: &mut Grpc<Channel>, service: &str) -> Streaming<Bytes> {
        client.ready().await.unwrap();
        let path = "/grpc.health.v1.Health/Watch".parse().unwrap();
        client.server_streaming(asked(service), path, Frames).await.unwrap().into_inner()
    }

    #[test]
    fn those_who_ask_and_those_who_watch_hear_how_the_broker_stands() {
        let folder = tempfile::tempdir().unwrap();
        let server = Options { listen: "127.0.0.1:0".into(), ..Options::new(folder.path()) }.start().unwrap();
        let address = server.address();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (mut ours, mut other) = runtime.block_on(async {
            let mut client = client(address).await;
            assert_eq!(check(&mut client, "").await, Ok(SERVING));
            assert_eq!(check(&mut client, "Ydb.Topic.V1.TopicService").await, Ok(SERVING));
            assert_eq!(check(&mut client, "nonsense").await, Err(Code::NotFound));
            let mut ours = watch(&mut client, "").await;
            assert_eq!(ours.message().await.unwrap().map(read), Some(SERVING));
            let mut other = watch(&mut client, "nonsense").await;
            assert_eq!(other.message().await.unwrap().map(read), Some(SERVICE_UNKNOWN));
            (ours, other)
        });
        let watched = runtime.spawn(async move {
            let last = ours.message().await.unwrap().map(read);
            (last, ours.message().await.unwrap(), other.message().await.unwrap())
        });
        server.stop().unwrap();
        let (last, rest, others) = runtime.block_on(watched).unwrap();
        assert_eq!((last, rest, others), (Some(NOT_SERVING), None, None), "it stops, and says so");
    }
}
