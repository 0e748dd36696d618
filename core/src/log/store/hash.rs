//! What makes a history tamper-evident: one hash chain per entity and one digest over the whole store. This module
//! decides what is hashed; it keeps nothing.
//!
//! The *chain* of an entity starts at zero; each event's link is blake3, keyed with the link before, over the
//! encoded event (entity, id, kind, scope, correlation, causation, time, payload). Links are not stored: they are
//! recomputed, and compared with what clients were told in receipts and with the footers of sealed segments.
//!
//! The *digest* of the store starts at zero; each atomic unit's digest is blake3, keyed with the digest before, over
//! the links of the unit's events, their idempotency keys and saved cursors, in order. Its first 8 bytes stand at
//! the end of the unit, all 32 in each footer, and [`Verified::digest`](crate::log::api::Verified) gives it to
//! whoever wants to hold it outside.
//!
//! What detects what, even where every checksum of the files was repaired:
//!
//! | tampering | detected by |
//! |---|---|
//! | payload edited | the digest at the end of its unit; a receipt; the digest held outside |
//! | header edited (time, kind, scope, cause) | the same |
//! | event moved to another entity | the same: the entity is part of what is hashed |
//! | middle removed, events reordered | the digest at the end of the next unit |
//! | previous link zeroed | nothing to zero: links are not stored. Cutting the beginning off is a middle removed |
//! | tail dropped | receipts, and the digest held outside. The files alone cannot tell a shorter history from a tampered one, unless segments' own count of what was durable shows it |
//! | everything rewritten with all digests after it | receipts and the digest held outside, nothing else: there is no secret in a store |

use super::record::{self, Fields, Keyed};
use crate::log::{
    api::{Event, Hash256},
    mutants::mutant,
};
use alloc::vec::Vec;
use rmp::encode::ByteBuf;

/// The link of an event in its entity's hash chain, from the link of the event before, or from
/// [`Hash256::default`] for the entity's first. For readers who check a history by themselves.
pub fn link(previous: &Hash256, event: &Event) -> Hash256 {
    let mut out = ByteBuf::with_capacity(event.payload.len() + 128);
    record::put_event(&mut out, Fields::from(event));
    link_encoded(previous, out.as_slice())
}

/// As [`link`], for an event that is encoded already.
pub(crate) fn link_encoded(previous: &Hash256, event: &[u8]) -> Hash256 {
    if mutant!(ChainWithoutPrevious) {
        return Hash256(*blake3::hash(event).as_bytes());
    }
    Hash256(*blake3::keyed_hash(&previous.0, event).as_bytes())
}

/// blake3 of a payload.
pub(crate) fn content(payload: &[u8]) -> Hash256 {
    Hash256(*blake3::hash(payload).as_bytes())
}

/// The digest of a unit in the making: what it covers is gathered and hashed at once.
#[derive(Clone, Debug)]
pub(crate) struct UnitDigest {
    before: Hash256,
    covered: Vec<u8>,
}

impl UnitDigest {
    /// Begins a unit after everything that `before` covers.
    pub(crate) fn after(before: &Hash256) -> UnitDigest {
        UnitDigest { before: *before, covered: Vec::new() }
    }

    /// Adds an event by its link. A tag of one byte keeps what is added apart.
    pub(crate) fn event(&mut self, link: &Hash256, key: Option<&Keyed>) {
        let mut tagged = [u8::from(key.is_some()); 33];
        tagged[1..].copy_from_slice(&link.0);
        self.covered.extend_from_slice(&tagged);
        if let Some(keyed) = key {
            self.covered.extend_from_slice(&keyed.key.0.to_be_bytes());
            self.covered.extend_from_slice(&keyed.request);
        }
    }

    /// Adds a saved cursor by its encoding.
    pub(crate) fn cursor(&mut self, encoded: &[u8]) {
        self.covered.push(2);
        self.covered.extend_from_slice(encoded);
    }

    /// The store's digest after the unit.
    pub(crate) fn finish(&self) -> Hash256 {
        Hash256(*blake3::keyed_hash(&self.before.0, &self.covered).as_bytes())
    }
}

/// The part of a digest that is stored with its unit.
pub(crate) fn short(digest: &Hash256) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = digest.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
