//! What can become of one operation: the answers that a device may give and what they leave behind. These are plain
//! values: which of them are possible now is decided by [`Disk::outcomes`](super::Disk::outcomes), what they do by
//! [`Disk::complete`](super::Disk::complete).

use super::label::Label;
use onceward_core::DiskError;

/// How a disk operation ends.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// As on a device without faults. That includes refusals (`NotFound`), a full disk, and an unreadable sector
    /// that is there already. A read that covers undecided sectors finds each in its oldest state.
    Ok,
    /// Only the first bytes of a read or write are done; more than none, fewer than asked.
    Short(u32),
    /// An error, and how much of the effect there is nevertheless.
    ///
    /// A failed sync makes nothing durable and *marks clean* what it should have made durable: the cache goes on
    /// showing it, and a later sync passes it over and says that all is well.
    Fail {
        /// The error that the machine is told.
        error: DiskError,
        /// What was done before. Always [`Reach::Nothing`] for reads, listings and syncs.
        reach: Reach,
    },
    /// A sync that answers without an error and makes nothing durable. A later, honest one does.
    Lie,
    /// A write that the device puts elsewhere, or a read that it takes from elsewhere, in whole sectors and without
    /// an error. Of a write, the cache shows the right bytes in the right place until power is lost; the place
    /// that was hit shows the wrong ones at once.
    Misdirected {
        /// The file that the device hits; for a read, the file read itself.
        file: Label,
        /// The first sector that it hits.
        sector: u32,
    },
    /// A read that decides sectors whose fate was left open by a lazy power loss: for each such sector of the read,
    /// in order, which of its alternatives the disk holds. Alternatives that agree with the named one in the bytes
    /// read stay open.
    Decide(Vec<(u32, u32)>),
}

/// How much of a failed operation was done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reach {
    /// None of it.
    Nothing,
    /// The first bytes of a write.
    Bytes(u32),
    /// All of it.
    All,
}

/// Which kinds of fault [`Disk::outcomes`](super::Disk::outcomes) lists. The default lists none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Faults {
    /// Reads that answer with fewer bytes than there are.
    pub short_reads: bool,
    /// Reads and listings that fail.
    pub read_errors: bool,
    /// Reads that answer with another sector of the same file.
    pub misdirected_reads: bool,
    /// Writes that write fewer bytes than asked.
    pub short_writes: bool,
    /// Writes that fail, having written nothing, a part or all.
    pub write_errors: bool,
    /// Writes that end in another sector of the same file.
    pub misdirected_writes: bool,
    /// Syncs of files and folders that fail.
    pub sync_errors: bool,
    /// Syncs of files and folders that lie.
    pub lies: bool,
    /// Creating, renaming, removing, allocating and setting the length may fail, done or not.
    pub name_errors: bool,
}

impl Faults {
    /// A device without faults.
    pub const NONE: Faults = Faults {
        short_reads: false,
        read_errors: false,
        misdirected_reads: false,
        short_writes: false,
        write_errors: false,
        misdirected_writes: false,
        sync_errors: false,
        lies: false,
        name_errors: false,
    };
}

/// Whether a list of possibilities is whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use = "a list that was cut proves nothing"]
pub enum Bound {
    /// All are listed.
    Complete,
    /// There are more than the limit allowed; some are missing.
    Cut,
}
