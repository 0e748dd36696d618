//! Opening: what is read, what is refused and with which words, and that hints are only hints.

use super::super::read::path_of;
use super::super::{Action, Config, FetchError, Input, Location, Refused};
use super::disk::Fate;
use super::rig::{Rig, config, weak};
use crate::DiskOp;
use alloc::{string::String, vec::Vec};

fn small() -> Config {
    Config { segment_bytes: 700, ..config() }
}

/// A closed store of several segments.
fn closed() -> Rig {
    let mut rig = Rig::ready(small());
    for round in 0..12u8 {
        rig.append(&[&[round; 90], &[round]]);
        rig.run();
    }
    rig.close();
    assert_eq!(rig.files().len(), 4);
    rig
}

/// What a damaged store says.
fn refusal(rig: &mut Rig) -> String {
    rig.kill();
    rig.run();
    assert!(rig.opened.is_none());
    alloc::format!("{}", rig.damaged.clone().unwrap())
}

#[test]
fn each_segment_may_be_twice_as_large_as_the_one_before() {
    let growing = Config { segment_bytes: 2048, first_segment_bytes: 300, preallocate: true, ..config() };
    let sizes: Vec<u64> = (0..5).chain([63, 64, u64::MAX]).map(|number| growing.bytes_of(number)).collect();
    assert_eq!(sizes, [300, 600, 1200, 2048, 2048, 2048, 2048, 2048]);
    let mut rig = Rig::ready(growing);
    let (mut ends, mut lengths) = (Vec::new(), Vec::new());
    for round in 0..60u8 {
        rig.append(&[&[round; 90]]);
        while let Some((_, op)) = rig.pending.front() {
            match op {
                DiskOp::Allocate { len, .. } => lengths.push(*len),
                DiskOp::Write { path, offset, data } => ends.push((path.clone(), offset + data.len() as u64)),
                _ => {}
            }
            rig.perform();
        }
    }
    assert_eq!(lengths[..5], [300, 600, 1200, 2048, 2048]);
    // Filled as far as records fit, whatever seals them.
    for (number, most) in [300, 600, 1200, 2048].into_iter().enumerate() {
        let path = path_of(&rig.config.folder, number as u64);
        let of = ends.iter().filter(|(other, _)| *other == path).map(|(_, end)| *end);
        let records = of.filter(|end| *end <= most).max().unwrap();
        assert!(records > most - 200, "segment {number} ends at {records} of {most}");
    }
    rig.kill();
    rig.run();
    rig.check_alive();
}

#[test]
fn a_clean_reopen_reads_footers_and_no_records() {
    let mut rig = closed();
    rig.config.read_chunk = 4096;
    rig.boot();
    let mut read = 0;
    while let Some((_, op)) = rig.pending.front() {
        if let DiskOp::Read { offset, len, .. } = op {
            assert!(*offset == 0 && *len == 100 || *offset >= 500, "a group was read at {offset}");
            read += 1;
        }
        rig.perform();
    }
    assert_eq!(read, 3 * 4, "of each segment header, trailer, footer");
    assert!(rig.opened.as_ref().unwrap().report.clean);
    rig.check_reads();
    let Some(Action::FetchedFooter { result: Ok(Some(_)), .. }) = ({
        rig.step(Input::FetchFooter { token: 1, segment: 2 });
        rig.run();
        rig.said.last()
    }) else {
        panic!("{:?}", rig.said.last())
    };
    rig.check_alive();
}

#[test]
fn a_restart_without_appends_leaves_the_folder_as_it_was() {
    let mut rig = closed();
    let files = rig.files();
    for _ in 0..3 {
        rig.boot();
        rig.run();
        rig.close();
    }
    assert_eq!(rig.files(), files);
    // An append makes one, a crash that leaves something to adopt another, the crashes after it none.
    rig.boot();
    rig.run();
    rig.append(&[b"more"]);
    rig.run();
    for round in 0..6 {
        if round % 2 == 0 {
            rig.kill()
        } else {
            rig.lose_power(|_, _| Fate::Old, || false)
        }
        rig.run();
    }
    assert_eq!(rig.files().len(), files.len() + 2);
    rig.check_alive();
}

#[test]
fn footers_are_hints() {
    let plain = {
        let mut rig = closed();
        rig.boot();
        rig.run();
        rig.known.clone()
    };
    for victim in 0..4 {
        let name = Rig::segment(victim);
        let len = closed().disk.file(&name).cache.len();
        let seal = closed()
            .places
            .values()
            .filter(|at| at.segment == victim)
            .map(|at| at.offset + u64::from(at.len))
            .max();
        let from = (seal.unwrap() as usize).next_multiple_of(16);
        for at in (from..len).chain([usize::MAX]) {
            let mut rig = closed();
            let file = rig.disk.file(&name);
            match file.cache.get_mut(at) {
                Some(byte) => *byte ^= 0x40,
                None => file.cache.truncate(from),
            }
            rig.boot();
            rig.run();
            assert_eq!(rig.damaged, None, "byte {at} of {name}");
            assert_eq!(rig.known, plain);
            rig.check_alive();
        }
    }
    let mut rig = closed();
    rig.use_footers = false;
    rig.boot();
    rig.run();
    assert_eq!(rig.known, plain);
    rig.config.full_scan = true;
    rig.boot();
    rig.run();
    assert_eq!(rig.known, plain);
    assert!(rig.opened.as_ref().unwrap().report.clean);
    rig.check_alive();
}

#[test]
fn a_lost_footer_is_reported() {
    let mut rig = closed();
    let name = Rig::segment(1);
    let file = rig.disk.file(&name);
    let len = file.cache.len();
    file.cache[len - 1] ^= 1;
    rig.boot();
    rig.run();
    assert_eq!(rig.opened.as_ref().unwrap().report.rebuilt, [name]);
}

#[test]
fn rot_in_proven_records_is_refused() {
    // In a segment that has a successor, and in the last one below its frontier.
    for segment in [1, 3] {
        let mut rig = closed();
        let at = *rig.places.values().find(|at| at.segment == segment).unwrap();
        rig.disk.file(&Rig::segment(segment)).cache[at.offset as usize + 12] ^= 1;
        rig.config.full_scan = true;
        let said = refusal(&mut rig);
        let place = alloc::format!("{} at byte 112", Rig::segment(segment));
        assert!(said.starts_with(&place) && said.contains("proves that it was durable"), "{said}");
    }
    // In a store that was not closed: the groups after it tell.
    let mut rig = Rig::ready(config());
    for round in 0..3u8 {
        rig.append(&[&[round; 90]]);
        rig.run();
    }
    let at = rig.places[&0];
    rig.disk.file(&Rig::segment(0)).cache[at.offset as usize + 12] ^= 1;
    assert!(refusal(&mut rig).contains("proves that it was durable"));
}

#[test]
fn rot_in_the_last_synced_group_is_cut_and_told() {
    let mut rig = Rig::ready(config());
    for round in 0..3u8 {
        rig.append(&[&[round; 90]]);
        rig.run();
    }
    let at = rig.places[&2];
    rig.disk.file(&Rig::segment(0)).cache[at.offset as usize + 12] ^= 1;
    (rig.durable, rig.written) = (2, 2);
    rig.kill();
    rig.run();
    let report = rig.opened.clone().unwrap().report;
    assert_eq!((report.cut.len(), report.possibly_acknowledged.len()), (1, 1), "{report:?}");
    assert_eq!(report.events, 2);
    rig.check_alive();
}

#[test]
fn a_fetch_finds_rot_and_a_scan_says_where() {
    let mut rig = closed();
    rig.boot();
    rig.run();
    let at = rig.places[&4];
    rig.disk.file(&Rig::segment(at.segment)).cache[at.offset as usize + 12] ^= 1;
    rig.step(Input::Fetch { token: 1, at });
    rig.run();
    let Some(Action::Fetched { token: 1, result: Err(FetchError::Damaged(damage)) }) = rig.said.last() else {
        panic!("{:?}", rig.said.last())
    };
    assert_eq!((&*damage.file, damage.offset), (&*Rig::segment(at.segment), at.offset));
    rig.step(Input::Scan { token: 2 });
    rig.run();
    assert!(matches!(rig.said.last(), Some(Action::ScanDone { result: Err(FetchError::Damaged(_)), .. })));
}

#[test]
fn nonsense_is_answered() {
    let mut rig = Rig::new(config());
    rig.step(Input::Fetch { token: 1, at: Location::default() });
    rig.step(Input::Append { records: Vec::new(), urgent: false });
    let refused = FetchError::Refused(Refused::NotReady);
    assert_eq!(rig.said[0], Action::Fetched { token: 1, result: Err(refused) });
    assert_eq!(rig.said[1], Action::Rejected(Refused::NotReady));
    rig.boot();
    rig.run();
    for at in [
        Location { segment: 9, offset: 0, len: 10 },
        Location { segment: 0, offset: u64::MAX, len: u32::MAX },
        Location { segment: 0, offset: 0, len: 0 },
    ] {
        rig.step(Input::Fetch { token: 2, at });
        assert_eq!(rig.said.last(), Some(&Action::Fetched { token: 2, result: Err(FetchError::Moved) }));
    }
    rig.step(Input::Append { records: Vec::new(), urgent: false });
    assert_eq!(rig.said.last(), Some(&Action::Rejected(Refused::Size { bytes: 0 })));
    rig.step(Input::Footer { segment: 0, body: bytes::Bytes::new() });
    rig.step(Input::FooterVerdict { segment: 0, used: true });
    rig.step(Input::Boot);
    rig.step(Input::Disk(crate::OpId(400), Ok(crate::DiskOk::Done)));
    rig.check_alive();
}

#[test]
fn a_missing_segment_is_refused() {
    for victim in 0..3 {
        let mut rig = closed();
        rig.disk.names.remove(&Rig::segment(victim));
        let said = refusal(&mut rig);
        assert!(said.starts_with(&Rig::segment(victim)) && said.contains("missing"), "{said}");
    }
}

#[test]
fn a_shortened_segment_is_refused() {
    let mut rig = closed();
    rig.disk.file(&Rig::segment(1)).cache.truncate(300);
    assert!(refusal(&mut rig).contains("has 300 bytes"));
}

#[test]
fn a_segment_of_another_store_is_refused() {
    let mut other = Rig::ready(Config { store_id: 77, ..small() });
    for round in 0..12u8 {
        other.append(&[&[round; 90], &[round]]);
        other.run();
    }
    let foreign = other.disk.file(&Rig::segment(1)).cache.clone();
    let mut rig = closed();
    rig.disk.file(&Rig::segment(1)).cache = foreign;
    assert!(refusal(&mut rig).contains("another store"));
}

#[test]
fn an_exchanged_history_is_refused() {
    // The same store id, the same lengths, other contents: a segment put back from another line of history.
    let mut other = Rig::ready(small());
    for round in 0..12u8 {
        other.append(&[&[round ^ 0x55; 90], &[round]]);
        other.run();
    }
    other.close();
    for full_scan in [false, true] {
        let mut rig = closed();
        rig.disk.file(&Rig::segment(1)).cache = other.disk.file(&Rig::segment(1)).cache.clone();
        rig.config.full_scan = full_scan;
        assert!(refusal(&mut rig).contains("not those that the successor names"));
    }
}

#[test]
fn an_unknown_version_and_a_renamed_file_are_refused() {
    let mut rig = closed();
    let header = &mut rig.disk.file(&Rig::segment(3)).cache[..100];
    header[4] = 2;
    let crc = crc32fast::hash(&header[..96]);
    header[96..].copy_from_slice(&crc.to_le_bytes());
    assert!(refusal(&mut rig).contains("format version 2 is not known"));
    let mut rig = closed();
    let id = rig.disk.names.remove(&Rig::segment(3)).unwrap();
    rig.disk.names.insert(Rig::segment(4), id);
    assert!(refusal(&mut rig).contains("the header is that of segment 3"));
}

#[test]
fn a_damaged_header_of_a_segment_in_use_is_refused() {
    for (victim, words) in [(1, "header is damaged"), (3, "was in use")] {
        let mut rig = closed();
        rig.disk.file(&Rig::segment(victim)).cache[50] ^= 1;
        let said = refusal(&mut rig);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn garbage_behind_the_log_is_removed_and_told() {
    for (len, byte) in [(0, 0), (60, 0), (3000, 0), (3000, 0xA5), (100, 0xA5)] {
        let mut rig = closed();
        let name = Rig::segment(4);
        rig.disk.perform(&DiskOp::Create(crate::Path::from(&*name)), None).unwrap();
        rig.disk.file(&name).cache = alloc::vec![byte; len];
        rig.boot();
        rig.run();
        assert_eq!(rig.opened.as_ref().unwrap().report.removed, [name]);
        assert_eq!(rig.files().len(), 4);
        rig.check_alive();
    }
}

#[test]
fn other_files_are_left_alone() {
    let mut rig = closed();
    for name in
        ["log/notes.txt", "log/1.seg", "log/00000000000000000001.seg.bak", "log/99999999999999999999.seg"]
    {
        rig.disk.perform(&DiskOp::Create(crate::Path::from(name)), None).unwrap();
    }
    rig.boot();
    rig.run();
    rig.check_alive();
    assert!(rig.disk.names.contains_key("log/99999999999999999999.seg"));
}

#[test]
fn the_store_keeps_its_identity_and_its_sector() {
    let mut rig = closed();
    rig.config = Config { store_id: 1, sector: 64, ..weak(small()) };
    rig.boot();
    rig.run();
    let id = rig.opened.as_ref().unwrap().store_id;
    assert_eq!(id, config().store_id);
    rig.check_alive();
    rig.close();
    rig.boot();
    rig.run();
    rig.check_alive();
}

#[test]
fn any_single_flipped_byte_is_survived_or_refused() {
    let mut rig = closed();
    rig.config.read_chunk = 4096;
    let mut refused = 0;
    for segment in 0..4 {
        let name = Rig::segment(segment);
        for at in 0..rig.disk.file(&name).cache.len() {
            for full_scan in [false, true] {
                rig.config.full_scan = full_scan;
                rig.disk.file(&name).cache[at] ^= 0x10;
                rig.boot();
                rig.run();
                assert!(rig.opened.is_some() != rig.damaged.is_some());
                refused += u32::from(rig.damaged.is_some());
                rig.disk.file(&name).cache[at] ^= 0x10;
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn impossible_settings_are_refused() {
    for (bad, words) in [
        (Config { sector: 24, ..config() }, "sector is 24"),
        (Config { sector: 8, ..config() }, "sector is 8"),
        (Config { queue_bytes: 0, ..config() }, "queue_bytes is 0"),
        (Config { attempts: 0, ..config() }, "attempts is 0"),
        (Config { read_chunk: 63, ..config() }, "read_chunk is 63"),
    ] {
        let said = alloc::format!("{}", bad.validate().unwrap_err());
        assert!(said.starts_with(words), "{said}");
    }
    assert_eq!(config().validate(), Ok(()));
}
