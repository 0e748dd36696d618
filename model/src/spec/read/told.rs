//! What a reader's caller is told: whether that follows from what was heard and asked, and is the truth.

use super::{COMMITS_SETTLE, ENDS, GIVEN_BACK, HANDED_ON, history::History, reading::Reading};
use crate::spec::publish::FLUSH_AND_CLOSE_SETTLE;
use onceward_core::reader::{
    Config, Event, Failure, Part, Ticket,
    api::{End, Refusal},
    wire::{FromServer, Range},
};

impl History {
    /// The caller is told something.
    pub(super) fn told(&mut self, event: &Event, config: &Config) {
        let alive = self.end.is_none() || matches!(event, Event::Refused(..) | Event::Closed(..));
        self.must(alive, ENDS, "a reader that has ended goes on");
        let news = matches!(event, Event::Assigned { .. } | Event::Data(..) | Event::Stopping(_));
        let fine = !(self.due.breach && news);
        self.must(fine, ENDS, "a server breaks the protocol, and a caller is told as if it had not");
        match event {
            Event::Assigned { .. } => self.assigned(event),
            Event::Data(partitions, bytes) => {
                let due = self.due.data.take();
                let right = due.is_some_and(|(data, counts)| data == *partitions && counts == *bytes);
                let what =
                    "a caller is given other messages than its reader was sent in partitions that it has";
                self.must(right, HANDED_ON, what);
                (self.untaken, self.losses) = (self.untaken.saturating_add(*bytes), 0);
            }
            Event::Stopping(part) => {
                let right = self.due.stopping.take() == Some(*part);
                self.must(right, GIVEN_BACK, "a caller is asked for a partition that nobody wants back");
            }
            Event::Stopped(part) => {
                let gone = self.stream.is_none();
                let right = self.reading(*part).is_some_and(|reading| reading.over || gone);
                self.must(
                    right,
                    HANDED_ON,
                    "a caller is told that a partition is over that is not, or was before",
                );
                let answered = self.commits.values().all(|(of, _)| of != part);
                self.must(answered, COMMITS_SETTLE, "a partition is over before its commits are answered");
                if right {
                    self.parts.remove(&part.session);
                }
            }
            Event::Committed(ticket) => {
                let Some((part, range)) = self.answered(*ticket) else { return };
                let heard = self.reading(part).map_or(0, |reading| reading.heard);
                if heard < range.end {
                    let what = format!(
                        "a caller is told that everything below {} is committed, the server has said so up to {heard}",
                        range.end
                    );
                    self.wrong(COMMITS_SETTLE, what);
                }
            }
            Event::NotCommitted(ticket) => {
                let Some((part, range)) = self.answered(*ticket) else { return };
                let gone = self.stream.is_none();
                let unknown = |reading: &mut Reading| (reading.over || gone) && reading.durable() < range.end;
                let right = self.reading(part).is_some_and(unknown);
                let what = "a caller is told that nobody knows of a commit, and the server has said or may still say so";
                self.must(right, COMMITS_SETTLE, what);
            }
            Event::Refused(ticket, _) if self.closes.remove(ticket) => {}
            Event::Refused(ticket, refusal) => self.refused(*ticket, *refusal, config),
            Event::Closed(ticket, end) => {
                let asked = self.closes.remove(ticket);
                self.must(asked, FLUSH_AND_CLOSE_SETTLE, "a close is answered twice");
                let settled = *end != End::Closed || self.commits.is_empty();
                self.must(
                    settled,
                    FLUSH_AND_CLOSE_SETTLE,
                    "a close succeeds before every commit is answered",
                );
            }
            Event::Ended(end) => {
                let right = match end {
                    End::Failed(Failure::Protocol(_)) => self.due.breach,
                    End::Failed(failure) => !failure.is_transient(),
                    End::Closed => self.closing && !self.due.left,
                    End::CloseTimeout => self.closing && self.due.left,
                    End::Destroyed => self.destroyed,
                };
                if !right {
                    self.wrong(ENDS, format!("a reader has ended for no reason: {end}"));
                }
                self.end = Some(end.clone());
                let all = self.parts.is_empty() && self.is_settled();
                self.must(all, COMMITS_SETTLE, "a reader has ended before everybody is answered");
            }
            Event::Lost(..) => self.due.left = false,
            Event::Session(_) => {}
        }
    }

    fn assigned(&mut self, event: &Event) {
        let (
            Event::Assigned { part: name, path: there, partition: which, committed: from, available: all },
            due,
        ) = (event, self.due.assigned.take())
        else {
            return;
        };
        let fresh = self.names.insert(*name) && self.stream == Some(name.stream);
        let right = matches!(due, Some(FromServer::Start { session, path, partition, committed, available })
            if (session, &path, &partition, &committed, &available) == (name.session, there, which, from, all));
        if let Some(reading) = self.parts.get_mut(&name.session) {
            reading.part = Some(*name);
        }
        self.must(
            fresh && right,
            HANDED_ON,
            "a caller is told of a partition that was not given so just now",
        );
    }

    /// What a commit was about that is answered now.
    fn answered(&mut self, ticket: Ticket) -> Option<(Part, Range)> {
        let commit = self.commits.remove(&ticket);
        self.must(commit.is_some(), COMMITS_SETTLE, "a commit is answered that nobody waits for");
        commit
    }

    /// A commit is not accepted: callers commit what they were given, and that once.
    fn refused(&mut self, ticket: Ticket, refusal: Refusal, config: &Config) {
        let waiting = self.commits.len();
        let Some((part, range)) = self.answered(ticket) else { return };
        let over = self.closing || self.end.is_some();
        let reading = self.reading(part);
        let right = match refusal {
            Refusal::Gone => reading.as_ref().is_none_or(|reading| reading.released),
            Refusal::TooManyWait { limit } => limit == config.commits && waiting > limit as usize,
            Refusal::Closed => over,
            Refusal::NoConsumer => config.consumer.is_empty(),
            Refusal::Empty | Refusal::NotDelivered(_) | Refusal::Twice(_) => false,
        };
        if let Some(reading) = reading {
            reading.refuses(range);
        }
        if !right {
            self.wrong(COMMITS_SETTLE, format!("a commit is refused without reason: {refusal}"));
        }
    }
}
