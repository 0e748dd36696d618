//! Read streams. Decides how much of a client's credit the machine gets to know of: never so much that more than
//! [`WINDOW`] bytes, and one message, wait to be sent, however much credit a client gives. What the client is sent never
//! exceeds its credit by more than one message either, for the machine is never given more.

use super::Caller;
use super::stream::{Heard, Speech};
use crate::serve::access::Right;
use crate::serve::convert::read::Known;
use crate::serve::metrics::count;
use crate::serve::proto::read::{FromClient, FromServer};
use crate::serve::status::Checked;
use onceward_core::broker::api::Message;
use onceward_core::reader::wire;
use onceward_core::writer::wire::Status;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module's documentation.
const WINDOW: u64 = 4 << 20;

/// One read stream.
pub(super) struct ReadSpeech {
    caller: Caller,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Known,
    topics: Vec<Arc<str>>,
    credit: Credit,
}

/// Bytes, all counted from the beginning of the stream.
#[derive(Default)]
struct Credit {
    /// What the client has given.
    given: u64,
    /// What the machine was given of it.
    passed_on: u64,
    /// What the transport has taken.
    taken: u64,
}

impl Credit {
    /// What the machine is to be given now. Small change waits for more, unless it is all there is.
    fn pass_on(&mut self) -> Option<u64> {
        let upto = self.given.min(self.taken.saturating_add(WINDOW));
        let more = upto.saturating_sub(self.passed_on);
        if more == 0 || (more < WINDOW / 4 && upto < self.given) {
            return None;
        }
        self.passed_on = upto;
        Some(more)
    }
}

impl ReadSpeech {
    pub(super) fn new(caller: Caller) -> ReadSpeech {
        ReadSpeech { caller, state: Mutex::default() }
    }

    /// Whether the client may do what it asks for, and still may with another token.
    fn allow(&self, message: &wire::FromClient, topics: &mut Vec<Arc<str>>) -> Checked<()> {
        let caller = match message {
            wire::FromClient::Init(init) => {
                *topics = init.topics.iter().map(|topic| topic.path.clone()).collect();
                &self.caller
            }
            wire::FromClient::UpdateToken(token) => &self.caller.renewed(token)?,
            _ => return Ok(()),
        };
        topics.iter().try_for_each(|topic| caller.may(Right::Read, topic))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadSpeech {
    fn sent(&self, partitions: &[wire::PartitionData]) {
        for batch in partitions.iter().flat_map(|partition| &partition.batches) {
            let payload: usize = batch.messages.iter().map(|message| message.payload.data.len()).sum();
            count(&self.caller.counters.messages_out, batch.messages.len() as u64);
            count(&self.caller.counters.bytes_out, payload as u64);
        }
    }
}

fn more(bytes: u64) -> Message {
    Message::Read(wire::FromClient::Read { bytes })
}

impl Speech for ReadSpeech {
    type FromClient = FromClient;
    type FromServer = FromServer;

    fn hear(&self, said: FromClient) -> Checked<Option<Heard>> {
        let mut state = self.lock();
        let said = state.known.heard(&self.caller.database, said)?;
        self.allow(&said, &mut state.topics)?;
        let message = match said {
            wire::FromClient::Read { bytes } => {
                state.credit.given = state.credit.given.saturating_add(bytes);
                match state.credit.pass_on() {
                    Some(bytes) => more(bytes),
                    None => return Ok(None),
                }
            }
            other => Message::Read(other),
        };
        Ok(Some(Heard { message, kib: 0 }))
    }

    fn say(&self, message: Message) -> Option<(FromServer, Option<Message>)> {
        let Message::ReadReply(reply) = message else { return None };
        let mut state = self.lock();
        let mut back = None;
        match &reply {
            wire::FromServer::Data { bytes, partitions } => {
                state.credit.taken = state.credit.taken.saturating_add(*bytes);
                back = state.credit.pass_on().map(more);
                self.sent(partitions);
            }
            wire::FromServer::Failed(_) => count(&self.caller.counters.failures, 1),
            _ => {}
        }
        Some((state.known.said(reply), back))
    }

    fn failed(status: Status) -> FromServer {
        Known::default().said(wire::FromServer::Failed(status))
    }

    fn may_hear(&self) -> bool {
        true
    }

    fn is_settled(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_never_has_more_than_a_window_ahead_of_the_transport() {
        let mut credit = Credit { given: 50 * WINDOW, ..Credit::default() };
        assert_eq!(credit.pass_on(), Some(WINDOW));
        assert_eq!(credit.pass_on(), None);
        credit.taken = 10;
        assert_eq!(credit.pass_on(), None, "small change");
        credit.taken = WINDOW / 4;
        assert_eq!(credit.pass_on(), Some(WINDOW / 4));
        // A message larger than the window is paid back before more is given.
        credit.taken = 3 * WINDOW;
        assert_eq!(credit.pass_on(), Some(4 * WINDOW - WINDOW - WINDOW / 4));
    }

    #[test]
    fn all_of_a_small_credit_is_passed_on() {
        let mut credit = Credit { given: 10, ..Credit::default() };
        assert_eq!(credit.pass_on(), Some(10));
        credit.given = u64::MAX;
        assert_eq!(credit.pass_on(), Some(WINDOW - 10));
    }
}
