//! Recordings of a machine in production: everything that it was told, its state now and then, and a digest of
//! everything that it answered, so that the same code can be made to do the same again, elsewhere and later, and the
//! promises judged over what really happened. [`record()`] gives the tap that does it, [`read()`] reads a recording back.
//! What a recording means is not decided here.
//!
//! # A recording
//!
//! A folder of *chunks*, `0000000000.chunk` and so on, one for each so many bytes; the oldest are removed when all
//! together exceed what was allowed. Each chunk can be understood without those before it: it opens with a snapshot of the
//! machine and the calls that were under way.
//!
//! A chunk is a line `onceward recording 2` and then frames, integers little-endian:
//!
//! ```text
//! ┌──────────┬────────┬───────────────┬──────────┐
//! │ length 4 │ kind 1 │ body length-1 │ sum 8    │   sum: xxh3 of kind and body, seeded with the sum before it
//! └──────────┴────────┴───────────────┴──────────┘
//!  H  header: of what machine, where its log is, which run, how far it had come        (once, first)
//!  M  the machine                                                                      (once, second)
//!  S  a step: clocks, what it was told; in 16 bytes, the digest chain after it          (any number)
//!  P  a step in which the machine panicked: clocks, what it was told                    (the last step of a run)
//!  C  contents of a call or of a step: where the log holds them, or themselves           (after it)
//!  E  the end: how many steps this chunk has, the digest chain, and what comes next     (once, last)
//! ```
//!
//! Contents are payloads: of a request, of something said on a connection, or of a record that was read from the disk.
//!
//! Bodies are [postcard](https://docs.rs/postcard). A link of the digest chain is the xxh3 of the link before it, the
//! clocks, what the machine was told without contents, and its actions, without the contents of what it said itself.
//!
//! # What it costs
//!
//! The thread that steps the machine encodes what it is told; digests, check sums and writing are left to a thread of
//! their own. If that cannot keep up, steps are left out, and the recording says so and goes on with a new snapshot: it never holds the
//! machine up. Files are not synced: a recording survives the end of the process, not of the power. What a process
//! that was killed had not handed over, 2 ms of it, is missing at the end.
//!
//! Invariant: what was read is what was recorded, or an error says where it is not.

mod chunk;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod owed;
mod read;
mod tap;
#[cfg(test)]
mod tests;
mod writer;

pub use chunk::{Begins, Contents, Ends, Flaw, Header, Whose};
pub use read::{Chunk, ReadError, Run, Step, read, system};
pub use tap::record;

use onceward_core::{Action, DiskOp, NodeAction, recorded::Recorded};
use std::path::PathBuf;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Where and how much to record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// The folder of the recording; made if it is not there. One process at a time may record into it.
    pub folder: PathBuf,
    /// A new chunk begins after so many bytes of steps, or after [`PER_SNAPSHOT`] times the size of the snapshot that
    /// the chunk opens with, whichever is more.
    pub chunk_bytes: u64,
    /// The oldest chunks are removed when all together have more bytes than this. The last chunk but one, and the one
    /// that is being written, always stay.
    pub ring_bytes: u64,
    /// How many steps may wait to be written. If there are more, steps are left out up to the next snapshot.
    pub waiting: usize,
}

/// Snapshots cost at most this part of what steps do, in bytes.
pub const PER_SNAPSHOT: u64 = 8;

impl Recording {
    /// A recording in chunks of 64 MiB, 1 GiB of them, with 65,536 steps that may wait.
    pub fn into_folder(folder: impl Into<PathBuf>) -> Recording {
        Recording { folder: folder.into(), chunk_bytes: 64 << 20, ring_bytes: 1 << 30, waiting: 1 << 16 }
    }
}

/// From so many bytes on, what is written to a file is not copied for its digest.
const STREAMED: usize = 1024;

/// The digest chain over what a machine is told and answers: for a recording, and for whoever repeats it.
#[derive(Clone, Debug, Default)]
pub struct Digest {
    link: u128,
    buffer: Vec<u8>,
}

impl Digest {
    /// At a link of the chain.
    pub fn at(link: u128) -> Digest {
        Digest { link, buffer: Vec::new() }
    }

    /// The last link.
    pub fn link(&self) -> u128 {
        self.link
    }

    /// Adds a step. `told`: the clocks and what the machine was told, as a recording writes it.
    pub fn step<N: Recorded>(&mut self, told: &[u8], actions: &[NodeAction<N>]) {
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.link.to_le_bytes());
        self.buffer.extend_from_slice(told);
        let mut streamed: Option<Xxh3> = None;
        for action in actions {
            // What is written to files is most of it: to copy it first would cost as much as the digest.
            if let Action::Disk(id, DiskOp::Write { path, offset, data }) = action
                && data.len() >= STREAMED
            {
                chunk::put(&(9u8, id, path, offset, data.len()), &mut self.buffer);
                let hasher = streamed.get_or_insert_with(Xxh3::new);
                hasher.update(&self.buffer);
                hasher.update(data);
                self.buffer.clear();
            } else {
                chunk::put_action::<N>(action, &mut self.buffer);
            }
        }
        self.link = match streamed {
            None => xxh3_128(&self.buffer),
            Some(mut hasher) => {
                hasher.update(&self.buffer);
                hasher.digest128()
            }
        };
    }
}
