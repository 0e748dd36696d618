//! Deciding a sector only when a read first covers it reaches exactly what deciding all of them at once reaches, as
//! far as anybody can see by reading.

use crate::world::disk::bench::{Bench, read, set_len, sync, write};
use crate::world::disk::{Bound, Disk, Faults, Outcome};
use onceward_core::{DiskOp, DiskResult, OpId};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Everything that can be answered to these operations, one after the other.
fn answers(disks: Vec<Disk>, ops: &[DiskOp]) -> BTreeSet<Vec<DiskResult>> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<(Disk, Vec<DiskResult>)> = disks.into_iter().map(|disk| (disk, Vec::new())).collect();
    while let Some((mut disk, so_far)) = open.pop() {
        let Some(op) = ops.get(so_far.len()) else {
            seen.insert(so_far);
            continue;
        };
        disk.submit(OpId(1_000), op.clone());
        let mut outcomes = Vec::new();
        assert_eq!(disk.outcomes(OpId(1_000), &Faults::NONE, &mut outcomes), Bound::Complete);
        for outcome in outcomes {
            let mut disk = disk.clone();
            let answer = disk.complete(OpId(1_000), &outcome).expect("a listed outcome is possible");
            let so_far = so_far.iter().cloned().chain([answer]).collect();
            open.push((disk, so_far));
        }
    }
    seen
}

fn losses(bench: &Bench, lazy: bool) -> Vec<Disk> {
    let (list, bound) = bench.disk.power_losses(lazy, 100_000);
    assert_eq!(bound, Bound::Complete);
    list.into_iter().map(|(_, disk)| disk).collect()
}

#[test]
fn a_read_decides_only_what_it_can_see() {
    let mut bench = Bench::holding(4, "log", b"aaaabbbb");
    bench.run(write("log", 2, b"XXYY")).unwrap();
    let [mut disk] = <[Disk; 1]>::try_from(losses(&bench, true)).expect("nothing but sectors is open");
    let mut outcomes = |op: DiskOp, choice: usize| {
        disk.submit(OpId(7), op);
        let mut outcomes = Vec::new();
        assert_eq!(disk.outcomes(OpId(7), &Faults::NONE, &mut outcomes), Bound::Complete);
        let answer = disk.complete(OpId(7), &outcomes[choice]).unwrap();
        (outcomes.len(), format!("{answer:?}"))
    };
    // The first two bytes of the sector were not written: old and new agree there, garbage does not.
    let (ways, answer) = outcomes(read("log", 0, 2), 0);
    assert_eq!((ways, answer.as_str()), (2, r#"Ok(Read(b"aa"))"#));
    let (ways, answer) = outcomes(read("log", 0, 4), 1);
    assert_eq!((ways, answer.as_str()), (2, r#"Ok(Read(b"aaXX"))"#));
    // What was seen stays so.
    assert_eq!(outcomes(read("log", 0, 4), 0), (1, r#"Ok(Read(b"aaXX"))"#.to_owned()));
    assert_eq!(outcomes(read("log", 4, 4), 0).0, 3);
}

#[test]
fn lazy_and_eager_fates_show_the_same_on_a_small_scope() {
    let mut bench = Bench::holding(2, "log", b"aabbcc");
    bench.run(write("log", 1, b"123")).unwrap();
    bench.run(write("log", 3, b"45")).unwrap();
    bench.submit(write("log", 5, b"67"));
    let reads = [read("log", 0, 3), read("log", 2, 9), read("log", 0, 9)];
    let (lazy, eager) = (losses(&bench, true), losses(&bench, false));
    assert!(lazy.len() * 10 < eager.len(), "{} and {}", lazy.len(), eager.len());
    let seen = answers(eager, &reads);
    assert!(seen.len() > 100, "{}", seen.len());
    assert_eq!(answers(lazy, &reads), seen);
}

#[test]
fn changes_of_open_sectors_become_durable_whatever_lies_below() {
    let mut bench = Bench::holding(4, "log", b"aaaabbbb");
    bench.run(write("log", 2, b"XXYY")).unwrap();
    let looks =
        [write("log", 3, b"1234"), sync("log"), read("log", 2, 4), set_len("log", 5), read("log", 0, 8)];
    let seen = answers(losses(&bench, false), &looks);
    assert_eq!(seen.len(), 3, "the first sector is old, new or garbage below the new byte: {seen:?}");
    assert_eq!(answers(losses(&bench, true), &looks), seen);
}

fn step() -> impl Strategy<Value = DiskOp> {
    prop_oneof![
        6 => (0u64..7, prop::collection::vec(1u8..4, 1..4)).prop_map(|(at, data)| write("log", at, &data)),
        2 => (0u64..8).prop_map(|len| set_len("log", len)),
        2 => Just(sync("log")),
    ]
}

fn look() -> impl Strategy<Value = DiskOp> {
    prop_oneof![
        4 => (0u64..7, 1u32..8).prop_map(|(at, len)| read("log", at, len)),
        1 => (0u64..7, prop::collection::vec(1u8..4, 1..3)).prop_map(|(at, data)| write("log", at, &data)),
        1 => (0u64..8).prop_map(|len| set_len("log", len)),
        1 => Just(sync("log")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Also with changes between the reads, with one write unanswered, and after a second power loss.
    #[test]
    fn lazy_and_eager_fates_show_the_same(
        steps in prop::collection::vec(step(), 1..4),
        unanswered in step(),
        between in prop::collection::vec(look(), 0..3),
        looks in prop::collection::vec(look(), 1..4),
    ) {
        let mut bench = Bench::holding(2, "log", b"aabbc");
        for step in steps {
            bench.run(step).unwrap();
        }
        bench.submit(unanswered);
        prop_assert_eq!(answers(losses(&bench, true), &looks), answers(losses(&bench, false), &looks));
        let twice = |lazy| {
            let mut after = BTreeSet::new();
            for disk in losses(&bench, lazy) {
                let mut once = bench.clone();
                once.disk = disk;
                let mut open = vec![once];
                for op in &between {
                    open = open.into_iter().flat_map(|bench| every(bench, op)).collect();
                }
                open.into_iter().for_each(|bench| after.extend(answers(losses(&bench, lazy), &looks)));
            }
            after
        };
        let small = losses(&bench, false).len() <= 20;
        if small {
            prop_assert_eq!(twice(true), twice(false));
        }
    }
}

/// The bench after each outcome of an operation.
fn every(mut bench: Bench, op: &DiskOp) -> Vec<Bench> {
    let id = bench.submit(op.clone());
    let mut outcomes: Vec<Outcome> = Vec::new();
    assert_eq!(bench.disk.outcomes(id, &Faults::NONE, &mut outcomes), Bound::Complete);
    let after = outcomes.iter().map(|outcome| {
        let mut bench = bench.clone();
        let _answer = bench.complete(id, outcome).expect("a listed outcome is possible");
        bench
    });
    after.collect()
}
