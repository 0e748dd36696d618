//! What the segments layer says, and what follows for clients: recovery, frontiers, sealing, the end. This module
//! decides when something becomes visible; it never judges a request.

use super::{EventStore, Out, Stage, durable, index::SegmentIndex, mark, refuse};
use crate::{
    Action, Clock, DiskError,
    log::{
        api::{Damage, Refusal, Response},
        mutants::mutant,
        segments::{self, Location, Opened, Refused},
    },
};
use alloc::{
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use bytes::Bytes;

impl EventStore {
    /// Deals with what the layer below has said.
    pub(super) fn heard(&mut self, clock: Clock, said: segments::Action, out: &mut Out) {
        use segments::Action as Said;
        if matches!(self.stage, Stage::Damaged(_)) {
            return;
        }
        match said {
            Said::Replayed { sequence, at, body, last } => {
                self.replayed(clock, sequence, at, body, last, out)
            }
            Said::FooterFound { segment, first, end, body } => {
                self.keep_closed();
                let index = SegmentIndex::decode(segment, &body).ok();
                let range = (first, end);
                let horizon = self.config.dedup_horizon;
                let used = index.is_some_and(|index| self.history.jump(&index, range, horizon));
                if used {
                    self.cursors = self.history.cursors.clone();
                }
                if used {
                    mark(out, "footer taken over");
                }
                self.tell(clock, segments::Input::FooterVerdict { segment, used }, out);
            }
            // Nothing is ever released of an event store: the layer refuses a log without its front.
            Said::Starts { .. } => {}
            Said::Ready(opened) => self.opened(clock, *opened, out),
            Said::Damaged(damage) => self.stage = Stage::Damaged(damage),
            Said::Placed { first, at } => self.placed(first, &at),
            // `Opened` says it again; nothing is shown before.
            Said::Written { .. } | Said::Durable { .. } if self.stage == Stage::Recovering => {}
            Said::Written { upto } => {
                let (positions, _) = self.history.index.recent.upto(upto);
                self.frontiers.written = self.frontiers.written.max(positions);
                if !durable(&self.config) {
                    self.promise(clock, upto, out);
                } else if mutant!(VisibleBeforeDurable) {
                    self.show(clock, upto, out);
                } else if mutant!(AckBeforeSync) {
                    self.release(upto, out);
                }
                self.passed(out);
            }
            Said::Durable { upto } => {
                let (positions, _) = self.history.index.recent.upto(upto);
                self.frontiers.durable = self.frontiers.durable.max(positions);
                self.frontiers.written = self.frontiers.written.max(positions);
                self.unsure = self.unsure.filter(|(unsure, _)| *unsure > upto);
                self.promise(clock, upto, out);
                self.passed(out);
            }
            Said::Unknown { from, upto, cause } => {
                self.unsure = Some((upto, cause));
                if mutant!(IndexLagsAfterFailure) {
                    Arc::make_mut(&mut self.history.index.recent).forget(from, upto);
                }
                self.give_up(from, upto, cause, out);
            }
            // `admits` was asked: the two layers disagree, and nothing that follows could be trusted.
            Said::Rejected(refused) => {
                let what = format!("a unit that had been admitted was refused: {refused}");
                self.stage = Stage::Damaged(Damage { file: String::new(), offset: 0, what });
            }
            Said::Sealing { segment, first, end } => self.sealing(clock, segment, first, end, out),
            Said::Sealed { segment } => {
                if let Some(index) = self.sealing.take().filter(|index| index.segment == segment) {
                    self.history.index.seal(&index, None);
                    self.history.index.keep(index, self.config.cache_bytes);
                }
            }
            Said::Full => self.full = true,
            Said::Space => (self.full, self.unsure) = (false, None),
            // Nobody else has names in this folder.
            Said::NamesDoubted => {}
            Said::Barrier { token, result } => {
                if let Some(call) = self.barriers.remove(&token) {
                    let refusal = result.err().map(|refused| match refused {
                        Refused::Disk(cause) => Refusal::Unknown { cause },
                        Refused::Full => Refusal::Full,
                        Refused::Overloaded => Refusal::Overloaded,
                        Refused::NotReady | Refused::Closing | Refused::Size { .. } => Refusal::Closing,
                    });
                    let frontiers = Response::Frontiers(self.frontiers);
                    out.push(Action::Reply(call, refusal.map_or(frontiers, Response::Refused)));
                }
            }
            Said::Fetched { token, result } => self.fetched(clock, token, result, out),
            Said::FetchedFooter { token, result } => self.footer_came(clock, token, result, out),
            Said::Scanned { token, sequence, at, body, last } => {
                self.scanned(clock, token, (sequence, at, body, last), out);
            }
            Said::ScanDone { token, result } => self.scan_done(clock, token, result, out),
            Said::Closed(result) => self.closed(result, out),
            Said::Disk(..) | Said::Arm(..) | Said::Disarm(_) | Said::Mark(_) => {}
        }
    }

    fn replayed(
        &mut self,
        clock: Clock,
        sequence: u64,
        at: Location,
        body: Bytes,
        last: bool,
        out: &mut Out,
    ) {
        if self.replaying.is_empty() {
            let recent = &self.history.index.recent;
            let before = recent.end().checked_sub(1).and_then(|last| recent.by_sequence(last));
            if before.is_some_and(|before| before.at.segment != at.segment) {
                // An earlier segment without a usable footer: its index stays in memory.
                mark(out, "segment kept in memory for want of a footer");
                self.keep_closed();
            }
        }
        let expected = self.history.index.recent.end() + self.replaying.len() as u64;
        self.replaying.push((at, body));
        if sequence != expected {
            return self.damaged(clock, at, format!("record {expected} is missing"), out);
        }
        if last {
            let unit = core::mem::take(&mut self.replaying);
            if let Err((n, flaw)) = self.history.replay(&unit, self.config.dedup_horizon) {
                let at = unit.get(n).map_or(at, |(at, _)| *at);
                self.damaged(clock, at, flaw.to_string(), out);
            }
        }
    }

    fn damaged(&mut self, clock: Clock, at: Location, what: String, out: &mut Out) {
        self.stage = Stage::Damaged(self.damage(at, what));
        self.tell(clock, segments::Input::Close, out);
    }

    pub(super) fn damage(&self, at: Location, what: String) -> Damage {
        let folder = self.config.segments.folder.as_str();
        let slash = if folder.is_empty() { "" } else { "/" };
        Damage { file: format!("{folder}{slash}{:020}.seg", at.segment), offset: at.offset, what }
    }

    /// Moves every whole segment of the recent index to the sealed ones, its index kept in memory.
    fn keep_closed(&mut self) {
        // What closed segments hold is durable.
        self.cursors = self.history.cursors.clone();
        let end = self.history.index.recent.end();
        self.keep_before(end);
    }

    fn keep_before(&mut self, end: u64) {
        while let Some((segment, first, to)) = self.history.index.recent.oldest_segment(end) {
            let index = self.history.index.recent.freeze(&self.history.heads, segment, first, to);
            self.history.index.seal(&index.clone(), Some(Arc::new(index)));
        }
    }

    fn opened(&mut self, clock: Clock, opened: Opened, out: &mut Out) {
        let end = self.history.index.recent.end();
        if !self.replaying.is_empty() || opened.next != end {
            let what = format!("recovery ends at record {}, the history at {end}", opened.next);
            return self.damaged(clock, Location::default(), what, out);
        }
        if mutant!(PositionReusedAfterRecovery) {
            self.history.events = self.history.events.saturating_sub(1);
        }
        let events = self.history.events;
        self.recovery = Some(Arc::new(crate::log::api::Recovered { events, ..opened.report }));
        self.stage = Stage::Ready;
        self.frontiers =
            crate::log::api::Frontiers { accepted: events, written: events, durable: events, visible: 0 };
        self.promise(clock, end, out);
    }

    /// The promised frontier has reached `upto`: what lies below is answered, shown and told.
    fn promise(&mut self, clock: Clock, upto: u64, out: &mut Out) {
        let before = self.promised;
        self.promised = self.promised.max(upto);
        let saved: Vec<_> = self.history.index.recent.cursors(before, upto).cloned().collect();
        for (reader, position) in saved {
            Arc::make_mut(&mut self.cursors).insert(reader, position);
        }
        self.release(upto, out);
        self.show(clock, upto, out);
    }

    /// Shows readers what lies below, and tells subscribers.
    fn show(&mut self, clock: Clock, upto: u64, out: &mut Out) {
        let before = self.frontiers.visible;
        let (mut visible, _) = self.history.index.recent.upto(upto);
        if mutant!(FirstOfBatchShownEarly) {
            visible = (visible + 1).min(self.history.events);
        }
        self.frontiers.visible = self.frontiers.visible.max(visible);
        let visible = self.frontiers.visible;
        if visible == before {
            return;
        }
        let (recent, heads) = (&self.history.index.recent, &self.history.heads);
        for subscription in self.subscriptions.notify(recent, heads, before, visible) {
            let most = self.config.read_events;
            while self.subscriptions.holds(subscription)
                && let Some(call) = self.subscriptions.next_waiting(subscription)
            {
                if let Some(response) = self.subscriptions.take(subscription, most) {
                    out.push(Action::Reply(call, response));
                }
            }
        }
        self.wake_parked(clock, out);
    }

    fn sealing(&mut self, clock: Clock, segment: u64, first: u64, end: u64, out: &mut Out) {
        // Segments before this one whose footers could not be written.
        if self.history.index.recent.first < first {
            mark(out, "segment kept in memory for want of a footer");
            self.keep_before(first);
        }
        let mut body = Bytes::new();
        if self.history.index.recent.first <= first {
            let end = if mutant!(FooterLagsAndIsTrusted) { end.saturating_sub(1).max(first) } else { end };
            let index = self.history.index.recent.freeze(&self.history.heads, segment, first, end);
            body = index.encode();
            self.sealing = Some(Arc::new(index));
        }
        self.tell(clock, segments::Input::Footer { segment, body }, out);
    }

    fn closed(&mut self, result: Result<(), DiskError>, out: &mut Out) {
        self.stage = Stage::Closed;
        let cause = result.err().unwrap_or(DiskError::Io);
        self.give_up(0, u64::MAX, cause, out);
        for job in self.queue.drain(..) {
            refuse(out, job.call, Refusal::Closing);
        }
        self.queued_bytes = 0;
        for (_, _, call) in core::mem::take(&mut self.awaits) {
            refuse(out, call, Refusal::Closing);
        }
        for (_, call) in core::mem::take(&mut self.barriers) {
            refuse(out, call, Refusal::Closing);
        }
        self.reads.clear();
        self.parked.clear();
        self.starved.clear();
        self.fetches.clear();
        self.comparing.clear();
        for call in core::mem::take(&mut self.closers) {
            let refused = result.err().map(|cause| Response::Refused(Refusal::Unknown { cause }));
            out.push(Action::Reply(call, refused.unwrap_or(Response::Done)));
        }
    }
}
