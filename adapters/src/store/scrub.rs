//! A background scrub: verifies the whole store from time to time, so that rot is found while there is still a backup.
//! Decides when; how is the machine's business, which reads in chunks between its other work, so that the store is
//! held up by one chunk at most.

use crate::driver::call::Call;
use onceward_core::log::api::{Refusal, Response, Verified};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the background scrub has found so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scrub {
    /// How many verifications were finished, whatever they found.
    pub runs: u64,
    /// What the last one found; `None` before the first has ended.
    pub last: Option<Result<Verified, Refusal>>,
    /// When that one ended.
    pub ended: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Scrubber {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    stopped: Condvar,
}

#[derive(Debug, Default)]
struct State {
    report: Scrub,
    stop: bool,
}

impl Scrubber {
    /// Starts verifying every `every`, for the first time when that has passed once. `verify` starts one, or gives
    /// `None` once the store is gone.
    pub(super) fn start(
        every: Duration,
        verify: impl Fn() -> Option<Call<Response>> + Send + 'static,
    ) -> std::io::Result<Scrubber> {
        let shared = Arc::new(Shared::default());
        let state = shared.clone();
        let thread = std::thread::Builder::new()
            .name("onceward-scrub".into())
            .spawn(move || state.run(every, verify))?;
        Ok(Scrubber { shared, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn report(&self) -> Scrub {
        self.shared.lock().report.clone()
    }

    /// Asks the thread to end. It does so at once, or when the verification under way is answered.
    pub(super) fn stop(&self) {
        self.shared.lock().stop = true;
        self.shared.stopped.notify_one();
    }
}

impl Drop for Scrubber {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take()
            && thread.thread().id() != std::thread::current().id()
        {
            // The store was stopped before, so every call of the thread is answered.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, every: Duration, verify: impl Fn() -> Option<Call<Response>>) {
        loop {
            let state = self.lock();
            let waited = self.stopped.wait_timeout_while(state, every, |state| !state.stop);
            if waited.unwrap_or_else(PoisonError::into_inner).0.stop {
                return;
            }
            let Some(call) = verify() else { return };
            let found = match call.wait() {
                Ok(Response::Verified(verified)) => Ok(verified),
                Ok(Response::Refused(refusal)) => Err(refusal),
                // Restarted, closing or gone: nothing was found out.
                _ => continue,
            };
            match &found {
                Ok(verified) => tracing::debug!(events = verified.events, "scrubbed: the store is whole"),
                Err(refusal) => tracing::error!(%refusal, "scrubbed: the store cannot be verified"),
            }
            let mut state = self.lock();
            state.report.runs += 1;
            state.report.last = Some(found);
            state.report.ended = Some(Instant::now());
        }
    }
}
