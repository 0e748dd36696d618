//! Processes: each server and each client of a run has one of its own, so that neither heap nor threads of one weigh on
//! another. What is asked travels as JSON in an argument; a server says where it listens on its first line of output and
//! ends with its standard input, a client says what it measured.

use super::Part;
use crate::job;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

/// The longest that a client may take.
const LONGEST: Duration = Duration::from_secs(90);

/// Where a server listens.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    /// Where it tells of itself, if it does.
    pub(super) metrics: Option<SocketAddr>,
}

/// A server that runs. Dropped, it is ended at once.
pub(super) struct Running {
    child: Child,
    _stdin: ChildStdin,
    pub(super) at: Listening,
}

impl Running {
    pub(super) fn start(part: &Part) -> Result<Running> {
        let mut child = command(part)?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take().context("no standard input")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no standard output")?).read_line(&mut line)?;
        let at = serde_json::from_str(&line).with_context(|| format!("{part:?} began with {line:?}"))?;
        Ok(Running { child, _stdin: stdin, at })
    }
}

impl Running {
    /// The process, by its number.
    pub(super) fn process(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has something measured by a process of its own. One that takes much longer than any may is ended.
pub(super) fn measure<T: DeserializeOwned>(part: &Part) -> Result<T> {
    job::answer(&mut command(part)?, LONGEST).with_context(|| format!("{part:?}"))
}

fn command(part: &Part) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run-part").arg(serde_json::to_string(part)?);
    Ok(command)
}

/// Says where a server listens, to whoever started it.
pub(super) fn announce(at: Listening) -> Result<()> {
    println!("{}", serde_json::to_string(&at)?);
    Ok(())
}

/// Waits until whoever started this process has gone.
pub(super) async fn end_of_input() {
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let _ = ended.await;
}
