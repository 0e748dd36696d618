//! The incarnations of one hosted node, one after the other. Decides what becomes of callers when an incarnation ends;
//! whether there is a next one is the [`Supervisor`]'s decision.
//!
//! Invariant: every caller that was taken in is answered once, by the machine or with a [`Lost`]. Calls that the
//! broken incarnation had not seen are carried over to the next; those it had seen have an unknown outcome.

use super::call::{Lost, Slot};
use super::metrics::Metrics;
use super::port::HostPort;
use super::supervise::Supervisor;
use super::{Driver, Port, Turn};
use onceward_core::{CallId, ClientId, Input, Never, Node};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A call that no incarnation has seen.
pub(super) struct Waiting<N: Node> {
    pub(super) number: u64,
    pub(super) request: N::Request,
    pub(super) caller: Arc<Slot<N::Response>>,
}

pub(super) struct Engine<N: Node> {
    make: Box<dyn FnMut() -> N + Send>,
    /// `None` once the node is stopped for good.
    driver: Option<Driver<N, HostPort<N>>>,
    supervisor: Supervisor,
    metrics: Arc<dyn Metrics>,
}

const NOTHING: Turn = Turn { steps: 0, more: false, next: None };

impl<N: Node<Message = Never>> Engine<N> {
    pub(super) fn new(
        mut make: Box<dyn FnMut() -> N + Send>,
        port: HostPort<N>,
        supervisor: Supervisor,
        metrics: Arc<dyn Metrics>,
    ) -> Engine<N> {
        let driver = Some(Driver::new(make(), port));
        Engine { make, driver, supervisor, metrics }
    }

    /// Takes calls in and does one turn. A panic of the machine ends its incarnation and is not passed on.
    pub(super) fn turn(&mut self, calls: &mut Vec<Waiting<N>>) -> Turn {
        let Some(driver) = &mut self.driver else {
            for waiting in calls.drain(..) {
                waiting.caller.answer(Err(Lost::Closed));
            }
            return NOTHING;
        };
        if !calls.is_empty() {
            self.metrics.taken(calls.len());
        }
        for Waiting { number, request, caller } in calls.drain(..) {
            driver.port().expect(number, caller);
            driver.push(Input::Call(CallId { client: ClientId(0), number }, request));
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
        let Some(driver) = self.driver.take() else { return NOTHING };
        let (mut port, unstepped) = driver.end();
        let unseen: Vec<Waiting<N>> = unstepped
            .into_iter()
            .filter_map(|input| match input {
                Input::Call(CallId { number, .. }, request) => {
                    port.take(number).map(|caller| Waiting { number, request, caller })
                }
                _ => None,
            })
            .collect();
        port.lose_all(Lost::Failed);
        let next = if self.supervisor.forgives(port.mono()) {
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
        for Waiting { number, request, caller } in unseen {
            driver.port().expect(number, caller);
            driver.push(Input::Call(CallId { client: ClientId(0), number }, request));
        }
        self.driver = Some(driver);
        Turn { steps: 1, more: true, next: None }
    }

    /// Ends the incarnation and all further ones, and closes the files.
    pub(super) fn end(&mut self) {
        if let Some(driver) = self.driver.take() {
            let (mut port, _) = driver.end();
            port.abandon();
            port.lose_all(Lost::Stopped);
        }
    }
}
