//! What is new about a run: an abstract signature of what its machines did, cheap enough to be taken at every step. Two
//! steps in a row of one node, each reduced to the kinds of its input and of what it asked for, are a feature; so is a
//! fault that strikes behind a step while operations of some kinds are under way; so are two marks that one run reaches.
//! Numbers, ids, payloads and times are left out. Features share 2^16 places: two of them may be taken for one, which hides
//! novelty now and then and invents none. This module counts; whether a run is worth keeping is decided elsewhere.

use crate::{
    engine::{Marks, Watch},
    run::Glance,
};
use onceward_core::{Action, Clock, Input, NodeAction, NodeId, NodeInput};
use onceward_model::world::{Choice, ChoiceOf, Key, Protocol, Seen, Sink, When, World};
use std::{
    hash::{Hash, Hasher},
    mem::discriminant,
};

/// Places for features.
const PLACES: usize = 1 << 16;

/// A hash of a few small things, the same on every computer.
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }
    #[inline]
    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    #[inline]
    fn write_isize(&mut self, n: isize) {
        self.write_u64(n as u64);
    }
}

fn fold(one: u64, two: impl Hash) -> u64 {
    let mut fold = Fold(one);
    two.hash(&mut fold);
    fold.finish()
}

/// The features of one run.
pub(crate) struct Features {
    counts: Vec<u8>,
    touched: Vec<u16>,
    /// The last step of each node.
    last: Vec<u64>,
    /// The input of the step that is being taken.
    input: u64,
}

impl Features {
    pub(crate) fn new() -> Features {
        Features { counts: vec![0; PLACES], touched: Vec::new(), last: Vec::new(), input: 0 }
    }

    /// Forgets the run before.
    pub(crate) fn clear(&mut self) {
        self.touched.drain(..).for_each(|at| self.counts[usize::from(at)] = 0);
        self.last.clear();
        self.input = 0;
    }

    fn hit(&mut self, feature: u64) {
        let at = (feature % PLACES as u64) as u16;
        let count = &mut self.counts[usize::from(at)];
        if *count == 0 {
            self.touched.push(at);
        }
        *count = count.saturating_add(1);
    }

    fn last(&mut self, node: NodeId) -> &mut u64 {
        let at = usize::from(node.0);
        if self.last.len() <= at {
            self.last.resize(at + 1, 0);
        }
        &mut self.last[at]
    }

    fn marks(&mut self, marks: &Marks) {
        let marks = marks.sorted();
        for (n, (one, _)) in marks.iter().enumerate() {
            marks[n + 1..].iter().for_each(|(other, _)| self.hit(fold(fold(1, one), other)));
        }
    }
}

/// Which features were seen so far, and about how often in one run.
pub(crate) struct Known(Vec<u8>);

impl Known {
    pub(crate) fn new() -> Known {
        Known(vec![0; PLACES])
    }

    /// Adds those of a run; how many of them are new. How often one run has a feature counts by magnitude alone.
    pub(crate) fn learn(&mut self, features: &mut Features, marks: &Marks) -> u32 {
        features.marks(marks);
        let mut new = 0;
        for at in &features.touched {
            let at = usize::from(*at);
            let magnitude = 1 << features.counts[at].ilog2().min(7);
            new += u32::from(self.0[at] & magnitude == 0);
            self.0[at] |= magnitude;
        }
        new
    }
}

/// Keeps chain, marks and features.
pub(crate) struct Scout<'a> {
    pub(crate) glance: Glance,
    pub(crate) features: &'a mut Features,
}

impl<P: Protocol> Sink<P> for Scout<'_> {
    #[inline]
    fn born(&mut self, _: Key, _: ChoiceOf<P>, _: When) {}

    fn input(&mut self, _: Seen, _: NodeId, _: Clock, input: &NodeInput<P::Node>) {
        let kind = fold(2, discriminant(input));
        self.features.input = match input {
            Input::Disk(_, result) => match result {
                Ok(done) => fold(kind, discriminant(done)),
                Err(error) => fold(!kind, discriminant(error)),
            },
            Input::Message(_, message) | Input::Received(_, message) => fold(kind, discriminant(message)),
            Input::Timer(timer) => fold(kind, discriminant(timer)),
            Input::Call(_, request) => fold(kind, discriminant(request)),
            Input::Closed(_, closed) => fold(kind, discriminant(closed)),
            Input::Boot | Input::Opened(_) | Input::Accepted(_) => kind,
        };
    }

    fn actions(&mut self, seen: Seen, node: NodeId, clock: Clock, actions: &[NodeAction<P::Node>]) {
        Sink::<P>::actions(&mut self.glance, seen, node, clock, actions);
        let mut step = fold(std::mem::take(&mut self.features.input), node.0);
        let mut before = 0;
        for action in actions {
            let kind = fold(3, discriminant(action));
            let kind = match action {
                Action::Disk(_, op) => fold(kind, discriminant(op)),
                Action::Send(_, message) | Action::Write(_, message) => fold(kind, discriminant(message)),
                Action::Arm(timer, _) | Action::Disarm(timer) => fold(kind, discriminant(timer)),
                Action::Reply(_, response) => fold(kind, discriminant(response)),
                Action::Mark(mark) => fold(kind, mark.0),
                Action::Connect(..) | Action::Close(_) => kind,
            };
            // One or many of a kind in a row is all the same.
            if kind != before {
                step = fold(step, kind);
                before = kind;
            }
        }
        let last = std::mem::replace(self.features.last(node), step);
        self.features.hit(fold(last, step));
    }
}

impl<P: Protocol> Watch<P> for Scout<'_> {
    fn choice(&mut self, world: &World<P>, _: Seen, _: Key, choice: &ChoiceOf<P>) {
        if !choice.is_fault() {
            return;
        }
        let Some((node, host)) = choice.node().and_then(|node| Some((node, world.get(node)?))) else {
            return;
        };
        // Which kinds of operations, whatever their number and order.
        let under_way =
            host.disk.pending().fold(0u64, |all, (_, op)| all | 1 << (fold(4, discriminant(op)) % 64));
        let fault = match choice {
            Choice::Disk(_, _, outcome) => fold(5, discriminant(outcome)),
            other => fold(6, discriminant(other)),
        };
        let last = *self.features.last(node);
        self.features.hit(fold(fold(fault, under_way), last));
    }

    #[inline]
    fn mark(&mut self, mark: &'static str) {
        Watch::<P>::mark(&mut self.glance, mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(hits: &[(u64, u32)]) -> Features {
        let mut features = Features::new();
        hits.iter().for_each(|(feature, times)| (0..*times).for_each(|_| features.hit(*feature)));
        features
    }

    #[test]
    fn what_was_seen_is_not_new_again_but_much_more_of_it_is() {
        let (mut known, marks) = (Known::new(), Marks::default());
        assert_eq!(known.learn(&mut features(&[(1, 1), (2, 1)]), &marks), 2);
        assert_eq!(known.learn(&mut features(&[(1, 1), (2, 1)]), &marks), 0);
        assert_eq!(known.learn(&mut features(&[(1, 1), (3, 1)]), &marks), 1);
        assert_eq!(known.learn(&mut features(&[(1, 9)]), &marks), 1);
        assert_eq!(known.learn(&mut features(&[(1, 10)]), &marks), 0);
    }

    #[test]
    fn two_marks_in_one_run_are_more_than_each_in_one() {
        let marks = |names: &[&'static str]| {
            let mut marks = Marks::default();
            names.iter().for_each(|name| marks.hit(name));
            marks
        };
        let mut known = Known::new();
        assert_eq!(known.learn(&mut features(&[]), &marks(&["a"])), 0);
        assert_eq!(known.learn(&mut features(&[]), &marks(&["a", "b"])), 1);
        assert_eq!(known.learn(&mut features(&[]), &marks(&["b", "a"])), 0);
    }

    #[test]
    fn a_run_leaves_nothing_for_the_next() {
        let mut features = features(&[(7, 3)]);
        features.clear();
        assert!(features.touched.is_empty() && features.counts.iter().all(|count| *count == 0));
    }
}
