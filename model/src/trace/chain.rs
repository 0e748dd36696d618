//! The step-hash chain: 128 bits that cover time, node and actions of every step so far. It is for comparing runs, not
//! for security. Invariant: a link is the xxh3 hash of the link before it and the canonical encoding of one step.

use super::encode::Collector;
use crate::world::{ChoiceOf, Key, Protocol, Seen, Sink, When};
use onceward_core::{Clock, NodeAction, NodeId};
use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};
use xxhash_rust::xxh3::xxh3_128;

/// One link: everything up to a step, in 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Chain(pub u128);

impl Chain {
    /// Before the first step.
    pub const START: Chain = Chain(0);
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text that is no link of a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a link of a chain is 32 hexadecimal digits")]
pub struct NoChain;

impl FromStr for Chain {
    type Err = NoChain;

    fn from_str(text: &str) -> Result<Chain, NoChain> {
        let plain = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let number = plain.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(Chain).ok_or(NoChain)
    }
}

/// Watches a world and keeps the chain; see also [`Beside`](super::Beside).
#[derive(Clone, Debug)]
pub struct StepHash {
    chain: Chain,
    steps: u64,
    buffer: Collector,
}

impl StepHash {
    /// At the beginning of a chain.
    pub fn new() -> StepHash {
        StepHash { chain: Chain::START, steps: 0, buffer: Collector::new() }
    }

    /// The chain so far.
    #[inline]
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// How many steps machines have taken.
    #[inline]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Begins anew, for another run, and keeps the buffer.
    pub fn reset(&mut self) {
        (self.chain, self.steps) = (Chain::START, 0);
    }

    /// Adds one step: for engines that do not drive a [`World`](crate::world::World).
    #[inline]
    pub fn add<A: Hash>(&mut self, seen: Seen, node: NodeId, clock: Clock, actions: &[A]) {
        self.buffer.clear();
        self.buffer.write_u128(self.chain.0);
        (seen.at, node, clock).hash(&mut self.buffer);
        actions.hash(&mut self.buffer);
        self.chain = Chain(xxh3_128(self.buffer.bytes()));
        self.steps += 1;
    }
}

impl Default for StepHash {
    fn default() -> StepHash {
        StepHash::new()
    }
}

impl<P: Protocol> Sink<P> for StepHash {
    #[inline]
    fn born(&mut self, _: Key, _: ChoiceOf<P>, _: When) {}

    #[inline]
    fn actions(&mut self, seen: Seen, node: NodeId, clock: Clock, actions: &[NodeAction<P::Node>]) {
        self.add(seen, node, clock, actions);
    }
}
