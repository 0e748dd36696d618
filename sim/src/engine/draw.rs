//! What chance decides about one thing that may happen: how long it takes and whether it goes wrong. Everything is
//! drawn from the thing's causal key, each question under a purpose of its own, so that an answer never depends on
//! what else goes on in the run. This module answers; it performs nothing.

use onceward_core::{DiskError, DiskOp, Dur, OpId};
use onceward_model::{
    scenario::{OpKind, Profile},
    world::{
        Disk, Key, Time,
        disk::{Fates, Faults, Outcome, Reach, Slot},
    },
};

/// The questions. Their numbers are part of what a seed means: never use one twice.
pub(super) mod purpose {
    pub(crate) const TAIL: u32 = 1;
    pub(crate) const LATENCY: u32 = 2;
    pub(crate) const LOSS: u32 = 3;
    pub(crate) const CORRUPT: u32 = 4;
    pub(crate) const DUPLICATE: u32 = 5;
    pub(crate) const DUPLICATE_AT: u32 = 6;
    pub(crate) const REPLAY: u32 = 7;
    pub(crate) const REPLAY_WHICH: u32 = 8;
    pub(crate) const BREAK: u32 = 9;
    pub(crate) const BREAK_SIDE: u32 = 10;
    pub(crate) const KILL_WITHIN: u32 = 11;
    pub(crate) const KILL_AFTER: u32 = 12;
    pub(crate) const TIMER: u32 = 13;
    pub(crate) const DISK_FAULT: u32 = 14;
    pub(crate) const DISK_OUTCOME: u32 = 15;
    pub(crate) const FATES: u32 = 16;
    pub(crate) const DOWN_FOR: u32 = 17;
    pub(crate) const PRIORITY: u32 = 18;
    pub(crate) const CHANGE: u32 = 19;
    pub(crate) const BEHIND: u32 = 20;
}

/// Everything at once when latencies are ignored: seven decades, so that any order can occur.
const UNTIMED: (Dur, Dur) = (Dur::micros(1), Dur::secs(10));
/// How long an operating system takes to notice that the other end of a connection is gone.
const DEAD_PEER: (Dur, Dur) = (Dur::secs(1), Dur::secs(60));
/// How long a process is down that nobody planned to start again.
const DOWN_FOR: (Dur, Dur) = (Dur::millis(1), Dur::secs(5));

fn latency(profile: &Profile, range: (Dur, Dur), key: Key) -> Dur {
    if profile.untimed || profile.priorities {
        return key.log_uniform(purpose::LATENCY, UNTIMED.0, UNTIMED.1);
    }
    if key.chance(purpose::TAIL, profile.tail) && profile.tail_max > range.1 {
        return key.log_uniform(purpose::LATENCY, range.1, profile.tail_max);
    }
    key.log_uniform(purpose::LATENCY, range.0, range.1)
}

pub(super) fn network(profile: &Profile, key: Key) -> Dur {
    latency(profile, profile.network, key)
}

pub(super) fn disk(profile: &Profile, key: Key, sync: bool) -> Dur {
    let (from, to) = profile.disk;
    let from = if sync { Dur(from.0.midpoint(to.0)) } else { from };
    latency(profile, (from, to), key)
}

pub(super) fn dead_peer(key: Key) -> Dur {
    key.log_uniform(purpose::LATENCY, DEAD_PEER.0, DEAD_PEER.1)
}

pub(crate) fn down_for(key: Key) -> Dur {
    key.log_uniform(purpose::DOWN_FOR, DOWN_FOR.0, DOWN_FOR.1)
}

/// When within its window a timer fires; in the tail, later than a healthy driver would.
pub(super) fn timer(profile: &Profile, key: Key, from: u64, to: u64) -> u64 {
    let late = if profile.priorities {
        key.chance(purpose::CHANGE, profile.change).then_some(UNTIMED.1)
    } else {
        (key.chance(purpose::TAIL, profile.tail) && !profile.untimed).then_some(profile.tail_max)
    };
    let late = late.map_or(0, |most| key.log_uniform(purpose::LATENCY, Dur::micros(1), most).0);
    let window = to.saturating_sub(from);
    let at = if window == 0 { 0 } else { key.below(purpose::TIMER, window.saturating_add(1)) };
    from.saturating_add(at).saturating_add(late)
}

/// A moment of a span, not its end.
pub(super) fn within(key: Key, from: Time, to: Time) -> Time {
    Time(from.0 + key.below(purpose::DUPLICATE_AT, to.since(from).0))
}

/// How a disk operation ends that nobody planned to fail.
pub(super) fn outcome(profile: &Profile, key: Key, disk: &Disk, op: OpId, what: &DiskOp) -> Outcome {
    let Some(faults) = fault(profile, key, what) else { return Outcome::Ok };
    let faults = match faults {
        Fault::Of(faults) => faults,
        Fault::NoSpace => return Outcome::Fail { error: DiskError::NoSpace, reach: Reach::Nothing },
    };
    let mut outcomes = Vec::new();
    // What is missing from a list that was cut is other decisions about undecided sectors, which are no faults.
    let _ = disk.outcomes(op, &faults, &mut outcomes);
    outcomes.retain(|outcome| !matches!(outcome, Outcome::Ok | Outcome::Decide(_)));
    let which = key.below(purpose::DISK_OUTCOME, outcomes.len() as u64) as usize;
    if outcomes.is_empty() { Outcome::Ok } else { outcomes.swap_remove(which) }
}

enum Fault {
    Of(Faults),
    NoSpace,
}

/// Which kind of fault strikes, if any: a single draw, so that the odds add up.
fn fault(profile: &Profile, key: Key, what: &DiskOp) -> Option<Fault> {
    let none = Faults::default();
    let (short, error, third) = match what {
        DiskOp::Write { .. } => (profile.short_write, profile.write_error, profile.no_space),
        DiskOp::Read { .. } => (profile.short_read, profile.read_error, 0),
        DiskOp::List(_) => (0, profile.read_error, 0),
        DiskOp::Sync { .. } | DiskOp::SyncDir(_) => (0, profile.sync_error, profile.sync_lie),
        DiskOp::Allocate { .. } | DiskOp::Create(_) | DiskOp::CreateDir(_) => {
            (0, profile.write_error, profile.no_space)
        }
        DiskOp::SetLen { .. } | DiskOp::Rename { .. } | DiskOp::Remove(_) => (0, profile.write_error, 0),
    };
    if short | error | third == 0 {
        return None;
    }
    let at = key.below(purpose::DISK_FAULT, 1_000_000) as u32;
    let kind = match what {
        DiskOp::Write { .. } if at < short => Faults { short_writes: true, ..none },
        DiskOp::Read { .. } if at < short => Faults { short_reads: true, ..none },
        DiskOp::Write { .. } if at < short + error => Faults { write_errors: true, ..none },
        DiskOp::Read { .. } | DiskOp::List(_) if at < short + error => Faults { read_errors: true, ..none },
        DiskOp::Sync { .. } | DiskOp::SyncDir(_) if at < error => Faults { sync_errors: true, ..none },
        DiskOp::Sync { .. } | DiskOp::SyncDir(_) if at < error + third => Faults { lies: true, ..none },
        _ if at < short + error => Faults { name_errors: true, ..none },
        _ if at < short + error + third => return Some(Fault::NoSpace),
        _ => return None,
    };
    Some(Fault::Of(kind))
}

pub(crate) fn kind(what: &DiskOp) -> OpKind {
    match what {
        DiskOp::Write { .. } => OpKind::Write,
        DiskOp::Read { .. } => OpKind::Read,
        DiskOp::Sync { .. } => OpKind::Sync,
        DiskOp::SyncDir(_) => OpKind::SyncDir,
        DiskOp::Create(_) => OpKind::Create,
        _ => OpKind::Any,
    }
}

/// Whether a plan's power loss leaves the fates to chance: it names none, only a seed.
pub(super) fn is_drawn(fates: &Fates) -> bool {
    fates.rules.is_empty() && !fates.lazy && fates.seed.is_some()
}

/// Draws what becomes of everything that is not durable. A power loss has a character: most of what was under way got
/// through, hardly anything, whatever came first, or anything goes; uniform draws alone would never show long runs.
pub(super) fn fates(disk: &Disk, seed: u64) -> Fates {
    let key = Key::root(seed, u64::from(purpose::FATES));
    let mut drawn = 0;
    let first = key.below(2, 12);
    let mut pick = |slot: &Slot| {
        drawn += 1;
        let (fates, own) = (slot.fates.len() as u64, key.child(drawn));
        let any = own.below(0, fates);
        let newest = slot.fates.iter().position(|f| *f == onceward_model::world::disk::Fate::Keep);
        let newest = newest.unwrap_or(0) as u64;
        let at = match key.below(1, 5) {
            0 => any,
            1 if own.chance(1, 850_000) => newest,
            2 if own.chance(1, 850_000) => 0,
            3 => {
                if u64::from(drawn) <= first {
                    newest
                } else {
                    0
                }
            }
            4 => {
                if u64::from(drawn) <= first {
                    newest
                } else {
                    any
                }
            }
            _ => any,
        };
        at as usize
    };
    disk.draw_fates(Some(seed), &mut pick)
}
