//! What readers and a broker say to each other. It decides which offsets a reader may be sent and where it may begin; it
//! never decides which reader a partition belongs to.

use super::{
    Book, COMMITS_ASKED_FOR, COMMITS_LAST, ONE_READER, Position, READS_IN_ORDER, ReadStream, Reading,
    SESSIONS_NEW, Stored, WITHIN_CREDIT,
};
use crate::world::{Seen, Violation};
use onceward_core::{
    ConnId,
    reader::wire::{Commit, FromClient, FromServer, PartitionData, PartitionSessionId},
};
use std::sync::Arc;

impl Book {
    /// A reader has said something.
    pub fn reader_said(&mut self, conn: ConnId, said: &FromClient) {
        match said {
            FromClient::Init(init) => {
                let consumer = init.consumer.clone();
                if consumer.is_empty() && self.recording.is_none() {
                    self.auditor = Some(conn);
                    self.topics.values_mut().for_each(|topic| topic.audited.clear());
                }
                self.readers.insert(conn, ReadStream { consumer, ..ReadStream::default() });
            }
            FromClient::Read { bytes } => {
                if let Some(stream) = self.readers.get_mut(&conn) {
                    stream.asked = stream.asked.saturating_add(*bytes);
                }
            }
            FromClient::Started { session, read_offset, commit_offset } => {
                if let Some(reading) = self.reading(conn, *session) {
                    reading.committed = reading.committed.max(commit_offset.unwrap_or(0));
                    reading.next = Some(read_offset.unwrap_or(reading.committed));
                }
                if let Some(offset) = commit_offset {
                    self.asks(conn, *session, *offset);
                }
            }
            FromClient::Commit(commits) => commits.iter().for_each(|commit| self.commits(conn, commit)),
            // A strict book leaves it to what readers and brokers do next.
            FromClient::Stopped(session) if self.recording.is_some() => {
                if let Some(reading) = self.reading(conn, *session) {
                    reading.lost = true;
                }
            }
            FromClient::Status(_) | FromClient::Stopped(_) | FromClient::UpdateToken(_) => {}
        }
    }

    fn reading(&mut self, conn: ConnId, session: PartitionSessionId) -> Option<&mut Reading> {
        self.readers.get_mut(&conn)?.sessions.get_mut(&session)
    }

    /// The position of the consumer that has a partition session, unless what that is told is of the time before.
    fn position(&mut self, conn: ConnId, session: PartitionSessionId) -> Option<&mut Position> {
        let stream = self.readers.get(&conn)?;
        let reading = stream.sessions.get(&session).filter(|reading| !reading.gone)?;
        let of = (stream.consumer.clone(), reading.partition);
        self.topics.get_mut(&reading.topic)?.positions.get_mut(&of)
    }

    fn asks(&mut self, conn: ConnId, session: PartitionSessionId, offset: u64) {
        if let Some(position) = self.position(conn, session) {
            position.asked = Some(position.asked.unwrap_or(0).max(offset));
        }
    }

    fn commits(&mut self, conn: ConnId, commit: &Commit) {
        let recording = self.recording.is_some();
        let Some(reading) = self.reading(conn, commit.session) else { return };
        if recording && reading.lost {
            return;
        }
        for range in &commit.ranges {
            // What was given up need not be committed, and nobody here knows what was.
            if recording || range.start <= reading.committed {
                reading.committed = reading.committed.max(range.end);
            }
        }
        let committed = reading.committed;
        self.asks(conn, commit.session, committed);
    }

    /// A reader was told something.
    ///
    /// # Errors
    /// It contradicts what was told before.
    pub fn reader_told(&mut self, seen: Seen, conn: ConnId, said: &FromServer) -> Result<(), Violation> {
        match said {
            FromServer::Start { session, path, partition, committed, .. } => {
                let reading = Reading {
                    topic: path.clone(),
                    partition: *partition,
                    committed: *committed,
                    ..Reading::default()
                };
                self.begins(seen, conn, *session, reading)
            }
            FromServer::Data { partitions, bytes } => self.data(seen, conn, partitions, *bytes),
            FromServer::Committed(commits) => {
                for (session, offset) in commits {
                    if let Some(position) = self.position(conn, *session) {
                        position.confirmed = position.confirmed.max(*offset);
                    }
                }
                Ok(())
            }
            FromServer::Stop { session, graceful, committed } => {
                if let Some(position) = self.position(conn, *session) {
                    position.confirmed = position.confirmed.max(*committed);
                }
                if let Some(reading) = self.reading(conn, *session) {
                    reading.lost |= !graceful;
                }
                Ok(())
            }
            FromServer::Failed(_) => {
                if self.recording.is_some() {
                    self.closed(conn);
                }
                Ok(())
            }
            FromServer::Init { .. } | FromServer::Status { .. } | FromServer::TokenUpdated => Ok(()),
        }
    }

    fn begins(
        &mut self,
        seen: Seen,
        conn: ConnId,
        session: PartitionSessionId,
        reading: Reading,
    ) -> Result<(), Violation> {
        let Some(stream) = self.readers.get_mut(&conn) else { return Ok(()) };
        let (topic, partition, committed) = (reading.topic.clone(), reading.partition, reading.committed);
        if stream.sessions.insert(session, reading).is_some() {
            let what = "a name of a partition session is used a second time in one stream";
            return Err(Violation::new(SESSIONS_NEW, what).at(seen, "here"));
        }
        if stream.consumer.is_empty() {
            return Ok(());
        }
        let positions = &mut self.topics.entry(topic).or_default().positions;
        let of = (stream.consumer.clone(), partition);
        let unknown = self.recording.as_ref().map(|_| committed);
        let first = Position { confirmed: unknown.unwrap_or(0), ..Position::default() };
        let position = positions.entry(of).or_insert(first);
        let Position { confirmed, asked, unsure } = *position;
        if committed < confirmed && !unsure {
            let what = "a reader begins before a commit that was confirmed";
            let said = format!("confirmed was {confirmed}, it begins at {committed}");
            return Err(Violation::new(COMMITS_LAST, what).at(seen, said));
        }
        let limit = asked.or(unknown).unwrap_or(0);
        if committed > limit && !unsure {
            let what = "a reader begins behind messages that nobody has committed";
            let said = format!("committed was {limit}, it begins at {committed}");
            return Err(Violation::new(COMMITS_ASKED_FOR, what).at(seen, said));
        }
        position.confirmed = committed;
        position.asked = asked.max(unknown);
        Ok(())
    }

    fn data(
        &mut self,
        seen: Seen,
        conn: ConnId,
        partitions: &[PartitionData],
        bytes: u64,
    ) -> Result<(), Violation> {
        let recording = self.recording.is_some();
        let Some(stream) = self.readers.get_mut(&conn) else { return Ok(()) };
        if stream.sent >= stream.asked {
            let what = "a reader is sent more than it has asked for";
            let said = format!("it had been sent {} of {} bytes", stream.sent, stream.asked);
            return Err(Violation::new(WITHIN_CREDIT, what).at(seen, said));
        }
        stream.sent = stream.sent.saturating_add(bytes);
        let (auditor, mut told) = (self.auditor == Some(conn), Vec::new());
        for data in partitions {
            let reading = stream.sessions.get_mut(&data.session);
            let Some((mut next, reading)) = reading.and_then(|reading| Some((reading.next?, reading))) else {
                let what = "a reader is sent messages of a partition that it does not have";
                return Err(Violation::new(READS_IN_ORDER, what).at(seen, "here"));
            };
            if reading.lost {
                let what = "a reader is sent messages of a partition that was taken from it";
                return Err(Violation::new(ONE_READER, what).at(seen, "here"));
            }
            for batch in &data.batches {
                if batch.offset < next || batch.offset > next && !recording {
                    let what = "a reader does not get the messages of a partition one after the other";
                    let said = format!("offset {} after those below {next}", batch.offset);
                    return Err(Violation::new(READS_IN_ORDER, what).at(seen, said));
                }
                next = batch.offset;
                for message in &batch.messages {
                    if !reading.gone {
                        told.push((reading.topic.clone(), (reading.partition, next), batch, message));
                    }
                    next += 1;
                }
            }
            reading.next = Some(next);
        }
        for (topic, place, batch, message) in told {
            let producer: &Arc<str> = &batch.producer_id;
            let digest = self.digest(batch.codec, &message.payload.data);
            self.is_written(seen, &topic, place, (producer, message.seq_no), digest)?;
            self.means(seen, &topic, place, (producer.clone(), message.seq_no), digest)?;
            if auditor {
                let stored = Stored {
                    seq_no: message.seq_no,
                    codec: message.payload.codec,
                    data: message.payload.data.clone(),
                    producer: producer.clone(),
                };
                self.topics.entry(topic).or_default().audited.entry(place.0).or_default().push(stored);
            }
        }
        Ok(())
    }
}
