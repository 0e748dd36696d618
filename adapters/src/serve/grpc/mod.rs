//! The services, over gRPC. Decides which method is which, and what every call has in common: its database, the size of
//! a request, and that a method of the API that this broker does not have is answered with a status that clients do not
//! try again.
//!
//! There is no generated code: the router matches on the path, and `tonic::server::Grpc` does the framing.

mod discovery;
mod glue;
mod health;
mod read;
mod scheme;
mod sessions;
mod stream;
mod topic;
mod write;

use super::access::{Access, Right, Subject};
use super::host::Backend;
use super::metrics::Counters;
use super::path::Database;
use super::status::{self, Checked, failure, unsupported};
use glue::{bidirectional, operation, plain};
use onceward_core::broker::api::{Request, Response};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::Semaphore;
use tonic::body::Body;

/// What all write streams together may have under way, in KiB: unacknowledged messages that the machine was told of.
pub(super) const SHARED_KIB: u32 = 128 << 10;

/// The call that needs no token.
const LOGIN: &str = "/Ydb.Auth.V1.AuthService/Login";

/// Largest request that is taken, in bytes.
const REQUEST: usize = 64 << 20;

/// The services.
#[derive(Clone)]
pub(crate) struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    backend: Arc<dyn Backend>,
    access: Access,
    counters: Arc<Counters>,
    /// Where clients are to be told that the broker is; `None`: wherever they found it.
    advertise: Option<(String, u16)>,
    /// Whether clients must use TLS.
    tls: bool,
    share: Arc<Semaphore>,
}

impl Api {
    /// `advertise` is where clients are to be told that the broker is, or nothing, and whether they must use TLS.
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        access: Access,
        counters: Arc<Counters>,
        (advertise, tls): (Option<(String, u16)>, bool),
    ) -> Api {
        let share = Arc::new(Semaphore::new(SHARED_KIB as usize));
        Api { inner: Arc::new(Inner { backend, access, counters, advertise, tls, share }) }
    }

    /// Asks the broker. A refusal is a status.
    async fn ask(&self, request: Request) -> Checked<Response> {
        match self.inner.backend.call(request).await {
            Ok(Response::Refused(refusal)) => Err(status::refused(&refusal)),
            Ok(response) => Ok(response),
            Err(lost) => Err(status::lost(lost)),
        }
    }

    /// What the broker has answered if it has answered another question: a bug.
    fn strange(response: &Response) -> onceward_core::writer::wire::Status {
        tracing::error!(?response, "the broker answered another question");
        failure(status::INTERNAL_ERROR, "the broker answered another question")
    }

    async fn route(self, request: http::Request<Body>) -> http::Response<Body> {
        let path = request.uri().path().to_owned();
        let Some((service, method)) = path.strip_prefix('/').and_then(|path| path.split_once('/')) else {
            return tonic::Status::unimplemented("no such method").into_http();
        };
        match (service, method) {
            ("grpc.health.v1.Health", "Check") => health::check(self, request).await,
            ("grpc.health.v1.Health", "Watch") => health::watch(self, request).await,
            ("Ydb.Discovery.V1.DiscoveryService", "ListEndpoints") => {
                operation(self, request, discovery::list).await
            }
            ("Ydb.Discovery.V1.DiscoveryService", "WhoAmI") => {
                operation(self, request, discovery::who_am_i).await
            }
            ("Ydb.Auth.V1.AuthService", "Login") => operation(self, request, sessions::login).await,
            ("Ydb.Table.V1.TableService", "CreateSession") => {
                operation(self, request, sessions::create).await
            }
            ("Ydb.Table.V1.TableService", "DeleteSession") => {
                operation(self, request, sessions::delete).await
            }
            ("Ydb.Table.V1.TableService", "KeepAlive") => {
                operation(self, request, sessions::keep_alive).await
            }
            ("Ydb.Scheme.V1.SchemeService", "ListDirectory") => operation(self, request, scheme::list).await,
            ("Ydb.Scheme.V1.SchemeService", "DescribePath") => {
                operation(self, request, scheme::describe).await
            }
            ("Ydb.Scheme.V1.SchemeService", "MakeDirectory") => operation(self, request, scheme::make).await,
            ("Ydb.Topic.V1.TopicService", "CreateTopic") => operation(self, request, topic::create).await,
            ("Ydb.Topic.V1.TopicService", "AlterTopic") => operation(self, request, topic::alter).await,
            ("Ydb.Topic.V1.TopicService", "DropTopic") => operation(self, request, topic::drop).await,
            ("Ydb.Topic.V1.TopicService", "DescribeTopic") => operation(self, request, topic::describe).await,
            ("Ydb.Topic.V1.TopicService", "DescribePartition") => {
                operation(self, request, topic::describe_partition).await
            }
            ("Ydb.Topic.V1.TopicService", "DescribeConsumer") => {
                operation(self, request, topic::describe_consumer).await
            }
            ("Ydb.Topic.V1.TopicService", "CommitOffset") => operation(self, request, topic::commit).await,
            ("Ydb.Topic.V1.TopicService", "StreamWrite") => {
                bidirectional(self, request, write::WriteSpeech::new).await
            }
            ("Ydb.Topic.V1.TopicService", "StreamRead") => {
                bidirectional(self, request, read::ReadSpeech::new).await
            }
            // Its requests are a stream, which the answer below would wait for the end of.
            ("Ydb.Topic.V1.TopicService", "StreamDirectRead") => {
                tonic::Status::unimplemented("this broker has no direct reads").into_http()
            }
            ("Ydb.Query.V1.QueryService", _) => plain(request, no_such(&path)).await,
            ("Ydb.Table.V1.TableService", method) if method.starts_with("Stream") => {
                plain(request, no_such(&path)).await
            }
            (service, _) if service.starts_with("Ydb.") => operation(self, request, no_operation).await,
            _ => tonic::Status::unimplemented(format!("{path}: no such method")).into_http(),
        }
    }
}

/// The status of methods that are not served: clients take it for final, where gRPC's own would send some of them
/// looking for another server again and again.
fn no_such(path: &str) -> onceward_core::writer::wire::Status {
    unsupported(format!("{path}: this broker serves topics only, without transactions"))
}

async fn no_operation(
    _: Api,
    caller: Caller,
    _: super::proto::common::Ignored,
) -> Checked<Option<super::proto::common::Any>> {
    Err(no_such(&caller.method))
}

/// What is known of a call besides its request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    method: String,
    database: Database,
    /// The host, and perhaps the port, that the client dialled.
    authority: String,
    access: Access,
    counters: Arc<Counters>,
    /// Who calls; `None` where everybody may do everything, and in a call that is to find out.
    subject: Option<Arc<Subject>>,
}

impl Caller {
    fn new(api: &Api, request: &http::Request<Body>) -> Checked<Caller> {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let token = header("x-ydb-auth-ticket").unwrap_or_default();
        let authority = request.uri().authority().map(http::uri::Authority::as_str);
        Ok(Caller {
            method: request.uri().path().to_owned(),
            database: Database::new(header("x-ydb-database").unwrap_or_default())?,
            authority: authority.or_else(|| header("host")).unwrap_or_default().to_owned(),
            subject: match request.uri().path() {
                LOGIN => None,
                _ => api.inner.access.subject(token.as_bytes())?,
            },
            access: api.inner.access.clone(),
            counters: api.inner.counters.clone(),
        })
    }

    /// Whether the caller may do something with a topic.
    fn can(&self, right: Right, topic: &str) -> bool {
        self.subject.as_ref().is_none_or(|subject| subject.may(right, topic))
    }

    /// Refuses what the caller may not do with a topic.
    fn may(&self, right: Right, topic: &str) -> Checked<()> {
        if self.can(right, topic) {
            return Ok(());
        }
        let name = self.subject.as_ref().map_or("nobody", |subject| subject.name());
        let what = match right {
            Right::Read => "read",
            Right::Write => "write to",
            Right::Admin => "make, change or drop",
            Right::Look => "look at",
        };
        Err(failure(status::UNAUTHORIZED, format!("{name} may not {what} {topic}")))
    }

    /// The same caller with another token.
    fn renewed(&self, token: &[u8]) -> Checked<Caller> {
        Ok(Caller { subject: self.access.subject(token)?, ..self.clone() })
    }
}

impl tower_service::Service<http::Request<Body>> for Api {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let api = self.clone();
        Box::pin(async move { Ok(api.route(request).await) })
    }
}
