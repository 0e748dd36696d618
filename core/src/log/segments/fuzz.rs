//! Attacks on the decoders of segment files; see [`crate::log::fuzz`].

use super::format::*;
use super::read::{Cursor, Found, Probe};
use alloc::vec::Vec;
use bytes::Bytes;
use crc32fast::Hasher;

const SEGMENT: u64 = 3;
const FIRST: u64 = 1000;

/// Puts the checksum that follows the first `at` bytes right.
fn seal_crc(bytes: &mut [u8], salt: &[u64], at: usize) {
    let mut hasher = Hasher::new();
    salt.iter().for_each(|part| hasher.update(&part.to_le_bytes()));
    if let Some((covered, rest)) = bytes.split_at_mut_checked(at)
        && let Some(crc) = rest.get_mut(..4)
    {
        hasher.update(covered);
        crc.copy_from_slice(&hasher.finalize().to_le_bytes());
    }
}

/// A segment header: what is read and written again is the same.
pub fn header(bytes: &[u8]) {
    let _ = SegmentHeader::decode(bytes);
    let mut bytes = bytes.to_vec();
    seal_crc(&mut bytes, &[], HEADER_LEN - 4);
    if let Ok((header, _)) = SegmentHeader::decode(&bytes) {
        let (again, digest) = header.encode();
        assert_eq!(SegmentHeader::decode(&again), Ok((header, digest)));
        assert_eq!(again.len() as u64, header.len());
    }
}

/// A group header at some offset.
pub fn group(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    for offset in [0, 4096, u64::MAX] {
        let _ = GroupHeader::decode(&bytes, SEGMENT, offset);
        seal_crc(&mut bytes, &[SEGMENT, offset], GROUP_LEN - 4);
        if GroupHeader::decode(&bytes, SEGMENT, offset).is_some() {
            assert_eq!(GroupHeader::decode(&bytes, SEGMENT + 1, offset), None, "of another segment");
        }
    }
}

/// A frame: its parts lie within the bytes, and what is written from them reads the same.
pub fn frame(bytes: &[u8]) {
    for first in [0, FIRST, u64::MAX] {
        if let Some(frame) = parse_frame(bytes, SEGMENT, first) {
            assert!(frame.body <= frame.len && frame.len <= bytes.len());
        }
    }
    let mut out = Vec::new();
    let mut group = GroupWriter::new(&mut out, SEGMENT, FIRST, 0);
    let at = group.frame(FrameKind::Record, true, FIRST + u64::from(bytes.len() as u32), bytes);
    let written = out.get(at.offset as usize..).unwrap_or_default();
    let Some(read) = parse_frame(written, SEGMENT, FIRST) else { panic!("a written frame is not read") };
    assert_eq!(written.get(read.body..read.len), Some(bytes));
}

/// A seal and its trailer.
pub fn seal(bytes: &[u8]) {
    let whole = Bytes::copy_from_slice(bytes);
    let _ = parse_trailer(bytes, SEGMENT);
    let _ = parse_seal(&whole, SEGMENT, FIRST, 0, 5);
    let mut trailer = bytes.to_vec();
    seal_crc(&mut trailer, &[SEGMENT], 12);
    let _ = parse_trailer(&trailer, SEGMENT);
    let seal =
        Seal { end: FIRST + 1, len: 4096, group: 8, digest: 77, closed: bytes.len().is_multiple_of(2) };
    let encoded = Bytes::from(encode_seal(&seal, SEGMENT, FIRST, 64, 5, 32, bytes));
    assert_eq!(parse_seal(&encoded, SEGMENT, FIRST, 64, 5), Some((seal, whole)));
}

/// A segment's file from behind its header, in chunks: it ends, and what it gives lies within the file.
pub fn walk(bytes: &[u8]) {
    let header = SegmentHeader {
        store_id: 5,
        number: SEGMENT,
        epoch: 1,
        first: FIRST,
        group: 7,
        carried: 0,
        prev: None,
        sector: 16,
    };
    let (head, digest) = header.encode();
    let mut body = bytes.to_vec();
    put_right(&mut body, head.len() as u64, header.tag());
    for chunk in [7, 64, usize::MAX] {
        let mut cursor = Cursor::new(&header, digest, (head.len() + body.len()) as u64);
        let mut rest = body.as_slice();
        loop {
            match cursor.next() {
                Found::More => {
                    let (now, later) = rest.split_at(chunk.min(rest.len()));
                    assert!(!now.is_empty(), "more is asked for than there is");
                    cursor.feed(Bytes::copy_from_slice(now));
                    rest = later;
                }
                Found::Group(group) => {
                    assert!(group.items.iter().all(|item| item.body.len() <= body.len()));
                }
                _ => break,
            }
        }
    }
    let mut probe = Probe::new(SEGMENT, 5, body.len() as u64);
    probe.feed(&Bytes::from(body));
}

/// Makes groups of what looks like a chain of them: magic, lengths and checksums are put right as far as it goes.
fn put_right(file: &mut [u8], origin: u64, tag: u32) {
    let mut at = 0;
    while let Some(group) = file.get_mut(at..).filter(|rest| rest.len() > GROUP_LEN) {
        let room = (group.len() - GROUP_LEN) as u32;
        let len = u32::from_le_bytes([group[12], group[13], group[14], group[15]]) % (room + 1);
        group[..4].copy_from_slice(b"OWGR");
        group[4] = 1 + group[4] % 4;
        group[8..12].copy_from_slice(&tag.to_le_bytes());
        group[12..16].copy_from_slice(&len.to_le_bytes());
        seal_crc(group, &[SEGMENT, origin + at as u64], GROUP_LEN - 4);
        at = (at + GROUP_LEN + len as usize).next_multiple_of(16);
    }
}
