//! What a server keeps on its disk, and how it comes back: a file of records, each with a checksum and in sectors of its
//! own, so that tearing one spoils no other. Records count from the first to the first that is none. Recovery writes what it has found into a new file and puts that in the old one's
//! place before it is shown to anybody, since what could be read need not be durable.

use crate::spec::publish::Record;
use bytes::Bytes;
use onceward_core::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// The records.
pub(super) fn file() -> Path {
    Path::from("topic")
}

/// What recovery writes.
pub(super) fn draft() -> Path {
    Path::from("draft")
}

/// A record's producer and itself.
pub(super) type Stored = (Arc<str>, Record);

const CHECKSUM: usize = 8;
const SECTOR: usize = 512;

/// A record as bytes: the length of what follows, number, producer, content, checksum; zeros up to a whole sector.
pub(super) fn encode((producer, record): &Stored, out: &mut Vec<u8>) {
    let content = record.content.as_deref();
    let mut body = record.seq_no.to_le_bytes().to_vec();
    // Ids are at most 2048 bytes, contents at most 48 MiB.
    body.extend((producer.len() as u16).to_le_bytes());
    body.extend(producer.as_bytes());
    body.push(u8::from(content.is_some()));
    body.extend(content.unwrap_or_default());
    body.extend(xxh3_64(&body).to_le_bytes());
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body);
    out.resize(out.len().next_multiple_of(SECTOR), 0);
}

/// The records that these bytes begin with.
pub(super) fn decode(mut bytes: &[u8]) -> Vec<Stored> {
    let mut found = Vec::new();
    while let Some((stored, rest)) = one(bytes) {
        found.push(stored);
        bytes = rest;
    }
    found
}

fn one(bytes: &[u8]) -> Option<(Stored, &[u8])> {
    let (len, _) = bytes.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len) as usize;
    let (sectors, rest) = bytes.split_at_checked((4 + len).next_multiple_of(SECTOR))?;
    let body = &sectors[4..4 + len];
    let (body, sum) = body.split_last_chunk::<CHECKSUM>()?;
    if xxh3_64(body) != u64::from_le_bytes(*sum) {
        return None;
    }
    let (seq_no, body) = body.split_first_chunk::<8>()?;
    let (len, body) = body.split_first_chunk::<2>()?;
    let (producer, body) = body.split_at_checked(u16::from_le_bytes(*len).into())?;
    let (has_content, content) = body.split_first()?;
    let content = (*has_content == 1).then(|| Bytes::copy_from_slice(content));
    let record = Record { seq_no: u64::from_le_bytes(*seq_no), content };
    Some(((std::str::from_utf8(producer).ok()?.into(), record), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back_up_to_the_first_that_is_none() {
        let all: Vec<Stored> = [(1, Some("a")), (5, None), (6, Some(""))]
            .map(|(seq_no, content)| {
                ("producer".into(), Record { seq_no, content: content.map(Bytes::from) })
            })
            .into();
        let (mut bytes, mut ends) = (Vec::new(), vec![0]);
        for stored in &all {
            encode(stored, &mut bytes);
            ends.push(bytes.len());
        }
        assert_eq!(decode(&bytes), all);
        for cut in 0..bytes.len() {
            let whole = ends.iter().rposition(|end| *end <= cut).unwrap();
            assert_eq!(decode(&bytes[..cut]), all[..whole], "cut at {cut}");
            let mut spoilt = bytes.clone();
            spoilt[cut] ^= 0x40;
            let content = all[whole].1.content.as_ref().map_or(0, Bytes::len);
            let padding = cut - ends[whole] >= 4 + 8 + 2 + "producer".len() + 1 + content + CHECKSUM;
            assert_eq!(decode(&spoilt), all[..if padding { all.len() } else { whole }], "spoilt at {cut}");
        }
    }
}
