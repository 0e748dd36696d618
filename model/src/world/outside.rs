//! Worlds whose machines live elsewhere: in the real driver of a simulation, or in a process of their own. Such a world
//! is their surroundings and keeps the books: what a choice would have a machine step is [handed over](World::inputs)
//! instead, and what the machine's host makes of it is [reported back](World::stepped) and [performed](World::act).
//! It decides nothing more than a world of its own machines does.
//!
//! Such a world holds a machine for each process that runs, which is never stepped: it says that the process runs, and
//! is as good as the copy that was last [put in its place](World::place).

use super::{Key, Landed, Protocol, Seen, Sink, Time, Violation, World, apply::Run};
use onceward_core::{Action, CallId, Clock, Input, NodeAction, NodeId, NodeInput};

impl<P: Protocol> World<P> {
    /// The same world, with machines that live elsewhere.
    #[must_use]
    pub fn outside(mut self) -> World<P> {
        self.outside = Some(Vec::new());
        self
    }

    /// Whether the machines live elsewhere.
    #[inline]
    pub fn is_outside(&self) -> bool {
        self.outside.is_some()
    }

    /// Takes what machines are to be given, in the order in which it happened.
    pub fn inputs(&mut self) -> Vec<(NodeId, NodeInput<P::Node>)> {
        self.outside.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// A machine has taken a step. Answers how many of its actions are performed: fewer than all if the step was to be
    /// cut short, and then the process is to be killed after them.
    ///
    /// # Errors
    /// The promise that is broken by it.
    pub fn stepped(
        &mut self,
        seen: Seen,
        (node, clock): (NodeId, Clock),
        input: &NodeInput<P::Node>,
        actions: &[NodeAction<P::Node>],
        sink: &mut impl Sink<P>,
    ) -> Result<Option<usize>, Violation> {
        sink.input(seen, node, clock, input);
        sink.actions(seen, node, clock, actions);
        let host = self.host_mut(node);
        let cut = host.cut_short.take().map(|n| actions.len().min(usize::from(n)));
        let performed = &actions[..cut.unwrap_or(actions.len())];
        if let Input::Timer(fired) = input {
            host.disarm(*fired);
        }
        for action in performed {
            match action {
                Action::Arm(timer, window) => {
                    let due = (clock.mono.after(window.from), clock.mono.after(window.to));
                    host.arm(*timer, Key::root(0, 0), due);
                }
                Action::Disarm(timer) => host.disarm(*timer),
                _ => {}
            }
        }
        let World { protocol, ghost, .. } = self;
        protocol.observe(ghost, seen, super::Event::Stepped(node, clock, performed))?;
        Ok(cut)
    }

    /// Performs one action of a machine. Timers are its host's business and are not performed: what is armed shows in
    /// [`Host::timers`](super::Host::timers) since the step, and fires elsewhere.
    ///
    /// # Errors
    /// The promise that is broken by it.
    pub fn act(
        &mut self,
        at: Time,
        (node, clock): (NodeId, Clock),
        action: NodeAction<P::Node>,
        key: Key,
        sink: &mut impl Sink<P>,
    ) -> Result<(), Violation> {
        let seen = Seen { step: self.steps(), at };
        Run::new(self, sink, seen, key).act(node, clock, action).map(|_| ())
    }

    /// Nobody waits for the answer to this call any more, whose outcome is unknown.
    ///
    /// # Errors
    /// The promise that is broken by it.
    pub fn lose(&mut self, at: Time, call: CallId) -> Result<(), Violation> {
        let Some(place) = self.calls.iter().position(|(other, _)| *other == call) else { return Ok(()) };
        let (_, node) = self.calls.remove(place);
        let seen = Seen { step: self.steps(), at };
        let World { protocol, ghost, .. } = self;
        protocol.observe(ghost, seen, super::Event::Lost(node, call))
    }

    /// A machine's host starts over in the same process: what it had asked of the disk is over, unanswered, with these
    /// effects.
    pub fn abandon(&mut self, node: NodeId, landed: &Landed) {
        let host = self.host_mut(node);
        host.disk.kill(landed);
        host.ops.clear();
        host.timers.clear();
    }

    /// Puts a copy of a machine where this world would keep its own, to be judged. Does nothing if the process is down.
    pub fn place(&mut self, node: NodeId, machine: P::Node) {
        let host = self.host_mut(node);
        if host.node.is_some() {
            host.node = Some(machine);
        }
    }
}
