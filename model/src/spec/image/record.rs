//! What records say, and the hash chains over them.

use super::{Contents, Stored, Unreadable, bytes::array, chain::Unit, pack::Reader};
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
            let mut reader = Reader::new(placed.body);
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
        let entity = reader.text()?.to_owned();
        let id = reader.id()?;
        let (kind, scope) = (reader.text()?.to_owned(), reader.text()?.to_owned());
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
