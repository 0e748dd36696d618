//! Random plans. A seed decides everything before the run begins: cluster, workload, latencies, odds, and every timed
//! fault. Features are switched off altogether in most seeds rather than all being a little on in every seed (swarm
//! testing: Groce et al., ISSTA 2012), for what is always on hides what needs its absence. A plan stays within the
//! fault budget that the system [allows](onceward_model::system::Allowed); it is a scenario like any other and has a
//! text.

use super::dice::Dice;
use crate::mutants::mutant;
use onceward_core::{DiskError, Dur, NodeId};
use onceward_model::{
    scenario::{Entry, Header, OpKind, Planned, Profile, Scenario},
    system::{Allowed, System},
    world::{
        Choice, ChoiceOf, ClockChange, Landed, Protocol, Time,
        disk::{Damage, Fates, Outcome, Reach},
    },
};
use std::sync::Arc;

/// A plan and the cluster that it is for.
pub struct Drawn<P: Protocol> {
    /// The cluster.
    pub protocol: Arc<P>,
    /// The plan.
    pub scenario: Scenario<P>,
    /// The budget that it keeps.
    pub allowed: Allowed,
}

/// Draws the plan of a seed.
///
/// # Errors
/// The system does not accept a header that it has drawn itself: a mistake of the system.
pub fn draw<S: System>(seed: u64) -> Result<Drawn<S::Protocol>, String> {
    let mut dice = Dice::new(seed);
    let header = S::draw_header(dice.key());
    let protocol =
        S::build(&header).map_err(|e| format!("`{}` drew a header that it refuses: {e}", S::NAME))?;
    let allowed = S::allowed(&protocol);
    let span = dice.span(Dur::millis(20), Dur::secs(20));
    let calls = dice.log(4, 64) as u32;
    let workload = S::draw_workload(&protocol, dice.key(), calls, span);
    let mut draft: Draft<S> = Draft {
        busy: workload.iter().map(|(at, _)| *at).collect(),
        entries: workload.into_iter().map(|(at, choice)| Entry { at, what: Planned::Do(choice) }).collect(),
        down: Vec::new(),
        nodes: protocol.nodes(),
        protocol: &protocol,
        allowed,
        span,
        dice,
    };
    let mut profile = draft.profile();
    // Some seeds know no faults at all: what breaks only then would be hidden by any.
    if !draft.dice.one_in(16) {
        draft.faults();
    }
    // What fell asleep must wake: timers of hours are as good as never waited for otherwise.
    if draft.dice.one_in(8) {
        profile.silence = draft.dice.span(Dur::secs(60), Dur::secs(86_400));
    }
    let mut entries = draft.entries;
    entries.iter_mut().for_each(|entry| entry.at = Time(rounded(entry.at.0)));
    entries.sort_by_key(|entry| entry.at);
    let header = Header { system: S::NAME.into(), ..header };
    let about = String::new();
    let scenario = Scenario { about, header, profile, seed, entries, expect: Vec::new() };
    Ok(Drawn { protocol, scenario, allowed })
}

/// So many reads of a node fail by plan, beside those that fail by chance.
const FAILED_READS: usize = 2;

/// Four digits are enough for a time, and people can read them.
fn rounded(nanos: u64) -> u64 {
    let unit = 10u64.pow(nanos.checked_ilog10().unwrap_or(0).saturating_sub(3));
    nanos / unit * unit
}

struct Draft<'a, S: System> {
    dice: Dice,
    protocol: &'a S::Protocol,
    allowed: Allowed,
    nodes: u16,
    span: Dur,
    /// When clients call: faults like to strike soon after.
    busy: Vec<Time>,
    entries: Vec<Entry<S::Protocol>>,
    /// Who is down, paused or cut off, from when to when.
    down: Vec<(NodeId, Time, Time)>,
}

impl<S: System> Draft<'_, S> {
    fn profile(&mut self) -> Profile {
        let dice = &mut self.dice;
        let (network, disk) =
            (dice.span(Dur::micros(50), Dur::millis(2)), dice.span(Dur::micros(10), Dur::millis(1)));
        let (wide, far) = (dice.log(1, 100), dice.log(1, 100));
        let mut profile = Profile {
            network: (network, Dur(rounded(network.0 * wide))),
            disk: (disk, Dur(rounded(disk.0 * far))),
            tail_max: dice.span(Dur::millis(10), Dur::secs(5)),
            ..Profile::none()
        };
        profile.tail = if dice.one_in(2) { dice.log(5_000, 200_000) as u32 } else { 0 };
        profile.bandwidth = if dice.one_in(4) { dice.log(20_000, 20_000_000) } else { 0 };
        profile.untimed = dice.one_in(5);
        if dice.one_in(8) || mutant!(FaultsEndEarly) {
            return profile;
        }
        let odds = |dice: &mut Dice, most: u64| if dice.one_in(3) { dice.log(1_000, most) as u32 } else { 0 };
        profile.loss = odds(dice, 300_000);
        profile.duplicate = odds(dice, 200_000);
        profile.replay = odds(dice, 100_000);
        profile.corrupt = odds(dice, 50_000);
        profile.break_off = odds(dice, 50_000);
        profile.kill_within = odds(dice, 20_000);
        if self.allowed.disk_errors {
            profile.write_error = odds(dice, 50_000);
            profile.short_write = odds(dice, 200_000);
            profile.no_space = odds(dice, 20_000);
            profile.read_error = odds(dice, 20_000);
            profile.short_read = odds(dice, 200_000);
            profile.sync_error = odds(dice, 100_000);
        }
        profile
    }

    fn faults(&mut self) {
        if self.dice.one_in(2) {
            self.some(6, Self::kill);
        }
        if self.allowed.power_loss && self.dice.one_in(2) {
            self.some(6, Self::power_loss);
        }
        if self.dice.one_in(4) {
            self.some(4, Self::kill_within);
        }
        if self.dice.one_in(4) {
            self.some(4, Self::pause);
        }
        if self.nodes > 1 && self.dice.one_in(3) {
            self.some(4, Self::cut);
        }
        if self.nodes > 1 && self.dice.one_in(3) {
            self.some(4, Self::hold);
        }
        if self.dice.one_in(3) {
            self.some(4, Self::clock);
        }
        if self.allowed.disk_errors && self.dice.one_in(3) {
            self.some(4, Self::next_fails);
        }
        if self.allowed.disk_errors && self.dice.one_in(5) {
            self.some(2, Self::full_disk);
        }
        if self.dice.one_in(3) {
            self.some(3, Self::damage);
        }
        for _ in 0..self.allowed.wipes {
            if self.dice.one_in(4) {
                self.wipe();
            }
        }
        if self.dice.one_in(2) {
            self.last_crash();
        }
        // One at most: a machine looks twice at what looks damaged, and not for ever.
        if self.allowed.disk_errors && self.dice.one_in(4) {
            self.outcome();
        }
    }

    /// Does something one time, or, more rarely, up to `most` times.
    fn some(&mut self, most: u64, one: fn(&mut Self)) {
        (0..self.dice.log(1, most)).for_each(|_| one(self));
    }

    /// A moment of the run: anywhere, or soon after a call.
    fn moment(&mut self) -> Time {
        if mutant!(FaultsEndEarly) {
            return Time(self.dice.below(1_000));
        }
        let anywhere = Time(self.dice.below(self.span.0.max(1)));
        if self.busy.is_empty() || self.dice.one_in(3) {
            return anywhere;
        }
        let at = self.dice.below(self.busy.len() as u64) as usize;
        self.busy[at].after(self.dice.span(Dur::micros(5), Dur::millis(20)))
    }

    fn node(&mut self) -> NodeId {
        NodeId(self.dice.below(u64::from(self.nodes)) as u16)
    }

    fn add(&mut self, at: Time, choice: ChoiceOf<S::Protocol>) {
        self.entries.push(Entry { at, what: Planned::Do(choice) });
    }

    /// Takes a node out of service for a while, if the budget has room for it then.
    fn reserve(&mut self, node: NodeId, from: Time, to: Time) -> bool {
        let mut others: Vec<NodeId> =
            self.down.iter().filter(|(n, f, t)| *n != node && *f <= to && from <= *t).map(|d| d.0).collect();
        others.sort();
        others.dedup();
        let room = others.len() < usize::from(self.allowed.down_at_once);
        if room {
            self.down.push((node, from, to));
        }
        room
    }

    fn crash(&mut self, at: Time, node: NodeId, how: ChoiceOf<S::Protocol>) -> Option<Time> {
        let up = at.after(self.dice.span(Dur::micros(100), Dur::secs(2)));
        if !self.reserve(node, at, up) {
            return None;
        }
        self.add(at, how);
        let config = self.dice.below(u64::from(self.allowed.configs.max(1))) as u8;
        self.add(up, Choice::Boot(node, config));
        Some(up)
    }

    fn killed(&mut self, node: NodeId) -> ChoiceOf<S::Protocol> {
        Choice::Kill(node, if self.dice.one_in(2) { Landed::Nothing } else { Landed::Everything })
    }

    fn unpowered(&mut self, node: NodeId) -> ChoiceOf<S::Protocol> {
        let fates = match self.dice.below(8) {
            0 => Fates::keep(),
            1 => Fates::DROP,
            // A seed alone leaves all fates to it.
            _ => Fates { seed: Some(self.dice.below(1 << 32)), ..Fates::DROP },
        };
        Choice::PowerLoss(node, fates)
    }

    fn kill(&mut self) {
        let (at, node) = (self.moment(), self.node());
        let how = self.killed(node);
        if let Some(up) = self.crash(at, node, how) {
            self.again(node, up);
        }
    }

    fn power_loss(&mut self) {
        let (at, node) = (self.moment(), self.node());
        let how = self.unpowered(node);
        if let Some(up) = self.crash(at, node, how) {
            self.again(node, up);
        }
    }

    /// Whoever has just come back may go down again: in the middle of recovery, or just after it has promised
    /// something on top of what the page cache gave back.
    fn again(&mut self, node: NodeId, up: Time) {
        if !self.dice.one_in(3) {
            return;
        }
        let at = up.after(self.dice.span(Dur::micros(5), Dur::millis(100)));
        let power = self.allowed.power_loss && self.dice.one_in(2);
        let how = if power { self.unpowered(node) } else { self.killed(node) };
        self.crash(at, node, how);
    }

    fn kill_within(&mut self) {
        let (at, node, after) = (self.moment(), self.node(), self.dice.below(6) as u16);
        self.crash(at, node, Choice::KillWithin(node, after));
    }

    fn pause(&mut self) {
        let (at, node) = (self.moment(), self.node());
        let until = at.after(self.dice.span(Dur::millis(1), Dur::secs(10)));
        if self.reserve(node, at, until) {
            self.add(at, Choice::Pause(node));
            self.add(until, Choice::Resume(node));
        }
    }

    /// One link, in one direction or both, or all links of a node.
    fn links(&mut self, node: NodeId) -> Vec<(NodeId, NodeId)> {
        let other = loop {
            let other = self.node();
            if other != node {
                break other;
            }
        };
        match self.dice.below(3) {
            0 => vec![(node, other)],
            1 => vec![(node, other), (other, node)],
            _ => {
                let others = (0..self.nodes).map(NodeId).filter(|other| *other != node);
                others.flat_map(|other| [(node, other), (other, node)]).collect()
            }
        }
    }

    fn cut(&mut self) {
        let (at, node) = (self.moment(), self.node());
        let until = at.after(self.dice.span(Dur::millis(1), Dur::secs(10)));
        if !self.reserve(node, at, until) {
            return;
        }
        for (from, to) in self.links(node) {
            self.add(at, Choice::Cut(from, to));
            self.add(until, Choice::Heal(from, to));
        }
    }

    fn hold(&mut self) {
        let (at, node) = (self.moment(), self.node());
        let until = at.after(self.dice.span(Dur::millis(1), Dur::secs(10)));
        for (from, to) in self.links(node) {
            self.add(at, Choice::Hold(from, to));
            self.add(until, Choice::Release(from, to));
        }
    }

    fn clock(&mut self) {
        let (at, node) = (self.moment(), self.node());
        let until = at.after(self.dice.span(Dur::millis(1), Dur::secs(10)));
        let ahead = self.dice.one_in(2);
        let signed = |n: u64| if ahead { n as i64 } else { -(n as i64) };
        let Allowed { clock_steps, drift, .. } = self.allowed;
        let change = match self.dice.below(4) {
            0 if drift >= 1_000_000 => ClockChange::Freeze,
            1 | 0 if drift > 0 => {
                let most = u64::from(drift.min(900_000));
                ClockChange::Drift(signed(self.dice.log(most.min(10), most)) as i32)
            }
            _ if clock_steps => {
                ClockChange::Step(signed(self.dice.span(Dur::millis(1), Dur::secs(86_400)).0))
            }
            _ => return,
        };
        self.add(at, Choice::Clock(node, change));
        if !matches!(change, ClockChange::Step(_)) {
            self.add(until, Choice::Clock(node, ClockChange::Steady));
        }
    }

    fn next_fails(&mut self) {
        let (at, node) = (self.moment(), self.node());
        let fails = |error, reach| Outcome::Fail { error, reach };
        let reach = if self.dice.one_in(2) { Reach::Nothing } else { Reach::All };
        let error = if self.dice.one_in(4) { DiskError::NoSpace } else { DiskError::Io };
        let (kind, outcome) = match self.dice.below(6) {
            0 => (OpKind::Write, fails(error, reach)),
            1 => (OpKind::Write, Outcome::Short(self.dice.log(1, 512) as u32)),
            2 => (OpKind::Read, fails(DiskError::Io, Reach::Nothing)),
            3 => (OpKind::SyncDir, fails(DiskError::Io, Reach::Nothing)),
            4 => (OpKind::Create, fails(error, reach)),
            _ => (OpKind::Sync, fails(DiskError::Io, Reach::Nothing)),
        };
        // A machine may give up on a disk of which nothing can be read: how often it tries is its own business.
        let fails_read = |entry: &&Entry<S::Protocol>| matches!(entry.what, Planned::Next(other, OpKind::Read, _) if other == node);
        if kind == OpKind::Read && self.entries.iter().filter(fails_read).count() >= FAILED_READS {
            return;
        }
        self.entries.push(Entry { at, what: Planned::Next(node, kind, outcome) });
    }

    fn full_disk(&mut self) {
        let (at, node) = (self.moment(), self.node());
        let until = at.after(self.dice.span(Dur::millis(1), Dur::secs(10)));
        let room = self.dice.log(512, 1 << 20);
        self.add(at, Choice::Damage(node, Damage::Capacity(Some(room))));
        let usual = self.protocol.geometry(node).capacity;
        self.add(until, Choice::Damage(node, Damage::Capacity(usual)));
    }

    fn damage(&mut self) {
        let (at, key) = (self.moment(), self.dice.key());
        if let Some((node, damage)) = S::draw_damage(self.protocol, key) {
            self.add(at, Choice::Damage(node, damage));
        }
    }

    fn outcome(&mut self) {
        let (at, key) = (self.moment(), self.dice.key());
        if let Some((node, kind, outcome)) = S::draw_outcome(self.protocol, key) {
            self.entries.push(Entry { at, what: Planned::Next(node, kind, outcome) });
        }
    }

    fn wipe(&mut self) {
        let (at, node) = (self.moment(), self.node());
        let how = self.killed(node);
        if self.crash(at, node, how).is_some() {
            self.add(at.after(Dur(1)), Choice::Wipe(node));
        }
    }

    /// The run ends with a crash, so that the last judgement sees what is durable and not what is in a cache.
    fn last_crash(&mut self) {
        let at = Time(self.span.0).after(self.dice.span(Dur::micros(1), Dur::millis(100)));
        let first = self.node().0;
        for n in 0..self.nodes {
            let node = NodeId((first + n) % self.nodes);
            let how = if self.allowed.power_loss { self.unpowered(node) } else { self.killed(node) };
            self.crash(at, node, how);
        }
    }
}
