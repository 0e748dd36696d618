//! A run of the shell engine: the loop engine's bookkeeping, with nodes that run by themselves between two events. This
//! module mirrors in madsim what the world decides (who runs, who is paused), carries inputs to the nodes, and performs
//! in the world what they tell. It judges the driver by its [contract](super::contract) and nothing else.

use super::{
    client,
    contract::{ANSWERS_CALLERS, Contract, PROMISES},
    env::{Env, Room, Told, What},
    node, root,
};
use crate::{
    engine::{
        ACCEPTS_WORK, Engine, Finished, Limits, NOISE, NoTicker, PROBE_GAP, ROUNDS, Recorder, Run, SETTLES,
        Stop, Watch, draw, linger, open_call, root as common,
    },
    plan::Rooted,
    run::{NEVER_PANICS, panics},
};
use madsim::{
    runtime::{Handle, NodeHandle, Runtime},
    time::Sleep,
};
use onceward::driver::{call::Lost, engine::Waiting};
use onceward_core::{Action, CallId, Clock, ConnId, Dur, Input, NodeAction, NodeId, NodeInput};
use onceward_model::{
    scenario::Planned,
    world::{Choice, Key, Landed, Protocol, Resp, Seen, Time, Violation},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    pin::Pin,
    sync::Arc,
};

/// What madsim knows of a node.
struct Mirror<P: Protocol> {
    handle: NodeHandle,
    runs: bool,
    paused: bool,
    contract: Contract<P::Node>,
    /// When the last step was, on the node's clocks.
    clock: Clock,
    /// Calls that the machine has answered, in that order, and whose callers have not been seen to have the answer.
    answered: VecDeque<CallId>,
    /// Answers that callers have, and that the machine gave after others which are still on their way.
    early: BTreeMap<CallId, Resp<P>>,
    /// Connections that others have opened, and of which the machine was not told yet. A process that starts again uses its
    /// numbers again: what this machine says on one of them is said on that of the process before, which is gone.
    accepted: Vec<ConnId>,
}

struct Shell<'a, P: Protocol, W> {
    run: Run<'a, P, W, NoTicker>,
    env: Arc<Env<P>>,
    madsim: Handle,
    nodes: Vec<Mirror<P>>,
    clients: NodeHandle,
    sleep: Pin<Box<Sleep>>,
    deeds: u64,
    /// Calls that no machine has seen.
    unseen: BTreeSet<CallId>,
    /// The first panic of a machine.
    panic: Option<Violation>,
}

pub(super) fn run<P: Protocol, W: Watch<P>>(
    protocol: &Arc<P>,
    plan: &Rooted<'_, P>,
    limits: &Limits,
    watch: &mut W,
) -> Finished<P> {
    let runtime = Runtime::with_seed_and_config(plan.seed, madsim::Config::default());
    runtime.block_on(async {
        let (mut engine, mut ticker) = (Engine::new(), NoTicker);
        let run = Run::new(&mut engine, protocol, plan, limits, watch, &mut ticker, true);
        let mut shell = Shell::new(run, protocol, plan);
        let violation = match shell.whole(plan).await {
            Ok(()) | Err(Stop::Enough) => None,
            Err(Stop::Broken(violation)) => Some(*violation),
        };
        let violation = shell.gravest(violation);
        // Whatever still runs would outlive the runtime otherwise.
        shell.nodes.iter().for_each(|node| shell.madsim.kill(node.handle.id()));
        shell.madsim.kill(shell.clients.id());
        shell.env.nap(&mut shell.sleep, shell.env.now().after(Dur::micros(1))).await;
        shell.snapshot();
        shell.run.finished(violation)
    })
}

impl<'a, P: Protocol, W: Watch<P>> Shell<'a, P, W> {
    /// What a run is reported for. After a panic of a machine it goes on, to see what the driver makes of that: unless
    /// the driver broke its own promises then, the panic is what is wrong.
    fn gravest(&mut self, violation: Option<Violation>) -> Option<Violation> {
        let own = |violation: &Violation| PROMISES.iter().any(|promise| promise.id == violation.promise);
        match violation {
            Some(violation) if own(&violation) => Some(violation),
            other => self.panic.take().or(other),
        }
    }

    fn new(run: Run<'a, P, W, NoTicker>, protocol: &Arc<P>, plan: &Rooted<'_, P>) -> Shell<'a, P, W> {
        let (madsim, env) = (Handle::current(), Arc::new(Env::new(plan.seed, protocol.nodes())));
        // Where nothing is left to chance, nobody waits for a turn.
        let hurried = plan.scenario.profile.is_certain();
        let mirror = |n| {
            let (env, protocol) = (env.clone(), protocol.clone());
            let name = protocol.node_name(NodeId(n));
            let start = move || {
                let (env, protocol) = (env.clone(), protocol.clone());
                async move {
                    // A node is made before it is started.
                    if env.room(NodeId(n), |room| room.process) > 0 {
                        if protocol.is_client(NodeId(n)) {
                            client::live(env, protocol, NodeId(n), hurried).await;
                        } else {
                            node::live(env, protocol, NodeId(n), hurried).await;
                        }
                    }
                }
            };
            let handle = madsim.create_node().name(name).init(start).build();
            Mirror {
                handle,
                runs: false,
                paused: false,
                contract: Contract::new(),
                clock: Clock::default(),
                answered: VecDeque::new(),
                early: BTreeMap::new(),
                accepted: Vec::new(),
            }
        };
        let nodes = (0..protocol.nodes()).map(mirror).collect();
        let clients = madsim.create_node().name("clients").build();
        let sleep = env.sleep();
        Shell { run, env, madsim, nodes, clients, sleep, deeds: 0, unseen: BTreeSet::new(), panic: None }
    }

    async fn whole(&mut self, plan: &Rooted<'_, P>) -> Result<(), Stop> {
        for n in 0..self.run.world.protocol().nodes() {
            let key = Key::root(self.run.seed, common::BOOT + u64::from(n));
            self.run.perform(key, &Choice::Boot(NodeId(n), 0))?;
        }
        self.mirror();
        for (entry, key) in plan.entries() {
            self.until(entry.at).await?;
            match &entry.what {
                Planned::Do(choice) => self.run.planned(key, choice)?,
                Planned::Next(node, kind, outcome) => self.run.next.push((*node, *kind, outcome.clone())),
                // Refused before the run.
                Planned::Step(_) => {}
            }
            self.mirror();
        }
        if self.run.limits.healing {
            // At least long enough for machines to take what they were given last.
            let linger = linger(plan.scenario).max(Dur::millis(1));
            self.until(self.run.now.after(linger)).await?;
        }
        self.snapshot();
        self.run.world.check()?;
        if !self.run.limits.healing {
            return Ok(());
        }
        self.run.healed_at = self.run.now;
        self.heal().await
    }

    async fn heal(&mut self) -> Result<(), Stop> {
        let silence = self.run.profile.silence;
        self.run.end_faults()?;
        self.mirror();
        if !self.settle(true).await? {
            return Err(self.unsettled(SETTLES).into());
        }
        self.silence(silence).await?;
        let mut asked = 0;
        for round in 0..ROUNDS {
            let protocol = self.run.world.protocol().clone();
            let probes = protocol.probes(self.run.world.ghost(), round);
            if probes.is_empty() {
                break;
            }
            for (node, call, request) in probes {
                self.until(self.run.now.after(PROBE_GAP)).await?;
                let key = Key::root(self.run.seed, common::PROBE + asked);
                asked += 1;
                self.run.planned(key, &Choice::Call(node, call, request))?;
                self.mirror();
            }
            if !self.settle(false).await? {
                return Err(self.unsettled(ACCEPTS_WORK).into());
            }
        }
        if !self.settle(true).await? {
            return Err(self.unsettled(SETTLES).into());
        }
        self.snapshot();
        self.at_rest()?;
        self.run.world.check()?;
        let protocol = self.run.world.protocol().clone();
        protocol.healed(self.run.world.ghost())?;
        Ok(())
    }

    /// What drivers have left undone although they had all the time they wanted.
    fn at_rest(&self) -> Result<(), Violation> {
        let now = Seen { step: self.run.world.steps(), at: self.run.now };
        let running = self.nodes.iter().enumerate().filter(|(_, node)| node.runs);
        running
            .into_iter()
            .try_for_each(|(n, node)| node.contract.at_rest(now, self.env.clock(NodeId(n as u16)).mono))
    }

    /// What is still open: the driver's fault, if a machine was never given a call that the driver has.
    fn unsettled(&self, promise: &'static str) -> Violation {
        if let Err(violation) = self.at_rest() {
            return violation;
        }
        let now = Seen { step: self.run.world.steps(), at: self.run.now };
        let calls = self.run.world.calls();
        match calls.iter().find(|(call, _)| self.unseen.contains(call)) {
            Some((call, node)) => {
                Violation::new(ANSWERS_CALLERS, "a call was never given to the machine, nor answered")
                    .at(now, open_call(&**self.run.world.protocol(), *call, *node))
            }
            None => self.run.unsettled(promise),
        }
    }

    /// Lets things happen until nothing is open any more; see the loop engine's method of that name.
    async fn settle(&mut self, all: bool) -> Result<bool, Stop> {
        let end = self.run.now.after(self.run.limits.settle);
        let (mut since, mut wait) = (0u32, 1u32);
        loop {
            self.gather()?;
            since += 1;
            let over = self.run.now >= end || self.run.events >= self.run.limits.events;
            let next = self.run.engine.queue.next_at();
            // Asking may be dear: ask again after twice as many steps, or before a long wait.
            if since >= wait || over || next.is_none() || !all {
                self.snapshot();
                // A machine that has not begun yet looks like one that has nothing to do.
                let begun = self.nodes.iter().all(|node| !node.runs || node.contract.has_booted());
                if begun
                    && self.run.is_up()
                    && self.run.world.calls().is_empty()
                    && (!all || self.run.world.settled())
                {
                    return Ok(true);
                }
                (since, wait) = (0, (wait * 2).min(256));
            }
            if over {
                return Ok(false);
            }
            if self.run.revive()? {
                self.mirror();
                continue;
            }
            self.up_to_one(next.unwrap_or(end).min(end)).await?;
        }
    }

    /// Lets time pass in which nobody asks for anything; see the loop engine's method of that name.
    async fn silence(&mut self, span: Dur) -> Result<(), Stop> {
        let (end, most) = (self.run.now.after(span), self.run.events + NOISE);
        while self.run.now < end && self.run.events < most {
            self.gather()?;
            let next = self.run.engine.queue.next_at().unwrap_or(end);
            self.up_to_one(next.min(end)).await?;
        }
        Ok(())
    }

    /// Everything that is due before `end`, and all that the nodes make of it.
    async fn until(&mut self, end: Time) -> Result<(), Stop> {
        loop {
            self.gather()?;
            let next = self.run.engine.queue.next_at().filter(|at| *at < end);
            if next.is_none() && self.env.now() >= end {
                self.run.go_to(self.env.now());
                return Ok(());
            }
            self.up_to_one(next.unwrap_or(end)).await?;
        }
    }

    /// Waits until `at` or until a node tells something. In the first case what is due then happens.
    async fn up_to_one(&mut self, at: Time) -> Result<(), Stop> {
        if self.env.now() < at {
            self.env.until_told(&mut self.sleep, at).await;
        }
        let now = self.env.now();
        self.run.go_to(now);
        if now >= at
            && self.run.engine.queue.next_at().is_some_and(|due| due <= now)
            && let Some((_, waiting)) = self.run.engine.queue.pop()
        {
            // What nodes did before this comes first.
            self.gather()?;
            self.run.happen(waiting)?;
            self.mirror();
        }
        Ok(())
    }

    /// Puts copies of the machines where they can be judged.
    fn snapshot(&mut self) {
        for n in 0..self.nodes.len() {
            let node = NodeId(n as u16);
            if let Some(pane) = self.env.room(node, |room| room.machine.clone()) {
                self.run.world.place(node, pane.copy());
            }
        }
    }

    /// Has madsim's nodes do as the world says, and gives them what they are to be given.
    fn mirror(&mut self) {
        for n in 0..self.nodes.len() {
            let (node, id) = (NodeId(n as u16), self.nodes[n].handle.id());
            if self.nodes[n].runs && self.run.world.host(node).node.is_none() {
                self.madsim.kill(id);
                self.env.room(node, Room::vacate);
                self.nodes[n].runs = false;
            }
        }
        for (node, input) in self.run.world.inputs() {
            match input {
                Input::Boot => self.start(node),
                other => self.give(node, other),
            }
        }
        for (n, mirror) in self.nodes.iter_mut().enumerate() {
            let (node, id) = (NodeId(n as u16), mirror.handle.id());
            let host = self.run.world.host(node);
            if mirror.paused != host.paused {
                mirror.paused = host.paused;
                if host.paused { self.madsim.pause(id) } else { self.madsim.resume(id) }
            }
            self.env.room(node, |room| {
                if room.clocks != host.clocks {
                    (room.clocks, room.nudged) = (host.clocks, true);
                    room.wake();
                }
            });
        }
    }

    /// Starts a process; one that ran until now was killed a moment ago.
    fn start(&mut self, node: NodeId) {
        let client = self.run.world.protocol().is_client(node);
        let mirror = &mut self.nodes[usize::from(node.0)];
        let host = self.run.world.host(node);
        self.env.room(node, |room| {
            room.vacate();
            (room.process, room.config, room.clocks) = (room.process + 1, host.config, host.clocks);
        });
        let contract = if client { Contract::of_client() } else { Contract::new() };
        (mirror.contract, mirror.runs, mirror.paused) = (contract, true, false);
        mirror.answered.clear();
        mirror.early.clear();
        mirror.accepted.clear();
        // A restart alone leaves what simulators know of the node.
        self.madsim.kill(mirror.handle.id());
        self.madsim.restart(mirror.handle.id());
    }

    fn give(&mut self, node: NodeId, input: NodeInput<P::Node>) {
        self.env.room(node, |room| {
            match input {
                Input::Disk(id, result) => room.completed.push_back((id, result)),
                Input::Call(call, request) => {
                    self.unseen.insert(call);
                    let (waiting, answer) = Waiting::new(call, request);
                    let (env, who) = (self.env.clone(), (node, room.process));
                    room.calls.push(waiting);
                    drop(self.clients.spawn(async move {
                        let answer = answer.await;
                        env.tell(who, What::Answered(call, answer));
                    }));
                }
                other => {
                    let mirror = &mut self.nodes[usize::from(node.0)];
                    if let Input::Accepted(conn) = other {
                        mirror.accepted.push(conn);
                    }
                    mirror.contract.arrived(self.run.now, &other);
                    room.inputs.push_back(other);
                }
            }
            room.wake();
        });
    }

    /// Performs in the world what nodes have told since.
    fn gather(&mut self) -> Result<(), Stop> {
        let now = self.env.now();
        self.run.go_to(now);
        let mut told = VecDeque::from(self.env.told());
        while let Some(Told { who: (node, process), what }) = told.pop_front() {
            let current = self.env.room(node, |room| room.process) == process;
            let runs = self.run.world.host(node).node.is_some();
            let answer = matches!(what, What::Answered(..));
            // A process that has ended since has done nothing more; an answer may be on its way.
            if answer || (current && runs) {
                self.learn(node, what)?;
            }
        }
        Ok(())
    }

    fn learn(&mut self, node: NodeId, what: What<P>) -> Result<(), Stop> {
        let seen = Seen { step: self.run.world.steps(), at: self.run.now };
        let n = usize::from(node.0);
        match what {
            What::Saw(call) => drop(self.unseen.remove(&call)),
            What::Stepped { clock, input, actions } => {
                self.run.events += 1;
                self.nodes[n].contract.stepped(seen, clock, &input, &actions)?;
                self.nodes[n].clock = clock;
                if let Input::Accepted(conn) = &input
                    && let Some(at) = self.nodes[n].accepted.iter().position(|other| other == conn)
                {
                    self.nodes[n].accepted.swap_remove(at);
                }
                self.nodes[n].answered.extend(actions.iter().filter_map(|action| match action {
                    Action::Reply(call, _) => Some(*call),
                    _ => None,
                }));
                let mut recorder = Recorder { born: &mut self.run.engine.born, watch: &mut *self.run.watch };
                let cut = self.run.world.stepped(seen, (node, clock), &input, &actions, &mut recorder)?;
                self.run.plan_born();
                if let Some(performed) = cut {
                    self.cut_short(node, actions, performed)?;
                }
            }
            What::Did(action) => {
                self.nodes[n].contract.did(seen, &action)?;
                match &action {
                    Action::Write(conn, _) | Action::Close(conn) if self.nodes[n].accepted.contains(conn) => {
                    }
                    _ => self.act(node, action)?,
                }
            }
            What::Handed(completed) => self.nodes[n].contract.handed(&completed),
            What::Turned(turn) => self.nodes[n].contract.turned(seen, &turn)?,
            What::Abandoned => {
                self.nodes[n].contract = Contract::new();
                self.run.world.abandon(node, &Landed::Nothing);
            }
            What::Panicked => {
                let words = panics::last_words().unwrap_or_default();
                self.panic.get_or_insert(Violation::new(NEVER_PANICS, words));
            }
            What::Answered(call, answer) => {
                match answer {
                    // The process was gone before the answer had reached anybody: it was lost on its way.
                    _ if !self.waits(call) => {}
                    Ok(response) => {
                        let mirror = &mut self.nodes[n];
                        mirror.early.insert(call, response);
                        if !mirror.answered.contains(&call) {
                            mirror.answered.push_back(call);
                        }
                        self.deliver(node)?;
                    }
                    Err(Lost::Failed) if self.unseen.contains(&call) => {
                        let what = "a call that no machine had seen was given up";
                        return Err(Violation::new(ANSWERS_CALLERS, what)
                            .at(seen, format!("{call:?}"))
                            .into());
                    }
                    // After too many panics a node is stopped for good.
                    Err(lost) if lost.outcome_unknown() || self.panic.is_some() => {
                        self.run.world.lose(self.run.now, call)?;
                        self.deliver(node)?;
                    }
                    Err(lost) => {
                        let what = format!("a call was refused by the driver: {lost}");
                        return Err(Violation::new(ANSWERS_CALLERS, what)
                            .at(seen, format!("{call:?}"))
                            .into());
                    }
                }
            }
        }
        Ok(())
    }

    fn waits(&self, call: CallId) -> bool {
        self.run.world.calls().iter().any(|(other, _)| *other == call)
    }

    /// Answers count in the order in which the machine gave them: which of several callers runs first, once their answers
    /// are there, says nothing about the machine.
    fn deliver(&mut self, node: NodeId) -> Result<(), Stop> {
        let n = usize::from(node.0);
        while let Some(call) = self.nodes[n].answered.front().copied() {
            let waits = self.waits(call);
            let answer = self.nodes[n].early.remove(&call);
            if waits && answer.is_none() {
                break;
            }
            self.nodes[n].answered.pop_front();
            if let Some(response) = answer.filter(|_| waits) {
                self.act(node, Action::Reply(call, response))?;
            }
        }
        Ok(())
    }

    fn act(&mut self, node: NodeId, action: NodeAction<P::Node>) -> Result<(), Stop> {
        self.deeds += 1;
        let key = Key::root(self.run.seed, root::DEED + self.deeds);
        let clock = self.nodes[usize::from(node.0)].clock;
        let mut recorder = Recorder { born: &mut self.run.engine.born, watch: &mut *self.run.watch };
        if let Err(violation) = self.run.world.act(self.run.now, (node, clock), action, key, &mut recorder) {
            self.run.watch.broke();
            return Err(violation.into());
        }
        self.run.plan_born();
        Ok(())
    }

    /// A step ends half-way, and its process with it.
    fn cut_short(
        &mut self,
        node: NodeId,
        actions: Vec<NodeAction<P::Node>>,
        performed: usize,
    ) -> Result<(), Stop> {
        // A client's words wait for the network, and die with it.
        let client = self.nodes[usize::from(node.0)].contract.is_client();
        let performs = |action: &NodeAction<P::Node>| {
            !client || !matches!(action, Action::Connect(..) | Action::Write(..) | Action::Close(_))
        };
        for action in actions.into_iter().take(performed).filter(performs) {
            self.act(node, action)?;
        }
        let key = Key::root(self.run.seed, root::CUT + self.deeds);
        self.run.perform(key, &Choice::Kill(node, Landed::Nothing))?;
        self.mirror();
        if self.run.profile.kill_within > 0 {
            // Where chance kills, nobody plans a start.
            let config = self.run.world.host(node).config;
            self.run.push_after(draw::down_for(key), key.child(0), Choice::Boot(node, config));
        }
        Ok(())
    }
}
