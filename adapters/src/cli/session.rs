//! What all commands share: how they print (results to standard output, everything else to standard error, as text or as
//! JSON), and how they open a store.

use super::{PAYLOAD, exit::Exit};
use onceward::store::Create;
use onceward::trace::Recording;
use onceward::{Event, EventId, EventStore, OpenError, Options};
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// What was asked of every command.
pub(super) struct Session {
    pub(super) json: bool,
    /// Where a store is recorded.
    pub(super) record: Option<PathBuf>,
}

impl Session {
    pub(super) fn new(json: bool) -> Session {
        Session { json, record: None }
    }

    /// Opens a store with the command's own limits.
    pub(super) fn open(&self, folder: &Path, create: Create) -> Result<EventStore, OpenError> {
        let record = self.record.clone().map(Recording::into_folder);
        let mut options = Options { create, record, ..Options::default() };
        options.config.payload_bytes = PAYLOAD;
        options.config.request_bytes = options.config.request_bytes.max(PAYLOAD);
        options.config.queue_bytes = options.config.queue_bytes.max(u64::from(PAYLOAD));
        options.config.segments.queue_bytes = options.config.segments.queue_bytes.max(2 * u64::from(PAYLOAD));
        options.open(folder)
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
        bar(Some(bytes), what)
    }

    /// The same for what may have no end that is known.
    #[cfg(feature = "topic")]
    pub(super) fn transfer(&self, bytes: Option<u64>, what: &'static str) -> indicatif::ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return indicatif::ProgressBar::hidden();
        }
        bar(bytes, what)
    }
}

fn bar(bytes: Option<u64>, what: &'static str) -> indicatif::ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (
            indicatif::ProgressBar::new(bytes),
            "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        ),
        None => (indicatif::ProgressBar::no_length(), "{msg} {bytes} in {elapsed}, {bytes_per_sec}"),
    };
    if let Ok(style) = indicatif::ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
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
