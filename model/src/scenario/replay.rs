//! Performs exact steps one after another, each at its time, in the order of the text. It draws nothing and schedules
//! nothing: what is not written does not happen. In a replay, a step that is not possible is an error that names the
//! nearest possible ones; for a minimiser it is skipped.

use super::{
    Entry, Planned,
    label::{Names, locate, nearest_labels},
    print::print_planned,
    span::print_span,
};
use crate::world::{Applied, ChoiceOf, Key, Protocol, Sink, Time, Violation, World};
use onceward_core::Dur;
use std::fmt;

/// What to do with a step that is not possible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// It is an error: the text is to describe this very run.
    Replay,
    /// It is left out: the text is being reduced.
    Skip,
}

/// What became of exact steps.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Replayed {
    /// The entries that were left out, by index.
    pub skipped: Vec<usize>,
    /// The entry that broke a promise, and how. Nothing was performed after it.
    pub violation: Option<(usize, Violation)>,
}

/// A step that cannot happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotPossible {
    /// Which entry, by index.
    pub entry: usize,
    /// When.
    pub at: Time,
    /// What.
    pub what: String,
    /// Why not.
    pub why: Why,
    /// The labels of possible steps that are nearest to it.
    pub nearest: Vec<String>,
}

/// Why a step cannot happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// Nothing of this name is pending.
    Unknown,
    /// What it names is gone, or is in no state for it: the node is down, the operation must wait or cannot end so.
    Stale,
    /// The node is paused, or the link is held or cut.
    Blocked,
    /// It says how a later operation ends, which only a scheduler can bring about.
    Timed,
}

/// Performs exact steps in a world, from wherever it is. A violation ends the replay; it is a result, not an error.
///
/// # Errors
/// The first step that is not possible, in [`Mode::Replay`]. The world is left as it was before that step.
pub fn replay_exact<P: Protocol>(
    world: &mut World<P>,
    steps: &[Entry<P>],
    mode: Mode,
    sink: &mut impl Sink<P>,
) -> Result<Replayed, NotPossible> {
    let mut replayed = Replayed::default();
    for (index, entry) in steps.iter().enumerate() {
        let why = match choice_of(world, &entry.what) {
            Err(why) => why,
            Ok(choice) => match world.apply(entry.at, &choice, Key::ANY, sink) {
                Ok(Applied::Done) => continue,
                Ok(Applied::Stale) => Why::Stale,
                Ok(Applied::Blocked) => Why::Blocked,
                Err(violation) => {
                    replayed.violation = Some((index, violation));
                    return Ok(replayed);
                }
            },
        };
        match mode {
            Mode::Skip => replayed.skipped.push(index),
            Mode::Replay => return Err(not_possible(world, index, entry, why)),
        }
    }
    Ok(replayed)
}

fn choice_of<P: Protocol>(world: &World<P>, what: &Planned<P>) -> Result<ChoiceOf<P>, Why> {
    match what {
        Planned::Do(choice) => Ok(choice.clone()),
        Planned::Step(label) => locate(world, label).ok_or(Why::Unknown),
        Planned::Next(..) => Err(Why::Timed),
    }
}

fn not_possible<P: Protocol>(world: &World<P>, entry: usize, step: &Entry<P>, why: Why) -> NotPossible {
    let protocol = &**world.protocol();
    let what = print_planned(protocol, &Names::of(protocol), &step.what);
    let wanted = what.strip_prefix("step ").unwrap_or(&what);
    let mut nearest = nearest_labels(world, wanted, 4);
    nearest.retain(|label| label != wanted);
    nearest.truncate(3);
    NotPossible { entry, at: step.at, what, why, nearest }
}

impl std::error::Error for NotPossible {}

impl fmt::Display for NotPossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotPossible { entry, at, what, why, nearest } = self;
        let at = print_span(Dur(at.0));
        write!(f, "entry {} of the plan, `at {at} {what}`, is not possible: ", entry + 1)?;
        f.write_str(match why {
            Why::Unknown => "nothing of this name is pending",
            Why::Stale => "there is nothing any more that this could happen to",
            Why::Blocked => "the node is paused, or the link is held or cut",
            Why::Timed => "in exact steps, the step itself says how an operation ends",
        })?;
        match nearest.as_slice() {
            [] => Ok(()),
            labels => write!(f, "\n  possible then: {}", labels.join("\n                 ")),
        }
    }
}
