//! One gRPC stream as one connection of the broker's machine. Decides how much of a stream is read ahead and how much
//! may wait to be sent; what is said is the business of a [`Speech`].
//!
//! A stream has two halves. The *pump* reads what the client says and tells the machine, as long as there is room. The
//! [`Replies`] are what the transport polls for what the broker says. Bounds: at most [`REPLIES`] words wait to be sent
//! before no more is read from this client (what a machine says unasked, such as the start of a partition, comes on
//! top), and what the two kinds of [`Speech`] state about bytes.

use super::glue::decoded;
use crate::proto::codec::Outgoing;
use crate::serve::connections::{Sink, Word};
use crate::serve::host::Backend;
use crate::serve::status::Checked;
use bytes::Bytes;
use onceward_core::broker::api::Message;
use onceward_core::writer::wire::Status;
use onceward_core::{Closed, ConnId};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio_stream::{Stream, StreamExt};
use tonic::Streaming;

/// How many answers may wait for a client that does not take them before no more is read from it.
const REPLIES: usize = 1024;

/// What is said on one kind of stream. Shared by both halves of one stream.
pub(super) trait Speech: Send + Sync + 'static {
    /// What a client says, on the wire.
    type FromClient: prost::Message + Default + Send + 'static;
    /// What it is told, on the wire.
    type FromServer: prost::Message + Default + Send + 'static;

    /// What the machine is to be told; nothing if that can wait.
    fn hear(&self, said: Self::FromClient) -> Checked<Option<Heard>>;

    /// What the client is told, and what the machine is to be told as this goes out. `None` for words of another kind of
    /// stream.
    fn say(&self, message: Message) -> Option<(Self::FromServer, Option<Message>)>;

    /// The last word of a stream in which something went wrong.
    fn failed(status: Status) -> Self::FromServer;

    /// Keeps the share of all streams' bytes that the last word heard was given.
    fn hold(&self, share: OwnedSemaphorePermit) {
        drop(share);
    }

    /// Whether the client's next word is to be read.
    fn may_hear(&self) -> bool;

    /// Whether everything that the client said is answered. A stream that the client has ended stays open until then.
    fn is_settled(&self) -> bool;
}

/// What a client said.
pub(super) struct Heard {
    pub(super) message: Message,
    /// Its share of what all streams together may have under way, in KiB.
    pub(super) kib: u32,
}

/// What both halves share.
struct Shared<S> {
    speech: S,
    backend: Arc<dyn Backend>,
    conn: ConnId,
    queued: Arc<AtomicUsize>,
    /// Something went out: there may be room.
    moved: Notify,
}

/// What the broker says on a stream, for the transport.
pub(super) struct Replies<S: Speech> {
    shared: Arc<Shared<S>>,
    words: mpsc::UnboundedReceiver<Word>,
    pump: AbortHandle,
    over: bool,
}

/// Opens a connection for a stream.
pub(super) fn open<S: Speech>(
    speech: S,
    backend: Arc<dyn Backend>,
    share: Arc<Semaphore>,
    said: Streaming<Bytes>,
) -> Replies<S> {
    let (sink, words, queued) = Sink::new();
    let conn = backend.open(sink.clone());
    let shared = Arc::new(Shared { speech, backend, conn, queued, moved: Notify::new() });
    let pump = tokio::spawn(pump(shared.clone(), said, sink, share)).abort_handle();
    Replies { shared, words, pump, over: false }
}

impl<S: Speech> Shared<S> {
    async fn until(&self, holds: impl Fn(&S) -> bool) {
        loop {
            // Armed before looking: what moves in between is not missed.
            let moved = self.moved.notified();
            if self.queued.load(Ordering::Relaxed) < REPLIES && holds(&self.speech) {
                return;
            }
            moved.await;
        }
    }
}

async fn pump<S: Speech>(
    shared: Arc<Shared<S>>,
    mut said: Streaming<Bytes>,
    sink: Sink,
    share: Arc<Semaphore>,
) {
    let how = loop {
        shared.until(S::may_hear).await;
        let heard = match said.next().await {
            None => {
                shared.until(S::is_settled).await;
                break Closed::Finished;
            }
            Some(Err(status)) => {
                sink.send(Word::Broken(status));
                break Closed::Reset;
            }
            Some(Ok(said)) => decoded(said).and_then(|said| shared.speech.hear(said)),
        };
        match heard {
            Ok(None) => {}
            Ok(Some(Heard { message, kib })) => {
                if kib > 0
                    && let Ok(permit) = share.clone().acquire_many_owned(kib).await
                {
                    shared.speech.hold(permit);
                }
                // Neither semaphore is ever closed.
                let room = shared.backend.room().acquire_owned().await.ok();
                shared.backend.received(shared.conn, message, room);
            }
            Err(status) => {
                sink.send(Word::Failed(status));
                break Closed::Reset;
            }
        }
    };
    shared.backend.closed(shared.conn, how);
}

impl<S: Speech> Stream for Replies<S> {
    type Item = Result<Outgoing, tonic::Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        loop {
            let Some(word) = std::task::ready!(self.words.poll_recv(context)) else {
                self.over = true;
                return Poll::Ready(None);
            };
            let shared = &self.shared;
            shared.queued.fetch_sub(1, Ordering::Relaxed);
            let said = match word {
                Word::Said(message) => match shared.speech.say(message) {
                    None => {
                        tracing::error!("a word of another kind of stream: dropped");
                        continue;
                    }
                    Some((said, back)) => {
                        if let Some(back) = back {
                            shared.backend.received(shared.conn, back, None);
                        }
                        Ok(Box::new(said) as Outgoing)
                    }
                },
                Word::Failed(status) => {
                    let last = S::failed(status);
                    self.over = true;
                    Ok(Box::new(last) as Outgoing)
                }
                Word::Broken(status) => {
                    self.over = true;
                    Err(status)
                }
            };
            self.shared.moved.notify_one();
            return Poll::Ready(Some(said));
        }
    }
}

impl<S: Speech> Drop for Replies<S> {
    fn drop(&mut self) {
        self.pump.abort();
        self.shared.backend.closed(self.shared.conn, Closed::Reset);
    }
}
