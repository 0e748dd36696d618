//! What was written to each partition lately, for clients that ask how a topic is used: bytes of the last minute, hour and
//! day, and how old messages were at most when they were stored. Decides nothing, and knows nothing of earlier processes.
//!
//! Invariant: what is told of a span covers the last eleven twelfths of it whole, and nothing that is older than it. A
//! partition that was not written to for a day takes no memory for ever.

use onceward_core::Dur;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Parts of a span.
const SLOTS: u64 = 12;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// So many partitions are remembered before any is forgotten.
const FEW: usize = 1024;

/// What was written to a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Lately {
    pub(super) bytes_per_minute: u64,
    pub(super) bytes_per_hour: u64,
    pub(super) bytes_per_day: u64,
    /// The longest time from a message's creation to its being stored, in the last minute.
    pub(super) lag: Dur,
}

impl Lately {
    /// Of both together.
    pub(super) fn and(self, other: Lately) -> Lately {
        Lately {
            bytes_per_minute: self.bytes_per_minute.saturating_add(other.bytes_per_minute),
            bytes_per_hour: self.bytes_per_hour.saturating_add(other.bytes_per_hour),
            bytes_per_day: self.bytes_per_day.saturating_add(other.bytes_per_day),
            lag: self.lag.max(other.lag),
        }
    }
}

/// Of all partitions.
#[derive(Debug)]
pub(super) struct Traffic {
    origin: Instant,
    partitions: Mutex<Partitions>,
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic { origin: Instant::now(), partitions: Mutex::default() }
    }
}

impl Traffic {
    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// So many bytes were stored, and of their messages none was older than this.
    pub(super) fn wrote(&self, topic: &Arc<str>, partition: u32, bytes: u64, lag: Dur) {
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        partitions.wrote(self.now(), topic, partition, bytes, lag);
    }

    pub(super) fn lately(&self, topic: &str, partition: u32) -> Lately {
        let partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        partitions.lately(self.now(), topic, partition)
    }
}

#[derive(Debug, Default)]
struct Partitions {
    of: HashMap<Arc<str>, HashMap<u32, Windows>>,
    /// How many partitions there were when the idle ones were forgotten.
    kept: usize,
    count: usize,
}

impl Partitions {
    fn wrote(&mut self, now: u64, topic: &Arc<str>, partition: u32, bytes: u64, lag: Dur) {
        if self.count >= 2 * self.kept.max(FEW) {
            self.forget(now);
        }
        let of = self.of.entry(topic.clone()).or_default();
        self.count += usize::from(!of.contains_key(&partition));
        of.entry(partition).or_default().wrote(now, bytes, lag);
    }

    fn lately(&self, now: u64, topic: &str, partition: u32) -> Lately {
        self.of
            .get(topic)
            .and_then(|of| of.get(&partition))
            .map(|windows| windows.lately(now))
            .unwrap_or_default()
    }

    /// Whatever was not written to for a day.
    fn forget(&mut self, now: u64) {
        for of in self.of.values_mut() {
            of.retain(|_, windows| windows.lately(now).bytes_per_day > 0);
        }
        self.of.retain(|_, of| !of.is_empty());
        self.count = self.of.values().map(HashMap::len).sum();
        self.kept = self.count;
    }
}

#[derive(Debug)]
struct Windows {
    minute: Window,
    hour: Window,
    day: Window,
    lag: Window,
}

impl Default for Windows {
    fn default() -> Windows {
        let bytes = |span| Window::new(span, u64::saturating_add);
        Windows {
            minute: bytes(MINUTE),
            hour: bytes(HOUR),
            day: bytes(DAY),
            lag: Window::new(MINUTE, u64::max),
        }
    }
}

impl Windows {
    fn wrote(&mut self, now: u64, bytes: u64, lag: Dur) {
        for window in [&mut self.minute, &mut self.hour, &mut self.day] {
            window.add(now, bytes);
        }
        self.lag.add(now, lag.0);
    }

    fn lately(&self, now: u64) -> Lately {
        Lately {
            bytes_per_minute: self.minute.total(now),
            bytes_per_hour: self.hour.total(now),
            bytes_per_day: self.day.total(now),
            lag: Dur(self.lag.total(now)),
        }
    }
}

/// A span in slots, the newest of which is under way.
#[derive(Debug)]
struct Window {
    /// Milliseconds of a slot.
    slot: u64,
    newest: u64,
    slots: [u64; SLOTS as usize],
    join: fn(u64, u64) -> u64,
}

impl Window {
    fn new(span: u64, join: fn(u64, u64) -> u64) -> Window {
        Window { slot: span / SLOTS, newest: 0, slots: [0; SLOTS as usize], join }
    }

    fn add(&mut self, now: u64, value: u64) {
        let at = now / self.slot;
        // Those between the newest and now have seen nothing.
        for passed in (self.newest + 1..=at).rev().take(SLOTS as usize) {
            self.slots[(passed % SLOTS) as usize] = 0;
        }
        self.newest = self.newest.max(at);
        let slot = &mut self.slots[(self.newest % SLOTS) as usize];
        *slot = (self.join)(*slot, value);
    }

    fn total(&self, now: u64) -> u64 {
        let at = (now / self.slot).max(self.newest);
        let seen = (at + 1).saturating_sub(SLOTS)..=self.newest;
        seen.map(|slot| self.slots[(slot % SLOTS) as usize]).fold(0, self.join)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_span_forgets_in_its_time() {
        let mut partitions = Partitions::default();
        let topic = Arc::from("/local/t");
        partitions.wrote(1_000, &topic, 3, 10, Dur::secs(2));
        partitions.wrote(2_000, &topic, 3, 5, Dur::secs(1));
        let of = |partitions: &Partitions, now| partitions.lately(now, "/local/t", 3);
        let all = Lately { bytes_per_minute: 15, bytes_per_hour: 15, bytes_per_day: 15, lag: Dur::secs(2) };
        assert_eq!(of(&partitions, 2_000), all);
        assert_eq!(of(&partitions, MINUTE), Lately { bytes_per_minute: 0, lag: Dur::ZERO, ..all });
        assert_eq!(of(&partitions, HOUR), Lately { bytes_per_day: 15, ..Lately::default() });
        assert_eq!(of(&partitions, DAY), Lately::default());
        assert_eq!(partitions.lately(2_000, "/local/t", 4), Lately::default());
        let both = of(&partitions, 2_000).and(Lately { lag: Dur::secs(9), ..of(&partitions, MINUTE) });
        assert_eq!((both.bytes_per_minute, both.bytes_per_day, both.lag), (15, 30, Dur::secs(9)));
    }

    #[test]
    fn what_nobody_writes_to_is_forgotten() {
        let mut partitions = Partitions::default();
        for number in 0..3 * FEW as u32 {
            partitions.wrote(0, &Arc::from(format!("t{}", number / 2)), number % 2, 1, Dur::ZERO);
        }
        assert_eq!(partitions.count, 3 * FEW, "all of this day");
        for number in 0..2 * FEW as u32 {
            partitions.wrote(2 * DAY, &Arc::from("new"), number, 1, Dur::ZERO);
        }
        assert!(partitions.count <= 2 * FEW && partitions.of.len() == 1, "{}", partitions.count);
    }

    proptest! {
        #[test]
        fn a_window_is_what_was_added_within_its_slots(
            steps in prop::collection::vec((0..3 * MINUTE / 4, 0..100u64), 1..60),
        ) {
            let (mut window, mut added, mut now) = (Window::new(MINUTE, u64::saturating_add), Vec::new(), 0);
            for (passes, value) in steps {
                now += passes;
                window.add(now, value);
                added.push((now, value));
                let slots = |at: u64| at / (MINUTE / SLOTS);
                let expected = |now: u64| added
                    .iter()
                    .filter(|(at, _)| slots(*at) + SLOTS > slots(now))
                    .map(|(_, value)| value)
                    .sum::<u64>();
                prop_assert_eq!(window.total(now), expected(now));
                prop_assert_eq!(window.total(now + MINUTE / 2), expected(now + MINUTE / 2));
            }
        }
    }
}
