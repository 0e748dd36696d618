//! Clocks of simulated nodes. Each node's wall and monotonic clock is piecewise linear in true time: it can be set
//! apart, drift, step, and freeze. This module converts between true and local time; who changes a clock, and when,
//! is decided elsewhere. Invariants: monotonic time never goes back within an incarnation; equal histories of
//! changes give equal clocks on every computer (integer arithmetic only).

use onceward_core::{Clock, Dur, Mono, Wall};

/// True time of a run in nanoseconds, which no machine can read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Time(pub u64);

impl Time {
    /// The moment `span` later.
    pub const fn after(self, span: Dur) -> Time {
        Time(self.0.saturating_add(span.0))
    }

    /// The span since `earlier`, zero if that lies ahead.
    pub const fn since(self, earlier: Time) -> Dur {
        Dur(self.0.saturating_sub(earlier.0))
    }
}

/// Wall-clock time of every node at true time 0: 2026-01-01 00:00 UTC.
pub const EPOCH: Wall = Wall(1_767_225_600_000_000_000);

/// What can be done to a node's clocks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ClockChange {
    /// From now on both clocks run fast (or slow, if negative) by so many millionths. Below -1,000,000 counts as
    /// that: a clock may stand still, not run backwards.
    Drift(i32),
    /// The wall clock jumps by so many nanoseconds; the monotonic one does not notice.
    Step(i64),
    /// Both clocks stop (a paused virtual machine), as `Drift(-1_000_000)` does.
    Freeze,
    /// Both clocks run at the true rate again. What was gained or lost stays so.
    Steady,
}

/// One node's clocks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Clocks {
    /// True time of the last change.
    since: Time,
    mono: u64,
    wall: u64,
    ppm: i32,
}

impl Clocks {
    /// Clocks that tell true time.
    pub fn new() -> Clocks {
        Clocks { since: Time(0), mono: 0, wall: EPOCH.0, ppm: 0 }
    }

    /// What the node reads at true time `at`.
    #[inline]
    pub fn read(&self, at: Time) -> Clock {
        let gone = self.local_span(at.since(self.since).0);
        Clock { mono: Mono(self.mono.saturating_add(gone)), wall: Wall(self.wall.saturating_add(gone)) }
    }

    /// Performs a change at true time `at`.
    pub fn change(&mut self, at: Time, change: ClockChange) {
        let now = self.read(at);
        (self.since, self.mono, self.wall) = (at, now.mono.0, now.wall.0);
        match change {
            ClockChange::Drift(ppm) => self.ppm = ppm.max(-1_000_000),
            ClockChange::Step(by) => self.wall = self.wall.saturating_add_signed(by),
            ClockChange::Freeze => self.ppm = -1_000_000,
            ClockChange::Steady => self.ppm = 0,
        }
    }

    /// A new incarnation begins at true time `at`: its monotonic clock starts at 0.
    pub fn boot(&mut self, at: Time) {
        let now = self.read(at);
        (self.since, self.mono, self.wall) = (at, 0, now.wall.0);
    }

    /// Moves the origin of time to true time `at`: this becomes true time 0 and shows monotonic time 0. The wall clock
    /// stands where it stood at true time `before`, so that only steps move it. Answers by how much monotonic time
    /// was moved back.
    pub(super) fn rebase(&mut self, before: Time, at: Time) -> Dur {
        let by = Dur(self.read(at).mono.0);
        (self.since, self.mono, self.wall) = (Time(0), 0, self.read(before).wall.0);
        by
    }

    /// The first true time, not before `from`, at which the monotonic clock shows at least `due`; `None` while it
    /// stands still short of it.
    pub fn when(&self, due: Mono, from: Time) -> Option<Time> {
        let missing = due.0.saturating_sub(self.read(from).mono.0);
        if missing == 0 {
            return Some(from);
        }
        let rate = self.rate();
        if rate == 0 {
            return None;
        }
        // Rounded up, and once more for the part of a nanosecond that `read` rounds away.
        let span = (u128::from(missing) * 1_000_000).div_ceil(rate) + u128::from(self.ppm != 0);
        Some(Time(from.0.saturating_add(u64::try_from(span).unwrap_or(u64::MAX))))
    }

    fn rate(&self) -> u128 {
        (1_000_000 + i64::from(self.ppm)).unsigned_abs().into()
    }

    #[inline]
    fn local_span(&self, span: u64) -> u64 {
        if self.ppm == 0 {
            return span;
        }
        u64::try_from(u128::from(span) * self.rate() / 1_000_000).unwrap_or(u64::MAX)
    }
}

impl Default for Clocks {
    fn default() -> Self {
        Clocks::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fast_clock_fires_early_in_true_time() {
        let mut clocks = Clocks::new();
        clocks.change(Time(0), ClockChange::Drift(200_000));
        let at = clocks.when(Mono(10_000_000_000), Time(0)).unwrap();
        assert_eq!(at.0 / 1_000_000, 8_333);
    }

    #[test]
    fn a_step_moves_the_wall_clock_alone() {
        let mut clocks = Clocks::new();
        clocks.change(Time(5), ClockChange::Step(-3_600_000_000_000));
        let now = clocks.read(Time(10));
        assert_eq!((now.mono.0, now.wall.0), (10, EPOCH.0 + 10 - 3_600_000_000_000));
    }

    #[test]
    fn a_frozen_clock_never_reaches_a_deadline_and_goes_on_from_where_it_stood() {
        let mut clocks = Clocks::new();
        clocks.change(Time(10), ClockChange::Freeze);
        assert_eq!(clocks.when(Mono(11), Time(20)), None);
        clocks.change(Time(100), ClockChange::Steady);
        assert_eq!(clocks.when(Mono(11), Time(100)), Some(Time(101)));
    }

    #[test]
    fn monotonic_time_begins_anew_at_boot() {
        let mut clocks = Clocks::new();
        clocks.boot(Time(50));
        assert_eq!(clocks.read(Time(70)).mono, Mono(20));
        assert_eq!(clocks.read(Time(70)).wall, Wall(EPOCH.0 + 70));
    }

    proptest! {
        #[test]
        fn when_is_the_inverse_of_read(ppm in -999_999..2_000_000i32, due in 0..1u64 << 50, from in 0..1u64 << 50) {
            let mut clocks = Clocks::new();
            clocks.change(Time(0), ClockChange::Drift(ppm));
            let at = clocks.when(Mono(due), Time(from)).unwrap();
            prop_assert!(at.0 >= from);
            prop_assert!(clocks.read(at).mono.0 >= due);
            // Not more than two local ticks late.
            if at.0 > from + 2 {
                let slack = 3 * (1_000_000 + i64::from(ppm)).unsigned_abs() / 1_000_000 + 3;
                prop_assert!(clocks.read(at).mono.0 <= due + slack);
            }
        }

        #[test]
        fn monotonic_time_never_goes_back(changes in prop::collection::vec((0..4u8, -2_000_000..2_000_000i64, 1..1000u64), 1..20)) {
            let (mut clocks, mut at, mut last) = (Clocks::new(), Time(0), Mono(0));
            for (kind, by, gap) in changes {
                at = at.after(Dur(gap));
                clocks.change(at, match kind {
                    0 => ClockChange::Drift(by as i32),
                    1 => ClockChange::Step(by),
                    2 => ClockChange::Freeze,
                    _ => ClockChange::Steady,
                });
                let now = clocks.read(at).mono;
                prop_assert!(now >= last);
                last = now;
            }
        }
    }
}
