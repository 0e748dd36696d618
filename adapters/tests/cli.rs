//! The `onceward` command, run as people run it: what goes in comes back byte for byte, retries double nothing, and
//! errors say what is wrong and where.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

struct Ran {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

/// Runs `onceward log` with these arguments in a folder of its own.
fn log(folder: &Path, args: &[&str]) -> Ran {
    feed(folder, args, b"")
}

fn feed(folder: &Path, args: &[&str], stdin: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_onceward"))
        .arg("log")
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // A command that fails early does not read its input.
    let _ = input.write_all(stdin);
    drop(input);
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    Ran { code: status.code(), stdout, stderr: String::from_utf8(stderr).unwrap() }
}

impl Ran {
    #[track_caller]
    fn text(self) -> String {
        assert_eq!((self.code, &*self.stderr), (Some(0), ""));
        String::from_utf8(self.stdout).unwrap()
    }

    /// For snapshots: everything that a person sees.
    fn seen(self) -> String {
        let stdout = String::from_utf8(self.stdout).unwrap();
        format!(
            "exit {}\n{stdout}{}",
            self.code.map_or("by a signal".into(), |code| code.to_string()),
            self.stderr
        )
    }
}

#[test]
fn a_file_comes_back_byte_for_byte() {
    let all_bytes: Vec<u8> = (0..=255).collect();
    let long = [b"x".repeat(300_000), b"\n".to_vec(), b"y".repeat(3_000_000)].concat();
    let many: Vec<u8> = (0..5_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    let files: [&[u8]; 11] = [
        b"",
        b"\n",
        b"\n\n\n",
        b"one",
        b"one\n",
        b"one\ntwo",
        b"\r\n",
        b"a\r\n\r\nb\r",
        b"\n\nx",
        &all_bytes,
        &many,
    ];
    let parent = tempfile::tempdir().unwrap();
    for (n, contents) in files.into_iter().chain([&long[..]]).enumerate() {
        let folder = parent.path().join(n.to_string());
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("in"), contents).unwrap();
        log(&folder, &["import", "store", "in"]).text();
        let back = log(&folder, &["read", "store"]);
        assert_eq!((back.code, &*back.stderr), (Some(0), ""));
        assert!(back.stdout == contents, "file {n}, {:?}", &contents[..contents.len().min(40)]);
        // Again, with everything the other way: nothing is doubled.
        log(&folder, &["import", "store", "in"]).text();
        assert!(log(&folder, &["read", "store"]).stdout == contents, "file {n} imported twice");
    }
}

#[test]
fn files_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("a"), "1\n2").unwrap();
    std::fs::write(at.join("b"), "3\n1\n").unwrap();
    assert_eq!(log(at, &["import", "s", "a"]).text(), "imported 2 lines, 3 bytes, at positions 0 to 1\n");
    assert_eq!(log(at, &["import", "s", "b"]).text(), "imported 2 lines, 4 bytes, at positions 2 to 3\n");
    assert_eq!(log(at, &["import", "s", "a"]).text(), "nothing to import: all 2 lines were there already\n");
    assert_eq!(
        log(at, &["import", "s", "a", "--entity", "other"]).text(),
        "imported 2 lines, 3 bytes, at positions 4 to 5\n"
    );
    assert_eq!(log(at, &["read", "s"]).text(), "1\n23\n1\n1\n2");
    assert_eq!(log(at, &["read", "s", "--entity", "other"]).text(), "1\n2");
    assert_eq!(log(at, &["read", "s", "--from", "2", "--limit", "2"]).text(), "3\n1\n");
    assert_eq!(log(at, &["tail", "s", "-n", "3"]).text(), "1\n1\n2");
    assert_eq!(log(at, &["tail", "s", "-n", "1", "--entity", "import"]).text(), "1\n");
}

#[test]
fn a_named_source_grows() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let import = ["import", "s", "-", "--source", "app.log", "--batch", "2"];
    assert_eq!(feed(at, &import, b"1\n2\n3\n").text(), "imported 3 lines, 6 bytes, at positions 0 to 2\n");
    assert_eq!(
        feed(at, &import, b"1\n2\n3\n4\n5\n6\n7\n").text(),
        "imported 4 lines, 8 bytes, at positions 3 to 6; 3 were there already\n"
    );
    assert_eq!(log(at, &["read", "s"]).text(), "1\n2\n3\n4\n5\n6\n7\n");
    insta::assert_snapshot!(feed(at, &import, b"1\n2\n3\n4\n5\n6\nother\n8\n").seen(), @r"
    exit 1
    error: standard input: line 7 is not what was imported from this source before: is it another one?
    ");
    insta::assert_snapshot!(feed(at, &import, b"1\n2\n").seen(), @r"
    exit 1
    error: standard input has 2 lines, but 7 were imported from this source before
    ");
    insta::assert_snapshot!(feed(at, &["import", "s", "-"], b"1\n2\n").seen(), @r"
    exit 1
    error: standard input cannot be recognised in a retry: give it a name with --source
    ");
}

#[test]
fn an_append_is_guarded_and_a_retry_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let append = |more: &[&str]| {
        let args = [&["append", "s", "--entity", "order-17", "--kind", "created"], more].concat();
        feed(at, &args, b"from standard input")
    };
    assert_eq!(append(&["--expect", "none", "--key", "k"]).text(), "position 0, sequence 0\n");
    assert_eq!(
        append(&["--expect", "none", "--key", "k"]).text(),
        "position 0, sequence 0 (it was there already)\n"
    );
    insta::assert_snapshot!(append(&["--expect", "none"]).seen(), @r"
    exit 7
    error: order-17 was expected to have no event, it ends with sequence 0
    ");
    insta::assert_snapshot!(append(&["--expect", "nothing"]).seen(), @r"
    exit 2
    error: invalid value 'nothing' for '--expect <EXPECT>': wanted any, none, some or a sequence

    For more information, try '--help'.
    ");
    assert_eq!(append(&["--expect", "0", "--data", "paid"]).text(), "position 1, sequence 1\n");
    assert_eq!(log(at, &["read", "s"]).text(), "from standard input\npaid\n");
    let long = "e".repeat(256);
    insta::assert_snapshot!(log(at, &["append", "s", "--entity", &long, "--kind", "k", "--data", ""]).seen(), @r#"
    exit 7
    error: entity "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee": a name has at most 255 bytes, this one has 256
    "#);
}

#[test]
fn a_store_that_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let seen = |store: &str| log(at, &["read", store]).seen();
    std::fs::create_dir(at.join("empty")).unwrap();
    std::fs::create_dir(at.join("photos")).unwrap();
    std::fs::write(at.join("photos/cat.jpg"), "meow").unwrap();
    insta::assert_snapshot!(seen("missing"), @r"
    exit 3
    error: there is no folder missing
    ");
    insta::assert_snapshot!(seen("empty"), @r"
    exit 3
    error: there is no store in empty
    ");
    insta::assert_snapshot!(seen("photos"), @r#"
    exit 5
    error: photos is not a store's folder: it holds "cat.jpg"
    "#);
    insta::assert_snapshot!(seen("photos/cat.jpg"), @r"
    exit 5
    error: photos/cat.jpg is not a folder
    ");
    insta::assert_snapshot!(log(at, &["append", "photos", "--entity", "e", "--kind", "k", "--data", "x"]).seen(), @r#"
    exit 5
    error: photos is not a store's folder: it holds "cat.jpg"
    "#);
    assert_eq!(std::fs::read_dir(at.join("photos")).unwrap().count(), 1);

    log(at, &["append", "s", "--entity", "e", "--kind", "k", "--data", "x"]).text();
    let held = onceward::EventStore::open(at.join("s")).unwrap();
    insta::assert_snapshot!(seen("s"), @r"
    exit 4
    error: s is in use by another process (or by another store of this one)
    ");
    insta::assert_snapshot!(log(at, &["--json", "read", "s"]).seen(), @r#"
    exit 4
    {"error":"s is in use by another process (or by another store of this one)","exit":4}
    "#);
    held.close().unwrap();
    assert_eq!(log(at, &["read", "s"]).text(), "x\n");
}

#[test]
fn everything_can_be_had_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&log(at, &[&["--json"], args].concat()).text()).unwrap()
    };
    let append = json(&["append", "s", "--entity", "e", "--kind", "k", "--data", "grüße"]);
    assert_eq!((&append["position"], &append["duplicate"]), (&0.into(), &false.into()));
    std::fs::write(at.join("bin"), b"\xff\x00\n").unwrap();
    let import = json(&["import", "s", "bin"]);
    assert_eq!((&import["lines"], &import["known"], &import["from"]), (&1.into(), &0.into(), &1.into()));
    let first = json(&["read", "s", "--limit", "1"]);
    assert_eq!((&first["payload"], &first["entity"]), (&"grüße".into(), &"e".into()));
    let second = json(&["read", "s", "--from", "1"]);
    assert_eq!((&second["payload_hex"], &second["kind"]), (&"ff00".into(), &"line".into()));
    let id = second["id"].as_str().unwrap();
    assert_eq!(json(&["read", "s", "--id", id]), second);
    assert_eq!(json(&["stats", "s"])["events"], 2);
    assert_eq!(json(&["verify", "s"])["events"], 2);
    assert_eq!(json(&["backup", "s", "copy"])["events"], 2);
    assert_eq!(log(at, &["read", "copy"]).stdout, log(at, &["read", "s"]).stdout);
    insta::assert_snapshot!(log(at, &["backup", "s", "copy"]).seen(), @r"
    exit 7
    error: copy exists already
    ");
}

#[test]
fn a_reader_may_leave() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in"), "a line that is repeated\n".repeat(50_000)).unwrap();
    log(folder.path(), &["import", "s", "in"]).text();
    let mut child = Command::new(env!("CARGO_BIN_EXE_onceward"))
        .args(["log", "read", "s"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
}

#[test]
fn an_import_that_is_killed_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut contents: Vec<u8> = (0..60_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    contents.pop();
    std::fs::write(at.join("in"), &contents).unwrap();
    let mut killed = 0;
    for pause in (0..200).map(|n| 5 + n * 7 % 60) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_onceward"))
            .args(["log", "import", "s", "in", "--batch", "64"])
            .current_dir(at)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(pause));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            break;
        }
        killed += 1;
        if killed == 20 {
            break;
        }
    }
    assert!(killed > 0);
    log(at, &["import", "s", "in"]).text();
    assert!(log(at, &["read", "s"]).stdout == contents, "after {killed} kills");
    assert_eq!(
        log(at, &["import", "s", "in"]).text(),
        "nothing to import: all 60000 lines were there already\n"
    );
}

/// Copies the files of a store.
fn copy(from: &Path, to: &Path) -> Vec<std::path::PathBuf> {
    std::fs::create_dir(to).unwrap();
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let copy = to.join(entry.file_name());
        std::fs::copy(entry.path(), &copy).unwrap();
        segments.extend(copy.extension().is_some_and(|it| it == "seg").then_some(copy));
    }
    segments.sort();
    segments
}

#[test]
fn a_damaged_store_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("in"), "a line\n".repeat(3_000)).unwrap();
    log(at, &["import", "s", "in"]).text();

    let segments = copy(&at.join("s"), &at.join("rotten"));
    let mut bytes = std::fs::read(&segments[0]).unwrap();
    bytes[700] ^= 1;
    std::fs::write(&segments[0], bytes).unwrap();
    for command in ["verify", "read"] {
        let ran = log(at, &[command, "rotten"]);
        assert_eq!(ran.code, Some(6), "{command}");
        assert!(
            ran.stderr.starts_with("error: the store is damaged: 00000000000000000000.seg at byte "),
            "{}",
            ran.stderr
        );
    }

    // Nothing but a missing end: what a crash before the first sync leaves. It is said, not passed over.
    let segments = copy(&at.join("s"), &at.join("cut"));
    std::fs::File::options().write(true).open(&segments[0]).unwrap().set_len(5_000).unwrap();
    insta::assert_snapshot!(log(at, &["verify", "cut"]).seen(), @r"
    exit 0
    whole: 0 events of 0 entities in 0 segments, digest 0000000000000000000000000000000000000000000000000000000000000000
    cut        4488 bytes of unfinished writes, 00000000000000000000.seg from byte 512
    ");

    let segments = copy(&at.join("s"), &at.join("header"));
    let mut bytes = std::fs::read(&segments[0]).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&segments[0], bytes).unwrap();
    insta::assert_snapshot!(log(at, &["stats", "header"]).seen(), @r"
    exit 6
    error: the store in header is damaged: 00000000000000000000.seg at byte 0: the beginning of the segment is damaged, yet it was in use: a group at byte 512 is intact
    ");

    let segments = copy(&at.join("s"), &at.join("folder"));
    std::fs::remove_file(&segments[0]).unwrap();
    std::fs::create_dir(&segments[0]).unwrap();
    insta::assert_snapshot!(log(at, &["read", "folder"]).seen(), @r"
    exit 1
    error: folder/00000000000000000000.seg cannot be opened: Is a directory (os error 21)
    ");
}

#[test]
fn results_that_cannot_be_written_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path(), &["append", "s", "--entity", "e", "--kind", "k", "--data", "x"]).text();
    for args in [&["log", "read", "s"][..], &["log", "stats", "s"], &["completions", "fish"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_onceward"))
            .args(args)
            .current_dir(folder.path())
            .stdout(full)
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {told}");
        assert!(told.starts_with("error: ") && told.contains("No space left"), "{args:?}: {told}");
    }
}

#[test]
fn completions_are_made() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let left = Command::new(env!("CARGO_BIN_EXE_onceward"))
        .args(["completions", "fish"])
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!((left.status.code(), left.stderr), (Some(0), vec![]));
    let output = Command::new(env!("CARGO_BIN_EXE_onceward")).args(["completions", "bash"]).output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("onceward__subcmd__log__subcmd__import"));
}
