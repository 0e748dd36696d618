//! Releasing the front: what goes, in which order, and what is left at any moment.

use super::super::{Action, Config, FetchError, Input};
use super::disk::{Fate, Fault};
use super::rig::{Rig, config};
use crate::{DiskError, DiskOp};
use alloc::{string::String, vec::Vec};

fn small() -> Config {
    Config { segment_bytes: 700, releases: true, ..config() }
}

/// A store of several segments.
fn open() -> Rig {
    let mut rig = Rig::ready(small());
    for round in 0..12u8 {
        rig.append(&[&[round; 90], &[round]]);
        rig.run();
    }
    assert_eq!(rig.files().len(), 4);
    rig
}

/// The numbers of the files.
fn numbers(rig: &Rig) -> Vec<u64> {
    let number = |name: &String| name.trim_end_matches(".seg").rsplit('/').next().unwrap().parse().unwrap();
    rig.files().iter().map(number).collect()
}

#[test]
fn whole_segments_go_the_lowest_first_and_each_durably() {
    let mut rig = open();
    let first = rig.places.iter().find(|(_, at)| at.segment == 2).map(|(sequence, _)| *sequence).unwrap();
    // One record of the third segment is of use.
    rig.release(first + 1);
    let mut order = Vec::new();
    while let Some((_, op)) = rig.pending.front() {
        order.push(alloc::format!("{op:?}"));
        rig.perform();
    }
    insta::assert_snapshot!(order.join("\n"), @r#"
    Remove("log/00000000000000000000.seg")
    SyncDir("log")
    Remove("log/00000000000000000001.seg")
    SyncDir("log")
    "#);
    assert_eq!(numbers(&rig), [2, 3]);
    assert_eq!(rig.machine.first_sequence(), first);
    rig.check_alive();
    rig.kill();
    rig.run();
    assert_eq!(rig.opened.as_ref().unwrap().first, first);
    rig.check_alive();
}

#[test]
fn what_was_released_is_told_from_what_has_moved() {
    let mut rig = open();
    let at = rig.places[&0];
    // The read is on its way when the segment goes.
    rig.step(Input::Fetch { token: 1, at });
    let read = rig.pending.pop_front().unwrap();
    rig.release(12);
    rig.run();
    rig.pending.push_back(read);
    rig.run();
    let released = |rig: &Rig| {
        matches!(rig.said.last(), Some(Action::Fetched { result: Err(FetchError::Released), .. }))
    };
    assert!(released(&rig), "{:?}", rig.said.last());
    rig.step(Input::Fetch { token: 2, at });
    assert!(released(&rig), "{:?}", rig.said.last());
}

#[test]
fn a_crash_at_any_moment_leaves_an_end_of_the_log() {
    for steps in 0..12 {
        for (power, keep) in [(false, false), (true, true), (true, false)] {
            let mut rig = open();
            rig.release(20);
            for _ in 0..steps {
                rig.perform();
            }
            match power {
                true => rig.lose_power(|_, _| Fate::Old, || keep),
                false => rig.kill(),
            }
            rig.run();
            rig.check_alive();
            // What a removal that was not durable brings back does not stay for ever.
            rig.release(20);
            rig.run();
            rig.check_alive();
            assert!(numbers(&rig).iter().all(|number| *number >= 3), "{:?}", rig.files());
        }
    }
}

#[test]
fn a_removal_that_fails_is_tried_again_with_the_next_release() {
    let mut rig = open();
    rig.fault = Some(|op| matches!(op, DiskOp::Remove(_)).then_some(Fault::Error(DiskError::Io)));
    rig.release(12);
    rig.run();
    assert!(rig.marks.contains("release failed"));
    assert_eq!(numbers(&rig).len(), 4);
    rig.check_alive();
    rig.fault = None;
    rig.release(12);
    rig.run();
    assert_eq!(numbers(&rig).len(), 2);
    rig.check_alive();
}

#[test]
fn a_full_disk_releases() {
    let mut rig = open();
    rig.disk.capacity = 0;
    rig.append(&[&[1; 600]]);
    rig.run();
    assert!(rig.marks.contains("disk full"));
    rig.release(12);
    rig.run();
    assert_eq!(rig.machine.first_sequence(), 12);
    rig.disk.capacity = u64::MAX;
    rig.run();
    rig.check_alive();
}

#[test]
fn a_segment_that_is_missing_in_front_is_damage_where_nothing_is_released() {
    let mut rig = open();
    rig.release(12);
    rig.run();
    rig.config.releases = false;
    rig.kill();
    rig.run();
    let damage = alloc::format!("{}", rig.damaged.clone().unwrap());
    insta::assert_snapshot!(damage, @"log/00000000000000000001.seg at byte 0: the segment is missing, its successor names it");
}

#[test]
fn what_follows_a_roll_begins_a_segment() {
    let mut rig = open();
    let before = *numbers(&rig).last().unwrap();
    rig.step(Input::Roll);
    rig.run();
    let next = rig.machine.next_sequence();
    rig.append(&[b"first"]);
    rig.run();
    assert_eq!(rig.places[&next].segment, before + 1);
    rig.release(next);
    rig.run();
    assert_eq!(rig.machine.first_sequence(), next);
    rig.check_alive();
}
