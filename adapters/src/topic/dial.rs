//! Connections and calls. Decides which address is dialled, what every call carries in its headers, and how a failure of
//! the transport is named; what is tried again, and when, is the machines' business.
//!
//! A session has a connection of its own, so that one that does not answer any more is never used again, and a reader that
//! takes its time holds up nobody else. Unary calls share one.

use super::convert;
use super::endpoint::{ClientOptions, Credentials, Endpoint};
use super::error::TopicError;
use crate::proto::codec::{Frames, Outgoing};
use crate::proto::common::{Any, OperationResponse};
use crate::proto::services::{ListEndpointsRequest, ListEndpointsResult};
use bytes::Bytes;
use http::uri::PathAndQuery;
use onceward_core::writer::Failure;
use onceward_core::writer::failure::GrpcStatus;
use prost::Message as _;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_stream::Stream;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Streaming};

/// Largest answer that is taken, in bytes: what servers send at most.
const ANSWER: usize = 64 << 20;
/// Bytes of a stream that a server may have sent and nobody has read yet.
const WINDOW: u32 = 1 << 20;
/// Largest frame of HTTP/2 that is taken, in bytes: in those of 16 KiB that there are without it, an answer of many messages
/// takes many reads.
const FRAME: u32 = 256 << 10;
/// A connection on which nothing comes is asked for a sign of life this often, and given up without one after as long.
const ALIVE: Duration = Duration::from_secs(10);

/// Connects to one server.
pub(super) struct Dialler {
    options: ClientOptions,
    database: MetadataValue<Ascii>,
    /// What a server at [`ClientOptions::endpoint`] is to be reached by.
    #[cfg(feature = "tls")]
    tls: Option<tonic::transport::ClientTlsConfig>,
    /// The connection of unary calls.
    calls: Mutex<Option<Channel>>,
    turn: AtomicUsize,
}

impl Dialler {
    pub(super) fn new(options: ClientOptions) -> Result<Dialler, TopicError> {
        let database = options.database.parse().map_err(|_| TopicError::Header("the database's name"))?;
        if let Credentials::Token(token) = &options.credentials {
            token.parse::<MetadataValue<Ascii>>().map_err(|_| TopicError::Header("the token"))?;
        }
        #[cfg(feature = "tls")]
        let tls = options.endpoint.tls.then(|| certificates(&options)).transpose()?;
        Ok(Dialler {
            database,
            #[cfg(feature = "tls")]
            tls,
            options,
            calls: Mutex::new(None),
            turn: AtomicUsize::new(0),
        })
    }

    pub(super) fn database(&self) -> &str {
        &self.options.database
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.options.endpoint
    }

    /// A new connection for a session.
    pub(super) async fn connect(&self) -> Result<Channel, GrpcStatus> {
        let mut place = self.options.endpoint.clone();
        if self.options.discovery {
            let asked = ListEndpointsRequest { database: self.options.database.clone() };
            let list: ListEndpointsResult = self
                .call("Ydb.Discovery.V1.DiscoveryService/ListEndpoints", &asked)
                .await
                .map_err(as_grpc)?;
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            place = convert::discovered(&list, turn).unwrap_or(place);
        }
        self.dial(&place).await.map_err(as_grpc)
    }

    async fn dial(&self, place: &Endpoint) -> Result<Channel, TopicError> {
        let failed = |error: &dyn Error| TopicError::Connect {
            endpoint: place.to_string(),
            what: innermost(error).into(),
        };
        let scheme = if place.tls { "https" } else { "http" };
        let uri = format!("{scheme}://{}:{}", place.host, place.port);
        #[cfg_attr(not(feature = "tls"), expect(unused_mut))]
        let mut endpoint = tonic::transport::Endpoint::from_shared(uri)
            .map_err(|error| failed(&error))?
            .connect_timeout(self.options.timeout)
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_frame_size(FRAME)
            .http2_keep_alive_interval(ALIVE)
            .keep_alive_timeout(ALIVE);
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls.clone().filter(|_| place.tls) {
            endpoint = endpoint.tls_config(tls).map_err(|error| failed(&error))?;
        }
        #[cfg(not(feature = "tls"))]
        if place.tls {
            return Err(TopicError::Connect {
                endpoint: place.to_string(),
                what: "this program was built without TLS".into(),
            });
        }
        // The connector has a timeout of its own, but not for what comes after the connection, such as TLS.
        match tokio::time::timeout(self.options.timeout, endpoint.connect()).await {
            Ok(connected) => connected.map_err(|error| failed(&error)),
            Err(_) => {
                Err(TopicError::Connect { endpoint: place.to_string(), what: "no answer in time".into() })
            }
        }
    }

    /// A fresh token; `None` where nobody needs one.
    pub(super) async fn token(&self) -> Result<Option<Bytes>, TopicError> {
        match &self.options.credentials {
            Credentials::Anonymous => Ok(None),
            Credentials::Token(token) => Ok(Some(Bytes::copy_from_slice(token.as_bytes()))),
            Credentials::Provider(provider) => {
                let token =
                    provider.token().await.map_err(|error| TopicError::Token(error.to_string().into()))?;
                Ok(Some(token.into()))
            }
        }
    }

    async fn request<B>(&self, body: B) -> Result<Request<B>, TopicError> {
        let mut request = Request::new(body);
        let headers = request.metadata_mut();
        headers.insert("x-ydb-database", self.database.clone());
        if let Some(token) = self.token().await? {
            let token = MetadataValue::try_from(&token[..]).map_err(|_| TopicError::Header("the token"))?;
            headers.insert("x-ydb-auth-ticket", token);
        }
        Ok(request)
    }

    /// Asks, and is answered an operation's result.
    pub(super) async fn call<A: prost::Message + Default>(
        &self,
        method: &'static str,
        asked: &(impl prost::Message + Clone + 'static),
    ) -> Result<A, TopicError> {
        let answered = async {
            let (channel, fresh) = self.shared().await?;
            let request = self.request(Box::new(asked.clone()) as Outgoing).await?;
            let mut grpc = Grpc::new(channel).max_decoding_message_size(ANSWER);
            let answer = async {
                grpc.ready().await.map_err(|error| tonic::Status::from_error(error.into()))?;
                grpc.unary(request, path(method), Frames).await
            };
            answer.await.map_err(|status| {
                let mut failed = grpc_status(&status);
                if fresh && !self.options.endpoint.tls && status.source().is_some() {
                    failed.message = maybe_tls(&failed.message);
                }
                TopicError::Failed(Failure::Grpc(failed))
            })
        };
        let answer = match tokio::time::timeout(self.options.timeout, answered).await {
            Ok(answer) => answer,
            Err(_) => Err(TopicError::Failed(Failure::Grpc(GrpcStatus {
                code: Code::DeadlineExceeded as u32,
                message: "no answer in time".into(),
            }))),
        };
        if answer.is_err() {
            // The next call may find a better connection.
            *self.calls.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        let unreadable = |error: prost::DecodeError| TopicError::Answer(error.to_string());
        let answer = OperationResponse::decode(answer?.into_inner()).map_err(unreadable)?;
        let operation = answer.operation.ok_or_else(|| TopicError::Answer("it is empty".to_owned()))?;
        convert::status(operation.status, &operation.issues).map_err(TopicError::Failed)?;
        if !operation.ready {
            return Err(TopicError::Answer("the operation is still under way".to_owned()));
        }
        let Any { value, .. } = operation.result.unwrap_or_default();
        A::decode(value).map_err(unreadable)
    }

    /// The connection of all calls, and whether it is new.
    async fn shared(&self) -> Result<(Channel, bool), TopicError> {
        let known = self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(channel) => Ok((channel, false)),
            None => {
                let channel = self.dial(&self.options.endpoint).await?;
                *self.calls.lock().unwrap_or_else(PoisonError::into_inner) = Some(channel.clone());
                Ok((channel, true))
            }
        }
    }

    /// Opens a stream each way. It is open before the server has said anything: some say nothing before they are spoken
    /// to, not even that there is a stream.
    pub(super) async fn exchange(
        &self,
        channel: Channel,
        method: &'static str,
        words: impl Stream<Item = Outgoing> + Send + 'static,
    ) -> Result<Streaming<Bytes>, GrpcStatus> {
        let request = self.request(words).await.map_err(as_grpc)?;
        let mut grpc = Grpc::new(channel).max_decoding_message_size(ANSWER);
        grpc.ready().await.map_err(|error| unavailable(innermost(&error)))?;
        let answer = grpc.streaming(request, path(method), Frames).await;
        answer.map(tonic::Response::into_inner).map_err(|status| grpc_status(&status))
    }
}

#[cfg(feature = "tls")]
fn certificates(options: &ClientOptions) -> Result<tonic::transport::ClientTlsConfig, TopicError> {
    let tls = tonic::transport::ClientTlsConfig::new();
    let Some(file) = &options.ca else { return Ok(tls.with_native_roots()) };
    let wrong = |what: String| TopicError::Certificates { file: file.clone(), what };
    let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    if !pem.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----") {
        return Err(wrong("it has no certificate in PEM".to_owned()));
    }
    Ok(tls.ca_certificate(tonic::transport::Certificate::from_pem(pem)))
}

fn path(method: &'static str) -> PathAndQuery {
    // Names of methods are constants of this crate; one that is no path would lead to no method.
    PathAndQuery::try_from(format!("/{method}")).unwrap_or_else(|_| PathAndQuery::from_static("/"))
}

fn unavailable(message: impl Into<Arc<str>>) -> GrpcStatus {
    GrpcStatus { code: Code::Unavailable as u32, message: message.into() }
}

/// A status of the transport, with the cause that its message leaves out.
pub(super) fn grpc_status(status: &tonic::Status) -> GrpcStatus {
    let mut message = status.message().to_owned();
    let mut code = status.code();
    // What a server says has no cause in here. A connection that breaks in the middle of a stream has no code of its own.
    if let Some(source) = status.source() {
        if code == Code::Unknown {
            code = Code::Unavailable;
        }
        let cause = innermost(source);
        if !message.contains(&cause) {
            message = if message.is_empty() { cause } else { format!("{message}: {cause}") };
        }
    }
    GrpcStatus { code: code as u32, message: message.into() }
}

/// What a session is told that cannot be opened for this reason.
fn as_grpc(error: TopicError) -> GrpcStatus {
    match error {
        TopicError::Failed(Failure::Grpc(status)) => status,
        // What does not depend on the moment.
        TopicError::Header(_) | TopicError::Certificates { .. } => {
            GrpcStatus { code: Code::InvalidArgument as u32, message: error.to_string().into() }
        }
        TopicError::Failed(ref failure) if !failure.is_transient() => {
            GrpcStatus { code: Code::FailedPrecondition as u32, message: error.to_string().into() }
        }
        other => unavailable(other.to_string()),
    }
}

/// The words of the cause of all causes: those above it only say that something failed.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let words = cause.to_string();
    match HINTS.iter().find(|(part, _)| words.contains(part)) {
        Some((_, hint)) => format!("{words} ({hint})"),
        None => words,
    }
}

/// The words of a connection without TLS that broke before anything was answered. A server that wants TLS says something that
/// is no answer, or hangs up: which of the two is heard of is chance.
fn maybe_tls(words: &str) -> Arc<str> {
    format!("{words} (nothing was answered before: if the server speaks TLS, grpcs:// is meant)").into()
}

/// What the words of a transport do not say to somebody who has not written it.
const HINTS: &[(&str, &str)] = &[
    ("InvalidContentType", "the server does not speak TLS there: is grpc:// meant?"),
    ("UnknownIssuer", "no certificate that is trusted here vouches for the server's"),
    (
        "CaUsedAsEndEntity",
        "the server shows a certificate that is for vouching, not for servers: its basic constraints say CA:TRUE",
    ),
];
