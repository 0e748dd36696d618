//! Readers, as callers hold them. Decides when a caller is done with a partition that another reader is to have: when it
//! has dropped the batches of it; and gives out what was delivered in the order in which it came.

use super::codec::{DecodeError, LARGE, gunzip};
use super::convert::read as convert;
use super::dial::Dialler;
use super::driver::{Answer, Driver, Happened, Side, Wish, answered, until};
use super::error::{CloseError, CommitError, ReadError};
use crate::proto::read as proto;
use bytes::Bytes;
use onceward_core::ConfigError;
use onceward_core::Wall;
use onceward_core::reader::api::{Action, End, Event, Input, Timer};
use onceward_core::reader::wire::{FromServer, PartitionData, Range};
use onceward_core::reader::{Config, Failure, Part, Reader, Ticket};
use onceward_core::writer::wire::Codec;
use std::collections::{BTreeMap, VecDeque};
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
        let side = ReaderSide {
            tickets: 0,
            parts: BTreeMap::new(),
            queue: VecDeque::new(),
            commits: BTreeMap::new(),
            closes: BTreeMap::new(),
            changed: changed.clone(),
            events: broadcast::Sender::new(EVENTS),
        };
        let driver = Driver::start(dialler, Reader::new(config)?, side, Input::Start);
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
            return state.core.end().map(|end| Err(ReadError(end.clone())));
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

/// Messages as they came.
struct Piece {
    topic: Arc<str>,
    partition: u32,
    lease: Arc<Lease>,
    data: PartitionData,
}

impl Piece {
    /// Whether to decode it is too much for a thread that serves the network.
    fn is_large(&self) -> bool {
        let zipped = self.data.batches.iter().filter(|batch| batch.codec == Codec::GZIP);
        let sizes = zipped.flat_map(|batch| &batch.messages).map(|message| {
            let told = usize::try_from(message.payload.uncompressed_size).unwrap_or(usize::MAX);
            told.max(message.payload.data.len())
        });
        sizes.fold(0, usize::saturating_add) >= LARGE
    }

    fn decode(self, limit: u64) -> Batch {
        let Piece { topic, partition, lease, data } = self;
        let mut messages = Vec::with_capacity(data.batches.iter().map(|batch| batch.messages.len()).sum());
        for batch in data.batches {
            for (offset, message) in (batch.offset..).zip(batch.messages) {
                let payload = message.payload;
                let (data, codec, flaw) = match batch.codec {
                    Codec::GZIP => match gunzip(&payload.data, limit) {
                        Ok(data) => (data, Codec::RAW, None),
                        Err(flaw) => (payload.data, Codec::GZIP, Some(flaw)),
                    },
                    codec => (payload.data, codec, None),
                };
                messages.push(ReadMessage {
                    offset,
                    seq_no: message.seq_no,
                    producer_id: batch.producer_id.clone(),
                    session_meta: batch.session_meta.clone(),
                    created_at: payload.created_at,
                    written_at: batch.written_at,
                    metadata: payload.metadata,
                    data,
                    codec,
                    flaw,
                });
            }
        }
        Batch { topic, partition, messages, lease }
    }
}

/// A partition that is read.
struct Held {
    topic: Arc<str>,
    partition: u32,
    stopping: bool,
    lease: Weak<Lease>,
}

struct Queued {
    part: Part,
    data: PartitionData,
    /// Its share of what the server counted.
    counts: u64,
}

/// Who waits for what, and what was delivered.
pub(super) struct ReaderSide {
    tickets: u64,
    parts: BTreeMap<Part, Held>,
    queue: VecDeque<Queued>,
    commits: BTreeMap<Ticket, oneshot::Sender<Result<(), CommitError>>>,
    closes: BTreeMap<Ticket, oneshot::Sender<End>>,
    changed: Arc<Notify>,
    events: broadcast::Sender<ReaderEvent>,
}

impl ReaderSide {
    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Tells everybody who listens. Nobody need.
    fn publish(&self, event: ReaderEvent) {
        let _ = self.events.send(event);
    }

    /// Forgets what was delivered of a partition and not taken.
    fn forget(&mut self, part: Part, inputs: &mut VecDeque<Input>) {
        let mut counts = 0;
        self.queue.retain(|queued| {
            let keep = queued.part != part;
            counts += if keep { 0 } else { queued.counts };
            keep
        });
        if counts > 0 {
            inputs.push_back(Input::Taken(counts));
        }
    }

    fn settle(&mut self, ticket: Ticket, outcome: Result<(), CommitError>) {
        if let Some(settle) = self.commits.remove(&ticket) {
            let _ = settle.send(outcome);
        }
    }

    fn deliver(&mut self, data: Vec<(Part, PartitionData)>, counts: u64, inputs: &mut VecDeque<Input>) {
        let payload = |data: &PartitionData| -> u64 {
            let messages = data.batches.iter().flat_map(|batch| &batch.messages);
            messages.map(|message| message.payload.data.len() as u64).sum()
        };
        // Each its payloads; what is left, of names and frames, goes with the first.
        let mut rest = counts.saturating_sub(data.iter().map(|(_, data)| payload(data)).sum());
        for (part, data) in data {
            let counts = payload(&data) + std::mem::take(&mut rest);
            if data.batches.iter().any(|batch| !batch.messages.is_empty()) {
                self.queue.push_back(Queued { part, data, counts });
            } else {
                inputs.push_back(Input::Taken(counts));
            }
        }
        self.changed.notify_waiters();
    }
}

impl Side for ReaderSide {
    type Core = Reader;
    type Input = Input;
    type Action = Action;
    type Timer = Timer;
    type Event = Event;
    type Said = proto::FromServer;
    type Heard = FromServer;

    const METHOD: &'static str = "Ydb.Topic.V1.TopicService/StreamRead";

    fn input(happened: Happened<ReaderSide>) -> Input {
        match happened {
            Happened::Opened(stream) => Input::Opened(stream),
            Happened::Received(stream, said) => Input::Received(stream, said),
            Happened::Ended(stream, why) => Input::Ended(stream, why),
            Happened::Token(token) => Input::Token(token),
            Happened::Timer(timer) => Input::Timer(timer),
        }
    }

    fn wish(action: Action) -> Wish<ReaderSide> {
        match action {
            Action::Open(stream) => Wish::Open(stream),
            Action::Send(stream, word) => Wish::Send(stream, Box::new(convert::said(word))),
            Action::Drop(stream) => Wish::Drop(stream),
            Action::FetchToken => Wish::FetchToken,
            Action::Arm(timer, window) => Wish::Arm(timer, window),
            Action::Disarm(timer) => Wish::Disarm(timer),
            Action::Tell(event @ Event::Ended(_)) => Wish::End(event),
            Action::Tell(event) => Wish::Tell(event),
            Action::Mark(_) => Wish::Nothing,
        }
    }

    fn heard(said: proto::FromServer) -> Result<Option<FromServer>, String> {
        convert::heard(said)
    }

    // Whoever has stopped waiting is not told.
    fn tell(&mut self, event: Event, inputs: &mut VecDeque<Input>) {
        match event {
            Event::Session(name) => self.publish(ReaderEvent::Session(name)),
            Event::Lost(failure, _) => self.publish(ReaderEvent::Lost(failure)),
            Event::Assigned { part, path, partition, committed, available } => {
                let held = Held { topic: path.clone(), partition, stopping: false, lease: Weak::new() };
                self.parts.insert(part, held);
                self.publish(ReaderEvent::Assigned { topic: path, partition, committed, available });
            }
            Event::Data(data, counts) => self.deliver(data, counts, inputs),
            Event::Stopping(part) => {
                self.forget(part, inputs);
                let Some(held) = self.parts.get_mut(&part) else { return };
                held.stopping = true;
                if held.lease.strong_count() == 0 {
                    inputs.push_back(Input::Release(part));
                }
                let (topic, partition) = (held.topic.clone(), held.partition);
                self.publish(ReaderEvent::Stopping { topic, partition });
            }
            Event::Stopped(part) => {
                self.forget(part, inputs);
                if let Some(Held { topic, partition, .. }) = self.parts.remove(&part) {
                    self.publish(ReaderEvent::Stopped { topic, partition });
                }
            }
            Event::Committed(ticket) => self.settle(ticket, Ok(())),
            Event::NotCommitted(ticket) => self.settle(ticket, Err(CommitError::Lost)),
            Event::Refused(ticket, refusal) => {
                self.settle(ticket, Err(CommitError::Refused(refusal)));
                self.closes.remove(&ticket);
            }
            Event::Closed(ticket, end) => {
                if let Some(settle) = self.closes.remove(&ticket) {
                    let _ = settle.send(end);
                }
            }
            Event::Ended(end) => {
                self.publish(ReaderEvent::Ended(end));
                self.changed.notify_waiters();
            }
        }
    }
}
