//! Who watches runs. [`Glance`] keeps the step-hash chain and the marks, cheaply enough for every run of a batch;
//! [`Record`] keeps everything, for people. Both see the same chain.

use crate::{
    batch::Last,
    engine::{Marks, Watch},
};
use onceward_core::{Clock, NodeAction, NodeId, NodeInput};
use onceward_model::{
    trace::{Chain, Recorder, StepHash, Trace},
    world::{ChoiceOf, Key, Protocol, Seen, Sink, When, World},
};
use std::sync::PoisonError;

/// Keeps chain and marks.
#[derive(Default)]
pub(crate) struct Glance {
    pub(super) hash: StepHash,
    pub(super) marks: Marks,
    /// The last step.
    pub(super) last: Seen,
    /// Every link so far, if wanted.
    pub(super) links: Option<Vec<(Seen, Chain)>>,
}

impl Glance {
    /// One that keeps the links as well.
    pub(super) fn keeping() -> Glance {
        Glance { links: Some(Vec::new()), ..Glance::default() }
    }
}

impl<P: Protocol> Sink<P> for Glance {
    #[inline]
    fn born(&mut self, _: Key, _: ChoiceOf<P>, _: When) {}

    #[inline]
    fn actions(&mut self, seen: Seen, node: NodeId, clock: Clock, actions: &[NodeAction<P::Node>]) {
        self.hash.add(seen, node, clock, actions);
        self.last = seen;
        if let Some(links) = &mut self.links {
            links.push((seen, self.hash.chain()));
        }
    }
}

impl<P: Protocol> Watch<P> for Glance {
    #[inline]
    fn mark(&mut self, mark: &'static str) {
        self.marks.hit(mark);
    }
}

/// Keeps everything.
pub(super) struct Record<'a, P: Protocol> {
    pub(super) glance: Glance,
    recorder: Recorder<P>,
    /// What is about to be performed, for somebody who looks on.
    last: Option<&'a Last>,
}

impl<'a, P: Protocol> Record<'a, P> {
    pub(super) fn new(recorder: Recorder<P>, last: Option<&'a Last>) -> Record<'a, P> {
        Record { glance: Glance::default(), recorder, last }
    }

    /// The trace; `world` is what the run has left, unless it ended in a panic.
    pub(super) fn finish(mut self, world: Option<&World<P>>) -> (Glance, Trace) {
        match world {
            Some(world) => (self.glance, self.recorder.finish(world)),
            None => {
                self.recorder.violated();
                let (header, steps) = (self.recorder.header().clone(), self.recorder.steps().to_vec());
                (self.glance, Trace { header, steps })
            }
        }
    }
}

impl<P: Protocol> Sink<P> for Record<'_, P> {
    fn born(&mut self, _: Key, _: ChoiceOf<P>, _: When) {}

    fn input(&mut self, seen: Seen, node: NodeId, clock: Clock, input: &NodeInput<P::Node>) {
        self.recorder.input(seen, node, clock, input);
    }

    fn actions(&mut self, seen: Seen, node: NodeId, clock: Clock, actions: &[NodeAction<P::Node>]) {
        self.recorder.actions(seen, node, clock, actions);
        Sink::<P>::actions(&mut self.glance, seen, node, clock, actions);
    }
}

impl<P: Protocol> Watch<P> for Record<'_, P> {
    fn choice(&mut self, world: &World<P>, seen: Seen, _: Key, choice: &ChoiceOf<P>) {
        self.recorder.choice(world, seen.at, choice);
        if let (Some(last), Some(next)) = (self.last, self.recorder.announced()) {
            let seen = Seen { step: next.0, at: seen.at };
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some((seen, next.1.to_owned()));
        }
    }

    fn broke(&mut self) {
        self.recorder.violated();
    }

    fn mark(&mut self, mark: &'static str) {
        Watch::<P>::mark(&mut self.glance, mark);
    }
}
