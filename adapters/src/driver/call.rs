//! A call under way: where its answer will be put, and how the caller learns of it. Decides nothing; works for threads
//! that wait and for tasks of any executor.
//!
//! Invariant: the first answer stands; a later one is dropped.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Why a call has no answer of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Lost {
    /// The machine panicked while the call was under way. What was asked for may have been done, or may yet show up
    /// after the recovery that follows, or not.
    #[error("the store failed while the call was under way: its outcome is unknown")]
    Failed,
    /// The caller's deadline passed first. What was asked for may have been done or may still be.
    #[error("no answer came before the deadline: the outcome is unknown")]
    Late,
    /// The machine was stopped while the call was under way. What was asked for may have been done or not.
    #[error("the store was stopped while the call was under way: its outcome is unknown")]
    Stopped,
    /// Too many calls wait already. Nothing was done.
    #[error("too many calls are waiting")]
    Overloaded,
    /// The machine had been stopped before. Nothing was done.
    #[error("the store is closed")]
    Closed,
}

impl Lost {
    /// Whether what was asked for may have been done nevertheless.
    pub fn outcome_unknown(self) -> bool {
        matches!(self, Lost::Failed | Lost::Late | Lost::Stopped)
    }
}

/// Asks again and again until there is an answer, or an error, with pauses that double up to 2 ms.
pub(crate) fn poll<T, E>(mut ask: impl FnMut() -> Result<Option<T>, E>) -> Result<T, E> {
    let mut pause = Duration::from_micros(20);
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(2));
    }
}

/// Where one answer goes.
#[derive(Debug)]
pub(super) struct Slot<R> {
    state: Mutex<State<R>>,
    answered: Condvar,
}

#[derive(Debug)]
enum State<R> {
    Open(Option<Waker>),
    Answered(Result<R, Lost>),
    Taken,
}

/// Whoever waits for one answer. Dropped, it leaves them waiting.
#[derive(Debug)]
#[must_use = "a caller waits until it is answered"]
pub struct Caller<R>(pub(super) Arc<Slot<R>>);

impl<R> Caller<R> {
    /// Gives the answer, or says why there is none.
    pub fn answer(self, answer: Result<R, Lost>) {
        self.0.answer(answer);
    }
}

/// A call under way. Dropping it gives up on the answer, not on what was asked for.
#[derive(Debug)]
#[must_use = "the outcome of a call is only known from its answer"]
pub struct Call<R> {
    slot: Arc<Slot<R>>,
}

impl<R> Slot<R> {
    pub(super) fn new() -> Arc<Slot<R>> {
        Arc::new(Slot { state: Mutex::new(State::Open(None)), answered: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        // Nothing under this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn answer(&self, answer: Result<R, Lost>) {
        let mut state = self.lock();
        if let State::Open(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Answered(answer);
            drop(state);
            self.answered.notify_one();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(*self.lock(), State::Open(_))
    }

    fn take(state: &mut State<R>) -> Option<Result<R, Lost>> {
        match std::mem::replace(state, State::Taken) {
            State::Answered(answer) => Some(answer),
            open => {
                *state = open;
                None
            }
        }
    }
}

impl<R> Call<R> {
    pub(super) fn new(slot: Arc<Slot<R>>) -> Call<R> {
        Call { slot }
    }

    /// Blocks this thread until the answer is there.
    pub fn wait(self) -> Result<R, Lost> {
        let mut state = self.slot.lock();
        loop {
            if let Some(answer) = Slot::take(&mut state) {
                return answer;
            }
            state = self.slot.answered.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Blocks this thread until the answer is there or the moment has come.
    pub fn wait_until(self, deadline: Instant) -> Result<R, Lost> {
        let mut state = self.slot.lock();
        loop {
            if let Some(answer) = Slot::take(&mut state) {
                return answer;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // Whoever has not begun it yet need not.
                *state = State::Taken;
                return Err(Lost::Late);
            }
            let woken = self.slot.answered.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<R> Future for Call<R> {
    type Output = Result<R, Lost>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<R, Lost>> {
        let mut state = self.slot.lock();
        if let Some(answer) = Slot::take(&mut state) {
            return Poll::Ready(answer);
        }
        if let State::Open(waker) = &mut *state {
            match waker {
                Some(known) if known.will_wake(context.waker()) => {}
                _ => *waker = Some(context.waker().clone()),
            }
        }
        Poll::Pending
    }
}
