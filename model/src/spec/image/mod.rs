//! The event log's files as an outsider reads them: from the bytes alone, by the description of the format, with code
//! that shares nothing with the store's. What acknowledged events a disk holds is decided here, and that the hash
//! chains recompute; how a store opens, repairs or continues such files is not this module's business.
//!
//! The reader knows one rule of truth: a log ends in the highest segment that has begun, and each segment's header
//! says how much of its predecessor counts. What lies beyond, and every footer, is ignored. The log of a topic broker is such
//! a log as well; what it holds is read by [`messages`].

mod bytes;
mod chain;
mod judge;
pub mod messages;
mod pack;
mod record;
mod segment;
#[cfg(test)]
mod tests;

pub use judge::judge;

use crate::world::disk::Image;
use onceward_core::Path;
use std::fmt;

/// What the files say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contents {
    /// All events, in order of position.
    pub events: Vec<Stored>,
    /// The digest over the whole store.
    pub digest: [u8; 32],
}

/// One event as it stands on the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Its entity.
    pub entity: String,
    /// Its sequence there: how many came before it.
    pub sequence: u64,
    /// Its id.
    pub id: u128,
    /// Its kind.
    pub kind: String,
    /// Its scope.
    pub scope: String,
    /// The first event of its conversation, itself if need be.
    pub correlation: u128,
    /// Its cause.
    pub causation: Option<u128>,
    /// Milliseconds and counter of its logical time.
    pub time: u64,
    /// What it carries.
    pub payload: Vec<u8>,
    /// The entity's hash chain at this event, recomputed.
    pub link: [u8; 32],
}

/// Why files are no log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable {
    /// The file.
    pub file: String,
    /// The byte at which it stops making sense.
    pub at: u64,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.file, self.at, self.what)
    }
}

/// Reads the log in a folder of an image. A folder without a segment that has begun is an empty log.
///
/// # Errors
/// Where the files contradict themselves below what a header says is proven.
pub fn read(image: &Image, folder: &Path) -> Result<Contents, Unreadable> {
    let log = chain::records(image, folder, false)?;
    let mut contents = Contents::default();
    let mut reader = record::Chains::default();
    for unit in &log.units {
        reader.unit(unit, &mut contents)?;
    }
    Ok(contents)
}
