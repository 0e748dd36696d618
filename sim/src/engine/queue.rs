//! The one event queue of a run: what may happen, ordered by when. It decides the order alone, never what happens.
//! Invariants: things planned for the same moment come out in the order in which they went in; a thing that was taken
//! out or planned anew never comes out a second time; memory is bounded by the most things ever waiting at once.

use onceward_model::world::{Key, Time};
use std::{cmp::Reverse, collections::BinaryHeap};

/// One thing that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiting<C> {
    /// Its causal name.
    pub(crate) key: Key,
    /// What happens.
    pub(crate) choice: C,
}

/// Where a waiting thing is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot(u32);

struct Place<C> {
    /// The number under which it stands in the heap; a heap entry of another number is a leftover.
    number: u32,
    waiting: Option<Waiting<C>>,
}

/// A heap of small entries (time, number, place) over a slab of choices: 16 bytes move in the heap, whatever the size
/// of a choice.
pub(crate) struct Queue<C> {
    heap: BinaryHeap<Reverse<u128>>,
    places: Vec<Place<C>>,
    free: Vec<u32>,
    next: u32,
}

impl<C> Queue<C> {
    pub(crate) fn new() -> Queue<C> {
        Queue { heap: BinaryHeap::new(), places: Vec::new(), free: Vec::new(), next: 0 }
    }

    /// Empties it and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.heap.clear();
        self.places.clear();
        self.free.clear();
        self.next = 0;
    }

    #[inline]
    pub(crate) fn push(&mut self, at: Time, waiting: Waiting<C>) {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let place = Place { number, waiting: Some(waiting) };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.places[slot as usize] = place;
                slot
            }
            None => {
                self.places.push(place);
                (self.places.len() - 1) as u32
            }
        };
        self.heap.push(entry(at, number, slot));
    }

    /// When the next thing is planned for. Drops leftovers on the way.
    #[inline]
    pub(crate) fn next_at(&mut self) -> Option<Time> {
        loop {
            let Reverse(top) = self.heap.peek()?;
            let (at, number, slot) = parts(*top);
            let place = &self.places[slot as usize];
            if place.number == number && place.waiting.is_some() {
                return Some(at);
            }
            self.heap.pop();
        }
    }

    /// Takes the next thing out.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(Time, Waiting<C>)> {
        loop {
            let Reverse(top) = self.heap.pop()?;
            let (at, number, slot) = parts(top);
            let place = &mut self.places[slot as usize];
            if place.number == number
                && let Some(waiting) = place.waiting.take()
            {
                self.free.push(slot);
                return Some((at, waiting));
            }
        }
    }

    /// Everything that waits, in the order of its places (which depends on nothing but the run so far).
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &Waiting<C>)> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(n, place)| Some((Slot(n as u32), place.waiting.as_ref()?)))
    }

    /// Takes one thing out, whenever it was planned for.
    pub(crate) fn take(&mut self, slot: Slot) -> Option<Waiting<C>> {
        let waiting = self.places.get_mut(slot.0 as usize)?.waiting.take()?;
        self.free.push(slot.0);
        Some(waiting)
    }

    /// Plans a waiting thing anew.
    pub(crate) fn replan(&mut self, slot: Slot, at: Time) {
        let Some(place) = self.places.get_mut(slot.0 as usize).filter(|place| place.waiting.is_some()) else {
            return;
        };
        place.number = self.next;
        self.next = self.next.wrapping_add(1);
        self.heap.push(entry(at, place.number, slot.0));
    }

    /// How many things wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

#[inline]
fn entry(at: Time, number: u32, slot: u32) -> Reverse<u128> {
    Reverse(u128::from(at.0) << 64 | u128::from(number) << 32 | u128::from(slot))
}

#[inline]
fn parts(entry: u128) -> (Time, u32, u32) {
    (Time((entry >> 64) as u64), (entry >> 32) as u32, entry as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(choice: u32) -> Waiting<u32> {
        Waiting { key: Key::ANY, choice }
    }

    fn drain(queue: &mut Queue<u32>) -> Vec<(u64, u32)> {
        std::iter::from_fn(|| queue.pop()).map(|(at, w)| (at.0, w.choice)).collect()
    }

    #[test]
    fn equal_times_keep_their_order() {
        let mut queue = Queue::new();
        for n in 0..100 {
            queue.push(Time(u64::from(n % 3)), waiting(n));
        }
        let out = drain(&mut queue);
        assert!(out.windows(2).all(|w| w[0] < w[1]), "{out:?}");
        assert_eq!(out.len(), 100);
    }

    #[test]
    fn what_was_taken_or_planned_anew_comes_out_once() {
        let mut queue = Queue::new();
        (0..4).for_each(|n| queue.push(Time(10 * u64::from(n)), waiting(n)));
        let slot = |q: &Queue<u32>, n| q.iter().find(|(_, w)| w.choice == n).map(|(slot, _)| slot).unwrap();
        let (first, last) = (slot(&queue, 0), slot(&queue, 3));
        queue.replan(first, Time(25));
        assert_eq!(queue.take(last).map(|w| w.choice), Some(3));
        // The freed place is used again, and the leftover of its former owner does not stand for the new one.
        queue.push(Time(100), waiting(9));
        assert_eq!(queue.len(), 4);
        assert_eq!(drain(&mut queue), [(10, 1), (20, 2), (25, 0), (100, 9)]);
    }
}
