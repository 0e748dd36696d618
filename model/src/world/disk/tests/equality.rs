//! Equal disks behave alike, and disks that behave alike are equal: what is durable leaves no trace of the way there.

use super::create_dir;
use crate::world::disk::bench::{Bench, create, remove, rename, set_len, sync, sync_dir, write};
use crate::world::disk::{Disk, Geometry, Image, Landed, Outcome, Reach};
use onceward_core::{DiskError, DiskOp};

fn after(ops: impl IntoIterator<Item = DiskOp>) -> Disk {
    let mut bench = Bench::new(4);
    for op in ops {
        bench.run(op).unwrap();
    }
    bench.disk
}

fn image(files: &[(&str, &[u8])], folders: &[&str]) -> Disk {
    let files = files.iter().map(|(path, bytes)| ((*path).into(), bytes.to_vec())).collect();
    let folders = folders.iter().map(|path| (*path).into()).collect();
    Disk::from_image(Geometry::checked(4), &Image { folders, files })
}

#[test]
fn what_is_durable_has_no_history() {
    let one = after([create("a"), write("a", 0, b"12"), write("a", 2, b"345"), sync("a"), sync_dir("")]);
    let other =
        after([create("a"), sync_dir(""), write("a", 1, b"2345"), sync("a"), write("a", 0, b"1"), sync("a")]);
    assert_eq!(one, other);
    assert_eq!(one, image(&[("a", b"12345")], &[]));
    let gone = after([create("a"), write("a", 0, b"12"), remove("a"), sync_dir("")]);
    assert_eq!(gone, Disk::new(Geometry::checked(4)));
    let folders = after([
        create_dir("d"),
        create_dir("d/e"),
        create("d/e/f"),
        sync_dir("d/e"),
        sync_dir("d"),
        sync_dir(""),
    ]);
    assert_eq!(folders, image(&[("d/e/f", b"")], &[]));
    assert_eq!(folders, image(&[("d/e/f", b"")], &["d", "d/e"]));
}

#[test]
fn files_have_no_memory_of_the_order_of_their_creation() {
    let one = after([create("a"), write("a", 0, b"1"), create("b"), write("b", 0, b"2")]);
    let other = after([create("b"), create("a"), write("b", 0, b"2"), write("a", 0, b"1")]);
    assert_eq!(one, other);
    let renamed = after([create("b"), create("c"), rename("b", "a"), rename("c", "b"), sync_dir("")]);
    assert_eq!(renamed, image(&[("a", b""), ("b", b"")], &[]));
}

#[test]
fn changes_of_different_sectors_have_no_order() {
    let full = || [create("a"), sync_dir(""), write("a", 0, b"........"), sync("a")];
    let one = after(full().into_iter().chain([write("a", 0, b"1"), write("a", 5, b"2")]));
    let other = after(full().into_iter().chain([write("a", 5, b"2"), write("a", 0, b"1")]));
    assert_eq!(one, other);
    let same_sector = after(full().into_iter().chain([write("a", 0, b"1"), write("a", 1, b"2")]));
    let turned = after(full().into_iter().chain([write("a", 1, b"2"), write("a", 0, b"1")]));
    assert_ne!(same_sector, turned, "after a power loss either write may be there without the other");
}

#[test]
fn zeros_at_the_end_are_as_good_as_written() {
    let written = after([create("a"), write("a", 0, b"1\0\0\0\0\0"), sync("a"), sync_dir("")]);
    let cut = after([
        create("a"),
        write("a", 0, b"123456"),
        set_len("a", 1),
        write("a", 5, b"\0"),
        sync("a"),
        sync_dir(""),
    ]);
    assert_eq!(written, cut);
}

#[test]
fn a_kill_leaves_no_trace_of_syncs_under_way() {
    let mut one = Bench::holding(4, "a", b"1111");
    let mut other = one.clone();
    one.submit(sync("a"));
    one.submit(sync_dir(""));
    for bench in [&mut one, &mut other] {
        bench.run(write("a", 0, b"2")).unwrap();
        bench.run(create("b")).unwrap();
    }
    assert_ne!(one.disk, other.disk);
    one.disk.kill(&Landed::Nothing);
    assert_eq!(one.disk, other.disk);
}

#[test]
fn a_failed_sync_is_not_forgotten() {
    let mut lost = Bench::holding(4, "a", b"1111");
    lost.run(write("a", 0, b"2")).unwrap();
    let dirty = lost.clone();
    let failed = Outcome::Fail { error: DiskError::Io, reach: Reach::Nothing };
    assert!(lost.try_with(sync("a"), &failed).is_some());
    assert_ne!(lost.disk, dirty.disk);
}

#[test]
fn a_clone_shares_nothing_that_changes() {
    let mut bench = Bench::holding(4, "a", b"1111");
    let before = bench.clone();
    bench.run(write("a", 0, b"2")).unwrap();
    bench.run(create("b")).unwrap();
    assert_eq!(before.clone().see("a"), Some(b"1111".to_vec()));
    assert_eq!(before.clone().see("b"), None);
    bench.disk.wipe();
    assert_eq!(bench.disk, Disk::new(Geometry::checked(4)));
}
