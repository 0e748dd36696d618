//! What a power loss may leave, compared with a judge that keeps the whole history with times and reads the promises
//! off it: the disk must be neither kinder nor crueller.

use crate::world::disk::bench::{Bench, sync, write};
use crate::world::disk::{Bound, Disk, Landed, Outcome, Reach};
use onceward_core::{DiskError, OpId};
use proptest::prelude::*;
use std::collections::BTreeSet;

const SECTOR: usize = 2;

/// A write as the judge remembers it.
#[derive(Clone, Debug)]
struct Written {
    id: OpId,
    at: usize,
    data: Vec<u8>,
    answered: Option<usize>,
    durable: bool,
    lost: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize, Vec<u8>),
    /// One of the unanswered writes is done.
    Answer(usize),
    Sync,
    /// One of the syncs under way ends: well, with an error, or with a lie.
    Synced(usize, u8),
    Kill,
}

fn a_step(reach: usize) -> impl Strategy<Value = Step> {
    let data = prop::collection::vec(1u8..4, 1..4);
    prop_oneof![
        5 => (0..reach, data).prop_map(|(at, data)| Step::Write(at, data)),
        5 => (0usize..3).prop_map(Step::Answer),
        3 => Just(Step::Sync),
        3 => (0usize..3, prop::sample::select(vec![0u8, 0, 0, 1, 2])).prop_map(|(which, end)| Step::Synced(which, end)),
        1 => Just(Step::Kill),
    ]
}

/// Performs the steps and remembers the writes, the answered ones in the order of their answers.
fn play(bench: &mut Bench, steps: Vec<Step>) -> Vec<Written> {
    let mut answered: Vec<Written> = Vec::new();
    let mut waiting: Vec<Written> = Vec::new();
    let mut syncs: Vec<(OpId, usize)> = Vec::new();
    for (now, step) in steps.into_iter().enumerate() {
        match step {
            Step::Write(at, data) => {
                let id = bench.submit(write("log", at as u64, &data));
                waiting.push(Written { id, at, data, answered: None, durable: false, lost: false });
            }
            Step::Answer(which) if !waiting.is_empty() => {
                let mut written = waiting.remove(which % waiting.len());
                bench.complete(written.id, &Outcome::Ok).unwrap().unwrap();
                written.answered = Some(now);
                answered.push(written);
            }
            Step::Sync => syncs.push((bench.submit(sync("log")), now)),
            Step::Synced(which, end) if !syncs.is_empty() => {
                let (id, began) = syncs.remove(which % syncs.len());
                let outcome = [
                    Outcome::Ok,
                    Outcome::Fail { error: DiskError::Io, reach: Reach::Nothing },
                    Outcome::Lie,
                ];
                assert_eq!(bench.complete(id, &outcome[end as usize]).unwrap().is_err(), end == 1);
                for written in
                    answered.iter_mut().filter(|w| w.answered < Some(began) && !w.lost && !w.durable)
                {
                    written.durable = end == 0;
                    written.lost = end == 1;
                }
            }
            Step::Kill => {
                bench.disk.kill(&Landed::Nothing);
                waiting.clear();
                syncs.clear();
            }
            Step::Answer(_) | Step::Synced(..) => {}
        }
    }
    answered.extend(waiting);
    answered
}

fn images(disk: &Disk) -> BTreeSet<Vec<u8>> {
    let (list, bound) = disk.power_losses(false, 100_000);
    assert_eq!(bound, Bound::Complete);
    list.into_iter().map(|(_, disk)| disk.cache_image().files.remove(&"log".into()).unwrap()).collect()
}

/// What one sector may hold, read off the history; garbage left out. And whether it may hold garbage.
fn judged(first: &[u8], history: &[Written], sector: usize) -> (BTreeSet<Vec<u8>>, bool) {
    let start = sector * SECTOR;
    let here: Vec<_> = history
        .iter()
        .filter(|written| written.at < start + SECTOR && start < written.at + written.data.len())
        .collect();
    let apply = |state: &mut Vec<u8>, written: &Written| {
        for (at, byte) in (written.at..).zip(&written.data) {
            if (start..start + SECTOR).contains(&at) {
                state[at - start] = *byte;
            }
        }
    };
    let answered: Vec<_> = here.iter().filter(|written| written.answered.is_some()).collect();
    let unanswered: Vec<_> = here.iter().filter(|written| written.answered.is_none()).collect();
    let safe = answered.iter().rposition(|written| written.durable).map_or(0, |last| last + 1);
    let mut state = first[start..start + SECTOR].to_vec();
    let mut states = BTreeSet::new();
    for done in 0..=answered.len() {
        if done >= safe {
            states.insert(state.clone());
        }
        if let Some(written) = answered.get(done) {
            apply(&mut state, written);
        }
    }
    for done in 0u32..1 << unanswered.len() {
        let mut state = state.clone();
        let chosen = unanswered.iter().enumerate().filter(|(number, _)| done >> number & 1 == 1);
        chosen.for_each(|(_, written)| apply(&mut state, written));
        states.insert(state);
    }
    (states, safe < here.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn each_sector_holds_what_its_history_allows(steps in prop::collection::vec(a_step(4), 0..16)) {
        // Bytes of writes are below 4, so that these and garbage (at sector 0: 01 25) are told apart.
        let first = [8, 8, 9, 9, 8, 8, 9, 9];
        let mut bench = Bench::holding(SECTOR as u32, "log", &first);
        let history = play(&mut bench, steps);
        prop_assume!(history.iter().filter(|written| written.answered.is_none()).count() <= 4);
        let images = images(&bench.disk);
        for sector in 0..first.len() / SECTOR {
            let start = sector * SECTOR;
            let (expected, torn) = judged(&first, &history, sector);
            let mut seen: BTreeSet<_> = images.iter().map(|image| image[start..start + SECTOR].to_vec()).collect();
            let garbage = seen.iter().find(|state| state.iter().any(|byte| *byte > 9)).cloned();
            prop_assert_eq!(garbage.is_some(), torn, "sector {} of {:?}", sector, history);
            garbage.map(|garbage| seen.remove(&garbage));
            prop_assert_eq!(seen, expected, "sector {} of {:?}", sector, history);
        }
    }

    #[test]
    fn what_is_synced_can_be_read_in_every_image(steps in prop::collection::vec(a_step(9), 0..14)) {
        let mut bench = Bench::holding(SECTOR as u32, "log", b"");
        let history = play(&mut bench, steps);
        let longest = history.iter().map(|written| written.at + written.data.len()).max().unwrap_or(0);
        let safe = history.iter().filter(|written| written.durable).map(|w| w.at + w.data.len()).max().unwrap_or(0);
        let lengths: BTreeSet<_> = images(&bench.disk).into_iter().map(|image| image.len()).collect();
        prop_assert!(lengths.first() >= Some(&safe), "{:?} after {:?}", lengths, history);
        prop_assert_eq!(lengths.last(), Some(&longest));
    }
}
