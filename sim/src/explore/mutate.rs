//! A plan made of another one: a root of its causal keys changed, lines left out, moved or taken over from a donor, chances
//! or settings as the donor has them. What comes out is a plan like a drawn one, with a text, within the system's fault
//! budget; a change that would leave that is not made. The donor is a plan of the same system, drawn or kept.

use super::units::{Kind, kind, units, within};
use crate::{
    minimise::{PARTS, numbered},
    plan::{Dice, Drawn},
};
use onceward_core::Dur;
use onceward_model::{
    scenario::{self, Scenario},
    system::System,
    world::Time,
};

/// Most changes at a time; mostly there are fewer.
const CHANGES: u64 = 8;
/// How far a line is moved.
const SHIFT: (Dur, Dur) = (Dur::micros(1), Dur::secs(1));
/// Seeds that people can read.
const SEEDS: u64 = 1 << 32;

/// A changed copy of a plan. Another one for each state of the dice.
pub(super) fn mutate<S: System>(
    parent: &Drawn<S::Protocol>,
    donor: &Drawn<S::Protocol>,
    dice: &mut Dice,
) -> Drawn<S::Protocol> {
    let Drawn { protocol, scenario, allowed } = parent;
    let mut plan = Drawn { protocol: protocol.clone(), scenario: scenario.clone(), allowed: *allowed };
    let before = scenario.seed;
    for _ in 0..dice.log(1, CHANGES) {
        change::<S>(&mut plan, donor, dice);
    }
    if plan.scenario == parent.scenario || dice.one_in(4) {
        // Every draw of the run is another one.
        plan.scenario.seed = dice.below(SEEDS);
    } else {
        plan.scenario.seed = before;
    }
    plan
}

fn change<S: System>(plan: &mut Drawn<S::Protocol>, donor: &Drawn<S::Protocol>, dice: &mut Dice) {
    let mut changed = plan.scenario.clone();
    match dice.below(6) {
        0 => leave_out(&mut changed, dice),
        1 | 2 => shift(&mut changed, dice),
        3 => take_over(&mut changed, &donor.scenario, dice),
        4 if plan.allowed == donor.allowed => {
            (0..dice.log(1, 3)).for_each(|_| {
                PARTS[dice.below(PARTS.len() as u64) as usize](&mut changed.profile, &donor.scenario.profile);
            });
        }
        4 => {}
        _ => return setting::<S>(plan, &donor.scenario, dice),
    }
    changed.entries.sort_by_key(|entry| entry.at);
    let changed = numbered(changed);
    if within(&changed.entries, &plan.allowed) {
        plan.scenario = changed;
    }
}

fn leave_out<P: onceward_model::world::Protocol>(scenario: &mut Scenario<P>, dice: &mut Dice) {
    let units = units(&scenario.entries);
    if units.len() < 2 {
        return;
    }
    let gone = &units[dice.below(units.len() as u64) as usize];
    let mut at = 0;
    scenario.entries.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
}

/// Moves a unit; sometimes to just before or after another line. A line's root is made of its time too: whatever it sets
/// off is drawn anew.
fn shift<P: onceward_model::world::Protocol>(scenario: &mut Scenario<P>, dice: &mut Dice) {
    let units = units(&scenario.entries);
    if units.is_empty() {
        return;
    }
    let unit = &units[dice.below(units.len() as u64) as usize];
    let first = scenario.entries[unit[0]].at.0;
    let by = dice.span(SHIFT.0, SHIFT.1).0;
    let near = if dice.one_in(2) {
        scenario.entries[dice.below(scenario.entries.len() as u64) as usize].at.0
    } else {
        first
    };
    let to = if dice.one_in(2) { near.saturating_add(by) } else { near.saturating_sub(by) };
    for at in unit {
        let entry = &mut scenario.entries[*at];
        entry.at = Time((entry.at.0 - first).saturating_add(to));
    }
}

/// Takes over faults of the donor: one, some or all. Damage to a medium is drawn for one cluster and stays with it.
fn take_over<P: onceward_model::world::Protocol>(
    scenario: &mut Scenario<P>,
    donor: &Scenario<P>,
    dice: &mut Dice,
) {
    if scenario.header.cluster != donor.header.cluster {
        return;
    }
    let moves = |kind| !matches!(kind, Kind::Call | Kind::Medium | Kind::Stray | Kind::Other);
    let theirs: Vec<_> =
        units(&donor.entries).into_iter().filter(|unit| moves(kind(&donor.entries[unit[0]]))).collect();
    if theirs.is_empty() {
        return;
    }
    if dice.one_in(4) {
        // In the place of its own.
        scenario.entries.retain(|entry| !moves(kind(entry)));
        scenario.entries.extend(theirs.iter().flatten().map(|at| donor.entries[*at].clone()));
        return;
    }
    let one = &theirs[dice.below(theirs.len() as u64) as usize];
    scenario.entries.extend(one.iter().map(|at| donor.entries[*at].clone()));
}

/// One setting as the donor has it, if the cluster can then be built and the plan still be said.
fn setting<S: System>(plan: &mut Drawn<S::Protocol>, donor: &Scenario<S::Protocol>, dice: &mut Dice) {
    let mut changed = plan.scenario.clone();
    let (ours, theirs) = (&mut changed.header.config, &donor.header.config);
    let mut names: Vec<String> = ours.keys().chain(theirs.keys()).cloned().collect();
    names.sort();
    names.dedup();
    // What was drawn for one cluster stays with it.
    let fixed = |kind| matches!(kind, Kind::Space | Kind::Medium | Kind::Stray);
    if names.is_empty() || changed.entries.iter().any(|entry| fixed(kind(entry))) {
        return;
    }
    let name = names.swap_remove(dice.below(names.len() as u64) as usize);
    match theirs.get(&name) {
        Some(value) => drop(ours.insert(name, value.clone())),
        None => drop(ours.remove(&name)),
    }
    let Ok(protocol) = S::build(&changed.header) else { return };
    let reads_back = scenario::load::<S>(&scenario::print(&*protocol, &changed));
    if S::allowed(&protocol) == plan.allowed && reads_back.is_ok_and(|(_, again)| again == changed) {
        (plan.protocol, plan.scenario) = (protocol, changed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;
    use onceward_model::{systems::log::LogSystem, toy::ToySystem};
    use std::collections::BTreeSet;

    fn chain_of_changes<S: System>() {
        let mut dice = Dice::new(7);
        let mut plan = plan::draw::<S>(1).unwrap();
        let mut texts = BTreeSet::new();
        for n in 0..400 {
            let mut donor = plan::draw::<S>(1_000 + n).unwrap();
            if n % 2 == 0 {
                plan::prioritise(&mut donor.scenario);
            }
            if n % 50 == 0 {
                plan = plan::draw::<S>(n).unwrap();
            }
            plan = mutate::<S>(&plan, &donor, &mut dice);
            assert!(within(&plan.scenario.entries, &plan.allowed), "{:?}", plan.scenario);
            let text = scenario::print(&*plan.protocol, &plan.scenario);
            let (_, again) = scenario::load::<S>(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(again, plan.scenario, "{text}");
            texts.insert(text);
        }
        assert!(texts.len() > 380, "{} different plans of 400", texts.len());
    }

    #[test]
    fn changed_plans_of_the_toy_keep_the_budget_and_read_back_from_their_text() {
        chain_of_changes::<ToySystem>();
    }

    #[test]
    fn changed_plans_of_the_log_keep_the_budget_and_read_back_from_their_text() {
        chain_of_changes::<LogSystem>();
    }
}
