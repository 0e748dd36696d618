//! Who is to be answered. Puts callers of this process between a driver and its [`Port`]: an answer of the machine goes
//! to the caller that waits for it, everything else to the port behind. Decides nothing.
//!
//! Invariant: a caller is answered once and then forgotten.

use super::call::{Lost, Slot};
use super::{Outgoing, Port};
use onceward_core::{CallId, Clock, DiskOp, DiskResult, Mark, Node, OpId};
use std::collections::HashMap;
use std::sync::Arc;

/// A port whose answers go to callers of this process.
pub(super) struct Answers<N: Node, P> {
    port: P,
    callers: HashMap<CallId, Arc<Slot<N::Response>>>,
    answered: usize,
}

impl<N: Node, P> std::fmt::Debug for Answers<N, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").field("waiting", &self.callers.len()).finish_non_exhaustive()
    }
}

impl<N: Node, P> Answers<N, P> {
    pub(super) fn new(port: P) -> Answers<N, P> {
        Answers { port, callers: HashMap::new(), answered: 0 }
    }

    /// Remembers who is to be answered.
    pub(super) fn expect(&mut self, call: CallId, caller: Arc<Slot<N::Response>>) {
        self.callers.insert(call, caller);
    }

    /// Takes a caller back.
    pub(super) fn take(&mut self, call: CallId) -> Option<Arc<Slot<N::Response>>> {
        self.callers.remove(&call)
    }

    /// Answers every caller the same.
    pub(super) fn lose_all(&mut self, why: Lost) {
        for (_, caller) in self.callers.drain() {
            caller.answer(Err(why));
        }
    }

    /// How many were answered since this was last asked.
    pub(super) fn answered(&mut self) -> usize {
        std::mem::take(&mut self.answered)
    }
}

impl<N: Node, P: Port<N>> Port<N> for Answers<N, P> {
    fn now(&mut self) -> Clock {
        self.port.now()
    }

    fn entropy(&mut self) -> u64 {
        self.port.entropy()
    }

    fn disk(&mut self, id: OpId, op: DiskOp) {
        self.port.disk(id, op);
    }

    fn completions(&mut self, into: &mut Vec<(OpId, DiskResult)>) {
        self.port.completions(into);
    }

    fn ready(&self) -> bool {
        self.port.ready()
    }

    fn reply(&mut self, call: CallId, response: N::Response) {
        match self.callers.remove(&call) {
            Some(caller) => {
                self.answered += 1;
                caller.answer(Ok(response));
            }
            None => self.port.reply(call, response),
        }
    }

    fn network(&mut self, action: Outgoing<N::Message>) {
        self.port.network(action);
    }

    fn mark(&mut self, mark: Mark) {
        self.port.mark(mark);
    }

    fn abandon(&mut self) {
        self.port.abandon();
    }
}
