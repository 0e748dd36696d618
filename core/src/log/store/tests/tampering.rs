//! Somebody edits the files and repairs every checksum: what notices it. The edits are made by a second store that lived
//! through nearly the same: its bytes are sound wherever they are put.

use super::rig::{Rig, append, config, event, name};
use crate::{Dur, log::api::*};
use alloc::{string::ToString, vec, vec::Vec};
use bytes::Bytes;
use core::ops::Range;

const FILE: &str = "00000000000000000000.seg";
/// The unit that is tampered with, and how many there are.
const VICTIM: usize = 3;
const UNITS: usize = 8;

/// A way to edit one append, the length of its bytes unchanged.
type Edit = fn(&mut Rig, &mut Part);

/// A store that lived through some appends, one of them edited, and where each unit stands.
fn lived(edit: Edit) -> (Rig, Vec<Range<usize>>) {
    let mut rig = Rig::new(config());
    let mut places = Vec::new();
    for n in 0..UNITS {
        rig.pass(Dur::millis(5));
        let entity = name(["order-1", "order-2"][n % 2]);
        let mut part =
            Part { entity, expected: Expected::Any, key: None, events: vec![event(n as u128 + 1)] };
        let before = rig.disk.files.get(FILE).map_or(0, |(seen, _)| seen.len());
        let clock = rig.clock;
        if n == VICTIM {
            edit(&mut rig, &mut part);
        }
        rig.receipts(append(vec![part]));
        rig.clock = clock;
        places.push(before..rig.disk.files[FILE].0.len());
    }
    (rig, places)
}

fn nothing(_: &mut Rig, _: &mut Part) {}

/// Damage is told by a store that is open.
fn is_noticed_while_open(rig: &mut Rig, what: &str) {
    let refusal = rig.refusal(Request::Verify);
    assert!(matches!(refusal, Refusal::Damaged(_)), "{what}, while the store is open: {refusal:?}");
}

/// Damage is told by a store that is open, and by one that opens on such files.
fn is_noticed(mut rig: Rig, what: &str) {
    is_noticed_while_open(&mut rig, what);
    rig.restart();
    let refusal = rig.refusal(Request::Verify);
    assert!(matches!(refusal, Refusal::Damaged(_)), "{what}, at the next opening: {refusal:?}");
}

#[test]
fn an_edited_event_is_noticed_though_every_checksum_is_right() {
    let edits: [(&str, Edit); 6] = [
        ("payload", |_, part| part.events[0].payload = Bytes::from_static(b"twenty other bytes..")),
        ("kind", |_, part| part.events[0].kind = name("happend?")),
        ("scope", |_, part| part.events[0].scope = name("shed")),
        ("id", |_, part| part.events[0].id = EventId(99)),
        ("time", |rig, _| rig.clock.wall.0 += 1_000_000),
        ("entity", |_, part| part.entity = name("order-1")),
    ];
    for (what, edit) in edits {
        let (mut rig, places) = lived(nothing);
        let (other, there) = lived(edit);
        let place = places[VICTIM].clone();
        assert_eq!(place, there[VICTIM], "{what}: the edit changed the length");
        let (seen, safe) = rig.disk.files.get_mut(FILE).unwrap();
        let bytes = &other.disk.files[FILE].0[place.clone()];
        assert_ne!(bytes, &seen[place.clone()], "{what}: nothing was edited");
        seen[place.clone()].copy_from_slice(bytes);
        safe[place].copy_from_slice(bytes);
        is_noticed(rig, what);
    }
}

#[test]
fn a_unit_that_is_taken_out_or_exchanged_is_noticed() {
    let (mut rig, places) = lived(nothing);
    let (seen, safe) = rig.disk.files.get_mut(FILE).unwrap();
    seen.drain(places[VICTIM].clone());
    safe.clone_from(seen);
    is_noticed_while_open(&mut rig, "a unit in the middle is gone");

    let (mut rig, places) = lived(nothing);
    let (seen, safe) = rig.disk.files.get_mut(FILE).unwrap();
    let (one, two) = (places[VICTIM].clone(), places[VICTIM + 1].clone());
    let (first, second) = (seen[one.clone()].to_vec(), seen[two.clone()].to_vec());
    seen[one].copy_from_slice(&second);
    seen[two].copy_from_slice(&first);
    safe.clone_from(seen);
    is_noticed_while_open(&mut rig, "two units are exchanged");
}

#[test]
fn a_shorter_history_and_a_rewritten_one_have_another_digest() {
    let (mut rig, places) = lived(nothing);
    let held = rig.verified().digest;
    // The last unit is gone, and nothing on the disk says that it was there.
    let (seen, safe) = rig.disk.files.get_mut(FILE).unwrap();
    seen.truncate(places[UNITS - 1].start);
    safe.clone_from(seen);
    rig.restart();
    let now = rig.verified();
    assert_eq!(now.events as usize, UNITS - 1);
    assert_ne!(now.digest.to_string(), held.to_string());

    let (mut rig, _) = lived(|_, part| part.events[0].payload = Bytes::from_static(b"twenty other bytes.."));
    let now = rig.verified();
    assert_eq!(now.events as usize, UNITS);
    assert_ne!(now.digest, held, "whoever holds the digest notices that everything was rewritten");
}
