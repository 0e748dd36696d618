//! How one thing happens: what is due is performed, or put aside until what stands in its way is gone, or dropped
//! because it is no longer possible; and what chance adds to it follows.

use super::{Obstacle, Run, Stop, Ticker, Waiting, Watch, draw, draw::purpose, watch::Recorder};
use crate::mutants::mutant;
use onceward_core::NodeId;
use onceward_model::{
    scenario::{Entry, Mode, NotPossible, OpKind, Planned, Replayed, locate, replay_exact},
    world::{
        Applied, Choice, ChoiceOf, End, Key, Protocol, Seen, Side, Violation, disk::Damage, disk::Outcome,
    },
};

/// The promise that a plan's exact steps can happen.
pub const STEPS_POSSIBLE: &str = "steps-are-possible";

/// Children of a choice's key that name what the engine adds to it; the world counts its own from 0.
const ADDED: u32 = u32::MAX - 16;

impl<P: Protocol, W: Watch<P>, T: Ticker> Run<'_, P, W, T> {
    /// Performs a choice now and plans what it makes possible.
    pub(crate) fn perform(&mut self, key: Key, choice: &ChoiceOf<P>) -> Result<Applied, Stop> {
        if self.limits.until.is_some_and(|until| self.world.steps() >= until) {
            return Err(Stop::Enough);
        }
        let seen = Seen { step: self.world.steps() + 1, at: self.now };
        self.watch.choice(&self.world, seen, key, choice);
        if self.profile.priorities {
            self.engine.chains.perform(key);
        }
        let mut recorder = Recorder { born: &mut self.engine.born, watch: &mut *self.watch };
        let applied = match self.world.apply(self.now, choice, key, &mut recorder) {
            Ok(applied) => applied,
            Err(violation) => {
                self.watch.broke();
                return Err(violation.into());
            }
        };
        self.plan_born();
        if applied == Applied::Done {
            self.events += 1;
            // Machines that live elsewhere are judged when they are copied here.
            if self.events.is_multiple_of(super::CHECK_EVERY) && !self.world.is_outside() {
                self.world.check()?;
            }
            self.follow(choice);
            self.release_streams();
        }
        Ok(applied)
    }

    /// What the engine must see to after some choices.
    #[inline]
    fn follow(&mut self, choice: &ChoiceOf<P>) {
        match choice {
            Choice::Boot(node, _)
            | Choice::Resume(node)
            | Choice::Kill(node, _)
            | Choice::PowerLoss(node, _) => {
                self.unpark(Obstacle::Node(*node));
            }
            Choice::Heal(from, to) | Choice::Release(from, to) => self.unpark(Obstacle::Link(*from, *to)),
            Choice::Clock(node, _) => {
                self.touched[usize::from(node.0)].clock = true;
                self.retime(*node);
            }
            Choice::Damage(node, Damage::Capacity(_)) => self.touched[usize::from(node.0)].device = true,
            _ => {}
        }
    }

    /// An entry of the plan is due.
    pub(crate) fn planned(&mut self, key: Key, choice: &ChoiceOf<P>) -> Result<(), Stop> {
        if mutant!(ClocksEqual) && matches!(choice, Choice::Clock(..)) {
            return Ok(());
        }
        if let Choice::PowerLoss(node, fates) = choice
            && let Some(seed) = fates.seed.filter(|_| draw::is_drawn(fates))
            && let Some(host) = self.world.get(*node)
        {
            let fates = draw::fates(&host.disk, seed);
            self.perform(key, &Choice::PowerLoss(*node, fates))?;
            return Ok(());
        }
        if self.perform(key, choice)? == Applied::Blocked
            && let Some(obstacle) = self.obstacle(choice)
        {
            self.park(obstacle, Waiting { key, choice: choice.clone() });
        }
        Ok(())
    }

    /// Something that waited is due.
    pub(crate) fn happen(&mut self, waiting: Waiting<ChoiceOf<P>>) -> Result<(), Stop> {
        let Waiting { key, choice } = waiting;
        match choice {
            Choice::Fire(node, _) => {
                let Some(due) = self.due(key, &choice) else { return Ok(()) };
                // The clock may have been slowed down since this was planned.
                if self.world.clock(node, self.now).mono < due {
                    self.plan_timer(node, due, Waiting { key, choice });
                    return Ok(());
                }
            }
            Choice::Disk(node, op, _) => return self.disk(key, node, op),
            Choice::Advance(conn, side) => {
                let waiting = Waiting { key, choice };
                return match self.engine.behind.keep(self.world.net(), (conn, side), waiting) {
                    Some(Waiting { key, choice }) => self.step(key, choice),
                    None => Ok(()),
                };
            }
            Choice::Break(conn, side) if self.engine.notices.remove(&key) && self.world.is_fault(&choice) => {
                // What the dead peer had sent is still arriving; or this is another connection under the old name.
                let peer = self.world.net().conn(conn).map(|conn| conn.end(side.other()));
                if peer == Some(End::Gone) {
                    self.notice(key, choice);
                }
                return Ok(());
            }
            _ => {}
        }
        self.step(key, choice)
    }

    fn step(&mut self, key: Key, choice: ChoiceOf<P>) -> Result<(), Stop> {
        let cut_short = self.cut_short(key, &choice)?;
        match self.perform(key, &choice)? {
            Applied::Done => self.afterwards(key, &choice, cut_short),
            Applied::Blocked => {
                if let Some(obstacle) = self.obstacle(&choice) {
                    self.park(obstacle, Waiting { key, choice });
                }
            }
            Applied::Stale => {}
        }
        Ok(())
    }

    fn disk(&mut self, key: Key, node: NodeId, op: onceward_core::OpId) -> Result<(), Stop> {
        let host = self.world.host(node);
        // The same number may stand for a later operation by now.
        let pending = host.disk.pending().find(|(id, _)| *id == op);
        let Some((_, what)) = pending.filter(|_| host.op(op).is_some_and(|other| other.matches(key))) else {
            return Ok(());
        };
        if host.paused {
            self.park(Obstacle::Node(node), Waiting { key, choice: Choice::Disk(node, op, Outcome::Ok) });
            return Ok(());
        }
        let kind = draw::kind(what);
        let drawn = draw::outcome(&self.profile, key, &host.disk, op, what);
        let wanted = self.next.iter().position(|(n, k, _)| *n == node && (*k == kind || *k == OpKind::Any));
        let outcome = wanted.map_or(drawn, |at| self.next.remove(at).2);
        let nominal = outcome == Outcome::Ok;
        let choice = Choice::Disk(node, op, outcome);
        let cut_short = self.cut_short(key, &choice)?;
        let mut applied = self.perform(key, &choice)?;
        if applied == Applied::Stale && !nominal {
            // This operation cannot end so.
            applied = self.perform(key, &Choice::Disk(node, op, Outcome::Ok))?;
        }
        if applied == Applied::Done {
            self.afterwards(key, &choice, cut_short);
        }
        Ok(())
    }

    fn obstacle(&self, choice: &ChoiceOf<P>) -> Option<Obstacle> {
        let (from, to) = match choice {
            Choice::Deliver(from, to, _) => (*from, *to),
            Choice::Advance(conn, side) => {
                let acceptor = self.world.net().conn(*conn)?.acceptor;
                if *side == Side::Acceptor { (conn.initiator, acceptor) } else { (acceptor, conn.initiator) }
            }
            Choice::Break(conn, side) => {
                let acceptor = self.world.net().conn(*conn)?.acceptor;
                let node = if *side == Side::Acceptor { acceptor } else { conn.initiator };
                return Some(Obstacle::Node(node));
            }
            other => return other.node().map(Obstacle::Node),
        };
        let link = self.world.net().link(from, to);
        Some(if link.held || link.cut { Obstacle::Link(from, to) } else { Obstacle::Node(to) })
    }

    /// Lets chance cut short the step that a choice leads to. The node, if it did.
    fn cut_short(&mut self, key: Key, choice: &ChoiceOf<P>) -> Result<Option<NodeId>, Stop> {
        if !key.chance(purpose::KILL_WITHIN, self.profile.kill_within) {
            return Ok(None);
        }
        let steps = matches!(choice, Choice::Deliver(..) | Choice::Disk(..) | Choice::Fire(..));
        let Some(node) = choice.node().filter(|_| steps) else { return Ok(None) };
        let down = self.world.hosts().filter(|(_, host)| !host.runs()).count();
        if !self.world.host(node).runs() || down >= usize::from(self.limits.down_at_once) {
            return Ok(None);
        }
        let after = key.below(purpose::KILL_AFTER, 6) as u16;
        self.perform(key.child(ADDED), &Choice::KillWithin(node, after))?;
        Ok(Some(node))
    }

    /// What chance adds once something has happened.
    #[inline]
    fn afterwards(&mut self, key: Key, choice: &ChoiceOf<P>, cut_short: Option<NodeId>) {
        if let Some(node) = cut_short
            && self.world.host(node).node.is_none()
        {
            self.unpark(Obstacle::Node(node));
            let config = self.world.host(node).config;
            self.push_after(draw::down_for(key), key.child(ADDED + 1), Choice::Boot(node, config));
        }
        match choice {
            Choice::Deliver(..) if key.chance(purpose::REPLAY, self.profile.replay) => {
                let past = self.world.net().past();
                let which = key.below(purpose::REPLAY_WHICH, past.count() as u64) as usize;
                let old = self.world.net().past().nth(which).cloned();
                if let Some((from, to, message)) = old {
                    let key = key.child(ADDED + 2);
                    let after = draw::network(&self.profile, key);
                    self.push_after(after, key, Choice::Replay(from, to, message));
                }
            }
            Choice::Advance(conn, side) => {
                if self.world.net().conn(*conn).is_none() {
                    self.engine.streams.remove(&(*conn, Side::Initiator));
                    self.engine.streams.remove(&(*conn, Side::Acceptor));
                } else if key.chance(purpose::BREAK, self.profile.break_off) {
                    let side = if key.below(purpose::BREAK_SIDE, 2) == 0 { *side } else { side.other() };
                    let key = key.child(ADDED + 3);
                    self.push_after(draw::network(&self.profile, key), key, Choice::Break(*conn, side));
                }
            }
            _ => {}
        }
    }

    /// An exact entry of the plan is due, the `nth`: it happens now or the plan is not one of this cluster.
    pub(super) fn exact(&mut self, entry: &Entry<P>, nth: usize) -> Result<(), Stop> {
        if self.limits.until.is_some_and(|until| self.world.steps() >= until) {
            return Err(Stop::Enough);
        }
        let meant = match &entry.what {
            Planned::Do(choice) => Some(choice.clone()),
            Planned::Step(label) => locate(&self.world, label),
            Planned::Next(..) => None,
        };
        let seen = Seen { step: self.world.steps() + 1, at: self.now };
        if let Some(choice) = &meant {
            self.watch.choice(&self.world, seen, Key::ANY, choice);
        }
        let mut recorder = Recorder { born: &mut self.engine.born, watch: &mut *self.watch };
        let step = std::slice::from_ref(entry);
        let replayed = replay_exact(&mut self.world, step, Mode::Replay, &mut recorder);
        self.events += 1;
        match replayed {
            Ok(Replayed { violation: Some((_, violation)), .. }) => {
                self.watch.broke();
                Err(violation.into())
            }
            Ok(_) => {
                self.plan_born();
                meant.iter().for_each(|choice| self.follow(choice));
                Ok(())
            }
            Err(error) => {
                let what = NotPossible { entry: nth, ..error }.to_string();
                Err(Violation::new(STEPS_POSSIBLE, what).into())
            }
        }
    }
}
