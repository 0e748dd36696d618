//! When things happen: every possibility that a step has brought about gets a time, and, where its key says so, a
//! fault in its place. This module plans; [`perform`](super::perform) performs.

use super::{Born, Obstacle, Run, Ticker, Waiting, Watch, draw, draw::purpose};
use crate::mutants::mutant;
use onceward_core::{DiskOp, Dur, Mono, NodeId};
use onceward_model::{
    scenario::Profile,
    world::{Choice, ChoiceOf, Key, Protocol, Time, When},
};

impl<P: Protocol, W: Watch<P>, T: Ticker> Run<'_, P, W, T> {
    /// Plans everything that the last step has made possible.
    #[inline]
    pub(crate) fn plan_born(&mut self) {
        if self.engine.born.is_empty() {
            return;
        }
        let mut born = std::mem::take(&mut self.engine.born);
        for born in born.drain(..) {
            self.plan(born);
        }
        self.engine.born = born;
    }

    fn plan(&mut self, born: Born<P>) {
        let Born { key, choice, when } = born;
        match when {
            When::Network { from, to, bytes } => {
                let queued = self.transmit(from, to, bytes);
                let latency = self.chained(key).unwrap_or_else(|| draw::network(&self.profile, key));
                let at = queued.after(latency);
                self.plan_arrival(key, choice, at);
            }
            When::Disk { node } => {
                let Choice::Disk(_, op, _) = &choice else { return };
                let sync =
                    self.world.host(node).disk.pending().any(|(id, what)| {
                        id == *op && matches!(what, DiskOp::Sync { .. } | DiskOp::SyncDir(_))
                    });
                let latency = self.chained(key).unwrap_or_else(|| draw::disk(&self.profile, key, sync));
                let at = self.now.after(latency);
                self.push(at, key, choice);
            }
            When::Timer { node, from, to } => {
                let due = draw::timer(&self.profile, key, from.0, to.0);
                self.plan_timer(node, Mono(due), Waiting { key, choice });
            }
            When::DeadPeer => self.notice(key, choice),
        }
    }

    /// How long something takes by its chain's priority, in runs that have priorities.
    #[inline]
    fn chained(&mut self, key: Key) -> Option<Dur> {
        let Profile { priorities, change, .. } = self.profile;
        priorities.then(|| self.engine.chains.join(key, change))
    }

    /// Plans the moment at which an operating system gives up on a dead peer.
    pub(super) fn notice(&mut self, key: Key, choice: ChoiceOf<P>) {
        self.engine.notices.insert(key);
        self.push(self.now.after(draw::dead_peer(key)), key, choice);
    }

    /// When so many bytes have left the sender.
    fn transmit(&mut self, from: NodeId, to: NodeId, bytes: u32) -> Time {
        if self.profile.bandwidth == 0 {
            return self.now;
        }
        let nodes = usize::from(self.world.protocol().nodes());
        self.engine.links.resize(nodes * nodes, 0);
        let takes = u128::from(bytes) * 1_000_000_000 / u128::from(self.profile.bandwidth);
        let free = &mut self.engine.links[usize::from(from.0) * nodes + usize::from(to.0)];
        *free = (*free).max(self.now.0).saturating_add(u64::try_from(takes).unwrap_or(u64::MAX));
        Time(*free)
    }

    fn plan_arrival(&mut self, key: Key, choice: ChoiceOf<P>, at: Time) {
        match choice {
            Choice::Deliver(from, to, message) => {
                if key.chance(purpose::DUPLICATE, self.profile.duplicate) && !mutant!(NeverDuplicates) {
                    let before = draw::within(key, self.now, at);
                    self.push(before, key, Choice::Duplicate(from, to, message.clone()));
                }
                let choice = if key.chance(purpose::LOSS, self.profile.loss) {
                    Choice::Drop(from, to, message)
                } else if key.chance(purpose::CORRUPT, self.profile.corrupt) {
                    Choice::Corrupt(from, to, message)
                } else {
                    Choice::Deliver(from, to, message)
                };
                self.push(at, key, choice);
            }
            Choice::Advance(conn, side) => {
                let last = self.engine.streams.entry((conn, side)).or_default();
                *last = at.max(*last);
                let at = *last;
                self.push(at, key, Choice::Advance(conn, side));
            }
            other => self.push(at, key, other),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, at: Time, key: Key, choice: ChoiceOf<P>) {
        self.engine.queue.push(at, Waiting { key, choice });
    }

    pub(crate) fn push_after(&mut self, span: Dur, key: Key, choice: ChoiceOf<P>) {
        self.push(self.now.after(span), key, choice);
    }

    /// Plans a timer for when the node's own clock shows `due`.
    pub(super) fn plan_timer(&mut self, node: NodeId, due: Mono, waiting: Waiting<ChoiceOf<P>>) {
        match self.world.host(node).clocks.when(due, self.now) {
            Some(at) => self.engine.queue.push(at, waiting),
            None => self.engine.parked.push((Obstacle::Clock(node), waiting)),
        }
    }

    /// A node's clock has changed: its timers fire at other times.
    pub(super) fn retime(&mut self, node: NodeId) {
        let is_its_timer = |choice: &ChoiceOf<P>| matches!(choice, Choice::Fire(n, _) if *n == node);
        let timers = self.engine.queue.iter().filter(|(_, w)| is_its_timer(&w.choice));
        let slots: Vec<_> = timers.map(|(slot, w)| (slot, self.due(w.key, &w.choice))).collect();
        for (slot, due) in slots {
            match due.map(|due| self.world.host(node).clocks.when(due, self.now)) {
                Some(Some(at)) => self.engine.queue.replan(slot, at),
                Some(None) => {
                    let waiting = self.engine.queue.take(slot);
                    self.engine.parked.extend(waiting.map(|w| (Obstacle::Clock(node), w)));
                }
                // Armed anew or disarmed since.
                None => drop(self.engine.queue.take(slot)),
            }
        }
        self.unpark(Obstacle::Clock(node));
    }

    /// What a node's monotonic clock must show before this timer fires; none if it is not armed any more.
    pub(super) fn due(&self, key: Key, choice: &ChoiceOf<P>) -> Option<Mono> {
        let Choice::Fire(node, timer) = choice else { return None };
        let armed = self.world.host(*node).armed(*timer).filter(|armed| armed.key.0 == key)?;
        let (from, to) = armed.due.0;
        Some(Mono(draw::timer(&self.profile, key, from.0, to.0)))
    }

    pub(super) fn park(&mut self, obstacle: Obstacle, waiting: Waiting<ChoiceOf<P>>) {
        self.engine.parked.push((obstacle, waiting));
    }

    /// Lets go what was behind something else on a connection and no longer is.
    #[inline]
    pub(super) fn release_streams(&mut self) {
        for waiting in self.engine.behind.release(self.world.net()) {
            self.engine.queue.push(self.now, waiting);
        }
    }

    /// An obstacle is gone: what it kept back happens now, in the order in which it was kept back.
    pub(super) fn unpark(&mut self, gone: Obstacle) {
        if self.engine.parked.is_empty() {
            return;
        }
        let mut parked = std::mem::take(&mut self.engine.parked);
        let free = parked.extract_if(.., |(obstacle, _)| *obstacle == gone);
        for (_, waiting) in free {
            match (self.due(waiting.key, &waiting.choice), waiting.choice.node()) {
                (Some(due), Some(node)) => self.plan_timer(node, due, waiting),
                _ => self.engine.queue.push(self.now, waiting),
            }
        }
        parked.append(&mut self.engine.parked);
        self.engine.parked = parked;
    }
}
