//! Who is told of new events. This module keeps, for each subscription, a bounded number of positions that its reader
//! has not taken, and what it had to drop; it never waits for a reader. Invariant: positions given and ranges reported
//! as missed together cover every matching event from the subscription's start on.

use super::{heads::Heads, index::Recent};
use crate::{
    CallId, Mono,
    log::{
        api::{Filter, Response},
        mutants::mutant,
    },
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

/// One subscription.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Subscription {
    filter: Filter,
    capacity: usize,
    held: VecDeque<u64>,
    missed: Option<(u64, u64)>,
    /// Calls that wait for a notification, with their deadlines.
    waiting: VecDeque<(CallId, Mono)>,
}

/// All subscriptions by number.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Subscriptions {
    by_number: BTreeMap<u64, Subscription>,
    next: u64,
    waiting: usize,
}

impl Subscriptions {
    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// How many calls wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(crate) fn open(&mut self, filter: Filter, capacity: u32) -> u64 {
        let number = self.next;
        self.next += 1;
        let (held, waiting) = (VecDeque::new(), VecDeque::new());
        let capacity = capacity as usize;
        self.by_number.insert(number, Subscription { filter, capacity, held, missed: None, waiting });
        number
    }

    /// Ends a subscription; answers who waited for it, `None` if there is no such subscription.
    pub(crate) fn close(&mut self, number: u64) -> Option<Vec<CallId>> {
        let gone = self.by_number.remove(&number)?;
        self.waiting -= gone.waiting.len();
        Some(gone.waiting.into_iter().map(|(call, _)| call).collect())
    }

    /// Takes what a subscription holds, at most `most` positions: `None`, if it holds nothing.
    pub(crate) fn take(&mut self, number: u64, most: u32) -> Option<Response> {
        let subscription = self.by_number.get_mut(&number)?;
        if subscription.held.is_empty() && subscription.missed.is_none() {
            return None;
        }
        let count = subscription.held.len().min(most as usize);
        let positions = subscription.held.drain(..count).collect();
        Some(Response::Notified { positions, missed: subscription.missed.take() })
    }

    /// Whether a subscription holds something for its reader.
    pub(crate) fn holds(&self, number: u64) -> bool {
        let holds =
            |subscription: &Subscription| !subscription.held.is_empty() || subscription.missed.is_some();
        self.by_number.get(&number).is_some_and(holds)
    }

    pub(crate) fn exists(&self, number: u64) -> bool {
        self.by_number.contains_key(&number)
    }

    /// Lets a call wait.
    pub(crate) fn wait(&mut self, number: u64, call: CallId, until: Mono) {
        if let Some(subscription) = self.by_number.get_mut(&number) {
            subscription.waiting.push_back((call, until));
            self.waiting += 1;
        }
    }

    /// Takes up new events. Answers the subscriptions with a call that can be answered now.
    pub(crate) fn notify(&mut self, recent: &Recent, heads: &Heads, from: u64, to: u64) -> Vec<u64> {
        let mut ready = Vec::new();
        for (number, subscription) in &mut self.by_number {
            for (_, entry) in recent.range(from, to) {
                if recent.matches(heads, entry, &subscription.filter) {
                    subscription.push(entry.position);
                }
            }
            if !subscription.waiting.is_empty() && !subscription.held.is_empty() {
                ready.push(*number);
            }
        }
        ready
    }

    /// The next call that waits for a subscription.
    pub(crate) fn next_waiting(&mut self, number: u64) -> Option<CallId> {
        let (call, _) = self.by_number.get_mut(&number)?.waiting.pop_front()?;
        self.waiting -= 1;
        Some(call)
    }

    /// The calls whose time has come.
    pub(crate) fn due(&mut self, now: Mono) -> Vec<CallId> {
        let mut due = Vec::new();
        for subscription in self.by_number.values_mut() {
            subscription.waiting.retain(|(call, until)| {
                let waits = *until > now;
                if !waits {
                    due.push(*call);
                }
                waits
            });
        }
        self.waiting -= due.len();
        due
    }

    /// The earliest deadline.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        if self.waiting == 0 {
            return None;
        }
        self.by_number.values().flat_map(|subscription| &subscription.waiting).map(|(_, until)| *until).min()
    }

    /// Everybody who waits.
    pub(crate) fn drain(&mut self) -> Vec<CallId> {
        self.waiting = 0;
        let waiting = self.by_number.values_mut().flat_map(|subscription| subscription.waiting.drain(..));
        waiting.map(|(call, _)| call).collect()
    }
}

impl Subscription {
    fn push(&mut self, position: u64) {
        if self.held.len() == self.capacity {
            if mutant!(SubscriberGapSilent) {
                return;
            }
            let oldest = self.held.pop_front().unwrap_or(position);
            let from = self.missed.map_or(oldest, |(from, _)| from);
            self.missed = Some((from, oldest + 1));
        }
        self.held.push_back(position);
    }
}
