//! What a picture is drawn from: one run as plain data, in words and numbers, without a type of the protocol. Steps are
//! named by their numbers, lanes by their places in [`Recording::lanes`].

use super::{frame::Frame, states::States};
use crate::minimise::{Nearest, Passing};
use serde::Serialize;

/// One run, as far as a picture shows it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Recording {
    /// The scenario, or the system whose random plan it is.
    pub name: String,
    /// What the scenario shows; empty if nobody has said.
    pub about: String,
    /// What its chances were drawn from.
    pub seed: u64,
    /// The command that shows it again.
    pub replay: String,
    /// The plan, as scenario text.
    pub plan: String,
    /// The promise that was broken, if any.
    pub broken: Option<Broken>,
    /// How many steps lead to that.
    pub leading: Option<u64>,
    /// The closest run that passes, if one was looked for.
    pub nearest: Option<Nearest>,
    /// Nodes first, then clients.
    pub lanes: Vec<Lane>,
    /// How many steps the run has.
    pub total: u64,
    /// Those that are shown, in order.
    pub steps: Vec<Step>,
    /// What was sent, calls and answers included.
    pub messages: Vec<Message>,
    /// What was written and not durable, and what became of it.
    pub stays: Vec<Stay>,
    /// Syncs, from being asked for to being answered.
    pub syncs: Vec<Sync>,
    /// Times in which something was wrong.
    pub spans: Vec<Span>,
    /// The states of nodes that steps refer to.
    pub(super) states: States,
}

/// A broken promise.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Broken {
    /// Its id.
    pub promise: String,
    /// What is promised, in one sentence; empty if the system does not say.
    pub says: String,
    /// In what way it was broken.
    pub what: String,
    /// The contradicting steps, each with when it was in nanoseconds and what happened there.
    pub evidence: Vec<(u64, u64, String)>,
}

/// A node or a client.
#[derive(Clone, Debug, Serialize)]
pub struct Lane {
    /// Its name.
    pub name: String,
    /// Which of the two.
    pub kind: LaneKind,
    /// Its number among those of its kind.
    pub number: u32,
}

/// What a lane stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LaneKind {
    /// A machine with a disk and clocks.
    Node,
    /// Someone who calls.
    Client,
    /// The harness, which asks once faults have ended.
    Probe,
}

/// What kind of thing happened in a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A client called.
    Call,
    /// Something arrived.
    Message,
    /// A disk operation ended.
    Disk,
    /// A timer fired.
    Timer,
    /// A process started.
    Boot,
    /// A process or a computer went down.
    Crash,
    /// A clock changed its ways.
    Clock,
    /// Something else went wrong, or ceased to.
    Fault,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its number, from 1.
    pub n: u64,
    /// When, in simulated nanoseconds.
    pub at: u64,
    /// The lane on which it happened, if it is one's.
    pub lane: Option<usize>,
    /// What kind of thing it was.
    pub kind: Kind,
    /// Whether something went wrong there.
    pub fault: bool,
    /// What happened, as a line of scenario text.
    pub text: String,
    /// What machines made of it.
    pub taken: Vec<Taken>,
    /// The state of the lane's node before it, by its number among the states.
    pub before: Option<usize>,
    /// The state after it.
    pub after: Option<usize>,
    /// Whether it leads to the broken promise; all do where none is broken.
    pub leads: bool,
}

/// A step of a machine.
#[derive(Clone, Debug, Serialize)]
pub struct Taken {
    /// Its lane.
    pub lane: usize,
    /// What its monotonic clock showed, in nanoseconds.
    pub mono: u64,
    /// How far its wall clock was ahead of true time, in nanoseconds.
    pub ahead: i64,
    /// What it was given.
    pub input: String,
    /// What it answered.
    pub actions: Vec<String>,
    /// How many of these were performed before it was killed in the middle; all if absent.
    pub performed: Option<usize>,
}

/// Something that was sent.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// What.
    pub label: String,
    /// The lane it came from.
    pub from: usize,
    /// The lane it was meant for.
    pub to: usize,
    /// The step that sent it.
    pub sent: u64,
    /// The step at which it arrived or was lost.
    pub until: Option<u64>,
    /// What became of it.
    pub fate: Fate,
    /// Whether it is a copy that the network made.
    pub copy: bool,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is still under way.
    Underway,
    /// It arrived.
    Arrived,
    /// It never will.
    Lost,
    /// It arrived damaged, or was found to be.
    Damaged,
}

/// Something on a disk that was not durable.
#[derive(Clone, Debug, Serialize)]
pub struct Stay {
    /// The node's lane.
    pub lane: usize,
    /// The operation that brought it about.
    pub what: String,
    /// The step at which the cache had it.
    pub from: u64,
    /// The step from which on no sync can save it any more, because one failed or the device erred.
    pub doomed: Option<u64>,
    /// The step at which it came to its end.
    pub until: Option<u64>,
    /// What became of it.
    pub end: End,
}

/// What became of something that was not durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// It is still not durable.
    Open,
    /// A sync made it durable.
    Synced,
    /// Power was lost, and it was on the device all the same.
    Kept,
    /// Power was lost, and it was gone.
    Lost,
    /// Power was lost, and part of it was there, or something else.
    Torn,
    /// Power was lost, and what the device holds shows when it is read.
    Undecided,
    /// Something newer took its place, or its file was removed.
    Replaced,
}

/// A sync.
#[derive(Clone, Debug, Serialize)]
pub struct Sync {
    /// The node's lane.
    pub lane: usize,
    /// The operation.
    pub what: String,
    /// The step that asked for it.
    pub from: u64,
    /// The step at which it ended.
    pub until: Option<u64>,
    /// How.
    pub end: SyncEnd,
}

/// How a sync ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncEnd {
    /// It has not.
    Open,
    /// What it covers is durable.
    Done,
    /// With an error.
    Failed,
    /// The device said that all was well, and did nothing.
    Lied,
    /// The process went down first.
    Cut,
}

/// A time in which something was wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Span {
    /// What.
    pub trouble: Trouble,
    /// The node's lane; the sender's, for a link.
    pub lane: usize,
    /// The receiver's lane, for a link.
    pub to: Option<usize>,
    /// The step at which it began; 0 if it always was so.
    pub from: u64,
    /// The step at which it ended.
    pub until: Option<u64>,
}

/// What was wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trouble {
    /// The process did not run.
    Down,
    /// The computer had no power.
    Dark,
    /// The process was not scheduled.
    Paused,
    /// A link lost everything.
    Cut,
    /// A link kept everything back.
    Held,
}

/// Faults outside the frame that are shown all the same.
pub(super) const MOST_FAULTS: usize = 48;

impl Recording {
    /// The numbers of the contradicting steps, in order.
    pub fn contradiction(&self) -> Vec<u64> {
        let steps = self.broken.iter().flat_map(|broken| &broken.evidence).map(|(step, ..)| *step);
        let mut steps: Vec<u64> = steps.collect();
        steps.sort_unstable();
        steps.dedup();
        steps
    }

    /// The closest run that passes, if one was found.
    pub(super) fn passing(&self) -> Option<&Passing> {
        self.nearest.as_ref()?.passing.as_ref()
    }

    /// The same run, with at most about so many steps and what hangs on them.
    pub(super) fn narrowed(&self, most: u64) -> Recording {
        let mut narrow = self.clone();
        let parting = self.passing().map(|passing| passing.step);
        let wanted: Vec<u64> = self.contradiction().into_iter().chain(parting).collect();
        narrow.keep(&Frame::of(self.total, &wanted, most), (most / 4) as usize);
        narrow
    }

    /// The same run without the states of nodes.
    pub(super) fn without_states(&self) -> Recording {
        let mut bare = self.clone();
        bare.steps.iter_mut().for_each(|step| (step.before, step.after) = (None, None));
        bare.states = States::default();
        bare
    }

    /// Forgets what no step of the frame shows. A few faults are kept wherever they are.
    pub(super) fn keep(&mut self, frame: &Frame, faults: usize) {
        let mut faults = faults.min(MOST_FAULTS);
        self.steps.retain(|step| {
            let shown = frame.shows(step.n);
            let fault = !shown && step.fault && faults > 0;
            faults -= usize::from(fault);
            shown || fault
        });
        let numbers: Vec<u64> = self.steps.iter().map(|step| step.n).collect();
        let shown = |step: u64| numbers.binary_search(&step).is_ok();
        let during = |from: u64, until: Option<u64>| {
            let at = numbers.partition_point(|n| *n < from);
            numbers.get(at).is_some_and(|n| until.is_none_or(|until| *n <= until))
        };
        self.messages.retain(|message| shown(message.sent) || message.until.is_some_and(shown));
        self.stays.retain(|stay| during(stay.from, stay.until));
        self.syncs.retain(|sync| during(sync.from, sync.until));
        self.spans.retain(|span| during(span.from, span.until));
        let wanted = self.steps.iter_mut().flat_map(|step| [&mut step.before, &mut step.after]);
        self.states = self.states.only(wanted.flatten());
    }
}
