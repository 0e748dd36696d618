//! The set of visited states: fingerprints and the numbers of the states that they stand for, in one open-addressing
//! table. It never forgets, and never decides what is a state.

/// Visited states by fingerprint.
pub(super) struct Visited {
    /// 0: empty; a fingerprint is never 0.
    prints: Vec<u64>,
    numbers: Vec<u32>,
    len: usize,
}

impl Visited {
    pub(super) fn new() -> Visited {
        Visited { prints: vec![0; 1 << 10], numbers: vec![0; 1 << 10], len: 0 }
    }

    #[inline]
    fn slot(&self, print: u64) -> usize {
        let mask = self.prints.len() - 1;
        let mut at = print as usize & mask;
        while self.prints[at] != 0 && self.prints[at] != print {
            at = (at + 1) & mask;
        }
        at
    }

    /// The number of the state with this fingerprint.
    #[inline]
    pub(super) fn get(&self, print: u64) -> Option<u32> {
        let at = self.slot(print);
        (self.prints[at] != 0).then(|| self.numbers[at])
    }

    /// Adds a state; false if it is there already.
    pub(super) fn insert(&mut self, print: u64, number: u32) -> bool {
        let at = self.slot(print);
        if self.prints[at] != 0 {
            return false;
        }
        (self.prints[at], self.numbers[at]) = (print, number);
        self.len += 1;
        if self.len * 4 > self.prints.len() * 3 {
            self.grow();
        }
        true
    }

    pub(super) fn clear(&mut self) {
        self.prints.fill(0);
        self.len = 0;
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.prints.len() * 12
    }

    fn grow(&mut self) {
        let size = self.prints.len() * 2;
        let prints = std::mem::replace(&mut self.prints, vec![0; size]);
        let numbers = std::mem::replace(&mut self.numbers, vec![0; size]);
        for (print, number) in prints.into_iter().zip(numbers).filter(|(print, _)| *print != 0) {
            let at = self.slot(print);
            (self.prints[at], self.numbers[at]) = (print, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map_that_grows() {
        let mut visited = Visited::new();
        for n in 0..100_000u32 {
            let print = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 << 40;
            assert_eq!(visited.insert(print, n), visited.len() as u32 > n, "{n}");
            assert_eq!(visited.get(print), Some(n));
            assert!(!visited.insert(print, 7));
        }
        assert_eq!(visited.len(), 100_000);
        assert_eq!(visited.get(3), None);
    }
}
