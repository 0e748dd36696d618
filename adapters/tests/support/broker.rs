//! `onceward serve` as a process of its own.
#![allow(dead_code)] // Every test takes what it needs.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// A broker in a process of its own; killed at the end of its test.
pub(crate) struct Broker {
    process: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) address: String,
    /// Where it serves those who watch.
    pub(crate) metrics: Option<String>,
}

impl Broker {
    pub(crate) fn start(data: &Path, listen: &str, args: &[&str]) -> Broker {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onceward"));
        Broker::from(command.args(["serve", "--listen", listen, "--data"]).arg(data).args(args))
    }

    /// Runs a command that starts one.
    pub(crate) fn from(command: &mut Command) -> Broker {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let places = line.trim().strip_prefix("listening on ").expect(&line);
        let (address, metrics) = match places.split_once(", metrics on ") {
            Some((address, metrics)) => (address.to_owned(), Some(metrics.to_owned())),
            None => (places.to_owned(), None),
        };
        Broker { process, stdout, address, metrics }
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn signal(&self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Ends it in order: how it ended, and what it printed besides its first line.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        self.signal();
        let status = self.process.wait().unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (status, rest)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Fails if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
