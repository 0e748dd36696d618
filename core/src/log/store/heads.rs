//! Where each entity ends. This module numbers entities in the order of their first event and keeps their last
//! sequence and link. Invariant: it is a function of the log alone, so that a restart gives the same numbers.
//!
//! Memory: 64 bytes an entity, the text of its name with 16 more, and 11 to 21 bytes of table. Grows with entities, not
//! with events.

use super::table::{self, Table};
use crate::log::api::{Hash256, Name};
use alloc::vec::Vec;

/// An entity that has an event.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct EntityHead {
    pub(crate) name: Name,
    /// Sequence of the next event.
    pub(crate) next: u64,
    /// Position of the last event.
    pub(crate) position: u64,
    /// The last event's link.
    pub(crate) chain: Hash256,
}

/// All entities.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Heads {
    list: Vec<EntityHead>,
    table: Table,
}

impl Heads {
    /// An entity's number.
    pub(crate) fn find(&self, name: &Name) -> Option<u32> {
        self.find_hashed(table::hash(name.as_str().as_bytes()), name)
    }

    fn find_hashed(&self, hash: u64, name: &Name) -> Option<u32> {
        self.table.find(hash, |number| self.list[number as usize].name == *name)
    }

    /// An entity by name.
    pub(crate) fn head(&self, name: &Name) -> Option<&EntityHead> {
        self.find(name).map(|number| self.get(number))
    }

    /// An entity by number.
    pub(crate) fn get(&self, number: u32) -> &EntityHead {
        &self.list[number as usize]
    }

    /// The number of an entity, a new one if needed; a new entity gets its first event at once.
    pub(crate) fn intern(&mut self, name: &Name) -> u32 {
        let hash = table::hash(name.as_str().as_bytes());
        self.find_hashed(hash, name).unwrap_or_else(|| {
            let number = self.list.len() as u32;
            let head = EntityHead { name: name.clone(), next: 0, position: 0, chain: Hash256::default() };
            self.list.push(head);
            self.table.insert(hash, number);
            number
        })
    }

    /// Takes up an entity's next event; answers its sequence.
    pub(crate) fn push(&mut self, number: u32, position: u64, chain: Hash256) -> u64 {
        let head = &mut self.list[number as usize];
        let sequence = head.next;
        (head.next, head.position, head.chain) = (sequence + 1, position, chain);
        sequence
    }

    /// Takes up several events at once, from a footer.
    pub(crate) fn jump(&mut self, number: u32, next: u64, position: u64, chain: Hash256) {
        let head = &mut self.list[number as usize];
        (head.next, head.position, head.chain) = (next, position, chain);
    }

    /// All, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &EntityHead> {
        self.list.iter()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }
}
