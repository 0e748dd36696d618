//! A machine that speaks on streams which it opens itself (a writer or a reader of topics), and what it needs around it:
//! its timers, the task of its present stream, and those who wait for it. Written once over a small [`Outside`]: a Tokio
//! runtime and gRPC in production, a simulated world in tests. Decides nothing but the moment of a timer within its
//! window; what to do is the machine's business.
//!
//! Whoever has something for the machine tells it under one lock, in its own task: the caller, the task of the present
//! stream, the task of the timers. A step does not block: its words go into a queue that the stream's task empties. So a
//! caller knows at once what the machine makes of a request.
//!
//! Words that wait for the network share their payloads' memory with the machine, whose own bounds hold for them.
//!
//! Invariants: the actions of a step are performed before the next step; a stream that the machine has dropped tells it
//! nothing more; after a panic the machine takes no further step, and everybody who waits is told so.

#[cfg(test)]
mod tests;

use super::timers::Timers;
use crate::mutants::mutant;
use bytes::Bytes;
use onceward_core::{Clock, Machine, Mono, Window};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::{Notify, mpsc};

/// One kind of machine, with those who wait for it.
pub trait Side: Send + Sized + 'static {
    /// The machine.
    type Core: Machine<Input = Self::Input, Action = Self::Action> + Send;
    /// What can happen to it.
    type Input: Send;
    /// What it can ask for.
    type Action: Send;
    /// Names of its timers.
    type Timer: Copy + Ord + Send;
    /// What it tells its callers.
    type Event;
    /// Names of its streams; none is used twice.
    type Stream: Copy + Eq + Send + Sync;
    /// What it says on a stream.
    type Word: Send;
    /// What it hears there.
    type Heard: Send;
    /// Why a stream ended that its server did not end.
    type Why: Send;

    /// What happens, in the machine's words.
    fn input(&self, happened: Happened<Self>) -> Self::Input;

    /// What an action asks for.
    fn wish(&self, action: Self::Action) -> Wish<Self>;

    /// Tells those who wait. What the machine is to be told in turn goes into `inputs`.
    fn tell(&mut self, event: Self::Event, inputs: &mut VecDeque<Self::Input>);

    /// The machine has panicked and takes no step any more: whoever waits for it is let go.
    fn fail(&mut self);
}

/// Something that happens to a machine, besides what callers say.
#[derive(Debug)]
pub enum Happened<S: Side> {
    /// The stream that it asked for is open.
    Opened(S::Stream),
    /// Its server has said something.
    Received(S::Stream, S::Heard),
    /// It is over; without a reason if its server has ended it.
    Ended(S::Stream, Option<S::Why>),
    /// A fresh token, or none if the old one stays.
    Token(Option<Bytes>),
    /// A timer has fired.
    Timer(S::Timer),
}

/// Something that a machine wants.
#[derive(Debug)]
pub enum Wish<S: Side> {
    /// A stream.
    Open(S::Stream),
    /// A word said on the present stream.
    Send(S::Stream, S::Word),
    /// The end of the present stream, of which it wants to hear nothing more.
    Drop(S::Stream),
    /// A token.
    FetchToken,
    /// A timer started, or started anew.
    Arm(S::Timer, Window),
    /// A timer stopped.
    Disarm(S::Timer),
    /// Its callers told something.
    Tell(S::Event),
    /// The same, for the last time: there is nothing to be timed any more.
    End(S::Event),
    /// Nothing.
    Nothing,
}

/// What a driver needs of the outside world.
pub trait Outside<S: Side>: Send + Sync + Sized + 'static {
    /// A task that runs.
    type Task: Send;
    /// A way to the server.
    type Line: Send;
    /// Where the server is heard.
    type Ears: Send;

    /// Both clocks, now.
    fn clock(&self) -> Clock;

    /// 64 random bits, for drawing a timer from its window.
    fn entropy(&self) -> u64;

    /// Runs a task by itself.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Self::Task;

    /// Ends a task where it waits next, which may be never if it is about to end.
    fn abort(task: &Self::Task);

    /// Waits until the monotonic clock shows at least `at`; for ever if there is no such moment.
    fn sleep_until(&self, at: Option<Mono>) -> impl Future<Output = ()> + Send;

    /// Finds the server.
    fn connect(&self, stream: S::Stream) -> impl Future<Output = Result<Self::Line, S::Why>> + Send;

    /// Begins a stream there. Words are said in their order, as the transport takes them.
    fn exchange(
        &self,
        line: Self::Line,
        words: Words<S::Word>,
    ) -> impl Future<Output = Result<Self::Ears, S::Why>> + Send;

    /// The next thing that the server says, or how the stream ended.
    fn hear(&self, ears: &mut Self::Ears) -> impl Future<Output = Result<S::Heard, Option<S::Why>>> + Send;

    /// A fresh token; none if there is no other than the last one.
    fn token(&self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// A machine and its world.
pub struct Driver<S: Side, O: Outside<S>> {
    state: Mutex<State<S, O>>,
    /// For the task of the timers: there is another first one, or none any more.
    timed: Notify,
    outside: O,
}

/// What is under the lock.
pub struct State<S: Side, O: Outside<S>> {
    /// The machine.
    pub core: S::Core,
    /// Those who wait for it.
    pub side: S,
    /// Kept for its room, as are the inputs; empty between steps.
    actions: Vec<S::Action>,
    inputs: VecDeque<S::Input>,
    timers: Timers<S::Timer>,
    stream: Option<Open<S, O>>,
    over: bool,
    failed: bool,
}

impl<S: Side, O: Outside<S>> State<S, O> {
    /// Whether the machine has panicked, so that it will never say anything more.
    pub fn has_failed(&self) -> bool {
        self.failed
    }
}

/// The present stream.
struct Open<S: Side, O: Outside<S>> {
    id: S::Stream,
    words: mpsc::UnboundedSender<S::Word>,
    task: O::Task,
}

impl<S: Side, O: Outside<S>> fmt::Debug for Driver<S, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

impl<S: Side, O: Outside<S>> fmt::Debug for State<S, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("over", &self.over)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl<S: Side, O: Outside<S>> Driver<S, O> {
    /// Starts a machine. Its tasks end with it.
    pub fn start(outside: O, core: S::Core, side: S, first: S::Input) -> Arc<Driver<S, O>> {
        let state = State {
            core,
            side,
            actions: Vec::new(),
            inputs: VecDeque::new(),
            timers: Timers::new(),
            stream: None,
            over: false,
            failed: false,
        };
        let driver = Arc::new(Driver { state: Mutex::new(state), timed: Notify::new(), outside });
        driver.outside.spawn(driver.clone().keep_time());
        driver.step(first);
        driver
    }

    /// The machine and those who wait for it, to be looked at or given more than one thing.
    pub fn lock(&self) -> MutexGuard<'_, State<S, O>> {
        // Nothing but the machine panics under this lock, and that is caught.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it lives.
    pub fn outside(&self) -> &O {
        &self.outside
    }

    /// Tells the machine something, and does what it wants.
    pub fn step(self: &Arc<Self>, input: S::Input) {
        self.step_locked(&mut self.lock(), input);
    }

    /// The same for somebody who has more to do under the lock.
    pub fn step_locked(self: &Arc<Self>, state: &mut State<S, O>, input: S::Input) {
        let first = state.timers.next();
        let mut inputs = std::mem::take(&mut state.inputs);
        inputs.push_back(input);
        while let Some(input) = inputs.pop_front() {
            if state.failed {
                state.side.fail();
                break;
            }
            let mut actions = std::mem::take(&mut state.actions);
            let clock = self.outside.clock();
            // After a panic the machine is not used any more: nobody sees it half-way.
            let step = AssertUnwindSafe(|| state.core.step(clock, input, &mut actions));
            if catch_unwind(step).is_err() {
                self.fail(state);
                break;
            }
            for action in actions.drain(..) {
                let wish = state.side.wish(action);
                self.perform(state, wish, &mut inputs);
            }
            state.actions = actions;
        }
        inputs.clear();
        state.inputs = inputs;
        // A timer that is now later, or gone, is found out when its old moment has come.
        let sooner = state.timers.next().is_some_and(|next| first.is_none_or(|first| next < first));
        if state.over || (sooner && !mutant!(SleepOn)) {
            self.timed.notify_one();
        }
    }

    fn happen(self: &Arc<Self>, state: &mut State<S, O>, happened: Happened<S>) {
        let input = state.side.input(happened);
        self.step_locked(state, input);
    }

    fn fail(&self, state: &mut State<S, O>) {
        tracing::error!("the machine panicked: nothing more is done");
        (state.failed, state.over) = (true, true);
        if let Some(open) = state.stream.take() {
            O::abort(&open.task);
        }
        state.side.fail();
    }

    fn perform(self: &Arc<Self>, state: &mut State<S, O>, wish: Wish<S>, inputs: &mut VecDeque<S::Input>) {
        match wish {
            Wish::Open(id) => {
                let (words, queue) = mpsc::unbounded_channel();
                let task = self.outside.spawn(self.clone().converse(id, Words(queue)));
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
                    O::abort(&open.task);
                }
            }
            Wish::FetchToken => {
                let driver = self.clone();
                self.outside.spawn(async move {
                    let token = driver.outside.token().await;
                    driver.happen(&mut driver.lock(), Happened::Token(token));
                });
            }
            Wish::Arm(timer, window) => {
                let entropy = self.outside.entropy();
                state.timers.arm(timer, self.outside.clock().mono, window, entropy);
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

    /// The task of the timers.
    async fn keep_time(self: Arc<Self>) {
        loop {
            let next = {
                let mut state = self.lock();
                while let Some(timer) = state.timers.pop_due(self.outside.clock().mono) {
                    self.happen(&mut state, Happened::Timer(timer));
                }
                if state.over {
                    return;
                }
                state.timers.next()
            };
            either(self.outside.sleep_until(next), self.timed.notified()).await;
        }
    }

    /// Tells the machine what has become of its present stream; nothing if it has dropped that meanwhile.
    fn tell(self: &Arc<Self>, id: S::Stream, happened: Happened<S>) {
        let mut state = self.lock();
        if state.stream.as_ref().is_some_and(|open| open.id == id) || mutant!(DroppedSpeaks) {
            self.happen(&mut state, happened);
        }
    }

    /// The task of a stream.
    async fn converse(self: Arc<Self>, id: S::Stream, words: Words<S::Word>) {
        let how = match self.outside.connect(id).await {
            Ok(line) => {
                self.tell(id, Happened::Opened(id));
                match self.outside.exchange(line, words).await {
                    Ok(mut ears) => self.listen(id, &mut ears).await,
                    Err(why) => Some(why),
                }
            }
            Err(why) => Some(why),
        };
        if !(mutant!(EndKept) && how.is_none()) {
            self.tell(id, Happened::Ended(id, how));
        }
    }

    /// Hears a server out. Returns how it ended.
    async fn listen(self: &Arc<Self>, id: S::Stream, ears: &mut O::Ears) -> Option<S::Why> {
        loop {
            match self.outside.hear(ears).await {
                Ok(heard) => self.tell(id, Happened::Received(id, heard)),
                Err(how) => return how,
            }
        }
    }
}

/// The words of a stream, for the transport.
#[derive(Debug)]
pub struct Words<W>(mpsc::UnboundedReceiver<W>);

impl<W> Words<W> {
    /// The next word; none once the machine has dropped the stream.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<W>> {
        self.0.poll_recv(context)
    }

    /// The same, for those who can wait.
    pub async fn next(&mut self) -> Option<W> {
        self.0.recv().await
    }
}

/// Waits for the first of two.
async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (std::pin::pin!(one), std::pin::pin!(other));
    std::future::poll_fn(|context| {
        let ready = |future: Pin<&mut dyn Future<Output = ()>>, context: &mut Context<'_>| {
            future.poll(context).is_ready()
        };
        if ready(one.as_mut(), context) || ready(other.as_mut(), context) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
