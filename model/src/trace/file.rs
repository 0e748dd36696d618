//! Traces as text files, one thing a line, for people and for `diff`. Each part carries a running check sum of the text
//! up to its end, and the last line says how long the whole is: a file that was cut or changed is refused, with the line.
//!
//! ```text
//! onceward trace 1
//! build 0.1.0
//! seed 7
//! memory 0
//! | system log
//! | cluster store
//! steps 86b1…
//! at 2ms client-1 appends order-17 "created"
//!   call 0 of 1
//!   on store at 2ms +2ms: call 0 of client 1: …
//!   > disk operation 4: write 1.seg 0+512
//!   = 5f0c… 90d2…
//! end 1 5f0c… 11e4…
//! ```
//!
//! `on NODE at MONO WALL` are the node's clocks, the wall clock as it differs from the world's epoch. `=` is followed by
//! the chain and the check sum.

use super::{Chain, Step, Taken, Trace, TraceHeader, describe::one_line};
use crate::{
    scenario::{parse_span, print_span},
    world::{EPOCH, Time},
};
use onceward_core::{CallId, ClientId, Clock, Dur, Mono, Wall};
use std::fmt::Write;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const FIRST: &str = "onceward trace 1";

/// A text that is no whole, unchanged trace.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct TraceError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// A trace as text.
pub fn write(trace: &Trace) -> String {
    let mut writer = Writer::default();
    let TraceHeader { build, seed, memory, scenario } = &trace.header;
    writer.line(FIRST);
    writer.line(format!("build {}", one_line(build)).trim_end());
    writer.line(&format!("seed {seed}"));
    writer.line(&format!("memory {memory}"));
    for line in scenario.lines() {
        writer.line(&if line.is_empty() { "|".to_owned() } else { format!("| {line}") });
    }
    writer.checked("steps");
    for step in &trace.steps {
        writer.line(&format!("at {} {}", print_span(Dur(step.at.0)), step.line));
        if let Some(CallId { client, number }) = step.call {
            writer.line(&format!("  call {number} of {}", client.0));
        }
        for Taken { node, clock, input, actions } in &step.taken {
            writer.line(format!("  on {node} at {}: {input}", print_clock(*clock)).trim_end());
            actions.iter().for_each(|action| writer.line(format!("  > {action}").trim_end()));
        }
        writer.checked(&format!("  = {}", step.link));
    }
    writer.checked(&format!("end {} {}", trace.steps.len(), trace.chain()));
    writer.text
}

#[derive(Default)]
struct Writer {
    text: String,
    /// The check sum of all lines so far.
    sum: u64,
}

impl Writer {
    fn line(&mut self, line: &str) {
        self.sum = sum(self.sum, line);
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A line that ends with the check sum of everything before it, and of itself.
    fn checked(&mut self, line: &str) {
        let before = sum(self.sum, line);
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line} {before:016x}");
        self.sum = before;
    }
}

fn sum(before: u64, line: &str) -> u64 {
    xxh3_64_with_seed(line.as_bytes(), before.rotate_left(1) ^ line.len() as u64)
}

fn print_clock(Clock { mono, wall }: Clock) -> String {
    let sign = if wall < EPOCH { '-' } else { '+' };
    format!("{} {sign}{}", print_span(Dur(mono.0)), print_span(Dur(wall.0.abs_diff(EPOCH.0))))
}

/// Reads a trace.
///
/// # Errors
/// The text is empty, is no trace, was cut, or was changed; with the first line that says so.
pub fn read(text: &str) -> Result<Trace, TraceError> {
    let mut reader = Reader { lines: text.lines().collect(), at: 0, sum: 0, part: 0 };
    if reader.lines.is_empty() {
        return Err(reader.wrong("the file is empty"));
    }
    if reader.lines[0] != FIRST {
        return Err(reader.wrong(format!("this is no trace: one begins with `{FIRST}`")));
    }
    reader.line();
    let header = reader.header()?;
    let mut steps = Vec::new();
    loop {
        match reader.peek()? {
            line if line.starts_with("at ") => steps.push(reader.step()?),
            line if line.starts_with("end ") => break,
            _ => return Err(reader.wrong("`at TIME` or `end` should stand here")),
        }
    }
    let trace = Trace { header, steps };
    let end = reader.checked()?;
    if end != format!("end {} {}", trace.steps.len(), trace.chain()) {
        reader.at -= 1;
        return Err(reader.wrong("the end does not fit to the steps before it"));
    }
    match reader.lines.get(reader.at) {
        None => Ok(trace),
        Some(_) => Err(reader.wrong("nothing may follow the end")),
    }
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    at: usize,
    sum: u64,
    /// Where the part began that the next check sum ends.
    part: usize,
}

impl<'a> Reader<'a> {
    fn wrong(&self, what: impl Into<String>) -> TraceError {
        TraceError { line: self.at + 1, what: what.into() }
    }

    fn peek(&self) -> Result<&'a str, TraceError> {
        let cut = || self.wrong("the file ends here, and a whole trace ends with an `end` line");
        self.lines.get(self.at).copied().ok_or_else(cut)
    }

    /// Steps over a line that is there.
    fn line(&mut self) {
        self.sum = sum(self.sum, self.lines[self.at]);
        self.at += 1;
    }

    /// The rest of the next line, which must begin so.
    fn after(&mut self, beginning: &str) -> Result<&'a str, TraceError> {
        let line = self.peek()?;
        let rest = line.strip_prefix(beginning).filter(|rest| rest.is_empty() || rest.starts_with(' '));
        let rest = rest.ok_or_else(|| self.wrong(format!("`{}` should stand here", beginning.trim())))?;
        self.line();
        Ok(rest.trim_start())
    }

    fn number<N: std::str::FromStr>(&mut self, beginning: &str) -> Result<N, TraceError> {
        let wrong = self.wrong(format!("a number should follow `{beginning}`"));
        self.after(beginning)?.parse().map_err(|_| wrong)
    }

    /// The next line without its check sum, which must be right.
    fn checked(&mut self) -> Result<&'a str, TraceError> {
        let (line, part) = (self.peek()?, self.part + 1);
        let (rest, given) = line.rsplit_once(' ').ok_or_else(|| self.wrong("a check sum is missing here"))?;
        let right = sum(self.sum, rest);
        if given != format!("{right:016x}") {
            let place = if part == self.at + 1 {
                "this line was".into()
            } else {
                format!("lines {part} to here were")
            };
            return Err(self.wrong(format!("{place} changed, as the check sum says")));
        }
        self.sum = right;
        self.at += 1;
        self.part = self.at;
        Ok(rest)
    }

    fn header(&mut self) -> Result<TraceHeader, TraceError> {
        let build = self.after("build")?.to_owned();
        let seed = self.number("seed")?;
        let memory = self.number("memory")?;
        let mut scenario = String::new();
        while let Some(line) = self.peek()?.strip_prefix('|') {
            scenario.push_str(line.strip_prefix(' ').unwrap_or(line));
            scenario.push('\n');
            self.line();
        }
        let steps = self.peek()?;
        if !steps.starts_with("steps ") {
            return Err(self.wrong("`steps` should stand here"));
        }
        self.checked()?;
        Ok(TraceHeader { build, seed, memory, scenario })
    }

    fn step(&mut self) -> Result<Step, TraceError> {
        let wrong = self.wrong("this should read `at TIME` and what happened");
        let words = self.after("at")?;
        let (at, line) = words.split_once(' ').ok_or_else(|| wrong.clone())?;
        let at = parse_span(at).map(|Dur(nanos)| Time(nanos)).map_err(|_| wrong)?;
        let (mut call, mut taken) = (None, Vec::new());
        if self.peek()?.starts_with("  call ") {
            call = Some(self.call()?);
        }
        while self.peek()?.starts_with("  on ") {
            taken.push(self.taken()?);
        }
        let wrong = self.wrong("`=`, a chain and a check sum should stand here");
        if !self.peek()?.starts_with("  = ") {
            return Err(wrong);
        }
        let link = self.checked()?.strip_prefix("  = ").and_then(|link| link.parse().ok());
        let link: Chain = link.ok_or(wrong)?;
        Ok(Step { at, line: line.to_owned(), call, taken, link })
    }

    fn call(&mut self) -> Result<CallId, TraceError> {
        let wrong = self.wrong("this should read `call NUMBER of CLIENT`");
        let parts = self.after("  call")?.split_once(" of ");
        let read = parts.and_then(|(n, client)| Some((n.parse().ok()?, client.parse().ok()?)));
        read.map(|(number, client)| CallId { client: ClientId(client), number }).ok_or(wrong)
    }

    fn taken(&mut self) -> Result<Taken, TraceError> {
        let wrong = self.wrong("this should read `on NODE at CLOCKS: INPUT`");
        let (node, rest) = self.after("  on")?.split_once(" at ").ok_or_else(|| wrong.clone())?;
        let (clock, input) = rest.split_once(':').ok_or_else(|| wrong.clone())?;
        let clock = read_clock(clock).ok_or(wrong)?;
        let mut actions = Vec::new();
        while self.peek()?.starts_with("  >") {
            actions.push(self.after("  >")?.to_owned());
        }
        Ok(Taken { node: node.to_owned(), clock, input: input.trim_start().to_owned(), actions })
    }
}

fn read_clock(text: &str) -> Option<Clock> {
    let (mono, wall) = text.split_once(' ')?;
    let (back, span) = match wall.strip_prefix('-') {
        Some(span) => (true, span),
        None => (false, wall.strip_prefix('+')?),
    };
    let (Dur(mono), Dur(apart)) = (parse_span(mono).ok()?, parse_span(span).ok()?);
    let wall = if back { EPOCH.0.checked_sub(apart)? } else { EPOCH.0.checked_add(apart)? };
    Some(Clock { mono: Mono(mono), wall: Wall(wall) })
}
