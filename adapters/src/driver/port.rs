//! The production [`Port`]: real files and the system's clocks. Decides that disk operations
//! run on the thread that steps the machine, one between any two turns, in the order asked for.
//!
//! Why there: measured with the counter node of this crate's tests, a thread of its own for the disk costs two
//! switches per operation. One caller with 256-byte appends reached 618,000 calls a second on tmpfs without that
//! thread and 106,000 with it; with 16 and 256 callers, and on ext4 in both cases, the two were equal within the
//! noise of the device, because calls gather while the device syncs either way.
//!
//! What a machine does in the background, by the number of its operations (from [`OP_IDS`] on), makes way for the rest, so
//! that no call waits for more than one such operation: but for one after every [`TURNS`] others, so that it goes on.
//!
//! Invariant: between two operations control goes back to the driver, so that answers leave and calls come in before
//! the thread blocks again.

use super::files::Files;
use super::metrics::Metrics;
use super::record::Recorder;
use super::{Outgoing, Port};
use onceward_core::log::segments::OP_IDS;
use onceward_core::{CallId, Clock, DiskOp, DiskResult, Dur, Mark, Mono, Node, OpId, Wall};
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How many operations may come before one that makes way.
const TURNS: u32 = 8;

pub(crate) struct HostPort {
    files: Files,
    waiting: VecDeque<(OpId, DiskOp)>,
    /// Operations that make way.
    background: VecDeque<(OpId, DiskOp)>,
    /// How many others there were since the last of these.
    others: u32,
    metrics: Arc<dyn Metrics>,
    recorder: Option<Arc<dyn Recorder>>,
    origin: Instant,
    random: u64,
}

impl HostPort {
    pub(crate) fn new(
        files: Files,
        origin: Instant,
        metrics: Arc<dyn Metrics>,
        recorder: Option<Arc<dyn Recorder>>,
    ) -> HostPort {
        HostPort {
            files,
            waiting: VecDeque::new(),
            background: VecDeque::new(),
            others: 0,
            metrics,
            recorder,
            origin,
            random: RandomState::new().hash_one(0),
        }
    }

    fn perform(&mut self, op: &DiskOp) -> DiskResult {
        let number = self.recorder.as_ref().map(|recorder| recorder.started(op));
        let begun = Instant::now();
        let result = self.files.perform(op);
        let took = Dur(nanos(begun.elapsed()));
        tracing::trace!(path = %op.path(), ok = result.is_ok(), nanos = took.0, "disk operation");
        if let (Some(recorder), Some(number)) = (&self.recorder, number) {
            recorder.finished(number, &result);
        }
        self.metrics.disk(op, &result, took);
        result
    }
}

impl<N: Node> Port<N> for HostPort {
    fn now(&mut self) -> Clock {
        // A wall clock before 1970 is a wall clock at 1970: machines draw no conclusions from it.
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Clock { mono: Mono(nanos(self.origin.elapsed())), wall: Wall(nanos(wall)) }
    }

    fn entropy(&mut self) -> u64 {
        // splitmix64: jitter needs spread, not secrecy.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn disk(&mut self, id: OpId, op: DiskOp) {
        let queue = if id.0 < OP_IDS { &mut self.waiting } else { &mut self.background };
        queue.push_back((id, op));
        self.metrics.queued(self.waiting.len() + self.background.len());
    }

    fn completions(&mut self, into: &mut Vec<(OpId, DiskResult)>) {
        let background = self.waiting.is_empty() || self.others >= TURNS;
        let (first, second) = match background {
            true => (&mut self.background, &mut self.waiting),
            false => (&mut self.waiting, &mut self.background),
        };
        let next = first.pop_front().or_else(|| second.pop_front());
        self.others = if background { 0 } else { self.others + 1 };
        if let Some((id, op)) = next {
            into.push((id, self.perform(&op)));
        }
    }

    fn ready(&self) -> bool {
        !(self.waiting.is_empty() && self.background.is_empty())
    }

    fn reply(&mut self, call: CallId, _: N::Response) {
        tracing::error!(?call, "an answer that nobody waits for: dropped");
    }

    fn network(&mut self, action: Outgoing<N::Message>) {
        // For a node without messages, who has nobody to open a connection to either.
        tracing::error!(?action, "a node without this network asked for it: ignored");
    }

    fn mark(&mut self, mark: Mark) {
        self.metrics.mark(mark);
    }

    fn abandon(&mut self) {
        self.waiting.clear();
        self.background.clear();
    }
}

pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
