//! `grpc.health.v1.Health`, as orchestrators ask it. Needs no token. Decides nothing: the broker says how it stands.

use super::Api;
use super::glue::{Later, decoded};
use crate::proto::codec::Outgoing;
use crate::serve::http::{serves, status};
use bytes::Bytes;
use tonic::body::Body;

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

pub(super) async fn check(api: Api, request: http::Request<Body>) -> http::Response<Body> {
    let answer = move |frame: Bytes| -> Later<Outgoing> {
        Box::pin(async move {
            let asked = decoded::<CheckRequest>(frame).map(|asked| asked.service);
            let status = match asked.as_deref() {
                Ok("" | "Ydb.Topic.V1.TopicService") => {
                    let known = status(&*api.inner.backend).await;
                    if serves(known.as_ref()) { SERVING } else { NOT_SERVING }
                }
                _ => SERVICE_UNKNOWN,
            };
            Box::new(CheckResponse { status }) as Outgoing
        })
    };
    super::glue::unary(request, Box::new(answer)).await
}
