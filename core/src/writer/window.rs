//! The accepted messages that are not answered yet, oldest first: those in flight on the present session, then those
//! that wait to be sent. It keeps the books; when something is sent is [`super::send`]'s matter.
//!
//! Invariants: messages leave at the front alone; those in flight are a prefix; a message that has a number keeps it.
//!
//! A message's memory is given back when it leaves, so there is nothing like a collector with thresholds; the queue's own
//! capacity follows its length down.

use super::{
    api::{MESSAGE_COST, Ticket, Undelivered},
    mutants::mutant,
    wire::{Codec, Numbered, Payload},
};
use alloc::{collections::VecDeque, vec::Vec};

/// An accepted message.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Entry {
    pub(super) ticket: Ticket,
    pub(super) payload: Payload,
    /// The caller's number, if the caller numbers.
    pub(super) wanted: Option<u64>,
    /// The number under which it was sent; never another one from then on.
    pub(super) sent: Option<u64>,
    /// Whether it was sent in an earlier session: then it may be stored.
    pub(super) earlier: bool,
}

impl Entry {
    fn bytes(&self) -> u64 {
        let metadata = self.payload.metadata.iter().map(|(name, value)| (name.len() + value.len()) as u64);
        self.payload.data.len() as u64 + metadata.sum::<u64>()
    }
}

/// The accepted messages that are not answered yet.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Window {
    entries: VecDeque<Entry>,
    in_flight: usize,
    /// What all of them take of the budget.
    cost: u64,
    /// Bytes of those that wait to be sent.
    waiting_bytes: u64,
}

/// Below this capacity the queue keeps its memory.
const KEPT_CAPACITY: usize = 1024;

impl Window {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn waiting(&self) -> usize {
        self.entries.len() - self.in_flight
    }

    pub(super) fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.cost += entry.bytes() + MESSAGE_COST;
        self.waiting_bytes += entry.bytes();
        self.entries.push_back(entry);
    }

    /// The oldest message.
    pub(super) fn first(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// The oldest message in flight.
    pub(super) fn first_in_flight(&self) -> Option<&Entry> {
        self.entries.front().filter(|_| self.in_flight > 0)
    }

    /// The oldest message that waits to be sent.
    pub(super) fn first_waiting(&self) -> Option<&Entry> {
        self.entries.get(self.in_flight)
    }

    /// Whether a message that is not answered was sent under this number.
    pub(super) fn has_sent(&self, seq_no: u64) -> bool {
        let sent = self.entries.iter().map_while(|entry| entry.sent);
        sent.take_while(|sent| *sent <= seq_no).last() == Some(seq_no)
    }

    /// Removes the oldest message.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.cost -= entry.bytes() + MESSAGE_COST;
        if self.in_flight > 0 {
            self.in_flight -= 1;
        } else {
            self.waiting_bytes -= entry.bytes();
        }
        if self.entries.capacity() > KEPT_CAPACITY && self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.len().max(KEPT_CAPACITY / 2) * 2);
        }
        Some(entry)
    }

    /// Takes the oldest waiting messages into flight: no more than so many messages and bytes, but one at least, and all
    /// in one codec. `number` gives a message that was never sent its number; none: the batch ends before it.
    pub(super) fn send(
        &mut self,
        most: usize,
        most_bytes: u64,
        mut number: impl FnMut(&Entry) -> Option<u64>,
    ) -> (Codec, Vec<Numbered>) {
        let codec = self.first_waiting().map_or(Codec::RAW, |entry| entry.payload.codec);
        let (mut batch, mut bytes) = (Vec::with_capacity(most.min(self.waiting())), 0);
        while let Some(entry) = self.entries.get_mut(self.in_flight) {
            let more = entry.bytes();
            let fits = batch.is_empty() || bytes + more <= most_bytes;
            let other_codec = entry.payload.codec != codec && !mutant!(CodecDeclaredNotApplied);
            if batch.len() >= most || !fits || other_codec {
                break;
            }
            let Some(seq_no) = entry.sent.or_else(|| number(entry)) else { break };
            entry.sent = Some(seq_no);
            batch.push(Numbered { seq_no, payload: entry.payload.clone() });
            bytes += more;
            self.waiting_bytes -= more;
            self.in_flight += 1;
        }
        (codec, batch)
    }

    /// The session is lost: what was in flight waits again, under its numbers; a known bug takes them away.
    pub(super) fn lost(&mut self, renumber: bool) {
        for entry in self.entries.iter_mut().take(self.in_flight) {
            entry.earlier = true;
            if renumber {
                entry.sent = None;
            }
            self.waiting_bytes += entry.bytes();
        }
        self.in_flight = 0;
    }

    /// A codec of a message that the list does not have.
    pub(super) fn codec_beyond(&self, codecs: &[Codec]) -> Option<Codec> {
        let mut used = self.entries.iter().map(|entry| entry.payload.codec);
        used.find(|codec| !codecs.contains(codec))
    }

    /// Empties it, and says what was not delivered.
    pub(super) fn give_up(&mut self) -> Vec<Undelivered> {
        let Window { entries, .. } = core::mem::take(self);
        entries.into_iter().map(|entry| Undelivered { ticket: entry.ticket, sent: entry.sent }).collect()
    }
}
