//! Write streams. Decides how much of one is under way: no more is read from a client while more than [`WINDOW`] bytes of
//! its messages are not acknowledged, or acknowledged and not yet taken by the transport. One request always goes, so
//! that a request may be of any size that a frame may have.

use super::Caller;
use super::stream::{Heard, Speech};
use crate::driver::port::wall;
use crate::serve::access::Right;
use crate::serve::convert::write::Known;
use crate::serve::metrics::count;
use crate::serve::proto::write::{FromClient, FromServer};
use crate::serve::status::Checked;
use crate::serve::traffic::Traffic;
use onceward_core::broker::api::Message;
use onceward_core::writer::wire::{self, AckStatus, Status};
use onceward_core::{Dur, Wall};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedSemaphorePermit;

/// See the module's documentation.
const WINDOW: u64 = 4 << 20;
/// What a message costs besides its payload.
const OVERHEAD: u64 = 64;

/// One write stream.
pub(super) struct WriteSpeech {
    caller: Caller,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Known,
    topics: Vec<Arc<str>>,
    partition: u32,
    /// How long each message is that is not acknowledged, and when it came to be; the oldest first.
    sent: VecDeque<(u64, Wall)>,
    /// Requests that are not acknowledged in whole, the oldest first.
    open: VecDeque<Open>,
    bytes: u64,
}

struct Open {
    messages: usize,
    bytes: u64,
    /// What it has of all streams' bytes; given back with it.
    share: Option<OwnedSemaphorePermit>,
}

impl WriteSpeech {
    pub(super) fn new(caller: Caller) -> WriteSpeech {
        WriteSpeech { caller, state: Mutex::default() }
    }

    /// Whether the client may do what it asks for, and still may with another token.
    fn allow(&self, message: &wire::FromClient, topics: &mut Vec<Arc<str>>) -> Checked<()> {
        let caller = match message {
            wire::FromClient::Init(init) => {
                *topics = vec![init.path.clone()];
                &self.caller
            }
            wire::FromClient::UpdateToken(token) => &self.caller.renewed(token)?,
            _ => return Ok(()),
        };
        topics.iter().try_for_each(|topic| caller.may(Right::Write, topic))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn acknowledged(&mut self, mut messages: usize) {
        while let Some(oldest) = self.open.front_mut() {
            if oldest.messages > messages {
                oldest.messages -= messages;
                return;
            }
            messages -= oldest.messages;
            self.bytes -= oldest.bytes;
            self.open.pop_front();
        }
    }

    /// Takes what was acknowledged into account, but for what had been there before.
    fn stored(&mut self, acks: &[wire::Ack], traffic: &Traffic) {
        let Some(topic) = self.topics.first() else { return };
        let now = wall();
        let (mut written, mut bytes, mut lag) = (0, 0, Dur::ZERO);
        for (ack, (length, created_at)) in acks.iter().zip(self.sent.drain(..acks.len().min(self.sent.len())))
        {
            if matches!(ack.status, AckStatus::Written { .. }) {
                written += 1;
                bytes += length;
                lag = lag.max(Dur(now.0.saturating_sub(created_at.0)));
            }
        }
        if written > 0 {
            traffic.wrote(topic, self.partition, bytes, lag);
        }
    }
}

impl Speech for WriteSpeech {
    type FromClient = FromClient;
    type FromServer = FromServer;

    fn hear(&self, said: FromClient) -> Checked<Option<Heard>> {
        let mut state = self.lock();
        let message = state.known.heard(&self.caller.database, said)?;
        self.allow(&message, &mut state.topics)?;
        let mut kib = 0;
        if let wire::FromClient::Write { messages, .. } = &message {
            let sent =
                |message: &wire::Numbered| (message.payload.data.len() as u64, message.payload.created_at);
            let from = state.sent.len();
            state.sent.extend(messages.iter().map(sent));
            let payload: u64 = state.sent.range(from..).map(|(length, _)| length).sum();
            let bytes = payload + OVERHEAD * messages.len() as u64;
            count(&self.caller.counters.messages_in, messages.len() as u64);
            count(&self.caller.counters.bytes_in, payload);
            state.bytes += bytes;
            state.open.push_back(Open { messages: messages.len(), bytes, share: None });
            kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(super::SHARED_KIB);
        }
        Ok(Some(Heard { message: Message::Write(message), kib }))
    }

    fn say(&self, message: Message) -> Option<(FromServer, Option<Message>)> {
        let Message::WriteReply(reply) = message else { return None };
        let mut state = self.lock();
        match &reply {
            wire::FromServer::Acks(acks) => {
                state.acknowledged(acks.len());
                state.stored(acks, &self.caller.counters.traffic);
            }
            wire::FromServer::Failed(_) => count(&self.caller.counters.failures, 1),
            wire::FromServer::Init(session) => state.partition = session.partition,
            wire::FromServer::TokenUpdated => {}
        }
        Some((state.known.said(reply), None))
    }

    fn failed(status: Status) -> FromServer {
        Known::default().said(wire::FromServer::Failed(status))
    }

    fn hold(&self, share: OwnedSemaphorePermit) {
        if let Some(last) = self.lock().open.back_mut() {
            last.share = Some(share);
        }
    }

    fn may_hear(&self) -> bool {
        self.lock().bytes <= WINDOW
    }

    fn is_settled(&self) -> bool {
        self.lock().open.is_empty()
    }
}
