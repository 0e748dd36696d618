//! A machine with streams and timers, driven by a Tokio runtime. Decides nothing but the moment of a timer within its
//! window; what to do is the machine's business.
//!
//! Whoever has something for the machine tells it under one lock, on its own thread: the caller, the task of the present
//! stream, the task of the timers. A step does not block: its words go into a queue that the stream's task empties. So a
//! caller knows at once what the machine makes of a request.
//!
//! Words that wait for the network share their payloads' memory with the machine, whose own bounds hold for them.

use super::dial::{Dialler, grpc_status};
use crate::driver::timers::Timers;
use crate::proto::codec::Outgoing;
use bytes::Bytes;
use onceward_core::writer::StreamId;
use onceward_core::writer::failure::GrpcStatus;
use onceward_core::{Clock, Machine, Mono, Wall, Window};
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_stream::Stream;

/// One kind of machine, with those who wait for it.
pub(super) trait Side: Send + Sized + 'static {
    type Core: Machine<Input = Self::Input, Action = Self::Action> + Send;
    type Input: Send;
    type Action: Send;
    type Timer: Copy + Ord + Send;
    type Event;
    /// What the server says, on the wire.
    type Said: prost::Message + Default;
    /// What it says, to the machine.
    type Heard: Send;

    /// The method that opens a stream.
    const METHOD: &'static str;

    fn input(happened: Happened<Self>) -> Self::Input;
    fn wish(action: Self::Action) -> Wish<Self>;
    /// What a message of the server means; `None` if nothing.
    fn heard(said: Self::Said) -> Result<Option<Self::Heard>, String>;
    /// Tells those who wait. What the machine is to be told in turn goes into `inputs`.
    fn tell(&mut self, event: Self::Event, inputs: &mut VecDeque<Self::Input>);
}

/// The machine's words for what its surroundings do: those of a writer and of a reader are named alike.
macro_rules! machine_words {
    () => {
        type Input = Input;
        type Action = Action;
        type Timer = Timer;
        type Event = Event;
        type Said = proto::FromServer;
        type Heard = FromServer;

        fn input(happened: Happened<Self>) -> Input {
            match happened {
                Happened::Opened(stream) => Input::Opened(stream),
                Happened::Received(stream, said) => Input::Received(stream, said),
                Happened::Ended(stream, why) => Input::Ended(stream, why),
                Happened::Token(token) => Input::Token(token),
                Happened::Timer(timer) => Input::Timer(timer),
            }
        }

        fn wish(action: Action) -> Wish<Self> {
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
    };
}
pub(super) use machine_words;

/// Something that happens to a machine, besides what callers say.
pub(super) enum Happened<S: Side> {
    Opened(StreamId),
    Received(StreamId, S::Heard),
    Ended(StreamId, Option<GrpcStatus>),
    Token(Option<Bytes>),
    Timer(S::Timer),
}

/// Something that a machine wants.
pub(super) enum Wish<S: Side> {
    Open(StreamId),
    Send(StreamId, Outgoing),
    Drop(StreamId),
    FetchToken,
    Arm(S::Timer, Window),
    Disarm(S::Timer),
    Tell(S::Event),
    /// The end, after this event: there will be no other.
    End(S::Event),
    Nothing,
}

/// A machine and its world.
pub(super) struct Driver<S: Side> {
    state: Mutex<State<S>>,
    /// For the task of the timers: there is another first one, or none any more.
    timed: Notify,
    dialler: Arc<Dialler>,
    runtime: Handle,
    origin: Instant,
    keys: RandomState,
}

pub(super) struct State<S: Side> {
    pub(super) core: S::Core,
    pub(super) side: S,
    actions: Vec<S::Action>,
    timers: Timers<S::Timer>,
    stream: Option<Open>,
    drawn: u64,
    over: bool,
}

/// The present stream.
struct Open {
    id: StreamId,
    words: mpsc::UnboundedSender<Outgoing>,
    task: AbortHandle,
}

impl<S: Side> Driver<S> {
    /// Starts a machine. Its tasks end with it.
    pub(super) fn start(dialler: Arc<Dialler>, core: S::Core, side: S, first: S::Input) -> Arc<Driver<S>> {
        let driver = Arc::new(Driver {
            state: Mutex::new(State {
                core,
                side,
                actions: Vec::new(),
                timers: Timers::new(),
                stream: None,
                drawn: 0,
                over: false,
            }),
            timed: Notify::new(),
            dialler,
            runtime: Handle::current(),
            origin: Instant::now(),
            keys: RandomState::new(),
        });
        driver.runtime.spawn(driver.clone().keep_time());
        driver.step(first);
        driver
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the machine something, and does what it wants.
    pub(super) fn step(self: &Arc<Self>, input: S::Input) {
        self.step_locked(&mut self.lock(), input);
    }

    /// The same for somebody who has more to do under the lock.
    pub(super) fn step_locked(self: &Arc<Self>, state: &mut State<S>, input: S::Input) {
        let first = state.timers.next();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut actions = std::mem::take(&mut state.actions);
            state.core.step(self.clock(), input, &mut actions);
            for action in actions.drain(..) {
                self.perform(state, S::wish(action), &mut inputs);
            }
            state.actions = actions;
        }
        // A timer that is now later, or gone, is found out when its old moment has come.
        if state.over || state.timers.next().is_some_and(|next| first.is_none_or(|first| next < first)) {
            self.timed.notify_one();
        }
    }

    fn perform(self: &Arc<Self>, state: &mut State<S>, wish: Wish<S>, inputs: &mut VecDeque<S::Input>) {
        match wish {
            Wish::Open(id) => {
                let (words, queue) = mpsc::unbounded_channel();
                let task = self.runtime.spawn(self.clone().converse(id, queue)).abort_handle();
                state.stream = Some(Open { id, words, task });
            }
            Wish::Send(id, word) => {
                if let Some(open) = state.stream.as_ref().filter(|open| open.id == id) {
                    // A stream whose task has ended says so itself.
                    let _ = open.words.send(word);
                }
            }
            Wish::Drop(id) => {
                if let Some(open) = state.stream.take_if(|open| open.id == id) {
                    open.task.abort();
                }
            }
            Wish::FetchToken => {
                let driver = self.clone();
                self.runtime.spawn(async move {
                    let token = match driver.dialler.token().await {
                        Ok(token) => token,
                        Err(error) => {
                            tracing::warn!(%error, "no fresh token: the old one stays");
                            None
                        }
                    };
                    driver.step(S::input(Happened::Token(token)));
                });
            }
            Wish::Arm(timer, window) => {
                state.drawn += 1;
                let entropy = self.keys.hash_one(state.drawn);
                state.timers.arm(timer, self.clock().mono, window, entropy);
            }
            Wish::Disarm(timer) => state.timers.disarm(timer),
            Wish::Tell(event) => state.side.tell(event, inputs),
            Wish::End(event) => {
                state.side.tell(event, inputs);
                state.over = true;
            }
            Wish::Nothing => {}
        }
    }

    fn clock(&self) -> Clock {
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Clock { mono: Mono(nanos(self.origin.elapsed())), wall: Wall(nanos(wall)) }
    }

    /// The task of the timers.
    async fn keep_time(self: Arc<Self>) {
        loop {
            let next = {
                let mut state = self.lock();
                while let Some(timer) = state.timers.pop_due(self.clock().mono) {
                    self.step_locked(&mut state, S::input(Happened::Timer(timer)));
                }
                if state.over {
                    return;
                }
                state.timers.next()
            };
            let due = async {
                match next.and_then(|at| self.origin.checked_add(Duration::from_nanos(at.0))) {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.timed.notified() => {}
            }
        }
    }

    /// The task of a stream.
    async fn converse(self: Arc<Self>, id: StreamId, queue: mpsc::UnboundedReceiver<Outgoing>) {
        let how = match self.dialler.connect().await {
            Ok(channel) => {
                self.step(S::input(Happened::Opened(id)));
                match self.dialler.exchange(channel, S::METHOD, Queue(queue)).await {
                    Ok(said) => self.listen(id, said).await,
                    Err(status) => Some(status),
                }
            }
            Err(status) => Some(status),
        };
        self.step(S::input(Happened::Ended(id, how)));
    }

    /// Hears a server out. Returns how it ended.
    async fn listen(self: &Arc<Self>, id: StreamId, mut said: tonic::Streaming<Bytes>) -> Option<GrpcStatus> {
        loop {
            let frame = match said.message().await {
                Ok(Some(frame)) => frame,
                Ok(None) => return None,
                Err(status) => return Some(grpc_status(&status)),
            };
            let heard = <S::Said as prost::Message>::decode(frame).map_err(|error| error.to_string());
            match heard.and_then(S::heard) {
                Ok(Some(heard)) => self.step(S::input(Happened::Received(id, heard))),
                Ok(None) => {}
                Err(what) => {
                    let message = format!("the server's word makes no sense: {what}").into();
                    return Some(GrpcStatus { code: tonic::Code::Unknown as u32, message });
                }
            }
        }
    }
}

/// The words of a stream, for the transport.
struct Queue(mpsc::UnboundedReceiver<Outgoing>);

impl Stream for Queue {
    type Item = Outgoing;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Outgoing>> {
        self.0.poll_recv(context)
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
