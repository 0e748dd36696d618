//! One node: the real driver, its supervisor and the places where callers wait, as a task of a madsim node. The port
//! under it hands everything to the simulated world. This module decides when the driver gets a turn, as threads would
//! in production, and nothing else.

use super::{
    env::{Env, What},
    spy::{Spied, Spy},
};
use onceward::driver::{
    Outgoing, Port, Turn,
    engine::Engine,
    metrics::Metrics,
    supervise::{Restart, Supervisor},
};
use onceward_core::{Action, CallId, Clock, DiskOp, DiskResult, Dur, Mark, NodeId, OpId};
use onceward_model::world::{Msg, Protocol, Resp};
use std::sync::Arc;

/// How long a process that has something to do waits for its turn: it may find more than one thing then.
pub(super) const TURN: (Dur, Dur) = (Dur(100), Dur::micros(30));

struct ShellPort<P: Protocol> {
    env: Arc<Env<P>>,
    who: (NodeId, u32),
}

impl<P: Protocol> ShellPort<P> {
    fn did(&self, action: Action<Msg<P>, onceward_model::world::Timer<P>, Resp<P>>) {
        self.env.tell(self.who, What::Did(action));
    }
}

impl<P: Protocol> Port<Spied<P>> for ShellPort<P> {
    fn now(&mut self) -> Clock {
        self.env.clock(self.who.0)
    }

    fn entropy(&mut self) -> u64 {
        self.env.draw(self.who.0).draw(0)
    }

    fn disk(&mut self, id: OpId, op: DiskOp) {
        self.did(Action::Disk(id, op));
    }

    fn completions(&mut self, into: &mut Vec<(OpId, DiskResult)>) {
        let before = into.len();
        self.env.room(self.who.0, |room| into.extend(room.completed.drain(..)));
        let ids: Vec<OpId> = into[before..].iter().map(|(id, _)| *id).collect();
        if !ids.is_empty() {
            self.env.tell(self.who, What::Handed(ids));
        }
    }

    fn ready(&self) -> bool {
        self.env.room(self.who.0, |room| !room.completed.is_empty())
    }

    fn reply(&mut self, call: CallId, response: Resp<P>) {
        self.did(Action::Reply(call, response));
    }

    fn network(&mut self, action: Outgoing<Msg<P>>) {
        self.did(match action {
            Outgoing::Send(to, message) => Action::Send(to, message),
            Outgoing::Connect(to, number) => Action::Connect(to, number),
            Outgoing::Write(conn, message) => Action::Write(conn, message),
            Outgoing::Close(conn) => Action::Close(conn),
        });
    }

    fn mark(&mut self, mark: Mark) {
        self.did(Action::Mark(mark));
    }

    fn abandon(&mut self) {
        self.env.room(self.who.0, |room| room.completed.clear());
        self.env.tell(self.who, What::Abandoned);
    }
}

/// Tells the engine of panics, which the driver survives.
struct Listener<P: Protocol> {
    env: Arc<Env<P>>,
    who: (NodeId, u32),
}

impl<P: Protocol> Metrics for Listener<P> {
    fn panicked(&self, _restarted: bool) {
        self.env.tell(self.who, What::Panicked);
    }
}

/// A process, from its start on. It ends by being killed.
pub(super) async fn live<P: Protocol>(env: Arc<Env<P>>, protocol: Arc<P>, node: NodeId, hurried: bool) {
    let (process, config) = env.room(node, |room| (room.process, room.config));
    let who = (node, process);
    let make = {
        let env = env.clone();
        move || Spy::watch(env.clone(), who, protocol.boot(node, config))
    };
    let port = ShellPort { env: env.clone(), who };
    let listener = Arc::new(Listener { env: env.clone(), who });
    let mut engine = Engine::new(make, port, Supervisor::new(Restart::default()), listener);
    let (mut sleep, mut calls) = (env.sleep(), Vec::new());
    loop {
        if !hurried {
            let wait = env.draw(node).log_uniform(0, TURN.0, TURN.1);
            env.nap(&mut sleep, env.now().after(wait)).await;
        }
        env.room(node, |room| {
            room.nudged = false;
            calls.append(&mut room.calls);
            room.inputs.drain(..).for_each(|input| engine.push(input));
        });
        let turn = engine.turn(&mut calls);
        env.tell(who, What::Turned(turn));
        let Turn { more, next, .. } = turn;
        let now = env.now();
        let due = next.and_then(|due| env.room(node, |room| room.clocks.when(due, now)));
        env.until_news(node, &mut sleep, if more { Some(now.after(TURN.0)) } else { due }).await;
    }
}
