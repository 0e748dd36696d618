//! Power is lost at every operation of a short life, and again at every operation of the recovery that follows; the
//! unsynced sectors meet every fate, or a telling choice where there are too many.

use super::super::Timer;
use super::disk::Fate;
use super::rig::{Rig, config, weak};
use crate::DiskOp;
use crate::log::segments::{Config, Input, SyncPolicy};
use alloc::vec::Vec;

/// Fates of the unsynced sectors, in order of file and place.
type Pattern = fn(usize) -> Fate;

const PATTERNS: [Pattern; 6] = [
    |_| Fate::Old,
    |_| Fate::New,
    |_| Fate::Garbage,
    |at| if at == 0 { Fate::Garbage } else { Fate::New },
    |at| if at == 0 { Fate::Old } else { Fate::New },
    |at| if at % 3 == 2 { Fate::Garbage } else { Fate::New },
];

fn crash(rig: &mut Rig, pattern: Pattern, names: bool) {
    let mut at = 0;
    rig.lose_power(
        |_, _| {
            at += 1;
            pattern(at - 1)
        },
        || names,
    );
}

/// Appends, rotations, a failed sync; `steps` operations of it.
fn begin_life(config: &Config, steps: usize) -> (Rig, bool) {
    let mut rig = Rig::new(config.clone());
    rig.boot();
    let mut left = steps;
    for round in 0..8u8 {
        if rig.opened.is_some() {
            rig.append(&[&[round; 70], &[round]]);
            rig.append(&[&[round; 9]]);
        }
        if round == 5 {
            rig.fault = Some(|op| match op {
                crate::DiskOp::Sync { .. } => Some(super::disk::Fault::Error(crate::DiskError::Io)),
                _ => None,
            });
        }
        while rig.perform() {
            if matches!(rig.marks.last(), Some(&"sync failed")) || rig.marks.contains("sync failed") {
                rig.fault = None;
            }
            left -= 1;
            if left == 0 {
                return (rig, false);
            }
        }
        rig.fire(Timer::Retry);
        rig.fire(Timer::Sync);
    }
    (rig, true)
}

fn lose_power_twice(config: &Config) -> usize {
    let mut lives = 0;
    for steps in 1.. {
        for (first, names) in PATTERNS.iter().zip([false, true, true, true, true, false]) {
            let (mut rig, over) = begin_life(config, steps);
            rig.fault = None;
            crash(&mut rig, *first, names);
            for second in 0.. {
                let (mut rig, _) = begin_life(config, steps);
                rig.fault = None;
                crash(&mut rig, *first, names);
                let early = (0..second).all(|_| rig.perform());
                if second % 2 == 0 {
                    rig.kill()
                } else {
                    crash(&mut rig, PATTERNS[second % 6], true)
                }
                rig.run();
                assert_eq!(rig.damaged, None, "{steps} steps, then {second}");
                assert!(rig.opened.is_some());
                lives += 1;
                if !early {
                    rig.check_alive();
                    break;
                }
            }
            if over && *first as usize == PATTERNS[5] as usize {
                return lives;
            }
        }
    }
    lives
}

#[test]
fn power_is_lost_anywhere_and_again_in_recovery() {
    let small = Config { segment_bytes: 700, ..config() };
    assert!(lose_power_twice(&small) > 3000);
}

#[test]
fn the_same_under_a_weaker_policy_and_with_preallocation() {
    let small = Config { segment_bytes: 900, preallocate: true, read_chunk: 300, ..weak(config()) };
    assert!(lose_power_twice(&small) > 2000);
}

/// A store with one durable unit and another one written, its sync not yet asked for.
fn unsynced() -> Rig {
    let mut rig = Rig::ready(config());
    rig.append(&[b"durable"]);
    rig.run();
    rig.append(&[b"a unit", b"of two"]);
    rig.perform();
    assert_eq!((rig.durable, rig.written), (1, 3));
    rig
}

#[test]
fn every_fate_of_every_unsynced_sector() {
    let sectors = unsynced().disk.dirty(&Rig::segment(0)).len() as u32;
    assert_eq!(sectors, 5, "the group's header and frames");
    let mut survived = 0;
    for image in 0..3u32.pow(sectors) {
        let mut rig = unsynced();
        let mut rest = image;
        rig.lose_power(
            |_, _| {
                let fate = [Fate::New, Fate::Old, Fate::Garbage][(rest % 3) as usize];
                rest /= 3;
                fate
            },
            || true,
        );
        rig.run();
        assert_eq!(rig.damaged, None);
        let next = rig.opened.as_ref().unwrap().next;
        assert!(next == 1 || next == 3, "a unit is whole or absent, not {next}");
        survived += u32::from(next == 3);
        rig.check_alive();
    }
    // Only whole groups survive; of the last sector the padding may go.
    assert!((1..=3).contains(&survived), "{survived}");
}

#[test]
fn every_truncation_of_the_last_file_leaves_a_prefix() {
    let whole = unsynced().disk.file(&Rig::segment(0)).cache.len();
    let mut found = Vec::new();
    for len in 0..=whole {
        let mut rig = unsynced();
        rig.disk.file(&Rig::segment(0)).cache.truncate(len);
        // Not what a crash does: durable bytes go as well.
        (rig.durable, rig.written) = (0, 0);
        rig.kill();
        rig.run();
        assert_eq!(rig.damaged, None, "{len}");
        found.push(rig.opened.as_ref().unwrap().next);
        rig.check_alive();
    }
    assert!(found.is_sorted(), "{found:?}");
    found.dedup();
    assert_eq!(found, [0, 1, 3]);
}

#[test]
fn kill_recover_acknowledge_then_lose_power() {
    let mut rig = unsynced();
    rig.kill();
    rig.run();
    assert_eq!(rig.opened.as_ref().unwrap().next, 3, "the cache still shows the unit");
    assert_eq!(rig.durable, 3, "and recovery has promised it");
    assert!(rig.marks.contains("adopted tail rewritten"));
    rig.append(&[b"on top"]);
    rig.run();
    rig.lose_power(|_, _| Fate::Old, || false);
    rig.run();
    assert_eq!(rig.opened.as_ref().unwrap().next, 4);
    rig.check_alive();
}

#[test]
fn a_tail_whose_sync_once_failed_is_not_trusted_after_a_restart() {
    let mut rig = unsynced();
    // The kernel drops the dirty pages and says so to a process that ends before it hears of it.
    let (_, sync) = rig.pending.pop_front().unwrap();
    let fault = Some(super::disk::Fault::Error(crate::DiskError::Io));
    assert!(rig.disk.perform(&sync, fault).is_err());
    rig.kill();
    rig.run();
    assert_eq!(rig.durable, 3);
    rig.lose_power(|_, _| Fate::Old, || false);
    rig.run();
    rig.check_alive();
}

#[test]
fn a_barrier_makes_durable_what_a_weaker_policy_left() {
    let mut rig = Rig::ready(weak(config()));
    rig.append(&[b"one"]);
    rig.run();
    assert_eq!((rig.written, rig.durable), (1, 0));
    rig.step(Input::Barrier { token: 3 });
    rig.run();
    assert_eq!(rig.durable, 1);
    rig.append(&[b"two"]);
    rig.run();
    assert_eq!(rig.durable, 1);
    assert!(rig.fire(Timer::Sync), "an idle tail is synced by age");
    rig.run();
    assert_eq!(rig.durable, 2);
}

#[test]
fn a_pipelined_group_is_written_while_the_one_before_is_synced() {
    for policy in [SyncPolicy::PerGroup, SyncPolicy::Pipelined] {
        let mut rig = Rig::ready(Config { policy, ..config() });
        rig.append(&[b"there"]);
        rig.run();
        rig.append(&[b"synced"]);
        assert!(rig.perform(), "it is written");
        rig.append(&[b"written meanwhile"]);
        let writes = rig.pending.iter().filter(|(_, op)| matches!(op, DiskOp::Write { .. })).count();
        assert_eq!(writes, usize::from(policy == SyncPolicy::Pipelined));
        assert!(rig.perform(), "the sync");
        assert_eq!(rig.durable, 2);
        assert!(rig.perform(), "the write");
        assert_eq!((rig.written, rig.durable), (3, 2), "a sync covers what was written before it began");
        assert!(rig.perform());
        assert_eq!(rig.durable, 3);
    }
}

#[test]
fn a_segment_counts_only_with_what_it_carries() {
    let mut rig = unsynced();
    rig.run();
    assert_eq!(rig.durable, 3, "acknowledged, though nothing on the disk says so yet");
    rig.kill();
    // The tail is being written into a new segment when the power goes: the header gets through, the rest does not.
    while !rig.pending.iter().any(|(_, op)| matches!(op, crate::DiskOp::Sync { .. })) {
        assert!(rig.perform());
    }
    let header = 100usize.div_ceil(16);
    let carried = Rig::segment(1);
    assert!(rig.disk.dirty(&carried).len() > header);
    rig.lose_power(
        |name, at| if name == carried && at >= header { Fate::Garbage } else { Fate::New },
        || true,
    );
    rig.run();
    assert_eq!(rig.opened.as_ref().unwrap().report.removed, [carried]);
    rig.check_alive();
}
