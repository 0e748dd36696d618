//! What is sent and when, and what acknowledgements answer. Invariants: in flight are no more messages than the window
//! allows; requests hold messages of one codec, in order; an acknowledgement answers the oldest message in flight.

use super::{
    Action, Batch, Event, Failure, Numbers, Out, Phase, Timer, Writer,
    api::{Acknowledged, End, Outcome},
    failure::{Breach, Fence},
    mark,
    mutants::mutant,
    window::Entry,
    wire::{Ack, AckStatus, FromClient, MAX_SEQ_NO},
};
use crate::Window;
use alloc::vec::Vec;

impl Writer {
    /// What follows from every step: requests, the end of a close, and timers.
    pub(super) fn go_on(&mut self, out: &mut Out) {
        self.pass_duplicates(out);
        self.pump(out);
        if !self.closers.is_empty() && self.window.is_empty() {
            self.end(End::Closed, out);
        }
        if self.phase == Phase::Over {
            return;
        }
        let free = self.config.buffer_bytes - self.window.cost();
        if self.turned_away.is_some_and(|needs| needs <= free) {
            self.turned_away = None;
            out.push(Action::Tell(Event::Writable));
        }
        self.set_timers(out);
    }

    /// Sends every request whose time has come.
    fn pump(&mut self, out: &mut Out) {
        while let Phase::Ready(stream) = self.phase {
            let room = self.config.in_flight as usize - self.window.in_flight();
            let most = self.config.batch_messages as usize;
            // Nothing goes in dribbles as the window frees up message by message.
            if self.window.waiting() == 0 || room < most.min(self.window.waiting()) || !self.is_time(most) {
                return;
            }
            if self.window.first_waiting().is_some_and(|entry| entry.earlier) {
                mark(out, "sent again after a lost session");
            }
            let numbers = &mut self.numbers;
            let bytes = u64::from(self.config.batch_bytes);
            let (codec, messages) = self.window.send(most, bytes, |entry| numbers.give(entry));
            if messages.is_empty() {
                return self.end(End::Failed(Failure::NumbersExhausted), out);
            }
            out.push(Action::Send(stream, FromClient::Write { codec, messages }));
        }
    }

    /// Whether the next request is to be sent now, full or not.
    fn is_time(&self, most: usize) -> bool {
        let window = &self.window;
        let full = window.waiting() >= most || window.waiting_bytes() >= u64::from(self.config.batch_bytes);
        let again = window.first_waiting().is_some_and(|entry| entry.sent.is_some());
        let flushed = self.flushes.back().is_some_and(|flush| flush.left > window.in_flight());
        full || again || flushed || !self.closers.is_empty() || self.batch == Batch::Due
    }

    /// Answers the messages under the caller's numbers that the producer had used before this writer began: they stand
    /// before everything else, as numbers rise, and the server would pass over them.
    fn pass_duplicates(&mut self, out: &mut Out) {
        let Some(highest) = self.numbers.highest.filter(|_| self.is_ready()) else { return };
        let is_duplicate = |entry: &Entry| entry.sent.is_none() && entry.wanted.is_some_and(|n| n <= highest);
        if self.window.first().is_some_and(is_duplicate) {
            mark(out, "duplicate of the caller's numbers");
            self.answer_while(out, |entry| {
                let seq_no = entry.wanted.filter(|_| is_duplicate(entry))?;
                Some((seq_no, Outcome::Duplicate))
            });
        }
    }

    /// Answers messages from the oldest on, as long as `outcome` has an answer for them.
    pub(super) fn answer_while(&mut self, out: &mut Out, outcome: impl Fn(&Entry) -> Option<(u64, Outcome)>) {
        let mut answered = Vec::new();
        while let Some((seq_no, outcome)) = self.window.first().and_then(&outcome)
            && let Some(entry) = self.window.pop()
        {
            answered.push(Acknowledged { ticket: entry.ticket, seq_no, outcome });
        }
        if answered.iter().any(|ack| ack.outcome == Outcome::Confirmed) {
            mark(out, "confirmed by the last number");
        }
        self.answer(answered, out);
    }

    /// Tells the caller of messages that have left the window.
    fn answer(&mut self, answered: Vec<Acknowledged>, out: &mut Out) {
        if answered.is_empty() {
            return;
        }
        if answered.iter().any(|ack| ack.outcome != Outcome::Duplicate) {
            self.losses = 0;
        }
        let count = answered.len();
        out.push(Action::Tell(Event::Acknowledged(answered)));
        self.flushes_advance(count, out);
    }

    /// The server has dealt with messages. The first acknowledgement that is not the next one's ends the writer; those
    /// before it count.
    pub(super) fn acknowledged(&mut self, acks: Vec<Ack>, out: &mut Out) {
        let mut answered = Vec::with_capacity(acks.len().min(self.window.in_flight()));
        let mut failure = None;
        for ack in acks {
            match self.judge(ack) {
                Ok(outcome) => {
                    let Some(entry) = self.window.pop() else { break };
                    self.numbers.acknowledged = ack.seq_no;
                    answered.push(Acknowledged { ticket: entry.ticket, seq_no: ack.seq_no, outcome });
                }
                Err(what) => {
                    failure = Some(what);
                    break;
                }
            }
        }
        if answered.iter().any(|ack| ack.outcome == Outcome::Confirmed) {
            mark(out, "skipped what an earlier session had stored");
        }
        if !answered.is_empty() && core::mem::take(&mut self.watched) && self.window.in_flight() == 0 {
            out.push(Action::Disarm(Timer::Ack));
        }
        self.answer(answered, out);
        match failure {
            None => {}
            Some(Failure::Protocol(breach)) => self.breach(breach, out),
            Some(failure) => {
                mark(out, "another writer noticed");
                self.lose(failure, out);
            }
        }
    }

    /// What an acknowledgement says of the oldest message in flight.
    fn judge(&self, ack: Ack) -> Result<Outcome, Failure> {
        let got = ack.seq_no;
        let Some(entry) = self.window.first_in_flight() else {
            return Err(Failure::Protocol(Breach::AckOfNothing { got }));
        };
        let expected = entry.sent.unwrap_or(0);
        if got != expected && !mutant!(AcksCounted) {
            return Err(Failure::Protocol(Breach::AckOutOfOrder { got, expected }));
        }
        match ack.status {
            AckStatus::Written { offset } => Ok(Outcome::Written { offset }),
            AckStatus::Skipped if entry.earlier => Ok(Outcome::Confirmed),
            AckStatus::Skipped if mutant!(SkippedIsSuccess) || mutant!(LastNumberIgnored) => {
                Ok(Outcome::Confirmed)
            }
            AckStatus::Skipped => Err(Failure::ProducerFenced(Fence::Taken(got))),
            AckStatus::WrittenInTx => Err(Failure::Protocol(Breach::AckInTransaction { got })),
        }
    }

    /// Arms and disarms what waits for company, and what watches for acknowledgements.
    fn set_timers(&mut self, out: &mut Out) {
        let waits = self.is_ready() && self.window.waiting() > 0;
        match self.batch {
            Batch::Idle if waits && mutant!(FlushTimerFiresOnce) && self.numbers.acknowledged > 0 => {}
            Batch::Idle if waits => {
                self.batch = Batch::Armed;
                out.push(Action::Arm(Timer::Batch, Window::exactly(self.config.batch_wait)));
            }
            Batch::Armed if !waits => {
                self.batch = Batch::Idle;
                out.push(Action::Disarm(Timer::Batch));
            }
            Batch::Due if !waits => self.batch = Batch::Idle,
            _ => {}
        }
        if self.is_ready() && self.window.in_flight() > 0 && !self.watched {
            self.watched = true;
            out.push(Action::Arm(Timer::Ack, Window::exactly(self.config.ack_timeout)));
        }
    }
}

impl Numbers {
    /// The number of a message that was never sent; none if there is no higher one.
    fn give(&mut self, entry: &Entry) -> Option<u64> {
        let next = match entry.wanted {
            Some(wanted) => wanted,
            None => self.highest.unwrap_or(0) + 1,
        };
        if next > MAX_SEQ_NO {
            return None;
        }
        self.highest = Some(next);
        Some(next)
    }
}
