//! Recordings at their edges, where only the machine's thread and the writer's are there.
#![allow(clippy::unwrap_used)]

use super::{Begins, Ends, Recording, read, record};
use crate::driver::tap::Tap;
use onceward_core::{
    Clock, Input, Machine, Path,
    log::store::{Config, EventStore},
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
