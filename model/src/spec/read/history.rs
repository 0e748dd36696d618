//! What a reader hears, does and tells its caller, step by step. Whatever follows from an input must happen in the step that
//! the input causes, as nothing holds it up.

use super::{COMMITS_SETTLE, ENDS, GIVEN_BACK, HANDED_ON, WITHIN_ROOM, reading::Reading};
use crate::{
    spec::publish::{FLUSH_AND_CLOSE_SETTLE, RETRIES_SPACED, SILENT_AFTER_END},
    world::Violation,
};
use onceward_core::{
    Window,
    reader::{
        Action, Config, Failure, Input, Part, StreamId, Ticket, Timer,
        api::End,
        wire::{FromClient, FromServer, PartitionData, PartitionSessionId, Range},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// What was seen of one process of a reader.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct History {
    /// The stream that is in use.
    pub(super) stream: Option<StreamId>,
    /// A session is open on it.
    greeted: bool,
    /// Asked for on this stream, less what was sent.
    credit: i64,
    /// Given to the caller, and not taken.
    pub(super) untaken: u64,
    pub(super) parts: BTreeMap<PartitionSessionId, Reading>,
    /// The names that the caller was told on this stream.
    pub(super) names: BTreeSet<Part>,
    /// Commits without an answer.
    pub(super) commits: BTreeMap<Ticket, (Part, Range)>,
    /// Closes without an answer.
    pub(super) closes: BTreeSet<Ticket>,
    pub(super) closing: bool,
    pub(super) destroyed: bool,
    /// A fresh token was sent, and not answered.
    token: bool,
    /// Sessions lost in a row without progress, as far as it makes a difference.
    pub(super) losses: u32,
    pub(super) end: Option<End>,
    /// What must follow from the present input; nothing between steps.
    pub(super) due: Due,
    wrong: Option<Violation>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Due {
    /// A partition was given.
    pub(super) assigned: Option<FromServer>,
    /// Messages were sent, and count so much.
    pub(super) data: Option<(Vec<(Part, PartitionData)>, u64)>,
    /// A partition was asked back.
    pub(super) stopping: Option<Part>,
    /// The server has broken the protocol.
    pub(super) breach: bool,
    /// Commits were under way that nothing held up when the reader dropped its stream, and the session was not lost.
    pub(super) left: bool,
}

impl History {
    /// The first contradiction.
    ///
    /// # Errors
    /// There is one.
    pub fn judge(&self) -> Result<(), Violation> {
        self.wrong.clone().map_or(Ok(()), Err)
    }

    /// Whether every commit and every close is answered.
    pub fn is_settled(&self) -> bool {
        self.commits.is_empty() && self.closes.is_empty()
    }

    /// Why the reader has ended, as its caller was told.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// How many commits are not answered.
    pub fn waiting(&self) -> usize {
        self.commits.len()
    }

    /// What a commit that is not answered is about.
    pub fn commit(&self, ticket: Ticket) -> Option<(Part, Range)> {
        self.commits.get(&ticket).copied()
    }

    pub(super) fn wrong(&mut self, promise: &'static str, what: impl Into<String>) {
        self.wrong.get_or_insert_with(|| Violation::new(promise, what));
    }

    pub(super) fn must(&mut self, holds: bool, promise: &'static str, what: &str) {
        if !holds {
            self.wrong(promise, what);
        }
    }

    /// A partition that the caller has under this name.
    pub(super) fn reading(&mut self, part: Part) -> Option<&mut Reading> {
        self.parts.get_mut(&part.session).filter(|reading| reading.part == Some(part))
    }

    /// Something happens to the reader.
    pub fn before(&mut self, input: &Input) {
        match input {
            Input::Taken(bytes) => self.untaken = self.untaken.saturating_sub(*bytes),
            Input::Commit(ticket, part, range) => {
                self.commits.insert(*ticket, (*part, *range));
                let open = !self.closing && self.end.is_none();
                if let Some(reading) = self.reading(*part).filter(|reading| open && !reading.released) {
                    reading.commits(*range);
                }
            }
            Input::Release(part) => {
                if let Some(reading) = self.reading(*part) {
                    reading.released |= reading.stopping;
                }
            }
            Input::Close(ticket) => {
                self.closes.insert(*ticket);
                self.closing = true;
            }
            Input::Destroy => self.destroyed = true,
            Input::Received(stream, said) if self.stream == Some(*stream) => {
                self.due.breach = !self.heard(said);
            }
            // The session has lasted.
            Input::Timer(Timer::Start) if self.greeted => self.losses = 0,
            _ => {}
        }
    }

    /// The server says something on the present stream; false if that breaks the protocol.
    fn heard(&mut self, said: &FromServer) -> bool {
        match said {
            FromServer::Failed(_) => true,
            FromServer::Init { .. } => !std::mem::replace(&mut self.greeted, true),
            _ if !self.greeted => false,
            // Nobody has asked.
            FromServer::Status { .. } => false,
            FromServer::TokenUpdated => std::mem::take(&mut self.token),
            FromServer::Start { session, committed, .. } => {
                if self.parts.contains_key(session) {
                    return false;
                }
                self.due.assigned = Some(said.clone());
                self.parts.insert(*session, Reading::new(*committed)).is_none()
            }
            FromServer::Data { partitions, bytes } => self.sent(partitions, *bytes),
            FromServer::Stop { session, graceful, committed } => {
                let Some(reading) = self.parts.get_mut(session) else { return true };
                reading.heard = reading.heard.max(*committed);
                if !graceful {
                    reading.over = true;
                } else if !std::mem::replace(&mut reading.stopping, true) {
                    self.due.stopping = reading.part;
                }
                true
            }
            FromServer::Committed(offsets) => offsets.iter().all(|(session, offset)| {
                let Some(reading) = self.parts.get_mut(session) else { return true };
                if reading.prefix < *offset {
                    return false;
                }
                if reading.heard < *offset {
                    (reading.heard, self.losses) = (*offset, 0);
                }
                true
            }),
        }
    }

    /// The server sends messages; those of partitions that the caller has are to reach it.
    fn sent(&mut self, partitions: &[PartitionData], bytes: u64) -> bool {
        let messages = partitions.iter().flat_map(|data| &data.batches).flat_map(|batch| &batch.messages);
        let payloads: u64 = messages.map(|message| message.payload.data.len() as u64).sum();
        if self.credit <= 0 || bytes == 0 || bytes < payloads {
            return false;
        }
        self.credit = self.credit.saturating_sub_unsigned(bytes);
        let mut due = Vec::new();
        for data in partitions {
            let reading = self.parts.get_mut(&data.session).filter(|reading| !reading.released);
            let Some(reading) = reading else { continue };
            if !reading.begun || !data.batches.iter().all(|it| reading.sent(it.offset, it.messages.len())) {
                return false;
            }
            due.extend(reading.part.map(|part| (part, data.clone())));
        }
        if !due.is_empty() && !self.closing {
            self.due.data = Some((due, bytes));
        }
        true
    }

    /// The reader does something.
    pub fn does(&mut self, action: &Action, config: &Config) {
        match action {
            Action::Open(stream) => {
                let alive = self.end.is_none();
                self.must(alive, SILENT_AFTER_END, "a reader that has ended opens a stream");
                self.stream = Some(*stream);
            }
            Action::Send(stream, said) => {
                let present = self.end.is_none() && self.stream == Some(*stream);
                self.must(
                    present,
                    SILENT_AFTER_END,
                    "a reader says something on a stream that it is done with",
                );
                self.says(said, config);
            }
            Action::Drop(_) => {
                self.due.left = self.parts.values().any(Reading::waits);
                (self.stream, self.greeted, self.token, self.credit) = (None, false, false, 0);
                self.names.clear();
            }
            Action::Arm(Timer::Retry, window) => self.waits(*window, config),
            Action::Tell(event) => self.told(event, config),
            Action::Arm(..) | Action::Disarm(_) | Action::FetchToken | Action::Mark(_) => {}
        }
    }

    fn says(&mut self, said: &FromClient, config: &Config) {
        match said {
            FromClient::Read { bytes } => {
                self.credit = self.credit.saturating_add_unsigned(*bytes);
                let out = self.untaken.saturating_add(u64::try_from(self.credit).unwrap_or(0));
                let fits = *bytes > 0 && out <= config.buffer_bytes;
                self.must(fits, WITHIN_ROOM, "a reader asks for more than it has room for, or for nothing");
            }
            FromClient::Started { session, read_offset, .. } => {
                let reading = self.parts.get_mut(session).filter(|reading| !reading.begun);
                let known = reading.is_some();
                if let Some(reading) = reading {
                    reading.begun = true;
                    reading.next = read_offset.unwrap_or(reading.next);
                }
                self.must(known, HANDED_ON, "a reader begins a partition that it does not have, or twice");
            }
            FromClient::Commit(commits) => {
                let ranges =
                    commits.iter().flat_map(|one| one.ranges.iter().map(move |range| (one.session, *range)));
                for (session, range) in ranges {
                    let reading = self.parts.get_mut(&session).filter(|reading| !reading.over);
                    let right = reading.is_some_and(|reading| reading.tells(range));
                    let what = "a reader commits what its caller has not read and committed in this partition session";
                    self.must(right, COMMITS_SETTLE, what);
                }
            }
            FromClient::Stopped(session) => {
                let reading = self.parts.get_mut(session);
                let reading = reading.filter(|reading| reading.stopping && reading.released && !reading.over);
                let Some(reading) = reading else {
                    let what =
                        "a reader gives a partition back that it was not asked for, or whose caller has it";
                    return self.wrong(GIVEN_BACK, what);
                };
                reading.over = true;
                let settled = !reading.waits();
                self.must(settled, GIVEN_BACK, "a partition is given back before its commits are answered");
            }
            FromClient::UpdateToken(_) => self.token = true,
            FromClient::Init(_) | FromClient::Status(_) => {}
        }
    }

    /// The reader waits this long before it opens the next stream: at least what it is configured to wait after so many
    /// losses in a row, and no longer than the longest.
    fn waits(&mut self, window: Window, config: &Config) {
        let least = config.retry_window(self.losses).to;
        if least < config.backoff_max {
            self.losses += 1;
        }
        let right = window.to >= least && window.to <= config.backoff_max && window.from.0 >= window.to.0 / 2;
        self.must(right, RETRIES_SPACED, "a wait before a new session is not as configured");
    }

    /// The reader has done all that it does about an input.
    pub fn after(&mut self) {
        let Due { assigned, data, stopping, breach, left: _ } = std::mem::take(&mut self.due);
        if breach {
            let typed = matches!(self.end, Some(End::Failed(Failure::Protocol(_))));
            return self.must(typed, ENDS, "a server breaks the protocol, and its reader goes on");
        }
        self.must(assigned.is_none(), HANDED_ON, "a caller is not told of a partition that was given");
        self.must(data.is_none(), HANDED_ON, "a caller is not given messages of partitions that it has");
        self.must(
            stopping.is_none(),
            GIVEN_BACK,
            "a caller is not asked for a partition that the server wants back",
        );
        let waits = !self.closing || self.end.is_some() || self.parts.values().any(Reading::waits);
        self.must(waits, FLUSH_AND_CLOSE_SETTLE, "a close waits although nothing is left to wait for");
        let gone = self.stream.is_none();
        let left = self.parts.values().any(|reading| reading.over || gone);
        self.must(!left, HANDED_ON, "a caller is not told that a partition is over");
        let known = |(part, range): &(Part, Range)| {
            let reading = self.parts.get(&part.session).filter(|reading| reading.part == Some(*part));
            reading.is_some_and(|reading| range.end <= reading.durable())
        };
        let silent = self.commits.values().any(known);
        self.must(!silent, COMMITS_SETTLE, "a caller is not told that a commit is durable");
    }
}
