//! What this disk promises to those who trust it as a judge: that it is neither kinder nor crueller than the
//! promises of [`onceward_core::disk`] allow. Each promise is a short story that must end as told. They run as
//! tests, and a harness runs them against its own known bugs: see [`crate::mutants`].

use super::bench::{Bench, create, read, remove, rename, set_len, sync, sync_dir, write};
use super::{Bound, Disk, Fates, Landed, Outcome, Reach};
use crate::mutants::Promise;
use onceward_core::{DiskError, DiskOk};
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Every promise.
pub const ALL: &[Promise] = &[
    Promise {
        name: "answered-is-visible",
        what: "A completed write is seen by later reads, after a process kill too.",
        check: answered_is_visible,
    },
    Promise {
        name: "synced-survives",
        what: "What was answered before a sync began that ended well survives whatever becomes of the rest.",
        check: synced_survives,
    },
    Promise {
        name: "unsynced-may-vanish",
        what: "An answered write that was not synced may be gone after a power loss.",
        check: unsynced_may_vanish,
    },
    Promise {
        name: "unanswered-may-vanish",
        what: "A write without an answer may be gone after a power loss, or be there.",
        check: unanswered_may_vanish,
    },
    Promise {
        name: "sync-covers-answered-only",
        what: "A sync does not cover a write that was answered after it began.",
        check: sync_covers_answered_only,
    },
    Promise {
        name: "failed-sync-loses",
        what: "After a failed sync reads still show the data, the next sync says ok, and a power loss takes it.",
        check: failed_sync_loses,
    },
    Promise {
        name: "sectors-are-independent",
        what: "Each sector is old, new or garbage, whatever becomes of the others.",
        check: sectors_are_independent,
    },
    Promise {
        name: "length-is-separate",
        what: "The length survives or not independently of the data.",
        check: length_is_separate,
    },
    Promise {
        name: "kill-does-not-sync",
        what: "What a restarted process reads from the cache may still be lost with the power.",
        check: kill_does_not_sync,
    },
    Promise {
        name: "names-need-their-folder",
        what: "A synced file is gone with its name unless the folder was synced.",
        check: names_need_their_folder,
    },
    Promise {
        name: "rename-is-atomic",
        what: "After a power loss a renamed file has its old name or its new one, never both or neither.",
        check: rename_is_atomic,
    },
    Promise {
        name: "removal-needs-its-folder",
        what: "A removed file may be back after a power loss unless the folder was synced.",
        check: removal_needs_its_folder,
    },
];

/// More images than any of these stories has.
const LIMIT: usize = 10_000;

fn expect<T: PartialEq + Debug>(what: &str, seen: T, expected: T) -> Result<(), String> {
    if seen == expected { Ok(()) } else { Err(format!("{what}: expected {expected:?}, saw {seen:?}")) }
}

fn error() -> Outcome {
    Outcome::Fail { error: DiskError::Io, reach: Reach::Nothing }
}

/// Everything that a file can show after a power loss, `None` if it can be gone.
fn contents(bench: &Bench, path: &str) -> Result<BTreeSet<Option<Vec<u8>>>, String> {
    let disks = losses(bench)?;
    Ok(disks.iter().map(|disk| disk.cache_image().files.get(&path.into()).cloned()).collect())
}

fn losses(bench: &Bench) -> Result<Vec<Disk>, String> {
    match bench.disk.power_losses(false, LIMIT) {
        (list, Bound::Complete) => Ok(list.into_iter().map(|(_, disk)| disk).collect()),
        (_, Bound::Cut) => Err("there are more images than expected".into()),
    }
}

fn answered_is_visible() -> Result<(), String> {
    let mut bench = Bench::holding(4, "log", b"....");
    expect("the write", bench.run(write("log", 2, b"new")), Ok(DiskOk::Wrote(3)))?;
    expect("a read", bench.see("log"), Some(b"..new".to_vec()))?;
    bench.disk.kill(&Landed::Nothing);
    expect("a read after a kill", bench.see("log"), Some(b"..new".to_vec()))
}

fn synced_survives() -> Result<(), String> {
    let mut bench = Bench::holding(4, "log", b"");
    expect("the write", bench.run(write("log", 0, b"safe")), Ok(DiskOk::Wrote(4)))?;
    expect("the sync", bench.run(sync("log")), Ok(DiskOk::Done))?;
    let durable = bench.disk.clone();
    expect("the next write", bench.run(write("log", 4, b"risk")), Ok(DiskOk::Wrote(4)))?;
    for disk in losses(&bench)? {
        let bytes = disk.cache_image().files.remove(&"log".into()).unwrap_or_default();
        expect("the synced bytes", bytes.get(..4), Some(&b"safe"[..]))?;
    }
    let mut lost = durable.clone();
    lost.power_loss(&Fates::DROP);
    expect("a disk on which all is durable, after a power loss", lost, durable)
}

fn unsynced_may_vanish() -> Result<(), String> {
    let mut bench = Bench::holding(4, "log", b"old.");
    expect("the write", bench.run(write("log", 0, b"new.")), Ok(DiskOk::Wrote(4)))?;
    expect("what was durable before", bench.after_loss(&Fates::DROP).see("log"), Some(b"old.".to_vec()))?;
    expect("what had reached the cache", bench.after_loss(&Fates::keep()).see("log"), Some(b"new.".to_vec()))
}

fn unanswered_may_vanish() -> Result<(), String> {
    let mut bench = Bench::holding(4, "log", b"old.");
    bench.submit(write("log", 0, b"new."));
    expect("a read before the answer", bench.see("log"), Some(b"old.".to_vec()))?;
    expect("without the write", bench.after_loss(&Fates::DROP).see("log"), Some(b"old.".to_vec()))?;
    expect("with the write", bench.after_loss(&Fates::keep()).see("log"), Some(b"new.".to_vec()))?;
    expect("kills", bench.disk.kills(LIMIT).0.len(), 2)
}

fn sync_covers_answered_only() -> Result<(), String> {
    let mut bench = Bench::holding(4, "log", b"old.");
    let early = bench.submit(sync("log"));
    expect("the write", bench.run(write("log", 0, b"new.")), Ok(DiskOk::Wrote(4)))?;
    expect("the early sync", bench.complete(early, &Outcome::Ok), Some(Ok(DiskOk::Done)))?;
    expect("after the early sync", bench.after_loss(&Fates::DROP).see("log"), Some(b"old.".to_vec()))?;
    expect("a sync after the answer", bench.run(sync("log")), Ok(DiskOk::Done))?;
    expect("after that", bench.after_loss(&Fates::DROP).see("log"), Some(b"new.".to_vec()))
}

fn failed_sync_loses() -> Result<(), String> {
    let mut bench = Bench::holding(4, "log", b"old.");
    expect("the write", bench.run(write("log", 0, b"new.+")), Ok(DiskOk::Wrote(5)))?;
    expect("the sync", bench.try_with(sync("log"), &error()), Some(Err(DiskError::Io)))?;
    expect("a read from the cache", bench.see("log"), Some(b"new.+".to_vec()))?;
    expect("the next sync", bench.run(sync("log")), Ok(DiskOk::Done))?;
    expect("what the platter holds", bench.after_loss(&Fates::DROP).see("log"), Some(b"old.".to_vec()))?;
    // What is written after the failure and synced well is durable, with the length that it needs; a newer write of
    // a lost sector takes the rest of it along, as the cache writes whole sectors.
    expect("a newer write", bench.run(write("log", 4, b"!")), Ok(DiskOk::Wrote(1)))?;
    expect("its sync", bench.run(sync("log")), Ok(DiskOk::Done))?;
    expect("the newer write", bench.after_loss(&Fates::DROP).see("log"), Some(b"old.!".to_vec()))?;
    expect("a write beside lost bytes", bench.run(write("log", 3, b"?")), Ok(DiskOk::Wrote(1)))?;
    expect("its sync", bench.run(sync("log")), Ok(DiskOk::Done))?;
    expect("the whole sector", bench.after_loss(&Fates::DROP).see("log"), Some(b"new?!".to_vec()))
}

fn sectors_are_independent() -> Result<(), String> {
    let mut bench = Bench::holding(2, "log", b"aabb");
    expect("the write", bench.run(write("log", 0, b"AABB")), Ok(DiskOk::Wrote(4)))?;
    let seen = contents(&bench, "log")?;
    for known in [b"aabb", b"AAbb", b"aaBB", b"AABB"] {
        expect("one of the mixtures of old and new", seen.contains(&Some(known.to_vec())), true)?;
    }
    // Three states for each of two sectors: old, new and the one garbage.
    expect("the number of images", seen.len(), 9)
}

fn length_is_separate() -> Result<(), String> {
    let mut bench = Bench::holding(2, "log", b"aa");
    expect("the write", bench.run(write("log", 2, b"bb")), Ok(DiskOk::Wrote(2)))?;
    let seen = contents(&bench, "log")?;
    for known in [&b"aa"[..], b"aa\0\0", b"aabb"] {
        expect("short, long without the data, or whole", seen.contains(&Some(known.to_vec())), true)?;
    }
    expect("the number of images", seen.len(), 4)?;
    expect("a cut", bench.run(set_len("log", 1)), Ok(DiskOk::Done))?;
    expect("the old length may be back", contents(&bench, "log")?.contains(&Some(b"aa".to_vec())), true)?;
    expect("a sync of the cut", bench.run(sync("log")), Ok(DiskOk::Done))?;
    expect("the cut", contents(&bench, "log")?, [Some(b"a".to_vec())].into())
}

fn kill_does_not_sync() -> Result<(), String> {
    let mut bench = Bench::holding(4, "log", b"old.");
    expect("the write", bench.run(write("log", 0, b"new.")), Ok(DiskOk::Wrote(4)))?;
    let unanswered = bench.submit(sync("log"));
    bench.disk.kill(&Landed::Everything);
    expect("an answer after a kill", bench.complete(unanswered, &Outcome::Ok), None)?;
    let recovered = bench.run(read("log", 0, 4));
    expect("what recovery reads", recovered, Ok(DiskOk::Read(b"new.".as_slice().into())))?;
    expect("after the power loss", bench.after_loss(&Fates::DROP).see("log"), Some(b"old.".to_vec()))?;
    expect("a sync by the new process", bench.run(sync("log")), Ok(DiskOk::Done))?;
    expect("what it makes durable", bench.after_loss(&Fates::DROP).see("log"), Some(b"new.".to_vec()))
}

fn names_need_their_folder() -> Result<(), String> {
    let mut bench = Bench::new(4);
    expect("the creation", bench.run(create("log")), Ok(DiskOk::Done))?;
    expect("the write", bench.run(write("log", 0, b"data")), Ok(DiskOk::Wrote(4)))?;
    expect("the sync", bench.run(sync("log")), Ok(DiskOk::Done))?;
    expect("with and without its name", contents(&bench, "log")?, [None, Some(b"data".to_vec())].into())?;
    expect("the sync of the folder", bench.run(sync_dir("")), Ok(DiskOk::Done))?;
    expect("with its name", contents(&bench, "log")?, [Some(b"data".to_vec())].into())
}

fn rename_is_atomic() -> Result<(), String> {
    let mut bench = Bench::holding(4, "old", b"data");
    expect("the rename", bench.run(rename("old", "new")), Ok(DiskOk::Done))?;
    expect("a new file of the old name", bench.run(create("old")), Ok(DiskOk::Done))?;
    let mut seen = BTreeSet::new();
    for disk in losses(&bench)? {
        let image = disk.cache_image();
        let holding = |name: &str| image.files.get(&name.into()).map(|bytes| bytes.len());
        seen.insert((holding("old"), holding("new")));
    }
    expect("old and new", seen, [(Some(4), None), (None, Some(4)), (Some(0), Some(4))].into())
}

fn removal_needs_its_folder() -> Result<(), String> {
    let mut bench = Bench::holding(4, "log", b"data");
    expect("the removal", bench.run(remove("log")), Ok(DiskOk::Done))?;
    expect("back or gone", contents(&bench, "log")?, [None, Some(b"data".to_vec())].into())?;
    expect("the sync of the folder", bench.run(sync_dir("")), Ok(DiskOk::Done))?;
    expect("gone", contents(&bench, "log")?, [None].into())
}
