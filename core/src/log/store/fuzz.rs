//! Attacks on the decoders of records and footers; see [`crate::log::fuzz`].

use super::index::SegmentIndex;
use super::record;
use bytes::Bytes;

/// A record: what is read and written again is the same, and not longer.
pub fn record(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let read = match record::decode(&bytes) {
        Ok(read) => read,
        Err(bad) => return assert!(bad.at <= bytes.len(), "{bad}"),
    };
    let again = record::encode(&read);
    assert!(again.len() <= bytes.len(), "the shortest form is longer");
    match record::decode(&again) {
        Ok(again) => assert_eq!((again.content, again.digest), (read.content, read.digest)),
        Err(bad) => panic!("what was written is not read: {bad}"),
    }
}

/// A footer: what is read and written again is the same.
pub fn footer(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let read = match SegmentIndex::decode(9, &bytes) {
        Ok(read) => read,
        Err(bad) => return assert!(bad.at <= bytes.len(), "{bad}"),
    };
    let _ = (read.positions_end(), read.bytes(), read.filter());
    assert_eq!(SegmentIndex::decode(9, &read.encode()).as_ref(), Ok(&read));
}
