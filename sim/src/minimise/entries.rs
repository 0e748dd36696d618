//! The first part of the work, on plans that leave something to chance: leaves out entries, and switches off classes of
//! chance, while every draw that is left stays what it was. An entry's root is made of what it says, so nothing may be
//! said in another way here; numbers of calls stay as they are.

use super::{
    ddmin::ddmin,
    judge::{Judge, Of},
    profiles,
};
use onceward_model::{
    scenario::{Entry, Profile, Scenario},
    system::System,
    world::Time,
};
use std::sync::Arc;

/// Leaves out what is not needed.
pub(super) fn reduce<S: System>(
    judge: &mut Judge<'_, S>,
    protocol: &Arc<Of<S>>,
    scenario: &mut Scenario<Of<S>>,
) {
    cut_off(judge, protocol, scenario);
    loop {
        let before = scenario.clone();
        entries(judge, protocol, scenario);
        chances(judge, protocol, scenario);
        if *scenario == before || judge.is_over() {
            return;
        }
    }
}

/// What is planned for later than the failure plays no part in it.
fn cut_off<S: System>(judge: &mut Judge<'_, S>, protocol: &Arc<Of<S>>, scenario: &mut Scenario<Of<S>>) {
    let violation = judge.run(protocol, scenario, &mut onceward_model::world::Nobody).violation;
    let Some((seen, _)) = violation.as_ref().and_then(|violation| violation.evidence.last()) else { return };
    let until: Time = seen.at;
    let mut shorter = scenario.clone();
    shorter.entries.retain(|entry| entry.at <= until);
    if shorter.entries.len() < scenario.entries.len() && judge.shows(protocol, &shorter) {
        *scenario = shorter;
    }
}

/// Leaves out entries.
pub(super) fn entries<S: System>(
    judge: &mut Judge<'_, S>,
    protocol: &Arc<Of<S>>,
    scenario: &mut Scenario<Of<S>>,
) {
    let mut candidate = scenario.clone();
    ddmin(&mut scenario.entries, |entries: &[Entry<Of<S>>]| {
        candidate.entries = entries.to_vec();
        let shows = judge.shows(protocol, &candidate);
        if shows {
            judge.lines = entries.len();
        }
        shows
    });
}

fn chances<S: System>(judge: &mut Judge<'_, S>, protocol: &Arc<Of<S>>, scenario: &mut Scenario<Of<S>>) {
    let none = Profile::none();
    // Everything at once, all faults at once, and then one after the other.
    let all = [none.clone(), profiles::faultless(&scenario.profile)];
    let parts = profiles::FAULTS.iter().chain(&profiles::TIMES);
    for (whole, part) in
        all.into_iter().map(|all| (Some(all), None)).chain(parts.map(|part| (None, Some(part))))
    {
        let mut profile = whole.unwrap_or_else(|| scenario.profile.clone());
        if let Some(part) = part {
            part(&mut profile, &none);
        }
        if profile == scenario.profile {
            continue;
        }
        let candidate = Scenario { profile, ..scenario.clone() };
        if judge.shows(protocol, &candidate) {
            *scenario = candidate;
        }
    }
}
