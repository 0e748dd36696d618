//! Machines of topics, driven by a Tokio runtime over gRPC: [`streams`](crate::driver::streams) says when things happen,
//! this module dials, decodes, and keeps the time.

use super::dial::{Dialler, grpc_status};
use crate::driver::port::{nanos, wall};
use crate::driver::streams::{self, Outside, Side, Words};
use crate::proto::codec::Outgoing;
use bytes::Bytes;
use onceward_core::writer::StreamId;
use onceward_core::writer::failure::GrpcStatus;
use onceward_core::{Clock, Mono};
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::transport::Channel;

/// A machine of topics: what it says and hears on the wire.
pub(super) trait Topical: Side<Stream = StreamId, Word = Outgoing, Why = GrpcStatus> {
    /// What the server says, on the wire.
    type Said: prost::Message + Default;

    /// The method that opens a stream.
    const METHOD: &'static str;

    /// What a message of the server means; `None` if nothing.
    fn heard(said: Self::Said) -> Result<Option<Self::Heard>, String>;
}

/// A machine of topics at work.
pub(super) type Driver<S> = streams::Driver<S, Network>;
/// What is under its lock.
pub(super) type State<S> = streams::State<S, Network>;

/// The machine's words for what its surroundings do: those of a writer and of a reader are named alike.
macro_rules! machine_words {
    () => {
        type Input = Input;
        type Action = Action;
        type Timer = Timer;
        type Event = Event;
        type Stream = StreamId;
        type Word = Outgoing;
        type Heard = FromServer;
        type Why = GrpcStatus;

        fn input(&self, happened: Happened<Self>) -> Input {
            match happened {
                Happened::Opened(stream) => Input::Opened(stream),
                Happened::Received(stream, said) => Input::Received(stream, said),
                Happened::Ended(stream, why) => Input::Ended(stream, why),
                Happened::Token(token) => Input::Token(token),
                Happened::Timer(timer) => Input::Timer(timer),
            }
        }

        fn wish(&self, action: Action) -> Wish<Self> {
            match action {
                Action::Open(stream) => Wish::Open(stream),
                Action::Send(stream, word) => Wish::Send(stream, Box::new(convert::said(word)) as Outgoing),
                Action::Drop(stream) => Wish::Drop(stream),
                Action::FetchToken => Wish::FetchToken,
                Action::Arm(timer, window) => Wish::Arm(timer, window),
                Action::Disarm(timer) => Wish::Disarm(timer),
                Action::Tell(event @ Event::Ended(_)) => Wish::End(event),
                Action::Tell(event) => Wish::Tell(event),
                Action::Mark(_) => Wish::Nothing,
            }
        }
    };
}
pub(super) use machine_words;

/// The network, and the runtime that carries the tasks.
pub(super) struct Network {
    dialler: Arc<Dialler>,
    runtime: Handle,
    origin: Instant,
    keys: RandomState,
    drawn: AtomicU64,
}

impl Network {
    /// To be called on the runtime.
    pub(super) fn new(dialler: Arc<Dialler>) -> Network {
        Network {
            dialler,
            runtime: Handle::current(),
            origin: Instant::now(),
            keys: RandomState::new(),
            drawn: AtomicU64::new(0),
        }
    }
}

impl<S: Topical> Outside<S> for Network {
    type Task = AbortHandle;
    type Line = Channel;
    type Ears = tonic::Streaming<Bytes>;

    fn clock(&self) -> Clock {
        Clock { mono: Mono(nanos(self.origin.elapsed())), wall: wall() }
    }

    fn entropy(&self) -> u64 {
        self.keys.hash_one(self.drawn.fetch_add(1, Ordering::Relaxed))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.runtime.spawn(task).abort_handle()
    }

    fn abort(task: &AbortHandle) {
        task.abort();
    }

    async fn sleep_until(&self, at: Option<Mono>) {
        match at.and_then(|at| self.origin.checked_add(Duration::from_nanos(at.0))) {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    async fn connect(&self, _: StreamId) -> Result<Channel, GrpcStatus> {
        self.dialler.connect().await
    }

    async fn exchange(
        &self,
        line: Channel,
        words: Words<Outgoing>,
    ) -> Result<tonic::Streaming<Bytes>, GrpcStatus> {
        self.dialler.exchange(line, S::METHOD, Queue(words)).await
    }

    async fn hear(&self, ears: &mut tonic::Streaming<Bytes>) -> Result<S::Heard, Option<GrpcStatus>> {
        loop {
            let frame = match ears.message().await {
                Ok(Some(frame)) => frame,
                Ok(None) => return Err(None),
                Err(status) => return Err(Some(grpc_status(&status))),
            };
            let said = <S::Said as prost::Message>::decode(frame).map_err(|error| error.to_string());
            match said.and_then(S::heard) {
                Ok(Some(heard)) => return Ok(heard),
                Ok(None) => {}
                Err(what) => {
                    let message = format!("the server's word makes no sense: {what}").into();
                    return Err(Some(GrpcStatus { code: tonic::Code::Unknown as u32, message }));
                }
            }
        }
    }

    async fn token(&self) -> Option<Bytes> {
        self.dialler.token().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "no fresh token: the old one stays");
            None
        })
    }
}

/// The words of a stream, for the transport.
struct Queue(Words<Outgoing>);

impl Stream for Queue {
    type Item = Outgoing;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        self.0.poll(context)
    }
}

/// Waits until a look at the state finds something. `changed` is notified of everything that can make a difference.
pub(super) async fn until<T>(changed: &Notify, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        let mut notified = std::pin::pin!(changed.notified());
        // Enlisted before looking: what changes in between is not missed.
        notified.as_mut().enable();
        if let Some(found) = look() {
            return found;
        }
        notified.await;
    }
}

/// An answer that will come, by whoever has the other end.
pub(super) type Answer<T> = tokio::sync::oneshot::Receiver<T>;

/// Waits for an answer. Everybody who waits is answered when the machine ends, so that there is always one.
pub(super) async fn answered<T>(answer: Answer<T>, otherwise: impl FnOnce() -> T) -> T {
    answer.await.unwrap_or_else(|_| otherwise())
}
