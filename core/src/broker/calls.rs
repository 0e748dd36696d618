//! Calls: what makes, changes and describes topics. This module checks a request against what is durable, lets the
//! changes through one at a time, and answers; what a record changes is decided where it is applied.
//!
//! Changes to topics are rare and short: one is on its way at a time, so that each is judged against the outcome of the
//! one before it.

use super::api::{Change, Description, PartitionDescription, Refusal, Request, Response, Settings, Status};
use super::catalogue::{PartitionId, Topic, TopicId};
use super::journal::Then;
use super::record::Record;
use super::status::{UNAVAILABLE, status};
use super::{Broker, Out, Stage, mark};
use crate::log::segments::{self, Refused};
use crate::{Action, CallId, Clock};
use alloc::{collections::VecDeque, format, sync::Arc, vec::Vec};

/// Calls that wait.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Calls {
    /// Changes, in order.
    waiting: VecDeque<(CallId, Request)>,
    /// The change that is on its way.
    changing: Option<CallId>,
    /// Who waits for the end.
    pub(super) closers: Vec<CallId>,
}

impl Broker {
    /// Takes a call.
    pub(super) fn call(&mut self, clock: Clock, call: CallId, request: Request, out: &mut Out) {
        let response = match request {
            Request::Status => Response::Status(self.status()),
            Request::Shutdown => return self.shut_down(clock, call, out),
            request => match (self.closed_to_calls(), request) {
                (Some(refusal), _) => Response::Refused(refusal),
                (None, Request::Describe { path }) => match self.find(&path) {
                    Ok((id, topic)) => Response::Topic(self.describe(id, topic)),
                    Err(refusal) => Response::Refused(refusal),
                },
                (None, Request::List { prefix }) => {
                    Response::Topics(self.catalogue.paths(&prefix).cloned().collect())
                }
                (None, change) => match self.admits_change(&change) {
                    Ok(()) => {
                        self.calls.waiting.push_back((call, change));
                        self.change(clock, out);
                        return self.pump(clock, out);
                    }
                    Err(refusal) => Response::Refused(refusal),
                },
            },
        };
        out.push(Action::Reply(call, response));
    }

    /// Carries out the next change, unless one is on its way.
    fn change(&mut self, clock: Clock, out: &mut Out) {
        while self.calls.changing.is_none()
            && let Some((call, request)) = self.calls.waiting.pop_front()
        {
            match self.judge(clock, request, out) {
                Ok(Some(record)) => {
                    self.calls.changing = Some(call);
                    self.owe(record, Then::Answer(call));
                }
                Ok(None) => out.push(Action::Reply(call, Response::Done)),
                Err(refusal) => out.push(Action::Reply(call, Response::Refused(refusal))),
            }
        }
    }

    /// A change is durable.
    pub(super) fn changed(&mut self, clock: Clock, call: CallId, out: &mut Out) {
        out.push(Action::Reply(call, Response::Done));
        self.change_over(clock, call, out);
    }

    /// A change is settled: the next may go.
    pub(super) fn change_over(&mut self, clock: Clock, call: CallId, out: &mut Out) {
        if self.calls.changing == Some(call) {
            self.calls.changing = None;
            self.change(clock, out);
        }
    }

    /// The disk fails under a change: its caller is told that nobody knows. The next change waits all the same until it
    /// is settled.
    pub(super) fn unsure(&mut self, call: CallId, out: &mut Out) {
        mark(out, "outcome of a call unknown");
        out.push(Action::Reply(call, Response::Refused(Refusal::Unknown)));
    }

    fn find(&self, path: &Arc<str>) -> Result<(TopicId, &Topic), Refusal> {
        let found = self.catalogue.find(path).filter(|(id, _)| !self.dropping.contains(id));
        found.ok_or_else(|| Refusal::NoTopic(path.clone()))
    }

    /// What a change writes; nothing if it is done already.
    fn judge(&mut self, clock: Clock, request: Request, out: &mut Out) -> Result<Option<Record>, Refusal> {
        match request {
            Request::Create { path, settings } => {
                if self.catalogue.id(&path).is_some() {
                    return Err(Refusal::Exists(path));
                }
                if !(1..=4096).contains(&path.len()) {
                    return Err(Refusal::Invalid("a topic's name has 1 to 4096 bytes".into()));
                }
                self.limit("the number of topics", self.catalogue.len() as u64 + 1, self.config.topics)?;
                self.check_settings(&settings)?;
                Ok(Some(Record::Create { path, created_at: clock.wall, settings }))
            }
            Request::Alter { path, change } => {
                let (topic, old) = self.find(&path)?;
                let settings = altered(old.settings.clone(), change)?;
                self.check_settings(&settings)?;
                if settings == old.settings {
                    return Ok(None);
                }
                let record = Record::Alter { topic, settings };
                let fits = || self.segments.admits_urgent(1, record.encode().len() as u64);
                if self.full && fits() == Err(Refused::Full) {
                    return Err(Refusal::Full);
                }
                Ok(Some(record))
            }
            Request::Drop { path } => {
                let (topic, _) = self.find(&path)?;
                self.dropping.insert(topic);
                self.fail_writers_of(topic, out);
                Ok(Some(Record::Drop { topic }))
            }
            Request::Commit { path, partition: number, consumer, offset } => {
                let (topic, found) = self.find(&path)?;
                let partition = PartitionId { topic, number };
                let Some(place) = found.partitions.get(number as usize) else {
                    return Err(Refusal::NoPartition(number));
                };
                if !found.settings.consumers.contains_key(&consumer) {
                    return Err(Refusal::NoConsumer(consumer));
                }
                if offset > place.end {
                    let words = format!("offset {offset} lies beyond the end, {}", place.end);
                    return Err(Refusal::Invalid(words.into()));
                }
                Ok(Some(Record::Commit { partition, offset, consumer }))
            }
            Request::Describe { .. } | Request::List { .. } | Request::Status | Request::Shutdown => Ok(None),
        }
    }

    fn limit(&self, what: &'static str, is: u64, limit: u32) -> Result<(), Refusal> {
        let limit = u64::from(limit);
        if is <= limit { Ok(()) } else { Err(Refusal::Limit { what, is, limit }) }
    }

    fn check_settings(&self, settings: &Settings) -> Result<(), Refusal> {
        if settings.partitions == 0 {
            return Err(Refusal::Invalid("a topic has at least one partition".into()));
        }
        self.limit("the number of partitions", settings.partitions.into(), self.config.partitions)?;
        self.limit("the number of consumers", settings.consumers.len() as u64, self.config.consumers)?;
        let names = settings.consumers.keys();
        if names.into_iter().any(|name| name.is_empty() || name.len() > 2048) {
            return Err(Refusal::Invalid("a consumer's name has 1 to 2048 bytes".into()));
        }
        let pairs = |pairs: &alloc::collections::BTreeMap<Arc<str>, Arc<str>>| {
            pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() as u64
        };
        let own = settings.consumers.iter().map(|(name, of)| name.len() as u64 + pairs(&of.attributes));
        self.limit("bytes of names and attributes", pairs(&settings.attributes) + own.sum::<u64>(), 1 << 20)
    }

    /// Why calls are not taken now.
    pub(super) fn closed_to_calls(&self) -> Option<Refusal> {
        match &self.stage {
            Stage::New | Stage::Recovering => Some(Refusal::Recovering),
            Stage::Ready => None,
            Stage::Closing | Stage::Closed => Some(Refusal::Closing),
            Stage::Damaged(damage) => Some(Refusal::Damaged(damage.clone())),
        }
    }

    /// Whether one more change may wait for the log.
    fn admits_change(&self, change: &Request) -> Result<(), Refusal> {
        if self.calls.waiting.len() >= self.config.waiting_calls as usize {
            return Err(Refusal::Overloaded);
        }
        // These make room, or can.
        let admitted = match change {
            Request::Alter { .. } | Request::Drop { .. } => self.segments.admits_urgent(1, DROP_BYTES),
            _ => self.segments.admits(1, 0),
        };
        match admitted {
            Ok(()) | Err(Refused::Overloaded) => Ok(()),
            Err(Refused::Full) => Err(Refusal::Full),
            Err(Refused::NotReady) => Err(Refusal::Recovering),
            Err(Refused::Closing) => Err(Refusal::Closing),
            Err(Refused::Disk(_) | Refused::Size { .. }) => Err(Refusal::Overloaded),
        }
    }

    fn describe(&self, id: TopicId, topic: &Topic) -> Description {
        let partitions = topic.partitions.iter().enumerate().map(|(number, partition)| {
            // There are fewer partitions than a u32 can count.
            let at = PartitionId { topic: id, number: number as u32 };
            let consumers = topic.settings.consumers.keys();
            PartitionDescription {
                available: partition.available(),
                bytes: partition.bytes,
                last_write: partition.last_write,
                committed: consumers.clone().map(|name| (name.clone(), partition.committed(name))).collect(),
                readers: consumers
                    .filter_map(|name| Some((name.clone(), self.readers.reader_of(at, name)?)))
                    .collect(),
            }
        });
        Description {
            path: topic.path.clone(),
            settings: topic.settings.clone(),
            created_at: topic.created_at,
            partitions: partitions.collect(),
        }
    }

    fn status(&self) -> Status {
        Status {
            phase: self.phase(),
            frontiers: self.frontiers(),
            recovery: self.recovery.clone(),
            segments: self.segments.segments(),
            undrained: self.pool.undrained(),
            open_files: self.pool.open() as u64,
            pool_files: self.catalogue.partitions().map(|(_, of)| of.files.len() as u64).sum(),
            checkpoints: self.checkpoints.count(),
            topics: self.catalogue.len() as u64,
            producers: self.producers(),
            write_sessions: self.writers.len() as u64,
            read_sessions: self.readers.len() as u64,
        }
    }

    fn shut_down(&mut self, clock: Clock, call: CallId, out: &mut Out) {
        match &self.stage {
            Stage::New => {
                self.stage = Stage::Closed;
                return out.push(Action::Reply(call, Response::Done));
            }
            Stage::Closed => return out.push(Action::Reply(call, Response::Refused(Refusal::Closing))),
            Stage::Damaged(damage) => {
                let refusal = Refusal::Damaged(damage.clone());
                return out.push(Action::Reply(call, Response::Refused(refusal)));
            }
            Stage::Closing => return self.calls.closers.push(call),
            Stage::Recovering | Stage::Ready => {}
        }
        self.calls.closers.push(call);
        self.stage = Stage::Closing;
        for (call, _) in core::mem::take(&mut self.calls.waiting) {
            out.push(Action::Reply(call, Response::Refused(Refusal::Closing)));
        }
        // What was drained is still to be said.
        let (drained, given_up): (VecDeque<_>, VecDeque<_>) = core::mem::take(&mut self.urgent)
            .into_iter()
            .partition(|owed| matches!(owed.then, Then::Drained(_)));
        self.urgent = drained;
        for owed in given_up.into_iter().chain(core::mem::take(&mut self.owed)) {
            if let Then::Answer(call) = owed.then {
                out.push(Action::Reply(call, Response::Refused(Refusal::Closing)));
            }
        }
        self.calls.changing = None;
        let why = status(UNAVAILABLE, "the broker is shutting down");
        self.ask_readers(clock, |readers, _, wishes| readers.close_all(wishes, &why));
        // What was taken in and is not drained is: a start has less to read then. Nothing rests on it.
        (self.draining, self.pool.ending) = (true, true);
        self.pool.flush_all();
        if self.full {
            self.pool.ending = false;
        }
    }

    /// Ends, once everything is drained or cannot be now.
    pub(super) fn end_when_drained(&mut self, clock: Clock, out: &mut Out) {
        if self.draining && self.pool.is_over() {
            (self.draining, self.pool.ending) = (false, false);
            self.tell(clock, segments::Input::Close, out);
        }
    }

    /// Everything is durable that ever will be: the end.
    pub(super) fn closed(&mut self, result: Result<(), crate::DiskError>, out: &mut Out) {
        self.stage = Stage::Closed;
        for call in self.journal.give_up(0, u64::MAX) {
            self.unsure(call, out);
        }
        self.fail_writers(&status(UNAVAILABLE, "the broker is shutting down"), out);
        let response = match result {
            Ok(()) => Response::Done,
            Err(_) => Response::Refused(Refusal::Unknown),
        };
        for call in core::mem::take(&mut self.calls.closers) {
            out.push(Action::Reply(call, response.clone()));
        }
    }
}

/// More than the record of a dropped topic has.
const DROP_BYTES: u64 = 64;

/// Settings after a change.
fn altered(mut settings: Settings, change: Change) -> Result<Settings, Refusal> {
    let Change {
        partitions,
        retention,
        retention_bytes,
        codecs,
        attributes,
        add_consumers,
        drop_consumers,
        alter_consumers,
    } = change;
    if let Some(partitions) = partitions {
        if partitions < settings.partitions {
            let words = format!("a topic of {} partitions cannot have fewer", settings.partitions);
            return Err(Refusal::Invalid(words.into()));
        }
        settings.partitions = partitions;
    }
    settings.retention = retention.unwrap_or(settings.retention);
    settings.retention_bytes = retention_bytes.unwrap_or(settings.retention_bytes);
    settings.codecs = codecs.unwrap_or(settings.codecs);
    for (name, value) in attributes {
        match value.is_empty() {
            true => settings.attributes.remove(&name),
            false => settings.attributes.insert(name, value),
        };
    }
    for name in drop_consumers {
        if settings.consumers.remove(&name).is_none() {
            return Err(Refusal::NoConsumer(name));
        }
    }
    for (name, consumer) in add_consumers {
        if settings.consumers.insert(name.clone(), consumer).is_some() {
            return Err(Refusal::Invalid(format!("the consumer {name} exists").into()));
        }
    }
    for (name, consumer) in alter_consumers {
        match settings.consumers.get_mut(&name) {
            Some(old) => *old = consumer,
            None => return Err(Refusal::NoConsumer(name)),
        }
    }
    Ok(settings)
}
