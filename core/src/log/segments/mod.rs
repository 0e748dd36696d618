//! Segments: opaque records in files, in commit groups, synced, rotated and recovered, as one pure machine.
//!
//! This layer decides framing, grouping, syncs, rotation, recovery and what follows an I/O error. It never looks
//! into a record, never reads a clock, and never promises what it has not proven. The byte format is drawn in
//! `format/mod.rs`; who opens this folder finds `recovery/` (from bytes to a log), `write/` (from records to
//! durable ones), `read/` (from bytes to groups) and `reader.rs` (questions to an open store).
//!
//! # Promises
//!
//! - A unit that was reported by [`Action::Durable`] survives every crash and every I/O error that the disk's
//!   contract ([`crate::disk`]) allows; units are whole or absent; sequences are dense and never used twice.
//! - What was reported by [`Action::Written`] only survives the end of the process.
//! - After a failed or short write, or a failed sync, nothing is appended behind the bytes in doubt, and neither a
//!   second sync nor a read is taken for proof: everything unproven is written again into a new segment whose header
//!   states how far the old one is proven.
//! - Recovery takes any bytes: it gives the one log that they prove, or names the file and the byte why not. It cuts
//!   only beyond the highest durable frontier that any intact group or header states. What it adopts beyond that is
//!   made durable before it is shown or promised.
//! - Footers speed opening; without them the log is the same.
//! - Released segments go from the front, and nothing that was not released goes with them.
//!
//! # The life of a segment
//!
//! ```text
//!  begin (header + carried records, sync, sync folder) ─▶ groups, synced ─▶ seal (footer, sync)
//!        ▲                                                     │  failed or short write, failed sync
//!        └───────────── carries what is unproven ◀─────────────┘  or the end of the incarnation
//! ```
//!
//! A new segment is begun when there is something to write, never by merely opening a store; a restart without
//! appends leaves the folder as it was. Numbers grow and are not reused; a number may be missing where a try to
//! begin a segment failed. Memory: what is accepted and not yet durable, one group while it is encoded, one chunk
//! while reading, about 60 bytes for each segment.

mod api;
mod books;
mod format;
#[cfg(feature = "fuzz")]
pub(super) mod fuzz;
mod read;
mod reader;
mod recovery;
#[cfg(test)]
mod tests;
mod write;

pub use api::{
    Action, Config, FetchError, Input, Location, OP_IDS, Opened, Record, Refused, SyncPolicy, Timer,
};

use crate::log::api::Frontiers;
use crate::{Clock, ConfigError, DiskResult, Machine, OpId, Path};
use alloc::{boxed::Box, vec::Vec};
use reader::Reader;
use recovery::{Outcome, Recovery};
use write::Writer;

/// The interesting places of this layer, as [`crate::Mark`]s.
pub const MARKS: &[&str] = &[
    "segment that never began removed",
    "torn tail cut",
    "footer unusable",
    "adopted tail rewritten",
    "segment replaced",
    "beginning of a segment failed",
    "group of several appends",
    "segment sealed by size",
    "segment sealed by age",
    "footer lost",
    "write failed",
    "short write",
    "sync failed",
    "outcome unknown",
    "disk full",
    "space again",
];

/// Those of a log whose front is released.
pub const RELEASE_MARKS: &[&str] = &["segment released", "release failed", "log begins late"];

const OP_MAIN: OpId = OpId(0);
const OP_WRITE: OpId = OpId(1);
const OP_SYNC: OpId = OpId(2);
const OP_SWEEP: OpId = OpId(3);
const OP_RESERVE: OpId = OpId(4);
const OP_SCAN: OpId = OpId(5);
const OP_RELEASE: OpId = OpId(6);
/// The first of the fetches' ids.
const OP_FETCH: OpId = OpId(16);

/// The segments layer. See the module's documentation; [`Input`] and [`Action`] are its contract.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Segments {
    config: Config,
    phase: Phase,
    reader: Reader,
}

#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    New,
    Recovering(Box<Recovery>),
    Open(Box<Writer>),
    Damaged,
    Closed,
}

impl Segments {
    /// A layer that has not started; [`Input::Boot`] starts it.
    pub fn new(config: Config) -> Result<Segments, ConfigError> {
        config.validate()?;
        Ok(Segments { config, phase: Phase::New, reader: Reader::default() })
    }

    /// The configuration that it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether a unit of so many records and bytes would be taken in now. If so, [`Input::Append`] takes it.
    pub fn admits(&self, records: usize, bytes: u64) -> Result<(), Refused> {
        self.admits_as(false, records, bytes)
    }

    /// The same for one that is urgent, which a full disk takes as long as the room lasts that the reserve has left.
    pub fn admits_urgent(&self, records: usize, bytes: u64) -> Result<(), Refused> {
        self.admits_as(true, records, bytes)
    }

    fn admits_as(&self, urgent: bool, records: usize, bytes: u64) -> Result<(), Refused> {
        match &self.phase {
            Phase::Open(writer) if writer.ready() => writer.admits(&self.config, records, bytes, urgent),
            phase => Err(phase.refused()),
        }
    }

    /// The file of a segment.
    pub fn path(&self, segment: u64) -> Path {
        read::path_of(&self.config.folder, segment)
    }

    /// The sequence of the first record that is there; of the next one if there is none.
    pub fn first_sequence(&self) -> u64 {
        self.writer().map_or(0, Writer::first)
    }

    /// The sequence that the next record gets.
    pub fn next_sequence(&self) -> u64 {
        self.writer().map_or(0, Writer::next)
    }

    /// How far it has come, in records; `visible` equals `durable` here. All zero before recovery is over and after
    /// the end.
    pub fn frontiers(&self) -> Frontiers {
        let Some(writer) = self.writer() else { return Frontiers::default() };
        let (durable, written) = (writer.durable(), writer.written());
        Frontiers { accepted: writer.next(), written, durable, visible: durable }
    }

    /// How many segments hold the log; 0 unless it is open.
    pub fn segments(&self) -> u32 {
        self.writer().map_or(0, |writer| writer.segments.len() as u32)
    }

    /// The record that this answer to a read has brought, if it is the answer to a fetch and brings the whole of it.
    #[cfg(feature = "serde")]
    pub(crate) fn record_in(&self, id: OpId, read: &bytes::Bytes) -> Option<Record> {
        self.reader.record_in(self.writer()?, id, read)
    }

    fn writer(&self) -> Option<&Writer> {
        match &self.phase {
            Phase::Open(writer) => Some(writer),
            _ => None,
        }
    }

    fn recovered(&mut self, outcome: Outcome, out: &mut Vec<Action>) {
        match outcome {
            Outcome::Pending => {}
            Outcome::Done(findings, report) => {
                self.phase = Phase::Open(Box::new(Writer::open(&self.config, *findings, report)));
            }
            Outcome::Refused(damage) => {
                self.phase = Phase::Damaged;
                out.push(Action::Damaged(damage));
            }
        }
    }

    fn disk(&mut self, id: OpId, result: DiskResult, out: &mut Vec<Action>) {
        let config = &self.config;
        let writer = match &mut self.phase {
            Phase::Recovering(recovery) if id == OP_MAIN && !recovery.waits() => {
                let outcome = recovery.disk(config, result, out);
                return self.recovered(outcome, out);
            }
            Phase::Open(writer) => writer,
            _ => return,
        };
        match id {
            OP_MAIN => writer.job_step(config, result, out),
            OP_WRITE => writer.wrote(config, result, out),
            OP_SYNC => writer.synced(config, result, out),
            OP_SWEEP => writer.swept(),
            OP_RESERVE => writer.reserve_step(config, result, out),
            OP_RELEASE => writer.released(&result, out),
            OP_SCAN => self.reader.scanned(config, writer, result, out),
            id => self.reader.fetched(config, writer, id, result, out),
        }
    }

    /// Answers what cannot be done in this phase.
    fn refuse(&self, input: Input, out: &mut Vec<Action>) {
        let refused = self.phase.refused();
        out.extend(match input {
            Input::Append { .. } => Some(Action::Rejected(refused)),
            Input::Barrier { token } => Some(Action::Barrier { token, result: Err(refused) }),
            Input::Fetch { token, .. } => {
                Some(Action::Fetched { token, result: Err(FetchError::Refused(refused)) })
            }
            Input::FetchFooter { token, .. } => {
                Some(Action::FetchedFooter { token, result: Err(FetchError::Refused(refused)) })
            }
            Input::Scan { token } => {
                Some(Action::ScanDone { token, result: Err(FetchError::Refused(refused)) })
            }
            _ => None,
        });
    }

    /// A question to an open store.
    fn asked(&mut self, input: Input, out: &mut Vec<Action>) {
        let config = &self.config;
        let Phase::Open(writer) = &mut self.phase else { return self.refuse(input, out) };
        match input {
            Input::Timer(timer) => writer.timer(config, timer, out),
            Input::NamesDoubted => writer.doubt_names(),
            Input::Footer { segment, body } => writer.footer(config, segment, &body, out),
            input if !writer.ready() => self.refuse(input, out),
            Input::Append { records, urgent } => writer.append(config, records, urgent, out),
            Input::Barrier { token } => writer.barrier(token, out),
            Input::Roll => writer.roll(),
            Input::Release { upto } => writer.release(config, upto),
            Input::Fetch { token, at } => self.reader.fetch(config, writer, token, at, out),
            Input::FetchFooter { token, segment } => {
                self.reader.fetch_footer(config, writer, token, segment, out);
            }
            Input::Scan { token } => self.reader.scan(config, writer, token, out),
            Input::Boot | Input::Disk(..) | Input::FooterVerdict { .. } | Input::Close => {}
        }
    }

    fn close(&mut self, out: &mut Vec<Action>) {
        match &mut self.phase {
            Phase::Open(writer) if writer.ready() => writer.close(),
            // Nothing was promised in this incarnation.
            phase => {
                if *phase != Phase::Damaged {
                    *phase = Phase::Closed;
                }
                out.push(Action::Closed(Ok(())));
            }
        }
    }
}

impl Machine for Segments {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, _: Clock, input: Input, out: &mut Vec<Action>) {
        match (input, &mut self.phase) {
            (Input::Boot, phase @ Phase::New) => {
                let mut recovery = Recovery::new();
                let outcome = recovery.resume(&self.config, out);
                *phase = Phase::Recovering(Box::new(recovery));
                self.recovered(outcome, out);
            }
            (Input::Timer(Timer::Retry), Phase::Recovering(recovery)) if recovery.waits() => {
                let outcome = recovery.resume(&self.config, out);
                self.recovered(outcome, out);
            }
            (Input::FooterVerdict { segment, used }, Phase::Recovering(recovery)) => {
                let outcome = recovery.verdict(&self.config, segment, used, out);
                self.recovered(outcome, out);
            }
            (Input::Disk(id, result), _) => self.disk(id, result, out),
            (Input::Close, _) => self.close(out),
            (input, _) => self.asked(input, out),
        }
        if let Phase::Open(writer) = &mut self.phase {
            writer.advance(&self.config, out);
            if let Some(result) = writer.closed.take() {
                self.reader.end(Refused::Closing, out);
                self.phase = Phase::Closed;
                out.push(Action::Closed(result));
            }
        }
    }
}

impl Phase {
    fn refused(&self) -> Refused {
        if *self == Phase::Closed { Refused::Closing } else { Refused::NotReady }
    }
}
