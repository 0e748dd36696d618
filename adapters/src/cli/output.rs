//! What the command prints: results to standard output, everything else to standard error, as text or as JSON.

use super::exit::Exit;
use onceward::{Event, EventId};
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};

/// Where and how results are printed.
pub(super) struct Output {
    pub(super) json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Output {
        Output { json }
    }

    /// Prints one result: a line of text, or of JSON.
    pub(super) fn result(&self, text: &str, value: &Value) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json { writeln!(out, "{value}") } else { writeln!(out, "{text}") }
    }

    /// Prints an error with its causes.
    pub(super) fn error(&self, error: &anyhow::Error, exit: Exit) {
        // Causes that repeat what was said already add nothing.
        let mut text = String::new();
        for cause in error.chain() {
            let cause = cause.to_string();
            if !text.contains(&cause) {
                if !text.is_empty() {
                    text.push_str(": ");
                }
                text.push_str(&cause);
            }
        }
        let line = if self.json {
            json!({ "error": text, "exit": exit as u8 }).to_string()
        } else {
            format!("error: {text}")
        };
        // Where nobody listens, the exit code still tells.
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// A progress bar over so many bytes, on a terminal.
    pub(super) fn progress(&self, bytes: u64, what: &'static str) -> indicatif::ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return indicatif::ProgressBar::hidden();
        }
        let bar = indicatif::ProgressBar::new(bytes);
        let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        if let Ok(style) = indicatif::ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar
    }
}

/// An event as JSON. Ids are 32 hexadecimal digits; a payload that is not UTF-8 is `payload_hex`.
pub(super) fn event(event: &Event) -> Value {
    let mut value = json!({
        "position": event.position,
        "sequence": event.sequence,
        "entity": event.entity.as_str(),
        "id": id(event.id),
        "kind": event.kind.as_str(),
        "scope": event.scope.as_str(),
        "correlation": id(event.correlation),
        "causation": event.causation.map(id),
        "millis": event.time.millis,
        "counter": event.time.counter,
        "content": event.content.to_string(),
    });
    match std::str::from_utf8(&event.payload) {
        Ok(text) => value["payload"] = text.into(),
        Err(_) => {
            value["payload_hex"] =
                event.payload.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
        }
    }
    value
}

/// An id as 32 hexadecimal digits.
pub(super) fn id(id: EventId) -> String {
    format!("{:032x}", id.0)
}

/// How many of what.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
