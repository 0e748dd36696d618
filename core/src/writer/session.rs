//! Sessions: how one is opened, what it says about numbers, and what its loss leads to. Invariants: there is one stream
//! at a time, and what an older one says is ignored; a loss forgets nothing that somebody waits for.

use super::{
    Action, Batch, Event, Failure, Out, Phase, StreamId, Timer, Token, Writer,
    api::{End, Outcome},
    failure::{Breach, Fence, GrpcStatus},
    mark,
    mutants::mutant,
    wire::{FromClient, FromServer, MAX_SEQ_NO, Session},
};
use crate::Window;
use bytes::Bytes;

impl Writer {
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
            self.asked = self.asked.saturating_add(1);
            out.push(Action::Send(stream, FromClient::Init(self.config.init())));
        }
    }

    pub(super) fn received(&mut self, stream: StreamId, said: FromServer, out: &mut Out) {
        if self.phase.stream() != Some(stream) {
            return;
        }
        match (said, self.phase) {
            (FromServer::Failed(status), _) => self.lose(Failure::of_status(status), out),
            (FromServer::Init(session), Phase::Greeting(_)) => self.greeted(stream, session, out),
            (FromServer::Acks(acks), Phase::Ready(_)) => self.acknowledged(acks, out),
            (FromServer::TokenUpdated, Phase::Ready(_)) if self.token == Token::Sent => {
                mark(out, "token refreshed");
                self.token = Token::Idle;
            }
            _ => self.breach(Breach::OutOfTurn, out),
        }
    }

    pub(super) fn breach(&mut self, breach: Breach, out: &mut Out) {
        mark(out, "protocol broken by the server");
        self.lose(Failure::Protocol(breach), out);
    }

    pub(super) fn ended(&mut self, stream: StreamId, why: Option<GrpcStatus>, out: &mut Out) {
        if self.phase.stream() == Some(stream) {
            self.lose(why.map_or(Failure::Finished, Failure::Grpc), out);
        }
    }

    /// The session is open. What its last number says of messages that were sent before comes first.
    fn greeted(&mut self, stream: StreamId, session: Session, out: &mut Out) {
        let last_seq_no = session.last_seq_no;
        if last_seq_no > MAX_SEQ_NO {
            return self.breach(Breach::NoSuchNumber, out);
        }
        if let Some(sent) = self.numbers.highest.filter(|sent| last_seq_no > *sent) {
            mark(out, "another writer noticed");
            return self.lose(Failure::ProducerFenced(Fence::Ahead { last_seq_no, sent }), out);
        }
        // A server may forget a producer that was idle for long. That matters only while something is open that it may
        // have stored and would not recognise.
        let acknowledged = self.numbers.acknowledged;
        let open = self.window.first().is_some_and(|entry| entry.sent.is_some());
        if last_seq_no < acknowledged && open {
            return self.lose(Failure::NumbersForgotten { last_seq_no, acknowledged }, out);
        }
        // What the server has beyond is in flight here, or somebody else's. Numbers may have gaps, and two writers' numbers
        // meet: so each of them must be this writer's, and no other session may have been in between.
        let epoch = self.epoch_of(&session.session_id);
        if last_seq_no > acknowledged && self.numbers.highest.is_some() {
            let fence = match (self.epoch, epoch) {
                _ if mutant!(ReconnectRenumbers)
                    || mutant!(ErrorRenumbers)
                    || mutant!(MovedNumberNotChecked) =>
                {
                    None
                }
                _ if !self.window.has_sent(last_seq_no) => Some(Fence::Foreign(last_seq_no)),
                (Some(before), Some(now)) if now > before.saturating_add(self.asked.into()) => {
                    Some(Fence::Between { asked: self.asked, sessions: now - before })
                }
                _ => None,
            };
            if let Some(fence) = fence {
                mark(out, "another writer noticed");
                return self.lose(Failure::ProducerFenced(fence), out);
            }
        }
        if let Some(codec) = self.window.codec_beyond(&session.codecs).filter(|_| !session.codecs.is_empty())
        {
            return self.lose(Failure::CodecNotSupported(codec), out);
        }
        out.push(Action::Disarm(Timer::Start));
        self.phase = Phase::Ready(stream);
        self.codecs.clone_from(&session.codecs);
        self.asked = match (self.epoch, epoch) {
            (_, None) => 0,
            (None, Some(_)) => self.asked.saturating_sub(1),
            (Some(before), Some(now)) => {
                let opened = u32::try_from(now.saturating_sub(before)).unwrap_or(u32::MAX);
                self.asked.saturating_sub(opened)
            }
        };
        self.epoch = epoch;
        let first = if mutant!(LastNumberIgnored) { 0 } else { last_seq_no };
        let highest = *self.numbers.highest.get_or_insert(first);
        self.numbers.acknowledged = last_seq_no;
        out.push(Action::Tell(Event::Session { session, next_seq_no: highest.saturating_add(1) }));
        self.answer_while(out, |entry| {
            let seq_no = entry.sent.filter(|seq_no| *seq_no <= last_seq_no)?;
            let said = if mutant!(ConfirmedUnderOneNumber) { last_seq_no } else { seq_no };
            Some((said, Outcome::Confirmed))
        });
        if self.window.is_empty() {
            self.losses = 0;
        }
        // What waits has waited for the session; there is no reason to wait for company now.
        self.batch = Batch::Due;
        if let Some(interval) = self.config.token_interval {
            out.push(Action::Arm(Timer::Token, Window::exactly(interval)));
        }
    }

    /// How many sessions the producer has had on the server, this one included: servers of this project say so at the end
    /// of a session's name (PRODUCER-PARTITION-EPOCH). The names of others say nothing.
    fn epoch_of(&self, session_id: &str) -> Option<u64> {
        let rest = session_id.strip_prefix(&*self.config.producer_id)?.strip_prefix('-')?;
        let (partition, epoch) = rest.split_once('-')?;
        partition.parse::<u32>().ok().and_then(|_| epoch.parse().ok())
    }

    /// The session is lost, or cannot be had: the next one is opened after a wait, or the writer ends.
    pub(super) fn lose(&mut self, failure: Failure, out: &mut Out) {
        if !failure.is_transient() {
            return self.end(End::Failed(failure), out);
        }
        if let Some(stream) = self.phase.stream() {
            out.push(Action::Drop(stream));
        }
        self.disarm_session(out);
        let error = matches!(failure, Failure::Status(_));
        self.window.lost(mutant!(ReconnectRenumbers) || (error && mutant!(ErrorRenumbers)));
        if !self.flushes.is_empty() {
            mark(out, "flush outlived a session");
        }
        if !self.closers.is_empty() {
            mark(out, "close outlived a session");
        }
        if mutant!(IntentForgottenOnLoss) {
            self.flushes.clear();
            self.closers.clear();
        }
        self.phase = Phase::Waiting;
        let window = self.config.backoff().failed(&mut self.losses);
        out.push(Action::Tell(Event::Lost(failure, window)));
        out.push(Action::Arm(Timer::Retry, window));
    }

    /// Stops the timers that belong to a session.
    pub(super) fn disarm_session(&mut self, out: &mut Out) {
        if self.phase.is_starting() {
            out.push(Action::Disarm(Timer::Start));
        }
        if core::mem::take(&mut self.watched) {
            out.push(Action::Disarm(Timer::Ack));
        }
        if self.batch == Batch::Armed {
            out.push(Action::Disarm(Timer::Batch));
        }
        self.batch = Batch::Idle;
        if self.is_ready() && self.config.token_interval.is_some() {
            out.push(Action::Disarm(Timer::Token));
        }
        self.token = Token::Idle;
    }

    /// A timer has fired. One that its state has no use for any more was disarmed, and is not believed.
    pub(super) fn fired(&mut self, timer: Timer, out: &mut Out) {
        match (timer, self.phase) {
            (Timer::Start, Phase::Opening(_) | Phase::Greeting(_)) => self.lose(Failure::StartTimeout, out),
            (Timer::Retry, Phase::Waiting) => {
                if mutant!(AttemptsReset) {
                    self.losses = 0;
                }
                self.open(out);
            }
            (Timer::Batch, Phase::Ready(_)) if self.batch == Batch::Armed => self.batch = Batch::Due,
            (Timer::Ack, Phase::Ready(_)) if self.watched => {
                mark(out, "no acknowledgement in time");
                self.watched = false;
                self.lose(Failure::AckTimeout, out);
            }
            (Timer::Token, Phase::Ready(_)) => self.token_due(out),
            (Timer::Close, _) if !self.closers.is_empty() => {
                mark(out, "close gave up");
                self.end(End::CloseTimeout, out);
            }
            _ => {}
        }
    }

    /// A fresh token is due. There is at most one under way; one that the server has not answered for a whole interval
    /// says that the stream is dead, although nothing else may be in flight to show it.
    fn token_due(&mut self, out: &mut Out) {
        let Some(interval) = self.config.token_interval else { return };
        if self.token == Token::Sent {
            return self.lose(Failure::TokenTimeout, out);
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
