//! What was told, compared with what is there in the end. It decides what is missing, and never what should have been told.

use super::{Book, CONTENT_AS_WRITTEN, SHOWN_IS_DURABLE, Stored, digest};
use crate::{spec::image::messages::Messages, world::Violation};
use onceward_core::writer::wire::Codec;
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

    /// Compares what was ever told with what a broker's disk holds: all of it, but for what the broker has given up.
    /// `id_of`: the number by which the broker knows a topic; a topic that it does not know is not judged.
    ///
    /// # Errors
    /// Something that was told is not on the disk, or is another message there.
    pub fn keeps(&self, id_of: impl Fn(&str) -> Option<u64>, disk: &Messages<'_>) -> Result<(), Violation> {
        for (path, topic) in &self.topics {
            let Some(id) = id_of(path) else { continue };
            for ((partition, offset), told) in &topic.offsets {
                if *offset < disk.first(id, *partition) {
                    continue;
                }
                let violation = |promise, what: &str| {
                    let (producer, number) = &told.named;
                    let said =
                        format!("offset {offset} of partition {partition} is number {number} of {producer}");
                    Err(Violation::new(promise, what).at(*told.seen, said))
                };
                let there = disk.get(id, *partition, *offset);
                let named = |producer: &str, number| producer == &*told.named.0 && number == told.named.1;
                match there.filter(|message| named(message.producer, message.seq_no)) {
                    None => {
                        let what = "a message that was acknowledged or shown is not on the disk";
                        return violation(SHOWN_IS_DURABLE, what);
                    }
                    Some(message) => {
                        let there = digest(Codec(message.codec), message.data);
                        if told.digest.is_some_and(|digest| digest != there) {
                            return violation(
                                CONTENT_AS_WRITTEN,
                                "a message has another content on the disk",
                            );
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
