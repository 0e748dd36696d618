//! The stream from which plans are drawn: ChaCha8 under the seed, by integer arithmetic alone, so that a seed means the
//! same plan on every computer.

use onceward_core::Dur;
use onceward_model::world::Key;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A uniform number below `n`; 0 if there is none.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A number between two, both included, uniform on a logarithmic scale. Of a large one, two digits are drawn.
    pub(crate) fn log(&mut self, from: u64, to: u64) -> u64 {
        // Finer than the numbers themselves, so that small ones are drawn evenly too.
        let scale = 1 << 16;
        let drawn = self.fine(Dur(from * scale), Dur((to + 1) * scale - 1));
        let drawn = drawn.0 / scale;
        let unit = 10u64.pow(drawn.checked_ilog10().unwrap_or(0).saturating_sub(1));
        (drawn / unit * unit).max(from)
    }

    /// A span between two, both included, uniform on a logarithmic scale, of three digits.
    pub(crate) fn span(&mut self, from: Dur, to: Dur) -> Dur {
        let drawn = self.fine(from, to).0;
        let unit = 10u64.pow(drawn.checked_ilog10().unwrap_or(0).saturating_sub(2));
        Dur((drawn / unit * unit).max(from.0))
    }

    fn fine(&mut self, from: Dur, to: Dur) -> Dur {
        Key::root(self.next(), 0).log_uniform(0, from, to)
    }

    /// A root for draws that are not this stream's.
    pub(crate) fn key(&mut self) -> Key {
        Key::root(self.next(), 0)
    }
}
