//! Priorities instead of latencies: what is possible is cut into chains of cause and effect, each chain has a priority
//! drawn from the key of its first link, and what belongs to a chain of higher priority comes first (Burckhardt et al.,
//! ASPLOS 2010; chains in place of threads as in Ozkan et al., OOPSLA 2018). At a few links, change points, a chain falls
//! behind all others. This module says which chain something belongs to and how soon that lets it come; the order itself
//! is the queue's.
//!
//! Two things differ from the published scheduler, for the sake of minimising, and with them its bound is gone. A
//! priority is a latency, so that plan entries and timers, which have times of their own, come in between: a chain is
//! ahead of another as long as it has fewer links than its latency is shorter. And change points are drawn from the links'
//! own keys, not counted over the run, so that removing one thing moves no other; their number is right on average only.

use super::draw::purpose;
use onceward_core::Dur;
use onceward_model::world::Key;
use std::collections::BTreeMap;

/// Latencies of chains that have not fallen behind: eight decades, so that most chains end before one of lower priority
/// takes its first step.
const AHEAD: (Dur, Dur) = (Dur(10), Dur::secs(1));
/// Latencies of those that have.
const BEHIND: (Dur, Dur) = (Dur::secs(1), Dur::secs(10));

/// The chains of one run. Empty, and never asked, in runs without priorities.
#[derive(Default)]
pub(super) struct Chains {
    /// How long the links take of the chains that things belong to.
    of: BTreeMap<Key, Dur>,
    /// The chain whose link is being performed, unless something continues it already.
    current: Option<Dur>,
}

impl Chains {
    pub(super) fn clear(&mut self) {
        self.of.clear();
        self.current = None;
    }

    /// This happens now: what follows from it first continues its chain.
    pub(super) fn perform(&mut self, key: Key) {
        let chain = self.of.get(&key).copied();
        self.current = Some(chain.unwrap_or_else(|| priority(key)));
    }

    /// How long something takes that has become possible by what is being performed. `change`: odds that its chain falls
    /// behind with it.
    pub(super) fn join(&mut self, key: Key, change: u32) -> Dur {
        let mut chain = self.current.take().unwrap_or_else(|| priority(key));
        if key.chance(purpose::CHANGE, change) {
            chain = key.log_uniform(purpose::BEHIND, BEHIND.0, BEHIND.1);
        }
        self.of.insert(key, chain);
        chain
    }
}

/// The priority of a chain that begins with this key.
fn priority(key: Key) -> Dur {
    key.log_uniform(purpose::PRIORITY, AHEAD.0, AHEAD.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long the links of a chain take that something causes, each the first effect of the one before.
    fn links(root: Key, change: u32) -> Vec<Dur> {
        let (mut chains, mut key) = (Chains::default(), root);
        let link = |_| {
            chains.perform(key);
            key = key.child(0);
            chains.join(key, change)
        };
        (0..20).map(link).collect()
    }

    #[test]
    fn a_chain_keeps_its_priority_until_it_falls_behind_for_good() {
        let steady = links(Key::root(1, 1), 0);
        assert!(steady.iter().all(|link| *link == steady[0]), "{steady:?}");
        let fallen = (0..200).map(|n| links(Key::root(1, n), 50_000)).find(|links| {
            let at = links.iter().position(|link| *link > AHEAD.1);
            at.is_some_and(|at| at > 0 && links[..at].iter().all(|link| *link == links[0]))
        });
        let fallen = fallen.expect("no chain has fallen behind on its way");
        let at = fallen.iter().position(|link| *link > AHEAD.1).unwrap();
        assert!(fallen[at..].iter().all(|link| *link > AHEAD.1), "{fallen:?}");
    }

    #[test]
    fn what_else_follows_begins_chains_of_its_own() {
        let mut chains = Chains::default();
        let root = Key::root(2, 2);
        chains.perform(root);
        let (first, second) = (chains.join(root.child(0), 0), chains.join(root.child(1), 0));
        assert_eq!((first, second), (priority(root), priority(root.child(1))));
        // Whatever happens meanwhile.
        chains.perform(Key::root(3, 3));
        chains.perform(root.child(1));
        assert_eq!(chains.join(root.child(1).child(0), 0), second);
    }
}
