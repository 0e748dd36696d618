//! Each fault, shown to happen.

use super::{allocate, any_op, list};
use crate::world::disk::bench::{Bench, create, read, remove, set_len, sync, write};
use crate::world::disk::{Bound, Damage, Fates, Faults, Geometry, Label, Landed, Outcome, Reach};
use onceward_core::{DiskError, DiskOk, DiskOp};
use proptest::prelude::*;

const ALL: Faults = Faults {
    short_reads: true,
    read_errors: true,
    misdirected_reads: true,
    short_writes: true,
    write_errors: true,
    misdirected_writes: true,
    sync_errors: true,
    lies: true,
    name_errors: true,
};

fn fails(error: DiskError, reach: Reach) -> Outcome {
    Outcome::Fail { error, reach }
}

fn listed(bench: &Bench, op: DiskOp) -> Vec<String> {
    let mut bench = bench.clone();
    let id = bench.submit(op);
    let mut outcomes = Vec::new();
    assert_eq!(bench.disk.outcomes(id, &ALL, &mut outcomes), Bound::Complete);
    outcomes.iter().map(Outcome::to_string).collect()
}

fn capacity(bench: &mut Bench, bytes: u64) {
    assert!(bench.disk.damage(&Damage::Capacity(Some(bytes))));
}

#[test]
fn writes_can_be_short_and_fail_with_some_of_it_done() {
    let bench = Bench::holding(4, "a", b"........");
    let expected = [
        "ok",
        "short 2",
        "fails with EIO",
        "fails with EIO after 2",
        "fails with EIO after all",
        "misdirected a:1",
    ];
    assert_eq!(listed(&bench, write("a", 2, b"12345")), expected);
    let after = |outcome| {
        let mut bench = bench.clone();
        let answer = bench.try_with(write("a", 2, b"12345"), &outcome).unwrap();
        (answer, String::from_utf8(bench.see("a").unwrap()).unwrap())
    };
    assert_eq!(after(Outcome::Short(2)), (Ok(DiskOk::Wrote(2)), "..12....".into()));
    assert_eq!(after(fails(DiskError::Io, Reach::Nothing)), (Err(DiskError::Io), "........".into()));
    assert_eq!(after(fails(DiskError::Io, Reach::Bytes(3))), (Err(DiskError::Io), "..123...".into()));
    assert_eq!(after(fails(DiskError::Io, Reach::All)), (Err(DiskError::Io), "..12345.".into()));
    for impossible in
        [Outcome::Short(0), Outcome::Short(5), Outcome::Lie, fails(DiskError::NotFound, Reach::Nothing)]
    {
        assert_eq!(bench.clone().try_with(write("a", 2, b"12345"), &impossible), None, "{impossible}");
    }
}

#[test]
fn reads_can_be_short_fail_or_come_from_elsewhere() {
    let bench = Bench::holding(4, "a", b"aaaabbbbcccc");
    let expected = ["ok", "fails with EIO", "short 3", "misdirected a:1"];
    assert_eq!(listed(&bench, read("a", 1, 5)), expected);
    let answer =
        |outcome| bench.clone().try_with(read("a", 1, 5), &outcome).map(|answer| format!("{answer:?}"));
    assert_eq!(answer(Outcome::Short(3)).as_deref(), Some(r#"Ok(Read(b"aaa"))"#));
    assert_eq!(answer(fails(DiskError::Io, Reach::Nothing)).as_deref(), Some("Err(Io)"));
    let elsewhere = Outcome::Misdirected { file: Label::new("a"), sector: 1 };
    assert_eq!(answer(elsewhere).as_deref(), Some(r#"Ok(Read(b"bbbcc"))"#));
    assert_eq!(listed(&bench, list("")), ["ok", "fails with EIO"]);
}

#[test]
fn a_full_disk_writes_what_fits_and_then_nothing() {
    let mut bench = Bench::holding(4, "a", b"1234");
    bench.run(create("b")).unwrap();
    capacity(&mut bench, 9);
    assert_eq!(listed(&bench, write("b", 0, b"123456")).last().unwrap(), "fails with ENOSPC");
    assert_eq!(bench.run(write("b", 0, b"123456")), Ok(DiskOk::Wrote(4)));
    assert_eq!(bench.run(write("b", 4, b"5")), Err(DiskError::NoSpace));
    assert_eq!(bench.run(write("b", 0, b"65")), Ok(DiskOk::Wrote(2)), "space that is there already");
    assert_eq!(bench.run(allocate("a", 5)), Err(DiskError::NoSpace));
    assert_eq!(bench.see("a"), Some(b"1234".to_vec()));
    bench.run(set_len("b", 0)).unwrap();
    assert_eq!(bench.run(allocate("a", 5)), Ok(DiskOk::Done));
    assert_eq!(bench.see("a"), Some(b"1234\0".to_vec()));
    assert_eq!(bench.run(write("b", 0, b"1")), Err(DiskError::NoSpace));
    assert_eq!(bench.run(write("a", 5, b"678")), Ok(DiskOk::Wrote(3)), "space that was reserved");
    bench.run(remove("a")).unwrap();
    assert_eq!(bench.run(write("b", 0, b"12")), Ok(DiskOk::Wrote(2)));
    assert!(bench.disk.damage(&"capacity unlimited".parse().unwrap()));
    assert_eq!(bench.run(write("b", 0, &[1; 99])), Ok(DiskOk::Wrote(99)));
}

#[test]
fn a_file_has_a_largest_size() {
    let mut bench = Bench::new(4);
    bench.run(create("a")).unwrap();
    let largest = u64::from(Geometry::checked(4).max_file);
    for op in [
        write("a", largest, b"1"),
        write("a", u64::MAX, b"1"),
        set_len("a", largest + 1),
        allocate("a", u64::MAX),
    ] {
        assert_eq!(bench.run(op), Err(DiskError::NoSpace));
    }
    assert_eq!(bench.run(set_len("a", largest)), Ok(DiskOk::Done));
    assert_eq!(bench.run(read("a", u64::MAX, u32::MAX)), Ok(DiskOk::Read(Default::default())));
}

#[test]
fn a_lying_sync_makes_nothing_durable_and_an_honest_one_does() {
    let mut bench = Bench::holding(4, "a", b"old.");
    bench.run(write("a", 0, b"new.")).unwrap();
    assert_eq!(listed(&bench, sync("a")), ["ok", "fails with EIO", "lies"]);
    assert_eq!(bench.try_with(sync("a"), &Outcome::Lie), Some(Ok(DiskOk::Done)));
    assert_eq!(bench.after_loss(&Fates::DROP).see("a"), Some(b"old.".to_vec()));
    bench.run(sync("a")).unwrap();
    assert_eq!(bench.after_loss(&Fates::DROP).see("a"), Some(b"new.".to_vec()));
}

#[test]
fn a_misdirected_write_hits_another_place_and_misses_its_own() {
    let mut bench = Bench::holding(4, "a", b"aaaabbbbcccc");
    let outcome = Outcome::Misdirected { file: Label::new("a"), sector: 2 };
    assert_eq!(bench.try_with(write("a", 1, b"123"), &outcome), Some(Ok(DiskOk::Wrote(3))));
    assert_eq!(bench.see("a"), Some(b"a123bbbbc123".to_vec()));
    bench.run(sync("a")).unwrap();
    // No power loss can bring it to its place, but a newer write of the same sector does.
    assert_eq!(bench.after_loss(&Fates::keep()).see("a"), Some(b"aaaabbbbc123".to_vec()));
    bench.run(write("a", 0, b"!")).unwrap();
    bench.run(sync("a")).unwrap();
    assert_eq!(bench.after_loss(&Fates::DROP).see("a"), Some(b"!123bbbbc123".to_vec()));
}

#[test]
fn rot_stays_and_hides_behind_the_cache() {
    let mut bench = Bench::holding(4, "a", b"aaaabbbb");
    assert!(bench.disk.damage(&"rot a byte 1 mask 1".parse().unwrap()));
    assert_eq!(bench.see("a"), Some(b"a`aabbbb".to_vec()));
    bench.run(write("a", 7, b"!")).unwrap();
    assert!(bench.disk.damage(&"rot a byte 4 mask 1".parse().unwrap()));
    assert_eq!(bench.see("a"), Some(b"a`aabbb!".to_vec()), "the cache holds the changed sector");
    assert_eq!(bench.after_loss(&Fates::DROP).see("a"), Some(b"a`aacbbb".to_vec()));
    for impossible in ["rot a byte 8 mask 1", "rot a byte 1 mask 0", "rot b byte 0 mask 1"] {
        let before = bench.clone();
        assert!(!bench.disk.damage(&impossible.parse().unwrap()) && bench == before, "{impossible}");
    }
}

#[test]
fn a_lost_sector_cannot_be_read_until_it_is_written_as_a_whole() {
    let mut bench = Bench::holding(4, "a", b"aaaabbbbcccc");
    assert!(bench.disk.damage(&"lose a:1".parse().unwrap()));
    assert!(!bench.disk.damage(&"lose a:3".parse().unwrap()));
    assert_eq!(format!("{:?}", bench.run(read("a", 2, 9))), r#"Ok(Read(b"aa"))"#);
    assert_eq!(bench.run(read("a", 5, 1)), Err(DiskError::Io));
    assert_eq!(format!("{:?}", bench.run(read("a", 8, 9))), r#"Ok(Read(b"cccc"))"#);
    assert_eq!(bench.run(write("a", 5, b"1")), Err(DiskError::Io), "it would have to be read before");
    assert_eq!(bench.run(write("a", 3, b"1234")), Err(DiskError::Io));
    assert_eq!(bench.run(write("a", 4, b"1234")), Ok(DiskOk::Wrote(4)));
    assert_eq!(bench.see("a"), Some(b"aaaa1234cccc".to_vec()));
    let mut dropped = bench.after_loss(&Fates::DROP);
    assert_eq!(dropped.run(read("a", 4, 1)), Err(DiskError::Io));
    bench.run(sync("a")).unwrap();
    assert_eq!(bench.after_loss(&Fates::DROP).see("a"), Some(b"aaaa1234cccc".to_vec()));
}

#[test]
fn a_kill_can_cut_a_write_short_and_choose_among_equal_ones() {
    let mut bench = Bench::holding(4, "a", b"........");
    for data in [b"1111", b"2222"] {
        bench.submit(write("a", 0, data));
    }
    let after = |landed: &str| {
        let mut bench = bench.clone();
        bench.disk.kill(&landed.parse().unwrap());
        String::from_utf8(bench.see("a").unwrap()).unwrap()
    };
    assert_eq!(after("landing nothing"), "........");
    assert_eq!(after("landing 2 of write a 0+4"), "11......");
    assert_eq!(after("landing write a 0+4, 2 of write a 0+4 #2"), "2211....");
    assert_eq!(after("landing everything"), "2222....");
    assert_eq!(after("landing write b 0+4"), "........");
    assert_eq!(bench.disk.kills(100).0.len(), 4);
    assert_eq!(bench.disk.kills(3).1, Bound::Cut);
}

#[test]
fn a_failed_sync_a_kill_and_a_power_loss_in_this_order() {
    let mut bench = Bench::holding(4, "a", b"old.");
    bench.run(write("a", 0, b"new.")).unwrap();
    assert!(bench.try_with(sync("a"), &fails(DiskError::Io, Reach::Nothing)).is_some());
    bench.disk.kill(&Landed::Nothing);
    assert_eq!(bench.see("a"), Some(b"new.".to_vec()), "recovery reads the cache");
    bench.run(sync("a")).unwrap();
    assert_eq!(bench.after_loss(&Fates::DROP).see("a"), Some(b"old.".to_vec()), "and proves nothing by it");
}

#[test]
fn garbage_has_many_kinds_and_one_canonical_form() {
    let mut bench = Bench::holding(4, "a", b"oldold..");
    bench.run(write("a", 0, b"NEWNEW!!")).unwrap();
    let see = |fates: &str| bench.after_loss(&fates.parse().unwrap()).see("a").unwrap();
    assert_eq!(see("garbling a:0"), see("garbling a:0"));
    assert_ne!(see("garbling a:0")[..4], *b"oldo");
    let kinds: std::collections::BTreeSet<_> =
        (0..60).map(|seed| see(&format!("garbling a, seed {seed}"))).collect();
    assert!(kinds.len() > 30, "{}", kinds.len());
    assert_eq!(see("garbling a, seed 3"), see("garbling a, seed 3"));
}

#[test]
fn lengths_may_be_torn_at_the_ends_of_sectors() {
    let mut bench = Bench::new(4);
    bench.disk = crate::world::disk::Disk::new(Geometry { tear_lengths: true, ..Geometry::checked(4) });
    bench.run(create("a")).unwrap();
    bench.run(write("a", 0, &[7; 11])).unwrap();
    let see = |fates: &str| bench.after_loss(&fates.parse().unwrap()).see("a").map(|bytes| bytes.len());
    assert_eq!(see("keeping a, a:len=8"), Some(8));
    assert_eq!(see("keeping a"), Some(11));
    assert_eq!(see("keeping a, a:len=9"), Some(0), "no such length: the old one");
}

#[test]
fn drawn_fates_reach_every_image_of_a_small_scope() {
    let mut bench = Bench::new(2);
    bench.run(create("a")).unwrap();
    bench.run(write("a", 0, b"123")).unwrap();
    bench.submit(write("a", 1, b"9"));
    let (all, bound) = bench.disk.power_losses(false, 1_000);
    assert_eq!(bound, Bound::Complete);
    let mut seen = std::collections::HashSet::new();
    let mut random = 1u64;
    for _ in 0..4_000 {
        let fates = bench.disk.draw_fates(None, &mut |_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as usize
        });
        let mut disk = bench.disk.clone();
        disk.power_loss(&fates);
        seen.insert(disk);
    }
    assert_eq!(seen, all.into_iter().map(|(_, disk)| disk).collect());
    assert_eq!(bench.disk.open_slots().len(), 4, "{:?}", bench.disk.open_slots());
    assert_eq!(bench.disk.power_losses(false, 5).1, Bound::Cut);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever happened before: every listed outcome is possible and written as text that reads back; fates that are
    /// found lead where they say; and no crash leaves anything that is not durable.
    #[test]
    fn every_listed_outcome_is_possible(
        ops in prop::collection::vec((any_op(), any::<prop::sample::Index>()), 0..25),
        damage in (0u64..12, 1u8..=255, 0u32..3),
    ) {
        let mut bench = Bench::new(2);
        for (number, (op, pick)) in ops.into_iter().enumerate() {
            let id = bench.submit(op.clone());
            let mut outcomes = Vec::new();
            prop_assert_eq!(bench.disk.outcomes(id, &ALL, &mut outcomes), Bound::Complete);
            for outcome in &outcomes {
                prop_assert_eq!(&outcome.to_string().parse::<Outcome>().unwrap(), outcome);
                prop_assert!(bench.clone().complete(id, outcome).is_some(), "{} of {:?}", outcome, op);
            }
            let outcome = pick.get(&outcomes);
            prop_assert!(bench.complete(id, outcome).is_some());
            if number == 10 {
                let file = Label::new("a");
                bench.disk.damage(&Damage::Rot { file: file.clone(), at: damage.0, mask: damage.1 });
                bench.disk.damage(&Damage::Lose { file, sector: damage.2 });
            }
        }
        let (losses, _) = bench.disk.power_losses(false, 200);
        for (fates, expected) in losses {
            let mut disk = bench.disk.clone();
            disk.power_loss(&fates.to_string().parse().unwrap());
            prop_assert_eq!(&disk, &expected);
            prop_assert!(disk.open_slots().is_empty());
            prop_assert_eq!(disk.durable_image(), disk.cache_image());
        }
    }
}
