//! The parent's side of one process: starting, signalling, speaking and listening to it. It decides nothing. Invariant:
//! a child that is dropped is killed and gone.

use super::{RealError, node::limited};
use onceward_core::NodeId;
use rustix::process::{Pid, Resource, Signal, kill_process, prlimit};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::Sender,
};

/// What is heard of a process.
pub(super) struct Heard {
    pub(super) node: NodeId,
    /// Which of the node's processes it was.
    pub(super) process: u32,
    /// A line, or none: it has ended.
    pub(super) line: Option<String>,
}

/// What it takes to start a process.
pub(super) struct Start<'a> {
    pub(super) program: &'a Path,
    /// The file that holds the scenario.
    pub(super) scenario: &'a Path,
    pub(super) node: NodeId,
    pub(super) process: u32,
    pub(super) config: u8,
    /// The folder that is the node's disk.
    pub(super) folder: &'a Path,
    pub(super) limit: Option<u64>,
}

/// A process that is one node.
pub(super) struct Child {
    child: std::process::Child,
    stdin: Option<ChildStdin>,
    errors: PathBuf,
    pub(super) process: u32,
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> RealError {
    move |source| RealError::Process { what, source }
}

impl Child {
    pub(super) fn start(start: &Start<'_>, tell: Sender<Heard>) -> Result<Child, RealError> {
        let Start { program, scenario, node, process, config, folder, limit } = *start;
        let errors = scenario.with_extension(format!("{}-{process}.errors", node.0));
        let stderr = File::create(&errors).map_err(failed("a file for a process's errors cannot be made"))?;
        let mut command = Command::new(program);
        command.arg("node").arg(scenario).args([node.0.to_string(), config.to_string()]).arg(folder);
        if let Some(bytes) = limit {
            command.args(["--limit", &bytes.to_string()]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().map_err(failed("a process cannot be started"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let started = Child { child, stdin, errors, process };
        std::thread::Builder::new()
            .name(format!("{} of node {}", process, node.0))
            .spawn(move || {
                // A line that is cut short by the process's end is no line.
                let lines = stdout.into_iter().flat_map(|out| BufReader::new(out).lines());
                for line in lines.map_while(Result::ok) {
                    let _ = tell.send(Heard { node, process, line: Some(line) });
                }
                let _ = tell.send(Heard { node, process, line: None });
            })
            .map_err(failed("a process cannot be listened to"))?;
        Ok(started)
    }

    pub(super) fn say(&mut self, line: &str) -> Result<(), RealError> {
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        match writeln!(stdin, "{line}") {
            // It has ended: whoever listens to it learns of that.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            said => said.map_err(failed("a process cannot be spoken to")),
        }
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<(), RealError> {
        kill_process(self.pid(), signal)
            .map_err(|error| failed("a process cannot be signalled")(error.into()))
    }

    pub(super) fn limit(&self, bytes: Option<u64>) -> Result<(), RealError> {
        prlimit(Some(self.pid()), Resource::Fsize, limited(bytes))
            .map(|_| ())
            .map_err(|error| failed("the size of files cannot be limited")(error.into()))
    }

    /// Kills it, at once, and waits for its end.
    pub(super) fn kill(&mut self) -> Result<ExitStatus, RealError> {
        self.child.kill().map_err(failed("a process cannot be killed"))?;
        self.child.wait().map_err(failed("a process does not end"))
    }

    /// What it said before its end, to people.
    pub(super) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.errors).unwrap_or_default();
        text.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
