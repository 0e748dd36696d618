//! What the real store did with real files is done again on the simulated disk, which then loses power: at any moment,
//! with any of the un-synced sectors, lengths and names old, new or garbage. What is left is written to a real folder
//! and opened by the real store, and everything that had been acknowledged by that moment must be there.
#![allow(clippy::unwrap_used)]

use onceward::driver::record::{Recorded, Recording};
use onceward::store::Options;
use onceward::{Append, EventStore, Filter, query};
use onceward_core::OpId;
use onceward_model::world::disk::{Disk, Geometry, Image, Outcome};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// An acknowledgement, and how many file operations had been started by then.
struct Acked {
    operations: usize,
    position: u64,
    payload: String,
}

fn options() -> Options {
    let mut options = Options::default();
    // Small, so that a short run begins and seals several.
    options.config.segments.segment_bytes = 24 << 10;
    options
}

/// Runs clients against a store of its own and tells what happened.
fn live(folder: &Path) -> (Vec<Recorded>, Vec<Acked>) {
    let recording = Arc::new(Recording::new());
    let mut options = options();
    options.host.recorder = Some(recording.clone());
    let store = options.open(folder).unwrap();
    let acked = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for client in 0..3 {
            let (store, acked, recording) = (&store, &acked, &recording);
            scope.spawn(move || {
                for n in 0..40 {
                    let payloads: Vec<String> = (0..1 + n % 3)
                        .map(|part| {
                            format!("{client} {n} {part} {}", "y".repeat((n * 131 + client * 57) % 1_100))
                        })
                        .collect();
                    let append = Append::to(format!("e{}", n % 5));
                    let append =
                        payloads.iter().fold(append, |append, payload| append.event("k", payload.clone()));
                    let receipt = store.append(append).wait().unwrap();
                    let operations = recording.operations().len();
                    let mut acked = acked.lock().unwrap();
                    for (payload, position) in payloads.into_iter().zip(receipt.position..) {
                        acked.push(Acked { operations, position, payload });
                    }
                }
            });
        }
    });
    store.close().unwrap();
    (recording.operations(), acked.into_inner().unwrap())
}

fn write_out(image: &Image, folder: &Path) {
    for path in &image.folders {
        std::fs::create_dir_all(folder.join(path.as_str())).unwrap();
    }
    for (path, bytes) in &image.files {
        std::fs::write(folder.join(path.as_str()), bytes).unwrap();
    }
}

fn memory() -> std::path::PathBuf {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { shm.to_path_buf() } else { std::env::temp_dir() }
}

#[test]
fn what_was_acknowledged_survives_power_loss() {
    let folder = tempfile::tempdir_in(memory()).unwrap();
    let (operations, acked) = live(folder.path());
    assert!(operations.len() > 100 && acked.len() == 3 * (40 + 39), "{} operations", operations.len());
    let appended: HashMap<&str, u64> = acked.iter().map(|ack| (&*ack.payload, ack.position)).collect();

    // The store's marker is made before the machine is there.
    let mut made = Image::default();
    let marker = std::fs::read(folder.path().join("onceward.store")).unwrap();
    made.files.insert("onceward.store".into(), marker);
    let mut disk = Disk::from_image(Geometry::SIMULATED, &made);
    let mut random = 7_u64;
    let mut draw = move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize
    };
    let (mut losses, mut cut) = (0, 0);
    for at in 0..=operations.len() {
        // Power goes before this operation is done: it was asked for, or not even that.
        let mut lost = disk.clone();
        if at < operations.len() && draw() % 2 == 0 {
            lost.submit(OpId(0), operations[at].0.clone());
        }
        let bias = 1 + draw() % 4;
        let seed = draw() as u64;
        let fates = lost.draw_fates(Some(seed), &mut |slot| {
            // From "hardly anything survives" to "anything may".
            if draw() % 4 < bias { draw() % slot.fates.len() } else { 0 }
        });
        let before = lost.durable_image();
        lost.power_loss(&fates);
        losses += 1;
        cut += usize::from(before != lost.durable_image());

        let folder = tempfile::tempdir_in(memory()).unwrap();
        write_out(&lost.durable_image(), folder.path());
        let store =
            options().open(folder.path()).unwrap_or_else(|error| panic!("operation {at}, {fates}: {error}"));
        check(&store, at, &acked, &appended, &fates.to_string());
        let next = store.status().wait().unwrap().frontiers.visible;
        assert_eq!(store.append(Append::to("after").event("k", "new")).wait().unwrap().position, next);
        store.close().unwrap();
        let again = options().open(folder.path()).unwrap();
        check(&again, at, &acked, &appended, "reopened");
        again.verify().wait().unwrap();

        if let Some((op, result)) = operations.get(at) {
            disk.submit(OpId(0), op.clone());
            let simulated = disk.complete(OpId(0), &Outcome::Ok);
            assert_eq!(simulated, *result, "the simulated disk answers as the real one did: {op:?}");
        }
    }
    assert!(cut * 3 > losses, "only {cut} of {losses} losses left anything but the durable state");
}

fn check(store: &EventStore, at: usize, acked: &[Acked], appended: &HashMap<&str, u64>, fates: &str) {
    let events: Vec<String> = store
        .events(query(Filter::All))
        .map(|event| String::from_utf8(event.unwrap().payload.to_vec()).unwrap())
        .filter(|payload| payload != "new")
        .collect();
    for ack in acked.iter().filter(|ack| ack.operations <= at) {
        let there = events.get(ack.position as usize);
        assert!(
            there == Some(&ack.payload),
            "operation {at}, {fates}: {} was acknowledged at {}, there is {there:?}",
            ack.payload,
            ack.position
        );
    }
    for (position, payload) in events.iter().enumerate() {
        assert_eq!(
            appended.get(&**payload),
            Some(&(position as u64)),
            "operation {at}, {fates}: {payload} at {position}"
        );
    }
}
