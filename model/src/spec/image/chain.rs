//! Which segments are the log: from the highest one that has begun back to the first, each telling how much of the one
//! before it counts.

use super::{
    Unreadable,
    segment::{Header, Placed},
};
use crate::world::disk::Image;
use onceward_core::Path;

/// The records of one atomic unit, with the file that they stand in.
pub(super) struct Unit<'a> {
    pub(super) file: &'a str,
    pub(super) records: Vec<Placed<'a>>,
}

/// All units of the log in a folder, in order.
pub(super) fn records<'a>(image: &'a Image, folder: &Path) -> Result<Vec<Unit<'a>>, Unreadable> {
    let mut found: Vec<(&Path, &[u8], Header)> = Vec::new();
    for (path, file) in &image.files {
        let number = path.name().strip_suffix(".seg").filter(|digits| digits.len() == 20);
        let number = number.and_then(|digits| digits.parse().ok());
        let header = Header::read(file).filter(|header| Some(header.number) == number);
        if let Some(header) = header.filter(|_| path.parent() == *folder) {
            found.push((path, file, header));
        }
    }
    // Names have their numbers with leading zeros: the last is the highest.
    let begun =
        |(_, file, header): &&(&Path, &[u8], Header)| header.walk(file, None).carried >= header.carried;
    let Some(last) = found.iter().rev().find(begun) else { return Ok(Vec::new()) };
    let mut segments = vec![(last.0.as_str(), last.2.walk(last.1, None).records)];
    let mut after = last;
    while let Some((number, len, digest)) = after.2.previous {
        let bad = |at, what| Unreadable { file: after.0.as_str().into(), at, what };
        let before = found.iter().find(|(_, _, header)| header.number == number);
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
    if after.2.first != 0 {
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
    Ok(units)
}
