//! What the real store did with real files is done again on the simulated disk, which then loses power: at any moment,
//! with any of the un-synced sectors, lengths and names old, new or garbage. What is left is written to a real folder
//! and opened by the real store, and the oracles of the event store's promises judge what it shows: everything that had
//! been acknowledged by that moment is there, nothing else has come in, nothing is there in part. Some of these second
//! lives lose power as well, recovery included.
//!
//! A driver that says that it synced, and did not, must not pass: that is the test of the test.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use onceward::driver::record::{Recorded, Recording};
use onceward::store::Options;
use onceward::{EventId, EventStore, Expected, Key, Name, NewEvent, Part};
use onceward_core::log::api::{Request, Response};
use onceward_core::{CallId, ClientId};
use onceward_model::world::disk::Image;
use std::path::Path;
use std::sync::{Arc, Mutex};
use support::losses::{Dice, Lie, losses, memory, read_back, write_out};
use support::witness::{Witness, append, response};

/// One life of a store: what was there before, what it did, what its clients saw.
struct Life {
    before: Image,
    operations: Vec<Recorded>,
    notes: Vec<Note>,
}

/// A call or an answer, and how many file operations had been started by then.
struct Note {
    operations: usize,
    call: CallId,
    what: What,
}

enum What {
    Called(Request),
    Replied(Response),
}

fn options() -> Options {
    let mut options = Options::default();
    // Small, so that a short run begins and seals several.
    options.config.segments.segment_bytes = 24 << 10;
    options
}

/// What a client asks in its n-th turn: client 0 one event, guarded; client 1 a batch over two entities; client 2 with
/// a key, every third turn its last request again.
fn request(life: u64, client: u64, n: u64, last: Option<u64>) -> Vec<Part> {
    let n = if client == 2 && n % 3 == 2 { n - 1 } else { n };
    let part = |entity: String, part: u64, events: u64| Part {
        entity: Name::new(&entity).unwrap(),
        expected: Expected::Any,
        key: None,
        events: (0..events)
            .map(|event| {
                let id = (((life * 8 + client) << 32 | n) << 16) + part * 16 + event;
                let filling = "y".repeat(((n * 131 + client * 57 + event) % 1_100) as usize);
                NewEvent {
                    id: EventId(id.into()),
                    kind: Name::new("k").unwrap(),
                    scope: Name::new("s").unwrap(),
                    correlation: None,
                    causation: None,
                    payload: Bytes::from(format!("{life} {client} {n} {part} {event} {filling}")),
                }
            })
            .collect(),
    };
    match client {
        0 => {
            let expected = last.map_or(Expected::NoStream, Expected::Exact);
            vec![Part { expected, ..part(format!("own-{life}"), 0, 1) }]
        }
        1 => vec![part(format!("e{}", n % 5), 0, 1 + n % 3), part("both".into(), 1, 2)],
        _ => {
            let key = Some(Key((life << 32 | n).into()));
            let (client, events) = (format!("e{}", n % 4), 1 + n % 2);
            vec![Part { key, ..part(client, 0, events) }]
        }
    }
}

/// Lets clients work with the store in a folder, each for so many turns.
fn live(life: u64, folder: &Path, turns: u64) -> Life {
    let before = read_back(folder);
    let recording = Arc::new(Recording::new());
    let mut options = options();
    options.host.recorder = Some(recording.clone());
    let store = options.open(folder).unwrap();
    let notes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for client in 0..3 {
            let (store, notes, recording) = (&store, &notes, &recording);
            let note = move |call, what| {
                let mut notes = notes.lock().unwrap();
                notes.push(Note { operations: recording.started(), call, what });
            };
            scope.spawn(move || {
                let mut last = None;
                for n in 0..turns {
                    let call = CallId { client: ClientId(client as u16), number: life << 32 | n };
                    let parts = request(life, client, n, last);
                    note(call, What::Called(Request::Append { parts: parts.clone(), deadline: None }));
                    let receipts = store.append_batch(parts.into_iter().map(append)).wait().unwrap();
                    last = Some(receipts[0].sequence);
                    note(call, What::Replied(response(Ok(receipts)).unwrap()));
                }
            });
        }
    });
    store.close().unwrap();
    Life { before, operations: recording.operations(), notes: notes.into_inner().unwrap() }
}

/// What was tried.
#[derive(Default, Debug)]
struct Tried {
    losses: usize,
    /// Losses that left anything but the durable state.
    torn: usize,
    /// Losses of a life that began with one.
    again: usize,
}

/// Loses power before, in and after each operation of a life, and judges each time what the real store makes of it.
fn lose_power(
    life: &Life,
    mut witness: Witness,
    lie: Lie,
    again: bool,
    dice: &mut Dice,
    tried: &mut Tried,
) -> Result<(), String> {
    let mut notes = life.notes.iter().peekable();
    losses(&life.before, &life.operations, lie, dice, &mut |dice, loss| {
        while let Some(note) = notes.next_if(|note| note.operations <= loss.at) {
            match &note.what {
                What::Called(request) => witness.called(note.call, request),
                What::Replied(response) => witness.replied(note.call, response).map_err(|v| v.to_string())?,
            }
        }
        tried.losses += 1;
        tried.torn += usize::from(loss.torn);

        let mut next = witness.clone();
        next.crashed(true);
        let folder = tempfile::tempdir_in(memory()).unwrap();
        write_out(&loss.left, folder.path());
        if again && dice.roll(12) == 0 {
            let folder = tempfile::tempdir_in(memory()).unwrap();
            write_out(&loss.left, folder.path());
            tried.again += 1;
            let second = live(tried.again as u64, folder.path(), 2);
            lose_power(&second, next.clone(), lie, false, dice, tried)?;
        }
        judge(folder.path(), next, 1_000 + tried.losses as u64)
    })
}

/// Opens what a loss left, looks at everything, appends, closes, and looks again.
fn judge(folder: &Path, mut witness: Witness, life: u64) -> Result<(), String> {
    let open = || -> Result<EventStore, String> { options().open(folder).map_err(|e| e.to_string()) };
    let store = open()?;
    let there = witness.look_at_everything(&store).map_err(|v| v.to_string())?;
    let receipts = witness.append(&store, request(life, 1, 0, None)).map_err(|v| v.to_string())?;
    assert_eq!(receipts[0].position, there);
    store.close().unwrap();
    let store = open()?;
    assert!(store.recovered().clean);
    witness.look_at_everything(&store).map_err(|v| format!("reopened: {v}"))?;
    Ok(())
}

fn sample(lie: Lie) -> (Result<(), String>, Tried) {
    let folder = tempfile::tempdir_in(memory()).unwrap();
    // The store's marker is made before the machine is there.
    drop(EventStore::open(folder.path()).unwrap());
    let life = live(0, folder.path(), 40);
    assert!(life.operations.len() > 100 && life.notes.len() == 240, "{} operations", life.operations.len());
    let mut tried = Tried::default();
    let result = lose_power(&life, Witness::new(), lie, true, &mut Dice(7), &mut tried);
    (result, tried)
}

#[test]
fn what_was_acknowledged_survives_power_loss() {
    let (result, tried) = sample(Lie::None);
    result.unwrap_or_else(|broken| panic!("{broken}"));
    assert!(tried.losses > 300 && tried.torn > 100 && tried.again > 10, "{tried:?}");
}

#[test]
fn a_driver_that_does_not_sync_files_is_found_out() {
    let broken = sample(Lie::FileSyncs).0.unwrap_err();
    assert!(broken.contains("acked-is-durable") || broken.contains("is damaged"), "{broken}");
}

#[test]
fn a_driver_that_does_not_sync_folders_is_found_out() {
    let broken = sample(Lie::FolderSyncs).0.unwrap_err();
    assert!(broken.contains("acked-is-durable") || broken.contains("is damaged"), "{broken}");
}
