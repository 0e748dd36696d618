//! The promises of a topic, over what a broker says on its streams: what offsets mean, what readers are given, what
//! commits do, and who may write.
//!
//! [`Book`] takes note of everything that a broker tells anybody, whether it arrives or not, and of what readers and
//! writers have said; it says at once when two things that were told contradict each other. It knows nothing of a broker's
//! own tables. What it never does: judge what a broker keeps to itself.

use crate::{
    system::Promise,
    world::{Ignored, Seen, Violation},
};
use bytes::Bytes;
use onceward_core::{
    ConnId,
    reader::wire::{self as read, PartitionSessionId},
    writer::wire::{self as write, AckStatus, Codec},
};
use std::{collections::BTreeMap, sync::Arc};

/// An offset that was told means one message for ever.
pub const OFFSETS_STABLE: &str = "offsets-are-stable";
/// What was shown or acknowledged is there for good.
pub const SHOWN_IS_DURABLE: &str = "shown-is-durable";
/// Readers get each partition in order, without gaps.
pub const READS_IN_ORDER: &str = "reads-in-order";
/// A commit that was confirmed is not forgotten.
pub const COMMITS_LAST: &str = "commits-last";
/// Nothing is committed that nobody has committed.
pub const COMMITS_ASKED_FOR: &str = "commits-are-asked-for";
/// Readers get no more than they asked for.
pub const WITHIN_CREDIT: &str = "within-credit";
/// What a reader does not have any more it is not sent.
pub const ONE_READER: &str = "one-reader";
/// No name of a partition session is used twice.
pub const SESSIONS_NEW: &str = "partition-sessions-are-new";
/// A producer has one session.
pub const ONE_WRITER: &str = "one-writer";

/// A broker recovers by itself.
pub const OPENS_AGAIN: &str = "broker-opens-again";

/// The table of promises.
pub const PROMISES: &[Promise] = &[
    Promise {
        id: OFFSETS_STABLE,
        says: "An offset that was acknowledged or shown to a reader means the same message for ever.",
    },
    Promise {
        id: SHOWN_IS_DURABLE,
        says: "What was acknowledged or shown to a reader is there for every reader who comes later.",
    },
    Promise {
        id: READS_IN_ORDER,
        says: "A reader gets the messages of a partition in the order of their offsets, from where it begins, without a \
               gap and none twice.",
    },
    Promise {
        id: COMMITS_LAST,
        says: "A reader begins at or behind every commit that was confirmed before.",
    },
    Promise {
        id: COMMITS_ASKED_FOR,
        says: "A reader begins no further than what readers have committed without a gap.",
    },
    Promise {
        id: WITHIN_CREDIT,
        says: "A reader is sent no more bytes than it has asked for, but for the last message.",
    },
    Promise {
        id: ONE_READER,
        says: "Once a partition was taken from a reader, it is sent nothing of it and its commits do not count.",
    },
    Promise {
        id: SESSIONS_NEW,
        says: "A partition that a reader is given has a name that this stream has never had for one.",
    },
    Promise {
        id: ONE_WRITER,
        says: "Once a newer session of a producer is open, an older one is not acknowledged anything any more.",
    },
    Promise {
        id: OPENS_AGAIN,
        says: "A broker whose disk was damaged no more than the fault model allows opens again, by itself.",
    },
];

/// A message as an offset names it: who wrote it, and under which number.
type Named = (Arc<str>, u64);

/// What a broker and those who speak with it have said.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Book {
    /// What each offset of each partition was said to mean.
    offsets: BTreeMap<(u32, u64), (Named, Ignored<Seen>)>,
    writers: BTreeMap<ConnId, WriteStream>,
    readers: BTreeMap<ConnId, ReadStream>,
    /// The newest open session of each producer.
    owners: BTreeMap<Arc<str>, ConnId>,
    /// By partition: the highest commit that was confirmed, and the highest that was asked for.
    confirmed: BTreeMap<u32, u64>,
    asked: BTreeMap<u32, u64>,
    /// What the auditor has been shown since it last began, by partition, in order.
    audited: BTreeMap<u32, Vec<Stored>>,
    auditor: Option<ConnId>,
}

/// A message as the auditor was shown it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Stored {
    /// Its number.
    pub seq_no: u64,
    /// How it is encoded.
    pub codec: Codec,
    /// The payload.
    pub data: Bytes,
    producer: Arc<str>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct WriteStream {
    producer: Arc<str>,
    partition: u32,
    greeted: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct ReadStream {
    auditor: bool,
    asked: u64,
    sent: u64,
    sessions: BTreeMap<PartitionSessionId, Reading>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Reading {
    partition: u32,
    /// The offset that comes next; none until the reader has said where to begin.
    next: Option<u64>,
    committed: u64,
    /// Taken away.
    lost: bool,
}

impl Book {
    /// A writer has said something.
    pub fn writer_said(&mut self, conn: ConnId, said: &write::FromClient) {
        if let write::FromClient::Init(init) = said {
            self.writers
                .insert(conn, WriteStream { producer: init.producer_id.clone(), ..WriteStream::default() });
        }
    }

    /// A writer was told something.
    ///
    /// # Errors
    /// It contradicts what was told before.
    pub fn writer_told(
        &mut self,
        seen: Seen,
        conn: ConnId,
        said: &write::FromServer,
    ) -> Result<(), Violation> {
        let Some(stream) = self.writers.get_mut(&conn) else { return Ok(()) };
        match said {
            write::FromServer::Init(session) => {
                (stream.partition, stream.greeted) = (session.partition, true);
                self.owners.insert(stream.producer.clone(), conn);
            }
            write::FromServer::Acks(acks) => {
                let (producer, partition) = (stream.producer.clone(), stream.partition);
                if self.owners.get(&producer) != Some(&conn) {
                    let what = "an older session is acknowledged something after a newer one was opened";
                    return Err(Violation::new(ONE_WRITER, what).at(seen, "here"));
                }
                for ack in acks {
                    if let AckStatus::Written { offset } = ack.status {
                        self.means(seen, partition, offset, (producer.clone(), ack.seq_no))?;
                    }
                }
            }
            write::FromServer::TokenUpdated | write::FromServer::Failed(_) => {}
        }
        Ok(())
    }

    /// A reader has said something.
    pub fn reader_said(&mut self, conn: ConnId, said: &read::FromClient) {
        match said {
            read::FromClient::Init(init) => {
                let auditor = init.consumer.is_empty();
                self.readers.insert(conn, ReadStream { auditor, ..ReadStream::default() });
                if auditor {
                    self.auditor = Some(conn);
                    self.audited.clear();
                }
            }
            read::FromClient::Read { bytes } => {
                if let Some(stream) = self.readers.get_mut(&conn) {
                    stream.asked += bytes;
                }
            }
            read::FromClient::Started { session, read_offset, .. } => {
                let reading = self.readers.get_mut(&conn).and_then(|stream| stream.sessions.get_mut(session));
                if let Some(reading) = reading {
                    reading.next = Some(read_offset.unwrap_or(reading.committed));
                }
            }
            read::FromClient::Commit(commits) => {
                for commit in commits {
                    let reading = self
                        .readers
                        .get_mut(&conn)
                        .and_then(|stream| stream.sessions.get_mut(&commit.session));
                    let Some(reading) = reading else { continue };
                    for range in &commit.ranges {
                        if range.start <= reading.committed {
                            reading.committed = reading.committed.max(range.end);
                        }
                    }
                    let asked = self.asked.entry(reading.partition).or_default();
                    *asked = (*asked).max(reading.committed);
                }
            }
            read::FromClient::Status(_) | read::FromClient::Stopped(_) | read::FromClient::UpdateToken(_) => {
            }
        }
    }

    /// A reader was told something.
    ///
    /// # Errors
    /// It contradicts what was told before.
    pub fn reader_told(
        &mut self,
        seen: Seen,
        conn: ConnId,
        said: &read::FromServer,
    ) -> Result<(), Violation> {
        match said {
            read::FromServer::Start { session, partition, committed, .. } => {
                self.started(seen, conn, *session, *partition, *committed)
            }
            read::FromServer::Data { partitions, bytes } => self.data(seen, conn, partitions, *bytes),
            read::FromServer::Committed(commits) => {
                for (session, offset) in commits {
                    let reading = self.readers.get(&conn).and_then(|stream| stream.sessions.get(session));
                    let Some(reading) = reading else { continue };
                    let confirmed = self.confirmed.entry(reading.partition).or_default();
                    *confirmed = (*confirmed).max(*offset);
                }
                Ok(())
            }
            read::FromServer::Stop { session, graceful, committed } => {
                let reading = self.readers.get_mut(&conn).and_then(|stream| stream.sessions.get_mut(session));
                if let Some(reading) = reading {
                    reading.lost |= !graceful;
                    let confirmed = self.confirmed.entry(reading.partition).or_default();
                    *confirmed = (*confirmed).max(*committed);
                }
                Ok(())
            }
            read::FromServer::Init { .. }
            | read::FromServer::Status { .. }
            | read::FromServer::TokenUpdated
            | read::FromServer::Failed(_) => Ok(()),
        }
    }

    fn started(
        &mut self,
        seen: Seen,
        conn: ConnId,
        session: PartitionSessionId,
        partition: u32,
        committed: u64,
    ) -> Result<(), Violation> {
        let Some(stream) = self.readers.get_mut(&conn) else { return Ok(()) };
        let reading = Reading { partition, next: None, committed, lost: false };
        if stream.sessions.insert(session, reading).is_some() {
            let what = "a name of a partition session is used a second time in one stream";
            return Err(Violation::new(SESSIONS_NEW, what).at(seen, "here"));
        }
        if stream.auditor {
            return Ok(());
        }
        let confirmed = self.confirmed.get(&partition).copied().unwrap_or(0);
        if committed < confirmed {
            let what = "a reader begins before a commit that was confirmed";
            let said = format!("confirmed was {confirmed}, it begins at {committed}");
            return Err(Violation::new(COMMITS_LAST, what).at(seen, said));
        }
        let asked = self.asked.get(&partition).copied().unwrap_or(0);
        if committed > asked {
            let what = "a reader begins behind messages that nobody has committed";
            let said = format!("committed was {asked}, it begins at {committed}");
            return Err(Violation::new(COMMITS_ASKED_FOR, what).at(seen, said));
        }
        self.confirmed.insert(partition, committed);
        Ok(())
    }

    fn data(
        &mut self,
        seen: Seen,
        conn: ConnId,
        partitions: &[read::PartitionData],
        bytes: u64,
    ) -> Result<(), Violation> {
        let Some(stream) = self.readers.get_mut(&conn) else { return Ok(()) };
        if stream.sent >= stream.asked {
            let what = "a reader is sent more than it has asked for";
            let said = format!("it had been sent {} of {} bytes", stream.sent, stream.asked);
            return Err(Violation::new(WITHIN_CREDIT, what).at(seen, said));
        }
        stream.sent += bytes;
        let (auditor, mut told) = (stream.auditor && self.auditor == Some(conn), Vec::new());
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
                if batch.offset != next {
                    let what = "a reader does not get the messages of a partition one after the other";
                    let said = format!("offset {} after those below {next}", batch.offset);
                    return Err(Violation::new(READS_IN_ORDER, what).at(seen, said));
                }
                for message in &batch.messages {
                    told.push((reading.partition, next, batch.producer_id.clone(), message.clone()));
                    next += 1;
                }
            }
            reading.next = Some(next);
        }
        for (partition, offset, producer, message) in told {
            self.means(seen, partition, offset, (producer.clone(), message.seq_no))?;
            if auditor {
                let stored = Stored {
                    seq_no: message.seq_no,
                    codec: message.payload.codec,
                    data: message.payload.data,
                    producer,
                };
                self.audited.entry(partition).or_default().push(stored);
            }
        }
        Ok(())
    }

    fn means(&mut self, seen: Seen, partition: u32, offset: u64, named: Named) -> Result<(), Violation> {
        let (before, first) =
            self.offsets.entry((partition, offset)).or_insert((named.clone(), Ignored(seen)));
        if *before == named {
            return Ok(());
        }
        let what = "an offset that was told before means another message now";
        let said = |(producer, number): &Named| format!("offset {offset} is number {number} of {producer}");
        Err(Violation::new(OFFSETS_STABLE, what).at(**first, said(before)).at(seen, said(&named)))
    }

    /// Everything that the auditor was shown since it last began, partition by partition.
    pub fn audited(&self) -> impl Iterator<Item = &Stored> {
        self.audited.values().flatten()
    }

    /// Whether everything that the auditor was shown of a partition is committed.
    pub fn is_committed(&self, partition: u32) -> bool {
        let shown = self.audited.get(&partition).map_or(0, |stored| stored.len() as u64);
        self.confirmed.get(&partition).copied().unwrap_or(0) >= shown
    }

    /// Compares what was ever told with what the auditor was shown in the end: all of it.
    ///
    /// # Errors
    /// Something that was told is not there any more.
    pub fn judge(&self) -> Result<(), Violation> {
        for ((partition, offset), (named, seen)) in &self.offsets {
            let stored = self.audited.get(partition).and_then(|stored| stored.get(*offset as usize));
            if stored.is_none_or(|stored| (&stored.producer, stored.seq_no) != (&named.0, named.1)) {
                let what = "a message that was acknowledged or shown is not there any more";
                let said = format!("offset {offset} of partition {partition} was told");
                return Err(Violation::new(SHOWN_IS_DURABLE, what).at(**seen, said));
            }
        }
        Ok(())
    }
}
