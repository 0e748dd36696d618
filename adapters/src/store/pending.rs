//! A call that was not made yet, or is under way. Decides how it is made: by this thread, or by others.

use super::{Error, Inner};
use crate::driver::call::Call;
use onceward_core::Dur;
use onceward_core::log::api::{Request, Response};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// An operation of the store. Nothing is asked before it is waited for, awaited or started; dropped afterwards, it gives
/// up on the answer, not on what was asked for.
#[must_use = "nothing is asked before this is waited for, awaited or started"]
#[derive(Debug)]
pub struct Pending<T> {
    inner: Arc<Inner>,
    state: State,
    within: Option<Duration>,
    decode: fn(&Arc<Inner>, Response) -> Result<T, Error>,
}

#[derive(Debug)]
enum State {
    Failed(Error),
    New(Box<Request>),
    UnderWay(Call<Response>),
    Over,
}

impl<T> Pending<T> {
    pub(super) fn new(
        inner: Arc<Inner>,
        request: Request,
        decode: fn(&Arc<Inner>, Response) -> Result<T, Error>,
    ) -> Pending<T> {
        Pending { inner, state: State::New(Box::new(request)), within: None, decode }
    }

    pub(super) fn failed(inner: Arc<Inner>, error: Error) -> Pending<T> {
        let decode = |_: &Arc<Inner>, response| Err(Error::not(response));
        Pending { inner, state: State::Failed(error), within: None, decode }
    }

    /// With a deadline, counted from when it is asked. An append that could not be written by then is refused with
    /// [`Refusal::Deadline`](onceward_core::log::api::Refusal::Deadline) and changes nothing; any call without an
    /// answer by then, whatever holds the store up, ends with [`Lost::Late`](crate::Lost::Late).
    ///
    /// Of an operation that was started before, nothing changes.
    pub fn within(mut self, span: Duration) -> Pending<T> {
        if let State::New(request) = &mut self.state {
            if let Request::Append { deadline, .. } = &mut **request {
                *deadline = Some(Dur(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)));
            }
            self.within = Some(span);
        }
        self
    }

    /// Asks now, without waiting: for having several operations under way from one thread.
    pub fn start(mut self) -> Pending<T> {
        self.send();
        self
    }

    /// Blocks this thread until the answer is there.
    ///
    /// # Errors
    /// If it was not done, or may not have been: see [`Error::outcome_unknown`].
    pub fn wait(self) -> Result<T, Error> {
        let Pending { inner, state, within, decode } = self;
        let answer = match state {
            State::Failed(error) => return Err(error),
            State::UnderWay(call) => call.wait(),
            State::New(request) => {
                let span = tracing::debug_span!("call", request = label(&request));
                let _entered = span.enter();
                match within.and_then(|span| Instant::now().checked_add(span)) {
                    None => inner.host.ask(*request),
                    Some(deadline) => inner.host.ask_by(*request, deadline),
                }
            }
            // Only `poll` leaves that behind, and then there is nobody to call this.
            State::Over => Err(crate::Lost::Stopped),
        };
        decode(&inner, answer?)
    }

    fn send(&mut self) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::New(request) => {
                tracing::trace!(request = label(&request), "asked");
                let deadline = self.within.and_then(|span| Instant::now().checked_add(span));
                self.state = State::UnderWay(match deadline {
                    None => self.inner.host.call(*request),
                    Some(deadline) => self.inner.host.call_by(*request, deadline),
                });
            }
            other => self.state = other,
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, Error>> {
        self.send();
        match std::mem::replace(&mut self.state, State::Over) {
            State::UnderWay(mut call) => match Pin::new(&mut call).poll(context) {
                Poll::Ready(answer) => {
                    Poll::Ready(answer.map_err(Error::from).and_then(|it| (self.decode)(&self.inner, it)))
                }
                Poll::Pending => {
                    self.state = State::UnderWay(call);
                    Poll::Pending
                }
            },
            State::Failed(error) => Poll::Ready(Err(error)),
            // Answered before: as futures do, it never becomes ready again.
            State::New(_) | State::Over => Poll::Pending,
        }
    }
}

fn label(request: &Request) -> &'static str {
    match request {
        Request::Append { .. } => "append",
        Request::Read(_) => "read",
        Request::Subscribe { .. } => "subscribe",
        Request::Next { .. } => "next",
        Request::Unsubscribe { .. } => "unsubscribe",
        Request::SaveCursor { .. } => "save cursor",
        Request::LoadCursor { .. } => "load cursor",
        Request::Head { .. } => "head",
        Request::Barrier => "barrier",
        Request::Await { .. } => "await",
        Request::Status => "status",
        Request::Verify => "verify",
        Request::Shutdown => "shutdown",
    }
}
