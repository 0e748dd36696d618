//! The one transition function. It performs a choice and everything that follows from it at once: the step of the
//! machine, the actions, what the outside sees of them. It decides nothing: whatever could go one way or another is
//! in the choice. Invariant: a choice that is not possible changes nothing.

use super::{
    Applied, Choice, ChoiceOf, Conn, End, Event, Ignored, Item, Key, Link, Msg, Protocol, Resp, Seen, Side,
    Sink, Time, Timer, Violation, When, World,
    disk::{Damage, Fates, Landed, Outcome},
    host::Asked,
};
use onceward_core::{Action, CallId, Closed, ConnId, Input, Machine, NodeAction, NodeId, NodeInput};

/// The promise that every engine checks for every protocol: a call is answered at most once.
pub const ANSWERED_ONCE: &str = "answered-once";

/// What opening or closing a connection takes on a link.
const CONTROL_BYTES: u32 = 64;

impl<P: Protocol> World<P> {
    /// Performs one choice at true time `at`. `key` names which of several equal things is meant, [`Key::ANY`] any of
    /// them. Everything that becomes possible is reported to `sink`.
    ///
    /// A timer fires whenever this is asked for; whether it is due is the scheduler's business.
    ///
    /// # Errors
    /// The violation, if a promise is broken by what happened. The world must not be used further then, except to be
    /// looked at.
    pub fn apply(
        &mut self,
        at: Time,
        choice: &ChoiceOf<P>,
        key: Key,
        sink: &mut impl Sink<P>,
    ) -> Result<Applied, Violation> {
        let seen = Seen { step: *self.step + 1, at };
        // A doubled datagram is delivered later under the same key: what it begets must have other names.
        let children = if matches!(choice, Choice::Duplicate(..)) { 1 << 31 } else { 0 };
        let applied = Run { world: self, sink, seen, key, children }.perform(choice)?;
        if applied == Applied::Done {
            *self.step += 1;
        }
        Ok(applied)
    }
}

/// One application of a choice.
pub(super) struct Run<'a, P: Protocol, S> {
    world: &'a mut World<P>,
    sink: &'a mut S,
    seen: Seen,
    key: Key,
    children: u32,
}

type Outcomes = Result<Applied, Violation>;

impl<'a, P: Protocol, S: Sink<P>> Run<'a, P, S> {
    pub(super) fn new(world: &'a mut World<P>, sink: &'a mut S, seen: Seen, key: Key) -> Run<'a, P, S> {
        Run { world, sink, seen, key, children: 0 }
    }

    fn perform(&mut self, choice: &ChoiceOf<P>) -> Outcomes {
        if choice.node().is_some_and(|node| usize::from(node.0) >= self.world.hosts.len()) {
            return Ok(Applied::Stale);
        }
        match choice {
            Choice::Call(node, call, request) => self.call(*node, *call, request),
            Choice::Disk(node, op, outcome) => self.disk(*node, *op, outcome),
            Choice::Deliver(from, to, message) => self.deliver(*from, *to, message),
            Choice::Advance(conn, side) => self.advance(*conn, *side),
            Choice::Fire(node, timer) => self.fire(*node, *timer),
            Choice::Boot(node, config) => self.boot(*node, *config),
            Choice::Drop(from, to, message) => self.lose(*from, *to, message),
            Choice::Duplicate(from, to, message) => self.duplicate(*from, *to, message),
            Choice::Replay(from, to, message) => self.replay(*from, *to, message),
            Choice::Corrupt(from, to, message) => self.corrupt(*from, *to, message),
            Choice::Break(conn, side) => self.break_off(*conn, *side),
            Choice::Cut(from, to) => self.link(*from, *to, |l| !std::mem::replace(&mut l.cut, true)),
            Choice::Heal(from, to) => self.link(*from, *to, |l| std::mem::take(&mut l.cut)),
            Choice::Hold(from, to) => self.link(*from, *to, |l| !std::mem::replace(&mut l.held, true)),
            Choice::Release(from, to) => self.link(*from, *to, |l| std::mem::take(&mut l.held)),
            Choice::Kill(node, landed) => self.kill(*node, landed),
            Choice::KillWithin(node, actions) => {
                if self.world.host(*node).node.is_none() {
                    return Ok(Applied::Stale);
                }
                self.world.host_mut(*node).cut_short = Some(*actions);
                Ok(Applied::Done)
            }
            Choice::PowerLoss(node, fates) => self.power_loss(*node, fates),
            Choice::Wipe(node) => {
                if self.world.host(*node).node.is_some() {
                    return Ok(Applied::Stale);
                }
                self.world.host_mut(*node).disk.wipe();
                self.observe(Event::Damaged(*node))
            }
            Choice::Pause(node) => {
                if !self.world.host(*node).runs() {
                    return Ok(Applied::Stale);
                }
                self.world.host_mut(*node).paused = true;
                Ok(Applied::Done)
            }
            Choice::Resume(node) => {
                if !self.world.host(*node).paused {
                    return Ok(Applied::Stale);
                }
                self.world.host_mut(*node).paused = false;
                Ok(Applied::Done)
            }
            Choice::Damage(node, damage) => {
                if !self.world.host_mut(*node).disk.damage(damage) {
                    return Ok(Applied::Stale);
                }
                match damage {
                    Damage::Rot { .. } | Damage::Lose { .. } => self.observe(Event::Damaged(*node)),
                    // A full disk loses nothing: it is within every budget.
                    Damage::Capacity(_) => Ok(Applied::Done),
                }
            }
            Choice::Clock(node, change) => {
                let at = self.seen.at;
                self.world.host_mut(*node).clocks.change(at, *change);
                Ok(Applied::Done)
            }
        }
    }

    fn child(&mut self) -> Key {
        let key = self.key.child(self.children);
        self.children += 1;
        key
    }

    fn observe(&mut self, event: Event<'_, P::Node>) -> Outcomes {
        let World { protocol, ghost, .. } = &mut *self.world;
        protocol.observe(ghost, self.seen, event).map(|()| Applied::Done)
    }

    /// What stands in the way of a node's taking an input.
    fn obstacle(&self, node: NodeId) -> Option<Applied> {
        let host = self.world.host(node);
        match (&host.node, host.paused) {
            (None, _) => Some(Applied::Stale),
            (Some(_), true) => Some(Applied::Blocked),
            (Some(_), false) => None,
        }
    }

    // Clients and processes

    fn call(&mut self, node: NodeId, call: CallId, request: &super::Req<P>) -> Outcomes {
        match self.obstacle(node) {
            Some(Applied::Blocked) => Ok(Applied::Blocked),
            Some(_) => {
                self.observe(Event::Called(node, call, request))?;
                self.observe(Event::Refused(node, call))
            }
            None => {
                self.observe(Event::Called(node, call, request))?;
                let at = self.world.calls.partition_point(|(other, _)| *other < call);
                self.world.calls.insert(at, (call, node));
                self.step(node, Input::Call(call, request.clone()))
            }
        }
    }

    fn boot(&mut self, node: NodeId, config: u8) -> Outcomes {
        if self.world.host(node).node.is_some() {
            return Ok(Applied::Stale);
        }
        let machine = self.world.protocol.boot(node, config);
        let at = self.seen.at;
        let host = self.world.host_mut(node);
        host.node = Some(machine);
        host.config = config;
        host.powered = true;
        host.clocks.boot(at);
        self.observe(Event::Booted(node))?;
        self.step(node, Input::Boot)
    }

    fn kill(&mut self, node: NodeId, landed: &Landed) -> Outcomes {
        if self.world.host(node).node.is_none() {
            return Ok(Applied::Stale);
        }
        self.world.host_mut(node).disk.kill(landed);
        for (conn, side) in self.world.net.conns_of(node) {
            // The operating system outlives the process and says so.
            self.abandon(conn, side);
            self.push(conn, side.other(), Item::Reset);
            self.world.net.tidy(conn);
        }
        self.down(node, false)
    }

    fn power_loss(&mut self, node: NodeId, fates: &Fates) -> Outcomes {
        if !self.world.host(node).powered {
            return Ok(Applied::Stale);
        }
        let host = self.world.host_mut(node);
        host.disk.power_loss(fates);
        host.powered = false;
        for (conn, side) in self.world.net.conns_of(node) {
            self.abandon(conn, side);
            self.dead_peer(conn, side.other());
            self.world.net.tidy(conn);
        }
        self.down(node, true)
    }

    fn down(&mut self, node: NodeId, power: bool) -> Outcomes {
        self.world.host_mut(node).forget_process();
        let lost: Vec<CallId> =
            self.world.calls.iter().filter(|(_, called)| *called == node).map(|(call, _)| *call).collect();
        self.world.calls.retain(|(_, called)| *called != node);
        for call in lost {
            self.observe(Event::Lost(node, call))?;
        }
        self.observe(Event::Crashed { node, power })
    }

    fn fire(&mut self, node: NodeId, timer: Timer<P>) -> Outcomes {
        if let Some(obstacle) = self.obstacle(node) {
            return Ok(obstacle);
        }
        if !self.world.host(node).armed(timer).is_some_and(|armed| armed.key.matches(self.key)) {
            return Ok(Applied::Stale);
        }
        self.world.host_mut(node).disarm(timer);
        self.step(node, Input::Timer(timer))
    }

    fn disk(&mut self, node: NodeId, op: onceward_core::OpId, outcome: &Outcome) -> Outcomes {
        if let Some(obstacle) = self.obstacle(node) {
            return Ok(obstacle);
        }
        let ours = |asked: &Asked| asked.op == op && asked.key.matches(self.key);
        let Some(at) = self.world.host(node).ops.iter().position(ours) else { return Ok(Applied::Stale) };
        let host = self.world.host_mut(node);
        let Some(result) = host.disk.complete(op, outcome) else { return Ok(Applied::Stale) };
        host.ops.remove(at);
        self.announce(node);
        self.step(node, Input::Disk(op, result))
    }

    /// Reports the disk operations that need not wait for another one any more.
    fn announce(&mut self, node: NodeId) {
        let host = self.world.host_mut(node);
        for asked in host.ops.iter_mut().filter(|asked| !*asked.announced) {
            if host.disk.can_start(asked.op) {
                *asked.announced = true;
                self.sink.born(*asked.key, Choice::Disk(node, asked.op, Outcome::Ok), When::Disk { node });
            }
        }
    }

    // Datagrams

    fn deliver(&mut self, from: NodeId, to: NodeId, message: &Msg<P>) -> Outcomes {
        if self.world.net.link(from, to).held || self.world.host(to).paused {
            let there = self.world.net.has(from, to, message, self.key);
            return Ok(if there { Applied::Blocked } else { Applied::Stale });
        }
        let Some(message) = self.world.net.take(from, to, message, self.key) else {
            return Ok(Applied::Stale);
        };
        self.world.net.remember(from, to, &message);
        if self.world.host(to).node.is_none() {
            return Ok(Applied::Done);
        }
        self.step(to, Input::Message(from, message))
    }

    fn lose(&mut self, from: NodeId, to: NodeId, message: &Msg<P>) -> Outcomes {
        let taken = self.world.net.take(from, to, message, self.key);
        Ok(taken.map_or(Applied::Stale, |_| Applied::Done))
    }

    fn duplicate(&mut self, from: NodeId, to: NodeId, message: &Msg<P>) -> Outcomes {
        if !self.world.net.has(from, to, message, self.key) {
            return Ok(Applied::Stale);
        }
        self.send(from, to, message.clone());
        Ok(Applied::Done)
    }

    fn replay(&mut self, from: NodeId, to: NodeId, message: &Msg<P>) -> Outcomes {
        if !self.world.net.past().any(|(f, t, m)| (f, t, m) == (&from, &to, message)) {
            return Ok(Applied::Stale);
        }
        self.send(from, to, message.clone());
        Ok(Applied::Done)
    }

    fn corrupt(&mut self, from: NodeId, to: NodeId, message: &Msg<P>) -> Outcomes {
        let Some(message) = self.world.net.take(from, to, message, self.key) else {
            return Ok(Applied::Stale);
        };
        match self.world.protocol.corrupt(&message) {
            Some(garbled) if self.world.host(to).runs() => self.step(to, Input::Message(from, garbled)),
            _ => Ok(Applied::Done),
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Msg<P>) {
        let key = self.child();
        let choice = Choice::Deliver(from, to, message.clone());
        let bytes = self.world.protocol.message_size(&message);
        if self.world.net.send(from, to, message, key) {
            self.sink.born(key, choice, When::Network { from, to, bytes });
        }
    }

    fn link(&mut self, from: NodeId, to: NodeId, change: impl FnOnce(&mut Link) -> bool) -> Outcomes {
        let mut link = self.world.net.link(from, to);
        if usize::from(from.0) >= self.world.hosts.len() || !change(&mut link) {
            return Ok(Applied::Stale);
        }
        self.world.net.set_link(from, to, link);
        Ok(Applied::Done)
    }

    // Connections

    fn ends(&self, conn: ConnId, towards: Side) -> Option<(NodeId, NodeId)> {
        let acceptor = self.world.net.conn(conn)?.acceptor;
        Some(match towards {
            Side::Initiator => (acceptor, conn.initiator),
            Side::Acceptor => (conn.initiator, acceptor),
        })
    }

    fn push(&mut self, conn: ConnId, towards: Side, item: Item<Msg<P>>) {
        let key = self.child();
        let Some((from, to)) = self.ends(conn, towards) else { return };
        let bytes = match &item {
            Item::Message(message) => self.world.protocol.message_size(message),
            _ => CONTROL_BYTES,
        };
        if self.world.net.push(conn, towards, item, key) {
            self.sink.born(key, Choice::Advance(conn, towards), When::Network { from, to, bytes });
        }
    }

    /// A side is done with a connection: nothing more arrives there.
    fn abandon(&mut self, conn: ConnId, side: Side) {
        self.world.net.set_end(conn, side, End::Gone);
        self.world.net.clear(conn, side);
    }

    /// This side's peer is gone without a word: its operating system finds out some day.
    fn dead_peer(&mut self, conn: ConnId, side: Side) {
        if self.world.net.conn(conn).is_some_and(|c| c.end(side) != End::Gone) {
            let key = self.child();
            self.sink.born(key, Choice::Break(conn, side), When::DeadPeer);
        }
    }

    fn advance(&mut self, conn: ConnId, towards: Side) -> Outcomes {
        let Some((from, to)) = self.ends(conn, towards) else { return Ok(Applied::Stale) };
        let link = self.world.net.link(from, to);
        if link.cut || link.held || self.world.host(to).paused {
            return Ok(Applied::Blocked);
        }
        let Some((item, _)) = self.world.net.pop(conn, towards) else { return Ok(Applied::Stale) };
        let end = self.world.net.conn(conn).map_or(End::Gone, |c| c.end(towards));
        if !self.world.host(to).powered {
            if matches!(item, Item::Open | Item::Accept) {
                self.dead_peer(conn, towards.other());
            }
            self.world.net.tidy(conn);
            return Ok(Applied::Done);
        }
        let up = self.world.host(to).node.is_some();
        let applied = match (item, end) {
            (Item::Open, End::Open) => {
                // A new connection under the name of one that this side takes for alive: its other end is dead.
                let key = self.child();
                self.world.net.put_back(conn, towards, Item::Open, key);
                let bytes = CONTROL_BYTES;
                self.sink.born(key, Choice::Advance(conn, towards), When::Network { from, to, bytes });
                self.close(conn, towards, to, Closed::Reset)
            }
            (Item::Open, _) if up => {
                self.world.net.set_end(conn, towards, End::Open);
                self.push(conn, towards.other(), Item::Accept);
                // Who opened it may have died while this was under way.
                let alone = |c: &Conn<Msg<P>>| c.end(towards.other()) == End::Gone && !c.awaits_acceptor();
                if self.world.net.conn(conn).is_some_and(alone) {
                    self.dead_peer(conn, towards);
                }
                self.step(to, Input::Accepted(conn))
            }
            (Item::Open, _) => {
                self.push(conn, towards.other(), Item::Refuse);
                Ok(Applied::Done)
            }
            (Item::Accept, End::Opening) => {
                self.world.net.set_end(conn, towards, End::Open);
                self.step(to, Input::Opened(conn))
            }
            (Item::Message(message), End::Open) => self.step(to, Input::Received(conn, message)),
            (Item::Accept | Item::Message(_), _) => {
                // A late arrival at a side that knows nothing of it any more.
                self.push(conn, towards.other(), Item::Reset);
                Ok(Applied::Done)
            }
            (_, End::Gone) => Ok(Applied::Done),
            (Item::Refuse, _) => self.close(conn, towards, to, Closed::Refused),
            (Item::Finish, _) => self.close(conn, towards, to, Closed::Finished),
            (Item::Reset, _) => self.close(conn, towards, to, Closed::Reset),
        };
        self.world.net.tidy(conn);
        applied
    }

    fn close(&mut self, conn: ConnId, side: Side, node: NodeId, why: Closed) -> Outcomes {
        self.abandon(conn, side);
        self.step(node, Input::Closed(conn, why))
    }

    fn break_off(&mut self, conn: ConnId, side: Side) -> Outcomes {
        let Some((_, node)) = self.ends(conn, side) else { return Ok(Applied::Stale) };
        let gone = self.world.net.conn(conn).is_none_or(|c| c.end(side) == End::Gone);
        if gone {
            return Ok(Applied::Stale);
        }
        if let Some(obstacle) = self.obstacle(node) {
            return Ok(obstacle);
        }
        self.dead_peer(conn, side.other());
        let applied = self.close(conn, side, node, Closed::Reset);
        self.world.net.tidy(conn);
        applied
    }

    // Steps

    fn step(&mut self, node: NodeId, input: NodeInput<P::Node>) -> Outcomes {
        if let Some(inputs) = &mut self.world.outside {
            inputs.push((node, input));
            return Ok(Applied::Done);
        }
        let clock = self.world.clock(node, self.seen.at);
        let mut actions = std::mem::take(&mut *self.world.scratch);
        let host = self.world.host_mut(node);
        let cut_short = host.cut_short.take();
        let Some(machine) = host.node.as_mut() else { return Ok(Applied::Stale) };
        self.sink.input(self.seen, node, clock, &input);
        machine.step(clock, input, &mut actions);
        self.sink.actions(self.seen, node, clock, &actions);
        let performed = cut_short.map_or(actions.len(), |n| actions.len().min(usize::from(n)));
        let mut outcome = self.observe(Event::Stepped(node, clock, &actions[..performed]));
        for action in actions.drain(..).take(performed) {
            if outcome.is_ok() {
                outcome = self.act(node, clock, action);
            }
        }
        *self.world.scratch = actions;
        outcome?;
        if cut_short.is_some() { self.kill(node, &Landed::Nothing) } else { Ok(Applied::Done) }
    }

    pub(super) fn act(
        &mut self,
        node: NodeId,
        clock: onceward_core::Clock,
        action: NodeAction<P::Node>,
    ) -> Outcomes {
        match action {
            Action::Arm(..) | Action::Disarm(_) if self.world.is_outside() => {}
            Action::Disk(op, what) => {
                let key = self.child();
                let host = self.world.host_mut(node);
                host.disk.submit(op, what);
                host.ops.push(Asked { op, key: Ignored(key), announced: Ignored(false) });
                self.announce(node);
            }
            Action::Send(to, message) => {
                if usize::from(to.0) < self.world.hosts.len() {
                    self.send(node, to, message);
                }
            }
            Action::Connect(to, number) => {
                let (id, key) = (ConnId { initiator: node, number }, self.child());
                if usize::from(to.0) < self.world.hosts.len() && self.world.net.connect(id, to, key) {
                    let advance = Choice::Advance(id, Side::Acceptor);
                    self.sink.born(key, advance, When::Network { from: node, to, bytes: CONTROL_BYTES });
                }
            }
            Action::Write(conn, message) => {
                if let Some(side) = self.side(conn, node) {
                    self.push(conn, side.other(), Item::Message(message));
                }
            }
            Action::Close(conn) => {
                if let Some(side) = self.side(conn, node) {
                    self.abandon(conn, side);
                    self.push(conn, side.other(), Item::Finish);
                    self.world.net.tidy(conn);
                }
            }
            Action::Arm(timer, window) => {
                let key = self.child();
                let (from, to) = (clock.mono.after(window.from), clock.mono.after(window.to));
                self.world.host_mut(node).arm(timer, key, (from, to));
                self.sink.born(key, Choice::Fire(node, timer), When::Timer { node, from, to });
            }
            Action::Disarm(timer) => self.world.host_mut(node).disarm(timer),
            Action::Reply(call, response) => return self.reply(node, call, &response),
            Action::Mark(_) => {}
        }
        Ok(Applied::Done)
    }

    /// The side that a node has in a connection that it may write to.
    fn side(&self, id: ConnId, node: NodeId) -> Option<Side> {
        let conn = self.world.net.conn(id)?;
        let side = if id.initiator == node { Side::Initiator } else { Side::Acceptor };
        let ours = side == Side::Initiator || conn.acceptor == node;
        (ours && conn.end(side) != End::Gone).then_some(side)
    }

    fn reply(&mut self, node: NodeId, call: CallId, response: &Resp<P>) -> Outcomes {
        let Ok(at) = self.world.calls.binary_search(&(call, node)) else {
            let what =
                format!("{} answered a call that nobody waits for", self.world.protocol.node_name(node));
            let said = format!("{call:?} got {}", self.world.protocol.response_label(response));
            return Err(Violation::new(ANSWERED_ONCE, what).at(self.seen, said));
        };
        self.world.calls.remove(at);
        self.observe(Event::Replied(node, call, response))
    }
}
