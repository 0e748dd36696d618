//! How a writer is set up: bounds, spans and their defaults. It decides nothing but whether they are valid.

use super::{api::MESSAGE_COST, wire::Init};
use crate::backoff::Backoff;
use crate::bounds::{MANY, within};
use crate::{ConfigError, Dur, Window};
use alloc::sync::Arc;

/// The settings of a writer. [`Config::new`] gives sensible values, [`Config::validate`] checks them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Config {
    /// The topic; not empty.
    pub path: Arc<str>,
    /// The producer, 1 to 2048 bytes. Without one a server cannot recognise what it has stored before, and nothing could
    /// be sent twice safely.
    pub producer_id: Arc<str>,
    /// A partition if it is to be that one; else the producer's id decides.
    pub partition: Option<u32>,
    /// Most bytes of one message, payload (encoded) and metadata together; 1 to 48 MiB.
    pub message_bytes: u32,
    /// Most bytes that are accepted and unanswered, each message with [`MESSAGE_COST`] on top; room for one message of
    /// [`message_bytes`](Config::message_bytes) at least. Beyond, writes are refused until there is room again.
    pub buffer_bytes: u64,
    /// Most messages in flight; at least `batch_messages`.
    pub in_flight: u32,
    /// A request takes no more messages than this, and is sent as soon as it is full; at least 1.
    pub batch_messages: u32,
    /// A request takes no more bytes than this (one larger message still goes), and is sent as soon as it is full; 1 to
    /// 48 MiB, which stays below the 64,000,000 bytes that servers take in one frame.
    pub batch_bytes: u32,
    /// A request is sent at latest when its first message has waited this long.
    pub batch_wait: Dur,
    /// A session must be open after this long; not zero.
    pub start_timeout: Dur,
    /// While messages are in flight, one must be acknowledged at least this often; not zero.
    pub ack_timeout: Dur,
    /// A close that has not delivered everything after this long gives up.
    pub close_timeout: Dur,
    /// How often a fresh access token is asked for and sent; `None`: never. Not zero.
    pub token_interval: Option<Dur>,
    /// The first wait before a new session; not zero.
    pub backoff: Dur,
    /// The longest; at least `backoff`.
    pub backoff_max: Dur,
    /// Most flushes, and most closes, that wait at a time; at least 1.
    pub waiters: u32,
}

const MIB: u64 = 1 << 20;

impl Config {
    /// Sensible values. A request waits 10 ms at most, so that a lone message is on its way soon; under load requests are
    /// full long before, so that a longer wait would buy nothing.
    pub fn new(path: impl Into<Arc<str>>, producer_id: impl Into<Arc<str>>) -> Config {
        Config {
            path: path.into(),
            producer_id: producer_id.into(),
            partition: None,
            message_bytes: 48 << 20,
            buffer_bytes: 256 << 20,
            in_flight: 1000,
            batch_messages: 200,
            batch_bytes: 1 << 20,
            batch_wait: Dur::millis(10),
            start_timeout: Dur::secs(30),
            ack_timeout: Dur::secs(60),
            close_timeout: Dur::secs(30),
            token_interval: None,
            backoff: Dur::millis(50),
            backoff_max: Dur::secs(30),
            waiters: 1024,
        }
    }

    /// Checks all bounds.
    ///
    /// # Errors
    /// The first setting that is out of bounds, with the bounds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let message = u64::from(self.message_bytes);
        within("path", self.path.len() as u64, 1, 4096, " bytes")?;
        within("producer_id", self.producer_id.len() as u64, 1, 2048, " bytes")?;
        within("message_bytes", message, 1, 48 * MIB, "")?;
        within(
            "buffer_bytes",
            self.buffer_bytes,
            message + MESSAGE_COST,
            u64::MAX,
            ", room for one message",
        )?;
        within("batch_messages", self.batch_messages.into(), 1, MANY, "")?;
        within(
            "in_flight",
            self.in_flight.into(),
            self.batch_messages.into(),
            MANY,
            ", from batch_messages on",
        )?;
        within("batch_bytes", self.batch_bytes.into(), 1, 48 * MIB, "")?;
        within("start_timeout", self.start_timeout.0, 1, u64::MAX, " ns")?;
        within("ack_timeout", self.ack_timeout.0, 1, u64::MAX, " ns")?;
        within("token_interval", self.token_interval.unwrap_or(Dur::MAX).0, 1, u64::MAX, " ns")?;
        within("backoff", self.backoff.0, 1, u64::MAX, " ns")?;
        within("backoff_max", self.backoff_max.0, self.backoff.0, u64::MAX, " ns, from backoff on")?;
        within("waiters", self.waiters.into(), 1, MANY, "")
    }

    /// How long to wait for a new session after so many losses in a row, from 0: equal jitter, which is half of a span
    /// that doubles, and up to as much again. The driver draws.
    pub fn retry_window(&self, losses: u32) -> Window {
        self.backoff().window(losses)
    }

    pub(super) fn backoff(&self) -> Backoff {
        Backoff { first: self.backoff, longest: self.backoff_max }
    }

    pub(super) fn init(&self) -> Init {
        Init {
            path: self.path.clone(),
            producer_id: self.producer_id.clone(),
            partition: self.partition,
            group: Arc::from(""),
            session_meta: Arc::new([]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Config::new("topic", "producer").validate().unwrap();
    }

    #[test]
    fn each_bound_is_checked_and_named() {
        let good = Config::new("topic", "producer");
        for (field, bad) in [
            ("path", Config { path: "".into(), ..good.clone() }),
            ("producer_id", Config { producer_id: "".into(), ..good.clone() }),
            ("message_bytes", Config { message_bytes: (48 << 20) + 1, ..good.clone() }),
            ("buffer_bytes", Config { buffer_bytes: 48 << 20, ..good.clone() }),
            ("batch_messages", Config { batch_messages: 0, ..good.clone() }),
            ("in_flight", Config { in_flight: 199, ..good.clone() }),
            ("batch_bytes", Config { batch_bytes: 0, ..good.clone() }),
            ("start_timeout", Config { start_timeout: Dur::ZERO, ..good.clone() }),
            ("ack_timeout", Config { ack_timeout: Dur::ZERO, ..good.clone() }),
            ("token_interval", Config { token_interval: Some(Dur::ZERO), ..good.clone() }),
            ("backoff", Config { backoff: Dur::ZERO, ..good.clone() }),
            ("backoff_max", Config { backoff_max: Dur::millis(49), ..good.clone() }),
            ("waiters", Config { waiters: 0, ..good.clone() }),
        ] {
            assert_eq!(bad.validate().unwrap_err().field, field);
        }
    }
}
