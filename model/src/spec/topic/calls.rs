//! What a recording knows besides what is said on streams: calls and their answers, starts of the broker, ends of
//! connections, and which topics there are. It decides what is forgotten, and never judges.

use super::{Book, Position};
use onceward_core::{
    CallId, ConnId,
    broker::api::{Refusal, Request, Response},
};
use std::{collections::BTreeMap, sync::Arc};

impl Book {
    /// The broker's process starts anew: all connections are over, and what was asked for and not confirmed may have
    /// become durable or not. What was promised stays.
    pub fn started(&mut self) {
        if let Some(recording) = &mut self.recording {
            for request in std::mem::take(&mut recording.calls).into_values() {
                self.outcome_unknown(&request);
            }
            for topic in self.topics.values_mut() {
                topic.positions.retain(|_, position| !position.unsure);
                topic.positions.values_mut().for_each(|position| position.asked = None);
                // Somebody may have written under these numbers while nobody looked.
                topic.producers.values_mut().for_each(|producer| producer.said.clear());
            }
        }
        self.writers.clear();
        self.readers.clear();
        self.topics.values_mut().for_each(|topic| topic.owners.clear());
    }

    /// A connection is over, at whichever side; its number may be used again.
    pub fn closed(&mut self, conn: ConnId) {
        self.leave(conn);
        self.readers.remove(&conn);
    }

    /// The broker knows a topic of this name by this number: the sequence of the record that made it. If it was known by
    /// another number, this is another topic, and what was told of the older one is forgotten. To be told whenever a
    /// topic may have been made, before streams name it.
    pub fn known(&mut self, path: &Arc<str>, id: u64) {
        if self.topics.get(path).is_some_and(|topic| topic.id.is_some_and(|known| known != id)) {
            self.forget(path);
        }
        self.topics.entry(path.clone()).or_default().id = Some(id);
    }

    /// These are all topics that the broker knows, by their numbers as for [`Book::known`]; others are forgotten. To be told
    /// after a start.
    pub fn only(&mut self, known: impl Iterator<Item = (Arc<str>, u64)>) {
        let known: BTreeMap<Arc<str>, u64> = known.collect();
        let gone = self.topics.keys().filter(|path| !known.contains_key(*path));
        let gone: Vec<Arc<str>> = gone.cloned().collect();
        gone.iter().for_each(|path| self.forget(path));
        known.iter().for_each(|(path, id)| self.known(path, *id));
    }

    /// Somebody has called the broker. Of no concern to a strict book.
    pub fn called(&mut self, call: CallId, request: &Request) {
        let changes = matches!(
            request,
            Request::Create { .. } | Request::Alter { .. } | Request::Drop { .. } | Request::Commit { .. }
        );
        if let Some(recording) = self.recording.as_mut().filter(|_| changes) {
            recording.calls.insert(call, request.clone());
        }
    }

    /// A call was answered.
    pub fn replied(&mut self, call: CallId, response: &Response) {
        let Some(request) = self.take_call(call) else { return };
        match response {
            Response::Done => self.done(&request),
            Response::Refused(Refusal::Unknown) => self.outcome_unknown(&request),
            _ => {}
        }
    }

    /// Nobody waits for the answer to a call any more: what comes of it is not known.
    pub fn lost(&mut self, call: CallId) {
        if let Some(request) = self.take_call(call) {
            self.outcome_unknown(&request);
        }
    }

    fn take_call(&mut self, call: CallId) -> Option<Request> {
        self.recording.as_mut()?.calls.remove(&call)
    }

    fn done(&mut self, request: &Request) {
        match request {
            Request::Create { path, .. } | Request::Drop { path } => self.forget(path),
            Request::Alter { path, change } => {
                for consumer in &change.drop_consumers {
                    self.begin_anew(path, consumer, None);
                    if let Some(topic) = self.topics.get_mut(path) {
                        topic.positions.retain(|(of, _), _| of != consumer);
                    }
                }
            }
            Request::Commit { path, partition, consumer, offset } => {
                self.begin_anew(path, consumer, Some(*partition));
                let Some(topic) = self.topics.get_mut(path) else { return };
                let position = topic.positions.get_mut(&(consumer.clone(), *partition));
                let Some(position) = position else { return };
                *position = match position.asked {
                    // A reader's commit may stand behind this one in the log, and move the position once more.
                    Some(asked) if asked > position.confirmed || position.unsure => Position {
                        confirmed: position.confirmed.min(*offset),
                        asked: Some(asked.max(*offset)),
                        unsure: false,
                    },
                    _ => Position { confirmed: *offset, asked: Some(*offset), unsure: false },
                };
            }
            Request::Describe { .. } | Request::List { .. } | Request::Status | Request::Shutdown => {}
        }
    }

    fn outcome_unknown(&mut self, request: &Request) {
        match request {
            Request::Create { path, .. } => self.forget(path),
            Request::Alter { path, change } => {
                let Some(topic) = self.topics.get_mut(path) else { return };
                for ((consumer, _), position) in &mut topic.positions {
                    position.unsure |= change.drop_consumers.contains(consumer);
                }
            }
            Request::Commit { path, partition, consumer, .. } => {
                let Some(topic) = self.topics.get_mut(path) else { return };
                if let Some(position) = topic.positions.get_mut(&(consumer.clone(), *partition)) {
                    position.unsure = true;
                }
            }
            // If it is gone, nothing is said of it until another one is made, and that is told.
            Request::Drop { .. } => {}
            Request::Describe { .. } | Request::List { .. } | Request::Status | Request::Shutdown => {}
        }
    }

    /// Readers of a consumer, of one partition or of all, have to begin anew.
    fn begin_anew(&mut self, path: &Arc<str>, consumer: &Arc<str>, partition: Option<u32>) {
        let streams = self.readers.values_mut().filter(|stream| stream.consumer == *consumer);
        for reading in streams.flat_map(|stream| stream.sessions.values_mut()) {
            let concerned = partition.is_none_or(|partition| partition == reading.partition);
            reading.gone |= reading.topic == *path && concerned;
        }
    }

    /// Forgets a topic. What its streams are told on their way out is of that topic, not of the next one of its name.
    fn forget(&mut self, path: &Arc<str>) {
        self.topics.remove(path);
        self.writers.retain(|_, stream| stream.topic != *path);
        for reading in self.readers.values_mut().flat_map(|stream| stream.sessions.values_mut()) {
            reading.gone |= reading.topic == *path;
        }
    }
}
