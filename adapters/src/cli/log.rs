//! What the library tells of its work, on standard error: a line of text, or of JSON with the time, for each event.
//! Decides that a command shows warnings and errors and nothing below, unless it says otherwise.

use serde_json::{Map, Value};
use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Shows events of this level and above from now on.
pub(super) fn install(level: Level, json: bool) {
    // Fails only if there is one already, and then that one will do.
    let _ = tracing::subscriber::set_global_default(Stderr { level, json });
}

struct Stderr {
    level: Level,
    json: bool,
}

impl Subscriber for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            _ => "info",
        };
        let text = if self.json {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let mut value = Value::Object(line.values);
            value["level"] = level.into();
            value["millis"] = (since.as_millis() as u64).into();
            value["message"] = line.message.into();
            value.to_string()
        } else {
            format!("{level}: {}{}", line.message, line.fields)
        };
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
    values: Map<String, Value>,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => {
                self.values.insert(name.to_owned(), format!("{value:?}").into());
                write!(self.fields, ", {name}: {value:?}")
            }
        };
    }
}
