//! Deadlines of calls that no thread waits for. Decides when such a call is given up, on a thread of its own that is
//! started with the first one and is never held up by the device.
//!
//! Invariant: of calls that were answered in time, at most about as many are remembered as are still open.

use super::call::{Lost, Slot};
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

/// Gives calls up in time.
pub(super) struct Deadlines<R> {
    shared: Arc<Shared<R>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared<R> {
    state: Mutex<State<R>>,
    changed: Condvar,
}

struct State<R> {
    heap: BinaryHeap<Watched<R>>,
    /// Above this many, those that are answered are swept out.
    sweep_at: usize,
    end: bool,
}

struct Watched<R> {
    at: Instant,
    call: Weak<Slot<R>>,
}

const FEW: usize = 1024;

impl<R: Send + 'static> Deadlines<R> {
    pub(super) fn new() -> Deadlines<R> {
        let state = State { heap: BinaryHeap::new(), sweep_at: FEW, end: false };
        Deadlines {
            shared: Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }),
            thread: Mutex::new(None),
        }
    }

    /// Answers the call [`Lost::Late`] at that moment unless it is answered before.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn watch(&self, at: Instant, call: &Arc<Slot<R>>) -> std::io::Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let shared = self.shared.clone();
            *thread =
                Some(std::thread::Builder::new().name("onceward-late".into()).spawn(move || shared.run())?);
        }
        drop(thread);
        let mut state = self.shared.lock();
        if state.heap.len() >= state.sweep_at {
            state.heap.retain(|watched| watched.call.upgrade().is_some_and(|call| call.is_open()));
            state.sweep_at = FEW.max(2 * state.heap.len());
        }
        let first = state.heap.peek().is_none_or(|first| at < first.at);
        state.heap.push(Watched { at, call: Arc::downgrade(call) });
        if first {
            self.shared.changed.notify_one();
        }
        Ok(())
    }
}

impl<R> Drop for Deadlines<R> {
    fn drop(&mut self) {
        self.shared.lock().end = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            // It ends by itself; a panic of it (of a caller's waker) has nothing to add here.
            let _ = thread.join();
        }
    }
}

impl<R> Shared<R> {
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.end {
            let now = Instant::now();
            state = match state.heap.peek().map(|first| first.at) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) if at > now => {
                    self.changed.wait_timeout(state, at - now).unwrap_or_else(PoisonError::into_inner).0
                }
                Some(_) => {
                    let late = state.heap.pop().and_then(|watched| watched.call.upgrade());
                    drop(state);
                    if let Some(call) = late {
                        call.answer(Err(Lost::Late));
                    }
                    self.lock()
                }
            };
        }
    }
}

// The first deadline is the greatest, for a heap gives its greatest.
impl<R> Ord for Watched<R> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.at.cmp(&self.at)
    }
}

impl<R> PartialOrd for Watched<R> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<R> PartialEq for Watched<R> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<R> Eq for Watched<R> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::call::Call;
    use std::time::Duration;

    #[test]
    fn late_calls_are_given_up_and_answered_ones_forgotten() {
        let deadlines = Deadlines::<u32>::new();
        let (late, answered) = (Slot::new(), Slot::new());
        let soon = Instant::now() + Duration::from_millis(20);
        deadlines.watch(Instant::now() + Duration::from_secs(3600), &Slot::new()).unwrap();
        deadlines.watch(soon, &late).unwrap();
        deadlines.watch(soon, &answered).unwrap();
        answered.answer(Ok(7));
        assert_eq!(Call::new(late).wait(), Err(Lost::Late));
        assert!(Instant::now() >= soon);
        assert_eq!(Call::new(answered).wait(), Ok(7));

        let far = Instant::now() + Duration::from_secs(3600);
        let open: Vec<_> = (0..10).map(|_| Slot::new()).collect();
        for _ in 0..10 * FEW {
            deadlines.watch(far, &Slot::new()).unwrap();
        }
        for call in &open {
            deadlines.watch(far, call).unwrap();
        }
        assert!(deadlines.shared.lock().heap.len() <= FEW + 10);
    }
}
