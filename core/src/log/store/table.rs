//! Hashing without surprises: a hash table of numbers, fingerprints that are stored in footers, and the filter that
//! spares reads of footers. Nothing here is ever iterated, and the hash function is fixed, so that two computers
//! agree; a fingerprint is a hint that the record itself confirms.

use alloc::{collections::BTreeSet, sync::Arc, vec, vec::Vec};

/// An open-addressing table from hashes to numbers that stand for things kept elsewhere. Takes 8 bytes a slot, at
/// most three quarters full.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Table {
    /// The number plus one in the lower half, 0: free; the hash's upper half in the upper half.
    slots: Vec<u64>,
    len: usize,
}

impl Table {
    /// The first number under this hash that `is` accepts.
    pub(crate) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let tag = hash >> 32;
        let mut slot = tag as usize & mask;
        loop {
            let value = self.slots[slot];
            if value as u32 == 0 {
                return None;
            }
            if value >> 32 == tag && is(value as u32 - 1) {
                return Some(value as u32 - 1);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Adds a number below `u32::MAX`.
    pub(crate) fn insert(&mut self, hash: u64, number: u32) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            let larger = vec![0; (self.slots.len() * 2).max(8)];
            for value in core::mem::replace(&mut self.slots, larger) {
                if value as u32 != 0 {
                    self.place(value);
                }
            }
        }
        self.place((hash >> 32) << 32 | u64::from(number + 1));
        self.len += 1;
    }

    fn place(&mut self, value: u64) {
        let mask = self.slots.len() - 1;
        let mut slot = (value >> 32) as usize & mask;
        while self.slots[slot] as u32 != 0 {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = value;
    }
}

/// A fixed hash of bytes. Part of the footer's format, through [`fingerprint`].
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        state = fold(state ^ u64::from_le_bytes(word), 0xd6e8_feb8_6659_fd93);
    }
    let mut word = [0; 8];
    word[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    fold(fold(state ^ u64::from_le_bytes(word), 0xa076_1d64_78bd_642f), 0xe703_7ed1_a0b4_28db)
}

/// A fixed hash of an id.
pub(crate) fn hash_id(id: u128) -> u64 {
    hash(&id.to_le_bytes())
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x2d35_8dcc_aa6c_78a5) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// 32 bits of an id, never 0.
pub(crate) fn fingerprint(id: u128) -> u32 {
    narrow(hash_id(id))
}

/// The [`fingerprint`] of an id from its [`hash_id`].
pub(crate) fn narrow(hash: u64) -> u32 {
    ((hash >> 32) as u32).max(1)
}

/// What a filter is asked about; one kind never answers for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Aspect {
    Id,
    Entity,
    Scope,
    Kind,
    Correlation,
    Causation,
}

/// A blocked Bloom filter over what a segment holds: one cache line a question, 12 bits an item, about one wrong
/// "maybe" in a hundred, never a wrong "no".
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Filter(Arc<[[u64; 8]]>);

/// What a [`Filter`] is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question(u64);

impl Filter {
    /// Over the given items.
    pub(crate) fn new(items: &[(Aspect, u32)]) -> Filter {
        let mut blocks = vec![[0; 8]; (items.len() * 12).div_ceil(512).max(1)];
        for (aspect, print) in items {
            let hash = Self::hash(*aspect, *print);
            let block = Self::block(hash, blocks.len());
            for bit in Self::bits(hash) {
                blocks[block][bit / 64] |= 1 << (bit % 64);
            }
        }
        Filter(blocks.into())
    }

    /// Whether the item may be there.
    pub(crate) fn maybe(&self, aspect: Aspect, print: u32) -> bool {
        self.answers(Self::question(aspect, print))
    }

    /// A question, for asking several filters the same.
    pub(crate) fn question(aspect: Aspect, print: u32) -> Question {
        Question(Self::hash(aspect, print))
    }

    /// Whether what is asked for may be there.
    pub(crate) fn answers(&self, Question(hash): Question) -> bool {
        let block = &self.0[Self::block(hash, self.0.len())];
        Self::bits(hash).into_iter().all(|bit| block[bit / 64] >> (bit % 64) & 1 == 1)
    }

    /// Whether one of these ids, or what one of them caused, may be there.
    pub(crate) fn any_caused_by(&self, prints: &BTreeSet<u32>) -> bool {
        let related = |print| self.maybe(Aspect::Causation, print) || self.maybe(Aspect::Id, print);
        prints.iter().any(|print| related(*print))
    }

    /// Bytes of memory.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.0.len() * 64
    }

    fn hash(aspect: Aspect, print: u32) -> u64 {
        fold(u64::from(print) << 8 | aspect as u64, 0x8ebc_6af0_9c88_c6e3)
    }

    fn block(hash: u64, blocks: usize) -> usize {
        // The upper 24 bits as a fraction of one, for a division is slow.
        (((hash >> 40) * blocks as u64) >> 24) as usize
    }

    fn bits(hash: u64) -> [usize; 4] {
        [0, 9, 18, 27].map(|shift| (hash >> shift) as usize & 511)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    #[test]
    fn the_hash_is_pinned() {
        // Fingerprints are stored: a change of these values is a change of the footer's format.
        assert_eq!(
            [hash(b""), hash(b"order-17"), hash(b"a longer name, 23 bytes")],
            [15_465_301_888_954_863_521, 5_238_469_262_538_411_018, 1_129_055_525_308_370_786]
        );
    }

    #[test]
    fn a_filter_never_denies_and_rarely_errs() {
        let items: Vec<_> = (0..10_000).map(|n| (Aspect::Id, fingerprint(n))).collect();
        let filter = Filter::new(&items);
        assert!(items.iter().all(|(aspect, print)| filter.maybe(*aspect, *print)));
        let wrong = (10_000..20_000).filter(|n| filter.maybe(Aspect::Id, fingerprint(*n))).count();
        assert!(wrong < 200, "{wrong} of 10,000");
        let wrong = (0..10_000).filter(|n| filter.maybe(Aspect::Entity, fingerprint(*n))).count();
        assert!(wrong < 200, "{wrong} of 10,000 for another aspect");
        assert!(filter.bytes() <= 10_000 * 3 / 2 + 64);
    }

    proptest! {
        #[test]
        fn finds_what_was_put_in(keys in proptest::collection::vec(0u128..200, 0..300)) {
            let mut table = Table::default();
            let mut list: Vec<u128> = Vec::new();
            let mut plain = BTreeMap::new();
            for key in keys {
                let found = table.find(hash_id(key), |n| list[n as usize] == key);
                prop_assert_eq!(found, plain.get(&key).copied());
                if found.is_none() {
                    let number = list.len() as u32;
                    table.insert(hash_id(key), number);
                    plain.insert(key, number);
                    list.push(key);
                }
            }
        }
    }
}
