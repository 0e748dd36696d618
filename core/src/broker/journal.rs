//! Records that are on their way into the log, and what follows once each is durable. It keeps order and decides
//! nothing: sequences are dense, and an entry leaves when the log has proven it.

use super::catalogue::PartitionId;
use super::record::Record;
use crate::log::segments::Location;
use crate::reader::wire::Batch;
use crate::{CallId, ConnId, Wall};
use alloc::{collections::VecDeque, sync::Arc, vec::Vec};

/// What a record changes once it is durable.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Effect {
    /// Messages can be shown.
    Messages(Written),
    /// Whatever another record says.
    Other(Record),
}

/// What is kept of a record of messages while it is on its way.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Written {
    pub(super) partition: PartitionId,
    pub(super) offset: u64,
    pub(super) count: u32,
    pub(super) written_at: Wall,
    pub(super) producer: Arc<str>,
    /// The highest sequence number among them.
    pub(super) highest: u64,
}

/// Who waits for it.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Then {
    /// Nobody.
    Nothing,
    /// A caller, to be told that it is done.
    Answer(CallId),
    /// A caller that was told that nobody knows.
    Told(CallId),
    /// A write session, to be told that it is open.
    Open(ConnId),
    /// The flush in this slot.
    Drained(u32),
}

/// A record on its way.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Entry {
    pub(super) at: Location,
    pub(super) effect: Effect,
    pub(super) then: Then,
}

/// All records on their way, by sequence.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Journal {
    first: u64,
    entries: VecDeque<Entry>,
}

impl Effect {
    pub(super) fn of(record: Record) -> Effect {
        match record {
            Record::Messages { partition, batch } => Effect::Messages(Written::of(partition, &batch)),
            other => Effect::Other(other),
        }
    }
}

impl Written {
    pub(super) fn of(partition: PartitionId, batch: &Batch) -> Written {
        Written {
            partition,
            offset: batch.offset,
            // A record has fewer messages than bytes.
            count: batch.messages.len() as u32,
            written_at: batch.written_at,
            producer: batch.producer_id.clone(),
            highest: batch.messages.iter().map(|message| message.seq_no).max().unwrap_or(0),
        }
    }
}

impl Journal {
    /// Nothing is known of the records before.
    pub(super) fn begin(&mut self, first: u64) {
        self.first = first;
    }

    /// The next record of the log.
    pub(super) fn push(&mut self, at: Location, effect: Effect, then: Then) {
        self.entries.push_back(Entry { at, effect, then });
    }

    /// The sequence of the record that is pushed next.
    pub(super) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Everything below this sequence is settled.
    pub(super) fn settled(&self) -> u64 {
        self.first
    }

    /// A record stands here now. Those that are durable do not move.
    pub(super) fn place(&mut self, sequence: u64, at: Location) {
        if let Some(entry) = self.entry(sequence) {
            entry.at = at;
        }
    }

    /// No caller waits any more for the records from `from` to before `upto`: gives those who did, to be told.
    pub(super) fn give_up(&mut self, from: u64, upto: u64) -> Vec<CallId> {
        let mut callers = Vec::new();
        for sequence in from.max(self.first)..upto.min(self.end()) {
            if let Some(entry) = self.entry(sequence)
                && let Then::Answer(call) = entry.then
            {
                entry.then = Then::Told(call);
                callers.push(call);
            }
        }
        callers
    }

    /// The next record, if it is below `upto`, with its sequence.
    pub(super) fn settle(&mut self, upto: u64) -> Option<(u64, Entry)> {
        if self.first >= upto {
            return None;
        }
        let entry = self.entries.pop_front()?;
        self.first += 1;
        Some((self.first - 1, entry))
    }

    fn entry(&mut self, sequence: u64) -> Option<&mut Entry> {
        let index = sequence.checked_sub(self.first)?;
        self.entries.get_mut(usize::try_from(index).ok()?)
    }
}
