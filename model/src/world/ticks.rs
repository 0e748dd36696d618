//! Time in a bounded scope. Without ticks, time stands still and timers fire whenever they like: enough for protocols
//! that hold whatever their timers do. With ticks, true time is part of the state and advances by equal spans, each
//! clock in its own way; timers fire when they are due or later. This module moves time; it decides nothing.
//!
//! Re-basing sets every clock back to 0 after every tick, and all deadlines with it: a state then says how far away
//! each deadline is, not when it was set, and a protocol that keeps only deadlines has finitely many states in
//! unbounded time.

use super::{Armed, Protocol, Req, Resource, Scope, Time, Timer, UNLIMITED, World};
use onceward_core::{Dur, Mono, NodeId};
use std::sync::Arc;

impl<P: Protocol> World<P> {
    /// The first state of a scope.
    pub fn start(protocol: Arc<P>, scope: &Scope<Req<P>>) -> World<P> {
        let mut world = World::new(protocol, scope.memory);
        world.now = (scope.tick != Dur::ZERO).then_some(Time(0));
        world
    }

    /// Whether the scope leaves a tick.
    pub fn can_tick(&self, scope: &Scope<Req<P>>) -> bool {
        self.now.is_some() && self.left(scope, Resource::Tick)
    }

    /// Lets one tick pass. Does nothing in a scope without ticks.
    pub fn tick(&mut self, scope: &Scope<Req<P>>) {
        let Some(now) = self.now else { return };
        if scope.budget.of(Resource::Tick) != UNLIMITED {
            self.spent.used[Resource::Tick as usize] += 1;
        }
        *self.step += 1;
        let later = now.after(scope.tick);
        if !(scope.reductions.rebase && self.protocol.keeps_only_deadlines()) {
            self.now = Some(later);
            return;
        }
        let World { protocol, hosts, .. } = self;
        for host in hosts.iter_mut().map(Arc::make_mut) {
            let by = host.clocks.rebase(now, later);
            for armed in &mut host.timers {
                let (from, to) = armed.due.0;
                *armed.due = (Mono(from.0.saturating_sub(by.0)), Mono(to.0.saturating_sub(by.0)));
            }
            if let Some(node) = &mut host.node {
                protocol.rebase(node, by);
            }
        }
        self.now = Some(Time(0));
    }

    /// Whether a timer may fire now.
    pub(super) fn is_due(&self, node: NodeId, armed: &Armed<Timer<P>>) -> bool {
        self.now.is_none_or(|now| armed.due.0.0 <= self.clock(node, now).mono)
    }

    /// When timers may fire, in a scope with ticks: part of the state there. Whatever is due is due alike.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Dur> + '_ {
        let now = self.now;
        self.hosts().flat_map(move |(node, host)| {
            let mono = now.map(|now| self.clock(node, now).mono);
            host.timers().iter().filter_map(move |armed| mono.map(|mono| armed.due.0.0.since(mono)))
        })
    }
}
