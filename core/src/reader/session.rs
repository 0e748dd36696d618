//! Sessions: how one is opened, what its server says, and what its loss leads to. Invariants: there is one stream at a
//! time, and what an older one says is ignored; with a session all its partitions are lost.

use super::{
    Action, Event, Failure, Out, Phase, Reader, StreamId, Timer, Token,
    api::End,
    failure::Breach,
    mark,
    wire::{FromClient, FromServer},
};
use crate::Window;
use crate::writer::failure::{Failure as OfSession, GrpcStatus};
use bytes::Bytes;

impl Reader {
    pub(super) fn start(&mut self, out: &mut Out) {
        if self.phase == Phase::Idle {
            self.open(out);
        }
    }

    fn open(&mut self, out: &mut Out) {
        self.streams = self.streams.wrapping_add(1);
        let stream = StreamId(self.streams);
        self.phase = Phase::Opening(stream);
        out.push(Action::Open(stream));
        out.push(Action::Arm(Timer::Start, Window::exactly(self.config.start_timeout)));
    }

    pub(super) fn opened(&mut self, stream: StreamId, out: &mut Out) {
        if self.phase == Phase::Opening(stream) {
            self.phase = Phase::Greeting(stream);
            out.push(Action::Send(stream, FromClient::Init(self.config.init())));
        }
    }

    pub(super) fn received(&mut self, stream: StreamId, said: FromServer, out: &mut Out) {
        if self.phase.stream() != Some(stream) {
            return;
        }
        let heard = match (said, self.phase) {
            (FromServer::Failed(status), _) => {
                return self.lose(Failure::Session(OfSession::Status(status)), out);
            }
            (FromServer::Init { session_id }, Phase::Greeting(_)) => {
                self.phase = Phase::Ready(stream);
                self.credit = 0;
                self.young = true;
                // The timer of the start has done its part; it says next when the session is not young any more.
                out.push(Action::Arm(Timer::Start, Window::exactly(self.config.backoff_max)));
                if let Some(interval) = self.config.token_interval {
                    out.push(Action::Arm(Timer::Token, Window::exactly(interval)));
                }
                out.push(Action::Tell(Event::Session(session_id)));
                Ok(())
            }
            (FromServer::Start { session, path, partition, committed, available }, Phase::Ready(_)) => {
                self.assigned(session, path, partition, committed, available, out)
            }
            (FromServer::Data { partitions, bytes }, Phase::Ready(_)) => self.data(partitions, bytes, out),
            (FromServer::Stop { session, graceful, committed }, Phase::Ready(_)) => {
                self.stop(session, graceful, committed, out);
                Ok(())
            }
            (FromServer::Committed(offsets), Phase::Ready(_)) => self.committed(&offsets, out),
            (FromServer::TokenUpdated, Phase::Ready(_)) if self.token == Token::Sent => {
                mark(out, "token refreshed");
                self.token = Token::Idle;
                Ok(())
            }
            _ => Err(Breach::OutOfTurn),
        };
        if let Err(breach) = heard {
            mark(out, "protocol broken by the server");
            self.lose(Failure::Protocol(breach), out);
        }
    }

    pub(super) fn ended(&mut self, stream: StreamId, why: Option<GrpcStatus>, out: &mut Out) {
        if self.phase.stream() == Some(stream) {
            self.lose(Failure::Session(why.map_or(OfSession::Finished, OfSession::Grpc)), out);
        }
    }

    /// The session is lost, or cannot be had: the next one is opened after a wait, or the reader ends.
    fn lose(&mut self, failure: Failure, out: &mut Out) {
        if !failure.is_transient() {
            return self.finish(End::Failed(failure), out);
        }
        if let Some(stream) = self.phase.stream() {
            out.push(Action::Drop(stream));
        }
        self.disarm_session(out);
        self.phase = Phase::Waiting;
        self.lose_parts(out);
        let window = self.config.backoff().failed(&mut self.losses);
        out.push(Action::Tell(Event::Lost(failure, window)));
        out.push(Action::Arm(Timer::Retry, window));
    }

    /// The session is good for something: earlier losses are forgotten.
    pub(super) fn proven(&mut self, out: &mut Out) {
        self.losses = 0;
        if core::mem::take(&mut self.young) {
            out.push(Action::Disarm(Timer::Start));
        }
    }

    /// Stops the timers that belong to a session.
    pub(super) fn disarm_session(&mut self, out: &mut Out) {
        if self.phase.is_starting() || core::mem::take(&mut self.young) {
            out.push(Action::Disarm(Timer::Start));
        }
        if core::mem::take(&mut self.watched) {
            out.push(Action::Disarm(Timer::Commit));
        }
        if self.phase.is_ready() && self.config.token_interval.is_some() {
            out.push(Action::Disarm(Timer::Token));
        }
        self.token = Token::Idle;
    }

    /// A timer has fired. One that its state has no use for any more was disarmed, and is not believed.
    pub(super) fn fired(&mut self, timer: Timer, out: &mut Out) {
        match (timer, self.phase) {
            (Timer::Start, Phase::Opening(_) | Phase::Greeting(_)) => {
                self.lose(Failure::Session(OfSession::StartTimeout), out);
            }
            (Timer::Start, Phase::Ready(_)) if self.young => {
                self.young = false;
                self.losses = 0;
            }
            (Timer::Retry, Phase::Waiting) => self.open(out),
            (Timer::Commit, Phase::Ready(_)) if self.watched => {
                mark(out, "no commit acknowledged in time");
                self.watched = false;
                self.lose(Failure::CommitTimeout, out);
            }
            (Timer::Token, Phase::Ready(_)) => self.token_due(out),
            (Timer::Close, _) if !self.closers.is_empty() => {
                mark(out, "close gave up");
                self.finish(End::CloseTimeout, out);
            }
            _ => {}
        }
    }

    /// A fresh token is due. There is at most one under way; one that the server has not answered for a whole interval
    /// says that the stream is dead, although nothing else may be under way to show it.
    fn token_due(&mut self, out: &mut Out) {
        let Some(interval) = self.config.token_interval else { return };
        if self.token == Token::Sent {
            return self.lose(Failure::Session(OfSession::TokenTimeout), out);
        }
        if self.token == Token::Idle {
            self.token = Token::Fetching;
            out.push(Action::FetchToken);
        }
        out.push(Action::Arm(Timer::Token, Window::exactly(interval)));
    }

    pub(super) fn token_fetched(&mut self, token: Option<Bytes>, out: &mut Out) {
        if let (Token::Fetching, Phase::Ready(stream)) = (self.token, self.phase) {
            self.token = Token::Idle;
            if let Some(token) = token {
                self.token = Token::Sent;
                out.push(Action::Send(stream, FromClient::UpdateToken(token)));
            }
        }
    }
}
