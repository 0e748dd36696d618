//! The disk fails: each operation once, some kinds for long, and while closing.

use super::super::{Action, Config, Input, Refused};
use super::disk::{Fate, Fault};
use super::rig::{Rig, config, weak};
use crate::{DiskError, DiskOp};

fn rounds(rig: &mut Rig, fail: usize, fault: Fault) -> usize {
    let mut done = 0;
    rig.boot();
    for round in 0..8u8 {
        rig.append(&[&[round; 70], &[round]]);
        rig.append(&[&[round; 30]]);
        loop {
            if done == fail {
                let Some((id, op)) = rig.pending.pop_front() else { break };
                let result = rig.disk.perform(&op, Some(fault));
                rig.step(Input::Disk(id, result));
            } else if !rig.perform() {
                break;
            }
            done += 1;
        }
        rig.run();
    }
    done
}

#[test]
fn each_operation_fails_once() {
    let in_root = Config { folder: crate::Path::root(), ..config() };
    let reserving = Config { preallocate: true, reserve_bytes: 4096, ..config() };
    for settings in [config(), in_root, weak(config()), reserving] {
        let settings = Config { segment_bytes: 600, ..settings };
        for fault in [
            Fault::Error(DiskError::Io),
            Fault::Error(DiskError::NoSpace),
            Fault::Short(0),
            Fault::Short(20),
            Fault::Short(70),
        ] {
            for fail in 0.. {
                let mut rig = Rig::new(settings.clone());
                let done = rounds(&mut rig, fail, fault);
                rig.check_alive();
                rig.lose_power(|_, _| Fate::Garbage, || false);
                rig.run();
                rig.check_alive();
                if fail > done {
                    break;
                }
            }
        }
    }
}

/// Whoever else has names in the folder may ask for a sync of it that fails: the news of our new name may have gone with it.
#[test]
fn a_name_that_somebody_elses_failed_sync_may_have_lost_is_not_relied_on() {
    for preallocate in [false, true] {
        let mut rig = Rig::ready(Config { preallocate, ..config() });
        rig.append(&[b"before"]);
        rig.run();
        rig.step(Input::Roll);
        rig.append(&[b"behind"]);
        while !matches!(rig.pending.front(), Some((_, DiskOp::SyncDir(_)))) {
            assert!(rig.perform());
        }
        let doubted = rig.files().len();
        rig.step(Input::NamesDoubted);
        while rig.perform() {}
        assert_eq!((rig.durable, rig.files().len()), (1, doubted), "its own sync has succeeded");
        rig.run();
        assert!(rig.marks.contains("beginning of a segment failed"));
        assert_eq!((rig.durable, rig.files().len()), (2, doubted), "the next has taken its place");
        rig.lose_power(|_, _| Fate::Old, || false);
        rig.run();
        rig.check_alive();
    }
}

fn syncs_fail(op: &DiskOp) -> Option<Fault> {
    matches!(op, DiskOp::Sync { .. }).then_some(Fault::Error(DiskError::Io))
}

fn nothing_can_be_written(op: &DiskOp) -> Option<Fault> {
    let grows = matches!(op, DiskOp::Create(_) | DiskOp::Write { .. } | DiskOp::Allocate { .. });
    grows.then_some(Fault::Error(DiskError::NoSpace))
}

fn headers_cannot_be_written(op: &DiskOp) -> Option<Fault> {
    matches!(op, DiskOp::Write { offset: 0, .. }).then_some(Fault::Error(DiskError::NoSpace))
}

/// Runs until the machine waits for its timer, this many times.
fn suffer(rig: &mut Rig, times: usize) {
    for _ in 0..times {
        while rig.perform() {}
        rig.fire(super::super::Timer::Retry);
    }
}

#[test]
fn a_disk_that_keeps_failing_makes_outcomes_unknown_and_nothing_is_renumbered() {
    let mut rig = Rig::ready(config());
    rig.append(&[b"proven"]);
    rig.run();
    rig.fault = Some(syncs_fail);
    rig.append(&[b"in doubt"]);
    rig.step(Input::Barrier { token: 9 });
    suffer(&mut rig, 6);
    let unknown = Action::Unknown { from: 1, upto: 2, cause: DiskError::Io };
    assert_eq!(rig.said.iter().filter(|action| **action == unknown).count(), 1);
    assert!(rig.said.contains(&Action::Barrier { token: 9, result: Err(Refused::Disk(DiskError::Io)) }));
    assert_eq!(rig.machine.admits(1, 1), Err(Refused::Disk(DiskError::Io)));
    assert_eq!(rig.durable, 1);
    rig.fault = None;
    rig.run();
    assert!(rig.said.contains(&Action::Space));
    assert_eq!(rig.durable, 2, "what was in doubt is there after all, in its place");
    rig.check_alive();
    assert_eq!(rig.files().len(), 2, "tries that failed leave nothing behind: {:?}", rig.files());
    rig.lose_power(|_, _| Fate::Old, || false);
    rig.run();
    rig.check_alive();
}

#[test]
fn the_failing_disk_and_then_the_power_goes() {
    let mut rig = Rig::ready(config());
    rig.append(&[b"proven"]);
    rig.run();
    rig.fault = Some(syncs_fail);
    rig.append(&[b"in doubt"]);
    suffer(&mut rig, 3);
    rig.fault = None;
    rig.lose_power(|_, _| Fate::Old, || true);
    rig.run();
    assert_eq!(rig.opened.as_ref().unwrap().next, 1);
    rig.check_alive();
}

#[test]
fn a_tail_that_cannot_be_proven_keeps_the_store_closed_and_gathers_no_files() {
    for reserve_bytes in [0, 4096] {
        let mut rig = Rig::ready(Config { reserve_bytes, ..config() });
        rig.append(&[b"before"]);
        rig.run();
        rig.append(&[b"in the cache"]);
        while rig.pending.iter().all(|(_, op)| !matches!(op, DiskOp::Sync { .. })) {
            assert!(rig.perform());
        }
        rig.kill();
        rig.fault = Some(headers_cannot_be_written);
        suffer(&mut rig, 12);
        assert_eq!(rig.opened, None, "what recovery adopted is not proven yet");
        let segments = rig.files();
        assert_eq!(segments.len(), 2, "the old one and the one for which there is no space: {segments:?}");
        rig.fault = None;
        rig.run();
        assert_eq!(rig.opened.as_ref().unwrap().next, 2);
        rig.check_alive();
    }
}

#[test]
fn a_full_disk_refuses_without_effect_and_then_goes_on() {
    for reserve_bytes in [0, 4096] {
        let mut rig = Rig::ready(Config { reserve_bytes, ..config() });
        rig.append(&[b"before"]);
        rig.run();
        rig.fault = Some(nothing_can_be_written);
        rig.append(&[b"accepted"]);
        suffer(&mut rig, 2);
        assert!(rig.said.contains(&Action::Full));
        let next = rig.machine.next_sequence();
        assert_eq!(rig.machine.admits(1, 1), Err(Refused::Full));
        rig.step(Input::Append { records: [bytes::Bytes::from_static(b"refused")].into(), urgent: false });
        assert!(rig.said.contains(&Action::Rejected(Refused::Full)));
        assert_eq!(rig.machine.next_sequence(), next);
        rig.fault = None;
        rig.run();
        assert!(rig.said.contains(&Action::Space));
        rig.check_alive();
    }
}

#[test]
fn the_reserve_saves_what_was_accepted() {
    let mut rig = Rig::ready(Config { reserve_bytes: 4096, ..config() });
    rig.append(&[b"before"]);
    rig.run();
    // The disk is full for as long as the reserve is there.
    rig.append(&[b"accepted"]);
    let write = rig.pending.pop_front().unwrap();
    rig.step(Input::Disk(write.0, Err(DiskError::NoSpace)));
    assert!(rig.pending.iter().any(|(_, op)| matches!(op, DiskOp::Remove(_))), "{:?}", rig.pending);
    rig.fault = Some(|op| matches!(op, DiskOp::Allocate { .. }).then_some(Fault::Error(DiskError::NoSpace)));
    suffer(&mut rig, 5);
    assert_eq!(rig.durable, 2, "written into the space that was held back");
    assert_eq!(rig.machine.admits(1, 1), Err(Refused::Full));
    assert!(!rig.said.iter().any(|action| matches!(action, Action::Unknown { .. })));
    rig.fault = None;
    rig.run();
    rig.check_alive();
}

#[test]
fn a_header_that_cannot_be_written_does_not_stay_in_the_way() {
    let mut rig = Rig::ready(Config { segment_bytes: 300, ..config() });
    rig.append(&[&[1; 100]]);
    rig.run();
    rig.fault = Some(headers_cannot_be_written);
    rig.append(&[&[2; 100]]);
    suffer(&mut rig, 3);
    assert!(rig.said.contains(&Action::Full));
    rig.fault = None;
    rig.run();
    rig.check_alive();
    rig.lose_power(|_, _| Fate::Old, || true);
    rig.run();
    rig.check_alive();
}

#[test]
fn a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one() {
    let mut rig = Rig::ready(config());
    rig.append(&[b"there"]);
    rig.run();
    rig.fault = Some(|op| matches!(op, DiskOp::List(_)).then_some(Fault::Error(DiskError::Io)));
    rig.kill();
    suffer(&mut rig, 2);
    assert_eq!((rig.opened.is_some(), rig.damaged.is_some()), (false, false), "tried again");
    suffer(&mut rig, 3);
    assert!(rig.damaged.as_ref().is_some_and(|damage| damage.what.contains("cannot be read")));
    rig.fault = None;
    rig.kill();
    rig.run();
    rig.check_alive();
}

#[test]
fn closing_over_a_failing_disk_says_so() {
    let mut rig = Rig::ready(config());
    rig.append(&[b"proven"]);
    rig.run();
    rig.fault = Some(syncs_fail);
    rig.append(&[b"in doubt"]);
    rig.step(Input::Close);
    suffer(&mut rig, 6);
    assert_eq!(rig.said.last(), Some(&Action::Closed(Err(DiskError::Io))));
    assert_eq!(rig.machine.admits(1, 1), Err(Refused::Closing));
}

#[test]
fn closing_writes_everything_that_was_accepted() {
    let mut rig = Rig::ready(weak(config()));
    for round in 0..30u8 {
        rig.append(&[&[round; 40]]);
    }
    rig.close();
    assert_eq!(rig.durable, 30);
    rig.lose_power(|_, _| Fate::Old, || false);
    rig.run();
    assert!(rig.opened.as_ref().unwrap().report.clean);
    rig.check_alive();
}

#[test]
fn a_disk_that_really_fills_up_loses_and_doubts_nothing_that_was_accepted() {
    for preallocate in [false, true] {
        let settings =
            Config { queue_bytes: 3000, reserve_bytes: 9000, segment_bytes: 2000, preallocate, ..config() };
        let mut rig = Rig::ready(settings);
        rig.disk.capacity = 30_000;
        let mut refused = None;
        for round in 0..400u32 {
            let body = [round as u8; 150];
            if rig.append(&[&body]) {
                // Several at once wait for the disk.
                if round % 5 == 0 {
                    suffer(&mut rig, 1);
                }
            } else {
                refused = rig.machine.admits(1, 150).err();
                if refused == Some(Refused::Full) {
                    break;
                }
                suffer(&mut rig, 1);
            }
        }
        assert_eq!(refused, Some(Refused::Full));
        suffer(&mut rig, 20);
        assert_eq!(rig.durable, rig.machine.next_sequence(), "everything accepted is durable");
        assert!(!rig.said.iter().any(|action| matches!(action, Action::Unknown { .. })));
        assert_eq!(rig.machine.admits(1, 1), Err(Refused::Full), "and nothing more is taken");
        let mut again = Rig::new(rig.config.clone());
        core::mem::swap(&mut again.disk, &mut rig.disk);
        (again.handed, again.durable) = (rig.handed.clone(), rig.durable);
        again.disk.lose_power(|_, _| Fate::Old, || false);
        again.boot();
        suffer(&mut again, 9);
        assert!(again.opened.is_some(), "opens on a full disk");
        again.disk.capacity = u64::MAX;
        again.run();
        again.check_alive();
    }
}
