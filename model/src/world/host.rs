//! One simulated computer: a process that may be down, its disk, its timers and its clocks. This module holds the
//! parts together; what happens to them is in [`World::apply`](super::World::apply).

use super::{Clocks, Disk, Ignored, Key};
use onceward_core::{Mono, Node, OpId};

/// A timer that has been armed and has not fired.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Armed<T> {
    /// Its name.
    pub timer: T,
    /// Its causal name.
    pub key: Ignored<Key>,
    /// On the node's monotonic clock: not before the first, from a healthy driver not after the second.
    pub due: Ignored<(Mono, Mono)>,
}

/// A disk operation without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Asked {
    pub(super) op: OpId,
    pub(super) key: Ignored<Key>,
    /// Whether the sink knows that it may be completed: it does once no earlier operation is in its way.
    pub(super) announced: Ignored<bool>,
}

/// One simulated computer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Host<N: Node> {
    /// The process; `None` while it is down.
    pub node: Option<N>,
    /// The configuration of the last start.
    pub config: u8,
    /// Whether the process is not being scheduled.
    pub paused: bool,
    /// Whether the computer has power: without, it answers nothing at all.
    pub powered: bool,
    /// Its disk, which outlives the process.
    pub disk: Disk,
    /// Its clocks.
    pub clocks: Clocks,
    /// The next step is cut short after so many actions.
    pub cut_short: Option<u16>,
    /// Sorted by name.
    pub(super) timers: Vec<Armed<N::Timer>>,
    /// Unanswered disk operations, in order of submission.
    pub(super) ops: Vec<Asked>,
}

impl<N: Node> Host<N> {
    pub(super) fn new(disk: Disk) -> Host<N> {
        Host {
            node: None,
            config: 0,
            paused: false,
            powered: true,
            disk,
            clocks: Clocks::new(),
            cut_short: None,
            timers: Vec::new(),
            ops: Vec::new(),
        }
    }

    /// Whether the process runs and is scheduled.
    pub fn runs(&self) -> bool {
        self.node.is_some() && !self.paused
    }

    /// The timers that are armed, by name.
    pub fn timers(&self) -> &[Armed<N::Timer>] {
        &self.timers
    }

    /// The disk operations that were not answered yet, in order of submission.
    pub fn ops(&self) -> impl Iterator<Item = OpId> + '_ {
        self.ops.iter().map(|asked| asked.op)
    }

    /// The causal name of an operation that was not answered yet.
    pub fn op(&self, op: OpId) -> Option<Key> {
        self.ops.iter().find(|asked| asked.op == op).map(|asked| asked.key.0)
    }

    pub(super) fn arm(&mut self, timer: N::Timer, key: Key, due: (Mono, Mono)) {
        let armed = Armed { timer, key: Ignored(key), due: Ignored(due) };
        match self.timers.binary_search_by(|a| a.timer.cmp(&timer)) {
            Ok(at) => self.timers[at] = armed,
            Err(at) => self.timers.insert(at, armed),
        }
    }

    pub(super) fn disarm(&mut self, timer: N::Timer) {
        if let Ok(at) = self.timers.binary_search_by(|a| a.timer.cmp(&timer)) {
            self.timers.remove(at);
        }
    }

    /// Looks an armed timer up.
    pub fn armed(&self, timer: N::Timer) -> Option<&Armed<N::Timer>> {
        let at = self.timers.binary_search_by(|a| a.timer.cmp(&timer)).ok()?;
        self.timers.get(at)
    }

    /// The process is gone: nothing is left of it but the disk.
    pub(super) fn forget_process(&mut self) {
        self.node = None;
        self.paused = false;
        self.cut_short = None;
        self.timers.clear();
        self.ops.clear();
    }
}
