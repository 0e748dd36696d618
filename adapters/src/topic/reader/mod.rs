//! Readers, as callers hold them. Decides when a caller is done with a partition that another reader is to have: when it
//! has dropped the batches of it; and gives out what was delivered in the order in which it came.

mod piece;
mod side;

use super::codec::DecodeError;
use super::dial::Dialler;
use super::driver::{Answer, Driver, Network, answered, until};
use super::error::{CloseError, CommitError, ReadError};
use bytes::Bytes;
use onceward_core::ConfigError;
use onceward_core::Wall;
use onceward_core::reader::api::{End, Input};
use onceward_core::reader::wire::Range;
use onceward_core::reader::{Config, Failure, Part, Reader};
use onceward_core::writer::wire::Codec;
use piece::Piece;
use side::{Queued, ReaderSide};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use tokio::sync::{Notify, broadcast, oneshot};
use tokio::task::JoinHandle;

/// How many events are kept for somebody who does not take them.
const EVENTS: usize = 256;

/// How a reader is set up.
#[derive(Clone, Debug)]
pub struct ReaderOptions {
    /// What the machine goes by: topics, consumer, bounds and spans.
    pub core: Config,
    /// Most bytes of one message once it is decompressed; one that would be larger comes as it is.
    pub decoded_bytes: u64,
}

impl ReaderOptions {
    /// Sensible values for a topic and a consumer; without a consumer (an empty name), nothing can be committed.
    pub fn new(topic: impl Into<Arc<str>>, consumer: impl Into<Arc<str>>) -> ReaderOptions {
        ReaderOptions { core: Config::new(topic, consumer), decoded_bytes: 64 << 20 }
    }
}

/// What happens to a reader besides what its caller asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReaderEvent {
    /// A session is open; its name.
    Session(Arc<str>),
    /// It was lost with its partitions, or could not be had. The next one is tried by itself, after a wait that grows.
    Lost(Failure),
    /// A partition is read from now on.
    Assigned {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: u32,
        /// Everything below is committed.
        committed: u64,
        /// The offsets that are there.
        available: Range,
    },
    /// A partition goes to another reader, once the batches of it are dropped.
    Stopping {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: u32,
    },
    /// A partition is gone. What was not committed comes again, here or elsewhere.
    Stopped {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: u32,
    },
    /// There can be no session any more.
    Ended(End),
}

/// A message that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadMessage {
    /// Its place in the partition.
    pub offset: u64,
    /// Its number, which its producer gave it.
    pub seq_no: u64,
    /// Who wrote it; empty if nobody said so.
    pub producer_id: Arc<str>,
    /// What the write session said of itself.
    pub session_meta: Arc<[(Arc<str>, Arc<str>)]>,
    /// When it came to be, by its writer's clock; 0 if the writer did not say so.
    pub created_at: Wall,
    /// When the server took it in, by its clock.
    pub written_at: Wall,
    /// Names and values that travel beside the payload.
    pub metadata: Vec<(Arc<str>, Bytes)>,
    /// The payload: as it was before it was compressed, where that is known here and whole.
    pub data: Bytes,
    /// How `data` is encoded still: [`Codec::RAW`] once it is decoded.
    pub codec: Codec,
    /// Why it could not be decoded.
    pub flaw: Option<DecodeError>,
}

/// Messages of one partition, in the order of their offsets.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The topic, as the server calls it.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// The messages. What is taken out of here is not committed with the batch if it stood at the end or at the begin.
    pub messages: Vec<ReadMessage>,
    lease: Arc<Lease>,
}

/// A caller's share in a partition: as long as there is one, the partition is not given back.
struct Lease {
    part: Part,
    driver: Weak<Driver<ReaderSide>>,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.part.fmt(f)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(driver) = self.driver.upgrade() else { return };
        let mut state = driver.lock();
        let held = state.side.parts.get(&self.part);
        if held.is_some_and(|held| held.stopping && held.lease.strong_count() == 0) {
            driver.step_locked(&mut state, Input::Release(self.part));
        }
    }
}

/// A commit on its way. Awaited, it says whether the commit is durable; dropped, it changes nothing.
#[derive(Debug)]
#[must_use = "only its outcome says whether the commit is durable"]
pub struct Commit {
    answer: Answer<Result<(), CommitError>>,
    /// The partition is needed until the answer.
    _lease: Arc<Lease>,
}

impl Future for Commit {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(context).map(|answer| answer.unwrap_or(Err(CommitError::Lost)))
    }
}

/// Reads messages of topics. All methods may be called from many tasks. Dropped without
/// [`close`](TopicReader::close), it ends at once; commits that were not answered may be durable or not.
pub struct TopicReader {
    driver: Arc<Driver<ReaderSide>>,
    changed: Arc<Notify>,
    /// The batch that is being decompressed. Readers take turns here.
    decoding: tokio::sync::Mutex<Option<JoinHandle<Batch>>>,
    decoded_bytes: u64,
}

impl std::fmt::Debug for TopicReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.driver.lock();
        f.debug_struct("TopicReader")
            .field("consumer", &state.core.config().consumer)
            .field("held", &state.core.held())
            .finish_non_exhaustive()
    }
}

impl TopicReader {
    pub(super) fn start(dialler: Arc<Dialler>, options: ReaderOptions) -> Result<TopicReader, ConfigError> {
        let mut config = options.core;
        // Nobody could say where: this handle has no such call.
        config.caller_begins = false;
        let changed = Arc::new(Notify::new());
        let side = ReaderSide::new(changed.clone(), broadcast::Sender::new(EVENTS));
        let driver = Driver::start(Network::new(dialler), Reader::new(config)?, side, Input::Start);
        let decoding = tokio::sync::Mutex::new(None);
        Ok(TopicReader { driver, changed, decoding, decoded_bytes: options.decoded_bytes })
    }

    /// The next messages of some partition: at least one. Of each partition in the order of their offsets; between
    /// partitions there is no order. After a lost session, what was not committed comes again.
    ///
    /// Dropping the future before it returns loses nothing.
    ///
    /// # Errors
    /// If the reader has ended.
    pub async fn read(&self) -> Result<Batch, ReadError> {
        let mut decoding = self.decoding.lock().await;
        loop {
            if let Some(work) = decoding.as_mut() {
                let decoded = work.await;
                *decoding = None;
                // A panic of it is a bug, and its messages come again with the next session.
                if let Ok(batch) = decoded {
                    return Ok(batch);
                }
                self.driver.step(Input::Destroy);
            }
            let piece = until(&self.changed, || self.take()).await?;
            let limit = self.decoded_bytes;
            if piece.is_large() {
                *decoding = Some(tokio::task::spawn_blocking(move || piece.decode(limit)));
            } else {
                return Ok(piece.decode(limit));
            }
        }
    }

    /// Takes what was delivered first; `None` if nothing is there.
    fn take(&self) -> Option<Result<Piece, ReadError>> {
        let mut state = self.driver.lock();
        let Some(Queued { part, data, counts }) = state.side.queue.pop_front() else {
            let failed = state.has_failed().then_some(&End::Destroyed);
            return failed.or(state.core.end()).map(|end| Err(ReadError(end.clone())));
        };
        // Nothing is queued of a partition that is gone.
        let held = state.side.parts.get_mut(&part)?;
        let lease = held.lease.upgrade().unwrap_or_else(|| {
            let lease = Arc::new(Lease { part, driver: Arc::downgrade(&self.driver) });
            held.lease = Arc::downgrade(&lease);
            lease
        });
        let (topic, partition) = (held.topic.clone(), held.partition);
        self.driver.step_locked(&mut state, Input::Taken(counts));
        Some(Ok(Piece { topic, partition, lease, data }))
    }

    /// Commits all messages of a batch: from its first to its last one, and what the server passed over right before. They
    /// will not come again once the commit is durable, which the [`Commit`] says; it is on its way without being awaited.
    ///
    /// The position of the consumer moves when everything before is committed as well.
    pub fn commit(&self, batch: &Batch) -> Commit {
        let (settle, answer) = oneshot::channel();
        let commit = Commit { answer, _lease: batch.lease.clone() };
        let (Some(first), Some(last)) = (batch.messages.first(), batch.messages.last()) else {
            let _ = settle.send(Err(CommitError::Empty));
            return commit;
        };
        let range = Range { start: first.offset, end: last.offset + 1 };
        let mut state = self.driver.lock();
        let ticket = state.side.ticket();
        state.side.commits.insert(ticket, settle);
        self.driver.step_locked(&mut state, Input::Commit(ticket, batch.lease.part, range));
        commit
    }

    /// Waits for the commits under way, and ends.
    ///
    /// # Errors
    /// If not all of them were answered in time, or the reader had ended before.
    pub async fn close(self) -> Result<(), CloseError> {
        let (settle, answer) = oneshot::channel();
        {
            let mut state = self.driver.lock();
            let ticket = state.side.ticket();
            state.side.closes.insert(ticket, settle);
            self.driver.step_locked(&mut state, Input::Close(ticket));
        }
        match answered(answer, || End::Destroyed).await {
            End::Closed => Ok(()),
            end => Err(CloseError::Reader(end)),
        }
    }

    /// What happens to the reader from now on. Whoever takes none for long misses some, and is told how many.
    pub fn events(&self) -> broadcast::Receiver<ReaderEvent> {
        self.driver.lock().side.events.subscribe()
    }

    /// Bytes that were delivered, as the server counts them, and not taken by [`read`](TopicReader::read).
    pub fn held(&self) -> u64 {
        self.driver.lock().core.held()
    }
}

impl Drop for TopicReader {
    fn drop(&mut self) {
        self.driver.step(Input::Destroy);
    }
}
