//! Commits: what the caller may commit, what the server is told, and what its answers cover. Invariants: no offset is
//! committed twice in a partition; a commit is answered as durable when the server's word covers all of it.

use super::{
    Action, Event, Out, Part, Phase, Reader, Ticket,
    api::Refusal,
    failure::Breach,
    mark,
    mutants::mutant,
    wire::{Commit, FromClient, PartitionSessionId, Range},
};
use crate::Window;
use alloc::vec;

impl Reader {
    pub(super) fn commit(&mut self, ticket: Ticket, part: Part, range: Range, out: &mut Out) {
        match self.admit(ticket, part, range) {
            Ok(Some(commit)) => out.push(Action::Send(self.phase.stream().unwrap_or_default(), commit)),
            // Everybody knows of it already.
            Ok(None) => out.push(Action::Tell(Event::Committed(ticket))),
            Err(refusal) => {
                if refusal == Refusal::Gone {
                    mark(out, "a commit of a partition that is gone");
                }
                out.push(Action::Tell(Event::Refused(ticket, refusal)));
            }
        }
    }

    /// Judges a commit, and says what the server is to be told: nothing of what was committed before this partition was
    /// given.
    fn admit(&mut self, ticket: Ticket, part: Part, range: Range) -> Result<Option<FromClient>, Refusal> {
        if !self.closers.is_empty() || self.phase == Phase::Over {
            return Err(Refusal::Closed);
        }
        if self.config.consumer.is_empty() {
            return Err(Refusal::NoConsumer);
        }
        let (limit, waiting) = (self.config.commits, self.unanswered());
        let held = self.present(part).filter(|held| !held.released).ok_or(Refusal::Gone)?;
        if range.start >= range.end {
            return Err(Refusal::Empty);
        }
        if range.start < held.from || range.end > held.next {
            return Err(Refusal::NotDelivered(range));
        }
        let end = range.end;
        let mut start = range.start.max(held.base);
        if start >= end {
            return Ok(None);
        }
        let before = held.commits.range(..end).next_back();
        if start < held.durable || before.is_some_and(|(_, (before, _))| *before > start) {
            return Err(Refusal::Twice(range));
        }
        if waiting >= limit as usize {
            return Err(Refusal::TooManyWait { limit });
        }
        // What was passed over right before it, and within it.
        while let Some((gap, from)) = held.gaps.range(start..=end).next().map(|(gap, from)| (*gap, *from)) {
            held.gaps.remove(&gap);
            start = start.min(from);
        }
        held.commits.insert(start, (end, ticket));
        while let Some((end, _)) = held.commits.get(&held.prefix) {
            held.prefix = *end;
        }
        let commit = Commit { session: part.session, ranges: vec![Range { start, end }] };
        Ok(Some(FromClient::Commit(vec![commit])))
    }

    /// The server says what is durable.
    pub(super) fn committed(
        &mut self,
        offsets: &[(PartitionSessionId, u64)],
        out: &mut Out,
    ) -> Result<(), Breach> {
        for (session, got) in offsets {
            // Of a partition that is over: its commits are answered.
            let Some(held) = self.parts.get(session) else { continue };
            let sent = held.prefix;
            if *got > sent {
                return Err(Breach::NeverCommitted { got: *got, sent });
            }
            if *got > held.durable {
                self.proven(out);
                if self.watched {
                    out.push(Action::Arm(super::Timer::Commit, Window::exactly(self.config.commit_timeout)));
                }
            }
            self.answer(*session, *got, out);
            self.give_back(*session, out);
        }
        Ok(())
    }

    /// Answers the commits below an offset that is durable. It counts no further than the reader has committed: beyond,
    /// somebody else has moved the position.
    pub(super) fn answer(&mut self, session: PartitionSessionId, durable: u64, out: &mut Out) {
        let Some(held) = self.parts.get_mut(&session) else { return };
        held.durable = held.durable.max(durable.min(held.prefix));
        while let Some(first) = held.commits.first_entry() {
            let (end, ticket) = *first.get();
            if end > held.durable {
                if *first.key() >= held.durable {
                    return;
                }
                mark(out, "a commit answered in part");
                if !mutant!(PartialAckIsFull) {
                    return;
                }
            }
            first.remove();
            out.push(Action::Tell(Event::Committed(ticket)));
        }
    }
}
