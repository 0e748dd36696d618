//! When a node that panicked gets a new incarnation, and when it has had enough. Decides that alone; it never
//! restarts anything itself and reads no clock. Invariant: it remembers at most as many panics as it forgives.
//!
//! A panic is a bug of the machine, never an answer to bad input. The restart goes through recovery, so that whatever
//! the broken incarnation held in memory is forgotten and only what the disk proves goes on. Forgiveness is counted
//! in a window that slides: two unrelated panics a month apart do not add up (PEERS-B24), and there is no edge
//! around which twice the number would pass (PEERS-B25).

use onceward_core::{Dur, Mono};
use std::collections::VecDeque;

/// How many panics are forgiven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restart {
    /// None: the first panic stops the node for good.
    Never,
    /// One within any [`Restart::ONCE_WITHIN`].
    Once,
    /// At most `max` within any span of `within`; one more stops the node for good.
    Bounded {
        /// How many.
        max: u32,
        /// In what span.
        within: Dur,
    },
}

impl Restart {
    /// After this much time without another panic, [`Restart::Once`] forgives again.
    pub const ONCE_WITHIN: Dur = Dur::secs(600);
}

impl Default for Restart {
    /// Three within a minute.
    fn default() -> Restart {
        Restart::Bounded { max: 3, within: Dur::secs(60) }
    }
}

/// Counts panics against a [`Restart`] policy.
#[derive(Clone, Debug)]
pub struct Supervisor {
    max: usize,
    within: Dur,
    forgiven: VecDeque<Mono>,
}

impl Supervisor {
    /// A supervisor that has seen no panic.
    pub fn new(policy: Restart) -> Supervisor {
        let (max, within) = match policy {
            Restart::Never => (0, Dur::ZERO),
            Restart::Once => (1, Restart::ONCE_WITHIN),
            Restart::Bounded { max, within } => (max as usize, within),
        };
        Supervisor { max, within, forgiven: VecDeque::new() }
    }

    /// A panic has happened: whether a new incarnation shall be started. `now` must not go back between calls.
    pub fn forgives(&mut self, now: Mono) -> bool {
        while self.forgiven.front().is_some_and(|at| now.since(*at) >= self.within) {
            self.forgiven.pop_front();
        }
        if self.forgiven.len() >= self.max {
            return false;
        }
        self.forgiven.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(policy: Restart, seconds: &[u64]) -> Vec<bool> {
        let mut supervisor = Supervisor::new(policy);
        seconds.iter().map(|s| supervisor.forgives(Mono(s * 1_000_000_000))).collect()
    }

    #[test]
    fn once_forgives_again_after_a_quiet_time() {
        assert_eq!(verdicts(Restart::Never, &[0]), [false]);
        assert_eq!(verdicts(Restart::Once, &[0, 1]), [true, false]);
        assert_eq!(verdicts(Restart::Once, &[0, 86_400, 86_401]), [true, true, false]);
    }

    #[test]
    fn the_window_slides() {
        let policy = Restart::Bounded { max: 2, within: Dur::secs(10) };
        // A window that is reset wholesale at 10 s would forgive 9, 9, 11 and 11.
        assert_eq!(verdicts(policy, &[0, 9, 11, 12]), [true, true, true, false]);
        assert_eq!(verdicts(policy, &[9, 9, 11]), [true, true, false]);
        assert_eq!(verdicts(policy, &[0, 10, 20, 30, 40]), [true; 5]);
    }
}
