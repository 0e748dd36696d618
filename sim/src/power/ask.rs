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

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gate::Candidate,
        power::{Means, Part},
    };
    use onceward_core::mutants::About;
    use std::{fs, os::unix::fs::PermissionsExt};

    fn cell(name: &'static str, means: Means) -> Cell {
        let about = About { name, what: "", kills: "holds-water" };
        Cell::new(Candidate { of: "toy", about, activate: || () }, means)
    }

    fn line(seeds: u64, at: u64, caught: bool, over: bool) -> String {
        let part = Part { seeds, cpu: 0.5, caught, ..Part::default() };
        serde_json::to_string(&Said { part, at, over }).unwrap()
    }

    /// A child that does, for each bug and where it is told to begin, what a trial may do.
    fn program() -> std::path::PathBuf {
        let first = Means::Plans.first(0);
        let script = format!(
            "#!/bin/sh\ncase \"$3 $6\" in\n\
             \"Spins {first}\") echo '{}'; printf '{{\"part\":{{'; kill -9 $$;;\n\
             \"Spins {}\") echo '{}';;\n\
             \"Numbered 0\") echo '{}'; exit 7;;\n\
             \"Numbered 2\") echo '{}';;\n\
             Hopeless*) echo '{}'; exit 7;;\n\
             *) echo 'not today' >&2; exit 3;;\nesac\n",
            line(3, first + 2, false, false),
            first + 3,
            line(4, first + 6, true, true),
            line(2, 2, false, false),
            line(5, 7, true, true),
            line(1, first, false, false),
        );
        let path = std::env::temp_dir().join(format!("onceward-{}-child", std::process::id()));
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    #[test]
    fn children_that_die_are_written_down_and_gone_on_behind() {
        let program = program();
        let minute = Duration::from_secs(60);
        let ask = |cell: Cell| ask(&program, &cell, 0, minute);
        let first = Means::Plans.first(0);

        let spins = ask(cell("Spins", Means::Plans)).unwrap().part;
        assert_eq!((spins.caught, spins.seeds, spins.cpu), (true, 7, 1.0));
        let [stuck] = &spins.stuck[..] else { panic!("{:?}", spins.stuck) };
        assert_eq!(stuck.at, first + 2);
        assert!(stuck.how.contains("signal: 9"), "{}", stuck.how);

        // Where runs are numbered, the number of the last one is what is passed on.
        let numbered = ask(cell("Numbered", Means::Scenarios)).unwrap().part;
        assert_eq!((numbered.caught, numbered.seeds, numbered.stuck.len()), (true, 7, 1));

        let hopeless = ask(cell("Hopeless", Means::Plans)).unwrap().part;
        assert_eq!((hopeless.caught, hopeless.stuck.len()), (false, MOST_STUCK));

        let error = ask(cell("Refused", Means::Plans)).unwrap_err();
        assert!(error.contains("the trial of Refused") && error.contains("not today"), "{error}");
        fs::remove_file(program).unwrap();
    }
}
