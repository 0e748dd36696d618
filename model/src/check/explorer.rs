//! The judge: a level-synchronous breadth-first search over a scope, after a faster one that can only say that all is
//! well ([`deep`]). Counterexamples and witnesses are shortest; the same scope gives the same result on any number of
//! threads; a run that any limit cut is [`Verdict::Bounded`], never a proof. Visited states are kept as 64-bit
//! fingerprints; live states only while they wait to be expanded.

use super::{
    CheckReport, Counterexample, Limits, Move, Path, Recovery, Verdict,
    deep::{self, Whole},
    fingerprint::fingerprint,
    moves::{Graph, Next, Watch},
    path::{Parents, tell},
    recover::{EDGE, GOAL, Recoveries},
    table::Visited,
};
use crate::world::{Bound, CUT_POINTS, ChoiceOf, Protocol, Req, Resource, Scope, Violation, World};
use std::{collections::BTreeMap, sync::Arc, time::Instant};

/// The id of the promise that the goal stays reachable.
pub const RECOVERABLE: &str = "recoverable";

/// States that are handed out at once.
const BLOCK: usize = 512;

/// What the expansion of states found, in order.
// Most of them are states, and they are used up at once: boxing would cost more than it saves.
#[allow(clippy::large_enum_variant)]
enum Found<P: Protocol> {
    State {
        step: u32,
        print: u64,
        flags: u8,
        world: World<P>,
    },
    /// A move that happens of itself leads to this fingerprint.
    Recovers(u64),
    Mark {
        step: u32,
        mark: &'static str,
    },
    Broken {
        step: u32,
        generated: u64,
        violation: Violation,
    },
    /// The next state is expanded.
    Expanded {
        generated: u64,
    },
}

/// Reads what is known and expands states.
struct Worker<P: Protocol> {
    found: Vec<Found<P>>,
    choices: Vec<ChoiceOf<P>>,
    moves: Vec<Move<P>>,
    watch: Watch,
    /// States found since the explorer last took them over.
    fresh: Visited,
    cut: Option<&'static str>,
}

/// Why an exploration ends before everything is seen.
enum Stop {
    Bounded(String),
    Broken(u32, Option<u32>, Violation),
}

struct Explorer<'a, P: Protocol> {
    protocol: &'a Arc<P>,
    graph: Graph<'a, P>,
    limits: &'a Limits,
    visited: Visited,
    parents: Parents,
    recoveries: Option<Recoveries>,
    marks: BTreeMap<&'static str, (u32, u32)>,
    generated: u64,
    next: Vec<World<P>>,
    stop: Option<Stop>,
}

/// Explores a scope.
pub fn explore<P: Protocol>(protocol: &Arc<P>, scope: &Scope<Req<P>>, limits: &Limits) -> CheckReport<P> {
    let skip_no_ops = scope.reductions.no_op_deliveries && !limits.recovery;
    let graph = Graph { scope, skip_no_ops };
    let began = Instant::now();
    let free = limits.threads <= 1 && limits.depth == u32::MAX && limits.time.is_none() && !limits.recovery;
    if free && let Some(whole) = deep::search(protocol, &graph, limits.states.min(u64::from(u32::MAX))) {
        return whole.report(protocol, &graph, began);
    }
    let explorer = Explorer {
        protocol,
        graph,
        limits,
        visited: Visited::new(),
        parents: Parents::default(),
        recoveries: limits.recovery.then(Recoveries::default),
        marks: BTreeMap::new(),
        generated: 0,
        next: Vec::new(),
        stop: None,
    };
    explorer.run(began)
}

impl<P: Protocol> Explorer<'_, P> {
    fn run(mut self, began: Instant) -> CheckReport<P> {
        let mut workers: Vec<Worker<P>> = (0..self.limits.threads.max(1)).map(|_| Worker::new()).collect();
        self.first();
        let (mut depth, mut peak, mut number) = (0, 1, 0u32);
        while self.stop.is_none() && !self.next.is_empty() {
            if depth == self.limits.depth {
                self.stop = Some(Stop::Bounded(format!("the limit of {depth} steps was reached")));
                break;
            }
            let level = std::mem::take(&mut self.next);
            let mut waiting = level.len();
            let mut level = level.into_iter();
            while waiting > 0 && self.stop.is_none() {
                let block: Vec<World<P>> = level.by_ref().take(BLOCK).collect();
                waiting -= block.len();
                self.expand(&block, &mut number, &mut workers);
                peak = peak.max(waiting + block.len() + self.next.len());
                if self.stop.is_none() && self.limits.time.is_some_and(|limit| began.elapsed() > limit) {
                    self.stop = Some(Stop::Bounded("the time was up".into()));
                }
            }
            depth += u32::from(!self.next.is_empty());
        }
        let stop = self.stop.take().or_else(|| self.shortcomings(&workers));
        let (stop, recovery) = self.recovery(stop);
        let verdict = match stop {
            None => Verdict::Exhausted,
            Some(Stop::Bounded(why)) => Verdict::Bounded(why),
            Some(Stop::Broken(state, step, violation)) => self.counterexample(state, step, violation),
        };
        if let Verdict::Violated(found) = &verdict {
            depth = found.path.moves.len() as u32;
        }
        let reached = witnesses(self.protocol, &self.graph, &self.parents, &self.marks);
        let edges = self.recoveries.as_ref().map_or(0, Recoveries::bytes);
        let unique = self.visited.len() as u64;
        CheckReport {
            name: String::new(),
            verdict,
            unique,
            generated: self.generated,
            depth,
            frontier_peak: peak as u64,
            table_bytes: (self.visited.bytes() + self.parents.bytes() + edges) as u64,
            resident: resident(),
            collision: collision(unique),
            recovery,
            reached,
            missing: Vec::new(),
            pinned: None,
            elapsed: began.elapsed(),
        }
    }

    fn first(&mut self) {
        let world = World::start(Arc::clone(self.protocol), self.graph.scope);
        self.visited.insert(fingerprint(&world), 0);
        self.parents.push(0, 0);
        self.generated = 1;
        if let Some(recoveries) = &mut self.recoveries {
            recoveries.flags.push(flags(&world, self.graph.scope));
        }
        if let Err(violation) = world.check() {
            self.stop = Some(Stop::Broken(0, None, violation));
        }
        self.next.push(world);
    }

    /// Expands a block of states, of which the first has this number.
    fn expand(&mut self, block: &[World<P>], number: &mut u32, workers: &mut [Worker<P>]) {
        let recovery = self.recoveries.is_some();
        if let [worker] = workers {
            for world in block {
                worker.expand(&self.graph, &self.visited, world, recovery, false);
                self.take_over(&mut worker.found, number);
                if self.stop.is_some() {
                    return;
                }
            }
            return;
        }
        let share = block.len().div_ceil(workers.len());
        let (graph, visited) = (&self.graph, &self.visited);
        std::thread::scope(|threads| {
            for (worker, part) in workers.iter_mut().zip(block.chunks(share)) {
                threads.spawn(move || {
                    worker.fresh.clear();
                    for world in part {
                        worker.expand(graph, visited, world, recovery, true);
                    }
                });
            }
        });
        for worker in workers {
            self.take_over(&mut worker.found, number);
        }
    }

    /// Takes over what was found, in the order in which one thread would have found it.
    fn take_over(&mut self, found: &mut Vec<Found<P>>, parent: &mut u32) {
        let mut all = found.drain(..);
        while let (None, Some(one)) = (&self.stop, all.next()) {
            match one {
                Found::State { step, print, flags, world } => {
                    let number = self.visited.len() as u32;
                    if !self.visited.insert(print, number) {
                        continue;
                    }
                    self.parents.push(*parent, step);
                    if let Some(recoveries) = &mut self.recoveries {
                        recoveries.flags.push(flags);
                    }
                    self.next.push(world);
                }
                Found::Recovers(print) => {
                    if let (Some(recoveries), Some(target)) = (&mut self.recoveries, self.visited.get(print))
                    {
                        recoveries.add(target);
                    }
                }
                Found::Mark { step, mark } => {
                    self.marks.entry(mark).or_insert((*parent, step));
                }
                Found::Broken { step, generated, violation } => {
                    self.generated += generated;
                    self.stop = Some(Stop::Broken(*parent, Some(step), violation));
                }
                Found::Expanded { generated } => {
                    self.generated += generated;
                    *parent += 1;
                    if let Some(recoveries) = &mut self.recoveries {
                        recoveries.end_state();
                    }
                    let limit = self.limits.states.min(u64::from(u32::MAX));
                    if self.visited.len() as u64 >= limit {
                        self.stop = Some(Stop::Bounded(format!("the limit of {limit} states was reached")));
                    }
                }
            }
        }
    }

    /// What the list of moves left out, if anything.
    fn shortcomings(&self, workers: &[Worker<P>]) -> Option<Stop> {
        let cuts = self.graph.scope.budget.of(Resource::KillWithin) > 0
            && workers.iter().any(|worker| worker.watch.most_actions > usize::from(CUT_POINTS));
        let why = workers
            .iter()
            .find_map(|worker| worker.cut)
            .or(cuts.then_some("a step had more actions than the places where one may be cut short"))?;
        Some(Stop::Bounded(why.into()))
    }

    fn recovery(&self, stop: Option<Stop>) -> (Option<Stop>, Option<Recovery>) {
        let Some(recoveries) = &self.recoveries else { return (stop, None) };
        if matches!(stop, Some(Stop::Broken(..))) {
            return (stop, None);
        }
        let closure = recoveries.close();
        let Some(stuck) = closure.stuck else {
            let recovery = Recovery { decided: closure.decided, undecided: closure.undecided };
            return (stop, Some(recovery));
        };
        let what = "from here the protocol never settles again by itself, whatever happens without faults";
        (Some(Stop::Broken(stuck, None, Violation::new(RECOVERABLE, what))), None)
    }

    fn counterexample(&self, state: u32, step: Option<u32>, violation: Violation) -> Verdict<P> {
        let moves = self.parents.moves_to(self.protocol, &self.graph, state, step);
        let (path, told) = tell(self.protocol, self.graph.scope, moves);
        // A replay has the evidence with true times.
        let same = told.filter(|told| told.promise == violation.promise);
        let replays = same.is_some() || violation.promise == RECOVERABLE;
        Verdict::Violated(Box::new(Counterexample { violation: same.unwrap_or(violation), path, replays }))
    }
}

impl<P: Protocol> Worker<P> {
    fn new() -> Worker<P> {
        Worker {
            found: Vec::new(),
            choices: Vec::new(),
            moves: Vec::new(),
            watch: Watch::default(),
            fresh: Visited::new(),
            cut: None,
        }
    }

    /// Expands one state. With `many`, others are expanded before the explorer takes over what was found.
    fn expand(
        &mut self,
        graph: &Graph<'_, P>,
        visited: &Visited,
        world: &World<P>,
        recovery: bool,
        many: bool,
    ) {
        if let Bound::Cut(why) = graph.moves(world, &mut self.choices, &mut self.moves) {
            self.cut = self.cut.or(Some(why));
        }
        let mut generated = 0;
        for (step, candidate) in (0u32..).zip(&self.moves) {
            let next = graph.next(world, candidate, &mut self.watch);
            self.found.extend(self.watch.marks.drain(..).map(|mark| Found::Mark { step, mark }));
            let next = match next {
                Next::Nothing => continue,
                Next::Broken(violation) => {
                    self.found.push(Found::Broken { step, generated: generated + 1, violation });
                    return;
                }
                Next::State(next) => next,
            };
            generated += 1;
            let print = fingerprint(&next);
            if visited.get(print).is_none() && (!many || self.fresh.insert(print, 0)) {
                if let Err(violation) = next.check() {
                    self.found.push(Found::Broken { step, generated, violation });
                    return;
                }
                let flags = if recovery { flags(&next, graph.scope) } else { 0 };
                self.found.push(Found::State { step, print, flags, world: next });
            }
            if recovery && graph.is_recovery(world, candidate) {
                self.found.push(Found::Recovers(print));
            }
        }
        self.found.push(Found::Expanded { generated });
    }
}

fn flags<P: Protocol>(world: &World<P>, scope: &Scope<Req<P>>) -> u8 {
    let goal = if world.settled() { GOAL } else { 0 };
    let edge = if world.is_at_bound(scope) { EDGE } else { 0 };
    goal | edge
}

impl Whole {
    fn report<P: Protocol>(self, protocol: &Arc<P>, graph: &Graph<'_, P>, began: Instant) -> CheckReport<P> {
        CheckReport {
            name: String::new(),
            verdict: Verdict::Exhausted,
            unique: self.unique,
            generated: self.generated,
            depth: self.depth,
            frontier_peak: self.peak as u64,
            table_bytes: self.bytes as u64,
            resident: resident(),
            collision: collision(self.unique),
            recovery: None,
            reached: witnesses(protocol, graph, &self.parents, &self.marks),
            missing: Vec::new(),
            pinned: None,
            elapsed: began.elapsed(),
        }
    }
}

/// A shortest path to each mark.
fn witnesses<P: Protocol>(
    protocol: &Arc<P>,
    graph: &Graph<'_, P>,
    parents: &Parents,
    marks: &BTreeMap<&'static str, (u32, u32)>,
) -> BTreeMap<&'static str, Path<P>> {
    let path = |state, step| {
        let moves = parents.moves_to(protocol, graph, state, Some(step));
        tell(protocol, graph.scope, moves).0
    };
    marks.iter().map(|(mark, (state, step))| (*mark, path(*state, *step))).collect()
}

/// The chance that two of so many states have one fingerprint.
fn collision(unique: u64) -> f64 {
    (unique as f64) * (unique as f64) / 2f64.powi(65)
}

/// The most memory that this process ever had.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
