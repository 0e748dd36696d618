//! The bytes of the pool's files, version 1. It decides how records are laid out and checked, and never what a file must
//! hold. Reading is total: any bytes give records, or a place and what is wrong there.
//!
//! Integers are little-endian, checksums are CRC-32 (IEEE). What is written at once starts at a sector boundary and is padded
//! with zeros to one, so that tearing it never reaches what was durable before.
//!
//! ```text
//! header   0  magic "OWMS"       4  version = 1 (u16)     6  zero (u16)
//! 64 B     8  store id (u128)   24  topic (u64)          32  partition (u32)     36  zero (u32)
//!         40  the file's number (u64)                    48  zero (12 B)         60  CRC of bytes 0..60
//!
//! record   0  length of the body (u32, not 0)             4  CRC of topic, partition, number, file offset, body
//!          8  body: a record of messages as the log has it
//! ```
//!
//! A record begins where its first eight bytes are in one sector. A length of 0 stands for the rest of a sector. Nothing in a file tells where it ends: that is said by the log.

use super::super::catalogue::{File, Loaded, PartitionId, Span};
use super::super::record::Record;
use crate::log::segments::Location;
use alloc::{
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use bytes::Bytes;

const HEADER_LEN: usize = 64;
const RECORD_LEN: usize = 8;
const MAGIC: [u8; 4] = *b"OWMS";
const VERSION: u16 = 1;

/// Which file it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Name {
    pub(super) partition: PartitionId,
    pub(super) number: u64,
}

/// What is wrong with a file, and at which byte.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Bad {
    pub(super) offset: u64,
    pub(super) what: String,
}

/// The first bytes of a file.
pub(super) fn header(name: Name, store_id: u128, sector: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&store_id.to_le_bytes());
    out.extend_from_slice(&name.partition.topic.0.to_le_bytes());
    out.extend_from_slice(&name.partition.number.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&name.number.to_le_bytes());
    out.extend_from_slice(&[0; 12]);
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    pad(&mut out, 0, sector);
    out
}

/// Adds a record to what will stand at `origin`.
pub(super) fn put(out: &mut Vec<u8>, name: Name, origin: u64, sector: u32, body: &[u8]) {
    if left(origin + out.len() as u64, sector) < RECORD_LEN {
        pad(out, origin, sector);
    }
    let at = origin + out.len() as u64;
    // A record has fewer than 2^32 bytes: its payloads have.
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&sum(name, at, body).to_le_bytes());
    out.extend_from_slice(body);
}

/// Fills what will stand at `origin` up to a sector boundary.
pub(super) fn pad(out: &mut Vec<u8>, origin: u64, sector: u32) {
    let end = (origin + out.len() as u64).next_multiple_of(u64::from(sector));
    out.resize((end - origin) as usize, 0);
}

/// How many bytes are left of the sector; a whole one at its beginning.
fn left(place: u64, sector: u32) -> usize {
    (u64::from(sector) - place % u64::from(sector)) as usize
}

fn sum(name: Name, at: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&name.partition.topic.0.to_le_bytes());
    hasher.update(&name.partition.number.to_le_bytes());
    hasher.update(&name.number.to_le_bytes());
    hasher.update(&at.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// Reads what a file has of a partition: the bytes from `file.from` to `file.to`.
pub(super) fn read(partition: PartitionId, file: &File, bytes: &Bytes, sector: u32) -> Result<Loaded, Bad> {
    let name = Name { partition, number: file.number };
    let mut records = Vec::new();
    let (mut at, mut next) = (0, file.first);
    let bad = |at: usize, what: String| Bad { offset: file.from + at as u64, what };
    while at < bytes.len() {
        let place = file.from + at as u64;
        let fields = bytes.get(at..at + RECORD_LEN);
        let len = fields.map_or(0, |fields| u32_of(fields, 0));
        if left(place, sector) < RECORD_LEN || len == 0 && !place.is_multiple_of(u64::from(sector)) {
            at += left(place, sector);
            continue;
        }
        let from = at + RECORD_LEN;
        let body = from.checked_add(len as usize).filter(|end| *end <= bytes.len()).map(|end| from..end);
        let Some((fields, body)) = fields.zip(body).filter(|_| len > 0) else {
            return Err(bad(at, "the record does not end within the file".into()));
        };
        let body = bytes.slice(body);
        if sum(name, place, &body) != u32_of(fields, 4) {
            return Err(bad(at, "the record fails its checksum".into()));
        }
        let batch = match Record::decode(&body) {
            Ok(Record::Messages { partition: of, batch }) if of == partition && batch.offset == next => batch,
            Ok(_) => return Err(bad(at, format!("not the messages from offset {next} on"))),
            Err(wrong) => return Err(bad(at, wrong.to_string())),
        };
        // A record has fewer messages than bytes.
        let count = batch.messages.len() as u32;
        next = batch.offset + u64::from(count);
        let location = Location { segment: file.number, offset: place, len };
        let span =
            Span { first: batch.offset, count, sequence: 0, at: location, written_at: batch.written_at };
        records.push((span, Arc::new(batch)));
        at = from + len as usize;
    }
    if next != file.end || records.is_empty() {
        return Err(bad(bytes.len(), format!("it ends with offset {next}, not {}", file.end)));
    }
    Ok(Loaded { end: file.end, records })
}

fn u32_of(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Where the records of a file begin.
pub(super) fn header_len(sector: u32) -> u64 {
    (HEADER_LEN as u64).next_multiple_of(u64::from(sector))
}

/// Bytes as records of a file, with checksums that fit.
#[cfg(feature = "fuzz")]
pub(super) fn attack(bytes: &[u8]) {
    const SECTOR: u32 = 16;
    let partition = PartitionId::default();
    let name = Name { partition, number: 3 };
    let from = header_len(SECTOR);
    let to = from + bytes.len() as u64;
    let mut file = File { number: 3, from, to, first: 0, end: 0, bytes: 0, newest: crate::Wall(0) };
    let judge =
        |file: &File, bytes: &[u8]| match read(partition, file, &Bytes::copy_from_slice(bytes), SECTOR) {
            Ok(loaded) => {
                let mut next = file.first;
                for (span, batch) in &loaded.records {
                    assert_eq!((span.first, batch.offset), (next, next));
                    next = span.end();
                }
                assert_eq!(next, file.end);
            }
            Err(bad) => assert!((from..=to).contains(&bad.offset), "{bad:?}"),
        };
    judge(&file, bytes);
    let mut right = bytes.to_vec();
    let mut at = 0;
    while let Some(fields) = right.get(at..at + RECORD_LEN) {
        let len = u32_of(fields, 0) as usize;
        let end = at.saturating_add(RECORD_LEN).saturating_add(len);
        let Some(body) = right.get(at + RECORD_LEN..end) else { break };
        let sum = sum(name, from + at as u64, body);
        file.end += match Record::decode(&Bytes::copy_from_slice(body)) {
            Ok(Record::Messages { batch, .. }) => batch.messages.len() as u64,
            _ => 0,
        };
        right[at + 4..at + RECORD_LEN].copy_from_slice(&sum.to_le_bytes());
        at = end;
    }
    judge(&file, &right);
}

#[cfg(test)]
mod tests {
    use super::super::super::record;
    use super::*;
    use crate::Wall;
    use crate::reader::wire::Batch;
    use crate::writer::wire::{Codec, Numbered, Payload};
    use alloc::vec;

    const SECTOR: u32 = 16;

    fn batch(offset: u64, len: usize) -> Batch {
        let payload = Payload {
            data: vec![7; len].into(),
            codec: Codec::RAW,
            uncompressed_size: len as u64,
            created_at: Wall(1),
            metadata: vec![],
        };
        Batch {
            offset,
            producer_id: "p".into(),
            session_meta: [].into(),
            codec: Codec::RAW,
            written_at: Wall(offset),
            messages: vec![Numbered { seq_no: offset + 1, payload }],
        }
    }

    /// What two flushes have written, of records of all lengths.
    fn written() -> (File, Vec<u8>) {
        let partition = PartitionId::default();
        let name = Name { partition, number: 3 };
        let from = header_len(SECTOR);
        let mut all = Vec::new();
        for records in [0..20, 20..31] {
            let origin = from + all.len() as u64;
            let mut data = Vec::new();
            for offset in records {
                let body = record::messages(partition, &batch(offset, offset as usize));
                put(&mut data, name, origin, SECTOR, &body);
            }
            pad(&mut data, origin, SECTOR);
            all.extend_from_slice(&data);
        }
        let to = from + all.len() as u64;
        (File { number: 3, from, to, first: 0, end: 31, bytes: 0, newest: Wall(30) }, all)
    }

    #[test]
    fn what_was_put_is_read() {
        let (file, bytes) = written();
        let loaded = read(PartitionId::default(), &file, &bytes.into(), SECTOR).unwrap();
        let batches: Vec<Batch> = loaded.records.iter().map(|(_, batch)| (**batch).clone()).collect();
        assert_eq!(batches, (0..31).map(|offset| batch(offset, offset as usize)).collect::<Vec<_>>());
    }

    #[test]
    fn no_changed_byte_changes_what_is_read() {
        let (file, bytes) = written();
        let whole = read(PartitionId::default(), &file, &bytes.clone().into(), SECTOR).unwrap();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            match read(PartitionId::default(), &file, &bytes.into(), SECTOR) {
                Ok(read) => assert_eq!(read, whole, "byte {at}"),
                Err(bad) => assert!((file.from..=file.to).contains(&bad.offset)),
            }
        }
    }

    #[test]
    fn records_of_another_file_or_place_are_not_taken() {
        let (file, bytes) = written();
        let other = PartitionId { number: 1, ..PartitionId::default() };
        let bytes = Bytes::from(bytes);
        assert!(read(other, &file, &bytes, SECTOR).is_err());
        assert!(read(PartitionId::default(), &File { number: 4, ..file }, &bytes, SECTOR).is_err());
        assert!(
            read(PartitionId::default(), &File { from: file.from + 16, ..file }, &bytes, SECTOR).is_err()
        );
        assert!(read(PartitionId::default(), &File { end: 32, ..file }, &bytes, SECTOR).is_err());
        assert!(read(PartitionId::default(), &file, &Bytes::new(), SECTOR).is_err());
    }
}
