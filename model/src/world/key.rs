//! Causal keys: a name for everything that may happen in a run, which does not change when something unrelated is
//! removed. A key is mixed from the key of what caused it and a count among that cause's children; the roots are the
//! entries of a fault plan. Everything random about one message, write or timer is drawn *from its key*, never from a
//! shared stream: that is what lets a minimiser remove one thing without reshuffling all others. This module mixes
//! and draws; it holds no state.

use onceward_core::Dur;

/// The causal name of one possible happening. [`Key::ANY`] stands for "whichever": a checker and a replay do not
/// tell equal things apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key(pub u64);

impl Key {
    /// Matches every key.
    pub const ANY: Key = Key(0);

    /// The root for entry `n` of a plan drawn from `seed`.
    pub fn root(seed: u64, n: u64) -> Key {
        Key(mix(mix(seed, 0x9e37_79b9_7f4a_7c15), n) | 1)
    }

    /// The key of this one's `n`th child. `ANY` has only `ANY` for children.
    #[inline]
    pub fn child(self, n: u32) -> Key {
        if self == Key::ANY { Key::ANY } else { Key(mix(self.0, u64::from(n) + 1) | 1) }
    }

    /// Whether one stands for the other.
    #[inline]
    pub fn matches(self, other: Key) -> bool {
        self == other || self == Key::ANY || other == Key::ANY
    }

    /// 64 uniform bits, a separate draw for each `purpose`.
    #[inline]
    pub fn draw(self, purpose: u32) -> u64 {
        mix(self.0, 0xd1b5_4a32_d192_ed03 ^ u64::from(purpose))
    }

    /// A uniform number below `n` (which must not be 0; 0 gives 0).
    #[inline]
    pub fn below(self, purpose: u32, n: u64) -> u64 {
        ((u128::from(self.draw(purpose)) * u128::from(n)) >> 64) as u64
    }

    /// True in `ppm` of a million draws.
    #[inline]
    pub fn chance(self, purpose: u32, ppm: u32) -> bool {
        ppm != 0 && self.below(purpose, 1_000_000) < u64::from(ppm)
    }

    /// A span between `from` and `to`, both included, uniform on a logarithmic scale: half of all draws from
    /// 1 µs..1 s lie below 1 ms. Narrow latencies explore almost nothing.
    pub fn log_uniform(self, purpose: u32, from: Dur, to: Dur) -> Dur {
        if to.0 <= from.0 {
            return from;
        }
        // Integer arithmetic only: a draw must be the same on every computer.
        let (low, high) = (log2_fixed(from.0.max(1)), log2_fixed(to.0));
        let at = low + self.below(purpose, high - low + 1);
        Dur(exp2_fixed(at).clamp(from.0, to.0))
    }
}

/// A bijective finaliser over both words (the murmur3 and splitmix64 constants).
#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let mut x = a.rotate_left(25) ^ b.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// log2 with 16 fractional bits, linear between powers of two.
fn log2_fixed(x: u64) -> u64 {
    let whole = u64::from(x.ilog2());
    let fraction = if whole >= 16 { (x >> (whole - 16)) & 0xffff } else { (x << (16 - whole)) & 0xffff };
    (whole << 16) | fraction
}

fn exp2_fixed(y: u64) -> u64 {
    let (whole, fraction) = (y >> 16, (y & 0xffff) | 0x1_0000);
    if whole >= 16 { fraction << (whole - 16) } else { fraction >> (16 - whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_differ_from_each_other_and_from_their_parent() {
        let root = Key::root(7, 0);
        let mut keys: Vec<Key> = (0..1000).map(|n| root.child(n)).collect();
        keys.extend((0..1000).map(|n| root.child(3).child(n)));
        keys.push(root);
        keys.sort();
        let total = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), total);
    }

    #[test]
    fn any_begets_any() {
        assert_eq!(Key::ANY.child(5), Key::ANY);
        assert!(Key::ANY.matches(Key::root(1, 1)) && Key::root(1, 1).matches(Key::ANY));
        assert!(!Key::root(1, 1).matches(Key::root(1, 2)));
    }

    #[test]
    fn log_uniform_spreads_over_magnitudes_and_stays_inside() {
        let (from, to) = (Dur::micros(1), Dur::secs(1));
        let spans: Vec<u64> = (0..10_000).map(|n| Key::root(1, n).log_uniform(0, from, to).0).collect();
        assert!(spans.iter().all(|s| (from.0..=to.0).contains(s)));
        let below_a_milli = spans.iter().filter(|s| **s < 1_000_000).count();
        assert!((4_500..5_500).contains(&below_a_milli), "{below_a_milli} of 10000 below the middle");
    }

    #[test]
    fn below_is_even() {
        let mut counts = [0; 10];
        (0..100_000).for_each(|n| counts[Key::root(2, n).below(1, 10) as usize] += 1);
        assert!(counts.iter().all(|c| (9_500..10_500).contains(c)), "{counts:?}");
    }
}
