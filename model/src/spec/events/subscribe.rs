//! Judges notifications: a lossy subscription may lose what it likes, as long as it says so.

use super::{History, SUBSCRIBER_SEES_GAP, history::Open};
use crate::world::{Ignored, Seen, Violation};
use onceward_core::log::api::Filter;

/// What a subscriber was told so far.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Subscription {
    filter: Filter,
    /// Everything matching below this position was notified or declared missed.
    next: u64,
    seen: Ignored<Seen>,
}

impl History {
    pub(super) fn on_subscribed(
        &mut self,
        seen: Seen,
        id: u64,
        filter: Filter,
        from: u64,
    ) -> Result<(), Violation> {
        self.subscriptions.insert(id, Subscription { filter, next: from, seen: Ignored(seen) });
        Ok(())
    }

    pub(super) fn on_notified(
        &mut self,
        seen: Seen,
        open: &Open,
        id: u64,
        positions: &[u64],
        missed: Option<(u64, u64)>,
    ) -> Result<(), Violation> {
        let Some(subscription) = self.subscriptions.get(&id) else { return Ok(()) };
        let told = format!("notified of {positions:?}, missed {missed:?}");
        let blame = |what: &str, detail: String| {
            Err(Violation::new(SUBSCRIBER_SEES_GAP, what)
                .at(*subscription.seen, format!("subscribed to {:?}", subscription.filter))
                .at(*open.called, format!("everything before position {} was told", subscription.next))
                .at(seen, detail))
        };
        let start = subscription.next;
        let sorted =
            positions.is_sorted_by(|a, b| a < b) && positions.first().is_none_or(|first| *first >= start);
        let range = missed.is_none_or(|(from, to)| {
            from < to && to > start && positions.first().is_none_or(|first| *first >= to)
        });
        if !sorted || !range {
            return blame("notifications go back or overlap what was missed", told);
        }
        // Without a notification, everything that was known when the question was asked must have been told.
        let told_upto =
            positions.last().map_or(start, |last| last + 1).max(missed.map_or(start, |(_, to)| to));
        let upto = if positions.is_empty() && missed.is_none() { open.known.max(start) } else { told_upto };
        let skipped = self.facts.range(start..upto.max(start)).find(|(position, facts)| {
            let declared = missed.is_some_and(|(from, to)| (from..to).contains(*position));
            self.matches(&subscription.filter, facts) && !declared && !positions.contains(position)
        });
        if let Some((position, _)) = skipped {
            return blame(
                "a subscriber was not told of an event, nor that it missed one",
                format!("{told}, but position {position} matches"),
            );
        }
        let next = told_upto;
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.next = next;
        }
        Ok(())
    }
}
