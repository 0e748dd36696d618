//! The bytes: pinned, round trips, and nothing that bytes can do to the decoders.

use super::super::format::*;
use super::super::read::{Cursor, Found, Probe};
use super::rig::{Rig, config};
use crate::log::segments::{Config, Input};
use alloc::{format, string::String, vec, vec::Vec};
use bytes::Bytes;
use proptest::prelude::*;

/// Bytes as people read them.
fn hex(bytes: &[u8]) -> String {
    let line = |(index, row): (usize, &[u8])| {
        let cells: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:04x}  {}\n", index * 16, cells.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

#[test]
fn format_version_1_is_pinned() {
    let mut rig = Rig::ready(Config { sector: 32, ..config() });
    rig.append(&[b"first record", b"second"]);
    rig.run();
    rig.kill();
    rig.run();
    rig.append(&[b"third"]);
    rig.close();
    let files: Vec<String> = rig.files();
    let mut text = String::new();
    for name in &files {
        let bytes = rig.disk.file(name).cache.clone();
        text += &format!("{name}\n{}\n", hex(&bytes));
    }
    insta::assert_snapshot!(text);
}

fn header() -> impl Strategy<Value = SegmentHeader> {
    let numbers = (any::<u128>(), 1..BOUND, 0..BOUND, 0..BOUND, 0..BOUND, 0..BOUND);
    let prev = prop::option::of((any::<u64>(), 0..BOUND, any::<u32>()));
    (numbers, prev, 4u32..=16).prop_map(|(numbers, prev, shift)| {
        let (store_id, number, epoch, first, group, carried) = numbers;
        let prev = prev.map(|(back, len, digest)| Prev { number: back % number, len, digest });
        SegmentHeader { store_id, number, epoch, first, group, carried, prev, sector: 1 << shift }
    })
}

fn records() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20)
}

/// A segment of one group; the header, its digest, and the file.
fn segment(records: &[Vec<u8>], sector: u32, kind: GroupKind) -> (SegmentHeader, u32, Vec<u8>) {
    let header = SegmentHeader {
        store_id: 5,
        number: 3,
        epoch: 1,
        first: 1000,
        group: 7,
        carried: 0,
        prev: Some(Prev { number: 2, len: 64, digest: 9 }),
        sector,
    };
    let (mut out, digest) = header.encode();
    let mut group = GroupWriter::new(&mut out, 3, 1000, 0);
    for (index, record) in records.iter().enumerate() {
        group.frame(FrameKind::Record, index + 1 == records.len(), 1000 + index as u64, record);
    }
    group.finish(GroupHeader::draft(kind, header.tag(), 7, 7, 1000), sector, 0);
    (header, digest, out)
}

/// What a cursor finds, given the bytes in chunks.
fn walk(header: &SegmentHeader, digest: u32, file: &[u8], chunk: usize) -> (Vec<Vec<u8>>, Found) {
    let mut cursor = Cursor::new(header, digest, file.len() as u64);
    let mut rest = file.get(header.len() as usize..).unwrap_or_default();
    let mut found = Vec::new();
    loop {
        match cursor.next() {
            Found::More => {
                let (now, later) = rest.split_at(chunk.min(rest.len()));
                assert!(!now.is_empty(), "more is asked for than there is");
                cursor.feed(Bytes::copy_from_slice(now));
                rest = later;
            }
            Found::Group(group) => found.extend(group.items.iter().map(|item| item.body.to_vec())),
            end => return (found, end),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_header_comes_back(header in header()) {
        let (bytes, digest) = header.encode();
        prop_assert_eq!(bytes.len() as u64, header.len());
        prop_assert_eq!(SegmentHeader::decode(&bytes), Ok((header, digest)));
    }

    #[test]
    fn groups_come_back_in_any_chunks(records in records(), shift in 4u32..10, chunk in 1usize..500) {
        let (header, digest, file) = segment(&records, 1 << shift, GroupKind::Records);
        prop_assert_eq!(file.len() % (1 << shift), 0);
        prop_assert_eq!(walk(&header, digest, &file, chunk), (records, Found::End));
    }

    #[test]
    fn a_changed_byte_is_noticed(records in records(), at in any::<prop::sample::Index>(), flip in 1u8..) {
        let (header, digest, mut file) = segment(&records, 16, GroupKind::Records);
        let used = header.len() as usize..file.len() - 16;
        let at = used.start + at.index(used.len());
        file[at] ^= flip;
        let (found, end) = walk(&header, digest, &file, 64);
        prop_assert!(found.is_empty() && matches!(end, Found::Bad(_)));
    }

    #[test]
    fn a_group_is_not_taken_for_one_of_another_place(records in records()) {
        let (header, digest, mut file) = segment(&records, 16, GroupKind::Records);
        let group = file[header.len() as usize..].to_vec();
        file.extend_from_slice(&group);
        let (found, end) = walk(&header, digest, &file, 64);
        prop_assert_eq!(found, records);
        prop_assert!(matches!(end, Found::Bad(_)));
    }

    #[test]
    fn a_seal_comes_back(footer in prop::collection::vec(any::<u8>(), 0..500), closed: bool, end in 10u64..99, at in 0u64..50) {
        let seal = Seal { end, len: 4096, group: 8, digest: 77, closed };
        let offset = at * 32;
        let bytes = Bytes::from(encode_seal(&seal, 6, 10, offset, 5, 32, &footer));
        prop_assert_eq!(bytes.len() % 32, 0);
        let trailer = &bytes[bytes.len() - TRAILER_LEN as usize..];
        prop_assert_eq!(parse_trailer(trailer, 6), Some(offset));
        prop_assert_eq!(parse_trailer(trailer, 7), None);
        prop_assert_eq!(parse_seal(&bytes, 6, 10, offset, 5), Some((seal, Bytes::from(footer))));
        prop_assert_eq!(parse_seal(&bytes, 6, 10, offset + 32, 5), None);
    }

    #[test]
    fn a_probe_finds_the_same_in_any_chunks(
        groups in prop::collection::vec((0usize..200, 0u64..9, 1u8..4), 0..4),
        tail in 0usize..400,
        chunk in 1usize..300,
    ) {
        let mut file = Vec::new();
        for (gap, durable, kind) in groups {
            file.resize(file.len() + gap * 16, 0);
            let mut group = GroupWriter::new(&mut file, 3, 0, 0);
            group.frame(FrameKind::Record, true, 0, b"record");
            let kind = [GroupKind::Records, GroupKind::Carried, GroupKind::Proof][usize::from(kind) - 1];
            group.finish(GroupHeader::draft(kind, 5, 9, durable, 0), 16, 0);
        }
        file.resize(file.len() + tail, 0);
        let probe = |chunk: usize| {
            let mut probe = Probe::new(3, 0, file.len() as u64);
            file.chunks(chunk).for_each(|part| probe.feed(&Bytes::copy_from_slice(part)));
            (probe.durable, probe.in_use, probe.content)
        };
        prop_assert_eq!(probe(chunk), probe(file.len().max(1)));
    }

    #[test]
    fn numbers_out_of_bounds_are_no_numbers(field in 0usize..6, number in BOUND..) {
        let mut header = SegmentHeader {
            store_id: 5, number: 3, epoch: 1, first: 1000, group: 7, carried: 0,
            prev: Some(Prev { number: 2, len: 64, digest: 9 }), sector: 16,
        };
        let prev = header.prev.as_mut().unwrap();
        *[&mut header.number, &mut header.epoch, &mut header.first, &mut header.group, &mut header.carried, &mut prev.len]
            [field] = number;
        prop_assert_eq!(SegmentHeader::decode(&header.encode().0), Err(BadHeader::Broken));

        let (mut first, mut group, mut durable) = (1, 1, 1);
        *[&mut first, &mut group, &mut durable][field % 3] = number;
        let mut out = Vec::new();
        let writer = GroupWriter::new(&mut out, 3, 0, 0);
        writer.finish(GroupHeader::draft(GroupKind::Proof, 5, group, durable, first), 16, 0);
        prop_assert_eq!(GroupHeader::decode(&out, 3, 0), None);

        let mut seal = Seal { end: 10, len: 64, group: 8, digest: 77, closed: true };
        *[&mut seal.end, &mut seal.len, &mut seal.group][field % 3] = number;
        let bytes = Bytes::from(encode_seal(&seal, 6, 10, 64, 5, 16, b"footer"));
        prop_assert_eq!(parse_seal(&bytes, 6, 10, 64, 5), None);
    }

    #[test]
    fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400), header in header()) {
        let bytes = Bytes::from(bytes);
        let _ = SegmentHeader::decode(&bytes);
        let _ = GroupHeader::decode(&bytes, 1, 2);
        let _ = parse_frame(&bytes, 1, u64::MAX - 3);
        let _ = parse_trailer(&bytes, 1);
        let _ = parse_seal(&bytes, 1, 2, 3, 4);
        let _ = walk(&header, 1, &bytes, 33);
        let mut probe = Probe::new(1, 5, 400);
        probe.feed(&bytes);
    }

    /// Garbage dies at the first checksum: so valid images are changed instead, and whatever the folder then holds is
    /// opened, or refused with words.
    #[test]
    fn mangled_stores_are_opened_or_refused(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..6), 1..6),
        full_scan: bool,
    ) {
        let mut rig = Rig::ready(Config { segment_bytes: 500, full_scan, ..config() });
        for round in 0..6u8 {
            rig.append(&[&[round; 60]]);
            rig.run();
        }
        for (file, from, to, what) in edits {
            let files = rig.files();
            if files.is_empty() {
                break;
            }
            let name = &files[file.index(files.len())];
            let bytes = &mut rig.disk.file(name).cache;
            if bytes.is_empty() {
                continue;
            }
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            match what {
                0 => bytes[from] ^= 1 + to as u8 % 255,
                1 => bytes.truncate(from),
                2 => bytes.copy_within(from.min(to) / 16 * 16.., 0),
                3 => bytes.extend_from_within(from.min(to)..),
                4 => bytes[from.min(to)..from.max(to)].fill(to as u8),
                _ => {
                    rig.disk.names.remove(name);
                }
            }
        }
        (rig.durable, rig.written) = (0, 0);
        rig.config.read_chunk = 64;
        rig.kill();
        rig.run();
        prop_assert!(rig.opened.is_some() != rig.damaged.is_some());
        // Where a footer was used, damage of records shows when they are read.
        if rig.opened.is_some() && full_scan {
            rig.check_alive();
        } else if rig.opened.is_some() {
            prop_assert!(rig.append(&[b"alive"]));
            rig.run();
            prop_assert_eq!(rig.durable, rig.machine.next_sequence());
        }
    }

    /// Answers that no disk would give.
    #[test]
    fn nonsense_from_the_disk_is_survived(answers in prop::collection::vec((0u32..8, 0u8..9, prop::collection::vec(any::<u8>(), 0..40)), 0..60)) {
        use crate::{DiskError, DiskOk, OpId};
        let mut rig = Rig::new(config());
        rig.boot();
        for (id, kind, data) in answers {
            let result = match kind {
                0 => Ok(DiskOk::Done),
                1 => Ok(DiskOk::Wrote(data.len() as u32)),
                2 => Ok(DiskOk::Read(Bytes::from(data))),
                3 => Ok(DiskOk::Listing(vec![])),
                4 => Err(DiskError::Io),
                5 => Err(DiskError::Exists),
                6 => { rig.append(&[&data]); continue }
                7 => { rig.step(Input::Timer(crate::log::segments::Timer::Retry)); continue }
                _ => { rig.perform(); continue }
            };
            rig.step(Input::Disk(OpId(id), result));
        }
    }
}

#[test]
fn a_seal_is_not_much_longer_than_what_it_describes() {
    assert!(seal_fits(100, 100 + 400 + (64 << 10)));
    assert!(!seal_fits(100, 101 + 400 + (64 << 10)));
    assert!(!seal_fits(100, 100) && !seal_fits(100, 99));
    assert!(seal_fits(u64::MAX - 1, u64::MAX));
}
