//! Writers, as callers hold them. Decides nothing about messages: it keeps who waits for what, and settles them by what
//! the machine says.

use super::codec::{Compression, LARGE};
use super::convert::write as convert;
use super::dial::Dialler;
use super::driver::{Answer, Driver, Network, State, Topical, answered, machine_words, until};
use super::error::{CloseError, WriteError};
use super::waiting::Waiting;
use crate::driver::streams::{Happened, Side, Wish};
use crate::proto::codec::Outgoing;
use crate::proto::write as proto;
use onceward_core::ConfigError;
use onceward_core::writer::api::{
    Action, End, Event, Input, Message, Outcome, Refusal, Report, Timer, Undelivered,
};
use onceward_core::writer::failure::GrpcStatus;
use onceward_core::writer::wire::{FromServer, Session};
use onceward_core::writer::{Config, Failure, StreamId, Ticket, Writer};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{Notify, broadcast, oneshot};

/// How many events are kept for somebody who does not take them.
const EVENTS: usize = 256;

/// How a writer is set up.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// What the machine goes by: topic, producer, bounds and spans.
    pub core: Config,
    /// What is done to payloads that come raw.
    pub compression: Compression,
}

impl WriterOptions {
    /// Sensible values for a topic and a producer. A producer's messages are told apart by their numbers, also by the next
    /// program that writes under its id; two that do so at the same time fence each other off.
    pub fn new(topic: impl Into<Arc<str>>, producer: impl Into<Arc<str>>) -> WriterOptions {
        WriterOptions { core: Config::new(topic, producer), compression: Compression::None }
    }
}

/// What happens to a writer besides what its caller asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WriterEvent {
    /// A session is open.
    Session(Session),
    /// It was lost, or could not be had. The next one is tried by itself, after a wait that grows.
    Lost(Failure),
    /// There can be none any more.
    Ended(End),
}

/// What became of a message that was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// Its number.
    pub seq_no: u64,
    /// What became of it. Whatever that is, a message of this number is stored.
    pub outcome: Outcome,
}

/// A message on its way. Awaited, it gives what became of it; dropped, it changes nothing.
#[derive(Debug)]
#[must_use = "only its outcome says whether the message is stored"]
pub struct Delivery {
    ticket: Ticket,
    answer: Answer<Result<Receipt, WriteError>>,
}

impl Delivery {
    /// The name of the message in the report of [`TopicWriter::close`].
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// What became of it, if that is known already. To be asked no more once it has answered.
    pub fn now(&mut self) -> Option<Result<Receipt, WriteError>> {
        match self.answer.try_recv() {
            Ok(answer) => Some(answer),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(gone())),
        }
    }
}

impl Future for Delivery {
    type Output = Result<Receipt, WriteError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(context).map(|answer| answer.unwrap_or_else(|_| Err(gone())))
    }
}

/// What is said where nobody is left who could answer.
fn gone() -> WriteError {
    WriteError::Ended { end: End::Destroyed, sent: None }
}

/// Writes messages to a topic, each once. All methods may be called from many tasks; the messages of one caller are stored
/// in the order of its calls. Dropped without [`close`](TopicWriter::close), it ends at once, and what was not
/// acknowledged may be lost.
pub struct TopicWriter {
    driver: Arc<Driver<WriterSide>>,
    /// Something that somebody may wait for has changed.
    changed: Arc<Notify>,
    /// Writes that wait for room do so in the order in which they came.
    turn: tokio::sync::Mutex<()>,
    compression: Compression,
}

impl std::fmt::Debug for TopicWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.driver.lock();
        f.debug_struct("TopicWriter")
            .field("topic", &state.core.config().path)
            .field("producer", &state.core.config().producer_id)
            .field("unanswered", &state.core.unanswered())
            .finish_non_exhaustive()
    }
}

impl TopicWriter {
    pub(super) fn start(dialler: Arc<Dialler>, options: WriterOptions) -> Result<TopicWriter, ConfigError> {
        let changed = Arc::new(Notify::new());
        let side = WriterSide {
            tickets: 0,
            writes: Waiting::new(),
            flushes: BTreeMap::new(),
            closes: BTreeMap::new(),
            undelivered: Vec::new(),
            refused: None,
            session: None,
            changed: changed.clone(),
            events: broadcast::Sender::new(EVENTS),
        };
        let driver = Driver::start(Network::new(dialler), Writer::new(options.core)?, side, Input::Start);
        let turn = tokio::sync::Mutex::new(());
        Ok(TopicWriter { driver, changed, turn, compression: options.compression })
    }

    /// Hands a message over; waits while there is no room for it. Once this returns, the message is sent, and sent again,
    /// until it is answered: by the [`Delivery`].
    ///
    /// Dropping the future before it returns takes the message back.
    ///
    /// # Errors
    /// If the message cannot be accepted, or the writer has ended.
    pub async fn write(&self, message: Message) -> Result<Delivery, WriteError> {
        let _turn = self.turn.lock().await;
        let message = match self.compression {
            compression if !compression.applies(&message) => message,
            compression => {
                let encoded = if message.data.len() < LARGE {
                    compression.encode(message)
                } else {
                    let work = tokio::task::spawn_blocking(move || compression.encode(message));
                    work.await.unwrap_or_else(|panic| Err(std::io::Error::other(panic)))
                };
                encoded.map_err(|error| WriteError::Compression(error.to_string().into()))?
            }
        };
        if let Some(answer) = self.try_accept(&message) {
            return answer;
        }
        until(&self.changed, || self.try_accept(&message)).await
    }

    /// Hands a message over if there is room; `None` if not.
    fn try_accept(&self, message: &Message) -> Option<Result<Delivery, WriteError>> {
        let mut state = self.driver.lock();
        let ticket = state.side.ticket();
        let (settle, answer) = oneshot::channel();
        state.side.writes.push(ticket, settle);
        self.driver.step_locked(&mut state, Input::Write(ticket, message.clone()));
        let refused = state.side.refused.take().filter(|(refused, _)| *refused == ticket);
        match refused {
            None => Some(Ok(Delivery { ticket, answer })),
            Some((_, Refusal::Full { .. })) => None,
            Some((_, Refusal::Closed)) => Some(Err(ended(&state))),
            Some((_, refusal)) => Some(Err(WriteError::Refused(refusal))),
        }
    }

    /// Sends what was accepted so far without waiting for full requests, and waits until all of it is answered. Each
    /// message's own answer says what became of it.
    ///
    /// # Errors
    /// If the writer ends before that, or too many flushes wait.
    pub async fn flush(&self) -> Result<(), WriteError> {
        let (settle, answer) = oneshot::channel();
        {
            let mut state = self.driver.lock();
            let ticket = state.side.ticket();
            state.side.flushes.insert(ticket, settle);
            self.driver.step_locked(&mut state, Input::Flush(ticket));
            if let Some((refused, refusal)) = state.side.refused.take()
                && refused == ticket
            {
                return Err(WriteError::Refused(refusal));
            }
        }
        let end = answered(answer, || Err(End::Destroyed)).await;
        end.map_err(|end| WriteError::Ended { end, sent: None })
    }

    /// Takes in nothing more, delivers what was accepted, and ends.
    ///
    /// # Errors
    /// If something was not delivered, or the writer had ended before: why, and each message that was not delivered.
    pub async fn close(self) -> Result<(), CloseError> {
        let (settle, answer) = oneshot::channel();
        {
            let mut state = self.driver.lock();
            let ticket = state.side.ticket();
            state.side.closes.insert(ticket, settle);
            self.driver.step_locked(&mut state, Input::Close(ticket));
        }
        let nobody = || Report { end: End::Destroyed, undelivered: Arc::default() };
        match answered(answer, nobody).await {
            Report { end: End::Closed, undelivered } if undelivered.is_empty() => Ok(()),
            Report { end, undelivered } => Err(CloseError::Writer { end, undelivered }),
        }
    }

    /// Waits until a session is open, and says what the server told then.
    ///
    /// # Errors
    /// Why there will be none.
    pub async fn session(&self) -> Result<Session, WriteError> {
        until(&self.changed, || {
            let state = self.driver.lock();
            if state.core.report().is_some() || state.has_failed() {
                return Some(Err(ended(&state)));
            }
            state.core.is_ready().then(|| state.side.session.clone()).flatten().map(Ok)
        })
        .await
    }

    /// What happens to the writer from now on. Whoever takes none for long misses some, and is told how many.
    pub fn events(&self) -> broadcast::Receiver<WriterEvent> {
        self.driver.lock().side.events.subscribe()
    }

    /// Whether a session is open.
    pub fn is_open(&self) -> bool {
        self.driver.lock().core.is_ready()
    }

    /// How many accepted messages are not answered.
    pub fn unanswered(&self) -> usize {
        self.driver.lock().core.unanswered()
    }

    /// Bytes that they take of `buffer_bytes`.
    pub fn buffered(&self) -> u64 {
        self.driver.lock().core.buffered()
    }
}

impl Drop for TopicWriter {
    fn drop(&mut self) {
        self.driver.step(Input::Destroy);
    }
}

/// What a writer that takes in nothing any more says.
fn ended(state: &State<WriterSide>) -> WriteError {
    match state.core.report() {
        _ if state.has_failed() => gone(),
        Some(report) => WriteError::Ended { end: report.end.clone(), sent: None },
        None => WriteError::Refused(Refusal::Closed),
    }
}

/// Who waits for what.
pub(super) struct WriterSide {
    tickets: u64,
    writes: Waiting<oneshot::Sender<Result<Receipt, WriteError>>>,
    flushes: BTreeMap<Ticket, oneshot::Sender<Result<(), End>>>,
    closes: BTreeMap<Ticket, oneshot::Sender<Report>>,
    /// To be told why, once that is known.
    undelivered: Vec<Undelivered>,
    /// The last refusal, for whoever has just asked.
    refused: Option<(Ticket, Refusal)>,
    session: Option<Session>,
    changed: Arc<Notify>,
    events: broadcast::Sender<WriterEvent>,
}

impl WriterSide {
    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Tells everybody who listens. Nobody need.
    fn publish(&self, event: WriterEvent) {
        let _ = self.events.send(event);
        self.changed.notify_waiters();
    }
}

impl Topical for WriterSide {
    type Said = proto::FromServer;

    const METHOD: &'static str = "Ydb.Topic.V1.TopicService/StreamWrite";

    fn heard(said: proto::FromServer) -> Result<Option<FromServer>, String> {
        convert::heard(said)
    }
}

impl Side for WriterSide {
    type Core = Writer;

    machine_words!();

    // Dropped, each of them says that nobody is left who could answer.
    fn fail(&mut self) {
        self.writes.clear();
        self.flushes.clear();
        self.closes.clear();
        self.publish(WriterEvent::Ended(End::Destroyed));
    }

    // Whoever has stopped waiting is not told.
    fn tell(&mut self, event: Event, _: &mut VecDeque<Input>) {
        match event {
            Event::Session { session, .. } => {
                self.session = Some(session.clone());
                self.publish(WriterEvent::Session(session));
            }
            Event::Lost(failure, _) => self.publish(WriterEvent::Lost(failure)),
            Event::Refused(ticket, refusal) => {
                self.writes.remove(ticket);
                self.flushes.remove(&ticket);
                self.closes.remove(&ticket);
                self.refused = Some((ticket, refusal));
            }
            Event::Writable => self.changed.notify_waiters(),
            Event::Acknowledged(acknowledged) => {
                for ack in acknowledged {
                    if let Some(settle) = self.writes.remove(ack.ticket) {
                        let _ = settle.send(Ok(Receipt { seq_no: ack.seq_no, outcome: ack.outcome }));
                    }
                }
            }
            Event::Undelivered(undelivered) => self.undelivered.extend_from_slice(&undelivered),
            Event::Flushed(ticket, result) => {
                if let Some(settle) = self.flushes.remove(&ticket) {
                    let _ = settle.send(result);
                }
            }
            Event::Closed(ticket, report) => {
                if let Some(settle) = self.closes.remove(&ticket) {
                    let _ = settle.send(report);
                }
            }
            Event::Ended(end) => {
                for Undelivered { ticket, sent } in std::mem::take(&mut self.undelivered) {
                    if let Some(settle) = self.writes.remove(ticket) {
                        let _ = settle.send(Err(WriteError::Ended { end: end.clone(), sent }));
                    }
                }
                self.publish(WriterEvent::Ended(end));
            }
        }
    }
}
