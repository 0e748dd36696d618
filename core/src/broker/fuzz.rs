//! Attacks on the decoders of the broker's records and of the pool's files, as fuzz targets make them: what comes in is any bytes, what must hold is
//! in the assertions. Compiled only with the feature `fuzz`; nothing else uses it.

use super::record::Record;
use bytes::Bytes;

/// A record: what is read and written again is the same, and not longer.
pub fn record(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let read = match Record::decode(&bytes) {
        Ok(read) => read,
        Err(bad) => return assert!(bad.at <= bytes.len(), "{bad}"),
    };
    let again = read.encode();
    assert!(again.len() <= bytes.len(), "the shortest form is longer");
    assert_eq!(Record::decode(&again), Ok(read));
}

/// What a file of the pool has, its checksums put right: records are whole and in order, or a place is named.
pub fn file(bytes: &[u8]) {
    super::pool::attack(bytes);
}
