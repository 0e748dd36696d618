//! Official clients in other languages: their environments, and what they say.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output};
use std::sync::OnceLock;

/// Where a client is installed, once for all tests of a process.
pub(crate) struct Environment {
    language: &'static str,
    /// The variable that is set to 1 where the client must not be missing.
    needs: &'static str,
    made: OnceLock<Option<PathBuf>>,
}

impl Environment {
    pub(crate) const fn new(language: &'static str, needs: &'static str) -> Environment {
        Environment { language, needs, made: OnceLock::new() }
    }

    /// The place that `make` answers; `None` if there can be none here, which was said.
    pub(crate) fn get(&self, make: impl FnOnce() -> Result<PathBuf, String>) -> Option<&Path> {
        let made = self.made.get_or_init(|| match make() {
            Ok(place) => Some(place),
            Err(why) if std::env::var_os(self.needs).is_some_and(|needs| needs == "1") => panic!("{why}"),
            Err(why) => {
                eprintln!("skipped, for want of the client for {}: {why}", self.language);
                None
            }
        });
        made.as_deref()
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

/// JSON without the spaces that only some languages print.
fn tight(line: &str) -> String {
    line.replace(' ', "")
}

#[track_caller]
pub(crate) fn holds(output: &Output) {
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(
        said.lines().last().is_some_and(|line| tight(line).contains(r#""ok":true"#)),
        "{said}\n{complained}"
    );
}

/// What a client says while it runs.
pub(crate) struct Progress {
    lines: BufReader<ChildStdout>,
    said: String,
}

impl Progress {
    pub(crate) fn new(client: &mut Child) -> Progress {
        Progress { lines: BufReader::new(client.stdout.take().unwrap()), said: String::new() }
    }

    /// Waits until it has read so many messages.
    pub(crate) fn until(&mut self, read: u32) {
        let reached = format!(r#"{{"read":{read}}}"#);
        loop {
            let from = self.said.len();
            let more = self.lines.read_line(&mut self.said).unwrap();
            assert!(more > 0, "the client ended before it had read {read}: {}", self.said);
            if tight(self.said[from..].trim()) == reached {
                return;
            }
        }
    }

    /// Waits until it has ended: all that it has said.
    pub(crate) fn rest(mut self) -> String {
        self.lines.read_to_string(&mut self.said).unwrap();
        self.said
    }
}
