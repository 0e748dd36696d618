//! One trial, as the parent process sees it: a child is started and listened to until it has said all, and is killed when
//! it falls silent. When a run takes its process with it, what had been said before counts, the seed is written down, and
//! another process goes on behind it with what is left of the time.

use super::{
    Cell, Part, Stuck, Trial,
    board::{HEARTBEAT, Said},
};
use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

/// A child that has said nothing for so long, many times what it promises, will not say anything any more.
const SILENCE: Duration = Duration::from_secs(60 * HEARTBEAT.as_secs());
/// After so many runs that took their process with them a trial is over: it will not come far.
const MOST_STUCK: usize = 12;

/// Performs a trial of a cell in processes of its own.
///
/// # Errors
/// The program cannot be started, or refuses what it is asked.
pub fn ask(program: &Path, cell: &Cell, nth: u32, cpu: Duration) -> Result<Trial, String> {
    let (of, mutant) = (cell.candidate.of, cell.candidate.about.name);
    let mut first = cell.means.first(nth);
    let mut part = Part::default();
    loop {
        // What a control does is not bounded by time.
        let left = if cell.means.is_control() { cpu } else { cpu.saturating_sub(spent(&part)) };
        let mut command = Command::new(program);
        command.args(["trial", of, mutant, cell.means.name()]);
        command.args(["--first", &first.to_string(), "--millis", &left.as_millis().to_string()]);
        let said = listen(&mut command, first).map_err(|why| format!("the trial of {mutant}: {why}"))?;
        let (at, over) = (said.at, said.over);
        part.join(said.part);
        let done = over || part.caught && cell.means.is_random();
        if done || part.stuck.len() >= MOST_STUCK || spent(&part) >= cpu {
            return Ok(Trial { of: of.into(), mutant: mutant.into(), means: cell.means, nth, part });
        }
        // Numbers of runs begin at 1 and name the last one that is not wanted; seeds name the first one that is.
        first = if cell.means.first(1) == 0 { at } else { at + 1 };
    }
}

fn spent(part: &Part) -> Duration {
    Duration::try_from_secs_f64(part.cpu).unwrap_or_default()
}

/// What a child said last, with the run that it did not come back from if it has not said all.
fn listen(command: &mut Command, first: u64) -> Result<Said, String> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("its process does not start: {error}"))?;
    let (Some(out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err("its process has no output".into());
    };
    let (tell, told) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            // The listener may have stopped listening.
            let _ = tell.send(line);
        }
    });
    let words = thread::spawn(move || {
        let mut words = Vec::new();
        // What a child says besides is of interest only where there is nothing else.
        let _ = err.by_ref().take(1 << 16).read_to_end(&mut words);
        let _ = std::io::copy(&mut err, &mut std::io::sink());
        words
    });
    let mut said: Option<Said> = None;
    let silent = loop {
        match told.recv_timeout(SILENCE) {
            // The end of a line that was cut short says nothing.
            Ok(line) => said = serde_json::from_str(&line).ok().or(said),
            Err(RecvTimeoutError::Disconnected) => break false,
            Err(RecvTimeoutError::Timeout) => break true,
        }
    };
    let status = end(&mut child, silent)?;
    let (_, words) = (reader.join(), words.join().unwrap_or_default());
    match said {
        Some(said) if said.over || said.part.stuck.iter().any(|stuck| stuck.at == said.at) => Ok(said),
        Some(mut said) => {
            let how = if silent { "falls silent".to_owned() } else { format!("ends its process: {status}") };
            said.part.stuck.push(Stuck { at: said.at, how });
            Ok(said)
        }
        None => {
            let words = String::from_utf8_lossy(&words);
            Err(format!("from {first} on it said nothing ({status}): {}", words.trim()))
        }
    }
}

fn end(child: &mut Child, silent: bool) -> Result<ExitStatus, String> {
    if silent {
        // It may have come to its end just now.
        let _ = child.kill();
    }
    child.wait().map_err(|error| format!("its process cannot be waited for: {error}"))
}
