//! The broker and YDB's official Python client, as people would use them: `onceward serve` as a process of its own, the
//! client from the package index in a virtual environment of its own.
//!
//! The environment is made once, in the target folder. Where there is no Python, or no package index can be reached, the
//! tests say so and pass, unless `NEEDS_PYTHON=1` is set: then they fail.
#![cfg(all(feature = "cli", feature = "serve"))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/client.rs"]
mod client;

use broker::Broker;
use client::{Environment, Progress, holds, run};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What is installed. Exactly these: a release of theirs must not change what our tests mean.
const PACKAGES: [&str; 2] = ["ydb==3.33.2", "grpcio==1.85.1"];

static PYTHON: Environment = Environment::new("Python", "NEEDS_PYTHON");

/// The client's interpreter; `None` if there can be none here, which was said.
fn python() -> Option<&'static Path> {
    PYTHON.get(environment)
}

/// Makes the environment, or finds it made.
fn environment() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{}", PACKAGES.join("-")));
    let python = folder.join("bin/python");
    let has_client = || run(Command::new(&python).args(["-c", "import ydb.aio"]));
    if has_client().is_err() {
        let _ = std::fs::remove_dir_all(&folder);
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(&python).args(pip).args(PACKAGES))?;
        has_client()?;
    }
    Ok(python)
}

/// One check of the client against a broker.
fn check(python: &Path, broker: &Broker, check: &str, args: &[&str]) -> Command {
    let mut command = Command::new(python);
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/topic_client.py"))
        .arg(check)
        // The name that a person would write; the broker tells clients to go on using it.
        .args(["--endpoint", &format!("grpc://{}", broker.address.replace("127.0.0.1", "localhost"))])
        .args(args);
    command
}

#[test]
fn the_official_python_client_works() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), "127.0.0.1:0", &[]);
    for (what, args) in [
        ("basics", &["--topic", "plain"][..]),
        ("basics", &["--topic", "zipped", "--gzip", "--partitions", "3"]),
        ("basics", &["--topic", "large", "--size", "300000", "--count", "100"]),
        ("spread", &["--topic", "wide", "--partitions", "3"]),
        ("manage", &["--topic", "folder/managed"]),
    ] {
        holds(&check(python, &broker, what, args).output().unwrap());
    }
    let (status, rest) = broker.stop();
    assert!(status.success() && rest.is_empty(), "{status} {rest}");
}

#[test]
fn nothing_is_lost_or_doubled_while_the_broker_is_killed_and_started_again() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(folder.path(), "127.0.0.1:0", &[]);
    let address = broker.address.clone();
    let mut follower = check(python, &broker, "follow", &["--topic", "survivor", "--count", "3000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = Progress::new(&mut follower);
    // Killed while messages are on their way, not before the first and not behind the last.
    for read in [600, 1200, 1800] {
        progress.until(read);
        broker.kill();
        broker = Broker::start(folder.path(), &address, &[]);
    }
    let said = progress.rest();
    let output = follower.wait_with_output().unwrap();
    holds(&Output { stdout: said.into_bytes(), ..output });
}

#[test]
fn a_signal_ends_the_broker_in_order_and_its_messages_stay() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), "127.0.0.1:0", &[]);
    let address = broker.address.clone();
    let mut follower = check(python, &broker, "follow", &["--topic", "t", "--count", "2000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The signal meets open sessions.
    let mut progress = Progress::new(&mut follower);
    progress.until(500);
    let begun = Instant::now();
    let (status, rest) = broker.stop();
    assert!(status.success() && rest.is_empty(), "{status} {rest}");
    assert!(begun.elapsed() < Duration::from_secs(9), "it waited for clients: {:?}", begun.elapsed());
    let _broker = Broker::start(folder.path(), &address, &[]);
    let said = progress.rest();
    let output = follower.wait_with_output().unwrap();
    holds(&Output { stdout: said.into_bytes(), ..output });
}

#[test]
fn a_token_opens_what_it_is_listed_for() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("access.json");
    let rights = r#"{"tokens": [
        {"name": "owner", "token": "o-secret", "admin": ["/local/*"], "write": ["/local/*"], "read": ["/local/*"]},
        {"name": "guest", "token": "g-secret", "read": ["/local/public"]}
    ]}"#;
    std::fs::write(&list, rights).unwrap();
    let broker =
        Broker::start(&folder.path().join("data"), "127.0.0.1:0", &["--access", list.to_str().unwrap()]);
    holds(&check(python, &broker, "basics", &["--topic", "t", "--token", "o-secret"]).output().unwrap());
    for (token, why) in [
        (&["--token", "g-secret"][..], "guest may not make, change or drop /local/other"),
        (&["--token", "unknown"], "the access token is not known here"),
        (&[], "this broker wants an access token"),
    ] {
        let output = check(python, &broker, "manage", &["--topic", "other"]).args(token).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(r#""ok": false"#), "{said}\n{complained}");
        // Whoever gets no further than to look for the broker is told by its client that it cannot be found.
        assert!(
            said.contains(why) || (token != ["--token", "g-secret"] && said.contains("discovery")),
            "{said}"
        );
    }
}

#[cfg(feature = "tls")]
#[test]
fn clients_can_speak_tls() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=localhost"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl makes the certificate");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let tls = ["--tls-certificate", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let broker = Broker::start(&folder.path().join("data"), "127.0.0.1:0", &tls);
    let endpoint = format!("grpcs://{}", broker.address.replace("127.0.0.1", "localhost"));
    let args = ["--topic", "t", "--root-certificate", tls[1], "--endpoint", &endpoint];
    holds(&check(python, &broker, "basics", &args).output().unwrap());
}
