//! A topic writer: the client that brings messages to a topic exactly once, over sessions that may be lost at any time.
//!
//! It decides when a session is opened and given up, which messages travel together and when, what number each has, what
//! an acknowledgement means, and when somebody who waits is answered. It never encodes a payload, touches a transport or
//! reads a clock.
//!
//! # A writer's life
//!
//! ```text
//!  Idle ─▶ Opening ─▶ Greeting ─▶ Ready ──┐            every state ── Destroy, fatal failure ─▶ Over
//!             ▲           │         │     │            every state ── Close, all answered ────▶ Over
//!             │           ▼         ▼     │ messages
//!             └──────── Waiting ◀── lost  ◀┘
//! ```
//!
//! Whether somebody flushes or closes is no state of its own: it is remembered beside the state, so that a lost session
//! cannot forget it.
//!
//! # Promises
//!
//! - A message has the number under which it was first sent for good. Automatic numbers are given at that moment, from
//!   what the server has said is stored; so nothing that may be stored is ever numbered again.
//! - After a lost session, what the server's last number covers is answered, and the rest is sent again, in order.
//! - An acknowledgement answers the oldest message in flight or breaks the protocol, which ends the writer.
//! - That a number was stored before is taken for success only if this writer had sent it in an earlier session. Else
//!   somebody else has the producer id, which ends the writer; as does a last number that this writer never sent, and,
//!   where the server counts the producer's sessions in their names, a session that this writer has not asked for while
//!   its messages were open. What cannot be noticed: on other servers, another writer that had a session between two of
//!   this one's and used no number but those which this one had sent; and on any, one whose session takes the place of one
//!   that this writer asked for and never heard of. The protocol says nothing that would tell its messages from ours.
//! - Everything accepted is answered once: as stored, or as undelivered when the writer ends, with the number under which
//!   it may be stored nevertheless.
//! - A flush waits for what was accepted before it and for no more. A close waits for everything, and reports what was
//!   not delivered.
//! - Unanswered messages stay within [`Config::buffer_bytes`]; a write that does not fit is refused.
//! - After [`Event::Ended`] nothing is sent.
//!
//! Waits between sessions grow with each loss, and start over once a message was acknowledged, or a session opens while
//! nothing is left to be acknowledged: a server that greets and then fails is not hammered.

pub mod api;
mod config;
pub mod failure;
pub mod mutants;
mod send;
mod session;
mod settle;
#[cfg(test)]
mod tests;
mod window;
pub mod wire;

pub use api::{Action, Event, Input, Message, StreamId, Ticket, Timer};
pub use config::Config;
pub use failure::Failure;
pub use mutants::Mutant;

use crate::client::{Phase, Token};
use crate::{Clock, ConfigError, Machine, Mark};
use alloc::{collections::VecDeque, sync::Arc, vec::Vec};
use api::{End, Refusal, Report};
use mutants::mutant;
use settle::Flush;
use window::{Entry, Window};
use wire::Codec;

/// The interesting places, as [`Mark`]s.
pub const MARKS: &[&str] = &[
    "sent again after a lost session",
    "confirmed by the last number",
    "skipped what an earlier session had stored",
    "duplicate of the caller's numbers",
    "refused for want of room",
    "flush outlived a session",
    "close outlived a session",
    "close gave up",
    "another writer noticed",
    "protocol broken by the server",
    "no acknowledgement in time",
    "token refreshed",
];

/// What the writer pushes.
type Out = Vec<Action>;

/// A topic writer. See the module's documentation; [`api`] is its contract.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Writer {
    config: Arc<Config>,
    phase: Phase,
    /// How many streams there were.
    streams: u32,
    /// How many sessions the producer had had when this writer's last one was opened, if the server says such things.
    epoch: Option<u64>,
    /// How many sessions this writer has asked for that are not among those: what was asked for on a stream that was lost
    /// may still be opened, however late.
    asked: u32,
    /// Sessions lost in a row, as far as it makes a difference.
    losses: u32,
    window: Window,
    numbers: Numbers,
    /// The codecs that the topic takes; empty: any, or not known yet.
    codecs: Vec<Codec>,
    batch: Batch,
    /// The watchdog of acknowledgements is armed.
    watched: bool,
    token: Token,
    flushes: VecDeque<Flush>,
    closers: Vec<Ticket>,
    /// What the smallest write takes that was refused for want of room.
    turned_away: Option<u64>,
    report: Option<Report>,
}

/// Which numbers were used.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Numbers {
    /// Whether the caller numbers; not known before the first message.
    manual: Option<bool>,
    /// The caller's last number.
    given: u64,
    /// The highest number that may be stored: what the server said first, or what was sent since. `None`: there was no
    /// session yet.
    highest: Option<u64>,
    /// The highest number that the server has acknowledged or said to be stored.
    acknowledged: u64,
}

/// Whether requests that are not full are sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Batch {
    /// Nothing waits.
    Idle,
    /// They wait for others.
    Armed,
    /// They have waited long enough.
    Due,
}

impl Writer {
    /// A writer that has not started; [`Input::Start`] begins.
    ///
    /// # Errors
    /// A setting is out of its bounds.
    pub fn new(config: Config) -> Result<Writer, ConfigError> {
        config.validate()?;
        Ok(Writer {
            config: Arc::new(config),
            phase: Phase::Idle,
            streams: 0,
            epoch: None,
            asked: 0,
            losses: 0,
            window: Window::default(),
            numbers: Numbers::default(),
            codecs: Vec::new(),
            batch: Batch::Idle,
            watched: false,
            token: Token::Idle,
            flushes: VecDeque::new(),
            closers: Vec::new(),
            turned_away: None,
            report: None,
        })
    }

    /// The configuration that it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How many accepted messages are not answered.
    pub fn unanswered(&self) -> usize {
        self.window.len()
    }

    /// Bytes that unanswered messages take of [`Config::buffer_bytes`].
    pub fn buffered(&self) -> u64 {
        self.window.cost()
    }

    /// Whether a session is open.
    pub fn is_ready(&self) -> bool {
        self.phase.is_ready()
    }

    /// What came of it, once it has ended.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    fn write(&mut self, clock: Clock, ticket: Ticket, message: Message, out: &mut Out) {
        match self.admit(&message) {
            Ok(()) => {
                self.numbers.manual = Some(message.seq_no.is_some());
                self.numbers.given = message.seq_no.unwrap_or(0);
                if mutant!(WriteDuringFlushLost) && !self.flushes.is_empty() {
                    self.numbers.highest = self.numbers.highest.map(|highest| highest + 1);
                    return;
                }
                let wanted = message.seq_no;
                let payload = message.payload(clock.wall);
                self.window.push(Entry { ticket, payload, wanted, sent: None, earlier: false });
            }
            Err(refusal) => {
                if let Refusal::Full { needs, .. } = refusal {
                    mark(out, "refused for want of room");
                    self.turned_away = Some(self.turned_away.map_or(needs, |least| least.min(needs)));
                }
                out.push(Action::Tell(Event::Refused(ticket, refusal)));
            }
        }
    }

    /// Whether a message can be accepted. One that cannot has taken no number.
    fn admit(&self, message: &Message) -> Result<(), Refusal> {
        if !self.closers.is_empty() || self.phase == Phase::Over {
            return Err(Refusal::Closed);
        }
        let (is, metadata) = (message.bytes(), message.metadata_bytes());
        let limit = u64::from(self.config.message_bytes);
        if is > limit {
            return Err(Refusal::TooLarge { is, limit });
        }
        if metadata > api::METADATA_BYTES {
            return Err(Refusal::Metadata { is: metadata, limit: api::METADATA_BYTES });
        }
        if !self.codecs.is_empty() && !self.codecs.contains(&message.codec) {
            return Err(Refusal::Codec(message.codec));
        }
        if self.numbers.manual.is_some_and(|manual| manual != message.seq_no.is_some()) {
            return Err(Refusal::MixedNumbers);
        }
        if let Some(is) = message.seq_no {
            let last = self.numbers.given;
            if is == 0 || is > wire::MAX_SEQ_NO {
                return Err(Refusal::NoSuchNumber { is });
            }
            if is <= last {
                return Err(Refusal::NotRising { is, last });
            }
        }
        let (needs, free) = (is + api::MESSAGE_COST, self.config.buffer_bytes - self.window.cost());
        if needs > free { Err(Refusal::Full { free, needs }) } else { Ok(()) }
    }
}

fn mark(out: &mut Out, name: &'static str) {
    out.push(Action::Mark(Mark(name)));
}

impl Machine for Writer {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, clock: Clock, input: Input, out: &mut Out) {
        match input {
            Input::Start => self.start(out),
            Input::Write(ticket, message) => self.write(clock, ticket, message, out),
            Input::Flush(ticket) => self.flush(ticket, out),
            Input::Close(ticket) => self.close(ticket, out),
            Input::Destroy => self.end(End::Destroyed, out),
            Input::Opened(stream) => self.opened(stream, out),
            Input::Received(stream, said) => self.received(stream, said, out),
            Input::Ended(stream, why) => self.ended(stream, why, out),
            Input::Token(token) => self.token_fetched(token, out),
            Input::Timer(timer) => self.fired(timer, out),
        }
        self.go_on(out);
    }
}
