//! The second part of the work: from a plan that leaves something to chance to one that says everything. The faults
//! that struck become lines, latencies become those of `profile none`, and each line moves to the place in the new run
//! at which it stood in the old one: after the same things had happened. Where that is not enough, lines are moved
//! about between all the moments at which something happens. The last resort is a list of exact steps.

use super::{
    entries,
    judge::{Judge, Of},
    profiles,
    tape::{Anchored, Tape, record},
};
use onceward_core::Dur;
use onceward_model::{
    scenario::{Entry, Mode, Planned, Profile, Scenario, replay_exact},
    system::System,
    world::{Nobody, Time, World},
};
use std::sync::Arc;

/// More moments than this are not tried for one line.
const MOMENTS: usize = 300;
/// More lines than this are no text that anybody wants to read, were they ever so exact.
const READABLE: usize = 15;

/// A plan that leaves nothing to chance and fails in the same way, if there is one within reach.
pub(super) fn certain<S: System>(
    judge: &mut Judge<'_, S>,
    protocol: &Arc<Of<S>>,
    scenario: &Scenario<Of<S>>,
) -> Option<Scenario<Of<S>>> {
    let (tape, _) = record(judge, protocol, scenario);
    let mut plan = tape.explicit();
    // The same latencies, drawn from the same keys: what is written need only be what had struck.
    let quiet = with(scenario, profiles::faultless(&scenario.profile), &plan);
    if quiet.entries != scenario.entries && judge.shows(protocol, &quiet) {
        let mut fewer = quiet;
        entries::entries(judge, protocol, &mut fewer);
        let (tape, _) = record(judge, protocol, &fewer);
        plan = tape.explicit();
    }
    let silence = scenario.profile.silence;
    for profile in [(500, 100), (500, 10_000), (50_000, 100)].map(|latencies| steady(latencies, silence)) {
        let plain = with(scenario, profile.clone(), &plan);
        if judge.shows(protocol, &plain) {
            return Some(plain);
        }
        let aligned = align(judge, protocol, with(scenario, profile, &[]), &plan);
        if judge.shows(protocol, &aligned) {
            return Some(aligned);
        }
        for start in [&aligned, &plain] {
            if let Some(found) = moved(judge, protocol, start) {
                return Some(found);
            }
        }
    }
    let start = with(scenario, Profile { silence, ..Profile::none() }, &plan);
    two_moved(judge, protocol, &start).or_else(|| stepwise(judge, protocol, scenario, &tape))
}

/// Latencies in microseconds, of the network and of the disk, always the same.
fn steady((network, disk): (u64, u64), silence: Dur) -> Profile {
    let (network, disk) = (Dur::micros(network), Dur::micros(disk));
    Profile { network: (network, network), disk: (disk, disk), silence, ..Profile::none() }
}

fn with<P: onceward_model::world::Protocol>(
    scenario: &Scenario<P>,
    profile: Profile,
    plan: &[Anchored<P>],
) -> Scenario<P> {
    let mut entries: Vec<Entry<P>> = plan.iter().map(|anchored| anchored.entry.clone()).collect();
    entries.sort_by_key(|entry| entry.at);
    Scenario { profile, entries, ..scenario.clone() }
}

/// Puts each line where it stood, by what had happened before it.
fn align<S: System>(
    judge: &mut Judge<'_, S>,
    protocol: &Arc<Of<S>>,
    mut scenario: Scenario<Of<S>>,
    plan: &[Anchored<Of<S>>],
) -> Scenario<Of<S>> {
    for (n, Anchored { entry, after }) in plan.iter().enumerate() {
        let before = n.checked_sub(1).map(|n| plan[n].entry.at);
        let last = scenario.entries.last().map_or(Time(0), |last| last.at);
        let since = |time: Time| entry.at.since(time);
        let usual = last.after(since(before.unwrap_or(Time(0))));
        let at = match after {
            None => usual,
            Some((label, nth, then)) => {
                let (tape, _) = record(judge, protocol, &scenario);
                let natural: Vec<_> = tape.happenings.iter().filter(|h| tape.is_natural(h)).collect();
                let mut same = natural.iter().enumerate().filter(|(_, h)| h.label == *label);
                match same.nth(nth - 1) {
                    None => usual,
                    Some((place, happening)) => {
                        let patient = happening.at.after(since(*then));
                        let next = natural[place + 1..].iter().map(|h| h.at).find(|at| *at > happening.at);
                        if next.is_some_and(|next| next < patient) {
                            happening.at.after(Dur(1))
                        } else {
                            patient
                        }
                    }
                }
            }
        };
        scenario.entries.push(Entry { at: at.max(last), what: entry.what.clone() });
    }
    scenario
}

/// The moments to which a line could be moved: just after something happens in a run of the lines before it, and not
/// before the last of them.
fn moments<S: System>(
    judge: &mut Judge<'_, S>,
    protocol: &Arc<Of<S>>,
    scenario: &Scenario<Of<S>>,
    line: usize,
) -> Vec<Time> {
    let mut before = scenario.clone();
    before.entries.truncate(line);
    let first = before.entries.last().map_or(Time(0), |last| last.at);
    let (tape, _) = record(judge, protocol, &before);
    let mut times: Vec<Time> = tape.happenings.iter().map(|h| h.at.after(Dur(1))).collect();
    times.dedup();
    times.truncate(MOMENTS);
    times.retain(|time| *time >= first);
    times
}

/// The plan with one line at another time; what follows keeps its distance.
fn at<P: onceward_model::world::Protocol>(scenario: &Scenario<P>, n: usize, at: Time) -> Scenario<P> {
    let mut moved = scenario.clone();
    let before = moved.entries[n].at;
    for entry in &mut moved.entries[n..] {
        entry.at = at.after(entry.at.since(before));
    }
    moved
}

/// Moves one line, from the last to the first.
fn moved<S: System>(
    judge: &mut Judge<'_, S>,
    protocol: &Arc<Of<S>>,
    scenario: &Scenario<Of<S>>,
) -> Option<Scenario<Of<S>>> {
    for n in (0..scenario.entries.len()).rev() {
        for time in moments(judge, protocol, scenario, n) {
            let candidate = at(scenario, n, time);
            if judge.shows(protocol, &candidate) {
                return Some(candidate);
            }
        }
        if judge.is_over() {
            return None;
        }
    }
    None
}

/// Moves two lines.
fn two_moved<S: System>(
    judge: &mut Judge<'_, S>,
    protocol: &Arc<Of<S>>,
    scenario: &Scenario<Of<S>>,
) -> Option<Scenario<Of<S>>> {
    let entries = scenario.entries.len();
    for n in (0..entries).rev() {
        for time in moments(judge, protocol, scenario, n) {
            let one = at(scenario, n, time);
            for m in (n + 1..entries).rev() {
                for time in moments(judge, protocol, &one, m) {
                    let candidate = at(&one, m, time);
                    if judge.shows(protocol, &candidate) {
                        return Some(candidate);
                    }
                }
            }
            if judge.is_short_of_time() {
                return None;
            }
        }
    }
    None
}

/// The run as exact steps, if so few are needed that it can be read.
fn stepwise<S: System>(
    judge: &mut Judge<'_, S>,
    protocol: &Arc<Of<S>>,
    scenario: &Scenario<Of<S>>,
    tape: &Tape<Of<S>>,
) -> Option<Scenario<Of<S>>> {
    let profile = Profile { silence: scenario.profile.silence, ..Profile::none() };
    let mut exact = Scenario { profile, entries: tape.exact(), ..scenario.clone() };
    let has_steps = |entries: &[Entry<Of<S>>]| entries.iter().any(|e| matches!(e.what, Planned::Step(_)));
    if !has_steps(&exact.entries) || !judge.shows(protocol, &exact) {
        return None;
    }
    loop {
        let before = exact.entries.len();
        let mut candidate = exact.clone();
        let mut kept = exact.entries.clone();
        super::ddmin::ddmin(&mut kept, |entries| {
            candidate.entries = possible::<S>(protocol, entries);
            has_steps(&candidate.entries) && judge.shows(protocol, &candidate)
        });
        exact.entries = possible::<S>(protocol, &kept);
        if exact.entries.len() == before || judge.is_over() {
            break;
        }
    }
    (exact.entries.len() <= READABLE && judge.shows(protocol, &exact)).then_some(exact)
}

/// The steps that can happen when one after the other is tried.
pub(super) fn possible<S: System>(protocol: &Arc<Of<S>>, entries: &[Entry<Of<S>>]) -> Vec<Entry<Of<S>>> {
    let mut world = World::new(protocol.clone(), 0);
    let replayed = replay_exact(&mut world, entries, Mode::Skip, &mut Nobody);
    let skipped = replayed.map(|replayed| replayed.skipped).unwrap_or_default();
    let kept = entries.iter().enumerate().filter(|(n, _)| !skipped.contains(n));
    kept.map(|(_, entry)| entry.clone()).collect()
}
