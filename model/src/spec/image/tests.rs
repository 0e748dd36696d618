//! The reader against a store that works, and against files that were tampered with.

use super::{bytes, judge, read};
use crate::{
    spec::events::History,
    system::System,
    systems::log::{Log, LogSystem, STORE},
    world::{Applied, Choice, Nobody, World, disk::Image},
};
use onceward_core::Path;
use std::sync::Arc;

/// What a scope's calls leave behind when nothing goes wrong.
fn left_by(name: &str) -> (World<Log>, Image) {
    let named = LogSystem::scopes().into_iter().find(|scope| scope.name == name).unwrap();
    let mut world = World::new(Arc::clone(&named.protocol), 0);
    let mut choices = Vec::new();
    loop {
        let _ = world.enabled(&named.scope, &mut choices);
        let next = choices.iter().find(|c| !c.is_fault() && !matches!(c, Choice::Fire(..))).cloned();
        let Some(next) = next else { break };
        assert_eq!(world.apply_in(&named.scope, &next, &mut Nobody), Ok(Applied::Done));
    }
    let image = world.host(STORE).disk.durable_image();
    (world, image)
}

fn history(world: &World<Log>) -> &History {
    &world.ghost().history
}

fn segments(image: &Image) -> Vec<Path> {
    image.files.keys().filter(|path| path.as_str().ends_with(".seg")).cloned().collect()
}

#[test]
fn it_reads_what_a_store_wrote() {
    for name in ["power-loss", "rolling", "rivals"] {
        let (world, image) = left_by(name);
        let contents = read(&image, &Path::root()).unwrap();
        assert!(!contents.events.is_empty());
        assert_eq!(contents.events.len() as u64, history(&world).end(), "{name}");
        for ((_, facts), stored) in history(&world).facts().zip(&contents.events) {
            assert_eq!(facts.chain.map(|chain| chain.0), Some(stored.link), "{name}");
        }
        judge(history(&world), &image, &Path::root()).unwrap();
    }
    assert!(segments(&left_by("rolling").1).len() > 2, "several segments take part");
}

#[test]
fn a_footer_decides_nothing() {
    let (world, mut image) = left_by("rolling");
    let first = segments(&image)[0].clone();
    let file = image.files.get_mut(&first).unwrap();
    let seal = file.windows(4).position(|at| at == b"OWTR").unwrap();
    assert_eq!(seal + 16, file.len(), "a sealed file ends with its trailer");
    file.truncate(seal);
    judge(history(&world), &image, &Path::root()).unwrap();
}

#[test]
fn what_is_missing_or_changed_is_noticed() {
    let (world, image) = left_by("rolling");
    let names = segments(&image);
    let promise =
        |image: &Image| judge(history(&world), image, &Path::root()).map_err(|broken| broken.promise);
    assert_eq!(promise(&image), Ok(()));
    for name in &names {
        let mut without = image.clone();
        without.files.remove(name);
        assert_eq!(promise(&without), Err("acked-is-durable"), "without {}", name.as_str());
    }
    // Every byte of the last segment that counts; its padding does not.
    let last = names.last().unwrap();
    let mut noticed = 0;
    for at in 0..image.files[last].len() {
        let mut changed = image.clone();
        changed.files.get_mut(last).unwrap()[at] ^= 1;
        noticed += usize::from(promise(&changed).is_err());
    }
    assert!(noticed > 150, "only {noticed} bytes count");
}

/// Every checksum put right after a payload was changed: the store's digest still tells.
#[test]
fn tampering_that_repairs_checksums_is_noticed() {
    let (world, mut image) = left_by("power-loss");
    let name = segments(&image).remove(0);
    let file = image.files.get_mut(&name).unwrap();
    let group = file.windows(4).position(|at| at == b"OWGR").unwrap();
    let len = bytes::le32(file, group + 12).unwrap() as usize;
    let (frame, end) = (group + 52, group + 52 + len);
    let (_, head) = bytes::varint(file, frame + 1).unwrap();
    let (body, head) = bytes::varint(file, head).unwrap();
    assert_eq!(head + 4 + body as usize, end, "the group has one frame");
    let payload = file[..end].iter().rposition(|byte| *byte == b'x').unwrap();
    file[payload] = b'y';
    let zero = 0u64.to_le_bytes();
    let sum = bytes::crc(&[&zero, &zero, &file[frame..head], &file[head + 4..end]]).to_le_bytes();
    file[head..head + 4].copy_from_slice(&sum);
    let sums = bytes::crc(&[&sum]).to_le_bytes();
    file[group + 44..group + 48].copy_from_slice(&sums);
    let sum = bytes::crc(&[&zero, &(group as u64).to_le_bytes(), &file[group..group + 48]]).to_le_bytes();
    file[group + 48..group + 52].copy_from_slice(&sum);
    let problem = read(&image, &Path::root()).unwrap_err();
    assert_eq!(problem.what, "the store's digest is another one here");
    let broken = judge(history(&world), &image, &Path::root()).unwrap_err();
    assert_eq!(broken.promise, "chain-verifies");
}

#[test]
fn the_checksum_is_the_usual_one() {
    assert_eq!(bytes::crc(&[b"1234", b"56789"]), 0xcbf4_3926);
}
