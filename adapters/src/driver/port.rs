//! The production [`Port`]: real files and the system's clocks. Decides that disk operations run on the thread that steps
//! the machine, one between any two turns, in the order of their [`Queue`]; unless it is given another [`Disk`].
//!
//! Why there: measured with the counter node of this crate's tests, a thread of its own for the disk costs two
//! switches per operation. One caller with 256-byte appends reached 618,000 calls a second on tmpfs without that
//! thread and 106,000 with it; with 16 and 256 callers, and on ext4 in both cases, the two were equal within the
//! noise of the device, because calls gather while the device syncs either way.
//!
//! Invariant: between two operations control goes back to the driver, so that answers leave and calls come in before
//! the thread blocks again.

use super::files::Files;
use super::metrics::Metrics;
use super::queue::Queue;
use super::record::Recorder;
use super::{Outgoing, Port};
use onceward_core::{CallId, Clock, DiskOp, DiskResult, Dur, Mark, Mono, Node, OpId, Wall};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Where operations are performed; the part of a [`Port`] that is the disk's.
pub(crate) trait Disk {
    /// See [`Port::disk`]. How many wait now.
    fn ask(&mut self, id: OpId, op: DiskOp) -> usize;

    /// See [`Port::completions`].
    fn completions(&mut self, into: &mut Vec<(OpId, DiskResult)>);

    /// See [`Port::ready`].
    fn ready(&self) -> bool;

    /// See [`Port::abandon`].
    fn abandon(&mut self);
}

pub(crate) struct HostPort<D = Here> {
    disk: D,
    metrics: Arc<dyn Metrics>,
    origin: Instant,
    random: u64,
}

/// On the thread that steps the machine.
pub(crate) struct Here {
    queue: Queue,
    performer: Performer,
}

/// Performs operations, and tells of them.
pub(crate) struct Performer {
    pub(crate) files: Files,
    pub(crate) metrics: Arc<dyn Metrics>,
    pub(crate) recorder: Option<Arc<dyn Recorder>>,
}

impl Performer {
    pub(crate) fn perform(&mut self, op: &DiskOp) -> DiskResult {
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

impl Disk for Here {
    fn ask(&mut self, id: OpId, op: DiskOp) -> usize {
        self.queue.push(id, op)
    }

    fn completions(&mut self, into: &mut Vec<(OpId, DiskResult)>) {
        into.extend(self.queue.pop().map(|(id, op)| (id, self.performer.perform(&op))));
    }

    fn ready(&self) -> bool {
        !self.queue.is_empty()
    }

    fn abandon(&mut self) {
        self.queue.clear();
    }
}

impl HostPort {
    pub(crate) fn new(
        files: Files,
        origin: Instant,
        metrics: Arc<dyn Metrics>,
        recorder: Option<Arc<dyn Recorder>>,
    ) -> HostPort {
        let performer = Performer { files, metrics: metrics.clone(), recorder };
        HostPort::on(Here { queue: Queue::default(), performer }, origin, metrics)
    }
}

impl<D: Disk> HostPort<D> {
    /// On a disk of another kind.
    pub(crate) fn on(disk: D, origin: Instant, metrics: Arc<dyn Metrics>) -> HostPort<D> {
        HostPort { disk, metrics, origin, random: RandomState::new().hash_one(0) }
    }
}

impl<N: Node, D: Disk> Port<N> for HostPort<D> {
    fn now(&mut self) -> Clock {
        Clock { mono: Mono(nanos(self.origin.elapsed())), wall: wall() }
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
        let queued = self.disk.ask(id, op);
        self.metrics.queued(queued);
    }

    fn completions(&mut self, into: &mut Vec<(OpId, DiskResult)>) {
        self.disk.completions(into);
    }

    fn ready(&self) -> bool {
        self.disk.ready()
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
        self.disk.abandon();
    }
}

/// The system's wall clock. One before 1970 is one at 1970: nobody draws conclusions from it.
pub(crate) fn wall() -> Wall {
    Wall(nanos(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()))
}

pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
