//! The toy's client machine: it adds and reads on behalf of one caller, one request at a time. It decides when to try
//! again and whether its remembered sum may still be shown. Invariants: a remembered sum is shown only while the
//! server, whose clock may run twice as fast as this one, still counts the lease as valid.

use super::{Action, Input, Msg, Request, Response, SERVER, Timer, mutant};
use onceward_core::{CallId, Clock, ConnId, Dur, Machine, Mark, Mono, NodeId, Window};

/// A request that is not answered yet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Busy {
    Adding(CallId),
    /// `until`: how long the answer may be remembered, counted from the question.
    Reading {
        call: CallId,
        until: Mono,
    },
}

/// The machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Client {
    me: NodeId,
    lease: Dur,
    retry: Dur,
    busy: Option<Busy>,
    known: Option<(u32, Mono)>,
}

impl Client {
    /// The client machine `me`. With no lease it asks for every read.
    pub fn new(me: NodeId, lease: Dur, retry: Dur) -> Client {
        Client { me, lease, retry, busy: None, known: None }
    }

    /// Moves its deadlines; see [`Protocol::rebase`](crate::world::Protocol::rebase).
    pub(super) fn rebase(&mut self, by: Dur) {
        let back = |until: Mono| Mono(until.0.saturating_sub(by.0));
        if let Some(Busy::Reading { until, .. }) = &mut self.busy {
            *until = back(*until);
        }
        self.known = self.known.map(|(sum, until)| (sum, back(until))).filter(|(_, until)| *until > Mono(0));
    }

    /// Whether the acknowledgement of an add of this number means anything. If not now, then never: an acknowledged
    /// number was used before, and is not used again.
    pub(super) fn awaits(&self, done: u32) -> bool {
        matches!(self.busy, Some(Busy::Adding(call)) if done == seq(call) || mutant!(StaleAckAccepted))
    }

    fn conn(&self) -> ConnId {
        ConnId { initiator: self.me, number: 0 }
    }

    /// Asks, or asks again.
    fn ask(&mut self, clock: Clock, out: &mut Vec<Action>) {
        match &mut self.busy {
            Some(Busy::Adding(call)) => out.push(Action::Send(SERVER, Msg::Add(seq(*call)))),
            Some(Busy::Reading { until, .. }) => {
                // Clocks drift: half of the lease on a clock at half speed is over with the server's whole lease.
                let safe = if mutant!(LeaseIgnoresDrift) { self.lease } else { Dur(self.lease.0 / 2) };
                *until = clock.mono.after(safe);
                out.push(Action::Connect(SERVER, 0));
            }
            None => return,
        }
        let latest = Dur(self.retry.0.saturating_mul(2));
        out.push(Action::Arm(Timer::Retry, Window { from: self.retry, to: latest }));
    }

    fn answer(&mut self, response: Response, out: &mut Vec<Action>) {
        if let Some(Busy::Adding(call) | Busy::Reading { call, .. }) = self.busy.take() {
            out.push(Action::Disarm(Timer::Retry));
            out.push(Action::Reply(call, response));
        }
    }

    fn call(&mut self, clock: Clock, call: CallId, request: Request, out: &mut Vec<Action>) {
        if request == Request::Wall {
            out.push(Action::Reply(call, Response::Wall(clock.wall)));
            return;
        }
        if self.busy.is_some() {
            out.push(Action::Reply(call, Response::Busy));
            return;
        }
        match (request, self.known) {
            (Request::Read, Some((sum, until))) if clock.mono < until => {
                out.push(Action::Mark(Mark("read under a lease")));
                out.push(Action::Reply(call, Response::Sum(sum)));
                return;
            }
            (Request::Add, _) => self.busy = Some(Busy::Adding(call)),
            _ => self.busy = Some(Busy::Reading { call, until: Mono(0) }),
        }
        self.ask(clock, out);
    }
}

impl Machine for Client {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, clock: Clock, input: Input, out: &mut Vec<Action>) {
        match (input, self.busy) {
            (Input::Call(call, request), _) => self.call(clock, call, request, out),
            (Input::Message(_, Msg::Added(done)), _) if self.awaits(done) => {
                self.answer(Response::Added, out);
            }
            (Input::Opened(conn), Some(Busy::Reading { .. })) => out.push(Action::Write(conn, Msg::Fetch)),
            (Input::Received(conn, Msg::Grant { sum, leased }), Some(Busy::Reading { until, .. })) => {
                out.push(Action::Close(conn));
                self.known = (leased && self.lease > Dur::ZERO).then_some((sum, until));
                self.answer(Response::Sum(sum), out);
            }
            (Input::Timer(Timer::Retry), Some(busy)) => {
                if matches!(busy, Busy::Reading { .. }) {
                    out.push(Action::Close(self.conn()));
                }
                self.ask(clock, out);
            }
            _ => {}
        }
    }
}

/// The number of an add: the caller's own, so that it outlives this process.
fn seq(call: CallId) -> u32 {
    u32::try_from(call.number + 1).unwrap_or(u32::MAX)
}
