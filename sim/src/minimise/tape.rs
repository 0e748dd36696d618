//! What happened in a run, choice by choice: which of it was planned, which of it chance added. From it a plan can be
//! written that leaves nothing to chance: every fault that struck becomes a line that says so.

use super::judge::{Ended, Judge, Of};
use crate::{
    engine::{Watch, draw, root},
    plan::Rooted,
};
use onceward_core::NodeId;
use onceward_model::{
    scenario::{Entry, OpKind, Planned, Scenario, exact, label},
    system::System,
    world::{Choice, ChoiceOf, Key, Protocol, Seen, Sink, Time, When, World},
};
use std::{collections::BTreeSet, sync::Arc};

/// One choice that was performed.
pub(super) struct Happening<P: Protocol> {
    pub(super) at: Time,
    step: u64,
    key: Key,
    choice: ChoiceOf<P>,
    /// What kind of operation it ends, if it ends one.
    kind: Option<OpKind>,
    /// Its name; the same thing has the same name in another run.
    pub(super) label: String,
    fault: bool,
    /// The same as a line of exact steps.
    line: Entry<P>,
}

/// Everything that was performed while faults could strike.
pub(super) struct Tape<P: Protocol> {
    pub(super) happenings: Vec<Happening<P>>,
    planned: BTreeSet<Key>,
    booting: BTreeSet<Key>,
}

/// A line of a plan, with what came before it: the name of the last thing that happened by itself, and how many of that
/// name there had been by then.
pub(super) struct Anchored<P: Protocol> {
    pub(super) entry: Entry<P>,
    pub(super) after: Option<(String, usize, Time)>,
}

/// Performs a plan and records it.
pub(super) fn record<S: System>(
    judge: &mut Judge<'_, S>,
    protocol: &Arc<Of<S>>,
    scenario: &Scenario<Of<S>>,
) -> (Tape<Of<S>>, Ended<S>) {
    let planned = Rooted::new(scenario, scenario.seed).entries().map(|(_, key)| key).collect();
    let booting =
        (0..protocol.nodes()).map(|n| Key::root(scenario.seed, root::BOOT + u64::from(n))).collect();
    let mut tape = Tape { happenings: Vec::new(), planned, booting };
    let ended = judge.run(protocol, scenario, &mut tape);
    if let Some(finished) = &ended.finished
        && finished.healed_at > Time(0)
    {
        // The last entry of a plan and the beginning of healing may share a moment.
        let (healed_at, planned) = (finished.healed_at, &tape.planned);
        tape.happenings.retain(|one| one.at < healed_at || one.at == healed_at && planned.contains(&one.key));
    }
    (tape, ended)
}

impl<P: Protocol> Sink<P> for Tape<P> {
    fn born(&mut self, _: Key, _: ChoiceOf<P>, _: When) {}
}

impl<P: Protocol> Watch<P> for Tape<P> {
    fn choice(&mut self, world: &World<P>, seen: Seen, key: Key, choice: &ChoiceOf<P>) {
        // What was announced under this number before was not possible.
        self.happenings.pop_if(|last| last.step == seen.step);
        let kind = if let Choice::Disk(node, op, _) = choice {
            let pending = world.get(*node).and_then(|host| host.disk.pending().find(|(id, _)| id == op));
            pending.map(|(_, what)| draw::kind(what))
        } else {
            None
        };
        let fault = world.is_fault(choice);
        let line = exact(world, seen.at, choice);
        let label = label(world, choice);
        self.happenings.push(Happening {
            at: seen.at,
            step: seen.step,
            key,
            choice: choice.clone(),
            kind,
            label,
            fault,
            line,
        });
    }
}

impl<P: Protocol> Tape<P> {
    /// Whether something happened by itself: neither planned nor a fault, nor the very first start.
    pub(super) fn is_natural(&self, happening: &Happening<P>) -> bool {
        let unplanned = !self.planned.contains(&happening.key);
        unplanned
            && !happening.fault
            && !matches!(happening.choice, Choice::Boot(..) | Choice::Heal(..) | Choice::Release(..))
            || self.booting.contains(&happening.key)
    }

    /// The plan that says all that was planned and all that chance has added, as far as the language has words for it.
    pub(super) fn explicit(&self) -> Vec<Anchored<P>> {
        let mut plan = Vec::new();
        let mut past: Vec<&str> = Vec::new();
        let mut after = None;
        for happening in &self.happenings {
            if self.is_natural(happening) {
                past.push(&happening.label);
                let nth = past.iter().filter(|label| **label == happening.label).count();
                after = Some((happening.label.clone(), nth, happening.at));
                continue;
            }
            let planned = self.planned.contains(&happening.key);
            for entry in self.written(happening, planned) {
                plan.push(Anchored { entry, after: after.clone() });
            }
            if matches!(happening.choice, Choice::Disk(..)) {
                past.push(&happening.label);
            }
        }
        plan
    }

    fn written(&self, happening: &Happening<P>, planned: bool) -> Vec<Entry<P>> {
        let entry = |at: Time, choice: ChoiceOf<P>| Entry { at, what: Planned::Do(choice) };
        let cut = |from: NodeId, to: NodeId| {
            // Only the one datagram is lost, unless others would arrive in the same nanosecond.
            vec![
                entry(happening.at, Choice::Cut(from, to)),
                entry(Time(happening.at.0 + 1), Choice::Heal(from, to)),
            ]
        };
        match &happening.choice {
            Choice::Disk(node, _, outcome) => happening
                .kind
                .map(|kind| Entry { at: happening.at, what: Planned::Next(*node, kind, outcome.clone()) })
                .into_iter()
                .collect(),
            Choice::Drop(from, to, _) | Choice::Corrupt(from, to, _) => cut(*from, *to),
            // There are no words for these but exact steps.
            Choice::Duplicate(..) | Choice::Replay(..) => Vec::new(),
            choice if planned || happening.fault || matches!(choice, Choice::Boot(..)) => {
                vec![entry(happening.at, choice.clone())]
            }
            _ => Vec::new(),
        }
    }

    /// Every step, by name.
    pub(super) fn exact(&self) -> Vec<Entry<P>> {
        self.happenings.iter().map(|happening| happening.line.clone()).collect()
    }
}
