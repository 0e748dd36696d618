//! Lines of a plan that belong together: a crash and the start after it, a cut and its end. A change to a plan takes all of
//! a unit or none, so that nobody stays down who was to come back. This module also says whether a changed plan still keeps
//! the system's fault budget, and no more faults of a kind than a drawn plan has.

use onceward_core::NodeId;
use onceward_model::{
    scenario::{Entry, OpKind, Planned},
    system::Allowed,
    world::{
        Choice, ChoiceOf, ClockChange, Protocol,
        disk::{Damage, Outcome},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// Entries, by their places, that belong together, in order.
pub(super) type Unit = Vec<usize>;

/// What a unit does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    Call,
    Crash,
    Pause,
    Link,
    Clock,
    Next,
    Space,
    Medium,
    /// A disk operation that ends neither well nor with an error nor short: drawn for one cluster.
    Stray,
    Other,
}

impl Kind {
    /// No more of one kind than a drawn plan may have.
    fn most(self) -> usize {
        match self {
            Kind::Call => usize::MAX,
            Kind::Crash => 24,
            Kind::Pause | Kind::Clock | Kind::Next => 4,
            Kind::Link => 64,
            Kind::Space => 2,
            Kind::Stray => 1,
            Kind::Medium | Kind::Other => 3,
        }
    }
}

/// Reads of a node that fail by plan, as in drawn plans.
const FAILED_READS: usize = 2;

pub(super) fn kind<P: Protocol>(entry: &Entry<P>) -> Kind {
    let choice = match &entry.what {
        Planned::Do(choice) => choice,
        Planned::Next(_, _, Outcome::Fail { .. } | Outcome::Short(_)) | Planned::Step(_) => {
            return Kind::Next;
        }
        Planned::Next(..) => return Kind::Stray,
    };
    match choice {
        Choice::Call(..) => Kind::Call,
        Choice::Kill(..) | Choice::PowerLoss(..) | Choice::KillWithin(..) | Choice::Boot(..) => Kind::Crash,
        Choice::Pause(_) | Choice::Resume(_) => Kind::Pause,
        Choice::Cut(..) | Choice::Heal(..) | Choice::Hold(..) | Choice::Release(..) => Kind::Link,
        Choice::Clock(..) => Kind::Clock,
        Choice::Damage(_, Damage::Capacity(_)) => Kind::Space,
        Choice::Damage(..) => Kind::Medium,
        _ => Kind::Other,
    }
}

/// Whether `end` ends what `start` has begun.
fn ends<P: Protocol>(start: &ChoiceOf<P>, end: &ChoiceOf<P>) -> bool {
    match (start, end) {
        (Choice::Kill(a, _) | Choice::PowerLoss(a, _) | Choice::KillWithin(a, _), Choice::Boot(b, _))
        | (Choice::Pause(a), Choice::Resume(b)) => a == b,
        (Choice::Cut(a, b), Choice::Heal(x, y)) | (Choice::Hold(a, b), Choice::Release(x, y)) => {
            (a, b) == (x, y)
        }
        (Choice::Clock(a, change), Choice::Clock(b, ClockChange::Steady)) => {
            a == b && matches!(change, ClockChange::Drift(_) | ClockChange::Freeze)
        }
        (Choice::Damage(a, Damage::Capacity(_)), Choice::Damage(b, Damage::Capacity(_))) => a == b,
        _ => false,
    }
}

/// The units of a plan, in the order of their first lines.
pub(super) fn units<P: Protocol>(entries: &[Entry<P>]) -> Vec<Unit> {
    let mut taken = vec![false; entries.len()];
    let mut units = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        if taken[at] {
            continue;
        }
        let mut unit = vec![at];
        if let Planned::Do(start) = &entry.what {
            let is_end = |n: &usize| matches!(&entries[*n].what, Planned::Do(end) if !taken[*n] && ends::<P>(start, end));
            let end = (at + 1..entries.len()).find(is_end);
            // A disk is lost while its computer is down.
            let node = start.node().filter(|_| kind(entry) == Kind::Crash);
            let lost = |n: &usize| matches!(&entries[*n].what, Planned::Do(Choice::Wipe(w)) if !taken[*n] && Some(*w) == node);
            unit.extend(end.iter().flat_map(|end| (at + 1..*end).filter(lost)).collect::<Vec<_>>());
            unit.extend(end);
        }
        unit.iter().for_each(|n| taken[*n] = true);
        units.push(unit);
    }
    units
}

/// Whether a plan does no more than the system allows, nor more of a kind than a drawn one.
pub(super) fn within<P: Protocol>(entries: &[Entry<P>], allowed: &Allowed) -> bool {
    let units = units(entries);
    let mut count: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut away = Vec::new();
    for unit in &units {
        let first = &entries[unit[0]];
        *count.entry(kind(first)).or_default() += 1;
        let Planned::Do(choice) = &first.what else { continue };
        let node = match choice {
            Choice::Cut(from, _) | Choice::Hold(from, _) => Some(*from),
            choice => choice.node().filter(|_| matches!(kind(first), Kind::Crash | Kind::Pause)),
        };
        let until = if unit.len() > 1 { entries[unit[unit.len() - 1]].at.0 } else { u64::MAX };
        away.extend(node.map(|node| (node, first.at.0, until)));
    }
    // The most are away when one more has just gone.
    let most = away.iter().map(|(_, now, _)| {
        let gone = away.iter().filter(|(_, from, until)| from <= now && now <= until);
        gone.map(|(node, ..)| *node).collect::<BTreeSet<NodeId>>().len()
    });
    let wipes = entries.iter().filter(|entry| matches!(entry.what, Planned::Do(Choice::Wipe(_)))).count();
    let mut reads: BTreeMap<NodeId, usize> = BTreeMap::new();
    for entry in entries {
        if let Planned::Next(node, OpKind::Read | OpKind::Any, Outcome::Fail { .. }) = &entry.what {
            *reads.entry(*node).or_default() += 1;
        }
    }
    most.max().unwrap_or(0) <= usize::from(allowed.down_at_once)
        && wipes <= usize::from(allowed.wipes)
        && count.iter().all(|(kind, count)| *count <= kind.most())
        && reads.values().all(|count| *count <= FAILED_READS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use onceward_model::{scenario::parse, toy::ToySystem};

    fn entries(lines: &[&str]) -> Vec<Entry<onceward_model::toy::Toy>> {
        let text = format!("system toy\ncluster server client*2\n\n{}\n", lines.join("\n"));
        parse::<ToySystem>(&text).unwrap().entries
    }

    #[test]
    fn who_goes_down_comes_back_with_it() {
        let entries = entries(&[
            "at 1ms client-1 adds",
            "at 2ms server is killed",
            "at 3ms client-1 is killed",
            "at 4ms server boots",
            "at 5ms server pauses",
            "at 6ms client-1 boots",
            "at 7ms server resumes",
        ]);
        assert_eq!(units(&entries), [vec![0], vec![1, 3], vec![2, 5], vec![4, 6]]);
        let at_once = |down_at_once| within(&entries, &Allowed { down_at_once, ..Allowed::default() });
        assert!(at_once(2) && !at_once(1));
    }

    #[test]
    fn no_more_than_a_drawn_plan_may_have() {
        let fails = ["at 1ms next read of server fails with EIO"; 3];
        assert!(within(&entries(&fails[..2]), &Allowed::default()));
        assert!(!within(&entries(&fails), &Allowed::default()));
    }
}
