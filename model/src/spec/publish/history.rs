//! What was written, flushed and closed, and how it was answered. Each answer is judged when it comes.

use super::{
    CLOSE_REPORTS, FLUSH_AND_CLOSE_SETTLE, FLUSH_IS_A_BARRIER, RETRIES_SPACED, SILENT_AFTER_END,
    WITHIN_BUDGET, WRITES_ANSWERED,
};
use crate::world::{Ignored, Seen, Violation};
use bytes::Bytes;
use onceward_core::{
    CallId, NodeId, Window,
    writer::{
        Config,
        api::{End, MESSAGE_COST, Outcome},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// What a caller asks of a writer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Asked {
    /// To write this.
    Write {
        /// What it says, before it was encoded. No two writes say the same.
        content: Bytes,
        /// Bytes of the encoded message.
        bytes: u64,
    },
    /// To say when everything before is answered.
    Flush,
    /// To deliver what was accepted and end.
    Close,
}

/// How far a write has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Fate {
    Open,
    /// Under this number.
    Acknowledged(u64),
    /// Its number was used before this writer began.
    Duplicate,
    Refused,
    /// Reported as never sent.
    Unsent,
    /// Sent, or its writer is gone: it may be stored.
    Unknown,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Write {
    pub(super) writer: NodeId,
    pub(super) content: Bytes,
    pub(super) fate: Fate,
    /// Its place in the order of all writes.
    pub(super) place: usize,
    /// Which process of the writer was asked.
    life: u32,
    bytes: u64,
    pub(super) seen: Ignored<Seen>,
}

/// A writer's process, as its surroundings see it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Life {
    number: u32,
    /// Its answers say that it has ended.
    ended: bool,
    /// Sessions lost in a row without progress.
    losses: u32,
}

/// What was seen of writers and their callers.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct History {
    pub(super) writes: BTreeMap<CallId, Write>,
    /// Open flushes, with the writes that were open before each.
    flushes: BTreeMap<CallId, BTreeSet<CallId>>,
    /// Open closes, of which writer, and how many writes there had been.
    closes: BTreeMap<CallId, (NodeId, usize)>,
    lives: BTreeMap<NodeId, Life>,
}

impl Fate {
    fn is_delivered(self) -> bool {
        matches!(self, Fate::Acknowledged(_) | Fate::Duplicate)
    }
}

impl History {
    /// A caller asks a writer.
    pub fn called(&mut self, seen: Seen, writer: NodeId, call: CallId, asked: Asked) {
        let life = self.life(writer).number;
        match asked {
            Asked::Write { content, bytes } => {
                let (place, seen) = (self.writes.len(), Ignored(seen));
                let write = Write { writer, content, fate: Fate::Open, place, life, bytes, seen };
                self.writes.insert(call, write);
            }
            Asked::Flush => {
                let open = self.writes.iter().filter(|(_, write)| write.writer == writer);
                let open = open.filter(|(_, write)| write.fate == Fate::Open).map(|(call, _)| *call);
                self.flushes.insert(call, open.collect());
            }
            Asked::Close => {
                self.closes.insert(call, (writer, self.writes.len()));
            }
        }
    }

    fn life(&mut self, writer: NodeId) -> &mut Life {
        self.lives.entry(writer).or_default()
    }

    fn set(&mut self, call: CallId, fate: Fate) {
        if let Some(write) = self.writes.get_mut(&call) {
            write.fate = fate;
        }
    }

    /// A call was not taken: nothing comes of it.
    pub fn refused(&mut self, call: CallId) {
        self.flushes.remove(&call);
        self.closes.remove(&call);
        self.set(call, Fate::Refused);
    }

    /// A call will not be answered, as its process is gone.
    pub fn lost(&mut self, call: CallId) {
        self.flushes.remove(&call);
        self.closes.remove(&call);
        self.set(call, Fate::Unknown);
    }

    /// A writer's process has started.
    pub fn booted(&mut self, writer: NodeId) {
        let life = self.life(writer);
        *life = Life { number: life.number + 1, ..Life::default() };
    }

    /// A message was acknowledged.
    pub fn acknowledged(&mut self, call: CallId, seq_no: u64, outcome: Outcome) {
        if outcome == Outcome::Duplicate {
            return self.set(call, Fate::Duplicate);
        }
        self.set(call, Fate::Acknowledged(seq_no));
    }

    /// A writer has had an acknowledgement: whether or not its caller has heard of it yet, losses count anew.
    pub fn progressed(&mut self, writer: NodeId) {
        self.life(writer).losses = 0;
    }

    /// A message was reported as undelivered, after it was sent or without.
    pub fn undelivered(&mut self, call: CallId, sent: bool) {
        self.set(call, if sent { Fate::Unknown } else { Fate::Unsent });
        if let Some(writer) = self.writes.get(&call).map(|write| write.writer) {
            self.ended(writer);
        }
    }

    /// A writer has said that it has ended.
    pub fn ended(&mut self, writer: NodeId) {
        self.life(writer).ended = true;
    }

    /// A flush was answered.
    ///
    /// # Errors
    /// It has succeeded although a write before it is open or was not delivered.
    pub fn flushed(&mut self, seen: Seen, call: CallId, succeeded: bool) -> Result<(), Violation> {
        let before = self.flushes.remove(&call).unwrap_or_default();
        let mut writes = before.iter().filter_map(|call| self.writes.get(call));
        // A write that was refused has no part in it, whenever its caller hears of that.
        match writes.find(|write| !write.fate.is_delivered() && write.fate != Fate::Refused) {
            Some(write) if succeeded => {
                let what = "a flush has succeeded before everything that was written before it was delivered";
                Err(Violation::new(FLUSH_IS_A_BARRIER, what)
                    .at(*write.seen, "the message was written")
                    .at(seen, "the flush succeeded"))
            }
            _ => Ok(()),
        }
    }

    /// A close was answered: why the writer has ended, and which messages it could not deliver.
    ///
    /// # Errors
    /// It calls itself a success although something was not delivered, or does not name it.
    pub fn closed(&mut self, seen: Seen, call: CallId, end: &End, named: &[CallId]) -> Result<(), Violation> {
        let Some((writer, before)) = self.closes.remove(&call) else { return Ok(()) };
        self.ended(writer);
        let life = self.life(writer).number;
        let concealed = |(call, write): &(&CallId, &Write)| {
            (write.writer, write.life) == (writer, life)
                && write.place < before
                && !write.fate.is_delivered()
                && write.fate != Fate::Refused
                && (*end == End::Closed || !named.contains(call))
        };
        let Some((_, write)) = self.writes.iter().find(concealed) else { return Ok(()) };
        let what = "a close does not report a message that was not delivered";
        Err(Violation::new(CLOSE_REPORTS, what)
            .at(*write.seen, "the message was written")
            .at(seen, format!("the close said: {end}")))
    }

    /// A server has opened a session for a writer.
    pub fn greeted(&mut self, writer: NodeId) {
        let open = |write: &Write| write.writer == writer && write.fate == Fate::Open;
        if !self.writes.values().any(open) {
            self.life(writer).losses = 0;
        }
    }

    /// A writer waits this long before it opens the next stream.
    ///
    /// # Errors
    /// That is shorter than what it is configured to wait after so many losses in a row, or longer than the longest.
    pub fn waits(
        &mut self,
        seen: Seen,
        writer: NodeId,
        window: Window,
        config: &Config,
    ) -> Result<(), Violation> {
        let life = self.life(writer);
        let least = config.retry_window(life.losses).to;
        life.losses += 1;
        if window.to >= least && window.to <= config.backoff_max && window.from.0 >= window.to.0 / 2 {
            return Ok(());
        }
        let what = "a wait before a new session is not as configured";
        let said = format!("after {} losses it waits {window:?}, the least is {least:?}", life.losses);
        Err(Violation::new(RETRIES_SPACED, what).at(seen, said))
    }

    /// A writer opens a stream or says something on one.
    ///
    /// # Errors
    /// It has ended.
    pub fn speaks(&mut self, seen: Seen, writer: NodeId) -> Result<(), Violation> {
        if self.life(writer).ended {
            let what = "a writer that has ended opens a stream or says something on one";
            return Err(Violation::new(SILENT_AFTER_END, what).at(seen, "here"));
        }
        Ok(())
    }

    /// Whether accepted messages keep to a writer's budget.
    ///
    /// # Errors
    /// They do not.
    pub fn within(&self, writer: NodeId, budget: u64) -> Result<(), Violation> {
        let open = self.writes.values().filter(|write| write.writer == writer && write.fate == Fate::Open);
        let taken: u64 = open.map(|write| write.bytes + MESSAGE_COST).sum();
        if taken <= budget {
            return Ok(());
        }
        let what = "accepted and unanswered messages take more than the budget";
        Err(Violation::new(WITHIN_BUDGET, format!("{what}: {taken} of {budget} bytes")))
    }

    /// Whether nobody waits.
    pub fn is_settled(&self) -> bool {
        self.unanswered().is_ok()
    }

    /// Whoever waits where nothing happens any more waits for ever.
    ///
    /// # Errors
    /// Somebody waits.
    pub fn unanswered(&self) -> Result<(), Violation> {
        if let Some(write) = self.writes.values().find(|write| write.fate == Fate::Open) {
            let what = "an accepted message is never answered";
            return Err(Violation::new(WRITES_ANSWERED, what).at(*write.seen, "the message was written"));
        }
        if self.flushes.is_empty() && self.closes.is_empty() {
            return Ok(());
        }
        let what = if self.flushes.is_empty() { "a close" } else { "a flush" };
        Err(Violation::new(FLUSH_AND_CLOSE_SETTLE, format!("{what} is never answered")))
    }
}
