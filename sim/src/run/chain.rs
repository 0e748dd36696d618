//! What a run looks like from outside, condensed: the step-hash chain, and, when asked for, each of its links.

use crate::{
    engine::{Marks, Watch},
    hash::Collector,
};
use onceward_core::{Clock, NodeAction, NodeId};
use onceward_model::world::{ChoiceOf, Key, Protocol, Seen, Sink, Time, When};
use std::hash::{Hash, Hasher};
use xxhash_rust::xxh3::xxh3_128;

/// Watches a run: chain and marks.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) last: u128,
    pub(super) marks: Marks,
    /// Steps of machines so far.
    pub(super) steps: u64,
    /// When the last one was.
    pub(super) at: Time,
    /// Every link so far, if wanted.
    pub(super) links: Option<Vec<(Seen, u128)>>,
    bytes: Collector,
}

impl Chain {
    /// A chain that keeps its links.
    pub(super) fn keeping() -> Chain {
        Chain { links: Some(Vec::new()), ..Chain::default() }
    }
}

impl<P: Protocol> Sink<P> for Chain {
    #[inline]
    fn born(&mut self, _: Key, _: ChoiceOf<P>, _: When) {}

    #[inline]
    fn actions(&mut self, seen: Seen, node: NodeId, clock: Clock, actions: &[NodeAction<P::Node>]) {
        (self.steps, self.at) = (seen.step, seen.at);
        self.bytes.0.clear();
        self.bytes.write_u128(self.last);
        (seen.at, node, clock).hash(&mut self.bytes);
        actions.hash(&mut self.bytes);
        self.last = xxh3_128(&self.bytes.0);
        if let Some(links) = &mut self.links {
            links.push((seen, self.last));
        }
    }
}

impl<P: Protocol> Watch<P> for Chain {
    #[inline]
    fn mark(&mut self, mark: &'static str) {
        self.marks.hit(mark);
    }
}
