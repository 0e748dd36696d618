//! What records say, and the hash chains over them.

use super::{Contents, Stored, Unreadable, bytes::array, chain::Unit};
use std::collections::BTreeMap;

/// What is wrong where the chains do not recompute.
pub(super) const OTHER_DIGEST: &str = "the store's digest is another one here";

/// The chains as far as they were followed.
#[derive(Default)]
pub(super) struct Chains {
    /// Each entity's next sequence and last link.
    entities: BTreeMap<String, (u64, [u8; 32])>,
}

impl Chains {
    /// Takes up a unit: its events are added to the contents, and its digest must be the one that stands at its end.
    pub(super) fn unit(&mut self, unit: &Unit<'_>, contents: &mut Contents) -> Result<(), Unreadable> {
        let mut digest = blake3::Hasher::new_keyed(&contents.digest);
        for (n, placed) in unit.records.iter().enumerate() {
            let bad =
                |at: usize, what| Unreadable { file: unit.file.into(), at: placed.at + at as u64, what };
            let mut reader = Reader { bytes: placed.body, at: 0 };
            let arity = reader.byte();
            let read = match arity {
                Some(0x98) => self.event(&mut reader, &mut digest, contents),
                Some(0x92) => reader.cursor().map(|()| {
                    digest.update(&[2]);
                    digest.update(&placed.body[..reader.at]);
                }),
                _ => None,
            };
            if read.is_none() {
                return Err(bad(reader.at, "this is no record"));
            }
            if n + 1 == unit.records.len() {
                let whole = *digest.finalize().as_bytes();
                let short = array(&whole, 0).map(u64::from_be_bytes);
                if reader.uint() != short {
                    return Err(bad(reader.at, OTHER_DIGEST));
                }
                contents.digest = whole;
            }
            if reader.at != placed.body.len() {
                return Err(bad(reader.at, "the record goes on after its end"));
            }
        }
        Ok(())
    }

    fn event(
        &mut self,
        reader: &mut Reader<'_>,
        digest: &mut blake3::Hasher,
        contents: &mut Contents,
    ) -> Option<()> {
        let entity = reader.text()?;
        let id = reader.id()?;
        let (kind, scope) = (reader.text()?, reader.text()?);
        let correlation = reader.optional_id()?.unwrap_or(id);
        let causation = reader.optional_id()?;
        let time = reader.uint()?;
        let payload = reader.binary()?.to_vec();
        let head = self.entities.entry(entity.clone()).or_default();
        let link = *blake3::keyed_hash(&head.1, &reader.bytes[..reader.at]).as_bytes();
        let sequence = head.0;
        *head = (sequence + 1, link);
        let key = if reader.peek() == Some(0x92) {
            reader.byte();
            let (key, request) = (reader.binary()?, reader.binary()?);
            (key.len() == 16 && request.len() == 16).then_some(())?;
            Some((key, request))
        } else {
            None
        };
        digest.update(&[u8::from(key.is_some())]);
        digest.update(&link);
        if let Some((key, request)) = key {
            digest.update(key);
            digest.update(request);
        }
        contents.events.push(Stored {
            entity,
            sequence,
            id,
            kind,
            scope,
            correlation,
            causation,
            time,
            payload,
            link,
        });
        Some(())
    }
}

/// The few forms of MessagePack that records are made of.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }

    fn big_endian(&mut self, len: usize) -> Option<u64> {
        Some(self.take(len)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn uint(&mut self) -> Option<u64> {
        match self.byte()? {
            small @ 0..=0x7f => Some(small.into()),
            wide @ 0xcc..=0xcf => self.big_endian(1 << (wide - 0xcc)),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        let len = match self.byte()? {
            short @ 0xa0..=0xbf => u64::from(short & 0x1f),
            0xd9 => self.big_endian(1)?,
            0xda => self.big_endian(2)?,
            _ => return None,
        };
        String::from_utf8(self.take(len as usize)?.to_vec()).ok()
    }

    fn binary(&mut self) -> Option<&'a [u8]> {
        let wide = self.byte()?.checked_sub(0xc4).filter(|wide| *wide < 3)?;
        let len = self.big_endian(1 << wide)?;
        self.take(usize::try_from(len).ok()?)
    }

    fn id(&mut self) -> Option<u128> {
        self.binary()?.try_into().ok().map(u128::from_be_bytes)
    }

    fn optional_id(&mut self) -> Option<Option<u128>> {
        if self.peek() == Some(0xc0) {
            self.at += 1;
            return Some(None);
        }
        self.id().map(Some)
    }

    fn cursor(&mut self) -> Option<()> {
        self.text()?;
        self.uint().map(|_| ())
    }
}
