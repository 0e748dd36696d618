//! The audit: everything is read back from the disk and the whole history is worked out a second time, from nothing,
//! by the same rules as on opening. This module decides what is compared with what; it changes nothing but the
//! memory of footers that could not be read, which an audit rebuilds on the way.
//!
//! Compared are, for every durable record: the digest that stands with its unit; its entry in the index of recent
//! events, or its segment's footer byte by byte; in the end the digest, the number of events and the links of all
//! entities with those in memory. Memory: a second table of entities and keys while it runs.

use super::{
    EventStore, Out,
    history::History,
    index::{Recent, SegmentIndex},
    reads::refusal,
    refuse,
};
use crate::{
    Action, CallId, Clock,
    log::{
        api::{Hash256, Refusal, Response, Verified},
        segments::{self, FetchError, Location},
    },
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use bytes::Bytes;

/// An audit under way.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Audit {
    caller: Option<CallId>,
    /// Segments whose index is to be kept in memory.
    wanted: BTreeSet<u64>,
    token: u64,
    history: History,
    unit: Vec<(Location, Bytes)>,
    /// The segment that is being read.
    segment: u64,
    /// What the history must come to: records, events, digest.
    target: (u64, u64, Hash256),
    /// Rebuilt footers that wait for those on the disk.
    comparing: BTreeMap<u64, Arc<SegmentIndex>>,
    segments: u32,
    scanned: bool,
    /// It is the second in a row that looks for wanted segments.
    again: bool,
}

impl Audit {
    /// On behalf of a client.
    pub(super) fn for_call(call: CallId) -> Audit {
        Audit { caller: Some(call), ..Audit::default() }
    }

    /// On behalf of reads that need a segment's index.
    pub(super) fn for_segment(segment: u64) -> Audit {
        Audit { wanted: BTreeSet::from([segment]), ..Audit::default() }
    }

    /// Adds a segment to those that are wanted.
    pub(super) fn want(&mut self, segment: u64) {
        self.wanted.insert(segment);
    }

    pub(super) fn caller(&self) -> Option<CallId> {
        self.caller
    }
}

impl EventStore {
    pub(super) fn start_audit(&mut self, clock: Clock, mut audit: Audit, out: &mut Out) {
        let token = self.token();
        let records = self.segments.frontiers().durable;
        let (events, digest) = self.history.index.recent.upto(records);
        (audit.token, audit.target) = (token, (records, events, digest));
        self.audit = Some(Box::new(audit));
        self.tell(clock, segments::Input::Scan { token }, out);
    }

    /// A record was read back.
    pub(super) fn scanned(
        &mut self,
        clock: Clock,
        token: u64,
        (sequence, at, body, last): (u64, Location, Bytes, bool),
        out: &mut Out,
    ) {
        let Some(mut audit) = self.audit.take().filter(|audit| audit.token == token) else { return };
        if sequence >= audit.target.0 {
            self.audit = Some(audit);
            return;
        }
        let mut rebuilt = None;
        if audit.unit.is_empty() && audit.segment != at.segment {
            rebuilt = self.audited_segment(clock, &mut audit, out);
            audit.segment = at.segment;
        }
        let expected = audit.history.index.recent.end() + audit.unit.len() as u64;
        audit.unit.push((at, body));
        let mut flaw =
            (sequence != expected).then(|| (at, "records are missing before this one".to_string()));
        if last && flaw.is_none() {
            let unit = core::mem::take(&mut audit.unit);
            let first = audit.history.index.recent.end();
            flaw = match audit.history.replay(&unit, self.config.dedup_horizon) {
                Err((n, flaw)) => Some((unit.get(n).map_or(at, |(at, _)| *at), flaw.to_string())),
                Ok(()) => self.differs(&audit, first).map(|what| (at, what.to_string())),
            };
        }
        match flaw {
            Some((at, what)) => {
                let damage = self.damage(at, what);
                self.audit_over(clock, *audit, Err(Refusal::Damaged(damage)), out);
            }
            None => self.audit = Some(audit),
        }
        if let Some(segment) = rebuilt {
            self.footer_rebuilt(clock, segment, out);
        }
    }

    /// Whether the index of recent events differs from what the log says, from a record on.
    fn differs(&self, audit: &Audit, first: u64) -> Option<&'static str> {
        let (read, known) = (&audit.history.index.recent, &self.history.index.recent);
        let differs = |sequence: u64| match (read.by_sequence(sequence), known.by_sequence(sequence)) {
            (Some(read), Some(known)) => !read.same(known),
            // Older records are compared with their footers.
            _ => false,
        };
        (first..read.end()).any(differs).then_some("the index in memory differs from the log")
    }

    /// A whole segment was read back. Answers it if reads wait for its index, which is in memory now.
    fn audited_segment(&mut self, clock: Clock, audit: &mut Audit, out: &mut Out) -> Option<u64> {
        let recent = &audit.history.index.recent;
        let (first, end) = (recent.first, recent.end());
        if first == end {
            return None;
        }
        audit.segments += 1;
        let segment = audit.segment;
        let index = Arc::new(recent.freeze(&audit.history.heads, segment, first, end));
        let (_, digest) = recent.upto(end);
        audit.history.index.recent = Arc::new(Recent::starting(end, audit.history.events, digest));
        let sealed = self.history.index.sealed().iter().find(|sealed| sealed.segment == segment)?;
        if end < sealed.end {
            // It was being written when the audit began, and was read as far as it went then.
            return None;
        }
        if audit.wanted.remove(&segment) {
            self.history.index.pin(index);
            return Some(segment);
        }
        if sealed.pinned.is_none() {
            audit.comparing.insert(segment, index);
            let token = self.token();
            self.comparing.insert(token, segment);
            self.tell(clock, segments::Input::FetchFooter { token, segment }, out);
        }
        None
    }

    /// A footer came that an audit compares.
    pub(super) fn audit_footer(
        &mut self,
        clock: Clock,
        segment: u64,
        result: Result<Option<Bytes>, FetchError>,
        out: &mut Out,
    ) {
        let Some(mut audit) = self.audit.take() else { return };
        let Some(index) = audit.comparing.remove(&segment) else {
            self.audit = Some(audit);
            return;
        };
        let verdict = match result {
            Ok(Some(body)) if body == index.encode() => Ok(()),
            Ok(Some(_)) => {
                let at = Location { segment, ..Location::default() };
                Err(Refusal::Damaged(self.damage(at, "the footer differs from the log".to_string())))
            }
            // No footer is no damage: the index is kept in memory from now on.
            Ok(None) | Err(FetchError::Damaged(_)) => {
                self.history.index.pin(index);
                Ok(())
            }
            Err(error) => Err(refusal(error)),
        };
        match verdict {
            Err(refusal) => self.audit_over(clock, *audit, Err(refusal), out),
            Ok(()) => self.audit_end(clock, audit, out),
        }
    }

    /// Everything was read back, or could not be.
    pub(super) fn scan_done(
        &mut self,
        clock: Clock,
        token: u64,
        result: Result<u32, FetchError>,
        out: &mut Out,
    ) {
        let Some(mut audit) = self.audit.take().filter(|audit| audit.token == token) else { return };
        match result {
            Err(error) => self.audit_over(clock, *audit, Err(refusal(error)), out),
            Ok(_) => {
                audit.scanned = true;
                let last = audit.history.index.recent.end();
                let mut rebuilt = None;
                if last > audit.history.index.recent.first {
                    rebuilt = self.audited_segment(clock, &mut audit, out);
                }
                self.audit_end(clock, audit, out);
                if let Some(segment) = rebuilt {
                    self.footer_rebuilt(clock, segment, out);
                }
            }
        }
    }

    /// Ends the audit if nothing is missing any more.
    fn audit_end(&mut self, clock: Clock, audit: Box<Audit>, out: &mut Out) {
        if !audit.scanned || !audit.comparing.is_empty() {
            self.audit = Some(audit);
            return;
        }
        let history = &audit.history;
        let came_to = (history.index.recent.end(), history.events, history.digest);
        let verdict = if came_to != audit.target {
            Err("the history differs from what was accepted: its end is missing, or its digest is another")
        } else if history.heads.iter().any(|head| self.another_end(head, history.events)) {
            Err("the end of an entity in memory differs from the log")
        } else {
            let (events, entities) = (history.events, history.heads.len() as u64);
            Ok(Verified { events, entities, segments: audit.segments, digest: history.digest })
        };
        let at = Location { segment: audit.segment, ..Location::default() };
        let verdict = verdict.map_err(|what| Refusal::Damaged(self.damage(at, String::from(what))));
        self.audit_over(clock, *audit, verdict, out);
    }

    fn another_end(&self, read: &super::heads::EntityHead, events: u64) -> bool {
        match self.history.heads.head(&read.name) {
            // Later events have moved it on.
            Some(known) if known.position >= events => known.next < read.next,
            Some(known) => known != read,
            None => true,
        }
    }

    fn audit_over(&mut self, clock: Clock, audit: Audit, verdict: Result<Verified, Refusal>, out: &mut Out) {
        if let Err(refusal) = &verdict {
            self.footers_lost(refusal, out);
        } else if !audit.wanted.is_empty() {
            // Wanted after it had been passed: once more.
            if audit.again {
                self.footers_lost(&Refusal::Overloaded, out);
            } else {
                let again = Audit { wanted: audit.wanted, again: true, ..Audit::default() };
                self.start_audit(clock, again, out);
            }
        }
        match (audit.caller, verdict) {
            (None, _) => {}
            (Some(call), Ok(verified)) => out.push(Action::Reply(call, Response::Verified(verified))),
            (Some(call), Err(refusal)) => refuse(out, call, refusal),
        }
    }
}
