//! Counts what happens in runs.

use crate::engine::Watch;
use onceward_core::{Clock, DiskOp, NodeAction, NodeId, NodeInput};
use onceward_model::world::{
    Choice, ChoiceOf, EPOCH, Key, Protocol, Seen, Sink, When, World,
    disk::{Damage, Outcome},
};

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// A kind of thing that random runs must meet.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[allow(missing_docs)]
        pub(super) enum Kind { $($kind),* }

        impl Kind {
            pub(super) const ALL: [Kind; [$(Kind::$kind),*].len()] = [$(Kind::$kind),*];
        }
    };
}

kinds! {
    Call, Deliver, Advance, Fire, Boot, Drop, Duplicate, Replay, Corrupt, Break, Cut, Heal, Hold, Release, Kill,
    KillWithin, PowerLoss, Pause, Resume, FullDisk, ClockChange, ShortWrite, ShortRead, FailedWrite, FailedRead,
    FailedSync,
}

/// Counts what happens in runs.
#[derive(Default)]
pub(super) struct Census {
    counts: [u64; Kind::ALL.len()],
    /// What was tried last, and whether as a fault while a call was open: it has happened if the next step has another
    /// number.
    tried: Option<(u64, Option<Kind>, Struck)>,
    pub(super) faults: u64,
    pub(super) faults_at_work: u64,
    pub(super) wall_ahead: u64,
    pub(super) wall_behind: u64,
    pub(super) mono_apart: u64,
    boots: Vec<(NodeId, Seen, Clock)>,
}

#[derive(Clone, Copy)]
enum Struck {
    No,
    AtRest,
    AtWork,
}

impl Census {
    pub(super) fn of(&self, kind: Kind) -> u64 {
        self.counts[kind as usize]
    }

    /// A run has ended.
    pub(super) fn end(&mut self) {
        self.tried = None;
        self.boots.clear();
    }

    fn settle(&mut self, step: u64) {
        let Some((_, kind, struck)) = self.tried.take().filter(|(tried, ..)| *tried < step) else { return };
        if let Some(kind) = kind {
            self.counts[kind as usize] += 1;
        }
        self.faults += u64::from(!matches!(struck, Struck::No));
        self.faults_at_work += u64::from(matches!(struck, Struck::AtWork));
    }
}

fn kind<P: Protocol>(world: &World<P>, choice: &ChoiceOf<P>) -> Option<Kind> {
    Some(match choice {
        Choice::Call(..) => Kind::Call,
        Choice::Deliver(..) => Kind::Deliver,
        Choice::Advance(..) => Kind::Advance,
        Choice::Fire(..) => Kind::Fire,
        Choice::Boot(..) => Kind::Boot,
        Choice::Drop(..) => Kind::Drop,
        Choice::Duplicate(..) => Kind::Duplicate,
        Choice::Replay(..) => Kind::Replay,
        Choice::Corrupt(..) => Kind::Corrupt,
        Choice::Break(..) => Kind::Break,
        Choice::Cut(..) => Kind::Cut,
        Choice::Heal(..) => Kind::Heal,
        Choice::Hold(..) => Kind::Hold,
        Choice::Release(..) => Kind::Release,
        Choice::Kill(..) => Kind::Kill,
        Choice::KillWithin(..) => Kind::KillWithin,
        Choice::PowerLoss(..) => Kind::PowerLoss,
        Choice::Pause(_) => Kind::Pause,
        Choice::Resume(_) => Kind::Resume,
        Choice::Damage(_, Damage::Capacity(Some(_))) => Kind::FullDisk,
        Choice::Clock(..) => Kind::ClockChange,
        Choice::Disk(node, op, outcome) => {
            let (_, what) = world.get(*node)?.disk.pending().find(|(id, _)| id == op)?;
            match (what, outcome) {
                (DiskOp::Write { .. }, Outcome::Short(_)) => Kind::ShortWrite,
                (DiskOp::Read { .. }, Outcome::Short(_)) => Kind::ShortRead,
                (DiskOp::Write { .. }, Outcome::Fail { .. }) => Kind::FailedWrite,
                (DiskOp::Read { .. }, Outcome::Fail { .. }) => Kind::FailedRead,
                (DiskOp::Sync { .. } | DiskOp::SyncDir(_), Outcome::Fail { .. }) => Kind::FailedSync,
                _ => return None,
            }
        }
        Choice::Wipe(_) | Choice::Damage(..) => return None,
    })
}

impl<P: Protocol> Sink<P> for Census {
    fn born(&mut self, _: Key, _: ChoiceOf<P>, _: When) {}

    fn input(&mut self, seen: Seen, node: NodeId, clock: Clock, input: &NodeInput<P::Node>) {
        let true_wall = EPOCH.0.saturating_add(seen.at.0);
        self.wall_ahead += u64::from(clock.wall.0 > true_wall);
        self.wall_behind += u64::from(clock.wall.0 < true_wall);
        if matches!(input, onceward_core::Input::Boot) {
            self.boots.retain(|(other, ..)| *other != node);
            self.boots.push((node, seen, clock));
        }
        if let Some((_, booted, then)) = self.boots.iter().find(|(other, ..)| *other == node) {
            let (true_span, span) = (seen.at.since(booted.at), clock.mono.since(then.mono));
            self.mono_apart += u64::from(true_span != span);
        }
    }

    fn actions(&mut self, _: Seen, _: NodeId, _: Clock, _: &[NodeAction<P::Node>]) {}
}

impl<P: Protocol> Watch<P> for Census {
    fn choice(&mut self, world: &World<P>, seen: Seen, _: Key, choice: &ChoiceOf<P>) {
        self.settle(seen.step);
        let struck = match (choice.is_fault(), world.calls().is_empty()) {
            (false, _) => Struck::No,
            (true, true) => Struck::AtRest,
            (true, false) => Struck::AtWork,
        };
        self.tried = Some((seen.step, kind(world, choice), struck));
    }
}
