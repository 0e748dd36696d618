//! What is stored, compared with what was answered. It looks at the server's records and at nothing else.

use super::{
    ACKED_IS_STORED, CONTENT_AS_WRITTEN, History, PRODUCER_ORDER, REFUSED_IS_NOT_STORED, STORED_ONCE,
    history::{Fate, Write},
};
use crate::world::Violation;
use bytes::Bytes;
use onceward_core::NodeId;
use std::collections::BTreeMap;

/// A stored message.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Record {
    /// Its number.
    pub seq_no: u64,
    /// The payload, decoded by the codec that was declared for it; none if it cannot be.
    pub content: Option<Bytes>,
}

impl History {
    /// Compares all that was answered with all that is stored, in the order of storing.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn judge<'a>(&self, stored: impl IntoIterator<Item = &'a Record>) -> Result<(), Violation> {
        let written: BTreeMap<&Bytes, &Write> =
            self.writes.values().map(|write| (&write.content, write)).collect();
        let (mut found, mut last) = (BTreeMap::<&Bytes, u64>::new(), BTreeMap::<NodeId, usize>::new());
        for record in stored {
            let write = record.content.as_ref().and_then(|content| written.get(content));
            let Some(write) = write else {
                let what = "a stored payload, decoded by its codec, is none that was written";
                return Err(Violation::new(CONTENT_AS_WRITTEN, format!("{what}: {record:?}")));
            };
            let broken = |promise, what| Err(Violation::new(promise, what).at(*write.seen, "it was written"));
            if found.insert(&write.content, record.seq_no).is_some() {
                return broken(STORED_ONCE, "a message is stored twice");
            }
            if matches!(write.fate, Fate::Refused | Fate::Unsent) {
                return broken(REFUSED_IS_NOT_STORED, "a message that was refused or never sent is stored");
            }
            if last.insert(write.writer, write.place).is_some_and(|before| before > write.place) {
                return broken(PRODUCER_ORDER, "a message is stored after one that was written later");
            }
        }
        let lost = self.writes.values().find(|write| match write.fate {
            Fate::Acknowledged(seq_no) => found.get(&write.content) != Some(&seq_no),
            _ => false,
        });
        match lost {
            Some(write) => {
                let what = "a message was acknowledged and is not stored under the number that was told";
                Err(Violation::new(ACKED_IS_STORED, what).at(*write.seen, "it was written"))
            }
            None => Ok(()),
        }
    }
}
