//! The incarnations of one node, one after the other. Decides what becomes of callers when an incarnation ends;
//! whether there is a next one is the [`Supervisor`]'s decision, and who calls [`Engine::turn`], and when, is its
//! owner's: threads in production ([`host`](super::host)), a task in a simulation.
//!
//! Invariant: every caller that was taken in is answered once, by the machine or with a [`Lost`]. Calls that the
//! broken incarnation had not seen are carried over to the next; those it had seen have an unknown outcome.

use super::answers::Answers;
use super::call::{Call, Caller, Lost, Slot};
use super::metrics::Metrics;
use super::supervise::Supervisor;
use super::tap::Tap;
use super::{Driver, Port, Turn};
use crate::mutants::mutant;
use onceward_core::{CallId, Input, Node, NodeInput};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A call that no incarnation has seen.
pub struct Waiting<N: Node> {
    pub(super) call: CallId,
    pub(super) request: N::Request,
    pub(super) caller: Arc<Slot<N::Response>>,
}

impl<N: Node> Waiting<N> {
    /// A call, and where its answer will be. The id must not be in use by a call without an answer.
    pub fn new(call: CallId, request: N::Request) -> (Waiting<N>, Call<N::Response>) {
        let caller = Slot::new();
        (Waiting { call, request, caller: caller.clone() }, Call::new(caller))
    }

    /// The call, what it asks, and who waits for the answer: for those who host a node without an [`Engine`].
    pub fn into_parts(self) -> (CallId, N::Request, Caller<N::Response>) {
        (self.call, self.request, Caller(self.caller))
    }
}

#[cfg(feature = "serve")]
impl<N: Node> Waiting<N> {
    /// Answers the caller without asking anybody.
    pub(crate) fn refuse(self, why: Lost) {
        self.caller.answer(Err(why));
    }
}

impl<N: Node> std::fmt::Debug for Waiting<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").field("call", &self.call).field("request", &self.request).finish()
    }
}

/// One node through all its incarnations in this process, over a port that outlives them.
pub struct Engine<N: Node, P, F> {
    make: F,
    /// `None` once the node is stopped for good.
    driver: Option<Driver<N, Answers<N, P>>>,
    supervisor: Supervisor,
    metrics: Arc<dyn Metrics>,
}

impl<N: Node, P, F> std::fmt::Debug for Engine<N, P, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("stopped", &self.driver.is_none()).finish_non_exhaustive()
    }
}

const NOTHING: Turn = Turn { steps: 0, more: false, next: None };

impl<N: Node, P: Port<N>, F: FnMut() -> N> Engine<N, P, F> {
    /// The first incarnation, not booted yet. `make` gives the node of each.
    pub fn new(mut make: F, port: P, supervisor: Supervisor, metrics: Arc<dyn Metrics>) -> Engine<N, P, F> {
        let driver = Some(Driver::new(make(), Answers::new(port)));
        Engine { make, driver, supervisor, metrics }
    }

    /// Lets somebody see every step of every incarnation. To be called before the first turn.
    pub fn tap(&mut self, tap: Box<dyn Tap<N>>) {
        if let Some(driver) = &mut self.driver {
            driver.tap(tap);
        }
    }

    /// Queues something that arrived from the network, for the next turn. Dropped if the node is stopped for good.
    pub fn push(&mut self, input: NodeInput<N>) {
        if let Some(driver) = &mut self.driver {
            driver.push(input);
        }
    }

    /// Takes calls in and does one turn. A panic of the machine ends its incarnation and is not passed on.
    pub fn turn(&mut self, calls: &mut Vec<Waiting<N>>) -> Turn {
        let Some(driver) = &mut self.driver else {
            for waiting in calls.drain(..) {
                waiting.caller.answer(Err(Lost::Closed));
            }
            return NOTHING;
        };
        if !calls.is_empty() {
            self.metrics.taken(calls.len());
        }
        for Waiting { call, request, caller } in calls.drain(..) {
            driver.port().expect(call, caller);
            driver.push(Input::Call(call, request));
        }
        // After a panic the driver is thrown away: nobody sees it half-way.
        match catch_unwind(AssertUnwindSafe(|| driver.turn())) {
            Ok(turn) => {
                let answered = driver.port().answered();
                if answered > 0 {
                    self.metrics.answered(answered);
                }
                turn
            }
            Err(_) => self.restart(),
        }
    }

    fn restart(&mut self) -> Turn {
        let Some(mut driver) = self.driver.take() else { return NOTHING };
        let tap = driver.untap();
        let (mut port, unstepped) = driver.end();
        let unseen: Vec<Waiting<N>> = unstepped
            .into_iter()
            .filter(|_| !mutant!(ForgetWaitingCalls))
            .filter_map(|input| match input {
                Input::Call(call, request) => port.take(call).map(|caller| Waiting { call, request, caller }),
                _ => None,
            })
            .collect();
        port.lose_all(Lost::Failed);
        let next = if self.supervisor.forgives(port.now().mono) {
            catch_unwind(AssertUnwindSafe(|| (self.make)())).ok()
        } else {
            None
        };
        self.metrics.panicked(next.is_some());
        let Some(node) = next else {
            tracing::error!("the machine panicked once too often: stopped for good");
            for waiting in unseen {
                waiting.caller.answer(Err(Lost::Closed));
            }
            return NOTHING;
        };
        tracing::error!("the machine panicked: a new incarnation recovers from the disk");
        let mut driver = Driver::new(node, port);
        if let Some(tap) = tap {
            driver.tap(tap);
        }
        for Waiting { call, request, caller } in unseen {
            driver.port().expect(call, caller);
            driver.push(Input::Call(call, request));
        }
        self.driver = Some(driver);
        Turn { steps: 1, more: true, next: None }
    }

    /// Whether there is no incarnation and will be none.
    pub fn stopped(&self) -> bool {
        self.driver.is_none()
    }

    /// Ends the incarnation and all further ones.
    pub fn end(&mut self) {
        if let Some(driver) = self.driver.take() {
            let (mut port, _) = driver.end();
            port.lose_all(Lost::Stopped);
        }
    }
}
