//! Runs the reads: gives them places among the fetches, hands them what came, and sends their answers. What a read
//! wants is [`super::read`]'s matter. Invariant: no more fetches at a time than configured, and every read either has
//! one under way, waits for a free one, waits for new events, or waits for an audit to rebuild a footer.

use super::{
    EventStore, Fetch, Out,
    index::SegmentIndex,
    mark,
    read::{Bounds, Need, Owner, Reading},
    verify::Audit,
};
use crate::{
    Action, Clock,
    log::{
        api::{Refusal, Response},
        segments::{self, FetchError, Location, Record, Refused},
    },
};
use alloc::sync::Arc;
use bytes::Bytes;

impl EventStore {
    pub(super) fn start_read(&mut self, clock: Clock, read: Reading, out: &mut Out) {
        let number = self.token();
        self.reads.insert(number, read);
        self.run_read(clock, number, out);
    }

    /// Lets a read go on.
    pub(super) fn run_read(&mut self, clock: Clock, number: u64, out: &mut Out) {
        let fetches = self.free_fetches();
        let bounds = Bounds { visible: self.frontiers.visible, fetches, causes: self.config.causes };
        let Some(read) = self.reads.get_mut(&number) else { return };
        match read.advance(&mut self.history, bounds) {
            Need::Done(response) => {
                let owner = read.owner;
                self.reads.remove(&number);
                self.finish(owner, response, out);
            }
            Need::Wait => {
                mark(out, "read waited for an event");
                self.parked.insert(number);
            }
            Need::Records(wanted) => {
                if wanted.is_empty() && !read.outstanding() {
                    self.starved.insert(number);
                }
                for (position, at) in wanted {
                    let token = self.token();
                    self.fetches.insert(token, Fetch::Record { read: number, position, at });
                    self.tell(clock, segments::Input::Fetch { token, at }, out);
                }
            }
            Need::Footer(segment) => {
                let token = self.token();
                self.fetches.insert(token, Fetch::Footer { read: number, segment });
                self.tell(clock, segments::Input::FetchFooter { token, segment }, out);
            }
        }
    }

    pub(super) fn finish(&mut self, owner: Owner, response: Response, out: &mut Out) {
        match owner {
            Owner::Call(call) => out.push(Action::Reply(call, response)),
            Owner::Append(call, id) => self.looked_up(call, id, response),
        }
    }

    fn fail(&mut self, number: u64, refusal: Refusal, out: &mut Out) {
        if let Some(read) = self.reads.remove(&number) {
            self.starved.remove(&number);
            self.finish(read.owner, Response::Refused(refusal), out);
        }
    }

    /// A record came, or not.
    pub(super) fn fetched(
        &mut self,
        clock: Clock,
        token: u64,
        result: Result<Record, FetchError>,
        out: &mut Out,
    ) {
        let Some(Fetch::Record { read: number, position, at }) = self.fetches.remove(&token) else { return };
        if let Some(read) = self.reads.get_mut(&number) {
            let failed = match result {
                Ok(record) => read.fetched(position, &record).err().map(Refusal::Damaged),
                Err(FetchError::Moved) => {
                    let here = self.history.index.recent.at_position(position);
                    match here.map(|(_, entry)| entry.at).filter(|here| *here != at) {
                        Some(here) => {
                            read.moved(position, here);
                            None
                        }
                        None => Some(Refusal::Overloaded),
                    }
                }
                Err(error) => Some(refusal(error)),
            };
            match failed {
                Some(refusal) => self.fail(number, refusal, out),
                None => self.run_read(clock, number, out),
            }
        }
        self.feed_starved(clock, out);
    }

    /// A footer came, or not.
    pub(super) fn footer_came(
        &mut self,
        clock: Clock,
        token: u64,
        result: Result<Option<Bytes>, FetchError>,
        out: &mut Out,
    ) {
        if let Some(segment) = self.comparing.remove(&token) {
            return self.audit_footer(clock, segment, result, out);
        }
        let Some(Fetch::Footer { read: number, segment }) = self.fetches.remove(&token) else { return };
        let decoded = match result {
            Ok(Some(body)) => Ok(self.check_footer(segment, &body)),
            Ok(None) | Err(FetchError::Damaged(_)) => Ok(None),
            Err(error) => Err(refusal(error)),
        };
        match decoded {
            Err(refusal) => self.fail(number, refusal, out),
            Ok(Some(index)) => {
                mark(out, "read from a sealed segment");
                self.history.index.keep(index, self.config.cache_bytes);
                if let Some(read) = self.reads.get_mut(&number) {
                    read.footer_ready();
                }
                self.run_read(clock, number, out);
            }
            Ok(None) => self.rebuild_footer(clock, segment, out),
        }
        self.feed_starved(clock, out);
    }

    /// The footer, if it is that of the segment that is known.
    fn check_footer(&self, segment: u64, body: &Bytes) -> Option<Arc<SegmentIndex>> {
        let index = SegmentIndex::decode(segment, body).ok()?;
        let known = self.history.index.sealed().iter().find(|sealed| sealed.segment == segment)?;
        let same = (index.first, index.end, index.positions, index.positions_end())
            == (known.first, known.end, known.from, known.to);
        same.then(|| Arc::new(index))
    }

    /// A footer cannot be read: the log itself is, and the reads go on when that is done.
    fn rebuild_footer(&mut self, clock: Clock, segment: u64, out: &mut Out) {
        match &mut self.audit {
            Some(audit) => audit.want(segment),
            None => {
                self.start_audit(clock, Audit::for_segment(segment), out);
            }
        }
    }

    /// The index of a segment is in memory now.
    pub(super) fn footer_rebuilt(&mut self, clock: Clock, segment: u64, out: &mut Out) {
        let waits = |read: &Reading| read.waits_for(segment);
        let numbers = self.reads.iter().filter(|(_, read)| waits(read)).map(|(number, _)| *number);
        let numbers: alloc::vec::Vec<u64> = numbers.collect();
        for number in numbers {
            if let Some(read) = self.reads.get_mut(&number) {
                read.footer_ready();
            }
            self.run_read(clock, number, out);
        }
    }

    /// The index of these segments cannot be rebuilt.
    pub(super) fn footers_lost(&mut self, refusal: &Refusal, out: &mut Out) {
        let asked = |number: u64| {
            self.fetches.values().any(|fetch| matches!(fetch, Fetch::Footer { read, .. } if *read == number))
        };
        let waiting = self.reads.iter().filter(|(number, read)| read.waits() && !asked(**number));
        let numbers: alloc::vec::Vec<u64> = waiting.map(|(number, _)| *number).collect();
        for number in numbers {
            self.fail(number, refusal.clone(), out);
        }
    }

    fn feed_starved(&mut self, clock: Clock, out: &mut Out) {
        while self.free_fetches() > 0
            && let Some(number) = self.starved.pop_first()
        {
            self.run_read(clock, number, out);
        }
    }

    /// Lets the reads that wait for events look at what is new.
    pub(super) fn wake_parked(&mut self, clock: Clock, out: &mut Out) {
        for number in core::mem::take(&mut self.parked) {
            self.run_read(clock, number, out);
        }
    }

    /// Learns where records stand.
    pub(super) fn placed(&mut self, first: u64, at: &[Location]) {
        Arc::make_mut(&mut self.history.index.recent).place(first, at);
    }
}

/// Why something was not read, for a client.
pub(super) fn refusal(error: FetchError) -> Refusal {
    match error {
        FetchError::Refused(Refused::NotReady | Refused::Closing) => Refusal::Closing,
        FetchError::Disk(cause) | FetchError::Refused(Refused::Disk(cause)) => Refusal::Disk { cause },
        FetchError::Damaged(damage) => Refusal::Damaged(damage),
        // Nothing is ever released of an event store.
        FetchError::Moved | FetchError::Released | FetchError::Refused(_) => Refusal::Overloaded,
    }
}
