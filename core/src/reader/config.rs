//! How a reader is set up: bounds, spans and their defaults. It decides nothing but whether they are valid.

use super::wire::{Init, TopicFilter};
use crate::backoff::Backoff;
use crate::bounds::{MANY, within};
use crate::{ConfigError, Dur, Window};
use alloc::{sync::Arc, vec::Vec};

/// The settings of a reader. [`Config::new`] gives sensible values, [`Config::validate`] checks them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Config {
    /// What to read; at least one topic.
    pub topics: Vec<TopicFilter>,
    /// The consumer; empty: none, and nothing can be committed.
    pub consumer: Arc<str>,
    /// The caller says where each partition is read from.
    pub caller_begins: bool,
    /// Most bytes that are asked for and delivered and not taken. One message may exceed it. At least 1.
    pub buffer_bytes: u64,
    /// Most commits under way; at least 1.
    pub commits: u32,
    /// A session must be open after this long; not zero.
    pub start_timeout: Dur,
    /// While commits are under way that have nothing to wait for, one must be acknowledged at least this often; not zero.
    pub commit_timeout: Dur,
    /// A close whose commits are not answered after this long gives up.
    pub close_timeout: Dur,
    /// How often a fresh access token is asked for and sent; `None`: never. Not zero.
    pub token_interval: Option<Dur>,
    /// The first wait before a new session; not zero.
    pub backoff: Dur,
    /// The longest; at least `backoff`.
    pub backoff_max: Dur,
}

impl Config {
    /// Sensible values for a reader of one topic.
    pub fn new(path: impl Into<Arc<str>>, consumer: impl Into<Arc<str>>) -> Config {
        let topic = TopicFilter { path: path.into(), partitions: Vec::new(), max_lag: None, read_from: None };
        Config {
            topics: alloc::vec![topic],
            consumer: consumer.into(),
            caller_begins: false,
            buffer_bytes: 16 << 20,
            commits: 100_000,
            start_timeout: Dur::secs(30),
            commit_timeout: Dur::secs(60),
            close_timeout: Dur::secs(30),
            token_interval: None,
            backoff: Dur::millis(50),
            backoff_max: Dur::secs(30),
        }
    }

    /// Checks all bounds.
    ///
    /// # Errors
    /// The first setting that is out of bounds, with the bounds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        within("topics", self.topics.len() as u64, 1, MANY, "")?;
        within("buffer_bytes", self.buffer_bytes, 1, i64::MAX as u64, "")?;
        within("commits", self.commits.into(), 1, MANY, "")?;
        within("start_timeout", self.start_timeout.0, 1, u64::MAX, " ns")?;
        within("commit_timeout", self.commit_timeout.0, 1, u64::MAX, " ns")?;
        within("token_interval", self.token_interval.unwrap_or(Dur::MAX).0, 1, u64::MAX, " ns")?;
        within("backoff", self.backoff.0, 1, u64::MAX, " ns")?;
        within("backoff_max", self.backoff_max.0, self.backoff.0, u64::MAX, " ns, from backoff on")
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
        Init { topics: self.topics.clone(), consumer: self.consumer.clone() }
    }
}
