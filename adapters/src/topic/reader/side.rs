//! What a reader's machine and its callers have to do with each other: who waits for what, and what was delivered and not
//! taken. It settles commits by what the machine says, and decides nothing about messages.

use super::super::convert::read as convert;
use super::super::driver::{Topical, machine_words};
use super::super::error::CommitError;
use super::{Lease, ReaderEvent};
use crate::driver::streams::{Happened, Side, Wish};
use crate::proto::codec::Outgoing;
use crate::proto::read as proto;
use onceward_core::reader::api::{Action, End, Event, Input, Timer};
use onceward_core::reader::wire::{FromServer, PartitionData};
use onceward_core::reader::{Part, Reader, Ticket};
use onceward_core::writer::StreamId;
use onceward_core::writer::failure::GrpcStatus;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use tokio::sync::{Notify, broadcast, oneshot};

/// A partition that is read.
pub(super) struct Held {
    pub(super) topic: Arc<str>,
    pub(super) partition: u32,
    pub(super) stopping: bool,
    pub(super) lease: Weak<Lease>,
}

/// Messages that nobody has taken.
pub(super) struct Queued {
    pub(super) part: Part,
    pub(super) data: PartitionData,
    /// Its share of what the server counted.
    pub(super) counts: u64,
}

/// Who waits for what, and what was delivered.
pub(in super::super) struct ReaderSide {
    tickets: u64,
    pub(super) parts: BTreeMap<Part, Held>,
    pub(super) queue: VecDeque<Queued>,
    pub(super) commits: BTreeMap<Ticket, oneshot::Sender<Result<(), CommitError>>>,
    pub(super) closes: BTreeMap<Ticket, oneshot::Sender<End>>,
    changed: Arc<Notify>,
    pub(super) events: broadcast::Sender<ReaderEvent>,
}

impl ReaderSide {
    pub(super) fn new(changed: Arc<Notify>, events: broadcast::Sender<ReaderEvent>) -> ReaderSide {
        ReaderSide {
            tickets: 0,
            parts: BTreeMap::new(),
            queue: VecDeque::new(),
            commits: BTreeMap::new(),
            closes: BTreeMap::new(),
            changed,
            events,
        }
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Tells everybody who listens. Nobody need.
    fn publish(&self, event: ReaderEvent) {
        let _ = self.events.send(event);
    }

    /// Forgets what was delivered of a partition and not taken.
    fn forget(&mut self, part: Part, inputs: &mut VecDeque<Input>) {
        let mut counts = 0;
        self.queue.retain(|queued| {
            let keep = queued.part != part;
            counts += if keep { 0 } else { queued.counts };
            keep
        });
        if counts > 0 {
            inputs.push_back(Input::Taken(counts));
        }
    }

    fn settle(&mut self, ticket: Ticket, outcome: Result<(), CommitError>) {
        if let Some(settle) = self.commits.remove(&ticket) {
            let _ = settle.send(outcome);
        }
    }

    fn deliver(&mut self, data: Vec<(Part, PartitionData)>, counts: u64, inputs: &mut VecDeque<Input>) {
        let payload = |data: &PartitionData| -> u64 {
            let messages = data.batches.iter().flat_map(|batch| &batch.messages);
            messages.map(|message| message.payload.data.len() as u64).sum()
        };
        // Each its payloads; what is left, of names and frames, goes with the first.
        let mut rest = counts.saturating_sub(data.iter().map(|(_, data)| payload(data)).sum());
        for (part, data) in data {
            let counts = payload(&data) + std::mem::take(&mut rest);
            if data.batches.iter().any(|batch| !batch.messages.is_empty()) {
                self.queue.push_back(Queued { part, data, counts });
            } else {
                inputs.push_back(Input::Taken(counts));
            }
        }
        self.changed.notify_waiters();
    }
}

impl Topical for ReaderSide {
    type Said = proto::FromServer;

    const METHOD: &'static str = "Ydb.Topic.V1.TopicService/StreamRead";

    fn heard(said: proto::FromServer) -> Result<Option<FromServer>, String> {
        convert::heard(said)
    }
}

impl Side for ReaderSide {
    type Core = Reader;

    machine_words!();

    // Dropped, each of them says that nobody is left who could answer.
    fn fail(&mut self) {
        self.commits.clear();
        self.closes.clear();
        self.queue.clear();
        self.publish(ReaderEvent::Ended(End::Destroyed));
        self.changed.notify_waiters();
    }

    // Whoever has stopped waiting is not told.
    fn tell(&mut self, event: Event, inputs: &mut VecDeque<Input>) {
        match event {
            Event::Session(name) => self.publish(ReaderEvent::Session(name)),
            Event::Lost(failure, _) => self.publish(ReaderEvent::Lost(failure)),
            Event::Assigned { part, path, partition, committed, available } => {
                let held = Held { topic: path.clone(), partition, stopping: false, lease: Weak::new() };
                self.parts.insert(part, held);
                self.publish(ReaderEvent::Assigned { topic: path, partition, committed, available });
            }
            Event::Data(data, counts) => self.deliver(data, counts, inputs),
            Event::Stopping(part) => {
                self.forget(part, inputs);
                let Some(held) = self.parts.get_mut(&part) else { return };
                held.stopping = true;
                if held.lease.strong_count() == 0 {
                    inputs.push_back(Input::Release(part));
                }
                let (topic, partition) = (held.topic.clone(), held.partition);
                self.publish(ReaderEvent::Stopping { topic, partition });
            }
            Event::Stopped(part) => {
                self.forget(part, inputs);
                if let Some(Held { topic, partition, .. }) = self.parts.remove(&part) {
                    self.publish(ReaderEvent::Stopped { topic, partition });
                }
            }
            Event::Committed(ticket) => self.settle(ticket, Ok(())),
            Event::NotCommitted(ticket) => self.settle(ticket, Err(CommitError::Lost)),
            Event::Refused(ticket, refusal) => {
                self.settle(ticket, Err(CommitError::Refused(refusal)));
                self.closes.remove(&ticket);
            }
            Event::Closed(ticket, end) => {
                if let Some(settle) = self.closes.remove(&ticket) {
                    let _ = settle.send(end);
                }
            }
            Event::Ended(end) => {
                self.publish(ReaderEvent::Ended(end));
                self.changed.notify_waiters();
            }
        }
    }
}
