//! The real disk, operation by operation: what it answers, what it leaves behind, and what it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use onceward::driver::files::Files;
use onceward_core::{DiskError, DiskOk, DiskOp, Path, SyncKind};
use std::process::Command;

fn create(path: &str) -> DiskOp {
    DiskOp::Create(Path::from(path))
}

fn write(path: &str, offset: u64, data: &[u8]) -> DiskOp {
    DiskOp::Write { path: Path::from(path), offset, data: Bytes::copy_from_slice(data) }
}

fn read(path: &str, offset: u64, len: u32) -> DiskOp {
    DiskOp::Read { path: Path::from(path), offset, len }
}

fn sync(path: &str) -> DiskOp {
    DiskOp::Sync { path: Path::from(path), kind: SyncKind::Full }
}

fn set_len(path: &str, len: u64) -> DiskOp {
    DiskOp::SetLen { path: Path::from(path), len }
}

fn allocate(path: &str, len: u64) -> DiskOp {
    DiskOp::Allocate { path: Path::from(path), len }
}

fn rename(from: &str, to: &str) -> DiskOp {
    DiskOp::Rename { from: Path::from(from), to: Path::from(to) }
}

fn data(bytes: &[u8]) -> Result<DiskOk, DiskError> {
    Ok(DiskOk::Read(Bytes::copy_from_slice(bytes)))
}

fn listing(files: &mut Files, path: &str) -> Vec<String> {
    match files.perform(&DiskOp::List(Path::from(path))) {
        Ok(DiskOk::Listing(entries)) => {
            entries.iter().map(|e| format!("{}{}:{}", e.path, if e.dir { "/" } else { "" }, e.len)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_operation_does_what_its_name_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Files::open(folder.path()).unwrap();
    let mut does = |op: DiskOp| files.perform(&op);
    assert_eq!(does(create("a")), Ok(DiskOk::Done));
    assert_eq!(does(write("a", 2, b"xyz")), Ok(DiskOk::Wrote(3)));
    assert_eq!(does(write("a", 0, b"")), Ok(DiskOk::Wrote(0)));
    assert_eq!(does(read("a", 0, 100)), data(b"\0\0xyz"));
    assert_eq!(does(read("a", 3, u32::MAX)), data(b"yz"));
    assert_eq!(does(read("a", 3, 1)), data(b"y"));
    assert_eq!(does(read("a", 99, 10)), data(b""));
    assert_eq!(does(sync("a")), Ok(DiskOk::Done));
    assert_eq!(does(set_len("a", 3)), Ok(DiskOk::Done));
    assert_eq!(does(set_len("a", 6)), Ok(DiskOk::Done));
    assert_eq!(does(read("a", 0, 100)), data(b"\0\0x\0\0\0"));
    assert_eq!(does(allocate("a", 10)), Ok(DiskOk::Done));
    assert_eq!(does(allocate("a", 2)), Ok(DiskOk::Done));
    assert_eq!(does(allocate("a", 0)), Ok(DiskOk::Done));
    assert_eq!(does(read("a", 0, 100)), data(b"\0\0x\0\0\0\0\0\0\0"));
    assert_eq!(does(DiskOp::CreateDir(Path::from("d"))), Ok(DiskOk::Done));
    assert_eq!(does(DiskOp::CreateDir(Path::from("d"))), Ok(DiskOk::Done));
    assert_eq!(does(create("d/b")), Ok(DiskOk::Done));
    assert_eq!(does(write("d/b", 0, b"old")), Ok(DiskOk::Wrote(3)));
    assert_eq!(does(rename("a", "d/b")), Ok(DiskOk::Done));
    assert_eq!(does(read("d/b", 2, 1)), data(b"x"), "the file behind the name is the renamed one");
    assert_eq!(does(read("a", 0, 1)), Err(DiskError::NotFound));
    assert_eq!(does(DiskOp::SyncDir(Path::from("d"))), Ok(DiskOk::Done));
    assert_eq!(does(DiskOp::SyncDir(Path::root())), Ok(DiskOk::Done));
    assert_eq!(does(create("z")), Ok(DiskOk::Done));
    assert_eq!(listing(&mut files, ""), ["d/:0", "z:0"]);
    assert_eq!(listing(&mut files, "d"), ["d/b:10"]);
    assert_eq!(files.perform(&DiskOp::Remove(Path::from("d/b"))), Ok(DiskOk::Done));
    assert_eq!(files.perform(&read("d/b", 0, 1)), Err(DiskError::NotFound));
    assert_eq!(listing(&mut files, "d"), [""; 0]);
}

/// Fills a file to the last byte, in steps of a sixteenth.
fn fill(files: &mut Files, name: &str, len: u64) {
    for step in 0..16 {
        let data = vec![1; (len / 16) as usize];
        assert_eq!(files.perform(&write(name, step * len / 16, &data)), Ok(DiskOk::Wrote(data.len() as u32)));
    }
    assert_eq!(files.perform(&sync(name)), Ok(DiskOk::Done));
}

/// The inode of a file.
fn inode(folder: &std::path::Path, name: &str) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(folder.join(name)).ok().map(|file| file.ino())
}

#[test]
fn a_file_that_was_written_ahead_takes_the_place_of_the_next_one_that_is_allocated_alike() {
    const FIRST: u64 = 1 << 20;
    const MOST: u64 = 3 << 20;
    let folder = tempfile::tempdir().unwrap();
    let ahead = folder.path().join("ahead");
    std::fs::write(&ahead, "left behind by a crash").unwrap();
    let mut files = Files::open(folder.path()).unwrap();
    files.write_ahead(MOST).unwrap();
    assert!(!ahead.exists());
    let lengths = [("a", FIRST), ("b", 2 * FIRST), ("c", MOST), ("d", MOST)];
    let mut taken = 0;
    for (nth, (name, len)) in lengths.into_iter().enumerate() {
        assert_eq!(files.perform(&create(name)), Ok(DiskOk::Done));
        let made = inode(folder.path(), "ahead");
        assert_eq!(files.perform(&allocate(name, len)), Ok(DiskOk::Done));
        taken += u32::from(made.is_some() && inode(folder.path(), name) == made);
        assert_eq!(files.perform(&read(name, 0, len as u32 + 1)), data(&vec![0; len as usize]));
        fill(&mut files, name, len);
        assert_eq!(files.perform(&read(name, len - 1, 9)), data(&[1]));
        // As long as the next one takes.
        let begun = std::time::Instant::now();
        let next = lengths.get(nth + 1).map(|(_, len)| *len);
        let there = || std::fs::metadata(&ahead).is_ok_and(|file| Some(file.len()) == next);
        while next.is_some() && !there() && begun.elapsed().as_secs() < 60 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    assert!(taken > 0, "none of them was there in time");
    // Of another length, or not empty: that is another file.
    assert_eq!(files.perform(&create("e")), Ok(DiskOk::Done));
    assert_eq!(files.perform(&allocate("e", 10)), Ok(DiskOk::Done));
    assert_eq!(files.perform(&read("e", 0, 100)), data(&[0; 10]));
    drop(files);
    assert!(!ahead.exists(), "nothing is left behind");
}

#[test]
fn refusals_have_the_promised_words_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join("link")).unwrap();
    let mut files = Files::open(folder.path()).unwrap();
    files.perform(&create("a")).unwrap();
    files.perform(&DiskOp::CreateDir(Path::from("d"))).unwrap();
    files.perform(&create("d/x")).unwrap();
    let escape = format!("../{}/secret", outside.path().file_name().unwrap().to_str().unwrap());
    for (op, word) in [
        (create("a"), DiskError::Exists),
        (create("d"), DiskError::Exists),
        (DiskOp::CreateDir(Path::from("a")), DiskError::Exists),
        (create("none/a"), DiskError::NotFound),
        (write("none", 0, b"x"), DiskError::NotFound),
        (read("none", 0, 1), DiskError::NotFound),
        (sync("none"), DiskError::NotFound),
        (set_len("none", 1), DiskError::NotFound),
        (allocate("none", 1), DiskError::NotFound),
        (rename("none", "x"), DiskError::NotFound),
        (rename("a", "none/x"), DiskError::NotFound),
        (DiskOp::Remove(Path::from("none")), DiskError::NotFound),
        (DiskOp::List(Path::from("none")), DiskError::NotFound),
        (DiskOp::SyncDir(Path::from("none")), DiskError::NotFound),
        (write("d", 0, b"x"), DiskError::Invalid),
        (read("d", 0, 1), DiskError::Invalid),
        (sync("d"), DiskError::Invalid),
        (rename("d", "x"), DiskError::Invalid),
        (rename("a", "d"), DiskError::Invalid),
        (DiskOp::Remove(Path::from("d")), DiskError::Invalid),
        (DiskOp::Remove(Path::root()), DiskError::Invalid),
        (DiskOp::List(Path::from("a")), DiskError::Invalid),
        (DiskOp::SyncDir(Path::from("a")), DiskError::Invalid),
        (create("a/b"), DiskError::Invalid),
        (create(""), DiskError::Exists),
        (read("", 0, 1), DiskError::Invalid),
        (write("a", u64::MAX, b"x"), DiskError::Invalid),
        (read("link", 0, 6), DiskError::Invalid),
        (read(&escape, 0, 6), DiskError::Invalid),
        (read("/etc/hostname", 0, 6), DiskError::Invalid),
        (create("../new"), DiskError::Invalid),
        (rename("a", "../new"), DiskError::Invalid),
        (DiskOp::List(Path::from("..")), DiskError::Invalid),
    ] {
        assert_eq!(files.perform(&op), Err(word), "{op:?}");
    }
    assert_eq!(
        listing(&mut files, ""),
        ["a:0", "d/:0", "link:".to_owned().as_str()].map(|known| {
            // A link's own length is that of its target's name.
            if known == "link:" {
                format!("link:{}", outside.path().join("secret").as_os_str().len())
            } else {
                known.into()
            }
        })
    );
    for path in ["d/x", "d"] {
        files.perform(&DiskOp::Remove(Path::from(path))).unwrap();
    }
    assert_eq!(files.perform(&DiskOp::List(Path::from("d"))), Err(DiskError::NotFound));
}

#[test]
fn the_folder_is_made_with_those_above_it() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b/c");
    assert_eq!(Files::create(&deep).unwrap().root(), deep);
    assert!(deep.is_dir());
    Files::create(&deep).unwrap();
}

/// The part of [`a_file_size_limit_is_no_space_and_no_death`] that runs under the limit.
#[test]
fn under_a_file_size_limit() {
    let Ok(folder) = std::env::var("ONCEWARD_TEST_LIMITED_FOLDER") else { return };
    let mut files = Files::open(folder.as_ref()).unwrap();
    files.perform(&create("a")).unwrap();
    assert_eq!(
        files.perform(&write("a", 0, &[7; 5000])),
        Ok(DiskOk::Wrote(4096)),
        "a short write up to the limit"
    );
    assert_eq!(files.perform(&write("a", 4096, b"x")), Err(DiskError::NoSpace));
    assert_eq!(files.perform(&allocate("a", 5000)), Err(DiskError::NoSpace));
    assert_eq!(files.perform(&set_len("a", 5000)), Err(DiskError::NoSpace));
    assert_eq!(files.perform(&read("a", 4095, 9)), data(&[7]));
    println!("reached the end");
}

#[test]
fn a_file_size_limit_is_no_space_and_no_death() {
    let folder = tempfile::tempdir().unwrap();
    // `ulimit -f` counts in blocks of 512 bytes in some shells and of 1,024 in others: dash and POSIX say 512.
    let script = r#"ulimit -f 8; exec "$0" --exact under_a_file_size_limit --nocapture"#;
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("ONCEWARD_TEST_LIMITED_FOLDER", folder.path())
        .output()
        .unwrap();
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("reached the end"), "{}: {told}", output.status);
}
