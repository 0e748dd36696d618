//! A topic reader: the client that brings messages of a topic to a caller, and the caller's commits to the topic, over
//! sessions and partitions that may be lost at any time.
//!
//! It decides when a session is opened and given up, how much is asked for and when, which messages reach the caller, what
//! a commit covers and when it is answered, and when a partition is given back. It never decodes a payload, touches a
//! transport or reads a clock.
//!
//! # Promises
//!
//! - Of a partition, the caller is given messages in the order of their offsets, none twice, for as long as it has it. A
//!   partition that was stopped or lost is over for good under this name ([`api::Part`]): what the caller or a server still
//!   says of it changes nothing, also if the next session uses the same number.
//! - Every commit is answered once: as durable when the server has said so for all of it; as not committed when the
//!   partition is lost before, in which case its messages may come again.
//! - Offsets that the server passed over are committed with what follows them, so that commits do not wait for messages
//!   that do not exist.
//! - A partition that is asked back is given back once the caller has released it and the commits that nothing holds up
//!   are answered.
//! - No more is asked for than [`Config::buffer_bytes`] less what the caller was given and has not taken; nor is more
//!   accepted, but for one message.
//! - What a server says against the protocol ends the reader with a reason.
//! - After [`Event::Ended`] nothing is sent.
//!
//! Waits between sessions grow with each loss, and start over once a session has brought messages, answered a commit, or
//! lasted for [`Config::backoff_max`].

pub mod api;
mod commits;
mod config;
pub mod failure;
pub mod mutants;
mod partitions;
mod session;
#[cfg(test)]
mod tests;
pub mod wire;

pub use api::{Action, Event, Input, Part, StreamId, Ticket, Timer};
pub use config::Config;
pub use failure::Failure;
pub use mutants::Mutant;

use crate::client::{Phase, Token};
use crate::{Clock, ConfigError, Machine, Mark, Window};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use api::{End, Refusal};
use partitions::Held;
use wire::PartitionSessionId;

/// The interesting places, as [`Mark`]s.
pub const MARKS: &[&str] = &[
    "a partition lost with its session",
    "a partition taken away",
    "a partition given back",
    "a partition waits for its commits",
    "a commit of a partition that is gone",
    "a commit lost",
    "a commit answered in part",
    "offsets passed over",
    "messages of a partition that is gone",
    "protocol broken by the server",
    "no commit acknowledged in time",
    "close gave up",
    "token refreshed",
];

/// What the reader pushes.
type Out = Vec<Action>;

/// A topic reader. See the module's documentation; [`api`] is its contract.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reader {
    config: Arc<Config>,
    phase: Phase,
    /// How many streams there were.
    streams: u32,
    /// Sessions lost in a row, as far as it makes a difference.
    losses: u32,
    /// The partitions of the present session.
    parts: BTreeMap<PartitionSessionId, Held>,
    /// How many partitions there ever were.
    given: u64,
    /// Asked for in the present session, less what has come.
    credit: i64,
    /// Delivered, and not taken.
    held: u64,
    /// The watchdog of commits is armed.
    watched: bool,
    /// The session has not lasted long enough yet to forget earlier losses.
    young: bool,
    token: Token,
    closers: Vec<Ticket>,
    end: Option<End>,
}

/// Most closes that wait.
const CLOSERS: u32 = 1024;

impl Reader {
    /// A reader that has not started; [`Input::Start`] begins.
    ///
    /// # Errors
    /// A setting is out of its bounds.
    pub fn new(config: Config) -> Result<Reader, ConfigError> {
        config.validate()?;
        Ok(Reader {
            config: Arc::new(config),
            phase: Phase::Idle,
            streams: 0,
            losses: 0,
            parts: BTreeMap::new(),
            given: 0,
            credit: 0,
            held: 0,
            watched: false,
            young: false,
            token: Token::Idle,
            closers: Vec::new(),
            end: None,
        })
    }

    /// The configuration that it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How many commits are not answered.
    pub fn unanswered(&self) -> usize {
        self.parts.values().map(|held| held.commits.len()).sum()
    }

    /// Bytes that were delivered and not taken.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Why it has ended, once it has.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    fn close(&mut self, ticket: Ticket, out: &mut Out) {
        if let Some(end) = self.end.clone() {
            out.push(Action::Tell(Event::Closed(ticket, end)));
        } else if self.closers.len() >= CLOSERS as usize {
            out.push(Action::Tell(Event::Refused(ticket, Refusal::TooManyWait { limit: CLOSERS })));
        } else {
            self.closers.push(ticket);
            if self.closers.len() == 1 {
                out.push(Action::Arm(Timer::Close, Window::exactly(self.config.close_timeout)));
            }
        }
    }

    /// The reader ends, for this reason: everybody who waits is answered, and nothing is sent any more.
    fn finish(&mut self, end: End, out: &mut Out) {
        if self.phase == Phase::Over {
            return;
        }
        if let Some(stream) = self.phase.stream() {
            out.push(Action::Drop(stream));
        }
        self.disarm_session(out);
        if self.phase == Phase::Waiting {
            out.push(Action::Disarm(Timer::Retry));
        }
        if !self.closers.is_empty() {
            out.push(Action::Disarm(Timer::Close));
        }
        self.phase = Phase::Over;
        self.lose_parts(out);
        let closers: Vec<Ticket> = core::mem::take(&mut self.closers);
        out.extend(closers.into_iter().map(|ticket| Action::Tell(Event::Closed(ticket, end.clone()))));
        self.end = Some(end.clone());
        out.push(Action::Tell(Event::Ended(end)));
    }

    /// What follows from every step: the end of a close, credit, and the watchdog.
    fn go_on(&mut self, out: &mut Out) {
        if !self.closers.is_empty() && !self.parts.values().any(Held::awaits) {
            self.finish(End::Closed, out);
        }
        let Phase::Ready(stream) = self.phase else { return };
        self.ask_for_more(stream, out);
        let awaits = self.parts.values().any(Held::awaits);
        if awaits != self.watched {
            self.watched = awaits;
            out.push(match awaits {
                true => Action::Arm(Timer::Commit, Window::exactly(self.config.commit_timeout)),
                false => Action::Disarm(Timer::Commit),
            });
        }
    }

    /// Asks for as much as there is room for, but not in dribbles.
    fn ask_for_more(&mut self, stream: StreamId, out: &mut Out) {
        // Both are below 1 << 63: `validate` sees to the one, and no server can exceed the other by more than a message.
        let room = self.config.buffer_bytes.saturating_sub(self.held) as i64;
        let bytes = u64::try_from(room.saturating_sub(self.credit)).unwrap_or(0);
        let worth = self.credit <= 0 || bytes >= self.config.buffer_bytes / 4;
        if self.closers.is_empty() && room > 0 && bytes > 0 && worth {
            self.credit = room;
            out.push(Action::Send(stream, wire::FromClient::Read { bytes }));
        }
    }
}

fn mark(out: &mut Out, name: &'static str) {
    out.push(Action::Mark(Mark(name)));
}

impl Machine for Reader {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, _: Clock, input: Input, out: &mut Out) {
        match input {
            Input::Start => self.start(out),
            Input::Begin(part, offset) => self.begin(part, offset, out),
            Input::Taken(bytes) => self.held = self.held.saturating_sub(bytes),
            Input::Commit(ticket, part, range) => self.commit(ticket, part, range, out),
            Input::Release(part) => self.release(part, out),
            Input::Close(ticket) => self.close(ticket, out),
            Input::Destroy => self.finish(End::Destroyed, out),
            Input::Opened(stream) => self.opened(stream, out),
            Input::Received(stream, said) => self.received(stream, said, out),
            Input::Ended(stream, why) => self.ended(stream, why, out),
            Input::Token(token) => self.token_fetched(token, out),
            Input::Timer(timer) => self.fired(timer, out),
        }
        self.go_on(out);
    }
}
