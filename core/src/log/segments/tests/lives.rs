//! Random lives: appends, crashes of both kinds at any operation, failing operations, restarts. The rig checks at
//! each recovery; afterwards everything must be readable and new work accepted.

use super::super::{Input, SyncPolicy, Timer};
use super::disk::Fate;
use super::rig::{Dice, Rig, config, weak};
use crate::{Dur, Path};
use alloc::{collections::BTreeSet, vec, vec::Vec};

fn life(seed: u64, marks: &mut BTreeSet<&'static str>) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut settings = config();
    if dice.roll(2) == 0 {
        settings.folder = Path::root();
    }
    settings.attempts = [2, 4][dice.roll(2) as usize];
    settings.preallocate = dice.roll(2) == 0;
    settings.reserve_bytes = [0, 4096][dice.roll(2) as usize];
    settings.segment_bytes = [400, 2048, 100_000][dice.roll(3) as usize];
    settings.full_scan = dice.roll(4) == 0;
    settings.group_records = [2, 100][dice.roll(2) as usize];
    settings.read_chunk = [64, 100, 4096][dice.roll(3) as usize];
    settings.queue_bytes = [600, 1 << 16][dice.roll(2) as usize];
    settings.releases = dice.roll(2) == 0;
    settings.segment_age = [None, Some(Dur::secs(1))][dice.roll(2) as usize];
    match dice.roll(4) {
        0 => settings = weak(settings),
        1 => settings.policy = SyncPolicy::Interval { age: Dur::millis(5) },
        2 => settings.policy = SyncPolicy::Pipelined,
        _ => {}
    }
    let mut rig = Rig::new(settings);
    rig.use_footers = dice.roll(3) > 0;
    rig.boot();
    let odds = [0, 0, 12, 60, 400][dice.roll(5) as usize];
    if odds > 0 {
        rig.fault_dice = Some((Dice(dice.roll(u64::MAX >> 1) | 1), odds));
    }
    for _ in 0..dice.roll(400) {
        match dice.roll(100) {
            0..35 => {
                let count = 1 + dice.roll(3) as usize;
                let bodies: Vec<Vec<u8>> =
                    (0..count).map(|_| vec![dice.roll(256) as u8; dice.roll(90) as usize]).collect();
                rig.append(&bodies.iter().map(|body| &body[..]).collect::<Vec<_>>());
            }
            35..85 => {
                rig.perform_any(&mut dice);
            }
            85..88 => {
                let timer = [Timer::Retry, Timer::Sync, Timer::Age][dice.roll(3) as usize];
                rig.fire(timer);
            }
            88 => rig.step(Input::Barrier { token: 1 }),
            89 => rig.step(Input::Roll),
            90..92 if rig.config.releases && rig.opened.is_some() => {
                let upto = dice.roll(1 + rig.durable);
                rig.release(upto);
            }
            92..95 => rig.kill(),
            95..98 => {
                let mut other = dice.clone();
                let odds = [1, 2, 3][dice.roll(3) as usize];
                rig.lose_power(
                    |_, _| [Fate::New, Fate::Old, Fate::Garbage][dice.roll(odds) as usize],
                    || other.roll(2) == 0,
                );
                dice.0 ^= other.0;
                dice.0 |= 1;
            }
            98 => {
                rig.fault_dice = None;
                rig.disk.capacity = u64::MAX;
                rig.run();
                if rig.opened.is_some() {
                    rig.close();
                }
                rig.boot();
            }
            99 if dice.roll(2) == 0 => {
                // The disk fills up, or is emptied.
                rig.disk.capacity =
                    if rig.disk.capacity == u64::MAX { 2000 + dice.roll(20_000) } else { u64::MAX };
            }
            _ => rig.run(),
        }
        // A disk that fails as often as that may not even be read; another start may do better.
        if rig.damaged.as_ref().is_some_and(|damage| damage.what.starts_with("cannot be read")) {
            rig.kill();
        }
        assert_eq!(rig.damaged, None, "seed {seed}");
    }
    // The faults end, power is lost once more, and everything must be well.
    rig.fault_dice = None;
    rig.disk.capacity = u64::MAX;
    rig.run();
    assert_eq!(rig.damaged, None, "seed {seed}");
    rig.lose_power(|_, at| if at % 2 == 0 { Fate::New } else { Fate::Garbage }, || true);
    rig.run();
    rig.check_alive();
    rig.check_alive();
    let files = rig.files().len() as u32;
    rig.close();
    rig.boot();
    rig.run();
    assert!(rig.opened.as_ref().unwrap().report.clean, "seed {seed}");
    assert!(rig.files().len() as u32 <= files);
    rig.check_reads();
    marks.extend(&rig.marks);
}

#[test]
fn random_lives_keep_every_promise() {
    let mut marks = BTreeSet::new();
    for seed in 1..3000 {
        life(seed, &mut marks);
    }
    let all = [super::super::MARKS, super::super::RELEASE_MARKS].concat();
    let missed: Vec<_> = all.iter().filter(|mark| !marks.contains(*mark)).collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
}
