//! The second half of every run. Faults end: links carry again, paused processes go on, clocks run true, devices have
//! room, whoever is down starts, and chance strikes no more. Then everything that was accepted must be answered, the
//! cluster must come to rest, and it must take new work: a system that is merely never wrong may be doing nothing.

use super::{Run, Stop, Ticker, Touched, Watch, root};
use crate::mutants::mutant;
use onceward_core::{CallId, Dur, NodeId};
use onceward_model::{
    scenario::Profile,
    world::{Choice, ClockChange, Key, Landed, Protocol, Seen, Violation, client_name, disk::Damage},
};

/// The promise that the cluster comes to rest: every call answered, every node up, nothing owed.
pub const SETTLES: &str = "settles";
/// The promise that new work is accepted and answered once faults have stopped.
pub const ACCEPTS_WORK: &str = "accepts-work-after-faults";

/// More rounds of probes than this are a protocol that never ends them.
pub(crate) const ROUNDS: u32 = 1_000;
/// New calls of one round of probes come one after the other, this far apart.
pub(crate) const PROBE_GAP: Dur = Dur::micros(50);
/// A silence in which so much happens is none: it ends.
pub(crate) const NOISE: u64 = 64;

impl<P: Protocol, W: Watch<P>, T: Ticker> Run<'_, P, W, T> {
    pub(super) fn heal(&mut self) -> Result<(), Stop> {
        let silence = self.profile.silence;
        self.end_faults()?;
        if !self.settle(true)? {
            return Err(self.unsettled(SETTLES).into());
        }
        self.silence(silence)?;
        let mut asked = 0;
        for round in 0..ROUNDS {
            let protocol = self.world.protocol().clone();
            let probes = protocol.probes(self.world.ghost(), round);
            if probes.is_empty() {
                break;
            }
            for (node, call, request) in probes {
                self.go_to(self.now.after(PROBE_GAP));
                let key = Key::root(self.seed, root::PROBE + asked);
                asked += 1;
                self.planned(key, &Choice::Call(node, call, request))?;
            }
            if !self.settle(false)? {
                return Err(self.unsettled(ACCEPTS_WORK).into());
            }
        }
        if !self.settle(true)? {
            return Err(self.unsettled(SETTLES).into());
        }
        self.world.check()?;
        let protocol = self.world.protocol().clone();
        protocol.healed(self.world.ghost())?;
        Ok(())
    }

    pub(crate) fn end_faults(&mut self) -> Result<(), Stop> {
        self.profile = without_faults(&self.profile);
        self.next.clear();
        let mut choices = Vec::new();
        for (from, to, link) in self.world.net().links() {
            choices.extend(link.cut.then_some(Choice::Heal(from, to)));
            choices.extend(link.held.then_some(Choice::Release(from, to)));
        }
        let protocol = self.world.protocol().clone();
        for ((node, host), touched) in self.world.hosts().zip(&mut self.touched) {
            let Touched { clock, device } = std::mem::take(touched);
            choices.extend(clock.then_some(Choice::Clock(node, ClockChange::Steady)));
            let room = Damage::Capacity(protocol.geometry(node).capacity);
            choices.extend(device.then_some(Choice::Damage(node, room)));
            choices.extend(host.paused.then_some(Choice::Resume(node)));
            // A kill that is due within the next steps falls due now.
            let due = host.cut_short.is_some();
            choices.extend(due.then_some(Choice::Kill(node, Landed::Everything)));
            choices.extend((due || host.node.is_none()).then_some(Choice::Boot(node, host.config)));
        }
        for (n, choice) in choices.iter().enumerate() {
            self.perform(Key::root(self.seed, root::HEAL + n as u64), choice)?;
        }
        Ok(())
    }

    /// Lets things happen until nothing is open any more; false if that takes too long. `all`: until the protocol says
    /// that it is settled, rather than until every call is answered.
    fn settle(&mut self, all: bool) -> Result<bool, Stop> {
        if mutant!(HealingTrusts) {
            return Ok(true);
        }
        let end = self.now.after(self.limits.settle);
        let (mut since, mut wait) = (0u32, 1u32);
        loop {
            since += 1;
            if self.is_up() && self.world.calls().is_empty() && (!all || since >= wait) {
                if !all || self.world.settled() {
                    return Ok(true);
                }
                // Asking may be dear: ask again after twice as many steps.
                (since, wait) = (0, (wait * 2).min(256));
            }
            if !self.revive()? {
                match self.engine.queue.next_at() {
                    Some(at) if at <= end && self.events < self.limits.events => self.up_to_one()?,
                    _ => return Ok(self.world.calls().is_empty() && (!all || self.world.settled())),
                }
            }
        }
    }

    /// Lets time pass in which nobody asks for anything.
    fn silence(&mut self, span: Dur) -> Result<(), Stop> {
        let (end, most) = (self.now.after(span), self.events + NOISE);
        while self.engine.queue.next_at().is_some_and(|at| at < end) {
            if self.events >= most {
                return Ok(());
            }
            self.up_to_one()?;
        }
        self.go_to(end);
        Ok(())
    }

    /// Whether every process runs and none has come to its own end.
    pub(crate) fn is_up(&self) -> bool {
        let protocol = self.world.protocol();
        self.world.hosts().all(|(_, host)| host.node.as_ref().is_some_and(|node| !protocol.over(node)))
    }

    fn up_to_one(&mut self) -> Result<(), Stop> {
        let Some((at, waiting)) = self.engine.queue.pop() else { return Ok(()) };
        self.go_to(at);
        self.happen(waiting)
    }

    /// Starts a process that went down all the same, by its own end.
    pub(crate) fn revive(&mut self) -> Result<bool, Stop> {
        let protocol = self.world.protocol();
        let next = self.world.hosts().find_map(|(node, host)| match &host.node {
            None => Some(Choice::Boot(node, host.config)),
            Some(machine) if protocol.over(machine) => Some(Choice::Kill(node, Landed::Everything)),
            Some(_) => None,
        });
        let Some(choice) = next else { return Ok(false) };
        self.perform(Key::root(self.seed, root::REVIVE + self.events), &choice)?;
        Ok(true)
    }

    /// What is still open, in words.
    pub(crate) fn unsettled(&self, promise: &'static str) -> Violation {
        let protocol = self.world.protocol();
        let spent = if self.events >= self.limits.events {
            format!("after {} steps", self.limits.events)
        } else {
            format!("{} s after faults ended", self.limits.settle.0 / 1_000_000_000)
        };
        let calls = self.world.calls();
        let what = match (promise, calls.len()) {
            (ACCEPTS_WORK, _) => "calls made after faults have ended are not answered",
            (_, 0) => "every call is answered, but the cluster does not come to rest",
            (_, _) => "calls are open for ever",
        };
        let now = Seen { step: self.world.steps(), at: self.now };
        let mut violation = Violation::new(promise, what);
        for (call, node) in calls.iter().take(3) {
            violation = violation.at(now, format!("{spent}, {}", open_call(&**protocol, *call, *node)));
        }
        if calls.is_empty() {
            violation = violation.at(now, format!("{spent}, the protocol does not call itself settled"));
        }
        violation
    }
}

/// A call that nobody has answered, in words.
pub(crate) fn open_call<P: Protocol>(protocol: &P, call: CallId, node: NodeId) -> String {
    format!("call {} of {} to {} is open", call.number, client_name(call.client), protocol.node_name(node))
}

/// The same latencies, without tails and without anything that goes wrong.
fn without_faults(profile: &Profile) -> Profile {
    Profile {
        name: profile.name.clone(),
        network: profile.network,
        disk: profile.disk,
        tail_max: profile.tail_max,
        ..Profile::none()
    }
}
