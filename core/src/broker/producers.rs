//! Producers: where each writes, how far it has come, and who speaks for it now. This module is the memory that makes
//! publishing exactly once; it is filled from the log alone, so that no crash can separate it from the messages.
//!
//! Invariant: `stored ≤ accepted`; a number up to `accepted` is in the log or on its way there, and is never taken a
//! second time.

use super::catalogue::TopicId;
use super::mutants::mutant;
use crate::ConnId;
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

/// A producer of a topic.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Producer {
    /// The partition that it was given when it first came.
    pub(super) partition: u32,
    /// How many sessions it has had.
    pub(super) epoch: u64,
    /// The highest number that is durable.
    pub(super) stored: u64,
    /// The highest number that is in the log or on its way there.
    pub(super) accepted: u64,
    /// The sequence of its latest record.
    latest: u64,
    /// Its session.
    pub(super) session: Option<ConnId>,
}

impl Producer {
    /// The sequence of its latest record.
    pub(super) fn latest(&self) -> u64 {
        self.latest
    }
}

/// All producers.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Producers {
    all: BTreeMap<(TopicId, Arc<str>), Producer>,
}

impl Producers {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, topic: TopicId, id: &Arc<str>) -> Option<&Producer> {
        self.all.get(&(topic, id.clone()))
    }

    pub(super) fn get_mut(&mut self, topic: TopicId, id: &Arc<str>) -> Option<&mut Producer> {
        self.all.get_mut(&(topic, id.clone()))
    }

    /// The producers of a topic, by name.
    pub(super) fn of(&self, topic: TopicId) -> impl Iterator<Item = (&Arc<str>, &Producer)> {
        let all = self.all.range((topic, Arc::from(""))..);
        all.take_while(move |((of, _), _)| *of == topic).map(|((_, name), producer)| (name, producer))
    }

    /// The producer has this epoch, in this partition, at this record of the log.
    pub(super) fn session(
        &mut self,
        topic: TopicId,
        id: &Arc<str>,
        partition: u32,
        epoch: u64,
        sequence: u64,
    ) {
        let producer = self.all.entry((topic, id.clone())).or_default();
        producer.partition = partition;
        producer.epoch = producer.epoch.max(epoch);
        producer.latest = producer.latest.max(sequence);
    }

    /// Numbers up to `highest` are in the log, at this record of it.
    pub(super) fn stored(&mut self, topic: TopicId, id: &Arc<str>, highest: u64, sequence: u64) {
        if let Some(producer) = self.all.get_mut(&(topic, id.clone())) {
            producer.stored = producer.stored.max(highest);
            producer.accepted = producer.accepted.max(highest);
            producer.latest = producer.latest.max(sequence);
        }
    }

    /// A session of a producer has ended.
    pub(super) fn leave(&mut self, topic: TopicId, id: &Arc<str>, conn: ConnId) {
        let Some(producer) = self.get_mut(topic, id).filter(|producer| producer.session == Some(conn)) else {
            return;
        };
        producer.session = None;
        if mutant!(IdleProducerForgotten) {
            self.all.remove(&(topic, id.clone()));
        }
    }

    /// Forgets all producers of a topic.
    pub(super) fn drop_topic(&mut self, topic: TopicId) {
        self.all.retain(|(of, _), _| *of != topic);
    }

    /// Forgets those whose latest record lies furthest back, except who has a session, once there are an eighth more than
    /// `most`; so that looking through all of them is paid by many.
    pub(super) fn limit(&mut self, most: u64) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if self.all.len() <= most.saturating_add(most / 8) {
            return;
        }
        let mut latest: Vec<u64> = self.all.values().map(|producer| producer.latest).collect();
        let surplus = latest.len() - most;
        // Sequences differ, so that exactly the surplus lies below.
        let (_, first_kept, _) = latest.select_nth_unstable(surplus);
        let first_kept = *first_kept;
        self.all.retain(|_, producer| producer.latest >= first_kept || producer.session.is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const TOPIC: TopicId = TopicId(0);

    #[test]
    fn only_those_furthest_back_without_a_session_are_forgotten() {
        let mut producers = Producers::default();
        let name = |n: u64| Arc::from(&*format!("p{n}"));
        for n in 0..90 {
            producers.session(TOPIC, &name(n), 0, 1, n);
        }
        producers.get_mut(TOPIC, &name(1)).unwrap().session = Some(ConnId::default());
        producers.stored(TOPIC, &name(0), 7, 90);
        producers.limit(80);
        assert_eq!(producers.len(), 90, "an eighth more may be there");
        producers.session(TOPIC, &name(91), 0, 1, 91);
        producers.limit(80);
        assert_eq!(producers.len(), 81);
        assert!(producers.get(TOPIC, &name(0)).is_some(), "wrote last");
        assert!(producers.get(TOPIC, &name(1)).is_some(), "has a session");
        assert!(producers.get(TOPIC, &name(2)).is_none());
    }
}
