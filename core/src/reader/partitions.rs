//! The partitions of a session: how each comes and goes, and what is delivered of it. Invariants: messages of a partition
//! reach the caller in the order of their offsets, from where it begins, and only while the reader has it; whoever waits
//! for a commit of a partition is answered before the partition is over.

use super::{
    Action, Event, Out, Part, Reader, Ticket,
    failure::Breach,
    mark,
    mutants::mutant,
    wire::{FromClient, PartitionData, PartitionSessionId, Range},
};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

/// How many stretches of a partition that were passed over, and not committed, are remembered.
const GAPS: usize = 1 << 16;

/// A partition that the reader has.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Held {
    pub(super) part: Part,
    /// What was committed when it was given.
    pub(super) base: u64,
    /// The server was told that it may send.
    begun: bool,
    /// The server wants it back.
    stopping: bool,
    /// The caller has given it up.
    pub(super) released: bool,
    /// The offset after the last that was delivered, or where it begins.
    pub(super) next: u64,
    /// The first offset that may be committed.
    pub(super) from: u64,
    /// What was passed over and not committed yet, by its end: its start.
    pub(super) gaps: BTreeMap<u64, u64>,
    /// The server has said that everything below is committed.
    pub(super) durable: u64,
    /// Everything below was committed, durable or not.
    pub(super) prefix: u64,
    /// Commits without an answer by their start: the end, and whose. They do not overlap.
    pub(super) commits: BTreeMap<u64, (u64, Ticket)>,
}

impl Held {
    /// Whether commits are under way that nothing holds up.
    pub(super) fn awaits(&self) -> bool {
        self.durable < self.prefix
    }
}

impl Reader {
    /// A partition that is not over.
    pub(super) fn present(&mut self, part: Part) -> Option<&mut Held> {
        self.parts.get_mut(&part.session).filter(|held| held.part == part || mutant!(StaleCommitSent))
    }

    pub(super) fn assigned(
        &mut self,
        session: PartitionSessionId,
        path: Arc<str>,
        partition: u32,
        committed: u64,
        available: Range,
        out: &mut Out,
    ) -> Result<(), Breach> {
        if self.parts.contains_key(&session) {
            return Err(Breach::GivenTwice(session.0));
        }
        self.given += 1;
        let part = Part { stream: self.phase.stream().unwrap_or_default(), session, number: self.given };
        let held = Held {
            part,
            base: committed,
            begun: false,
            stopping: false,
            released: false,
            next: committed,
            from: committed,
            gaps: BTreeMap::new(),
            durable: committed,
            prefix: committed,
            commits: BTreeMap::new(),
        };
        self.parts.insert(session, held);
        out.push(Action::Tell(Event::Assigned { part, path, partition, committed, available }));
        if !self.config.caller_begins {
            self.begin(part, None, out);
        }
        Ok(())
    }

    pub(super) fn begin(&mut self, part: Part, read_offset: Option<u64>, out: &mut Out) {
        let Some(held) = self.present(part).filter(|held| !held.begun) else { return };
        held.begun = true;
        held.next = read_offset.unwrap_or(held.next);
        held.from = held.from.min(held.next);
        let session = part.session;
        let started = FromClient::Started { session, read_offset, commit_offset: None };
        out.push(Action::Send(part.stream, started));
    }

    pub(super) fn data(
        &mut self,
        partitions: Vec<PartitionData>,
        bytes: u64,
        out: &mut Out,
    ) -> Result<(), Breach> {
        if self.credit <= 0 {
            return Err(Breach::BeyondCredit);
        }
        let messages = partitions.iter().flat_map(|data| &data.batches).flat_map(|batch| &batch.messages);
        let payloads: u64 = messages.map(|message| message.payload.data.len() as u64).sum();
        if bytes < payloads || bytes == 0 {
            return Err(Breach::Understated { bytes, payloads });
        }
        self.credit = self.credit.saturating_sub_unsigned(bytes);
        let mut delivered = Vec::new();
        for data in partitions {
            let held = self.parts.get_mut(&data.session);
            let Some(held) = held.filter(|held| !held.released || mutant!(ReleasedIsDelivered)) else {
                mark(out, "messages of a partition that is gone");
                continue;
            };
            if !held.begun {
                return Err(Breach::NotBegun(data.session.0));
            }
            for batch in &data.batches {
                let (got, expected) = (batch.offset, held.next);
                if got < expected {
                    return Err(Breach::OutOfOrder { got, expected });
                }
                if got > expected {
                    mark(out, "offsets passed over");
                    held.gaps.insert(got, expected);
                    // A commit behind one that is forgotten waits for it; with so many, nobody commits in order.
                    if held.gaps.len() > GAPS {
                        held.gaps.pop_first();
                    }
                }
                held.next = got.saturating_add(batch.messages.len() as u64);
            }
            delivered.push((held.part, data));
        }
        // What nobody gets takes no memory, and the room is asked for again.
        if !delivered.is_empty() && self.closers.is_empty() {
            self.proven(out);
            self.held = self.held.saturating_add(bytes);
            out.push(Action::Tell(Event::Data(delivered, bytes)));
        }
        Ok(())
    }

    pub(super) fn stop(
        &mut self,
        session: PartitionSessionId,
        graceful: bool,
        committed: u64,
        out: &mut Out,
    ) {
        self.answer(session, committed, out);
        let Some(held) = self.parts.get_mut(&session) else { return };
        if !graceful {
            mark(out, "a partition taken away");
            self.lose_part(session, out);
        } else if !core::mem::replace(&mut held.stopping, true) {
            out.push(Action::Tell(Event::Stopping(held.part)));
        }
    }

    /// The caller gives a partition up that it was asked for.
    pub(super) fn release(&mut self, part: Part, out: &mut Out) {
        let Some(held) = self.present(part).filter(|held| held.stopping) else { return };
        held.released = true;
        if held.awaits() {
            mark(out, "a partition waits for its commits");
        }
        self.give_back(part.session, out);
    }

    /// Gives a partition back once nothing keeps it.
    pub(super) fn give_back(&mut self, session: PartitionSessionId, out: &mut Out) {
        let Some(held) = self.parts.get(&session).filter(|held| held.released && !held.awaits()) else {
            return;
        };
        mark(out, "a partition given back");
        out.push(Action::Send(held.part.stream, FromClient::Stopped(session)));
        self.lose_part(session, out);
    }

    /// A partition is over.
    fn lose_part(&mut self, session: PartitionSessionId, out: &mut Out) {
        let Some(held) = self.parts.remove(&session) else { return };
        for (_, ticket) in held.commits.into_values() {
            mark(out, "a commit lost");
            out.push(Action::Tell(Event::NotCommitted(ticket)));
        }
        out.push(Action::Tell(Event::Stopped(held.part)));
    }

    /// The session is over, and its partitions with it.
    pub(super) fn lose_parts(&mut self, out: &mut Out) {
        for session in self.parts.keys().copied().collect::<Vec<_>>() {
            mark(out, "a partition lost with its session");
            self.lose_part(session, out);
        }
    }
}
