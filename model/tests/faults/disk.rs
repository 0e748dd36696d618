//! What disks do.

use super::rig::{Rig, Step, power_loss, read_log, sync_log, write_log};
use onceward_core::{DiskError, DiskOk, DiskOp, Dur, Input, OpId, Path, SyncKind};
use onceward_model::{
    toy::{Request, Response, SERVER, Timer},
    world::{
        Choice,
        disk::{Damage, Landed, Outcome},
    },
};

fn outcome(text: &str) -> Outcome {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e:?}"))
}

fn damage(text: &str) -> Step {
    Choice::Damage(SERVER, text.parse::<Damage>().unwrap_or_else(|e| panic!("{text}: {e:?}")))
}

fn log_bytes(image: &onceward_model::world::disk::Image) -> Option<&[u8]> {
    image.files.get(&Path::from("log")).map(Vec::as_slice)
}

/// One add is written and not synced.
fn unsynced() -> Rig {
    let mut rig = Rig::new(2);
    rig.calls(1, Request::Add);
    rig.until_disk(sync_log);
    rig
}

/// So many adds are answered, each in a sector of its own.
fn counted(adds: u32) -> Rig {
    let mut rig = Rig::new(1);
    (0..adds).for_each(|_| assert_eq!(rig.asks(1, Request::Add), Some(Response::Added)));
    rig
}

#[test]
fn a_kill_leaves_the_cache_and_what_is_in_it_stays_unsynced() {
    let mut rig = unsynced();
    rig.does(&Choice::Kill(SERVER, Landed::Nothing));
    let disk = &rig.world.host(SERVER).disk;
    assert_eq!(log_bytes(&disk.cache_image()).map(<[u8]>::len), Some(16));
    assert_eq!(log_bytes(&disk.durable_image()).map(<[u8]>::len), Some(0));
    // The next process finds it.
    let mut killed = rig.copy();
    killed.does(&Choice::Boot(SERVER, 0));
    killed.calm();
    assert!(killed.heard.marks.contains(&"recovery found adds"));
    // Power that is lost while it recovers takes it: it was never durable.
    rig.does(&Choice::Boot(SERVER, 0));
    rig.until_disk(|op| matches!(op, DiskOp::Create(_)));
    rig.power_cycles("dropping everything");
    assert!(!rig.heard.marks[1..].contains(&"recovery found adds"), "{:?}", rig.heard.marks);
}

#[test]
fn an_operation_that_was_not_answered_may_have_landed_when_its_process_is_killed() {
    for (landed, adds) in [("landing nothing", 0), ("landing everything", 1)] {
        let mut rig = Rig::new(2);
        rig.calls(1, Request::Add);
        rig.until_disk(write_log);
        let landed: Landed = landed.parse().unwrap_or_else(|e| panic!("{landed}: {e:?}"));
        rig.does(&Choice::Kill(SERVER, landed));
        rig.does(&Choice::Boot(SERVER, 0));
        rig.calm();
        assert_eq!(rig.sum(), Ok(adds));
    }
}

#[test]
fn a_power_loss_leaves_an_unsynced_sector_old_new_or_garbage() {
    for (fates, adds) in
        [("dropping everything", 0), ("keeping everything", 1), ("keeping log:len, garbling log:0", 0)]
    {
        let mut rig = unsynced();
        rig.does(&power_loss(fates));
        let image = rig.world.host(SERVER).disk.durable_image();
        let (bytes, none) = (log_bytes(&image).unwrap(), [0; 16]);
        assert_eq!(bytes.is_empty(), fates.starts_with("dropping"), "{fates}: {bytes:?}");
        assert!(!bytes.starts_with(&none), "{fates}: what was not there is no zeros");
        rig.does(&Choice::Boot(SERVER, 0));
        rig.calm();
        assert_eq!(rig.sum(), Ok(adds), "{fates}");
    }
}

#[test]
fn a_length_has_a_durability_of_its_own() {
    // The sector has reached the device, the length has not, and the other way round.
    for (fates, bytes) in [("keeping log:0", &[][..]), ("keeping log:len", &[0; 16])] {
        let mut rig = unsynced();
        rig.does(&power_loss(fates));
        assert_eq!(log_bytes(&rig.world.host(SERVER).disk.durable_image()), Some(bytes), "{fates}");
    }
}

#[test]
fn a_name_is_durable_only_with_its_folder() {
    let toy = onceward_model::toy::Toy::untimed(1);
    for (fates, named) in [("dropping everything", false), ("keeping everything", true)] {
        let mut rig = Rig::asleep(toy.clone());
        rig.does(&Choice::Boot(SERVER, 0));
        rig.until_disk(|op| matches!(op, DiskOp::SyncDir(_)));
        assert!(log_bytes(&rig.world.host(SERVER).disk.cache_image()).is_some());
        rig.does(&power_loss(fates));
        let image = rig.world.host(SERVER).disk.durable_image();
        assert_eq!(log_bytes(&image).is_some(), named, "{fates}");
        assert!(!image.files.contains_key(&Path::from("draft")), "{fates}: it was renamed, or never there");
    }
}

#[test]
fn a_failed_sync_marks_the_pages_clean_and_the_next_one_says_all_is_well() {
    let mut rig = unsynced();
    rig.ends(sync_log, outcome("fails with EIO"));
    assert_eq!(rig.told(), &Err(DiskError::Io));
    // On a copy of the disk, since this server knows better than to try again.
    let mut disk = rig.world.host(SERVER).disk.clone();
    let again = OpId(9);
    disk.submit(again, DiskOp::Sync { path: Path::from("log"), kind: SyncKind::Full });
    // The server's own next operation is a read, which keeps nothing back.
    assert_eq!(disk.complete(again, &Outcome::Ok), Some(Ok(DiskOk::Done)));
    assert_eq!(log_bytes(&disk.cache_image()).map(<[u8]>::len), Some(16), "the cache still shows it");
    let (images, _) = disk.power_losses(false, 1000);
    let lost = images.iter().any(|(_, left)| log_bytes(&left.durable_image()) == Some(&[]));
    assert!(lost, "a power loss takes what that sync has answered for");
    // The server wrote it anew elsewhere instead.
    rig.calm();
    rig.retries(1);
    rig.power_cycles("dropping everything");
    assert_eq!(rig.sum(), Ok(1));
}

#[test]
fn a_lying_device_answers_for_what_a_power_loss_takes() {
    let mut rig = unsynced();
    rig.ends(sync_log, outcome("lies"));
    rig.calm();
    assert_eq!(rig.heard.replies.last().unwrap().1, Response::Added);
    rig.power_cycles("dropping everything");
    assert_eq!(rig.sum(), Err("reads-see-acked"), "beyond what the toy can promise");
}

#[test]
fn writes_are_short_find_no_space_or_fail() {
    for (text, told) in [
        ("short 8", Ok(DiskOk::Wrote(8))),
        ("fails with ENOSPC", Err(DiskError::NoSpace)),
        ("fails with EIO", Err(DiskError::Io)),
        ("fails with EIO after 4", Err(DiskError::Io)),
        ("fails with EIO after all", Err(DiskError::Io)),
    ] {
        let mut rig = Rig::new(1);
        rig.calls(1, Request::Add);
        rig.ends(write_log, outcome(text));
        assert_eq!(rig.told(), &told);
        rig.calm();
        assert!(rig.heard.replies.is_empty(), "{text}: it is answered, though not written");
        rig.retries(1);
        assert_eq!(rig.sum(), Ok(1), "{text}");
    }
}

#[test]
fn a_full_disk_refuses_what_needs_room_until_there_is_some() {
    let mut rig = counted(1);
    rig.does(&damage("capacity 16"));
    rig.calls(1, Request::Add);
    rig.ends(write_log, Outcome::Ok);
    assert_eq!(rig.told(), &Err(DiskError::NoSpace));
    rig.does(&damage("capacity unlimited"));
    rig.calm();
    rig.retries(1);
    assert_eq!(rig.sum(), Ok(2));
}

#[test]
fn reads_are_short_or_fail() {
    for text in ["short 5", "fails with EIO"] {
        let mut rig = counted(2);
        rig.does(&power_loss("dropping everything"));
        rig.does(&Choice::Boot(SERVER, 0));
        rig.ends(read_log, outcome(text));
        match rig.told() {
            Ok(DiskOk::Read(bytes)) => assert_eq!(bytes.len(), 5),
            failed => assert_eq!(failed, &Err(DiskError::Io)),
        }
        rig.calm();
        if text.starts_with("fails") {
            rig.does(&Choice::Fire(SERVER, Timer::Retry));
            rig.calm();
        }
        assert_eq!(rig.sum(), Ok(2), "{text}");
    }
}

#[test]
fn bits_rot_and_stay_so() {
    let mut rig = counted(2);
    rig.does(&damage("rot log byte 16 mask 64"));
    for _ in 0..2 {
        rig.does(&power_loss("dropping everything"));
        rig.does(&Choice::Boot(SERVER, 0));
        rig.until_disk(|op| matches!(op, DiskOp::Create(_)));
    }
    let Input::Disk(_, Ok(DiskOk::Read(bytes))) = &rig.heard.inputs[rig.heard.inputs.len() - 2].1 else {
        panic!("{:?}", rig.heard.inputs.last());
    };
    assert_eq!((bytes.len(), bytes[16]), (32, 1 ^ 64), "the client's number with a bit flipped");
    rig.calm();
    assert_eq!(rig.sum(), Err("reads-see-acked"), "one copy, and it is spoiled");
}

#[test]
fn a_sector_cannot_be_read_any_more() {
    let mut rig = counted(2);
    rig.does(&damage("lose log:1"));
    rig.does(&power_loss("dropping everything"));
    rig.does(&Choice::Boot(SERVER, 0));
    for _ in 0..2 {
        rig.ends(read_log, Outcome::Ok);
        assert!(matches!(rig.told(), Ok(DiskOk::Read(bytes)) if bytes.len() == 16), "up to the sector");
        rig.ends(read_log, Outcome::Ok);
        assert_eq!(rig.told(), &Err(DiskError::Io), "and it stays so");
        rig.calm();
        rig.does(&Choice::Fire(SERVER, Timer::Retry));
    }
}

#[test]
fn a_write_goes_astray() {
    let mut rig = counted(1);
    rig.calls(1, Request::Add);
    rig.until_disk(write_log);
    let first = log_bytes(&rig.world.host(SERVER).disk.durable_image()).unwrap().to_vec();
    rig.ends(write_log, outcome("misdirected log:0"));
    assert_eq!(rig.told(), &Ok(DiskOk::Wrote(16)), "no error is seen");
    let cache = rig.world.host(SERVER).disk.cache_image();
    let second = log_bytes(&cache).unwrap()[16..].to_vec();
    rig.calm();
    assert_eq!(rig.heard.replies.last().unwrap().1, Response::Added);
    rig.does(&power_loss("keeping everything"));
    let image = rig.world.host(SERVER).disk.durable_image();
    let bytes = log_bytes(&image).unwrap();
    assert!(bytes[..16] == second && bytes[..16] != first, "the first record is overwritten");
    assert!(bytes[16..] != second, "and the second is not in its place");
}

#[test]
fn a_read_goes_astray_once() {
    let mut rig = counted(2);
    rig.does(&power_loss("dropping everything"));
    rig.does(&Choice::Boot(SERVER, 0));
    let durable = rig.world.host(SERVER).disk.durable_image();
    rig.ends(read_log, outcome("misdirected log:1"));
    let Ok(DiskOk::Read(bytes)) = rig.told() else { panic!("{:?}", rig.told()) };
    assert_eq!(bytes[..16], log_bytes(&durable).unwrap()[16..], "the second sector in place of the first");
    assert_eq!(rig.world.host(SERVER).disk.durable_image(), durable, "nothing is changed on the disk");
}

#[test]
fn an_operation_stalls_while_time_passes_and_the_rest_goes_on() {
    let mut rig = Rig::new(2);
    rig.calls(1, Request::Add);
    let stalled = rig.until_disk(sync_log);
    rig.passes(Dur::secs(60));
    let steps = rig.heard.inputs.len();
    rig.does(&Choice::Fire(onceward_core::NodeId(1), Timer::Retry));
    // A reader is served meanwhile; the add is not answered.
    let read = rig.calls(2, Request::Read);
    while let Some(next) = rig.possible().into_iter().find(|c| !matches!(c, Choice::Disk(..))) {
        rig.does(&next);
    }
    assert_eq!(rig.answer(read), Some(Response::Sum(0)));
    assert!(rig.heard.inputs.len() > steps && rig.heard.replies.len() == 1);
    rig.does(&Choice::Disk(SERVER, stalled, Outcome::Ok));
    rig.calm();
    assert_eq!(rig.sum(), Ok(1));
}
