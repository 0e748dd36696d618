//! The broker and YDB's official JavaScript client: `onceward serve` as a process of its own, the client from the package
//! index in a folder of its own.
//!
//! The folder is made once, in the target folder. Where there is no Node.js, or no package index can be reached, the tests
//! say so and pass, unless `NEEDS_NODE=1` is set: then they fail.
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

/// What is installed. Exactly this: a release of theirs must not change what our tests mean.
const PACKAGE: &str = "ydb-sdk@5.11.1";

static NODE: Environment = Environment::new("Node.js", "NEEDS_NODE");

/// Where the client is; `None` if it cannot be here, which was said.
fn modules() -> Option<&'static Path> {
    NODE.get(environment)
}

/// Makes the folder, or finds it made.
fn environment() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("node-{PACKAGE}"));
    let modules = folder.join("node_modules");
    let has_client =
        || run(Command::new("node").env("NODE_PATH", &modules).args(["-e", "require('ydb-sdk').Driver"]));
    if has_client().is_err() {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let install = ["install", "--no-audit", "--no-fund", "--no-save", "--loglevel=error", PACKAGE];
        run(Command::new("npm").args(install).arg("--prefix").arg(&folder))?;
        has_client()?;
    }
    Ok(modules)
}

/// One check of the client against a broker.
fn check(modules: &Path, broker: &Broker, check: &str, args: &[&str]) -> Command {
    let mut command = Command::new("node");
    command
        .env("NODE_PATH", modules)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node/topic_client.cjs"))
        .arg(check)
        .args(["--endpoint", &format!("grpc://{}", broker.address.replace("127.0.0.1", "localhost"))])
        .args(args);
    command
}

#[test]
fn the_official_javascript_client_works() {
    let Some(modules) = modules() else { return };
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("access.json");
    let rights = r#"{"tokens": [
        {"name": "owner", "token": "o-secret", "admin": ["/local/*"], "write": ["/local/*"], "read": ["/local/*"]}
    ]}"#;
    std::fs::write(&list, rights).unwrap();
    let access = ["--access", list.to_str().unwrap()];
    let broker = Broker::start(&folder.path().join("data"), "127.0.0.1:0", &access);
    for (what, args) in [
        ("basics", &["--topic", "plain"][..]),
        ("basics", &["--topic", "large", "--size", "300000", "--count", "50"]),
        ("spread", &["--topic", "wide", "--partitions", "3"]),
        ("manage", &["--topic", "folder/managed"]),
    ] {
        holds(&check(modules, &broker, what, args).args(["--token", "o-secret"]).output().unwrap());
    }
    let (status, rest) = broker.stop();
    assert!(status.success() && rest.is_empty(), "{status} {rest}");
}

#[test]
fn a_program_that_sends_again_stores_everything_once_while_the_broker_is_killed() {
    let Some(modules) = modules() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(folder.path(), "127.0.0.1:0", &[]);
    let address = broker.address.clone();
    let mut survivor = check(modules, &broker, "survive", &["--topic", "survivor", "--count", "1500"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = Progress::new(&mut survivor);
    // Killed while messages are on their way, not before the first and not behind the last.
    for stored in [300, 700, 1100] {
        progress.until(stored);
        broker.kill();
        broker = Broker::start(folder.path(), &address, &[]);
    }
    let said = progress.rest();
    let output = survivor.wait_with_output().unwrap();
    holds(&Output { stdout: said.into_bytes(), ..output });
}
