//! The simulated disk and the real one give the same answers and hold the same bytes, operation by operation, as long
//! as nothing fails: what is proven over the one holds for the other.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use onceward::driver::files::Files;
use onceward_core::{DiskOp, OpId, Path, SyncKind};
use onceward_model::world::disk::{Disk, Geometry, Image, Outcome};
use proptest::prelude::*;

/// A few names, so that operations meet: plain ones, one below each folder that may be there or be a file, and some
/// that no disk may accept.
const NAMES: [&str; 10] = ["a", "b", "d", "d/a", "d/b", "a/x", "d/e/f", "", "../a", "a/"];

fn name() -> impl Strategy<Value = Path> {
    // The last few are refused whatever comes before: seldom is enough.
    prop_oneof![20 => 0..6usize, 1 => 6..NAMES.len()].prop_map(|at| Path::from(NAMES[at]))
}

fn op() -> impl Strategy<Value = DiskOp> {
    let (offset, len) = (0..2_000u64, 0..1_500u32);
    prop_oneof![
        4 => name().prop_map(DiskOp::Create),
        2 => name().prop_map(DiskOp::CreateDir),
        6 => (name(), offset.clone(), 0..1_500usize, any::<u8>()).prop_map(|(path, offset, len, byte)| {
            // Not all alike, so that misplaced bytes show.
            let data: Vec<u8> = (0..len).map(|at| byte.wrapping_add((at % 251) as u8)).collect();
            DiskOp::Write { path, offset, data: Bytes::from(data) }
        }),
        6 => (name(), offset, len).prop_map(|(path, offset, len)| DiskOp::Read { path, offset, len }),
        1 => (name(), prop_oneof![Just(SyncKind::Data), Just(SyncKind::Full)])
            .prop_map(|(path, kind)| DiskOp::Sync { path, kind }),
        1 => name().prop_map(DiskOp::SyncDir),
        1 => (name(), 0..3_000u64).prop_map(|(path, len)| DiskOp::Allocate { path, len }),
        2 => (name(), 0..3_000u64).prop_map(|(path, len)| DiskOp::SetLen { path, len }),
        // Where both names are refused, either word will do: so only names that can be.
        2 => (0..6usize, 0..6usize)
            .prop_map(|(from, to)| DiskOp::Rename { from: Path::from(NAMES[from]), to: Path::from(NAMES[to]) }),
        2 => name().prop_map(DiskOp::Remove),
        2 => name().prop_map(DiskOp::List),
    ]
}

/// What a folder holds, read without any of the code under test.
fn image(root: &std::path::Path, prefix: &str, into: &mut Image) {
    for entry in std::fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        let path = Path::from(&*format!("{prefix}{}", entry.file_name().to_str().unwrap()));
        if entry.file_type().unwrap().is_dir() {
            image(&entry.path(), &format!("{path}/"), into);
            into.folders.insert(path);
        } else {
            into.files.insert(path, std::fs::read(entry.path()).unwrap());
        }
    }
}

fn agree(parent: &std::path::Path, ops: &[DiskOp]) {
    let folder = tempfile::tempdir_in(parent).unwrap();
    let mut real = Files::open(folder.path()).unwrap();
    let mut simulated = Disk::new(Geometry::SIMULATED);
    for (at, op) in ops.iter().enumerate() {
        simulated.submit(OpId(0), op.clone());
        let expected = simulated.complete(OpId(0), &Outcome::Ok);
        let answer = real.perform(op);
        assert_eq!(Some(&answer), expected.as_ref(), "real and simulated answer of operation {at}, {op:?}");
    }
    let mut held = Image::default();
    image(folder.path(), "", &mut held);
    assert_eq!(held, simulated.cache_image());
}

/// A folder without a device under it, where there is one: ten thousand folders are many for a device.
fn memory() -> std::path::PathBuf {
    let shm = std::path::Path::new("/dev/shm");
    if shm.is_dir() { shm.to_path_buf() } else { std::env::temp_dir() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn in_memory(ops in prop::collection::vec(op(), 1..30)) {
        agree(&memory(), &ops);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn on_the_file_system_of_temporary_files(ops in prop::collection::vec(op(), 1..30)) {
        agree(&std::env::temp_dir(), &ops);
    }
}
