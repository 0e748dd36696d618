//! Judges answers to appends: receipts, refusals, and what a position may hold. It never looks forwards: an answer is
//! judged by what was known before it.

use super::{
    ACKED_IS_DURABLE, CAS_IS_ATOMIC, CHAIN_VERIFIES, DEDUP_IMPLIES_DURABLE, DENSE_POSITIONS,
    EVERYTHING_ANSWERED, EXACTLY_ONCE, Facts, Firm, History, INDEX_EQUALS_SCAN, READS_ARE_DURABLE,
    RECOVERY_IS_TOTAL, State, TIME_ORDERS_EFFECTS,
    history::{Open, told},
};
use crate::world::{Ignored, Seen, Violation};
use onceward_core::{
    CallId,
    log::api::{Expected, Name, Part, Promise, Receipt, Refusal, Request, Status},
};

type Judged = Result<(), Violation>;

impl History {
    pub(super) fn on_receipts(
        &mut self,
        seen: Seen,
        call: CallId,
        open: &Open,
        parts: &[Part],
        receipts: &[Receipt],
    ) -> Judged {
        let asked =
            |what: &str| Violation::new(EXACTLY_ONCE, what).at(*open.called, "the append was asked for");
        let shape = parts.iter().map(|part| part.events.len());
        if !receipts.iter().map(|receipt| receipt.count as usize).eq(shape) {
            return Err(asked("the receipts do not fit the request").at(seen, format!("{receipts:?}")));
        }
        let again = receipts.iter().filter(|receipt| receipt.duplicate).count();
        if again != 0 && again != receipts.len() {
            return Err(asked("a request was carried out in part").at(seen, format!("{receipts:?}")));
        }
        let (mut n, mut expected) = (0, None);
        for (part, receipt) in parts.iter().zip(receipts) {
            self.judge_promise(seen, open, receipt)?;
            if receipt.duplicate {
                self.judge_duplicate(seen, call, open, part, receipt)?;
            } else {
                self.judge_fresh(seen, open, part, receipt, expected)?;
            }
            self.place(seen, call, n, part, receipt)?;
            n += receipt.count;
            expected = Some(receipt.position + u64::from(receipt.count));
        }
        self.settle(call, State::Acked(receipts.iter().map(|receipt| receipt.position).collect()));
        Ok(())
    }

    fn judge_promise(&self, seen: Seen, open: &Open, receipt: &Receipt) -> Judged {
        if self.durable && receipt.promise != Promise::Durable {
            let promise = if receipt.duplicate { DEDUP_IMPLIES_DURABLE } else { ACKED_IS_DURABLE };
            return Err(Violation::new(promise, "a store that promises durability answered with less")
                .at(*open.called, "the append was asked for")
                .at(seen, told(receipt)));
        }
        Ok(())
    }

    fn judge_fresh(
        &self,
        seen: Seen,
        open: &Open,
        part: &Part,
        receipt: &Receipt,
        expected: Option<u64>,
    ) -> Judged {
        let held = match part.expected {
            Expected::Any => true,
            Expected::NoStream => receipt.sequence == 0,
            Expected::Exists => receipt.sequence > 0,
            Expected::Exact(last) => Some(receipt.sequence) == last.checked_add(1),
        };
        if !held {
            return Err(Violation::new(
                CAS_IS_ATOMIC,
                "an append took place although its guard did not hold",
            )
            .at(*open.called, format!("{} was expected to be {:?}", part.entity, part.expected))
            .at(seen, told(receipt)));
        }
        if receipt.position < open.known || expected.is_some_and(|position| position != receipt.position) {
            return Err(Violation::new(
                DENSE_POSITIONS,
                "an append was given a position before events that were there",
            )
            .at(*open.called, format!("{} events were known when the append was asked for", open.known))
            .at(seen, told(receipt)));
        }
        Ok(())
    }

    fn judge_duplicate(
        &self,
        seen: Seen,
        call: CallId,
        open: &Open,
        part: &Part,
        receipt: &Receipt,
    ) -> Judged {
        let claim =
            |what: &str| Violation::new(EXACTLY_ONCE, what).at(*open.called, "the retry was asked for");
        let Some(key) = part.key else {
            return Err(claim("an append without a key was taken for a retry").at(seen, told(receipt)));
        };
        let twins = self.keys.get(&(part.entity.clone(), key.0)).map_or(&[][..], |calls| calls);
        let originals = twins.iter().filter(|other| **other != call && self.same_request(**other, call));
        let mut any = false;
        for original in originals {
            match self.state(*original) {
                Some(State::Acked(positions)) => {
                    let at = self.parts(*original).iter().position(|p| p.entity == part.entity);
                    let first = at.and_then(|at| positions.get(at));
                    if first.is_some_and(|first| *first != receipt.position) {
                        return Err(claim("a retry was told another position than the first answer")
                            .at(seen, format!("{}, the first answer said {first:?}", told(receipt))));
                    }
                    any = true;
                }
                Some(State::Refused) | None => {}
                Some(_) => any = true,
            }
        }
        if any || self.is_adopted(receipt.position) {
            Ok(())
        } else {
            Err(claim("an append was taken for a retry of nothing").at(seen, told(receipt)))
        }
    }

    fn same_request(&self, a: CallId, b: CallId) -> bool {
        a == b || self.parts(a) == self.parts(b)
    }

    /// Takes note of the positions that a receipt names.
    fn place(&mut self, seen: Seen, call: CallId, first: u32, part: &Part, receipt: &Receipt) -> Judged {
        let firm = match (receipt.promise, receipt.duplicate) {
            (Promise::Durable, false) => Firm::Acked,
            (Promise::Durable, true) => Firm::Repeated,
            (Promise::Written, _) => Firm::Written,
        };
        for (n, event) in (0..).zip(&part.events) {
            let last = n + 1 == receipt.count;
            self.note(
                seen,
                receipt.position + u64::from(n),
                Facts {
                    id: event.id,
                    entity: part.entity.clone(),
                    sequence: receipt.sequence + u64::from(n),
                    origin: (call, first + n),
                    time: last.then_some(receipt.time),
                    chain: last.then_some(receipt.chain),
                    firm,
                    seen: Ignored(seen),
                },
            )?;
        }
        Ok(())
    }

    /// Takes note of what a position holds, or says what it contradicts.
    pub(super) fn note(&mut self, seen: Seen, position: u64, new: Facts) -> Judged {
        if let Some(old) = self.facts.get_mut(&position) {
            if (old.id, &old.entity, old.sequence) != (new.id, &new.entity, new.sequence) {
                return Err(changed(old.firm, position, old, seen, &new));
            }
            let clash = |a: &Option<_>, b: &Option<_>| a.is_some() && b.is_some() && a != b;
            if clash(&old.chain, &new.chain) {
                return Err(Violation::new(CHAIN_VERIFIES, "an event's chain hash has changed")
                    .at(*old.seen, format!("position {position} had {:?}", old.chain))
                    .at(seen, format!("position {position} has {:?}", new.chain)));
            }
            old.chain = old.chain.or(new.chain);
            old.time = old.time.or(new.time);
            old.firm = old.firm.max(new.firm);
        } else {
            let sequence = (new.entity.clone(), new.sequence);
            if let Some(other) = self.places.get(&new.id).and_then(|at| Some((at, self.facts.get(at)?))) {
                return Err(Violation::new(EXACTLY_ONCE, "one event stands at two positions")
                    .at(*other.1.seen, format!("{:?} stood at position {}", new.id, other.0))
                    .at(seen, format!("and stands at position {position}")));
            }
            if let Some(other) = self.sequences.get(&sequence).and_then(|at| Some((at, self.facts.get(at)?)))
            {
                return Err(Violation::new(DENSE_POSITIONS, "a sequence of an entity was used twice")
                    .at(
                        *other.1.seen,
                        format!("{} {} stood at position {}", new.entity, new.sequence, other.0),
                    )
                    .at(seen, format!("and stands at position {position}")));
            }
            self.places.insert(new.id, position);
            self.sequences.insert(sequence, position);
            self.facts.insert(position, new.clone());
        }
        self.judge_time(seen, position)?;
        if !self.durable && new.firm > Firm::Written {
            // What is durable at a position is so at all before it.
            self.facts.range_mut(..position).for_each(|(_, facts)| facts.firm = facts.firm.max(Firm::Shown));
        }
        Ok(())
    }

    fn judge_time(&self, seen: Seen, position: u64) -> Judged {
        let Some(time) = self.facts.get(&position).and_then(|facts| facts.time) else { return Ok(()) };
        let timed = |(at, facts): (&u64, &Facts)| facts.time.map(|time| (*at, time, *facts.seen));
        let before = self.facts.range(..position).rev().take(64).find_map(timed);
        let after = self.facts.range(position + 1..).take(64).find_map(timed);
        let early = before.filter(|(_, other, _)| *other >= time);
        let late = after.filter(|(_, other, _)| *other <= time);
        let Some((at, other, when)) = early.or(late) else { return Ok(()) };
        Err(Violation::new(TIME_ORDERS_EFFECTS, "logical time does not grow with position")
            .at(when, format!("position {at} has {other:?}"))
            .at(seen, format!("position {position} has {time:?}")))
    }

    pub(super) fn judge_refusal(
        &mut self,
        seen: Seen,
        call: CallId,
        open: &Open,
        refusal: &Refusal,
    ) -> Judged {
        let blame = |promise: &'static str, what: &str| {
            Err(Violation::new(promise, what)
                .at(*open.called, format!("asked: {}", brief(&open.request)))
                .at(seen, refusal.to_string()))
        };
        let parts = self.parts(call);
        match refusal {
            Refusal::WrongExpected { entity, expected, actual } => {
                let Some(part) = parts.iter().find(|p| p.entity == *entity && p.expected == *expected) else {
                    return blame(CAS_IS_ATOMIC, "a guard was refused that was not asked for");
                };
                if self.known_retry(open, call, part) {
                    return blame(
                        EXACTLY_ONCE,
                        "a retry was refused by a guard, its first attempt being in the store",
                    );
                }
                let holds = match expected {
                    Expected::Any => true,
                    Expected::NoStream => actual.is_none(),
                    Expected::Exists => actual.is_some(),
                    Expected::Exact(last) => *actual == Some(*last),
                };
                if holds {
                    return blame(CAS_IS_ATOMIC, "a guard was refused although it held");
                }
                let known = self.last_sequence(entity, open.known);
                let possible = self.most_events(entity);
                if *actual < known || actual.is_some_and(|last| last >= possible) {
                    return blame(
                        CAS_IS_ATOMIC,
                        "a refusal names a sequence that the entity cannot have had",
                    );
                }
                Ok(())
            }
            Refusal::KeyConflict { position } => {
                let other = |part: &Part| {
                    let key = part.key.map(|key| (part.entity.clone(), key.0));
                    let calls = key.and_then(|key| self.keys.get(&key)).map_or(&[][..], |calls| calls);
                    calls.iter().any(|other| !self.same_request(*other, call))
                };
                if parts.iter().any(other) || self.is_adopted(*position) {
                    Ok(())
                } else {
                    blame(EXACTLY_ONCE, "a retry of the same request was refused as another one")
                }
            }
            Refusal::IdTaken { id, position } => {
                let here = self.facts.get(position).is_none_or(|facts| facts.id == *id);
                let twice = self.ids.get(id).is_some_and(|calls| calls.len() > 1);
                if !here || !twice {
                    return blame(EXACTLY_ONCE, "an event id was refused as taken that nobody had used");
                }
                match parts.iter().find(|part| self.known_retry(open, call, part)) {
                    Some(_) => {
                        blame(EXACTLY_ONCE, "a retry was refused although its first attempt is in the store")
                    }
                    None => Ok(()),
                }
            }
            Refusal::NoCause { id } => match self.places.get(id) {
                Some(at) if *at < open.known => {
                    blame(INDEX_EQUALS_SCAN, "a cause was not found that is in the store")
                }
                _ => Ok(()),
            },
            Refusal::Damaged(_) if !self.beyond => match &*open.request {
                Request::Verify => blame(CHAIN_VERIFIES, "an intact store does not verify"),
                _ => blame(
                    RECOVERY_IS_TOTAL,
                    "the store refuses to work although nothing happened beyond its budget",
                ),
            },
            Refusal::Closing if !self.closing => {
                blame(EVERYTHING_ANSWERED, "the store said that it is closing although nobody asked it to")
            }
            Refusal::Deadline if !matches!(&*open.request, Request::Append { deadline: Some(_), .. }) => {
                blame(EVERYTHING_ANSWERED, "a deadline passed that was never set")
            }
            _ => Ok(()),
        }
    }

    /// Whether this part is a retry of an append that was known to be in the store when it was made, and that a key
    /// must still be remembered for.
    fn known_retry(&self, open: &Open, call: CallId, part: &Part) -> bool {
        let Some(key) = part.key else { return false };
        let calls = self.keys.get(&(part.entity.clone(), key.0)).map_or(&[][..], |calls| calls);
        calls.iter().filter(|other| **other != call && self.same_request(**other, call)).any(|other| {
            let Some(State::Acked(positions)) = self.state(*other) else { return false };
            let oldest = positions.iter().min().copied().unwrap_or(u64::MAX);
            // Each open append may have moved the horizon by its events before this one was judged.
            let end = self.end() + self.open_events();
            oldest < open.known && end.saturating_sub(oldest) <= self.horizon
        })
    }

    fn open_events(&self) -> u64 {
        let unsettled = |state: &State| matches!(state, State::Open | State::Unknown);
        let calls = self.appends.iter().filter(|(_, append)| unsettled(&append.state));
        calls.map(|(call, _)| self.parts(*call).iter().map(|p| p.events.len() as u64).sum::<u64>()).sum()
    }

    /// The last sequence of an entity among the events below a position.
    fn last_sequence(&self, entity: &Name, below: u64) -> Option<u64> {
        let range = (entity.clone(), 0)..=(entity.clone(), u64::MAX);
        let mut known = self.sequences.range(range).rev();
        known.find(|(_, position)| **position < below).map(|((_, sequence), _)| *sequence)
    }

    /// How many events of an entity there can be at most: all that were ever asked for and not refused.
    fn most_events(&self, entity: &Name) -> u64 {
        let possible = self.appends.iter().filter(|(_, append)| append.state != State::Refused);
        let parts = possible.flat_map(|(call, _)| self.parts(*call)).filter(|part| part.entity == *entity);
        parts.map(|part| part.events.len() as u64).sum()
    }

    pub(super) fn on_status(&mut self, seen: Seen, open: &Open, status: &Status) -> Judged {
        let whole = !matches!(status.phase, onceward_core::log::api::Phase::Damaged(_));
        if !whole && !self.beyond {
            return Err(Violation::new(RECOVERY_IS_TOTAL, "the store calls itself damaged without a reason")
                .at(*open.called, "its status was asked for")
                .at(seen, format!("{:?}", status.phase)));
        }
        Ok(())
    }
}

/// The violation that a position's change is, by how firmly it was known.
fn changed(firm: Firm, position: u64, old: &Facts, seen: Seen, new: &Facts) -> Violation {
    let (promise, how) = match firm {
        Firm::Acked => (ACKED_IS_DURABLE, "was acknowledged as durable"),
        Firm::Repeated => (DEDUP_IMPLIES_DURABLE, "was said to be durable when its append was retried"),
        Firm::Shown => (READS_ARE_DURABLE, "was shown to a reader"),
        Firm::Written => (DENSE_POSITIONS, "was told"),
    };
    let of = |facts: &Facts| format!("{:?}, sequence {} of {}", facts.id, facts.sequence, facts.entity);
    Violation::new(promise, format!("the event that {how} at a position has made way for another"))
        .at(*old.seen, format!("position {position} held {}", of(old)))
        .at(seen, format!("position {position} holds {}", of(new)))
}

fn brief(request: &Request) -> String {
    match request {
        Request::Append { parts, .. } => {
            let part =
                |p: &Part| format!("{} event(s) to {} expecting {:?}", p.events.len(), p.entity, p.expected);
            format!("append {}", parts.iter().map(part).collect::<Vec<_>>().join(" and "))
        }
        other => format!("{other:?}"),
    }
}
