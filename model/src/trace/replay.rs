//! Performs a trace again, in a fresh world built from its own scenario, and demands the same chain, step by step.

use super::{Chain, Divergence, Recorder, Step, Trace, compare::parting};
use crate::{
    scenario::{Names, Planned, ScenarioError, load, locate, parse_entry},
    system::{Numbering, System},
    world::{Applied, ChoiceOf, Key, Nobody, Violation, World},
};

/// What a replay came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replay {
    /// The chain at the end, which is the trace's.
    pub chain: Chain,
    /// The promise that the last step broke, if it did.
    pub violation: Option<Violation>,
}

/// Why a trace could not be performed again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReplayError {
    /// Its scenario cannot be read by this build.
    #[error("the scenario of this trace cannot be read: {0}")]
    Scenario(#[from] ScenarioError),
    /// A step cannot be read.
    #[error("step {step}, `{line}`, cannot be read: {what}")]
    Unreadable {
        /// Which, from 1.
        step: usize,
        /// What it says.
        line: String,
        /// What is wrong with it.
        what: String,
    },
    /// A step is not possible here.
    #[error("step {step}, `{line}`, is not possible here")]
    Impossible {
        /// Which, from 1.
        step: usize,
        /// What it says.
        line: String,
    },
    /// The runs part: the trace is on the left, this run on the right.
    #[error("{0}")]
    Diverged(Box<Divergence>),
}

/// Performs a trace again.
///
/// # Errors
/// The first step that cannot be performed, or after which this run is another one than the trace tells.
pub fn replay<S: System>(trace: &Trace) -> Result<Replay, ReplayError> {
    let (protocol, _) = load::<S>(&trace.header.scenario)?;
    let names = Names::of(&*protocol);
    let mut world = World::new(protocol.clone(), trace.header.memory);
    let mut recorder = Recorder::new(&protocol, trace.header.clone());
    let mut violation = None;
    for (n, step) in trace.steps.iter().enumerate() {
        let choice = choice_of::<S>(&world, &names, step, n + 1)?;
        // A broken promise ends a run: there is no step after it.
        let applied = match &violation {
            None => recorder.apply(&mut world, step.at, &choice, Key::ANY, &mut Nobody),
            Some(_) => Ok(Applied::Stale),
        };
        match applied {
            Ok(Applied::Done) => {}
            Ok(_) => return Err(ReplayError::Impossible { step: n + 1, line: step.line.clone() }),
            Err(broken) => violation = Some(broken),
        }
        let ours = recorder.steps().last();
        if let Some(how) = parting(Some(step), ours) {
            let divergence = Divergence { step: n + 1, how, left: Some(step.clone()), right: ours.cloned() };
            return Err(ReplayError::Diverged(Box::new(divergence)));
        }
    }
    Ok(Replay { chain: recorder.chain(), violation })
}

fn choice_of<S: System>(
    world: &World<S::Protocol>,
    names: &Names,
    step: &Step,
    number: usize,
) -> Result<ChoiceOf<S::Protocol>, ReplayError> {
    if let Some(label) = step.line.strip_prefix("step ") {
        let impossible = || ReplayError::Impossible { step: number, line: step.line.clone() };
        return locate(world, label).ok_or_else(impossible);
    }
    let unreadable = |what: String| ReplayError::Unreadable { step: number, line: step.line.clone(), what };
    let mut numbering = step.call.map(Numbering::from).unwrap_or_default();
    let read = parse_entry::<S>(world.protocol(), names, &mut numbering, &step.line, 0);
    match read.map_err(|problem| unreadable(problem.what))?.pop() {
        Some(Planned::Do(choice)) => Ok(choice),
        _ => Err(unreadable("this is no single choice".to_owned())),
    }
}
