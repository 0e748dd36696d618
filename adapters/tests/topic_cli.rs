//! `onceward topic`, run as people run it: what they see, and that a command that was killed can be repeated.
#![cfg(all(feature = "cli", feature = "serve", feature = "topic"))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/broker.rs"]
mod broker;

use broker::Broker;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A broker, and a folder in which commands are run against it.
struct Place {
    folder: tempfile::TempDir,
    broker: Broker,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(&folder.path().join("data"), "127.0.0.1:0", &[]);
        Place { folder, broker }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn spawn(&self, args: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_onceward"))
            .arg("topic")
            .args(args)
            .args(["--endpoint", &format!("grpc://{}", self.broker.address)])
            .env_remove("YDB_TOKEN")
            .current_dir(self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn feed(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = self.spawn(args);
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let feeding = std::thread::spawn(move || {
            // A command that fails early does not read its input.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        feeding.join().unwrap();
        output
    }

    #[track_caller]
    fn text(&self, args: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.feed(args, b"");
        assert_eq!((status.code(), &*String::from_utf8_lossy(&stderr)), (Some(0), ""), "{args:?}");
        String::from_utf8(stdout).unwrap()
    }

    /// A command line and everything that a person sees of it, without what differs from run to run.
    fn show(&self, line: &str, input: &str) -> String {
        let args: Vec<&str> = line.split(' ').collect();
        let Output { status, stdout, stderr } = self.feed(&args, input.as_bytes());
        let seen = [stdout, stderr].concat();
        let seen = String::from_utf8(seen).unwrap().replace(&self.broker.address, "SERVER");
        let code = status.code().unwrap();
        let end = if code == 0 { String::new() } else { format!("exit {code}\n") };
        format!("$ onceward topic {line}\n{seen}{end}")
    }
}

fn signal(child: &Child, which: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([which, &pid]).status().unwrap().success());
}

#[test]
fn a_topic_from_its_making_to_its_end() {
    let place = Place::new();
    let seen = [
        ("create orders --consumer billing --retention 7d --codec raw --codec gzip", ""),
        ("list", ""),
        ("write orders --producer shop", "3 pears\n\n1 plum"),
        ("write orders --producer shop", "3 pears\n\n1 plum"),
        ("write orders --producer shop", "3 pears\n\n1 plum\n2 figs\n"),
        ("write orders --producer shop --append", "1 kiwi\n"),
        (
            "write orders --producer mill --partition 0 --from-seq 10 --codec gzip --metadata unit=kg",
            "flour\n",
        ),
        ("write orders --producer mill --delimiter ;", "a;b;c"),
        ("write orders", ""),
        ("describe orders", ""),
        ("read orders --consumer billing --limit 2", ""),
        ("describe orders", ""),
        ("read orders --consumer billing", ""),
        ("read orders --consumer billing", ""),
        ("read orders --limit 1 --delimiter ;", ""),
        ("alter orders --partitions 2 --drop-consumer billing --retention none", ""),
        ("describe orders", ""),
        ("create shop/left", ""),
        ("list", ""),
        ("list shop", ""),
        ("drop orders", ""),
    ];
    let seen: String = seen.iter().map(|(line, input)| place.show(line, input)).collect();
    // What a message takes depends on the digits of the clock.
    insta::with_settings!({ filters => vec![(r"(partition .*), [1-9]\d* bytes", "$1, BYTES bytes")] }, {
        insta::assert_snapshot!(seen);
    });
}

#[test]
fn what_cannot_be_done_is_told_with_its_reason() {
    let place = Place::new();
    place.text(&["create", "orders", "--codec", "raw", "--consumer", "billing"]);
    std::fs::write(place.path().join("empty"), "\n").unwrap();
    let lines = [
        "create orders",
        "create a/../b",
        "create new --partitions 0",
        "create new --retention 3w",
        "alter orders --partitions 1 --add-consumer billing",
        "alter other --partitions 2",
        "describe other",
        "describe orders --database /elsewhere",
        "list nowhere",
        "drop other",
        "write other",
        "write orders missing.txt",
        "write orders .",
        "write orders --codec gzip",
        "write orders --codec 0",
        "write orders --partition 1",
        "write orders --from-seq 2",
        "write orders --delimiter ab",
        "write orders --metadata kg",
        "read other",
        "read orders --consumer nobody",
        "read orders --partition 1",
        "read orders --limit 0",
        "list --token-file missing.txt",
        "list --token-file empty",
        "list --ca empty",
    ];
    let mut seen: String = lines.iter().map(|line| place.show(line, "x\n")).collect();
    for (endpoint, args) in [
        ("http://localhost", &["list"][..]),
        ("grpc://127.0.0.1:1", &["list"]),
        ("grpc://127.0.0.1:1", &["write", "orders"]),
        ("grpcs://127.0.0.1:1", &["list", "--ca", "empty"]),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_onceward"))
            .args(["topic", "--endpoint", endpoint])
            .args(args)
            .current_dir(place.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        seen.push_str(&format!("$ onceward topic --endpoint {endpoint} {}\n", args.join(" ")));
        seen.push_str(&String::from_utf8(output.stderr).unwrap());
        seen.push_str(&format!("exit {}\n", output.status.code().unwrap()));
    }
    // What the argument parser adds is the same everywhere.
    let usual =
        |line: &&str| !(line.is_empty() || line.starts_with("Usage:") || line.starts_with("For more"));
    let seen: Vec<&str> = seen.lines().filter(usual).collect();
    insta::assert_snapshot!(seen.join("\n"));
}

#[cfg(feature = "tls")]
#[test]
fn tls_is_spoken_and_its_failures_are_explained() {
    let mut place = Place::new();
    let make = |name: &str, authority: &str| {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=localhost"])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", &format!("basicConstraints=critical,CA:{authority}")])
            .args(["-keyout", &format!("{name}-key.pem"), "-out", &format!("{name}.pem")])
            .current_dir(place.folder.path())
            .output()
            .expect("openssl makes the certificate");
        assert!(made.status.success(), "{made:?}");
    };
    make("good", "FALSE");
    make("other", "FALSE");
    make("vouching", "TRUE");
    let file = |name: &str| place.path().join(name).display().to_string();
    let start = |name: &str| {
        let args = [
            "--tls-certificate",
            &file(&format!("{name}.pem")),
            "--tls-key",
            &file(&format!("{name}-key.pem")),
        ];
        Broker::start(&place.path().join(format!("{name}-data")), "127.0.0.1:0", &args)
    };
    let (good, vouching) = (start("good"), start("vouching"));
    let plain = std::mem::replace(&mut place.broker, good);
    let run = |broker: &Broker, scheme: &str, args: &[&str], input: &str| {
        let port = broker.address.rsplit(':').next().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_onceward"))
            .args(["topic", "--endpoint", &format!("{scheme}://localhost:{port}")])
            .args(args)
            .current_dir(place.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap().replace(port, "PORT")
    };
    let good = &place.broker;
    let seen = [
        run(good, "grpcs", &["create", "t", "--ca", "good.pem"], ""),
        run(good, "grpcs", &["write", "t", "--ca", "good.pem", "--discover"], "3 pears\n"),
        run(good, "grpcs", &["read", "t", "--ca", "good.pem"], ""),
        run(good, "grpcs", &["list", "--ca", "other.pem"], ""),
        run(&plain, "grpcs", &["list", "--ca", "good.pem"], ""),
        run(&vouching, "grpcs", &["list", "--ca", "vouching.pem"], ""),
    ];
    insta::assert_snapshot!(seen.concat());
    // Whether the server's nonsense is heard of, or that it hangs up, is chance.
    let astray = run(good, "grpc", &["list"], "");
    assert!(astray.ends_with("if the server speaks TLS, grpcs:// is meant)\n"), "{astray}");
}

#[test]
fn messages_as_json_tell_everything_of_them() {
    let place = Place::new();
    place.text(&["create", "t"]);
    place.feed(&["write", "t", "--producer", "p", "--metadata", "unit=kg"], b"3 pears\n\xff\n");
    let seen = place.text(&["read", "t", "--json"]);
    insta::with_settings!({ filters => vec![(r"_millis.:[1-9]\d+", r#"_millis":NOW"#)] }, {
        insta::assert_snapshot!(seen, @r#"
        {"created_millis":NOW,"metadata":{"unit":"kg"},"offset":0,"partition":0,"payload":"3 pears","producer":"p","seq_no":1,"topic":"t","written_millis":NOW}
        {"created_millis":NOW,"metadata":{"unit":"kg"},"offset":1,"partition":0,"payload_hex":"ff","producer":"p","seq_no":2,"topic":"t","written_millis":NOW}
        "#);
    });
}

#[test]
fn a_file_of_any_bytes_comes_back() {
    let place = Place::new();
    place.text(&["create", "t", "--consumer", "c"]);
    let file: Vec<u8> =
        (0..300_000_u32).map(|n| ((n as u64 * n as u64) >> 7) as u8).filter(|byte| *byte != 0).collect();
    std::fs::write(place.path().join("file"), &file).unwrap();
    place.text(&["write", "t", "file", "--whole", "--codec", "gzip"]);
    let output = place.feed(&["read", "t", "--consumer", "c", "--delimiter", "\\0"], b"");
    assert!(output.stdout == [&file[..], b"\0"].concat(), "it is another file");
}

fn lines(range: std::ops::Range<usize>) -> String {
    range.map(|n| format!("line {n}\n")).collect()
}

#[test]
fn a_write_that_is_killed_with_its_broker_is_repeated_and_doubles_nothing() {
    const COUNT: usize = 4000;
    let mut place = Place::new();
    place.text(&["create", "t", "--partitions", "3", "--consumer", "c"]);
    std::fs::write(place.path().join("in"), lines(0..COUNT)).unwrap();
    // Killed in the middle of its input.
    let mut child = place.spawn(&["write", "t", "--producer", "p"]);
    let mut stdin = child.stdin.take().unwrap();
    for n in 0..COUNT / 2 {
        stdin.write_all(lines(n..n + 1).as_bytes()).unwrap();
        if n % 100 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    signal(&child, "-KILL");
    child.wait().unwrap();
    drop(stdin);
    // Its broker is killed under the next one, twice.
    let mut child = place.spawn(&["write", "t", "--producer", "p"]);
    let mut stdin = child.stdin.take().unwrap();
    let address = place.broker.address.clone();
    for n in 0..COUNT * 3 / 4 {
        stdin.write_all(lines(n..n + 1).as_bytes()).unwrap();
        if n == COUNT * 5 / 8 || n == COUNT * 6 / 8 - 1 {
            place.broker.kill();
            place.broker = Broker::start(&place.path().join("data"), &address, &[]);
        }
        if n % 100 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{complaints}");
    assert!(complaints.contains("; trying again\n"), "{complaints}");
    // And it is made whole.
    let last = place.text(&["write", "t", "in", "--producer", "p"]);
    assert!(
        last.starts_with("wrote 1000 messages, ") && last.ends_with("; 3000 were there already\n"),
        "{last}"
    );
    assert_eq!(place.text(&["read", "t", "--consumer", "c"]), lines(0..COUNT));
}

#[test]
fn who_interrupts_a_reader_finds_committed_what_was_printed() {
    let place = Place::new();
    place.text(&["create", "t", "--consumer", "c"]);
    place.feed(&["write", "t"], lines(0..10).as_bytes());
    let mut child = place.spawn(&["read", "t", "--consumer", "c", "--follow"]);
    let mut printed = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while seen.lines().count() < 10 {
        printed.read_line(&mut seen).unwrap();
    }
    place.feed(&["write", "t"], lines(10..20).as_bytes());
    while seen.lines().count() < 20 {
        printed.read_line(&mut seen).unwrap();
    }
    assert_eq!(seen, lines(0..20));
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    assert_eq!(place.text(&["read", "t", "--consumer", "c"]), "");
}

#[test]
fn who_stops_reading_leaves_the_rest_for_the_next() {
    let place = Place::new();
    place.text(&["create", "t", "--consumer", "c"]);
    let all = lines(0..50_000);
    place.feed(&["write", "t"], all.as_bytes());
    let mut child = place.spawn(&["read", "t", "--consumer", "c"]);
    let mut first = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    let rest = place.text(&["read", "t", "--consumer", "c"]);
    assert!(all.ends_with(&rest) && rest.len() > all.len() / 2, "{} of {} bytes", rest.len(), all.len());
}

#[test]
fn who_interrupts_a_writer_is_told_how_far_it_came() {
    let place = Place::new();
    place.text(&["create", "t"]);
    let mut child = place.spawn(&["write", "t", "--producer", "p"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines(0..3).as_bytes()).unwrap();
    while !place.text(&["describe", "t"]).contains("offsets 0 to 2") {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(200));
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    insta::assert_snapshot!(told, @"error: interrupted: 3 messages were acknowledged, 0 under way and perhaps stored; run it again to write the rest");
}
