//! What a bounded scope allows next. A scope is a workload (a script of calls for each client), budgets of faults,
//! and reductions; [`World::enabled`] lists the choices that it leaves. The simulator does not come here: its
//! scheduler learns of possibilities as they are born. Invariants: every listed choice is possible; budgets are looked
//! at here and counted in [`World::apply_in`], never in `apply`.

use super::{
    Applied, Choice, ChoiceOf, ClockChange, End, Key, Protocol, Req, Side, Sink, Violation, World,
    disk::{self, Faults},
};
use onceward_core::{CallId, ClientId, DiskOp, Dur, NodeId};

/// One client's calls, in order. A client calls again once it was answered, or knows that it will not be.
pub type Script<Q> = Vec<(NodeId, Q)>;

/// A kind of happening that a scope limits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs)]
pub enum Resource {
    Kill,
    KillWithin,
    PowerLoss,
    Wipe,
    Damage,
    DiskFault,
    Drop,
    Duplicate,
    Replay,
    Corrupt,
    Break,
    Cut,
    Hold,
    Pause,
    Clock,
    Fire,
    Boot,
    Tick,
}

const RESOURCES: usize = Resource::Tick as usize + 1;

/// How often each limited thing may happen in one run.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Budget([u8; RESOURCES]);

/// What of a scope is used up.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Spent {
    pub(super) used: [u8; RESOURCES],
    /// How many calls each client has made.
    calls: Vec<u16>,
}

/// Whether a list of choices is all there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// It is.
    Complete,
    /// It was cut, for this reason: what is concluded from it holds for the listed part alone.
    Cut(&'static str),
}

impl Bound {
    /// The bound of two lists together.
    #[must_use]
    pub fn and(self, other: Bound) -> Bound {
        if self == Bound::Complete { other } else { self }
    }

    fn of(list: disk::Bound, why: &'static str) -> Bound {
        if list == disk::Bound::Cut { Bound::Cut(why) } else { Bound::Complete }
    }
}

/// Reductions: transformations of the explored graph that must not change a verdict. Each can be switched off, and a
/// small scope must give the same verdicts and witness lengths either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reductions {
    /// A datagram's delivery or a timer that changes nothing but its own absence is no step: it is merged with an
    /// endless delay. Keeps every promise and every witness, with its length; it does *not* keep recoverability (a
    /// message that came too early and would be missed is never seen to be missed), so an explorer that judges
    /// recoverability must not use it.
    pub no_op_deliveries: bool,
    /// Messages that their receiver ignores for ever are removed.
    pub forget_stale: bool,
    /// What a sector holds after a power loss is decided when it is first read.
    pub lazy_fates: bool,
    /// A pending read, list or other operation that leaves no un-synced state is completed before anything else on
    /// that node.
    pub reads_at_once: bool,
    /// In a scope with ticks, and for a protocol that [`keeps_only_deadlines`](Protocol::keeps_only_deadlines): after
    /// every tick all clocks are set back to 0 and all deadlines with them, so that unbounded time closes.
    pub rebase: bool,
}

/// A bounded world to be explored exhaustively.
#[derive(Clone, Debug)]
pub struct Scope<Q> {
    /// One script for each client.
    pub scripts: Vec<Script<Q>>,
    /// Faults and other limited happenings.
    pub budget: Budget,
    /// How disks may fail, where the budget allows a disk fault.
    pub disk: Faults,
    /// Clock changes that may happen, where the budget allows one.
    pub clocks: Vec<ClockChange>,
    /// Configurations under which a node may boot.
    pub configs: u8,
    /// At most so many images of a disk after one power loss; more are cut, and the verdict says so.
    pub image_cap: usize,
    /// See [`Reductions`].
    pub reductions: Reductions,
    /// How many delivered datagrams the network keeps for replays.
    pub memory: usize,
    /// How much true time a tick takes; zero: time stands still, and timers fire whenever they like. With ticks, a
    /// timer fires when it is due or any time later. Clock rates times this span should be whole nanoseconds, since
    /// rounding adds up.
    pub tick: Dur,
}

impl Budget {
    /// No faults; boots and timers without limit.
    pub fn none() -> Budget {
        Budget([0; RESOURCES]).with(Resource::Fire, UNLIMITED).with(Resource::Boot, UNLIMITED)
    }

    /// The same with another limit for one thing; [`UNLIMITED`] is not counted at all.
    #[must_use]
    pub fn with(mut self, what: Resource, times: u8) -> Budget {
        self.0[what as usize] = times;
        self
    }

    /// The limit of one thing.
    pub fn of(&self, what: Resource) -> u8 {
        self.0[what as usize]
    }
}

/// A limit that is none.
pub const UNLIMITED: u8 = u8::MAX;

impl Reductions {
    /// All on.
    pub const ALL: Reductions = Reductions {
        no_op_deliveries: true,
        forget_stale: true,
        lazy_fates: true,
        reads_at_once: true,
        rebase: true,
    };
    /// All off.
    pub const NONE: Reductions = Reductions {
        no_op_deliveries: false,
        forget_stale: false,
        lazy_fates: false,
        reads_at_once: false,
        rebase: false,
    };
    /// Those that need no time in the scope, one at a time.
    pub const EACH: [Reductions; 4] = [
        Reductions { no_op_deliveries: true, ..Reductions::NONE },
        Reductions { forget_stale: true, ..Reductions::NONE },
        Reductions { lazy_fates: true, ..Reductions::NONE },
        Reductions { reads_at_once: true, ..Reductions::NONE },
    ];
}

impl Spent {
    /// How often a limited thing happened.
    pub fn of(&self, what: Resource) -> u8 {
        self.used[what as usize]
    }

    /// How many calls a client has made.
    pub fn calls(&self, client: usize) -> u16 {
        self.calls.get(client).copied().unwrap_or(0)
    }
}

impl<Q> Scope<Q> {
    /// A scope without faults, all reductions on.
    pub fn new(scripts: Vec<Script<Q>>) -> Scope<Q> {
        Scope {
            scripts,
            budget: Budget::none(),
            disk: Faults::NONE,
            clocks: Vec::new(),
            configs: 1,
            image_cap: 4096,
            reductions: Reductions::ALL,
            memory: 0,
            tick: Dur::ZERO,
        }
    }
}

impl<M, T, Q> Choice<M, T, Q> {
    /// What of a budget this uses.
    pub fn resource(&self) -> Option<Resource> {
        Some(match self {
            Choice::Kill(..) => Resource::Kill,
            Choice::KillWithin(..) => Resource::KillWithin,
            Choice::PowerLoss(..) => Resource::PowerLoss,
            Choice::Wipe(..) => Resource::Wipe,
            Choice::Damage(..) => Resource::Damage,
            Choice::Disk(..) if self.is_fault() => Resource::DiskFault,
            Choice::Drop(..) => Resource::Drop,
            Choice::Duplicate(..) => Resource::Duplicate,
            Choice::Replay(..) => Resource::Replay,
            Choice::Corrupt(..) => Resource::Corrupt,
            Choice::Break(..) => Resource::Break,
            Choice::Cut(..) => Resource::Cut,
            Choice::Hold(..) => Resource::Hold,
            Choice::Pause(..) => Resource::Pause,
            Choice::Clock(..) => Resource::Clock,
            Choice::Fire(..) => Resource::Fire,
            Choice::Boot(..) => Resource::Boot,
            Choice::Call(..)
            | Choice::Disk(..)
            | Choice::Deliver(..)
            | Choice::Advance(..)
            | Choice::Heal(..)
            | Choice::Release(..)
            | Choice::Resume(..) => return None,
        })
    }
}

impl<P: Protocol> World<P> {
    /// Performs a choice within a scope: like [`World::apply`] at the scope's own time, and counts what it uses.
    ///
    /// # Errors
    /// The violation, if a promise is broken.
    pub fn apply_in(
        &mut self,
        scope: &Scope<Req<P>>,
        choice: &ChoiceOf<P>,
        sink: &mut impl Sink<P>,
    ) -> Result<Applied, Violation> {
        let half_open = self.is_half_open(choice);
        let applied = self.apply(self.now.unwrap_or_default(), choice, Key::ANY, sink)?;
        if applied != Applied::Done {
            return Ok(applied);
        }
        if let Choice::Call(_, call, _) = choice {
            let client = usize::from(call.client.0);
            if self.spent.calls.len() <= client {
                self.spent.calls.resize(client + 1, 0);
            }
            self.spent.calls[client] += 1;
        }
        if let Some(what) = choice.resource()
            && scope.budget.of(what) != UNLIMITED
            && !half_open
        {
            self.spent.used[what as usize] += 1;
        }
        if scope.reductions.forget_stale {
            self.forget_stale();
        }
        Ok(applied)
    }

    /// Lists every choice that the scope leaves, in a fixed order, those that are no faults first.
    pub fn enabled(&self, scope: &Scope<Req<P>>, out: &mut Vec<ChoiceOf<P>>) -> Bound {
        out.clear();
        if scope.reductions.reads_at_once
            && let Some(bound) = self.urgent(scope, out)
        {
            return bound.and(self.crashes(scope, out));
        }
        let bound = self.ordinary(scope, out);
        self.faults(scope, out);
        bound.and(self.crashes(scope, out))
    }

    pub(super) fn left(&self, scope: &Scope<Req<P>>, what: Resource) -> bool {
        let limit = scope.budget.of(what);
        limit == UNLIMITED || self.spent.of(what) < limit
    }

    /// The outcomes of the first pending operation that leaves no un-synced state; none if there is no such one.
    fn urgent(&self, scope: &Scope<Req<P>>, out: &mut Vec<ChoiceOf<P>>) -> Option<Bound> {
        self.hosts().filter(|(_, host)| host.runs()).find_map(|(node, host)| {
            let harmless = |what: &DiskOp| matches!(what, DiskOp::Read { .. } | DiskOp::List(_));
            let mut pending = host.disk.pending();
            let (op, _) = pending.find(|(op, what)| harmless(what) && host.disk.can_start(*op))?;
            Some(self.outcomes(scope, node, op, out))
        })
    }

    fn outcomes(
        &self,
        scope: &Scope<Req<P>>,
        node: NodeId,
        op: onceward_core::OpId,
        out: &mut Vec<ChoiceOf<P>>,
    ) -> Bound {
        let faults = if self.left(scope, Resource::DiskFault) { &scope.disk } else { &Faults::NONE };
        let mut outcomes = Vec::new();
        let whole = self.host(node).disk.outcomes(op, faults, &mut outcomes);
        out.extend(outcomes.into_iter().map(|outcome| Choice::Disk(node, op, outcome)));
        Bound::of(whole, "more ways for a read to find undecided sectors than are listed")
    }

    fn ordinary(&self, scope: &Scope<Req<P>>, out: &mut Vec<ChoiceOf<P>>) -> Bound {
        let mut bound = Bound::Complete;
        for (client, script) in scope.scripts.iter().enumerate() {
            let (id, made) = (ClientId(client as u16), self.spent.calls(client));
            let waits = self.calls.iter().any(|(call, _)| call.client == id);
            if let Some((node, request)) = script.get(usize::from(made)).filter(|_| !waits)
                && self.host(*node).runs()
            {
                let call = CallId { client: id, number: u64::from(made) };
                out.push(Choice::Call(*node, call, request.clone()));
            }
        }
        for (node, host) in self.hosts() {
            if host.node.is_none() {
                if self.left(scope, Resource::Boot) {
                    out.extend((0..scope.configs.max(1)).map(|config| Choice::Boot(node, config)));
                }
                continue;
            }
            if host.paused {
                out.push(Choice::Resume(node));
                continue;
            }
            for op in host.ops() {
                bound = bound.and(self.outcomes(scope, node, op, out));
            }
            if self.left(scope, Resource::Fire) {
                let due = host.timers().iter().filter(|armed| self.is_due(node, armed));
                out.extend(due.map(|armed| Choice::Fire(node, armed.timer)));
            }
        }
        let mut last = None;
        for (from, to, message) in self.net.bag() {
            let again = last.replace((from, to, message)) == Some((from, to, message));
            if !again && !self.net.link(from, to).held && !self.host(to).paused {
                out.push(Choice::Deliver(from, to, message.clone()));
            }
        }
        for (&id, conn) in self.net.conns() {
            for side in [Side::Acceptor, Side::Initiator] {
                let (from, to) = match side {
                    Side::Initiator => (conn.acceptor, id.initiator),
                    Side::Acceptor => (id.initiator, conn.acceptor),
                };
                let link = self.net.link(from, to);
                if !conn.queue(side).is_empty() && !link.cut && !link.held && !self.host(to).paused {
                    out.push(Choice::Advance(id, side));
                }
                let broken = Choice::Break(id, side);
                if self.is_half_open(&broken) && self.host(to).runs() {
                    out.push(broken);
                }
            }
        }
        for (from, to, link) in self.net.links() {
            if link.cut {
                out.push(Choice::Heal(from, to));
            }
            if link.held {
                out.push(Choice::Release(from, to));
            }
        }
        bound
    }

    fn faults(&self, scope: &Scope<Req<P>>, out: &mut Vec<ChoiceOf<P>>) {
        let mut last = None;
        for (from, to, message) in self.net.bag().filter(|sent| last.replace(*sent) != Some(*sent)) {
            if self.left(scope, Resource::Drop) {
                out.push(Choice::Drop(from, to, message.clone()));
            }
            if self.left(scope, Resource::Duplicate) {
                out.push(Choice::Duplicate(from, to, message.clone()));
            }
            if self.left(scope, Resource::Corrupt) {
                out.push(Choice::Corrupt(from, to, message.clone()));
            }
        }
        if self.left(scope, Resource::Replay) {
            let mut past: Vec<_> = self.net.past().collect();
            past.sort();
            past.dedup();
            out.extend(past.into_iter().map(|(from, to, m)| Choice::Replay(*from, *to, m.clone())));
        }
        if self.left(scope, Resource::Break) {
            for (&id, conn) in self.net.conns() {
                for side in [Side::Initiator, Side::Acceptor] {
                    let broken = Choice::Break(id, side);
                    let node = if side == Side::Initiator { id.initiator } else { conn.acceptor };
                    let open = conn.end(side) != End::Gone && self.host(node).runs();
                    if open && !self.is_half_open(&broken) {
                        out.push(broken);
                    }
                }
            }
        }
        let nodes = self.hosts.len() as u16;
        for (from, to) in (0..nodes).flat_map(|a| (0..nodes).map(move |b| (NodeId(a), NodeId(b)))) {
            let link = self.net.link(from, to);
            if from != to && self.left(scope, Resource::Cut) && !link.cut {
                out.push(Choice::Cut(from, to));
            }
            if from != to && self.left(scope, Resource::Hold) && !link.held {
                out.push(Choice::Hold(from, to));
            }
        }
        for (node, host) in self.hosts() {
            if host.runs() && self.left(scope, Resource::Pause) {
                out.push(Choice::Pause(node));
            }
            if host.node.is_none() && self.left(scope, Resource::Wipe) {
                out.push(Choice::Wipe(node));
            }
            if self.left(scope, Resource::Clock) {
                out.extend(scope.clocks.iter().map(|change| Choice::Clock(node, *change)));
            }
        }
    }

    fn crashes(&self, scope: &Scope<Req<P>>, out: &mut Vec<ChoiceOf<P>>) -> Bound {
        let mut bound = Bound::Complete;
        for (node, host) in self.hosts() {
            if host.node.is_some() && self.left(scope, Resource::Kill) {
                let (kills, whole) = host.disk.kills(scope.image_cap);
                let why = "more ways for a killed process's operations to land than the cap allows";
                bound = bound.and(Bound::of(whole, why));
                out.extend(kills.into_iter().map(|(landed, _)| Choice::Kill(node, landed)));
            }
            if host.node.is_some() && host.cut_short.is_none() && self.left(scope, Resource::KillWithin) {
                out.extend((0..CUT_POINTS).map(|n| Choice::KillWithin(node, n)));
            }
            if host.powered && self.left(scope, Resource::PowerLoss) {
                let (images, whole) = host.disk.power_losses(scope.reductions.lazy_fates, scope.image_cap);
                bound = bound.and(Bound::of(whole, "more images after a power loss than the cap allows"));
                out.extend(images.into_iter().map(|(fates, _)| Choice::PowerLoss(node, fates)));
            }
        }
        bound
    }

    /// Whether a choice is something that goes wrong in this state, rather than something that happens anyway: like
    /// [`Choice::is_fault`], and knows that a connection to a dead peer breaks by itself.
    pub fn is_fault(&self, choice: &ChoiceOf<P>) -> bool {
        choice.is_fault() && !self.is_half_open(choice)
    }

    /// Whether the budgets keep back something that would happen anyway: what cannot be reached from here might be
    /// reached beyond the bounds.
    pub fn is_at_bound(&self, scope: &Scope<Req<P>>) -> bool {
        let fires = !self.left(scope, Resource::Fire);
        let boots = !self.left(scope, Resource::Boot);
        (self.now.is_some() && !self.left(scope, Resource::Tick))
            || self.hosts().any(|(_, host)| {
                (boots && host.node.is_none()) || (fires && host.runs() && !host.timers().is_empty())
            })
    }

    /// Whether a break is what the operating system does anyway to a connection whose other end is gone.
    fn is_half_open(&self, choice: &ChoiceOf<P>) -> bool {
        let Choice::Break(id, side) = choice else { return false };
        let Some(conn) = self.net.conn(*id) else { return false };
        let (ours, theirs) = (conn.end(*side), conn.end(side.other()));
        let waits = *side == Side::Initiator && conn.awaits_acceptor();
        ours != End::Gone && theirs == End::Gone && conn.queue(*side).is_empty() && !waits
    }

    /// Removes messages that their receivers ignore for ever.
    pub fn forget_stale(&mut self) {
        for n in 0..self.hosts.len() {
            let World { protocol, hosts, net, .. } = self;
            if let Some(node) = &hosts[n].node {
                net.forget(NodeId(n as u16), |from, message| protocol.ignores_forever(node, from, message));
            }
        }
    }
}

/// How many places to cut a step short the choices of a bounded scope distinguish: before its first action, and so on.
/// Whoever explores steps with more actions than this must not claim to have seen them all.
pub const CUT_POINTS: u16 = 4;
