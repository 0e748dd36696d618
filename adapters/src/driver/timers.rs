//! Armed timers of one incarnation. Decides when each is due, from its window and the entropy given; never reads a
//! clock. Invariant: the two maps hold the same (name, deadline) pairs, at most one for each name.

use crate::mutants::mutant;
use onceward_core::{Mono, Window};
use std::collections::{BTreeMap, BTreeSet};

/// The timers of one incarnation, by name and by deadline.
#[derive(Clone, Debug, Default)]
pub struct Timers<T> {
    by_name: BTreeMap<T, Mono>,
    by_time: BTreeSet<(Mono, T)>,
}

impl<T: Copy + Ord> Timers<T> {
    /// None.
    pub fn new() -> Timers<T> {
        Timers { by_name: BTreeMap::new(), by_time: BTreeSet::new() }
    }

    /// Starts a timer at a moment drawn from its window, counted from `now`; one of that name that was armed is
    /// replaced. A window whose end lies before its begin counts as its begin.
    pub fn arm(&mut self, name: T, now: Mono, window: Window, entropy: u64) {
        let width = window.to.0.saturating_sub(window.from.0);
        // The window is closed on both sides; a bias of at most width / 2^64 does not matter to jitter.
        let jitter = match width.checked_add(1) {
            Some(choices) => entropy % choices,
            None => entropy,
        };
        let at = Mono(now.after(window.from).0.saturating_add(jitter));
        self.forget(name);
        self.by_name.insert(name, at);
        self.by_time.insert((at, name));
    }

    /// Stops a timer; nothing happens if it is not armed.
    pub fn disarm(&mut self, name: T) {
        if mutant!(KeepDisarmedTimers) {
            return;
        }
        self.forget(name);
    }

    fn forget(&mut self, name: T) {
        if let Some(at) = self.by_name.remove(&name) {
            self.by_time.remove(&(at, name));
        }
    }

    /// Takes the first timer whose time has come.
    pub fn pop_due(&mut self, now: Mono) -> Option<T> {
        let &(at, name) = self.by_time.first()?;
        if at > now {
            return None;
        }
        self.forget(name);
        Some(name)
    }

    /// When the first timer is due.
    pub fn next(&self) -> Option<Mono> {
        let first = if mutant!(SleepUntilLastTimer) { self.by_time.last() } else { self.by_time.first() };
        first.map(|(at, _)| *at)
    }

    /// How many are armed.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether none is armed.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onceward_core::Dur;
    use proptest::prelude::*;

    #[test]
    fn arming_again_replaces_and_disarming_stops() {
        let mut timers = Timers::new();
        timers.arm('a', Mono(0), Window::exactly(Dur(10)), 0);
        timers.arm('a', Mono(5), Window::exactly(Dur(10)), 0);
        timers.arm('b', Mono(5), Window::exactly(Dur(1)), 0);
        timers.disarm('b');
        assert_eq!((timers.pop_due(Mono(14)), timers.next()), (None, Some(Mono(15))));
        assert_eq!((timers.pop_due(Mono(15)), timers.pop_due(Mono(99))), (Some('a'), None));
    }

    proptest! {
        #[test]
        fn fires_within_the_window(now: u64, from: u64, to: u64, entropy: u64) {
            let mut timers = Timers::new();
            timers.arm((), Mono(now), Window { from: Dur(from), to: Dur(to) }, entropy);
            let at = timers.next().unwrap().0;
            prop_assert!(at >= now.saturating_add(from));
            prop_assert!(at <= now.saturating_add(to.max(from)));
        }
    }
}
