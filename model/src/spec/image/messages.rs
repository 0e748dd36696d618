//! A topic broker's files as an outsider reads them: from the bytes alone, with code that shares nothing with the broker's.
//! It decides which messages the log and the files of the pool hold, and which were given up; what a broker has said of
//! them is judged by [`Book::keeps`](crate::spec::topic::Book::keeps).
//!
//! A file of the pool counts as far as a record of the log says that messages are in it, and no message counts that fails its
//! checksum, or stands where another one of the same offset does not agree. A log whose front was given up has a
//! checkpoint. Reading is total: any bytes give messages, or a place where they make no sense.

use super::{
    Unreadable,
    bytes::{crc, le32},
    chain::{self, Unit},
    pack::Reader,
    segment::Placed,
};
use crate::world::disk::Image;
use onceward_core::Path;
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

const MESSAGES: u64 = 4;
const TRIM: u64 = 6;
const DRAINED: u64 = 7;
const BEGIN: u64 = 8;
const PARTITION: u64 = 10;
const FILES: u64 = 11;
const END: u64 = 14;

/// What stands before the body of a record in a file of the pool: its length and its checksum.
const RECORD: usize = 8;

/// A message as it stands on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// Who wrote it; empty if nobody said so.
    pub producer: &'a str,
    /// Its number.
    pub seq_no: u64,
    /// The number of its codec.
    pub codec: i32,
    /// The payload, as its codec encodes it.
    pub data: &'a [u8],
}

/// A partition: the topic's number, which is the sequence of the record that made it, and the partition's.
type Partition = (u64, u32);

/// All messages on a disk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Messages<'a> {
    messages: BTreeMap<(Partition, u64), Message<'a>>,
    /// Everything below was given up.
    firsts: BTreeMap<Partition, u64>,
}

impl Messages<'_> {
    /// The message at an offset, unless it is not there or was given up.
    pub fn get(&self, topic: u64, partition: u32, offset: u64) -> Option<&Message<'_>> {
        let there = self.messages.get(&((topic, partition), offset));
        there.filter(|_| offset >= self.first(topic, partition))
    }

    /// The first offset of a partition that was not given up, whether it was ever written or not; 0 if nothing is known of
    /// the partition.
    pub fn first(&self, topic: u64, partition: u32) -> u64 {
        self.firsts.get(&(topic, partition)).copied().unwrap_or(0)
    }
}

/// Messages in a file of the pool, as the log has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct File {
    partition: Partition,
    number: u64,
    /// The bytes in which they stand.
    from: u64,
    to: u64,
}

/// Reads a broker's log, in `folder`, and the files of its pool. A folder without a segment that has begun is an empty log.
///
/// # Errors
/// Where the log contradicts itself below what a header says is proven, holds something that is no record, or begins late
/// without a checkpoint. What is missing or damaged in the pool is not an error: those messages are not there.
pub fn read<'a>(image: &'a Image, folder: &Path, pool: &Path) -> Result<Messages<'a>, Unreadable> {
    let log = chain::records(image, folder, true)?;
    let mut reading = Reading::default();
    for Unit { file, records } in &log.units {
        for Placed { at, body, .. } in records {
            let mut reader = Reader::new(body);
            if reading.record(&mut reader).is_none() {
                let at = at + reader.at as u64;
                return Err(Unreadable { file: (*file).into(), at, what: "this is no record of a broker" });
            }
        }
    }
    if log.first > 0 && !reading.complete {
        let file = log.units.first().map_or("", |unit| unit.file);
        let what = "the log begins late, and has no checkpoint";
        return Err(Unreadable { file: file.into(), at: 0, what });
    }
    for file in std::mem::take(&mut reading.files) {
        let File { partition: (topic, partition), number, .. } = file;
        let path = Path::from(&*format!("{pool}/{topic}-{partition}-{number}.msgs"));
        if let Some(bytes) = image.files.get(&path) {
            reading.pool_file(file, bytes, log.sector.max(1).into());
        }
    }
    Ok(reading.found)
}

#[derive(Default)]
struct Reading<'a> {
    found: Messages<'a>,
    files: BTreeSet<File>,
    /// A checkpoint has begun and, then, ended.
    begun: bool,
    complete: bool,
}

impl<'a> Reading<'a> {
    /// Takes up a record of the log; none if it is none.
    fn record(&mut self, reader: &mut Reader<'a>) -> Option<()> {
        let arity = reader.array()?;
        match (reader.uint()?, arity) {
            (MESSAGES, 9) => {
                for (place, message) in messages(reader)? {
                    self.found.messages.insert(place, message);
                }
            }
            (TRIM, 4) => {
                let (partition, offset) = (partition(reader)?, reader.uint()?);
                self.give_up(partition, offset);
            }
            (DRAINED, 4) => {
                let partition = partition(reader)?;
                self.files.insert(file(reader, partition)?);
            }
            (PARTITION, 7) => {
                let (partition, start) = (partition(reader)?, reader.uint()?);
                self.give_up(partition, start);
            }
            (FILES, 4) => {
                let partition = partition(reader)?;
                for _ in 0..reader.array()? {
                    self.files.insert(file(reader, partition)?);
                }
            }
            (BEGIN, 1) => self.begun = true,
            (END, 1) => self.complete |= self.begun,
            // What they say is of no concern to a message.
            (0..=3 | 5 | 9 | 12 | 13, _) => {}
            _ => return None,
        }
        Some(())
    }

    fn give_up(&mut self, partition: Partition, offset: u64) {
        let first = self.found.firsts.entry(partition).or_default();
        *first = offset.max(*first);
    }

    /// Takes up what a file of the pool holds between two places, up to the first record that is none.
    fn pool_file(&mut self, file: File, bytes: &'a [u8], sector: u64) {
        let mut at = file.from;
        while at < file.to {
            let left = sector - at % sector;
            let len = usize::try_from(at).ok().and_then(|at| le32(bytes, at));
            if left < RECORD as u64 || len == Some(0) && left < sector {
                at = at.saturating_add(left);
                continue;
            }
            let Some(after) = self.pool_record(file, bytes, at) else { return };
            at = after;
        }
    }

    fn pool_record(&mut self, file: File, bytes: &'a [u8], at: u64) -> Option<u64> {
        let head = usize::try_from(at).ok()?;
        let from = head.checked_add(RECORD)?;
        let end = from.checked_add(le32(bytes, head)? as usize)?;
        let body = bytes.get(from..end).filter(|_| end as u64 <= file.to)?;
        let File { partition: (topic, partition), number, .. } = file;
        let (topic, number) = (topic.to_le_bytes(), number.to_le_bytes());
        let sum = crc(&[&topic, &partition.to_le_bytes(), &number, &at.to_le_bytes(), body]);
        let mut reader = Reader::new(body);
        if sum != le32(bytes, head + 4)? || (reader.array()?, reader.uint()?) != (9, MESSAGES) {
            return None;
        }
        for (place, message) in messages(&mut reader)?.into_iter().filter(|(of, _)| of.0 == file.partition) {
            let there = self.found.messages.entry(place).or_insert(message);
            // Of two that say they are the same nobody knows which one a reader will get.
            if *there != message {
                self.found.messages.remove(&place);
            }
        }
        Some(end as u64)
    }
}

fn partition(reader: &mut Reader<'_>) -> Option<Partition> {
    Some((reader.uint()?, reader.uint()?.try_into().ok()?))
}

fn file(reader: &mut Reader<'_>, partition: Partition) -> Option<File> {
    (reader.array()? == 7).then_some(())?;
    let file = File { partition, number: reader.uint()?, from: reader.uint()?, to: reader.uint()? };
    // Offsets, a size and a time: the records say the first, and nothing rests on the others.
    (0..4).try_for_each(|_| reader.uint().map(drop))?;
    Some(file)
}

/// What is behind the kind of a record of messages, up to its end.
fn messages<'a>(reader: &mut Reader<'a>) -> Option<Vec<((Partition, u64), Message<'a>)>> {
    let (partition, offset) = (partition(reader)?, reader.uint()?);
    reader.uint()?;
    let codec = u32::try_from(reader.uint()?).ok()?.cast_signed();
    let producer = reader.text()?;
    for _ in 0..reader.array()? {
        reader.text()?;
    }
    let mut messages = Vec::new();
    for place in 0..reader.array()? {
        (reader.array()? == 5).then_some(())?;
        let seq_no = reader.uint()?;
        reader.uint()?;
        reader.uint()?;
        for n in 0..reader.array()? {
            if n % 2 == 0 { reader.text().map(drop) } else { reader.binary().map(drop) }?;
        }
        let data = reader.binary()?;
        messages.push(((partition, offset.checked_add(place)?), Message { producer, seq_no, codec, data }));
    }
    (reader.at == reader.bytes.len()).then_some(messages)
}
