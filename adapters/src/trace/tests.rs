//! Recordings at their edges, where only the machine's thread and the writer's are there.
#![allow(clippy::unwrap_used)]

use super::{Begins, Contents, Ends, Recording, Whose, read, record};
use crate::driver::tap::Tap;
use bytes::Bytes;
use onceward_core::{
    CallId, ClientId, Clock, DiskOk, Dur, Input, Machine, Path, Wall,
    broker::api::Message,
    log::{
        api::{EventId, Expected, Key, Name, NewEvent, Part, Request},
        store::{Config, EventStore},
    },
    reader::wire::{self as reading, Batch, PartitionData, PartitionSessionId},
    recorded::{Bulky, Told},
    writer::wire::{Codec, FromClient, Numbered, Payload},
};
use tempfile::TempDir;

fn machine() -> EventStore {
    EventStore::new(Config::new(Path::root(), 7)).unwrap()
}

/// A machine that has begun to recover, under this tap.
fn booted(tap: &mut dyn Tap<EventStore>) -> EventStore {
    let (mut machine, mut actions) = (machine(), Vec::new());
    tap.begins(&machine);
    tap.input(&machine, Clock::default(), &Input::Boot);
    machine.step(Clock::default(), Input::Boot, &mut actions);
    tap.actions(&actions);
    machine
}

fn folders() -> (TempDir, Recording) {
    let folder = tempfile::tempdir().unwrap();
    let recording = Recording::into_folder(folder.path().join("recording"));
    std::fs::create_dir(folder.path().join("disk")).unwrap();
    (folder, recording)
}

#[test]
fn a_panic_is_the_last_step_of_a_run_and_the_next_incarnation_is_another_run() {
    let (folder, recording) = folders();
    let mut tap = record(&recording, &folder.path().join("disk")).unwrap();
    let machine = booted(&mut *tap);
    // As if it had not come back from this one.
    tap.input(
        &machine,
        Clock::default(),
        &Input::Disk(onceward_core::OpId(0), Err(onceward_core::DiskError::Io)),
    );
    tap.begins(&self::machine());
    drop(tap);
    let runs = read::<EventStore>(&recording.folder, false).unwrap();
    let ends: Vec<_> = runs.iter().map(|run| (run.chunks.len(), run.chunks[0].ends)).collect();
    assert_eq!(ends, [(1, Some(Ends::Panic)), (1, Some(Ends::Stop))]);
    let steps = &runs[0].chunks[0].steps;
    assert_eq!(steps.iter().map(|step| step.link.is_some()).collect::<Vec<_>>(), [true, false]);
    assert!(runs[1].chunks[0].steps.is_empty() && runs[1].chunks[0].header.begins == Begins::Boot);
}

#[test]
fn steps_left_out_up_to_the_end_are_said_to_be_missing_there() {
    let (folder, recording) = folders();
    let mut tap =
        record(&Recording { waiting: 0, ..recording.clone() }, &folder.path().join("disk")).unwrap();
    let machine = booted(&mut *tap);
    tap.begins(&machine);
    drop(tap);
    let runs = read::<EventStore>(&recording.folder, false).unwrap();
    let ends: Vec<_> = runs.iter().map(|run| (run.chunks[0].steps.len(), run.chunks[0].ends)).collect();
    assert_eq!(ends, [(0, Some(Ends::Lost)), (0, Some(Ends::Stop))]);
}

#[test]
fn a_call_under_way_stands_with_its_contents_wherever_a_chunk_begins_or_ends() {
    let (folder, recording) = folders();
    let mut tap =
        record(&Recording { chunk_bytes: 0, ..recording.clone() }, &folder.path().join("disk")).unwrap();
    let machine = booted(&mut *tap);
    let event = |id, payload: &'static [u8]| NewEvent {
        id: EventId(id),
        kind: Name::new("kind").unwrap(),
        scope: Name::new("scope").unwrap(),
        correlation: Some(EventId(3)),
        causation: None,
        payload: Bytes::from_static(payload),
    };
    let part = |entity: &str, events| Part {
        entity: Name::new(entity).unwrap(),
        expected: Expected::Exact(9),
        key: Some(Key(u128::MAX)),
        events,
    };
    let request = Request::Append {
        parts: vec![
            part("one", vec![event(1, b"first"), event(2, b"")]),
            part("two", vec![event(4, b"last")]),
        ],
        deadline: Some(Dur(7)),
    };
    let call = CallId { client: ClientId(1), number: 1 };
    tap.input(&machine, Clock::default(), &Input::Call(call, request.clone()));
    tap.actions(&[]);
    drop(tap);
    let mut runs = read::<EventStore>(&recording.folder, false).unwrap();
    let chunk = runs[0].chunks.pop().unwrap();
    let Some(Told::Call(asked, mut bare)) = chunk.steps.into_iter().last().map(|step| step.told) else {
        panic!("the last step is the call");
    };
    assert_ne!(bare, request);
    let Contents::Here(contents) = &chunk.contents[&Whose::Call(asked)] else {
        panic!("it was not answered")
    };
    assert!(bare.put_contents(contents.clone()));
    assert_eq!((asked, bare), (call, request));
}

#[test]
fn a_snapshot_is_the_machine_in_every_state_that_it_comes_through() {
    let (folder, recording) = folders();
    let mut tap = record(&recording, &folder.path().join("disk")).unwrap();
    let machine = booted(&mut *tap);
    // A new chunk begins with the machine in the middle of its recovery.
    tap.begins(&machine);
    drop(tap);
    let runs = read::<EventStore>(&recording.folder, false).unwrap();
    assert_eq!(runs[1].chunks[0].machine, machine);
    assert_ne!(runs[0].chunks[0].machine, machine);
}

#[test]
fn a_recording_within_what_is_recorded_is_refused_and_leaves_nothing() {
    let (folder, _) = folders();
    let disk = folder.path().join("disk");
    let recording = Recording::into_folder(disk.join("recording"));
    assert!(record::<EventStore>(&recording, &disk).is_err());
    assert_eq!(std::fs::read_dir(&disk).unwrap().count(), 0);
}

#[test]
fn something_said_without_its_payloads_is_the_same_with_empty_ones() {
    let numbered = |seq_no, data: &'static [u8]| {
        let (data, metadata) = (Bytes::from_static(data), vec![("key".into(), Bytes::from_static(b"value"))]);
        let payload =
            Payload { data, codec: Codec::GZIP, uncompressed_size: 900, created_at: Wall(5), metadata };
        Numbered { seq_no, payload }
    };
    let messages = vec![numbered(1, b"first"), numbered(2, b""), numbered(9, b"last")];
    let batch = Batch {
        offset: 12,
        producer_id: "somebody".into(),
        session_meta: [("zone".into(), "b".into())].into(),
        codec: Codec::RAW,
        written_at: Wall(77),
        messages: messages.clone(),
    };
    let data = PartitionData { session: PartitionSessionId(3), batches: vec![batch] };
    let said = [
        Message::Write(FromClient::Write { codec: Codec::GZIP, messages }),
        Message::Write(FromClient::UpdateToken(Bytes::from_static(b"token"))),
        Message::Read(reading::FromClient::Read { bytes: 9 }),
        Message::ReadReply(reading::FromServer::Data { partitions: vec![data], bytes: 40 }),
        Message::ReadReply(reading::FromServer::TokenUpdated),
    ];
    for whole in said {
        let bytes = postcard::to_stdvec(&whole.bare()).unwrap();
        let mut bare: Message = postcard::from_bytes(&bytes).unwrap();
        let contents = whole.contents();
        assert!(bare.contents().iter().all(Bytes::is_empty), "{bare:?}");
        assert_eq!(bare.contents().len(), contents.len());
        assert!(contents.is_empty() || !bare.clone().put_contents(contents[1..].to_vec()));
        assert!(bare.put_contents(contents), "{bare:?}");
        assert_eq!(bare, whole);
    }
}

#[test]
fn what_was_read_is_the_same_again_and_zeros_take_no_room() {
    let read = |bytes: Vec<u8>| DiskOk::Read(bytes.into());
    let mut almost = vec![0; 900];
    almost[899] = 1;
    for (read, most) in [
        (read(vec![0; 1 << 20]), 8),
        (read(vec![]), 8),
        (read(almost), 1000),
        (read(vec![0; (1 << 20) + 1]), 2 << 20),
    ] {
        let bytes = postcard::to_stdvec(&read).unwrap();
        assert!(bytes.len() <= most);
        assert!(postcard::from_bytes::<DiskOk>(&bytes).unwrap() == read);
    }
    // One zero more than anybody may ask for.
    let DiskOk::Read(all) = read(vec![0; 1 << 20]) else { panic!("it was read") };
    let mut bytes = postcard::to_stdvec(&DiskOk::Read(all)).unwrap();
    let count = bytes.len() - 3;
    assert_eq!(bytes[count..], [0x80, 0x80, 0x40]);
    bytes[count] |= 1;
    assert!(postcard::from_bytes::<DiskOk>(&bytes).is_err());
}
