//! News of appended events. Decides nothing: the machine keeps the notifications and says what was missed.

use super::{Error, Inner, Pending};
use onceward_core::Dur;
use onceward_core::log::api::{Request, Response};
use std::sync::Arc;
use std::time::Duration;

/// A lossy subscription: it never holds the store up, and says what it missed. Ends when dropped, and when the store is
/// restarted after a failure ([`NoSubscription`](onceward_core::log::api::Refusal::NoSubscription)).
#[derive(Debug)]
pub struct Subscription {
    inner: Arc<Inner>,
    number: u64,
    from: u64,
}

/// News.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Notified {
    /// Positions of matching events, ascending. None if nothing came in time.
    pub positions: Vec<u64>,
    /// Matching events in this range (from, to exclusive) were dropped because the reader lagged: read them. All lie
    /// before the first of `positions`.
    pub missed: Option<(u64, u64)>,
}

impl Subscription {
    pub(super) fn new(inner: Arc<Inner>, number: u64, from: u64) -> Subscription {
        Subscription { inner, number, from }
    }

    /// Events from this position on are notified; those before are there to be read.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// Takes what is there, or waits that long for a first notification.
    pub fn next(&self, wait: Duration) -> Pending<Notified> {
        let wait = Dur(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
        let request = Request::Next { subscription: self.number, wait };
        Pending::new(self.inner.clone(), request, |_, response| match response {
            Response::Notified { positions, missed } => Ok(Notified { positions, missed }),
            other => Err(Error::not(other)),
        })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // Nobody waits for the answer; without one, the number is simply never used again.
        drop(self.inner.host.call(Request::Unsubscribe { subscription: self.number }));
    }
}
