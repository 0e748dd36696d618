//! How a pool is set up: bounds, spans and their defaults. It decides nothing but whether they are valid.

use crate::bounds::within;
use crate::{ConfigError, Dur, Path};

/// The settings of a pool. [`Config::default`] gives sensible values.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Config {
    /// The folder of its files; not that of the log.
    pub folder: Path,
    /// How long messages may be in the log alone; `None`: until there is enough of them, or the log is to be cut. Not zero.
    pub flush_interval: Option<Dur>,
    /// A file gets no more than so many bytes; one record always fits. 1 to 1 GiB. A file is read as a whole, and given up as a whole: larger ones cost readers and retention, smaller
    /// ones memory (about 80 bytes each) and names.
    pub segment_bytes: u64,
    /// A file gets nothing more when it is this old, so that retention finds old messages in old files; not zero.
    pub segment_age: Dur,
    /// A partition is flushed when it has so many bytes in the log alone; at least 1.
    pub flush_bytes: u64,
    /// All partitions are flushed when together they have so many bytes in the log alone; at least 1. Until then the disk is
    /// the log's: bursts are taken in faster.
    pub undrained_bytes: u64,
    /// No message is taken in while so many bytes are in the log alone; at least `undrained_bytes`.
    pub backlog_bytes: u64,
    /// How many partitions are flushed at once, 1 to 64. Each takes the memory of a file.
    pub flushes: u32,
    /// How many files are read at once, 1 to 64. Each takes the memory of a file.
    pub loads: u32,
    /// Memory for files that were read.
    pub cache_bytes: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            folder: Path::from("pool"),
            flush_interval: Some(Dur::secs(5)),
            segment_bytes: 1 << 20,
            segment_age: Dur::secs(3600),
            flush_bytes: 256 << 20,
            undrained_bytes: 256 << 20,
            backlog_bytes: 1 << 30,
            flushes: 8,
            loads: 8,
            cache_bytes: 64 << 20,
        }
    }
}

impl Config {
    /// The first setting that is out of its bounds.
    pub(in super::super) fn validate(&self, log: &Path) -> Result<(), ConfigError> {
        let own = u64::from(self.folder != *log && self.folder != Path::root());
        within("pool.folder", own, 1, 1, ": 0 stands for the root or the log's folder")?;
        within("pool.flush_interval", self.flush_interval.map_or(1, |span| span.0), 1, u64::MAX, " ns")?;
        within("pool.segment_bytes", self.segment_bytes, 1, 1 << 30, "")?;
        within("pool.segment_age", self.segment_age.0, 1, u64::MAX, " ns")?;
        within("pool.flush_bytes", self.flush_bytes, 1, u64::MAX, "")?;
        within("pool.undrained_bytes", self.undrained_bytes, 1, u64::MAX, "")?;
        within("pool.backlog_bytes", self.backlog_bytes, self.undrained_bytes, u64::MAX, "")?;
        within("pool.flushes", self.flushes.into(), 1, 64, "")?;
        within("pool.loads", self.loads.into(), 1, 64, "")
    }
}
