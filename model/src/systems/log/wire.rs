//! Answers of the event store as bytes, for stores that live in a process of their own. A private format between two
//! copies of one build: it has no version. It decides nothing. Invariant: what [`encode`] writes, [`decode`] reads as the
//! same answer; any other bytes are refused, never a panic.

use bytes::Bytes;
use onceward_core::{
    DiskError, Wall,
    log::api::{
        Cut, Damage, Event, EventId, Expected, Frontiers, Hash256, Head, Hlc, Name, Phase, Promise, Receipt,
        Recovered, Refusal, Response, Status, Verified,
    },
};
use std::{collections::BTreeSet, sync::Mutex};

/// An answer as bytes.
pub(super) fn encode(response: &Response) -> Vec<u8> {
    let mut out = Vec::new();
    response.put(&mut out);
    out
}

/// The answer that these bytes are.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Response> {
    let response = Response::get(&mut bytes)?;
    bytes.is_empty().then_some(response)
}

/// A value that travels.
trait Wire: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn get(from: &mut &[u8]) -> Option<Self>;
}

macro_rules! numbers {
    ($($number:ty),*) => { $(
        impl Wire for $number {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
            fn get(from: &mut &[u8]) -> Option<Self> {
                let (first, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(<$number>::from_le_bytes(*first))
            }
        }
    )* };
}
numbers!(u8, u32, u64, u128);

/// Values whose fields travel one after the other.
macro_rules! records {
    ($($record:ident { $($field:ident),* })*) => { $(
        impl Wire for $record {
            fn put(&self, out: &mut Vec<u8>) {
                $( self.$field.put(out); )*
            }
            fn get(from: &mut &[u8]) -> Option<Self> {
                $( let $field = Wire::get(from)?; )*
                Some($record { $($field),* })
            }
        }
    )* };
}
records! {
    Hlc { millis, counter }
    Frontiers { accepted, written, durable, visible }
    Event { position, sequence, entity, id, kind, scope, correlation, causation, time, content, payload }
    Head { sequence, position, chain }
    Receipt { position, sequence, count, time, chain, promise, duplicate }
    Damage { file, offset, what }
    Cut { file, offset, bytes }
    Recovered { events, segments, clean, cut, removed, rebuilt, possibly_acknowledged }
    Status { phase, frontiers, recovery, segments, entities, wall }
    Verified { events, entities, segments, digest }
}

/// Values that are one of several, each with a number and, where it has any, its fields.
macro_rules! choices {
    ($($choice:ident { $($number:literal $variant:ident $( ( $tuple:ident ) )? $( { $($field:ident),* } )? ,)* })*) => { $(
        impl Wire for $choice {
            fn put(&self, out: &mut Vec<u8>) {
                match self { $(
                    $choice::$variant $( ($tuple) )? $( { $($field),* } )? => {
                        out.push($number);
                        $( $tuple.put(out); )?
                        $( $( $field.put(out); )* )?
                    }
                )* }
            }
            fn get(from: &mut &[u8]) -> Option<Self> {
                Some(match u8::get(from)? {
                    $( $number => {
                        $( let $tuple = Wire::get(from)?; )?
                        $( $( let $field = Wire::get(from)?; )* )?
                        $choice::$variant $( ($tuple) )? $( { $($field),* } )?
                    } )*
                    _ => return None,
                })
            }
        }
    )* };
}
choices! {
    Promise { 0 Written, 1 Durable, }
    Expected { 0 Any, 1 NoStream, 2 Exists, 3 Exact(sequence), }
    Phase { 0 Recovering, 1 Ready, 2 Full, 3 Closing, 4 Closed, 5 Damaged(damage), }
    DiskError { 0 Io, 1 NoSpace, 2 NotFound, 3 Exists, 4 Invalid, }
    Refusal {
        0 WrongExpected { entity, expected, actual },
        1 KeyConflict { position },
        2 IdTaken { id, position },
        3 NoCause { id },
        4 Limit { what, is, limit },
        5 Invalid(what),
        6 Overloaded,
        7 Full,
        8 Deadline,
        9 Closing,
        10 Recovering,
        11 Unknown { cause },
        12 Disk { cause },
        13 Damaged(damage),
        14 NoSubscription,
        15 CursorOutOfRange { from, to },
    }
    Response {
        0 Appended(receipts),
        1 Events { events, next, end },
        2 Subscribed { subscription, from },
        3 Notified { positions, missed },
        4 Head(head),
        5 Cursor(cursor),
        6 Frontiers(frontiers),
        7 Status(status),
        8 Verified(verified),
        9 Done,
        10 Refused(refusal),
    }
}

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn get(from: &mut &[u8]) -> Option<Self> {
        match u8::get(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn get(from: &mut &[u8]) -> Option<Self> {
        Some(if bool::get(from)? { Some(T::get(from)?) } else { None })
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        self.iter().for_each(|value| value.put(out));
    }
    fn get(from: &mut &[u8]) -> Option<Self> {
        // A length that lies runs out of bytes; it reserves no memory before that.
        (0..u64::get(from)?).map(|_| T::get(from)).collect()
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn get(from: &mut &[u8]) -> Option<Self> {
        Some((A::get(from)?, B::get(from)?))
    }
}

impl Wire for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        out.extend_from_slice(self);
    }
    fn get(from: &mut &[u8]) -> Option<Self> {
        let len = usize::try_from(u64::get(from)?).ok()?;
        let (bytes, rest) = from.split_at_checked(len)?;
        *from = rest;
        Some(Bytes::copy_from_slice(bytes))
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        Bytes::copy_from_slice(self.as_bytes()).put(out);
    }
    fn get(from: &mut &[u8]) -> Option<Self> {
        String::from_utf8(Bytes::get(from)?.into()).ok()
    }
}

impl Wire for &'static str {
    fn put(&self, out: &mut Vec<u8>) {
        (*self).to_owned().put(out);
    }
    fn get(from: &mut &[u8]) -> Option<Self> {
        // The store has few fixed texts, and each is kept once.
        static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let text = String::get(from)?;
        let mut known = KNOWN.lock().ok()?;
        if let Some(kept) = known.get(&*text) {
            return Some(kept);
        }
        let kept: &'static str = Box::leak(text.into_boxed_str());
        known.insert(kept);
        Some(kept)
    }
}

impl Wire for Name {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_str().to_owned().put(out);
    }
    fn get(from: &mut &[u8]) -> Option<Self> {
        Name::new(&String::get(from)?).ok()
    }
}

impl Wire for EventId {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn get(from: &mut &[u8]) -> Option<Self> {
        u128::get(from).map(EventId)
    }
}

impl Wire for Wall {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn get(from: &mut &[u8]) -> Option<Self> {
        u64::get(from).map(Wall)
    }
}

impl Wire for Hash256 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.0);
    }
    fn get(from: &mut &[u8]) -> Option<Self> {
        let (first, rest) = from.split_first_chunk()?;
        *from = rest;
        Some(Hash256(*first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn samples() -> Vec<Response> {
        let name = |text: &str| Name::new(text).unwrap();
        let damage = || Damage { file: "1.seg".into(), offset: 7, what: "a bit".into() };
        let refusals = [
            Refusal::WrongExpected { entity: name("é"), expected: Expected::Exact(3), actual: None },
            Refusal::KeyConflict { position: u64::MAX },
            Refusal::IdTaken { id: EventId(u128::MAX), position: 1 },
            Refusal::NoCause { id: EventId(1) },
            Refusal::Limit { what: "payload", is: 2, limit: 1 },
            Refusal::Invalid("no part"),
            Refusal::Unknown { cause: DiskError::NoSpace },
            Refusal::Disk { cause: DiskError::Invalid },
            Refusal::Damaged(damage()),
            Refusal::CursorOutOfRange { from: 1, to: 2 },
        ];
        let plain = [
            Refusal::Overloaded,
            Refusal::Full,
            Refusal::Deadline,
            Refusal::Closing,
            Refusal::Recovering,
            Refusal::NoSubscription,
        ];
        let time = Hlc { millis: 1, counter: 2 };
        let receipt = Receipt {
            position: 1,
            sequence: 2,
            count: 3,
            time,
            chain: Hash256([7; 32]),
            promise: Promise::Written,
            duplicate: true,
        };
        let event = Event {
            position: 9,
            sequence: 8,
            entity: name("order-17"),
            id: EventId(5),
            kind: name("k"),
            scope: name("s"),
            correlation: EventId(4),
            causation: Some(EventId(3)),
            time,
            content: Hash256([1; 32]),
            payload: Bytes::from_static(b"\0\xff"),
        };
        let recovered = Recovered {
            events: 1,
            segments: 2,
            clean: true,
            cut: vec![Cut { file: "a".into(), offset: 1, bytes: 2 }],
            removed: vec!["b".into()],
            rebuilt: vec![],
            possibly_acknowledged: vec![damage()],
        };
        let status = |phase| Status {
            phase,
            frontiers: Frontiers { accepted: 4, written: 3, durable: 2, visible: 1 },
            recovery: Some(recovered.clone()),
            segments: 1,
            entities: 2,
            wall: Wall(3),
        };
        let mut all: Vec<Response> = refusals.into_iter().chain(plain).map(Response::Refused).collect();
        let phases = [
            Phase::Recovering,
            Phase::Ready,
            Phase::Full,
            Phase::Closing,
            Phase::Closed,
            Phase::Damaged(damage()),
        ];
        all.extend(phases.map(|phase| Response::Status(status(phase))));
        all.extend([
            Response::Appended(vec![receipt.clone(), Receipt { promise: Promise::Durable, ..receipt }]),
            Response::Events { events: vec![event], next: 10, end: false },
            Response::Subscribed { subscription: 1, from: 2 },
            Response::Notified { positions: vec![1, 2], missed: Some((3, 4)) },
            Response::Head(Some(Head { sequence: 1, position: 2, chain: Hash256([3; 32]) })),
            Response::Head(None),
            Response::Cursor(Some(7)),
            Response::Frontiers(Frontiers::default()),
            Response::Verified(Verified { events: 1, entities: 2, segments: 3, digest: Hash256([4; 32]) }),
            Response::Done,
        ]);
        all
    }

    #[test]
    fn every_answer_reads_back_as_it_was_and_no_part_of_it_reads_as_one() {
        for response in samples() {
            let bytes = encode(&response);
            assert_eq!(decode(&bytes), Some(response.clone()));
            for end in 0..bytes.len() {
                assert_eq!(decode(&bytes[..end]), None, "{response:?} cut at {end}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(response) = decode(&bytes) {
                prop_assert_eq!(encode(&response), bytes);
            }
        }
    }
}
