//! Which segments are the log: from the highest one that has begun back to the first, each telling how much of the one
//! before it counts.

use super::{
    Unreadable,
    segment::{Header, Placed},
};
use crate::world::disk::Image;
use onceward_core::Path;

/// A log.
#[derive(Default)]
pub(super) struct Log<'a> {
    /// The sequence of its first record.
    pub(super) first: u64,
    /// What is written at once in its files starts at a multiple of this.
    pub(super) sector: u32,
    pub(super) units: Vec<Unit<'a>>,
}

/// The records of one atomic unit, with the file that they stand in.
pub(super) struct Unit<'a> {
    pub(super) file: &'a str,
    pub(super) records: Vec<Placed<'a>>,
}

/// All units of the log in a folder, in order. `released`: its front may have been given up, segment by segment; then it
/// begins behind the last one that is missing.
pub(super) fn records<'a>(image: &'a Image, folder: &Path, released: bool) -> Result<Log<'a>, Unreadable> {
    let mut found: Vec<(&Path, &[u8], Header)> = Vec::new();
    let mut there = Vec::new();
    for (path, file) in &image.files {
        let number = path.name().strip_suffix(".seg").filter(|digits| digits.len() == 20);
        let number: Option<u64> = number.and_then(|digits| digits.parse().ok());
        let Some(number) = number.filter(|_| path.parent() == *folder) else { continue };
        there.push(number);
        if let Some(header) = Header::read(file).filter(|header| header.number == number) {
            found.push((path, file, header));
        }
    }
    // Names have their numbers with leading zeros: the last is the highest.
    let begun =
        |(_, file, header): &&(&Path, &[u8], Header)| header.walk(file, None).carried >= header.carried;
    let Some(last) = found.iter().rev().find(begun) else { return Ok(Log::default()) };
    let mut segments = vec![(last.0.as_str(), last.2.walk(last.1, None).records)];
    let mut after = last;
    while let Some((number, len, digest)) = after.2.previous {
        let bad = |at, what| Unreadable { file: after.0.as_str().into(), at, what };
        let before = found.iter().find(|(_, _, header)| header.number == number);
        if before.is_none() && released && !there.contains(&number) {
            break;
        }
        let before = before.filter(|(_, _, header)| header.store == after.2.store && number < after.2.number);
        let Some(before) = before else { return Err(bad(64, "the predecessor that it names is not there")) };
        let walk = before.2.walk(before.1, Some(len));
        if walk.offset != len {
            let what = "it stops making sense below the length that its successor says is proven";
            return Err(Unreadable { file: before.0.as_str().into(), at: walk.offset, what });
        }
        if (walk.digest, walk.sequence, walk.group) != (digest, after.2.first, after.2.group) {
            return Err(bad(40, "it does not continue where its predecessor ends"));
        }
        segments.push((before.0.as_str(), walk.records));
        after = before;
    }
    if after.2.first != 0 && !released {
        let what = "the first segment does not start with the first record";
        return Err(Unreadable { file: after.0.as_str().into(), at: 40, what });
    }
    let mut units = Vec::new();
    for (file, records) in segments.into_iter().rev() {
        let mut unit = Vec::new();
        for record in records {
            unit.push(record);
            if record.last {
                units.push(Unit { file, records: std::mem::take(&mut unit) });
            }
        }
        // A group ends with the end of a unit, so nothing is left.
        debug_assert!(unit.is_empty());
    }
    Ok(Log { first: after.2.first, sector: last.2.sector, units })
}
