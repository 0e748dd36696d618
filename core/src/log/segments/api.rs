//! What the segments layer is told and what it says: values only, no decisions.
//!
//! The layer above (a *store*) hands in opaque records and hears where they stand and how far they are proven. It
//! owns their meaning; this layer owns the files. Invariant of the vocabulary: a record is known by its *sequence*,
//! dense from 0 in the order of acceptance, and a sequence never names two records that were both promised.

use crate::bounds::within;
use crate::log::api::{Damage, Recovered};
use crate::{ConfigError, DiskError, DiskOp, DiskResult, Dur, Mark, OpId, Path, SyncKind, Window};
use alloc::{boxed::Box, vec::Vec};
use bytes::Bytes;

/// How a store's segments are kept. See [`Config::validate`] for the bounds.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Config {
    /// The folder that holds the segments; created if it is missing. The root needs no creation, and is the better
    /// place: a folder's own name of which a sync once failed cannot be made durable again by any operation.
    pub folder: Path,
    /// The identity of a store that is created; an existing store keeps its own.
    pub store_id: u128,
    /// What a torn write may spoil at most, in bytes: a power of two between 16 and 65536, 512 on usual devices.
    /// Existing segments keep the one that they were written with.
    pub sector: u32,
    /// A segment is sealed before it would grow beyond this many bytes; one group always fits.
    pub segment_bytes: u64,
    /// The same for the first segment. Each one after it may be twice as large as the one before, until it may have
    /// `segment_bytes`: a small log is kept in small files. No less than `segment_bytes`: all are alike.
    pub first_segment_bytes: u64,
    /// A segment is sealed when its first record is this old; `None`: by size alone.
    pub segment_age: Option<Dur>,
    /// When written groups are synced.
    pub policy: SyncPolicy,
    /// How groups are synced.
    pub kind: SyncKind,
    /// Whether a new segment is given all its bytes at once, so that syncs need not write metadata.
    pub preallocate: bool,
    /// A commit group takes up no further unit beyond this many bytes of records; one unit always fits.
    pub group_bytes: u32,
    /// A commit group takes up no further unit beyond this many records; one unit always fits.
    pub group_records: u32,
    /// Most bytes of records, with [`Config::RECORD_COST`] added for each, that may be accepted and not yet durable.
    pub queue_bytes: u64,
    /// Space held back in a file of its own and given free when the disk is full, so that what was accepted can still
    /// be written. 0: none. Useful from `queue_bytes` upwards.
    pub reserve_bytes: u64,
    /// How long to wait before what failed is tried again.
    pub retry: Window,
    /// How often a failing operation is tried before its outcome is called unknown, or a file unreadable; at least 1.
    pub attempts: u32,
    /// How many bytes are read at once in recovery and scans.
    pub read_chunk: u32,
    /// Whether recovery reads every record even where a footer would do.
    pub full_scan: bool,
    /// Whether the front of the log may be gone, by [`Input::Release`]. Otherwise a log that does not begin with its first
    /// record is refused as damaged.
    pub releases: bool,
}

/// When a group that is written is synced.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SyncPolicy {
    /// Each group, before the next is written: what is written is durable a moment later.
    PerGroup,
    /// Each group, and the next may be written meanwhile: the device need not wait for the machine. For drivers that perform
    /// operations in threads of their own; the promise is that of [`SyncPolicy::PerGroup`].
    Pipelined,
    /// After this many records, and when the oldest unsynced one is `age` old.
    EveryRecords {
        /// How many records, at least 1.
        records: u32,
        /// An idle tail waits no longer than this.
        age: Dur,
    },
    /// When the oldest unsynced record is `age` old.
    Interval {
        /// How old.
        age: Dur,
    },
}

/// Where a record's frame stands.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Location {
    /// The segment's number.
    pub segment: u64,
    /// First byte of the frame in the file.
    pub offset: u64,
    /// Length of the frame in bytes.
    pub len: u32,
}

/// The layer's timers.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// The oldest unsynced record becomes too old.
    Sync,
    /// The active segment becomes too old.
    Age,
    /// What failed is to be tried again.
    Retry,
}

/// What can happen to the layer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Input {
    /// The process has started.
    Boot,
    /// A disk operation of this layer is done.
    Disk(OpId, DiskResult),
    /// A timer of this layer has fired.
    Timer(Timer),
    /// Takes in one atomic unit: after any crash all of its records are there or none. They get the sequences from
    /// `Segments::next_sequence` on, unless [`Action::Rejected`] answers. Ask `Segments::admits` first.
    Append {
        /// At least one.
        records: Vec<Bytes>,
        /// Whether a full disk is to take it all the same, as long as the reserve's room lasts: by what makes room, a store
        /// that is full of its own records helps itself. Ask `Segments::admits_urgent` then.
        urgent: bool,
    },
    /// Makes everything accepted so far durable, whatever the policy. Answered by [`Action::Barrier`].
    Barrier {
        /// Names the question.
        token: u64,
    },
    /// Answers [`Action::Sealing`]; the body may be empty (then there is no footer).
    Footer {
        /// The segment.
        segment: u64,
        /// What the store wants back by [`Action::FooterFound`]; opaque.
        body: Bytes,
    },
    /// Answers [`Action::FooterFound`].
    FooterVerdict {
        /// The segment.
        segment: u64,
        /// Whether the store took its records from the footer; otherwise they are replayed.
        used: bool,
    },
    /// Reads one record. Answered by [`Action::Fetched`].
    Fetch {
        /// Names the question.
        token: u64,
        /// Where it stands.
        at: Location,
    },
    /// Reads a footer. Answered by [`Action::FetchedFooter`].
    FetchFooter {
        /// Names the question.
        token: u64,
        /// The segment.
        segment: u64,
    },
    /// Reads every durable record back from the disk. Answered by [`Action::Scanned`] for each, then by
    /// [`Action::ScanDone`]. One at a time.
    Scan {
        /// Names the question.
        token: u64,
    },
    /// What is written next begins a segment.
    Roll,
    /// A sync of the log's folder that somebody else had asked for has failed: it may have taken with it the news of every
    /// name that was not durable, and the next one, of which nobody will hear anything bad, covers none of them.
    NamesDoubted,
    /// Everything below this sequence is of no use any more: gives up the whole segments that hold nothing else, the
    /// lowest first, each durably before the next. What is there after any crash is an end of the log. What fails is
    /// tried again with the next release. Ignored unless [`Config::releases`].
    Release {
        /// The first sequence that is still of use.
        upto: u64,
    },
    /// Takes in nothing more, makes everything durable, seals the segment. Answered by [`Action::Closed`].
    Close,
}

/// What the layer asks for and reports.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    /// Starts a disk operation. Ids are below [`OP_IDS`].
    Disk(OpId, DiskOp),
    /// Starts a timer, or starts it anew.
    Arm(Timer, Window),
    /// Stops a timer.
    Disarm(Timer),
    /// An interesting place was reached: one of [`super::MARKS`].
    Mark(Mark),

    /// Recovery found that the log begins here, as what was in front was released. Comes before the first record, and not
    /// at all if that is record 0.
    Starts {
        /// Sequence of the first record.
        first: u64,
    },
    /// Recovery found a record. They come in order of sequence, without gaps except where a footer was used.
    /// Nothing may be shown or promised before [`Action::Ready`].
    Replayed {
        /// Its sequence.
        sequence: u64,
        /// Where it stands.
        at: Location,
        /// The record.
        body: Bytes,
        /// Whether it is the last of its unit.
        last: bool,
    },
    /// Recovery found a sound footer, in its place in the order of [`Action::Replayed`], and waits for
    /// [`Input::FooterVerdict`].
    FooterFound {
        /// The segment.
        segment: u64,
        /// Sequence of the segment's first record.
        first: u64,
        /// Sequence after that of its last record.
        end: u64,
        /// The body as it was handed in.
        body: Bytes,
    },
    /// Recovery is over: from now on appends, fetches and scans are taken.
    Ready(Box<Opened>),
    /// Recovery refuses: nothing more happens in this incarnation.
    Damaged(Damage),

    /// Records got their places, as they are being written; again when they are written anew elsewhere.
    Placed {
        /// Sequence of the first.
        first: u64,
        /// Where it and those after it stand.
        at: Vec<Location>,
    },
    /// A sync of the log's folder has failed: whoever else waits for a name in it begins anew; see [`Input::NamesDoubted`].
    NamesDoubted,
    /// Everything below this sequence is written: it survives the end of the process.
    Written {
        /// The first sequence that is not.
        upto: u64,
    },
    /// Everything below this sequence is durable: it survives the loss of power.
    Durable {
        /// The first sequence that is not.
        upto: u64,
    },
    /// I/O errors keep these records from being proven. They may be there after a recovery. This incarnation goes on
    /// trying, keeps them in order and gives their sequences to nobody else; [`Action::Durable`] may cover them yet.
    Unknown {
        /// The first of them.
        from: u64,
        /// The first sequence after them.
        upto: u64,
        /// The last error.
        cause: DiskError,
    },
    /// An [`Input::Append`] was not taken. Nothing was changed.
    Rejected(Refused),
    /// A segment gets no more records; to be answered by [`Input::Footer`].
    Sealing {
        /// The segment.
        segment: u64,
        /// Sequence of its first record.
        first: u64,
        /// Sequence after that of its last record.
        end: u64,
    },
    /// The segment's footer is durable; if it could not be written, this does not come, and nothing is lost but speed.
    Sealed {
        /// The segment.
        segment: u64,
    },
    /// The disk is full: appends are refused as [`Refused::Full`] until [`Action::Space`].
    Full,
    /// Appends are taken again after [`Action::Full`] or [`Action::Unknown`].
    Space,
    /// Answers [`Input::Barrier`].
    Barrier {
        /// The question.
        token: u64,
        /// `Ok`: durable. `Err(Refused::Disk)`: unknown.
        result: Result<(), Refused>,
    },
    /// Answers [`Input::Fetch`].
    Fetched {
        /// The question.
        token: u64,
        /// The record, checked.
        result: Result<Record, FetchError>,
    },
    /// Answers [`Input::FetchFooter`].
    FetchedFooter {
        /// The question.
        token: u64,
        /// The footer's body, checked; `None`: there is no sound one.
        result: Result<Option<Bytes>, FetchError>,
    },
    /// A record of [`Input::Scan`].
    Scanned {
        /// The question.
        token: u64,
        /// Its sequence.
        sequence: u64,
        /// Where it stands.
        at: Location,
        /// The record.
        body: Bytes,
        /// Whether it is the last of its unit.
        last: bool,
    },
    /// A scan is over.
    ScanDone {
        /// The question.
        token: u64,
        /// How many segments were read; all records below `durable` at the start of the scan were reported.
        result: Result<u32, FetchError>,
    },
    /// Answers [`Input::Close`]: nothing more happens in this incarnation. `Err`: some records stay unproven.
    Closed(Result<(), DiskError>),
}

/// What recovery hands over.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Opened {
    /// The store's identity.
    pub store_id: u128,
    /// What recovery found and did; `events` counts records.
    pub report: Recovered,
    /// Sequence of the first record that is there.
    pub first: u64,
    /// The next record's sequence. All records below are durable: while what recovery adopted cannot be proven,
    /// because the disk is full or keeps failing, recovery goes on.
    pub next: u64,
}

/// A record read back.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Record {
    /// Its sequence.
    pub sequence: u64,
    /// The record as it was handed in.
    pub body: Bytes,
}

/// Why something was not taken in.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Refused {
    /// Recovery is not over, or has refused.
    #[error("not ready")]
    NotReady,
    /// Too much is queued.
    #[error("the queue is full")]
    Overloaded,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The disk keeps failing.
    #[error("the disk fails: {0}")]
    Disk(DiskError),
    /// Closing or closed.
    #[error("closing")]
    Closing,
    /// A unit without records, or larger than the queue or the format allows.
    #[error("a unit of {bytes} bytes does not fit")]
    Size {
        /// Its cost in bytes.
        bytes: u64,
    },
}

/// Why a record was not read.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum FetchError {
    /// The layer is not ready, or is busy with as many reads as it takes at once.
    #[error("not now: {0}")]
    Refused(Refused),
    /// The record was written anew elsewhere: see the latest [`Action::Placed`].
    #[error("the record has moved")]
    Moved,
    /// The record was given up: see [`Input::Release`].
    #[error("the record was released")]
    Released,
    /// The read failed.
    #[error("the disk failed: {0}")]
    Disk(DiskError),
    /// What was read is not what was written.
    #[error("damaged: {0}")]
    Damaged(Damage),
}

/// The layer's [`OpId`]s are below this.
pub const OP_IDS: u32 = 512;

impl SyncPolicy {
    /// Whether a group is synced as soon as it is written, so that what is durable follows what is written.
    pub fn is_prompt(self) -> bool {
        matches!(self, SyncPolicy::PerGroup | SyncPolicy::Pipelined)
    }
}

impl Config {
    /// What a record costs in the queue besides its bytes.
    pub const RECORD_COST: u64 = 64;

    /// Sensible values for a store of its own in `folder`.
    pub fn new(folder: Path, store_id: u128) -> Config {
        Config {
            folder,
            store_id,
            sector: 512,
            segment_bytes: 64 << 20,
            first_segment_bytes: 4 << 20,
            segment_age: None,
            policy: SyncPolicy::PerGroup,
            kind: SyncKind::Data,
            preallocate: true,
            group_bytes: 1 << 20,
            group_records: 4096,
            queue_bytes: 16 << 20,
            reserve_bytes: 0,
            retry: Window { from: Dur::millis(50), to: Dur::millis(200) },
            attempts: 4,
            read_chunk: 1 << 20,
            full_scan: false,
            releases: false,
        }
    }

    /// How many bytes the segment of this number may have.
    pub fn bytes_of(&self, number: u64) -> u64 {
        let doubled = u32::try_from(number).ok().and_then(|times| 1u64.checked_shl(times));
        let bytes = doubled.and_then(|factor| self.first_segment_bytes.checked_mul(factor));
        bytes.map_or(self.segment_bytes, |bytes| bytes.min(self.segment_bytes))
    }

    /// Checks all bounds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        within("sector", self.sector.into(), 16, 65536, "")?;
        if !self.sector.is_power_of_two() {
            let (is, note) = (self.sector.into(), " and be a power of two");
            return Err(ConfigError { field: "sector", is, least: 16, most: 65536, note });
        }
        within("segment_bytes", self.segment_bytes, 1, 1 << 40, "")?;
        within("first_segment_bytes", self.first_segment_bytes, 1, 1 << 40, "")?;
        within("group_bytes", self.group_bytes.into(), 1, 1 << 30, "")?;
        within("group_records", self.group_records.into(), 1, 1 << 24, "")?;
        within("queue_bytes", self.queue_bytes, 1, 1 << 30, "")?;
        within("reserve_bytes", self.reserve_bytes, 0, 1 << 40, "")?;
        within("attempts", self.attempts.into(), 1, 1 << 16, "")?;
        within("read_chunk", self.read_chunk.into(), 64, 1 << 28, "")?;
        if let SyncPolicy::EveryRecords { records, .. } = self.policy {
            within("records between syncs", records.into(), 1, u32::MAX.into(), "")?;
        }
        Ok(())
    }
}
