//! `onceward serve` as those see it who start, stop and watch it.
#![cfg(all(feature = "cli", feature = "serve"))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/broker.rs"]
mod broker;

use broker::Broker;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

/// Runs the command until it ends by itself: its exit code and what it complained about.
fn refused(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_onceward")).arg("serve").args(args).output().unwrap();
    assert!(output.stdout.is_empty(), "it is not ready");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn it_starts_again_where_it_was_stopped_or_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("made/by/it");
    let (status, rest) = Broker::start(&data, "127.0.0.1:0", &[]).stop();
    assert!(status.success() && rest.is_empty(), "{status} {rest}");
    Broker::start(&data, "127.0.0.1:0", &[]).kill();
    let broker = Broker::start(&data, "127.0.0.1:0", &[]);
    assert_eq!(
        refused(&["--data", text(&data), "--listen", "127.0.0.1:0"]),
        (
            Some(4),
            format!(
                "error: {} is in use by another process (or by another store of this one)\n",
                data.display()
            )
        )
    );
    assert!(broker.stop().0.success());
}

#[test]
fn what_cannot_be_served_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (code, why) = refused(&["--data", text(&data), "--listen", &taken]);
    assert_eq!(code, Some(1));
    assert!(why.starts_with(&format!("error: cannot listen on {taken}: Address already in use")), "{why}");
    assert!(!data.exists(), "nothing was touched");

    std::fs::write(folder.path().join("notes.txt"), "").unwrap();
    let (code, why) = refused(&["--data", text(folder.path()), "--listen", "127.0.0.1:0"]);
    let path = folder.path().display();
    assert_eq!(code, Some(5));
    assert_eq!(why, format!("error: {path} is not a broker's folder: it holds \"notes.txt\"\n"));

    let list = folder.path().join("access.json");
    std::fs::write(&list, "{\"tokens\": [{}]}").unwrap();
    let (code, why) = refused(&["--data", text(&data), "--access", text(&list)]);
    assert_eq!(code, Some(1));
    let path = list.display();
    assert_eq!(why, format!("error: {path} cannot be used: missing field `name` at line 1 column 14\n"));

    for (args, code) in [(&["--listen", "127.0.0.1:0"][..], 2), (&["--data", "d", "--advertise", "x"], 2)] {
        assert_eq!(refused(args).0, Some(code), "{args:?}");
    }
}

#[test]
fn settings_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("broker.toml"), folder.path().join("data"));
    let says = |text: &str| std::fs::write(&file, text).unwrap();
    let config = ["--config", text(&file)];

    // The command line counts more than the file; what only the file says counts as well.
    says(&format!(
        "data = {:?}\nlisten = \"nonsense\"\nmetrics = \"127.0.0.1:0\"\nflush-interval = 2\n",
        text(&data)
    ));
    let broker = Broker::from(
        Command::new(env!("CARGO_BIN_EXE_onceward"))
            .arg("serve")
            .args(config)
            .args(["--listen", "127.0.0.1:0"]),
    );
    assert!(broker.metrics.is_some() && data.exists());
    assert!(broker.stop().0.success());
    let (code, why) = refused(&config);
    assert_eq!((code, why.contains("nonsense")), (Some(1), true), "{why}");

    let path = file.display();
    for (text, wanted) in [
        (
            "data = 'd'\nflush-interval = 0",
            format!("{path}:2: flush-interval: \"0\" does not do: 0 is not in 1..18446744073709551615"),
        ),
        (
            "advertise = 'broker'",
            format!(
                "{path}:1: advertise: \"broker\" does not do: wanted a host and a port, such as broker.example:2136"
            ),
        ),
        ("listen = ['a']", format!("{path}:1: listen: write a text or a whole number")),
        (
            "listn = 'a'",
            format!("{path}:1: listn: there is no such setting; there is data, listen, advertise,"),
        ),
        ("config = 'other.toml'", format!("{path}:1: config: there is no such setting")),
        ("data = ", format!("{path}: TOML parse error at line 1, column 8")),
        ("# data\n[data]\n'listen' = 1\n", format!("{path}:2: data: write a text or a whole number")),
        ("listen = 'a'\n\n \"data\" = ''", format!("{path}:3: data: a value is missing")),
        (
            "flush-interval = 0x1_0000_0000_0000_0000_0000_0000_0000_0000",
            format!("{path}:1: flush-interval: 0x1"),
        ),
        ("flush-interval = -0x1", format!("{path}: TOML parse error at line 1, column 18")),
        (
            "tls-key = 'key.pem'\ndata = 'd'",
            "--tls-certificate and --tls-key belong together: one of them is missing".to_owned(),
        ),
    ] {
        says(text);
        let (code, why) = refused(&config);
        assert!(code == Some(2) && why.starts_with(&format!("error: {wanted}")), "{text}: {code:?} {why}");
    }
    says("data = 'd'\ntls-key = 'key.pem'\n");
    let pair = [config[0], config[1], "--tls-certificate", "nowhere.pem"];
    let (code, why) = refused(&pair);
    assert!(code == Some(1) && why.contains("nowhere.pem"), "each from elsewhere: {why}");
    let (code, why) = refused(&["--config", "nowhere.toml"]);
    assert_eq!(
        (code, why.as_str()),
        (Some(2), "error: nowhere.toml cannot be read: No such file or directory (os error 2)\n")
    );
    says("");
    let (code, why) = refused(&config);
    assert!(code == Some(2) && why.contains("--data <FOLDER>"), "{why}");
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_can_be_watched() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), "127.0.0.1:0", &["--metrics", "127.0.0.1:0"]);
    let metrics = broker.metrics.clone().unwrap();
    let answer = get(&metrics, "/metrics");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for line in ["onceward_ready 1", "onceward_topics 0", "onceward_machine_panics_total 0"] {
        assert!(answer.lines().any(|there| there == line), "{line}\n{answer}");
    }
    assert!(get(&metrics, "/health").ends_with("\r\n\r\nok\n"));
    assert!(get(&metrics, "/").starts_with("HTTP/1.1 404 Not Found\r\n"));
    assert!(broker.stop().0.success());
}
