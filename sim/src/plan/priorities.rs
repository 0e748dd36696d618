//! Plans whose chains of cause and effect have priorities: the plan of the same seed, its latencies taken out of play.
//! What else the seed decides stays as it is, so that the two ways to order things can be compared seed by seed.

use super::dice::Dice;
use onceward_model::{
    scenario::{Planned, Scenario},
    world::{Choice, Protocol},
};

/// A stream of its own: that of the seed is used up by the plan.
const STREAM: u64 = 0x7072_696f_7269_7479;
/// A bug of more ordering constraints than this is left to luck.
const DEEPEST: u64 = 4;
/// Steps of a run, as measured over the shipped systems: so many, and so many for each call.
const STEPS: (u64, u64) = (20, 10);

/// Gives a plan priorities. The depth, which is the number of change points and one, is drawn from the seed.
pub(crate) fn prioritise<P: Protocol>(scenario: &mut Scenario<P>) {
    let mut dice = Dice::new(scenario.seed ^ STREAM);
    let depth = 1 + dice.below(DEEPEST);
    let is_call = |what: &Planned<P>| matches!(what, Planned::Do(Choice::Call(..)));
    let calls = scenario.entries.iter().filter(|entry| is_call(&entry.what)).count() as u64;
    let steps = STEPS.0 + STEPS.1 * calls;
    let profile = &mut scenario.profile;
    // What priorities do not use is not there to be read.
    (profile.untimed, profile.tail, profile.tail_max) = (false, 0, onceward_core::Dur::ZERO);
    profile.priorities = true;
    profile.change = ((depth - 1) * 1_000_000 / steps) as u32;
}
