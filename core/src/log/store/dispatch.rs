//! Takes calls. This module checks what can be checked at once and either answers or puts a call where it waits; it
//! never judges an append.

use super::{
    EventStore, Out, Stage,
    append::Append,
    mark,
    queue::{Basis, Job, Work},
    read::{Owner, Reading},
    refuse,
    verify::Audit,
};
use crate::{
    Action, CallId, Clock, Dur,
    log::{
        api::{Filter, Frontier, Head, Query, Refusal, Request, Response},
        mutants::mutant,
        segments,
    },
};
use alloc::{boxed::Box, vec::Vec};

impl EventStore {
    pub(super) fn call(&mut self, clock: Clock, call: CallId, request: Request, out: &mut Out) {
        let answer = match request {
            Request::Status => return out.push(Action::Reply(call, Response::Status(self.status(clock)))),
            Request::Shutdown => return self.shut_down(clock, call, out),
            request => match self.closed_to_calls() {
                Some(refusal) => Err(refusal),
                None => self.take(clock, call, request, out),
            },
        };
        match answer {
            Ok(None) => {}
            Ok(Some(response)) => out.push(Action::Reply(call, response)),
            Err(refusal) => refuse(out, call, refusal),
        }
    }

    /// Takes a call; answers `None` if it waits, or was answered already.
    fn take(
        &mut self,
        clock: Clock,
        call: CallId,
        request: Request,
        out: &mut Out,
    ) -> Result<Option<Response>, Refusal> {
        match request {
            Request::Append { parts, deadline } => {
                let append = Append::admit(&self.config, parts)?;
                let deadline = deadline.map(|span| clock.mono.after(span));
                self.enqueue(Job { call, work: Work::Append(Box::new(append)), deadline, looking: 0 })?;
            }
            Request::SaveCursor { reader, position } => {
                self.enqueue(Job {
                    call,
                    work: Work::Cursor { reader, position },
                    deadline: None,
                    looking: 0,
                })?;
            }
            Request::Read(query) => {
                self.check_query(&query)?;
                self.check_waiting()?;
                let deadline = query.wait.filter(|span| *span > Dur::ZERO).map(|span| clock.mono.after(span));
                self.start_read(clock, Reading::new(Owner::Call(call), query, deadline), out);
            }
            Request::Subscribe { filter, capacity } => return self.subscribe(filter, capacity).map(Some),
            Request::Next { subscription, wait } => {
                if !self.subscriptions.exists(subscription) {
                    return Err(Refusal::NoSubscription);
                }
                if let Some(response) = self.subscriptions.take(subscription, self.config.read_events) {
                    if matches!(response, Response::Notified { missed: Some(_), .. }) {
                        mark(out, "gap reported to a subscriber");
                    }
                    return Ok(Some(response));
                }
                self.check_waiting()?;
                if wait == Dur::ZERO {
                    return Ok(Some(Response::Notified { positions: Vec::new(), missed: None }));
                }
                self.subscriptions.wait(subscription, call, clock.mono.after(wait));
            }
            Request::Unsubscribe { subscription } => {
                let waiting = self.subscriptions.close(subscription).ok_or(Refusal::NoSubscription)?;
                waiting.into_iter().for_each(|call| refuse(out, call, Refusal::NoSubscription));
                return Ok(Some(Response::Done));
            }
            Request::LoadCursor { reader } => {
                return Ok(Some(Response::Cursor(self.cursors.get(&reader).copied())));
            }
            Request::Head { entity } => {
                let head = self.history.heads.head(&entity).map(|head| Head {
                    sequence: head.next - 1,
                    position: head.position,
                    chain: head.chain,
                });
                match head {
                    Some(head) => {
                        self.hold(Some(head.position), call, Response::Head(Some(head)), Basis::Others, out)
                    }
                    None => return Ok(Some(Response::Head(None))),
                }
            }
            Request::Barrier => {
                self.check_waiting()?;
                let token = self.token();
                self.barriers.insert(token, call);
                self.tell(clock, segments::Input::Barrier { token }, out);
            }
            Request::Await { frontier, position } => {
                if self.frontier(frontier) > position {
                    return Ok(Some(Response::Frontiers(self.frontiers)));
                }
                self.check_waiting()?;
                self.awaits.insert((frontier, position, call));
            }
            Request::Verify => {
                self.check_waiting()?;
                if self.audit.is_some() {
                    return Err(Refusal::Overloaded);
                }
                self.start_audit(clock, Audit::for_call(call), out);
            }
            Request::Status | Request::Shutdown => {}
        }
        Ok(None)
    }

    fn frontier(&self, frontier: Frontier) -> u64 {
        match frontier {
            Frontier::Accepted => self.frontiers.accepted,
            Frontier::Written => self.frontiers.written,
            Frontier::Durable => self.frontiers.durable,
            Frontier::Visible => self.frontiers.visible,
        }
    }

    /// Answers the calls whose frontier has passed their position.
    pub(super) fn passed(&mut self, out: &mut Out) {
        if self.awaits.is_empty() {
            return;
        }
        for which in [Frontier::Accepted, Frontier::Written, Frontier::Durable, Frontier::Visible] {
            let reached = self.frontier(which);
            while let Some(first) = self.awaits.range((which, 0, CallId::default())..).next().copied() {
                if first.0 != which || first.1 >= reached {
                    break;
                }
                self.awaits.remove(&first);
                out.push(Action::Reply(first.2, Response::Frontiers(self.frontiers)));
            }
        }
    }

    fn check_query(&self, query: &Query) -> Result<(), Refusal> {
        let limit = |what, is: u32, limit: u32| {
            if is <= limit {
                Ok(())
            } else {
                Err(Refusal::Limit { what, is: is.into(), limit: limit.into() })
            }
        };
        if query.limit == 0 || query.max_bytes == 0 {
            return Err(Refusal::Invalid("a read asks for at least one event and one byte"));
        }
        limit("the number of events in a read", query.limit, self.config.read_events)?;
        limit("the bytes in a read", query.max_bytes, self.config.read_bytes)
    }

    /// Whether one more call may wait.
    fn check_waiting(&self) -> Result<(), Refusal> {
        let audits = usize::from(self.audit.is_some());
        let waiting = self.reads.len()
            + self.awaits.len()
            + self.barriers.len()
            + self.subscriptions.waiting()
            + audits;
        if waiting < self.config.waiting_calls as usize { Ok(()) } else { Err(Refusal::Overloaded) }
    }

    fn subscribe(&mut self, filter: Filter, capacity: u32) -> Result<Response, Refusal> {
        if matches!(filter, Filter::CausesOf(_) | Filter::EffectsOf(_)) {
            return Err(Refusal::Invalid("a subscription cannot follow causes"));
        }
        if capacity == 0 {
            return Err(Refusal::Invalid("a subscription keeps at least one notification"));
        }
        let limit = |what, is: u64, limit: u32| {
            let limit = u64::from(limit);
            if is <= limit { Ok(()) } else { Err(Refusal::Limit { what, is, limit }) }
        };
        limit("the capacity of a subscription", capacity.into(), self.config.notifications)?;
        limit("the number of subscriptions", self.subscriptions.len() as u64 + 1, self.config.subscriptions)?;
        let subscription = self.subscriptions.open(filter, capacity);
        Ok(Response::Subscribed { subscription, from: self.frontiers.visible })
    }

    fn shut_down(&mut self, clock: Clock, call: CallId, out: &mut Out) {
        match &self.stage {
            Stage::New => {
                self.stage = Stage::Closed;
                return out.push(Action::Reply(call, Response::Done));
            }
            Stage::Closing(_) => return self.closers.push(call),
            Stage::Closed => return refuse(out, call, Refusal::Closing),
            Stage::Damaged(damage) => return refuse(out, call, Refusal::Damaged(damage.clone())),
            Stage::Recovering => {
                // Nothing was promised yet: this is as good as a crash.
                mark(out, "shutdown while recovering");
                self.stage = Stage::Closing(true);
                self.closers.push(call);
                return self.tell(clock, segments::Input::Close, out);
            }
            Stage::Ready => {}
        }
        self.stage = Stage::Closing(false);
        self.closers.push(call);
        let drain = self.config.drain_requests as usize;
        if self.queue.len() > drain {
            mark(out, "drain limit reached");
            for job in self.queue.split_off(drain) {
                if !mutant!(ShutdownDropsTheRest) {
                    refuse(out, job.call, Refusal::Closing);
                }
                self.queued_bytes -= job.bytes();
            }
        }
        let readers = self.reads.values().filter_map(Reading::caller);
        readers.for_each(|call| refuse(out, call, Refusal::Closing));
        self.reads.retain(|_, read| read.caller().is_none());
        let reads = &self.reads;
        self.parked.retain(|number| reads.contains_key(number));
        self.starved.retain(|number| reads.contains_key(number));
        for call in self.subscriptions.drain() {
            refuse(out, call, Refusal::Closing);
        }
        if let Some(call) = self.audit.take().and_then(|audit| audit.caller()) {
            refuse(out, call, Refusal::Closing);
        }
    }
}
