//! How long to wait before what has failed is tried again. It decides the span; the driver draws from it.

use crate::{Dur, Window};

/// Pauses that double from failure to failure, with equal jitter: half of each is certain, the rest is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Backoff {
    /// The longest pause after the first failure.
    pub(crate) first: Dur,
    /// The longest of all.
    pub(crate) longest: Dur,
}

impl Backoff {
    /// The pause after so many failures in a row before this one.
    pub(crate) fn window(self, failures: u32) -> Window {
        let doubled = self.first.0.saturating_mul(1u64.checked_shl(failures).unwrap_or(u64::MAX));
        let to = Dur(doubled.min(self.longest.0));
        Window { from: Dur(to.0.div_ceil(2)), to }
    }

    /// Counts a failure, as long as that makes a difference, and gives the pause after it.
    pub(crate) fn failed(self, failures: &mut u32) -> Window {
        let window = self.window(*failures);
        if window.to < self.longest {
            *failures += 1;
        }
        window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_half_of_each_is_jitter() {
        let backoff = Backoff { first: Dur::millis(50), longest: Dur::secs(30) };
        let millis = |n| {
            let Window { from, to } = backoff.window(n);
            (from.0 / 1_000_000, to.0 / 1_000_000)
        };
        assert_eq!([0, 1, 2].map(millis), [(25, 50), (50, 100), (100, 200)]);
        assert_eq!(
            [9, 10, 63, 64, u32::MAX].map(millis),
            [(12_800, 25_600), (15_000, 30_000), (15_000, 30_000), (15_000, 30_000), (15_000, 30_000)]
        );
    }

    #[test]
    fn failures_are_counted_until_the_pause_is_the_longest() {
        for (first, longest, most) in
            [(Dur::millis(50), Dur::secs(30), 10), (Dur(1), Dur::MAX, 64), (Dur(7), Dur(7), 0)]
        {
            let backoff = Backoff { first, longest };
            let mut failures = 0;
            for n in 0..100 {
                assert_eq!(backoff.failed(&mut failures), backoff.window(n));
            }
            assert_eq!((failures, backoff.window(failures).to), (most, longest));
        }
    }
}
