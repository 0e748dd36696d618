//! Logical time. This module decides the time of each event; it never reads a clock. Invariant: every time it gives
//! is greater than all before it, in this incarnation and, as it is taken up from the log, in all earlier ones.

use crate::{
    Wall,
    log::{api::Hlc, mutants::mutant},
};

/// A hybrid logical clock (Kulkarni et al., 2014) of one writer: as every event goes through one writer, "after" is
/// "appended later", across all entities.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct HybridClock {
    last: Hlc,
}

/// The counter has 16 bits in a record; beyond, time advances by a millisecond.
const COUNTER_MAX: u32 = 0xffff;

impl HybridClock {
    /// The time of the next event.
    pub(crate) fn next(&mut self, wall: Wall) -> Hlc {
        let millis = wall.millis();
        self.last = if mutant!(WallClockTakenRaw) || millis > self.last.millis {
            Hlc { millis, counter: 0 }
        } else if self.last.counter < COUNTER_MAX {
            Hlc { millis: self.last.millis, counter: self.last.counter + 1 }
        } else {
            Hlc { millis: self.last.millis + 1, counter: 0 }
        };
        self.last
    }

    /// Whether the wall clock shows less than was given already.
    pub(crate) fn ahead_of(&self, wall: Wall) -> bool {
        wall.millis() < self.last.millis
    }

    /// Takes up a time found in the log.
    pub(crate) fn saw(&mut self, time: Hlc) {
        self.last = self.last.max(time);
    }

    /// The greatest time given or seen.
    #[cfg(test)]
    pub(crate) fn last(&self) -> Hlc {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn follows_the_wall_clock_forwards() {
        let mut clock = HybridClock::default();
        assert_eq!(clock.next(Wall(5 * MS)), Hlc { millis: 5, counter: 0 });
        assert_eq!(clock.next(Wall(5 * MS + 1)), Hlc { millis: 5, counter: 1 });
        assert_eq!(clock.next(Wall(6 * MS)), Hlc { millis: 6, counter: 0 });
    }

    #[test]
    fn a_wall_clock_one_year_ahead_once_does_not_break_the_order() {
        let mut clock = HybridClock::default();
        let now = 1_700_000_000_000 * MS;
        let year = 365 * 24 * 3_600_000 * MS;
        let mut last = clock.next(Wall(now));
        last = {
            assert!(clock.next(Wall(now + year)) > last);
            clock.last()
        };
        for n in 0..200_000 {
            let next = clock.next(Wall(now + n));
            assert!(next > last);
            last = next;
        }
        // Within 16 bits of counter a millisecond: the year does not grow into two.
        assert!(last.millis <= (now + year) / MS + 4);
    }

    #[test]
    fn takes_up_what_the_log_holds() {
        let mut clock = HybridClock::default();
        clock.saw(Hlc { millis: 9, counter: 3 });
        clock.saw(Hlc { millis: 2, counter: 0 });
        assert_eq!(clock.next(Wall(MS)), Hlc { millis: 9, counter: 4 });
    }
}
