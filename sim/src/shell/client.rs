//! One client: the driver of machines that open streams, as production has it, in tasks of a madsim node. Under it, in the
//! transport's place, lies the simulated world: a stream is a connection, its words are written one after the other, and
//! what arrives waits until the stream's task takes it. This module decides when a word leaves its queue, as a network
//! stack would, and nothing else.
//!
//! Invariant: what lies under a stream is closed once the driver has let go of it, unless it was over before.

use super::{
    env::{Env, What},
    node::TURN,
    spy::{Spied, Spy},
};
use madsim::task::AbortHandle;
use onceward::driver::{
    Turn,
    call::{Caller, Lost},
    streams::{Driver, Happened, Outside, Side, Wish, Words},
};
use onceward_core::{
    Action, CallId, Clock, Closed, ConnId, Input, Mark, Mono, NodeAction, NodeId, NodeInput,
};
use onceward_model::world::{Msg, Protocol, Resp, Timer};
use std::{
    collections::{BTreeMap, VecDeque},
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};
use tokio::sync::{Notify, mpsc};

/// A stream: the connection that it is, and where that leads to, which only its beginning says.
#[derive(Clone, Copy, Debug)]
struct Stream {
    conn: ConnId,
    to: NodeId,
}

impl PartialEq for Stream {
    fn eq(&self, other: &Stream) -> bool {
        self.conn == other.conn
    }
}

impl Eq for Stream {}

/// The machine's callers, and whoever counts its marks.
struct Callers<P: Protocol> {
    env: Arc<Env<P>>,
    who: (NodeId, u32),
    waiting: BTreeMap<CallId, Caller<Resp<P>>>,
}

/// What those outside are told.
enum Said<P: Protocol> {
    Reply(CallId, Resp<P>),
    Mark(Mark),
}

impl<P: Protocol> Side for Callers<P> {
    type Core = Spied<P>;
    type Input = NodeInput<P::Node>;
    type Action = NodeAction<P::Node>;
    type Timer = Timer<P>;
    type Event = Said<P>;
    type Stream = Stream;
    type Word = Msg<P>;
    type Heard = Msg<P>;
    type Why = Closed;

    fn input(&self, happened: Happened<Self>) -> Self::Input {
        match happened {
            Happened::Opened(stream) => Input::Opened(stream.conn),
            Happened::Received(stream, message) => Input::Received(stream.conn, message),
            Happened::Ended(stream, why) => Input::Closed(stream.conn, why.unwrap_or(Closed::Finished)),
            Happened::Timer(timer) => Input::Timer(timer),
            Happened::Token(_) => unreachable!("no node asks for a token"),
        }
    }

    fn wish(&self, action: Self::Action) -> Wish<Self> {
        let stream = |conn| Stream { conn, to: self.who.0 };
        match action {
            Action::Connect(to, number) => {
                Wish::Open(Stream { conn: ConnId { initiator: self.who.0, number }, to })
            }
            Action::Write(conn, message) => Wish::Send(stream(conn), message),
            Action::Close(conn) => Wish::Drop(stream(conn)),
            Action::Arm(timer, window) => Wish::Arm(timer, window),
            Action::Disarm(timer) => Wish::Disarm(timer),
            Action::Reply(call, response) => Wish::Tell(Said::Reply(call, response)),
            Action::Mark(mark) => Wish::Tell(Said::Mark(mark)),
            // No client does that. The contract misses it, should one do so.
            Action::Disk(..) | Action::Send(..) => Wish::Nothing,
        }
    }

    fn tell(&mut self, event: Said<P>, _: &mut VecDeque<Self::Input>) {
        match event {
            Said::Reply(call, response) => match self.waiting.remove(&call) {
                Some(caller) => caller.answer(Ok(response)),
                None => self.env.tell(self.who, What::Did(Action::Reply(call, response))),
            },
            Said::Mark(mark) => self.env.tell(self.who, What::Did(Action::Mark(mark))),
        }
    }

    fn fail(&mut self) {
        self.env.tell(self.who, What::Panicked);
        std::mem::take(&mut self.waiting).into_values().for_each(|caller| caller.answer(Err(Lost::Failed)));
    }
}

/// What a stream hears of its connection.
enum Heard<M> {
    Opened,
    Received(M),
    Closed(Closed),
}

/// The simulated world, as a client's driver sees it.
struct Surroundings<P: Protocol> {
    env: Arc<Env<P>>,
    who: (NodeId, u32),
    /// Where nothing is left to chance, words leave at once.
    hurried: bool,
    ears: Mutex<BTreeMap<ConnId, mpsc::UnboundedSender<Heard<Msg<P>>>>>,
    /// The clocks go differently.
    nudged: Notify,
}

/// A connection in use.
struct Line<P: Protocol> {
    env: Arc<Env<P>>,
    who: (NodeId, u32),
    conn: ConnId,
    heard: mpsc::UnboundedReceiver<Heard<Msg<P>>>,
    /// The task that says the words.
    mouth: Option<AbortHandle>,
    over: bool,
}

impl<P: Protocol> Line<P> {
    async fn next(&mut self) -> Heard<Msg<P>> {
        let heard = self.heard.recv().await.unwrap_or(Heard::Closed(Closed::Reset));
        self.over |= matches!(heard, Heard::Closed(_));
        heard
    }
}

impl<P: Protocol> Drop for Line<P> {
    fn drop(&mut self) {
        if let Some(mouth) = &self.mouth {
            mouth.abort();
        }
        if !self.over {
            self.env.tell(self.who, What::Did(Action::Close(self.conn)));
        }
    }
}

impl<P: Protocol> Surroundings<P> {
    fn ears(&self) -> MutexGuard<'_, BTreeMap<ConnId, mpsc::UnboundedSender<Heard<Msg<P>>>>> {
        // Nothing under this lock can panic half-way.
        self.ears.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has arrived.
    fn arrived(&self, input: NodeInput<P::Node>) {
        let (conn, heard) = match input {
            Input::Opened(conn) => (conn, Heard::Opened),
            Input::Received(conn, message) => (conn, Heard::Received(message)),
            Input::Closed(conn, why) => (conn, Heard::Closed(why)),
            // Nobody sends a client datagrams or connects to it.
            _ => return,
        };
        let mut ears = self.ears();
        let over = matches!(heard, Heard::Closed(_));
        // Whoever has hung up hears nothing more.
        let gone = ears.get(&conn).is_some_and(|ear| ear.send(heard).is_err());
        if over || gone {
            ears.remove(&conn);
        }
    }
}

impl<P: Protocol> Outside<Callers<P>> for Surroundings<P> {
    type Task = AbortHandle;
    type Line = Line<P>;
    type Ears = Line<P>;

    fn clock(&self) -> Clock {
        self.env.clock(self.who.0)
    }

    fn entropy(&self) -> u64 {
        self.env.draw(self.who.0).draw(0)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        madsim::task::spawn(task).abort_handle()
    }

    fn abort(task: &AbortHandle) {
        task.abort();
    }

    async fn sleep_until(&self, at: Option<Mono>) {
        self.env.tell(self.who, What::Turned(Turn { steps: 0, more: false, next: at }));
        let Some(at) = at else { return std::future::pending().await };
        let mut sleep = self.env.sleep();
        loop {
            let now = self.env.now();
            let due = self.env.room(self.who.0, |room| room.clocks.when(at, now));
            if due == Some(now) {
                return;
            }
            let mut nudged = pin!(self.nudged.notified());
            nudged.as_mut().enable();
            if let Some(due) = due {
                self.env.set(&mut sleep, due);
            }
            poll_fn(|context| match nudged.as_mut().poll(context) {
                Poll::Pending if due.is_some() => sleep.as_mut().poll(context),
                other => other,
            })
            .await;
        }
    }

    async fn connect(&self, stream: Stream) -> Result<Line<P>, Closed> {
        let (ear, heard) = mpsc::unbounded_channel();
        self.ears().insert(stream.conn, ear);
        let (env, who, conn) = (self.env.clone(), self.who, stream.conn);
        let mut line = Line { env, who, conn, heard, mouth: None, over: false };
        self.env.tell(self.who, What::Did(Action::Connect(stream.to, conn.number)));
        match line.next().await {
            Heard::Closed(why) => Err(why),
            Heard::Opened | Heard::Received(_) => Ok(line),
        }
    }

    async fn exchange(&self, mut line: Line<P>, mut words: Words<Msg<P>>) -> Result<Line<P>, Closed> {
        let (env, who, conn, hurried) = (self.env.clone(), self.who, line.conn, self.hurried);
        let mouth = async move {
            let mut sleep = env.sleep();
            while let Some(word) = words.next().await {
                if !hurried {
                    let wait = env.draw(who.0).log_uniform(0, TURN.0, TURN.1);
                    env.nap(&mut sleep, env.now().after(wait)).await;
                }
                env.tell(who, What::Did(Action::Write(conn, word)));
            }
        };
        line.mouth = Some(madsim::task::spawn(mouth).abort_handle());
        Ok(line)
    }

    async fn hear(&self, line: &mut Line<P>) -> Result<Msg<P>, Option<Closed>> {
        loop {
            match line.next().await {
                Heard::Received(message) => return Ok(message),
                Heard::Closed(Closed::Finished) => return Err(None),
                Heard::Closed(why) => return Err(Some(why)),
                Heard::Opened => {}
            }
        }
    }

    async fn token(&self) -> Option<bytes::Bytes> {
        None
    }
}

/// A client's process, from its start on. It ends by being killed.
pub(super) async fn live<P: Protocol>(env: Arc<Env<P>>, protocol: Arc<P>, node: NodeId, hurried: bool) {
    let (process, config) = env.room(node, |room| (room.process, room.config));
    let who = (node, process);
    let machine = Spy::watch(env.clone(), who, protocol.boot(node, config));
    let callers = Callers { env: env.clone(), who, waiting: BTreeMap::new() };
    let (ears, nudged) = (Mutex::default(), Notify::new());
    let outside = Surroundings { env: env.clone(), who, hurried, ears, nudged };
    let driver = Driver::start(outside, machine, callers, Input::Boot);
    let mut sleep = env.sleep();
    loop {
        if !hurried {
            let wait = env.draw(node).log_uniform(0, TURN.0, TURN.1);
            env.nap(&mut sleep, env.now().after(wait)).await;
        }
        let (calls, inputs, nudged) = env.room(node, |room| {
            (
                std::mem::take(&mut room.calls),
                std::mem::take(&mut room.inputs),
                std::mem::take(&mut room.nudged),
            )
        });
        for (call, request, caller) in calls.into_iter().map(onceward::driver::engine::Waiting::into_parts) {
            let mut state = driver.lock();
            state.side.waiting.insert(call, caller);
            driver.step_locked(&mut state, Input::Call(call, request));
        }
        inputs.into_iter().for_each(|input| driver.outside().arrived(input));
        if nudged {
            driver.outside().nudged.notify_one();
        }
        env.until_news(node, &mut sleep, None).await;
    }
}
