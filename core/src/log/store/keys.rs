//! Which requests have been carried out already. This module keeps the requests that had an idempotency key, as far
//! back as the horizon; it never judges guards. Invariants: expiry is by position alone (a clock has no say), and
//! the contents are a function of the log and the horizon, so that a restart remembers the same keys.
//!
//! Memory: about 250 bytes for a keyed request of one part, 130 more for each further part, bounded by the horizon.

use crate::log::{
    api::{Hash256, Hlc, Key},
    mutants::mutant,
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec::Vec,
};

/// A request that was carried out and had a key.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Done {
    /// Position of its first event.
    pub(crate) position: u64,
    /// Position after its last event.
    pub(crate) end: u64,
    /// The digest of what was asked.
    pub(crate) request: [u8; 16],
    /// In the order of the request.
    pub(crate) parts: Vec<DonePart>,
}

/// What one part of it led to.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct DonePart {
    pub(crate) entity: u32,
    pub(crate) key: Option<Key>,
    pub(crate) position: u64,
    pub(crate) sequence: u64,
    pub(crate) count: u32,
    pub(crate) time: Hlc,
    pub(crate) chain: Hash256,
}

/// The requests within the horizon.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Keys {
    by_key: BTreeMap<(u32, Key), Arc<Done>>,
    /// In order of position.
    order: VecDeque<Arc<Done>>,
}

impl Keys {
    /// The request that used this key of this entity.
    pub(crate) fn find(&self, entity: u32, key: Key) -> Option<&Arc<Done>> {
        self.by_key.get(&(entity, key))
    }

    /// Remembers a request; its position is greater than all before.
    pub(crate) fn insert(&mut self, done: Arc<Done>) {
        for part in &done.parts {
            if let Some(key) = part.key {
                self.by_key.insert((part.entity, key), done.clone());
            }
        }
        self.order.push_back(done);
    }

    /// Forgets what lies beyond the horizon when the store holds `events` events. Answers whether anything did.
    pub(crate) fn expire(&mut self, events: u64, horizon: u64) -> bool {
        let before = self.order.len();
        while let Some(oldest) = self.order.front() {
            if !expired(oldest.position, events, horizon) {
                break;
            }
            for part in &oldest.parts {
                let place = part.key.map(|key| (part.entity, key));
                // A later request may have used an expired key anew.
                if let Some(place) = place
                    && self.by_key.get(&place).is_some_and(|found| found.position == oldest.position)
                {
                    self.by_key.remove(&place);
                }
            }
            self.order.pop_front();
        }
        self.order.len() < before
    }
}

/// Whether a request whose first event is at `position` lies beyond the horizon.
pub(crate) fn expired(position: u64, events: u64, horizon: u64) -> bool {
    let horizon = if mutant!(DedupHorizonOfOne) { 1 } else { horizon };
    events.saturating_sub(position).saturating_sub(1) >= horizon
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn done(position: u64, key: u128) -> Arc<Done> {
        let part = DonePart {
            entity: 0,
            key: Some(Key(key)),
            position,
            sequence: position,
            count: 1,
            time: Hlc::default(),
            chain: Hash256::default(),
        };
        Arc::new(Done { position, end: position + 1, request: [0; 16], parts: vec![part] })
    }

    #[test]
    fn a_key_is_remembered_while_fewer_events_than_the_horizon_follow() {
        let mut keys = Keys::default();
        keys.insert(done(0, 7));
        assert!(!keys.expire(3, 3), "two events follow");
        assert!(keys.find(0, Key(7)).is_some());
        assert!(keys.expire(4, 3), "three events follow");
        assert!(keys.find(0, Key(7)).is_none());
    }

    #[test]
    fn a_key_that_is_used_anew_outlives_its_first_use() {
        let mut keys = Keys::default();
        keys.insert(done(0, 7));
        keys.insert(done(2, 7));
        keys.expire(3, 2);
        assert_eq!(keys.find(0, Key(7)).map(|done| done.position), Some(2));
        assert!(keys.find(1, Key(7)).is_none(), "keys belong to an entity");
    }
}
