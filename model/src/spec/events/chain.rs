//! The hash chain, computed a second time: an encoder and a link of the oracle's own, written from the format's
//! description, so that a store whose chain covers less than it says cannot agree with it by accident. Follows each
//! entity from its first event as far as reads have shown it without a gap.

use super::History;
use onceward_core::log::api::{Event, EventId, Hash256};

/// How far an entity was followed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Tail {
    /// The sequence that comes next.
    next: u64,
    /// The link of the event before.
    link: Hash256,
}

impl History {
    /// The link of an event, if everything before it in its entity was read.
    pub(super) fn follow(&mut self, event: &Event) -> Option<Hash256> {
        let tail = self.tails.entry(event.entity.clone()).or_default();
        if tail.next != event.sequence {
            return None;
        }
        let link = Hash256(*blake3::keyed_hash(&tail.link.0, &encode(event)).as_bytes());
        *tail = Tail { next: event.sequence + 1, link };
        Some(link)
    }
}

/// The array of eight that the chain covers.
fn encode(event: &Event) -> Vec<u8> {
    let mut out = vec![0x98];
    text(&mut out, event.entity.as_str());
    id(&mut out, Some(event.id));
    text(&mut out, event.kind.as_str());
    text(&mut out, event.scope.as_str());
    id(&mut out, (event.correlation != event.id).then_some(event.correlation));
    id(&mut out, event.causation);
    uint(&mut out, event.time.millis << 16 | u64::from(event.time.counter));
    let len = event.payload.len();
    match len {
        0..=0xff => out.extend([0xc4, len as u8]),
        0x100..=0xffff => {
            out.push(0xc5);
            out.extend((len as u16).to_be_bytes());
        }
        _ => {
            out.push(0xc6);
            out.extend((len as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(&event.payload);
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    match text.len() {
        len @ 0..=31 => out.push(0xa0 | len as u8),
        len => out.extend([0xd9, len as u8]),
    }
    out.extend_from_slice(text.as_bytes());
}

fn id(out: &mut Vec<u8>, id: Option<EventId>) {
    match id {
        None => out.push(0xc0),
        Some(id) => {
            out.extend([0xc4, 16]);
            out.extend(id.0.to_be_bytes());
        }
    }
}

fn uint(out: &mut Vec<u8>, n: u64) {
    match n {
        0..=0x7f => out.push(n as u8),
        0x80..=0xff => out.extend([0xcc, n as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend((n as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend((n as u32).to_be_bytes());
        }
        _ => {
            out.push(0xcf);
            out.extend(n.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use onceward_core::log::{
        api::{Hlc, Name},
        store::link,
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_implementations_agree(
            (entity, kind) in ("[a-z]{1,200}", "[a-z]{1,40}"),
            (own, about, cause) in (any::<u128>(), any::<u128>(), any::<Option<u128>>()),
            (millis, counter) in (0..1u64 << 48, any::<u16>()),
            len in prop_oneof![0..300usize, 65_530..65_540usize],
            previous in any::<[u8; 32]>(),
        ) {
            let name = |text: &str| Name::new(text).unwrap();
            let payload = Bytes::from(vec![7; len]);
            let event = Event {
                position: 0, sequence: 0, entity: name(&entity), id: EventId(own), kind: name(&kind), scope: name("s"),
                correlation: EventId(if about % 2 == 0 { own } else { about }), causation: cause.map(EventId),
                time: Hlc { millis, counter: counter.into() },
                content: Hash256::default(), payload,
            };
            let ours = Hash256(*blake3::keyed_hash(&previous, &encode(&event)).as_bytes());
            prop_assert_eq!(ours, link(&Hash256(previous), &event));
        }
    }
}
