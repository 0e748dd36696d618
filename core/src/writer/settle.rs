//! Those who wait for more than a message: flushes and closes, and the end of the writer, which answers everybody.
//! Invariants: whoever waits is answered once; nothing waits in a writer that has ended.

use super::{
    Action, Event, Out, Phase, Ticket, Timer, Writer,
    api::{End, Refusal, Report, Undelivered},
    mutants::mutant,
};
use crate::Window;
use alloc::{sync::Arc, vec::Vec};

/// Somebody who waits until the messages that were accepted before are answered.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Flush {
    pub(super) ticket: Ticket,
    /// How many messages, from the oldest on, are still to be answered.
    pub(super) left: usize,
}

impl Writer {
    pub(super) fn flush(&mut self, ticket: Ticket, out: &mut Out) {
        let limit = self.config.waiters;
        let answer = match &self.report {
            Some(report) => Event::Flushed(ticket, Err(report.end.clone())),
            None if self.window.is_empty() => Event::Flushed(ticket, Ok(())),
            None if self.flushes.len() >= limit as usize => {
                Event::Refused(ticket, Refusal::TooManyWait { limit })
            }
            None if mutant!(FlushAnsweredWhenSent) && self.window.waiting() == 0 => {
                Event::Flushed(ticket, Ok(()))
            }
            None => return self.flushes.push_back(Flush { ticket, left: self.window.len() }),
        };
        out.push(Action::Tell(answer));
    }

    /// So many messages more are answered.
    pub(super) fn flushes_advance(&mut self, answered: usize, out: &mut Out) {
        for flush in &mut self.flushes {
            flush.left = flush.left.saturating_sub(answered);
        }
        while let Some(flush) = self.flushes.pop_front_if(|flush| flush.left == 0) {
            out.push(Action::Tell(Event::Flushed(flush.ticket, Ok(()))));
        }
    }

    pub(super) fn close(&mut self, ticket: Ticket, out: &mut Out) {
        let limit = self.config.waiters;
        if let Some(report) = self.report.clone() {
            out.push(Action::Tell(Event::Closed(ticket, report)));
        } else if self.closers.len() >= limit as usize {
            out.push(Action::Tell(Event::Refused(ticket, Refusal::TooManyWait { limit })));
        } else {
            self.closers.push(ticket);
            if self.closers.len() == 1 && !self.window.is_empty() {
                out.push(Action::Arm(Timer::Close, Window::exactly(self.config.close_timeout)));
                self.start(out);
            }
        }
    }

    /// The writer ends, for this reason: everybody who waits is answered, and nothing is sent any more.
    pub(super) fn end(&mut self, end: End, out: &mut Out) {
        if self.phase == Phase::Over {
            return;
        }
        if let Some(stream) = self.phase.stream() {
            out.push(Action::Drop(stream));
        }
        self.disarm_session(out);
        if self.phase == Phase::Waiting {
            out.push(Action::Disarm(Timer::Retry));
        }
        if !self.closers.is_empty() {
            out.push(Action::Disarm(Timer::Close));
        }
        self.phase = Phase::Over;
        let undelivered: Arc<[Undelivered]> = self.window.give_up().into();
        if !undelivered.is_empty() {
            out.push(Action::Tell(Event::Undelivered(undelivered.clone())));
        }
        for flush in core::mem::take(&mut self.flushes) {
            out.push(Action::Tell(Event::Flushed(flush.ticket, Err(end.clone()))));
        }
        let report = if mutant!(CloseTimeoutIsSuccess) && end == End::CloseTimeout {
            Report { end: End::Closed, undelivered: Arc::default() }
        } else {
            Report { end: end.clone(), undelivered }
        };
        let closers: Vec<Ticket> = core::mem::take(&mut self.closers);
        out.extend(closers.into_iter().map(|ticket| Action::Tell(Event::Closed(ticket, report.clone()))));
        self.report = Some(report);
        out.push(Action::Tell(Event::Ended(end)));
    }
}
