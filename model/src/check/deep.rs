//! The fast way through a scope: a depth-first search that keeps nothing but numbers of what it has seen, and works out
//! afterwards what a breadth-first search would have found. Successors are expanded while their parent is still in the
//! processor's caches, which makes it two to three times as fast as going level by level. It decides nothing that
//! the judge ([`explorer`](super::explorer)) would decide otherwise: where a promise is broken, a limit is reached or
//! something was left out, it gives up, and the judge begins anew.
//!
//! Invariant: what it says of an exhausted scope (counts, depth, marks and their shortest witnesses) does not depend
//! on the order of its own search: shortest paths are taken over the finished graph, in the order of the moves.

use super::{
    fingerprint::fingerprint,
    moves::{Graph, Next, Watch},
    path::Parents,
    table::Visited,
};
use crate::world::{Bound, CUT_POINTS, Protocol, Resource, World};
use std::{collections::BTreeMap, sync::Arc};

/// A move that leads nowhere.
const NOWHERE: u32 = u32::MAX;

/// An exhausted scope in which every promise holds.
pub(super) struct Whole {
    pub(super) unique: u64,
    pub(super) generated: u64,
    /// Length of the longest shortest path.
    pub(super) depth: u32,
    /// The most states waiting at once.
    pub(super) peak: usize,
    /// Bytes of all tables.
    pub(super) bytes: usize,
    /// In breadth-first order.
    pub(super) parents: Parents,
    /// The first state, in that order, with a move that reaches each mark, and which move.
    pub(super) marks: BTreeMap<&'static str, (u32, u32)>,
}

/// The explored graph, states by number in order of discovery.
#[derive(Default)]
struct Seen {
    /// Per state, where its moves begin in `targets`.
    begins: Vec<u64>,
    /// Per state, how many moves it has.
    counts: Vec<u32>,
    /// Per move of a state, in order, where it leads.
    targets: Vec<u32>,
    /// Per state, which marks its moves reach: a bit each.
    marks: Vec<u64>,
    names: Vec<&'static str>,
}

/// Explores a scope of at most `limit` states. `None`: not a whole scope in which all promises hold.
pub(super) fn search<P: Protocol>(protocol: &Arc<P>, graph: &Graph<'_, P>, limit: u64) -> Option<Whole> {
    let mut watch = Watch::default();
    let (seen, table, peak, generated) = walk(protocol, graph, limit, &mut watch)?;
    let cuts = graph.scope.budget.of(Resource::KillWithin) > 0;
    if cuts && watch.most_actions > usize::from(CUT_POINTS) {
        return None;
    }
    let (parents, order, depth) = seen.breadth_first();
    let bytes = table + seen.bytes() + parents.bytes() + order.len() * 4;
    let marks = witnesses(protocol, graph, &seen, &order, &parents)?;
    Some(Whole { unique: order.len() as u64, generated, depth, peak, bytes, parents, marks })
}

/// The search itself: the graph, bytes of the table of visited states, most states waiting, states generated.
fn walk<P: Protocol>(
    protocol: &Arc<P>,
    graph: &Graph<'_, P>,
    limit: u64,
    watch: &mut Watch,
) -> Option<(Seen, usize, usize, u64)> {
    let world = World::start(Arc::clone(protocol), graph.scope);
    world.check().ok()?;
    let (mut seen, mut visited) = (Seen::default(), Visited::new());
    visited.insert(fingerprint(&world), 0);
    seen.found();
    let (mut generated, mut peak) = (1, 1);
    let (mut choices, mut moves) = (Vec::new(), Vec::new());
    let mut waiting = vec![(0u32, world)];
    while let Some((number, world)) = waiting.pop() {
        if graph.moves(&world, &mut choices, &mut moves) != Bound::Complete {
            return None;
        }
        seen.begins[number as usize] = seen.targets.len() as u64;
        seen.counts[number as usize] = moves.len() as u32;
        let mut world = Some(world);
        for (left, candidate) in (0..moves.len()).rev().zip(&moves) {
            let next = match (left, &world) {
                (1.., Some(world)) => graph.next(world, candidate, watch),
                _ => graph.last(world.take()?, candidate, watch),
            };
            for mark in watch.marks.drain(..) {
                seen.mark(number, mark)?;
            }
            let next = match next {
                Next::Nothing => {
                    seen.targets.push(NOWHERE);
                    continue;
                }
                Next::Broken(_) => return None,
                Next::State(next) => next,
            };
            generated += 1;
            let (fresh, print) = (visited.len() as u32, fingerprint(&next));
            if visited.insert(print, fresh) {
                if visited.len() as u64 >= limit || next.check().is_err() {
                    return None;
                }
                seen.found();
                seen.targets.push(fresh);
                waiting.push((fresh, next));
            } else {
                seen.targets.push(visited.get(print)?);
            }
        }
        peak = peak.max(waiting.len());
    }
    Some((seen, visited.bytes(), peak, generated))
}

impl Seen {
    /// The next number is a state.
    fn found(&mut self) {
        self.begins.push(0);
        self.counts.push(0);
        self.marks.push(0);
    }

    /// A move of a state reaches a mark. `None`: there are more marks than bits.
    fn mark(&mut self, number: u32, mark: &'static str) -> Option<()> {
        let known = self.names.iter().position(|name| *name == mark);
        let bit = known.unwrap_or_else(|| {
            self.names.push(mark);
            self.names.len() - 1
        });
        self.marks[number as usize] |= 1u64.checked_shl(bit as u32)?;
        Some(())
    }

    fn bytes(&self) -> usize {
        let words = self.begins.capacity() + self.marks.capacity();
        words * 8 + (self.counts.capacity() + self.targets.capacity()) * 4
    }

    /// Shortest paths: each state's parent and move by its number in breadth-first order, the states in that order,
    /// and the longest of the paths.
    fn breadth_first(&self) -> (Parents, Vec<u32>, u32) {
        let mut known = vec![false; self.begins.len()];
        known[0] = true;
        let (mut parents, mut order) = (Parents::default(), vec![0u32]);
        parents.push(0, 0);
        let (mut depth, mut level, mut at) = (0, 1, 0);
        while at < order.len() {
            if at == level {
                (depth, level) = (depth + 1, order.len());
            }
            let state = order[at] as usize;
            let moves = self.targets[self.begins[state] as usize..].iter().take(self.counts[state] as usize);
            for (step, target) in (0u32..).zip(moves) {
                if *target != NOWHERE && !std::mem::replace(&mut known[*target as usize], true) {
                    parents.push(at as u32, step);
                    order.push(*target);
                }
            }
            at += 1;
        }
        (parents, order, depth)
    }
}

/// For each mark the first state in breadth-first order that reaches it by a move, and that move.
fn witnesses<P: Protocol>(
    protocol: &Arc<P>,
    graph: &Graph<'_, P>,
    seen: &Seen,
    order: &[u32],
    parents: &Parents,
) -> Option<BTreeMap<&'static str, (u32, u32)>> {
    let mut found = BTreeMap::new();
    let mut wanted = (0..seen.names.len()).fold(0u64, |all, bit| all | 1 << bit);
    for (number, state) in (0u32..).zip(order) {
        let mut here = seen.marks[*state as usize] & wanted;
        if here == 0 {
            continue;
        }
        wanted &= !here;
        let world = parents.world_at(protocol, graph, number);
        let (mut choices, mut moves, mut watch) = (Vec::new(), Vec::new(), Watch::default());
        let _ = graph.moves(&world, &mut choices, &mut moves);
        for (step, candidate) in (0u32..).zip(&moves) {
            let _ = graph.next(&world, candidate, &mut watch);
            for mark in watch.marks.drain(..) {
                let bit = seen.names.iter().position(|name| *name == mark)?;
                if here & 1 << bit != 0 {
                    here &= !(1 << bit);
                    found.insert(mark, (number, step));
                }
            }
        }
    }
    Some(found)
}
