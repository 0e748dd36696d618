//! What was told, compared with what is there in the end. It decides what is missing, and never what should have been told.

use super::{Book, SHOWN_IS_DURABLE, Stored};
use crate::world::Violation;
use std::sync::Arc;

impl Book {
    /// Everything that the auditor was shown since it last began, partition by partition. Nothing in a recording.
    pub fn audited(&self) -> impl Iterator<Item = &Stored> {
        self.topics.values().flat_map(|topic| topic.audited.values()).flatten()
    }

    /// Whether everything that the auditor was shown of a partition is committed by a consumer.
    pub fn is_committed(&self, topic: &str, consumer: &str, partition: u32) -> bool {
        let Some(topic) = self.topics.get(topic) else { return true };
        let shown = topic.audited.get(&partition).map_or(0, |stored| stored.len() as u64);
        let position = topic.positions.get(&(Arc::from(consumer), partition));
        position.map_or(0, |position| position.confirmed) >= shown
    }

    /// Compares what was ever told with what the auditor was shown in the end: all of it.
    ///
    /// # Errors
    /// Something that was told is not there any more.
    pub fn judge(&self) -> Result<(), Violation> {
        for topic in self.topics.values() {
            for ((partition, offset), told) in &topic.offsets {
                let stored = topic.audited.get(partition).and_then(|stored| stored.get(*offset as usize));
                let named = stored.map(|stored| (&stored.producer, stored.seq_no));
                if named != Some((&told.named.0, told.named.1)) {
                    let what = "a message that was acknowledged or shown is not there any more";
                    let said = format!("offset {offset} of partition {partition} was told");
                    return Err(Violation::new(SHOWN_IS_DURABLE, what).at(*told.seen, said));
                }
            }
        }
        Ok(())
    }
}
