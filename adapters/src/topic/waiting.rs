//! Who waits for which answer, by tickets that rise. Answers come in the order of tickets but for a few, so that the next one
//! is found without a search. Decides nothing.

use onceward_core::writer::Ticket;
use std::collections::VecDeque;

/// Those who wait, the longest first; who was answered out of turn has left a gap.
pub(super) struct Waiting<T>(VecDeque<(Ticket, Option<T>)>);

impl<T> Waiting<T> {
    pub(super) fn new() -> Waiting<T> {
        Waiting(VecDeque::new())
    }

    /// Somebody waits under a ticket above all those before.
    pub(super) fn push(&mut self, ticket: Ticket, who: T) {
        debug_assert!(self.0.back().is_none_or(|(last, _)| *last < ticket));
        self.0.push_back((ticket, Some(who)));
    }

    /// Who waits under this ticket, and does no more.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<T> {
        let found = match self.0.front() {
            Some((first, _)) if *first == ticket => 0,
            _ => self.0.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()?,
        };
        let who = self.0[found].1.take();
        while self.0.pop_front_if(|(_, who)| who.is_none()).is_some() {}
        while self.0.pop_back_if(|(_, who)| who.is_none()).is_some() {}
        who
    }

    /// Nobody waits any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn each_is_given_back_once(actions in prop::collection::vec((any::<bool>(), 0..40u64), 0..200)) {
            let (mut waiting, mut plain, mut next) = (Waiting::new(), BTreeMap::new(), 0);
            for (comes, ticket) in actions {
                if comes {
                    next += 1 + ticket % 3;
                    waiting.push(Ticket(next), next);
                    plain.insert(next, next);
                } else {
                    prop_assert_eq!(waiting.remove(Ticket(ticket)), plain.remove(&ticket));
                }
                prop_assert_eq!(waiting.0.iter().filter(|(_, who)| who.is_some()).count(), plain.len());
                prop_assert!(waiting.0.len() >= plain.len() && (!plain.is_empty() || waiting.0.is_empty()));
            }
        }
    }
}
