//! How a broker is set up: bounds, spans and their defaults. It decides nothing but whether they are valid.

use super::pool;
use crate::bounds::{MANY, within};
use crate::log::segments;
use crate::{ConfigError, Dur, Path};

/// The settings of a broker. [`Config::new`] gives sensible values, [`Config::validate`] checks them.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Config {
    /// How its log is kept. The log's policy should be a [prompt](segments::SyncPolicy::is_prompt) one: nothing is answered
    /// before it is durable.
    pub segments: segments::Config,
    /// How messages are kept that are drained from the log.
    pub pool: pool::Config,
    /// After so many bytes of records a checkpoint is written, so that the log before it can be given up; at least 1. It is
    /// what a start has to read, about twice.
    pub checkpoint_bytes: u64,
    /// Most topics; at least 1.
    pub topics: u32,
    /// Most partitions of one topic; at least 1.
    pub partitions: u32,
    /// Most consumers of one topic; at least 1.
    pub consumers: u32,
    /// Most bytes of one message, payload and metadata together; 1 to 48 MiB.
    pub message_bytes: u32,
    /// Messages of one request that are stored together, in one record, have about so many bytes at most; one message
    /// always fits. 1 to 48 MiB.
    pub record_bytes: u32,
    /// Most bytes of requests that a write session may have waiting for room in the log. Who sends more is told that the
    /// broker is overloaded.
    pub session_bytes: u64,
    /// A reader is sent no more than so many bytes at once, unless a single message is larger; at least 1. Some clients
    /// take no more than 4 MiB.
    pub response_bytes: u32,
    /// Memory for messages that were written last, so that readers who keep up cause no reads of the disk.
    pub tail_bytes: u64,
    /// How many producers are remembered: those that opened a session or wrote last. A producer that was forgotten
    /// begins anew, and what it sends again is stored again. At least 1.
    pub producers: u64,
    /// Most open read and write sessions, each; at least 1.
    pub sessions: u32,
    /// How long a reader may take to give up a partition before it is taken away; not zero.
    pub stop_timeout: Dur,
    /// How often the broker looks for messages that are to be given up; not zero.
    pub retention_interval: Dur,
    /// Most reads of the log at once, 1 to 64.
    pub fetches: u32,
    /// Most calls that wait for the log; at least 1.
    pub waiting_calls: u32,
}

const MIB: u64 = 1 << 20;

impl Config {
    /// Sensible values for a broker of its own in `folder`.
    pub fn new(folder: Path, store_id: u128) -> Config {
        let mut segments = segments::Config::new(folder, store_id);
        segments.queue_bytes = 128 * MIB;
        segments.policy = segments::SyncPolicy::Pipelined;
        segments.group_bytes = 2 << 20;
        // So that a full disk takes what was accepted, and what makes room.
        segments.reserve_bytes = segments.queue_bytes + 16 * MIB;
        segments.releases = true;
        Config {
            segments,
            pool: pool::Config::default(),
            checkpoint_bytes: 256 * MIB,
            topics: 10_000,
            partitions: 1_000,
            consumers: 1_000,
            message_bytes: 48 << 20,
            record_bytes: 1 << 20,
            session_bytes: 128 * MIB,
            response_bytes: 1 << 20,
            tail_bytes: 64 * MIB,
            producers: 1_000_000,
            sessions: 100_000,
            stop_timeout: Dur::secs(30),
            retention_interval: Dur::secs(60),
            fetches: 32,
            waiting_calls: 10_000,
        }
    }

    /// Checks all bounds.
    ///
    /// # Errors
    /// The first setting that is out of bounds, with the bounds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.segments.validate()?;
        self.pool.validate(&self.segments.folder)?;
        let message = u64::from(self.message_bytes);
        let least = 2 * message.max(self.record_bytes.into()) + RECORD_OVERHEAD;
        within("checkpoint_bytes", self.checkpoint_bytes, 1, u64::MAX, "")?;
        within("topics", self.topics.into(), 1, MANY, "")?;
        within("partitions", self.partitions.into(), 1, MANY, "")?;
        within("consumers", self.consumers.into(), 1, MANY, "")?;
        within("message_bytes", message, 1, 48 * MIB, "")?;
        within("record_bytes", self.record_bytes.into(), 1, 48 * MIB, "")?;
        within(
            "segments.queue_bytes",
            self.segments.queue_bytes,
            least,
            u64::MAX,
            ", room for the largest record twice",
        )?;
        within("session_bytes", self.session_bytes, message, u64::MAX, ", room for one message")?;
        within("response_bytes", self.response_bytes.into(), 1, MANY, "")?;
        within("producers", self.producers, 1, u64::MAX, "")?;
        within("sessions", self.sessions.into(), 1, MANY, "")?;
        within("stop_timeout", self.stop_timeout.0, 1, u64::MAX, " ns")?;
        within("retention_interval", self.retention_interval.0, 1, u64::MAX, " ns")?;
        within("fetches", self.fetches.into(), 1, 64, "")?;
        within("waiting_calls", self.waiting_calls.into(), 1, MANY, "")
    }
}

/// The most that a record costs besides its payloads and what each message adds: names, and the session's description.
const RECORD_OVERHEAD: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Config::new(Path::root(), 1).validate().unwrap();
    }

    #[test]
    fn each_bound_is_checked_and_named() {
        let good = Config::new(Path::root(), 1);
        for (field, bad) in [
            ("topics", Config { topics: 0, ..good.clone() }),
            ("message_bytes", Config { message_bytes: 0, ..good.clone() }),
            (
                "segments.queue_bytes",
                Config { record_bytes: 48 << 20, message_bytes: 48 << 20, ..small(&good) },
            ),
            ("session_bytes", Config { session_bytes: 1, ..good.clone() }),
            ("stop_timeout", Config { stop_timeout: Dur::ZERO, ..good.clone() }),
            ("fetches", Config { fetches: 65, ..good.clone() }),
        ] {
            assert_eq!(bad.validate().unwrap_err().field, field);
        }
    }

    fn small(good: &Config) -> Config {
        let mut small = good.clone();
        small.segments.queue_bytes = 16 << 20;
        small
    }
}
