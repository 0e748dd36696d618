//! A canonical encoding: what a value writes into its hasher, as bytes that are the same on every computer and in every
//! build. `std::hash` leaves widths and byte order to the platform; here, integers are little-endian, and those of the
//! platform's width (lengths, and the discriminants that `derive(Hash)` writes) take one byte below 255 and nine from
//! there on. This module hashes nothing.
//!
//! One thing is out of a hasher's hands: slices of integers wider than a byte arrive as memory. Types that are hashed
//! hold byte strings, or sequences of structures, instead.

use std::hash::Hasher;
use xxhash_rust::xxh3::xxh3_64;

/// Collects what a value writes into its hasher, in a buffer that can be used again.
#[derive(Clone, Debug, Default)]
pub struct Collector(Vec<u8>);

impl Collector {
    /// Nothing yet.
    pub fn new() -> Collector {
        Collector(Vec::with_capacity(512))
    }

    /// Forgets what was collected and keeps the buffer.
    #[inline]
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What was collected.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

macro_rules! little_endian {
    ($($write:ident($number:ty)),*) => {
        $(
            #[inline]
            fn $write(&mut self, n: $number) {
                self.0.extend_from_slice(&n.to_le_bytes());
            }
        )*
    };
}

impl Hasher for Collector {
    /// A hash of what was collected.
    fn finish(&self) -> u64 {
        xxh3_64(&self.0)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    #[inline]
    fn write_usize(&mut self, n: usize) {
        if n < 255 {
            self.0.push(n as u8);
        } else {
            self.0.push(255);
            self.write_u64(n as u64);
        }
    }

    #[inline]
    fn write_isize(&mut self, n: isize) {
        // Widened with its sign first, so that a negative number is the same on every platform.
        if (0..255).contains(&n) {
            self.0.push(n as u8);
        } else {
            self.0.push(255);
            self.write_i64(n as i64);
        }
    }

    little_endian!(write_u8(u8), write_u16(u16), write_u32(u32), write_u64(u64), write_u128(u128));
    little_endian!(write_i8(i8), write_i16(i16), write_i32(i32), write_i64(i64), write_i128(i128));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hash;

    fn bytes(value: impl Hash) -> Vec<u8> {
        let mut collector = Collector::new();
        value.hash(&mut collector);
        collector.bytes().to_vec()
    }

    #[derive(Hash)]
    enum Thing {
        #[allow(dead_code)]
        Other,
        This {
            number: u32,
            text: &'static str,
            maybe: Option<u16>,
        },
    }

    #[test]
    fn derived_hashes_have_one_fixed_form() {
        let thing = Thing::This { number: 0x0102_0304, text: "ab", maybe: Some(7) };
        assert_eq!(bytes(thing), [1, 4, 3, 2, 1, b'a', b'b', 0xff, 1, 7, 0]);
        assert_eq!(bytes(-2i64), (-2i64).to_le_bytes());
        assert_eq!(bytes((true, 'x')), [1, b'x', 0, 0, 0]);
    }

    #[test]
    fn lengths_are_written_so_that_none_begins_another() {
        assert_eq!(bytes([9u8; 3].as_slice()), [3, 9, 9, 9]);
        assert_eq!(bytes(254usize), [254]);
        assert_eq!(bytes(255usize), [255, 255, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes(-1isize), [255; 9]);
        assert_eq!(bytes(254isize), [254]);
        assert_ne!(bytes((vec![1u8], vec![2u8, 3])), bytes((vec![1u8, 2], vec![3u8])));
    }
}
