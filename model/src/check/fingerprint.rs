//! A fixed-form hasher: 64 bits that are the same on every little-endian computer, in every build, for ever, as far as
//! the hashed types write the same words. (`std`'s hashers are seeded or may change; derived `Hash` writes lengths as
//! `usize`, which is widened here.) Every word is mixed in by a bijection of the state, so that two different inputs
//! of one shape meet by chance alone, once in 2^64.

use std::hash::{Hash, Hasher};

/// The fingerprint of a value; never 0.
pub fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = Fixed { state: 0x243f_6a88_85a3_08d3, word: 0, bits: 0 };
    value.hash(&mut hasher);
    hasher.finish().max(1)
}

struct Fixed {
    state: u64,
    /// Small writes are gathered here until a word is full.
    word: u64,
    bits: u32,
}

impl Fixed {
    #[inline]
    fn mix(&mut self, word: u64) {
        let mut x = self.state.rotate_left(23) ^ word;
        x = (x ^ (x >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.state = x ^ (x >> 29);
    }

    #[inline]
    fn small(&mut self, value: u64, bits: u32) {
        if self.bits + bits > 64 {
            self.mix(self.word);
            (self.word, self.bits) = (0, 0);
        }
        self.word |= value << self.bits;
        self.bits += bits;
    }

    #[inline]
    fn flush(&mut self) {
        if self.bits > 0 {
            self.mix(self.word);
            (self.word, self.bits) = (0, 0);
        }
    }
}

impl Hasher for Fixed {
    #[inline]
    fn finish(&self) -> u64 {
        let mut x = self.state.rotate_left(17) ^ self.word ^ (u64::from(self.bits) << 57);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.flush();
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.small(u64::from(*byte), 8);
        }
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.small(u64::from(value), 8);
    }

    #[inline]
    fn write_u16(&mut self, value: u16) {
        self.small(u64::from(value), 16);
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.small(u64::from(value), 32);
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.flush();
        self.mix(value);
    }

    #[inline]
    fn write_u128(&mut self, value: u128) {
        self.write_u64(value as u64);
        self.write_u64((value >> 64) as u64);
    }

    // Lengths and discriminants, mostly: small, and different on the first write where they differ at all.
    #[inline]
    fn write_usize(&mut self, value: usize) {
        match u8::try_from(value) {
            Ok(small) if small < u8::MAX => self.small(u64::from(small), 8),
            _ => {
                self.small(0xff, 8);
                self.write_u64(value as u64);
            }
        }
    }

    #[inline]
    fn write_i8(&mut self, value: i8) {
        self.write_u8(value as u8);
    }

    #[inline]
    fn write_i16(&mut self, value: i16) {
        self.write_u16(value as u16);
    }

    #[inline]
    fn write_i32(&mut self, value: i32) {
        self.write_u32(value as u32);
    }

    #[inline]
    fn write_i64(&mut self, value: i64) {
        self.write_u64(value as u64);
    }

    #[inline]
    fn write_i128(&mut self, value: i128) {
        self.write_u128(value as u128);
    }

    #[inline]
    fn write_isize(&mut self, value: isize) {
        self.write_usize(value as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeSet, HashSet};

    #[test]
    fn the_form_is_fixed() {
        // A change here changes which states meet by chance, and nothing else: but it must be meant.
        assert_eq!(fingerprint(&(1u8, 2u16, "three", vec![4u64], Some(5i32))), 0xf1ce_e5f4_1cde_0ab7);
    }

    #[test]
    fn what_collides_elsewhere_does_not_here() {
        let set = |items: &[u8]| items.iter().copied().collect::<BTreeSet<u8>>();
        assert_ne!(fingerprint(&(set(&[1]), set(&[]))), fingerprint(&(set(&[]), set(&[1]))));
        assert_ne!(fingerprint(&(vec![0u8], vec![0u8, 0])), fingerprint(&(vec![0u8, 0], vec![0u8])));
        assert_ne!(fingerprint(&0u8), fingerprint(&0u16));
    }

    #[test]
    fn small_and_large_values_spread() {
        let mut seen = HashSet::new();
        for a in 0..300u64 {
            for b in 0..300u64 {
                assert!(seen.insert(fingerprint(&(a, b << 40))));
                assert!(seen.insert(fingerprint(&(a as u16, b as u8, a as u32, Some(b)))));
            }
        }
        let low: HashSet<u64> = seen.iter().map(|f| f & 0xfff).collect();
        assert_eq!(low.len(), 4096);
    }
}
