//! Names and the folders that make them durable.

use super::{create_dir, list};
use crate::world::disk::bench::{Bench, create, remove, rename, sync, sync_dir, write};
use crate::world::disk::{Bound, Fates, Outcome, Reach};
use onceward_core::{DiskError, DiskOk, DiskOp, Entry, Path};
use std::collections::BTreeSet;

/// What the disk can list after a power loss: names, with contents, folders with a `/` behind them.
fn listings(bench: &Bench) -> BTreeSet<String> {
    let (list, bound) = bench.disk.power_losses(false, 10_000);
    assert_eq!(bound, Bound::Complete);
    let shown = list.into_iter().map(|(_, disk)| {
        let image = disk.cache_image();
        let folders = image.folders.iter().map(|path| format!("{path}/"));
        let files =
            image.files.iter().map(|(path, bytes)| format!("{path}={}", String::from_utf8_lossy(bytes)));
        folders.chain(files).collect::<Vec<_>>().join(" ")
    });
    shown.collect()
}

fn all(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn done(bench: &mut Bench, ops: impl IntoIterator<Item = DiskOp>) {
    for op in ops {
        bench.run(op.clone()).unwrap_or_else(|error| panic!("{op:?}: {error}"));
    }
}

#[test]
fn names_are_independent_and_each_goes_through_its_own_states() {
    let mut bench = Bench::new(4);
    done(&mut bench, [create("a"), create("b"), remove("a")]);
    assert_eq!(listings(&bench), all(&["", "a=", "b=", "a= b="]));
    let mut bench = Bench::holding(4, "a", b"1");
    done(&mut bench, [remove("a"), create("a"), write("a", 0, b"2"), sync("a")]);
    assert_eq!(listings(&bench), all(&["a=1", "", "a=2"]));
    done(&mut bench, [sync_dir("")]);
    assert_eq!(listings(&bench), all(&["a=2"]));
}

#[test]
fn a_new_file_that_replaces_an_old_one_is_one_of_the_two() {
    let mut bench = Bench::holding(4, "state", b"old");
    done(&mut bench, [create("tmp"), write("tmp", 0, b"new"), sync("tmp"), rename("tmp", "state")]);
    // The creation may survive without the rename, never the rename without the creation.
    assert_eq!(listings(&bench), all(&["state=old", "state=old tmp=new", "state=new"]));
    done(&mut bench, [sync_dir("")]);
    assert_eq!(listings(&bench), all(&["state=new"]));
}

#[test]
fn replacing_without_a_sync_of_the_data_can_leave_an_empty_file() {
    let mut bench = Bench::holding(4, "state", b"old");
    done(&mut bench, [create("tmp"), write("tmp", 0, b"new"), rename("tmp", "state"), sync_dir("")]);
    let seen = listings(&bench);
    assert!(seen.contains("state=") && seen.contains("state=new") && !seen.contains("state=old"), "{seen:?}");
}

#[test]
fn what_is_in_a_folder_goes_with_it() {
    let mut bench = Bench::new(4);
    done(&mut bench, [create_dir("d"), create("d/x"), sync_dir("d")]);
    assert_eq!(listings(&bench), all(&["", "d/ d/x="]));
    done(&mut bench, [create("d/y"), sync_dir("")]);
    assert_eq!(listings(&bench), all(&["d/ d/x=", "d/ d/x= d/y="]));
}

#[test]
fn a_rename_between_folders_needs_both_of_them() {
    let mut bench = Bench::holding(4, "d/x", b"1");
    done(&mut bench, [rename("d/x", "y"), sync_dir("")]);
    assert_eq!(listings(&bench), all(&["d/ d/x=1", "d/ y=1"]));
    done(&mut bench, [sync_dir("d")]);
    assert_eq!(listings(&bench), all(&["d/ y=1"]));
}

#[test]
fn a_sync_of_a_folder_covers_what_was_answered_before() {
    let mut bench = Bench::new(4);
    let early = bench.submit(sync_dir(""));
    done(&mut bench, [create("a")]);
    bench.complete(early, &Outcome::Ok).unwrap().unwrap();
    assert_eq!(listings(&bench), all(&["", "a="]));
}

#[test]
fn a_failed_sync_of_a_folder_loses_its_names() {
    let mut bench = Bench::new(4);
    done(&mut bench, [create("a")]);
    let failed = Outcome::Fail { error: DiskError::Io, reach: Reach::Nothing };
    assert_eq!(bench.try_with(sync_dir(""), &failed), Some(Err(DiskError::Io)));
    done(&mut bench, [sync_dir(""), create("b"), sync_dir("")]);
    assert_eq!(listings(&bench), all(&["b=", "a= b="]));
    // A newer change of the same name takes the lost one along.
    done(&mut bench, [rename("a", "c"), sync_dir("")]);
    assert_eq!(listings(&bench), all(&["b= c="]));
}

#[test]
fn a_folder_is_removed_when_it_is_empty_and_takes_along_what_was_in_it() {
    let mut bench = Bench::new(4);
    done(&mut bench, [create_dir("d"), create("d/x")]);
    for refused in ["d", ""] {
        assert_eq!(bench.run(remove(refused)), Err(DiskError::Invalid), "{refused:?}");
    }
    done(
        &mut bench,
        [sync_dir(""), sync_dir("d"), remove("d/x"), remove("d"), create_dir("d"), sync_dir("")],
    );
    // Nobody has synced the removal of `d/x`; but the folder could not have gone before it.
    assert_eq!(listings(&bench), all(&["d/"]));
    assert_eq!(bench.run(remove("e")), Err(DiskError::NotFound));
}

#[test]
fn a_folder_whose_name_was_lost_is_made_durable_by_making_it_anew() {
    let mut bench = Bench::new(4);
    let failed = Outcome::Fail { error: DiskError::Io, reach: Reach::Nothing };
    done(&mut bench, [create_dir("d")]);
    assert_eq!(bench.try_with(sync_dir(""), &failed), Some(Err(DiskError::Io)));
    done(&mut bench, [create_dir("d"), sync_dir("")]);
    assert_eq!(listings(&bench), all(&["", "d/"]), "making what is there changes nothing");
    done(&mut bench, [remove("d"), create_dir("d"), sync_dir("")]);
    assert_eq!(listings(&bench), all(&["d/"]));
}

#[test]
fn a_lie_about_a_folder_is_mended_by_an_honest_sync() {
    let mut bench = Bench::new(4);
    done(&mut bench, [create("a")]);
    assert_eq!(bench.try_with(sync_dir(""), &Outcome::Lie), Some(Ok(DiskOk::Done)));
    assert_eq!(listings(&bench), all(&["", "a="]));
    done(&mut bench, [sync_dir("")]);
    assert_eq!(listings(&bench), all(&["a="]));
}

#[test]
fn unanswered_changes_of_names_may_have_been_made() {
    let mut bench = Bench::holding(4, "a", b"1");
    bench.submit(rename("a", "b"));
    bench.submit(create("c"));
    assert_eq!(listings(&bench), all(&["a=1", "a=1 c=", "b=1", "b=1 c="]));
    assert_eq!(bench.disk.kills(100).0.len(), 4);
}

#[test]
fn operations_on_a_name_that_changes_wait_for_each_other() {
    let mut bench = Bench::new(4);
    let created = bench.submit(create("a"));
    let written = bench.submit(write("a", 0, b"1"));
    let renamed = bench.submit(rename("a", "b"));
    let elsewhere = bench.submit(create("c"));
    let mut outcomes = Vec::new();
    assert_eq!(bench.disk.outcomes(written, &Default::default(), &mut outcomes), Bound::Complete);
    assert!(outcomes.is_empty() && bench.complete(written, &Outcome::Ok).is_none());
    assert!(bench.complete(elsewhere, &Outcome::Ok).is_some());
    assert!(bench.complete(created, &Outcome::Ok).is_some());
    assert!(bench.complete(renamed, &Outcome::Ok).is_none());
    assert_eq!(bench.complete(written, &Outcome::Ok), Some(Ok(DiskOk::Wrote(1))));
    assert_eq!(bench.complete(renamed, &Outcome::Ok), Some(Ok(DiskOk::Done)));
    let entry = |name: &str, len| Entry { path: Path::from(name), len, dir: false };
    assert_eq!(bench.run(list("")), Ok(DiskOk::Listing(vec![entry("b", 1), entry("c", 0)])));
}

#[test]
fn files_without_a_name_are_called_by_the_one_that_they_may_get_back() {
    let mut bench = Bench::holding(4, "a", b"1111");
    done(&mut bench, [write("a", 0, b"22"), remove("a"), create("a"), write("a", 0, b"3")]);
    let fates: Fates = "keeping a':0, a:name".parse().unwrap();
    // Both changes of the name survive: the new file is there, empty, as its length was not kept.
    assert_eq!(bench.after_loss(&fates).see("a"), Some(b"".to_vec()));
    let fates: Fates = "keeping a':0, a:len, a:0".parse().unwrap();
    assert_eq!(bench.after_loss(&fates).see("a"), Some(b"2211".to_vec()));
    let fates: Fates = "keeping a".parse().unwrap();
    assert_eq!(bench.after_loss(&fates).see("a"), Some(b"3".to_vec()));
    let fates: Fates = "keeping a, a:name@1".parse().unwrap();
    assert_eq!(bench.after_loss(&fates).see("a"), None);
}
