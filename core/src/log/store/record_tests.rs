use super::*;
use crate::log::api::BadName;
use alloc::{format, vec};
use proptest::prelude::*;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn sample() -> Stored {
    Stored {
        entity: name("order-17"),
        id: EventId(0x1112_1314),
        kind: name("created"),
        scope: name("shop"),
        correlation: EventId(0x2122),
        causation: Some(EventId(0x3132)),
        time: Hlc { millis: 1_700_000_000_000, counter: 3 },
        payload: Bytes::from_static(b"{\"total\":42}"),
        key: Some(Keyed { key: Key(0x4142), request: [0x51; 16] }),
    }
}

#[test]
fn the_format_is_pinned() {
    let bytes =
        encode(&Record { content: Content::Event(sample()), digest: Some(0x0102_0304_0506_0708), body: 0 });
    let lines: Vec<_> = bytes
        .chunks(16)
        .map(|row| row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn an_event_of_256_bytes_costs_84_more() {
    let event = Stored {
        entity: name("entity-0123456789012"),
        scope: name("scope-01234567890123"),
        kind: name("eightchr"),
        correlation: EventId(7),
        id: EventId(7),
        causation: None,
        key: None,
        payload: Bytes::from(vec![0; 256]),
        ..sample()
    };
    let record = Record { content: Content::Event(event), digest: None, body: 0 };
    assert_eq!(encode(&record).len(), 256 + 84);
    assert_eq!(encode(&Record { digest: Some(u64::MAX), ..record }).len(), 256 + 84 + 9);
}

#[test]
fn every_truncation_is_an_error_with_a_place() {
    let whole = encode(&Record { content: Content::Event(sample()), digest: None, body: 0 });
    let end = decode(&whole).unwrap().body;
    for len in 0..whole.len() {
        match decode(&whole.slice(..len)) {
            // Without its key the event is whole, too: what was cut is told by the frame and the digest.
            Ok(record) => assert_eq!((len, record.body), (end, end)),
            Err(bad) => assert!(bad.at <= len, "{bad}"),
        }
    }
}

#[test]
fn errors_name_the_byte() {
    assert_eq!(
        decode(&Bytes::from_static(&[0x92, 0xa1, 0x07, 0x01])),
        Err(BadRecord { at: 2, problem: Problem::Name(BadName::Control { at: 0 }) })
    );
    assert_eq!(
        decode(&Bytes::from_static(&[0x92, 0xa1, b'r', 0xc0])),
        Err(BadRecord { at: 3, problem: Problem::Expected("a position") })
    );
    assert_eq!(
        decode(&Bytes::from_static(&[0x92, 0xa1, b'r', 1, 2, 3])),
        Err(BadRecord { at: 5, problem: Problem::Trailing })
    );
    assert_eq!(
        decode(&Bytes::from_static(&[0x92, 0xa5, b'r'])),
        Err(BadRecord { at: 3, problem: Problem::Truncated })
    );
}

prop_compose! {
    fn names()(text in "[a-zß]{1,40}") -> Name { name(&text) }
}

prop_compose! {
    fn events()(
        entity in names(), kind in names(), scope in names(),
        id in 0u128..4, correlation in 0u128..4, causation in proptest::option::of(0u128..4),
        millis in 0u64..1 << 48, counter in 0u32..1 << 16,
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        key in proptest::option::of((any::<u128>(), any::<[u8; 16]>())),
    ) -> Stored {
        Stored {
            entity, kind, scope, id: EventId(id), correlation: EventId(correlation),
            causation: causation.map(EventId), time: Hlc { millis, counter }, payload: payload.into(),
            key: key.map(|(key, request)| Keyed { key: Key(key), request }),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(event in events(), digest in proptest::option::of(any::<u64>())) {
        let record = Record { content: Content::Event(event), digest, body: 0 };
        let bytes = encode(&record);
        let read = decode(&bytes).unwrap();
        prop_assert_eq!(&read.content, &record.content);
        prop_assert_eq!(read.digest, record.digest);
        prop_assert_eq!(encode(&read), bytes);
    }

    #[test]
    fn cursors_too(reader in names(), position in any::<u64>()) {
        let record = Record { content: Content::Cursor { reader, position }, digest: Some(1), body: 0 };
        prop_assert_eq!(decode(&encode(&record)).unwrap().content, record.content);
    }

    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes.into());
    }

    #[test]
    fn a_changed_byte_is_judged(event in events(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = encode(&Record { content: Content::Event(event), digest: Some(3), body: 0 }).to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _ = decode(&bytes.into());
    }
}
