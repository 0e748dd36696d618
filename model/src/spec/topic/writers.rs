//! What writers and a broker say to each other. It decides which offset and number each acknowledgement stands for, and
//! never which of several contents under one number is the right one before the broker has said so.

use super::{
    ACKS_IN_ORDER, Book, CONTENT_AS_WRITTEN, Digest, NUMBERS_REMEMBERED, ONE_WRITER, PRODUCER_ORDER,
    Producer, STORED_ONCE, WriteStream, digest,
};
use crate::world::{Seen, Violation};
use onceward_core::{
    ConnId,
    writer::wire::{Ack, AckStatus, FromClient, FromServer, Session},
};
use std::{ops::Bound, sync::Arc};

impl Book {
    /// A writer has said something.
    pub fn writer_said(&mut self, conn: ConnId, said: &FromClient) {
        match said {
            FromClient::Init(init) => {
                let (topic, producer) = (init.path.clone(), init.producer_id.clone());
                if let Some(recording) = &mut self.recording {
                    let known =
                        self.topics.get(&topic).is_some_and(|topic| topic.producers.contains_key(&producer));
                    recording.spare -= u64::from(recording.spare > 0 && !known && !producer.is_empty());
                }
                self.writers.insert(conn, WriteStream { topic, producer, ..WriteStream::default() });
            }
            FromClient::Write { codec, messages } if self.recording.is_some() => {
                let Some(stream) = self.writers.get_mut(&conn) else { return };
                let said =
                    messages.iter().map(|message| (message.seq_no, digest(*codec, &message.payload.data)));
                stream.pending.extend(said);
            }
            FromClient::Write { .. } | FromClient::UpdateToken(_) => {}
        }
    }

    /// A writer was told something.
    ///
    /// # Errors
    /// It contradicts what was told before.
    pub fn writer_told(&mut self, seen: Seen, conn: ConnId, said: &FromServer) -> Result<(), Violation> {
        match said {
            FromServer::Init(session) => self.greeted(seen, conn, session),
            FromServer::Acks(acks) => self.acknowledged(seen, conn, acks),
            FromServer::Failed(_) => {
                if self.recording.is_some() {
                    self.closed(conn);
                }
                Ok(())
            }
            FromServer::TokenUpdated => Ok(()),
        }
    }

    fn greeted(&mut self, seen: Seen, conn: ConnId, session: &Session) -> Result<(), Violation> {
        let Some(stream) = self.writers.get_mut(&conn) else { return Ok(()) };
        (stream.partition, stream.greeted) = (session.partition, true);
        if stream.producer.is_empty() {
            return Ok(());
        }
        let topic = self.topics.entry(stream.topic.clone()).or_default();
        topic.owners.insert(stream.producer.clone(), conn);
        let Some(recording) = &self.recording else { return Ok(()) };
        stream.last = session.last_seq_no;
        let producer = topic.producers.entry(stream.producer.clone()).or_default();
        let highest = producer.acked.last_key_value().map_or(0, |(number, _)| *number);
        if session.last_seq_no >= highest {
            return Ok(());
        }
        if recording.spare > 0 {
            let what = "a producer is told a lower number than was acknowledged to it as written";
            let said = format!("{} had {highest}, is told {}", stream.producer, session.last_seq_no);
            return Err(Violation::new(NUMBERS_REMEMBERED, what).at(seen, said));
        }
        // It may have been forgotten: then its numbers begin anew.
        *producer = Producer::default();
        Ok(())
    }

    fn acknowledged(&mut self, seen: Seen, conn: ConnId, acks: &[Ack]) -> Result<(), Violation> {
        let Some(stream) = self.writers.get(&conn) else { return Ok(()) };
        let (topic, producer) = (stream.topic.clone(), stream.producer.clone());
        let partition = stream.partition;
        let owner = self.topics.get(&topic).and_then(|topic| topic.owners.get(&producer));
        if owner != Some(&conn) && !producer.is_empty() {
            let what = "an older session is acknowledged something after a newer one was opened";
            return Err(Violation::new(ONE_WRITER, what).at(seen, "here"));
        }
        for ack in acks {
            let digest = self.next_pending(seen, conn, ack)?;
            if let AckStatus::Written { offset } = ack.status {
                let place = (partition, offset);
                self.means(seen, &topic, place, (producer.clone(), ack.seq_no), digest)?;
                self.in_order(seen, &topic, &producer, ack.seq_no, place)?;
            }
        }
        Ok(())
    }

    /// What an acknowledgement is of, in a recording.
    fn next_pending(&mut self, seen: Seen, conn: ConnId, ack: &Ack) -> Result<Option<Digest>, Violation> {
        let Some(stream) = self.writers.get_mut(&conn).filter(|_| self.recording.is_some()) else {
            return Ok(None);
        };
        match stream.pending.pop_front() {
            Some((number, digest)) if number == ack.seq_no => Ok(Some(digest)),
            sent => {
                let what = "an acknowledgement is not of the message that is next";
                let next = sent.map_or("none".into(), |(number, _)| format!("number {number}"));
                let said = format!("number {} is acknowledged, {next} is next", ack.seq_no);
                Err(Violation::new(ACKS_IN_ORDER, what).at(seen, said))
            }
        }
    }

    /// A number has one offset, and higher ones have higher ones.
    fn in_order(
        &mut self,
        seen: Seen,
        topic: &Arc<str>,
        producer: &Arc<str>,
        number: u64,
        (partition, offset): (u32, u64),
    ) -> Result<(), Violation> {
        if producer.is_empty() || self.recording.is_none() {
            return Ok(());
        }
        let topic = self.topics.entry(topic.clone()).or_default();
        let known = topic.producers.entry(producer.clone()).or_default();
        let said =
            |number, offset| format!("number {number} of {producer} is offset {offset} of its partition");
        let place = *known.acked.entry(number).or_insert((partition, offset));
        if place != (partition, offset) {
            let what = "a number is acknowledged as written at two offsets";
            let said = said(number, offset);
            return Err(Violation::new(STORED_ONCE, what).at(seen, said));
        }
        known.said.remove(&number);
        let lower = known.acked.range(..number).next_back().filter(|(_, (_, at))| *at >= offset);
        let higher = known.acked.range((Bound::Excluded(number), Bound::Unbounded)).next();
        let higher = higher.filter(|(_, (_, at))| *at <= offset);
        let other = lower.or(higher).filter(|(_, (of, _))| *of == partition);
        let Some((other, (_, at))) = other else { return Ok(()) };
        let what = "the messages of a producer are not in the order of their numbers";
        Err(Violation::new(PRODUCER_ORDER, what).at(seen, said(number, offset)).at(seen, said(*other, *at)))
    }

    /// Whether a message that a reader is shown can be one that was written, as far as anybody knows. It is known from now
    /// on by its offset.
    pub(super) fn is_written(
        &mut self,
        seen: Seen,
        topic: &Arc<str>,
        place: (u32, u64),
        (producer, number): (&Arc<str>, u64),
        digest: Option<Digest>,
    ) -> Result<(), Violation> {
        let (Some(topic), Some(shown)) = (self.topics.get_mut(topic), digest) else { return Ok(()) };
        if topic.offsets.get(&place).is_some_and(|told| told.digest.is_some()) {
            return Ok(());
        }
        let said = topic.producers.get_mut(producer).and_then(|known| known.said.remove(&number));
        if said.is_none_or(|said| said.contains(&shown)) {
            return Ok(());
        }
        let what = "a reader is shown another content than was written";
        let said = format!("number {number} of {producer} is offset {} of partition {}", place.1, place.0);
        Err(Violation::new(CONTENT_AS_WRITTEN, what).at(seen, said))
    }

    /// A write stream is over. What the broker has not acknowledged it may have stored.
    pub(super) fn leave(&mut self, conn: ConnId) {
        let Some(stream) = self.writers.remove(&conn) else { return };
        let Some(topic) = self.topics.get_mut(&stream.topic) else { return };
        if topic.owners.get(&stream.producer) == Some(&conn) {
            topic.owners.remove(&stream.producer);
        }
        if stream.producer.is_empty() || !stream.greeted {
            return;
        }
        let Some(producer) = topic.producers.get_mut(&stream.producer) else { return };
        for (number, digest) in stream.pending.into_iter().filter(|(number, _)| *number > stream.last) {
            if !producer.acked.contains_key(&number) {
                producer.said.entry(number).or_default().push(digest);
            }
        }
    }
}
