//! Self-tests of the disk: its promises, each fault shown to happen, equality, and comparison with plain references.

mod durability;
mod equality;
mod faults;
mod lazy;
mod names;
mod reference;
mod texts;

use super::bench::{create, read, remove, rename, set_len, sync, sync_dir, write};
use super::promises;
use onceward_core::{DiskOp, Path};
use proptest::prelude::*;

#[test]
fn every_promise_holds() {
    for promise in promises::ALL {
        (promise.check)().unwrap_or_else(|seen| panic!("{}: {seen}", promise.name));
    }
}

fn allocate(path: &str, len: u64) -> DiskOp {
    DiskOp::Allocate { path: Path::from(path), len }
}

fn create_dir(path: &str) -> DiskOp {
    DiskOp::CreateDir(Path::from(path))
}

fn list(path: &str) -> DiskOp {
    DiskOp::List(Path::from(path))
}

/// Names that collide often, some of them impossible.
fn a_name() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "d", "d/x", "d/y"]),
        1 => prop::sample::select(vec!["", "a/x", "e/x", "../a", "d//x", "./a", "d/"]),
    ]
}

fn any_op() -> impl Strategy<Value = DiskOp> {
    let bytes = || prop::collection::vec(0u8..4, 0..9);
    prop_oneof![
        3 => a_name().prop_map(create),
        2 => a_name().prop_map(create_dir),
        8 => (a_name(), 0u64..12, bytes()).prop_map(|(path, at, data)| write(path, at, &data)),
        4 => (a_name(), 0u64..16, 0u32..16).prop_map(|(path, at, len)| read(path, at, len)),
        4 => a_name().prop_map(sync),
        2 => prop::sample::select(vec!["", "d", "a", "e"]).prop_map(sync_dir),
        1 => (a_name(), 0u64..20).prop_map(|(path, len)| allocate(path, len)),
        2 => (a_name(), 0u64..16).prop_map(|(path, len)| set_len(path, len)),
        2 => (a_name(), a_name()).prop_map(|(from, to)| rename(from, to)),
        1 => a_name().prop_map(remove),
        1 => prop::sample::select(vec!["", "d", "a", "e"]).prop_map(list),
    ]
}
