//! The promises of a topic, over what a broker says on its streams: what offsets mean, what readers are given, what
//! commits do, and who may write.
//!
//! [`Book`] takes note of everything that a broker tells anybody, whether it arrives or not, and of what readers and
//! writers have said; it says at once when two things that were told contradict each other. It knows nothing of a broker's
//! own tables. What it never does: judge what a broker keeps to itself.
//!
//! A book is strict, for a world in which everything is known from the beginning; or it is one of a recording
//! ([`Book::of_recording`]), which may begin in the middle, and of a broker that may give messages up.
//!
//! Invariants: of a connection that is over nothing is kept but what was promised on it; what is told of a topic that is
//! gone is not held against another one of its name; what only recordings need is empty in a strict book.

mod calls;
mod judge;
mod readers;
#[cfg(test)]
mod tests;
mod writers;

pub use super::publish::{CONTENT_AS_WRITTEN, PRODUCER_ORDER, STORED_ONCE};

use crate::{
    system::Promise,
    world::{Ignored, Seen, Violation},
};
use bytes::Bytes;
use onceward_core::{
    CallId, ConnId, broker::api::Request, reader::wire::PartitionSessionId, writer::wire::Codec,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use xxhash_rust::xxh3::Xxh3;

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
/// Acknowledgements come in the order of what they acknowledge.
pub const ACKS_IN_ORDER: &str = "acks-in-order";
/// A producer is told how far it has come.
pub const NUMBERS_REMEMBERED: &str = "numbers-are-remembered";

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
        id: ACKS_IN_ORDER,
        says: "The messages of a write session are acknowledged in the order in which they were sent, each once.",
    },
    Promise {
        id: NUMBERS_REMEMBERED,
        says: "A producer that is remembered is told a number no lower than any that was acknowledged as written.",
    },
    Promise {
        id: OPENS_AGAIN,
        says: "A broker whose disk was damaged no more than the fault model allows opens again, by itself.",
    },
];

/// A message as an offset names it: who wrote it, and under which number.
type Named = (Arc<str>, u64);

/// A digest of a payload and its codec. It tells contents apart, and is no protection against anybody who means harm.
type Digest = u128;

/// What a broker and those who speak with it have said.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Book {
    /// By the name that the streams call them.
    topics: BTreeMap<Arc<str>, Topic>,
    writers: BTreeMap<ConnId, WriteStream>,
    readers: BTreeMap<ConnId, ReadStream>,
    auditor: Option<ConnId>,
    recording: Option<Recording>,
}

/// What only the book of a recording has.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Recording {
    /// So many producers more may come before one may be forgotten; 0 if nobody knows.
    spare: u64,
    /// Changes that are not answered.
    calls: BTreeMap<CallId, Request>,
}

/// What was told of a topic.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Topic {
    /// The broker's number of it, as far as anybody has said so.
    id: Option<u64>,
    /// What each offset of each partition was said to mean.
    offsets: BTreeMap<(u32, u64), Told>,
    /// The newest open session of each producer.
    owners: BTreeMap<Arc<str>, ConnId>,
    /// How far each consumer is, by partition.
    positions: BTreeMap<(Arc<str>, u32), Position>,
    /// What the auditor has been shown since it last began, by partition, in order; of a strict book alone.
    audited: BTreeMap<u32, Vec<Stored>>,
    /// Of a recording alone.
    producers: BTreeMap<Arc<str>, Producer>,
}

/// What an offset was said to mean.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Told {
    named: Named,
    seen: Ignored<Seen>,
    /// Of a recording alone.
    digest: Option<Digest>,
}

/// How far a consumer is in a partition.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Position {
    /// The highest commit that was confirmed.
    confirmed: u64,
    /// The highest that was asked for. None: nobody has asked in a strict book; in a recording, nobody knows.
    asked: Option<u64>,
    /// A call that may have moved it has an unknown outcome.
    unsure: bool,
}

/// What is known of a producer.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Producer {
    /// The partition and offset of each number that was acknowledged as written.
    acked: BTreeMap<u64, (u32, u64)>,
    /// What the broker's process was sent under a number and has not acknowledged: it may have stored any of it.
    said: BTreeMap<u64, Vec<Digest>>,
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
    topic: Arc<str>,
    producer: Arc<str>,
    partition: u32,
    greeted: bool,
    /// In a recording: the number that it was greeted with, and what is not acknowledged, in order.
    last: u64,
    pending: VecDeque<(u64, Digest)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct ReadStream {
    /// Empty: none. Who reads without one is the auditor.
    consumer: Arc<str>,
    asked: u64,
    sent: u64,
    sessions: BTreeMap<PartitionSessionId, Reading>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Reading {
    topic: Arc<str>,
    partition: u32,
    /// The offset that comes next; none until the reader has said where to begin.
    next: Option<u64>,
    committed: u64,
    /// Taken away.
    lost: bool,
    /// Its topic is gone or its position was moved: what it is told on the way out is of the time before.
    gone: bool,
}

impl Book {
    /// A book of what a broker has said in production. It may begin while streams are open, which are not judged; messages
    /// may be given up or passed over; and it is told of calls, starts and ends. Nobody is blamed for forgetting a producer
    /// until [`Book::remembers`] is told.
    pub fn of_recording() -> Book {
        Book { recording: Some(Recording::default()), ..Book::default() }
    }

    /// The broker remembers so many producers beyond those that there are: before as many more have come, it may forget
    /// none. To be told when it has started.
    pub fn remembers(&mut self, spare: u64) {
        if let Some(recording) = &mut self.recording {
            recording.spare = spare;
        }
    }

    fn digest(&self, codec: Codec, data: &[u8]) -> Option<Digest> {
        self.recording.is_some().then(|| digest(codec, data))
    }

    fn means(
        &mut self,
        seen: Seen,
        topic: &Arc<str>,
        (partition, offset): (u32, u64),
        named: Named,
        digest: Option<Digest>,
    ) -> Result<(), Violation> {
        let topic = self.topics.entry(topic.clone()).or_default();
        let said = |(producer, number): &Named| format!("offset {offset} is number {number} of {producer}");
        let new = || Told { named: named.clone(), seen: Ignored(seen), digest };
        let told = topic.offsets.entry((partition, offset)).or_insert_with(new);
        if told.named != named {
            let what = "an offset that was told before means another message now";
            let violation = Violation::new(OFFSETS_STABLE, what).at(*told.seen, said(&told.named));
            return Err(violation.at(seen, said(&named)));
        }
        if digest.is_some() && told.digest.is_some() && digest != told.digest {
            let what = "a message has another content than it had";
            return Err(Violation::new(CONTENT_AS_WRITTEN, what)
                .at(*told.seen, said(&named))
                .at(seen, "here"));
        }
        told.digest = told.digest.or(digest);
        Ok(())
    }
}

fn digest(codec: Codec, data: &[u8]) -> Digest {
    let mut hasher = Xxh3::new();
    hasher.update(&codec.0.to_le_bytes());
    hasher.update(data);
    hasher.digest128()
}
