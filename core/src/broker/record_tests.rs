use super::*;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = Arc<str>> {
    "\\PC{0,12}".prop_map(|text| Arc::from(&*text))
}

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..most).prop_map(Bytes::from)
}

fn attributes() -> impl Strategy<Value = BTreeMap<Arc<str>, Arc<str>>> {
    prop::collection::btree_map(text(), text(), 0..3)
}

fn codecs() -> impl Strategy<Value = Vec<Codec>> {
    prop::collection::vec(any::<i32>().prop_map(Codec), 0..3)
}

prop_compose! {
    fn consumer()(
        important in any::<bool>(),
        read_from in any::<Option<u64>>(),
        codecs in codecs(),
        attributes in attributes(),
    ) -> Consumer {
        Consumer { important, read_from: read_from.map(Wall), codecs, attributes }
    }
}

prop_compose! {
    fn settings()(
        partitions in any::<u32>(),
        retention in any::<Option<u64>>(),
        retention_bytes in any::<Option<u64>>(),
        codecs in codecs(),
        attributes in attributes(),
        consumers in prop::collection::btree_map(text(), consumer(), 0..3),
    ) -> Settings {
        Settings { partitions, retention: retention.map(Dur), retention_bytes, codecs, attributes, consumers }
    }
}

prop_compose! {
    fn partition()(topic in any::<u64>(), number in any::<u32>()) -> PartitionId {
        PartitionId { topic: TopicId(topic), number }
    }
}

prop_compose! {
    fn batch()(
        offset in 0..u64::MAX / 2,
        producer_id in text(),
        meta in prop::collection::vec((text(), text()), 0..3),
        codec in any::<i32>().prop_map(Codec),
        written_at in any::<u64>().prop_map(Wall),
        messages in prop::collection::vec(
            (any::<u64>(), bytes(300), any::<u64>(), any::<u64>(), prop::collection::vec((text(), bytes(20)), 0..3)),
            1..5,
        ),
    ) -> Batch {
        let messages = messages.into_iter().map(|(seq_no, data, size, at, metadata)| Numbered {
            seq_no,
            payload: Payload { data, codec, uncompressed_size: size, created_at: Wall(at), metadata },
        });
        let messages = messages.collect();
        Batch { offset, producer_id, session_meta: meta.into(), codec, written_at, messages }
    }
}

fn file() -> impl Strategy<Value = File> {
    prop::array::uniform7(any::<u64>()).prop_map(|[number, from, to, first, end, bytes, newest]| File {
        number,
        from,
        to,
        first,
        end,
        bytes,
        newest: Wall(newest),
    })
}

prop_compose! {
    fn known()(
        name in text(),
        partition in any::<u32>(),
        [epoch, stored, latest] in prop::array::uniform3(any::<u64>()),
    ) -> Known {
        Known { name, partition, epoch, stored, latest }
    }
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        Just(Part::Begin),
        Just(Part::End),
        (any::<u64>(), text(), any::<u64>(), settings()).prop_map(|(topic, path, at, settings)| {
            Part::Topic { topic: TopicId(topic), path, created_at: Wall(at), settings }
        }),
        (partition(), prop::array::uniform3(any::<u64>()), any::<Option<u64>>()).prop_map(
            |(partition, [start, end, drained], last_write)| Part::Partition {
                partition,
                start,
                end,
                drained,
                last_write: last_write.map(Wall),
            }
        ),
        (partition(), prop::collection::vec(file(), 0..4))
            .prop_map(|(partition, files)| Part::Files { partition, files }),
        (partition(), prop::collection::vec((text(), any::<u64>()), 0..4))
            .prop_map(|(partition, commits)| Part::Commits { partition, commits }),
        (any::<u64>(), prop::collection::vec(known(), 0..4))
            .prop_map(|(topic, producers)| Part::Producers { topic: TopicId(topic), producers }),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        (text(), any::<u64>(), settings()).prop_map(|(path, at, settings)| Record::Create {
            path,
            created_at: Wall(at),
            settings
        }),
        (any::<u64>(), settings())
            .prop_map(|(topic, settings)| Record::Alter { topic: TopicId(topic), settings }),
        any::<u64>().prop_map(|topic| Record::Drop { topic: TopicId(topic) }),
        (partition(), file()).prop_map(|(partition, file)| Record::Drained { partition, file }),
        part().prop_map(Record::Part),
        (partition(), any::<u64>(), text()).prop_map(|(partition, epoch, producer)| Record::Session {
            partition,
            epoch,
            producer
        }),
        (partition(), batch()).prop_map(|(partition, batch)| Record::Messages { partition, batch }),
        (partition(), any::<u64>(), text()).prop_map(|(partition, offset, consumer)| Record::Commit {
            partition,
            offset,
            consumer
        }),
        (partition(), any::<u64>()).prop_map(|(partition, offset)| Record::Trim { partition, offset }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(record in record()) {
        let bytes = record.encode();
        prop_assert_eq!(Record::decode(&bytes), Ok(record));
        for len in 0..bytes.len() {
            prop_assert!(Record::decode(&bytes.slice(..len)).is_err());
        }
    }

    #[test]
    fn any_bytes_give_a_record_or_a_reason(mut bytes in prop::collection::vec(any::<u8>(), 0..200), record in record(), at in any::<usize>(), byte in any::<u8>()) {
        let _ = Record::decode(&bytes.clone().into());
        bytes = record.encode().into();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(record) = Record::decode(&bytes.clone().into()) {
            prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn a_message_takes_no_more_than_is_reckoned(batch in batch()) {
        let reckoned: usize = batch.messages.iter().map(|message| message_bytes(&message.payload)).sum();
        let meta: usize = batch.session_meta.iter().map(|(name, value)| name.len() + value.len() + 10).sum();
        let len = messages(PartitionId::default(), &batch).len();
        prop_assert!(len <= reckoned + meta + batch.producer_id.len() + 128);
    }
}

#[test]
fn bad_records_name_the_byte() {
    let error = |bytes: &[u8]| Record::decode(&Bytes::copy_from_slice(bytes)).unwrap_err();
    assert_eq!(error(&[]).at, 0);
    assert_eq!(error(&[0x92, 0x09]).at, 2, "an unknown kind");
    assert_eq!(error(&[0x92, 0x02]).at, 2, "no topic");
    assert_eq!(error(&[0x92, 0x02, 0x05, 0x00]).at, 3, "more after the end");
    // A length that nothing stands behind costs no memory.
    let mut long = Record::Messages { partition: PartitionId::default(), batch: sample() }.encode().to_vec();
    let at = long.iter().rposition(|byte| *byte == 0x91).unwrap();
    long.splice(at..=at, [0xdd, 0xff, 0xff, 0xff, 0xff]);
    assert!(Record::decode(&long.into()).is_err());
}

fn sample() -> Batch {
    let payload = Payload {
        data: Bytes::from_static(b"x"),
        codec: Codec::RAW,
        uncompressed_size: 1,
        created_at: Wall(0),
        metadata: Vec::new(),
    };
    Batch {
        offset: 0,
        producer_id: Arc::from("p"),
        session_meta: Arc::new([]),
        codec: Codec::RAW,
        written_at: Wall(0),
        messages: alloc::vec![Numbered { seq_no: 1, payload }],
    }
}
