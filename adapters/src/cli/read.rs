//! `onceward log read` and `onceward log tail`.

use super::session::{self, Session};
use anyhow::Context;
use clap::Args;
use onceward::store::Create;
use onceward::{Event, EventId, EventStore, Filter, Name, query};
use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;

/// What an import adds to the kind of a last line that has no newline.
pub(super) const UNTERMINATED: &str = ".unterminated";

#[derive(Args, Debug)]
pub(super) struct Read {
    /// The store's folder
    store: PathBuf,
    #[command(flatten)]
    which: Which,
    /// The first position wanted
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many events at most
    #[arg(long)]
    limit: Option<u64>,
}

#[derive(Args, Debug)]
pub(super) struct Tail {
    /// The store's folder
    store: PathBuf,
    #[command(flatten)]
    which: Which,
    /// How many events
    #[arg(short = 'n', long, default_value_t = 10)]
    lines: usize,
}

#[derive(Args, Debug)]
#[group(multiple = false)]
struct Which {
    /// Only events of this entity
    #[arg(long, value_parser = name)]
    entity: Option<Name>,
    /// Only events of this scope
    #[arg(long, value_parser = name)]
    scope: Option<Name>,
    /// Only events of this kind
    #[arg(long, value_parser = name)]
    kind: Option<Name>,
    /// Only the event with this id: up to 32 hexadecimal digits
    #[arg(long, value_parser = id)]
    id: Option<EventId>,
    /// Only events of this conversation
    #[arg(long, value_parser = id)]
    correlation: Option<EventId>,
    /// The chain of causes of this event, oldest first
    #[arg(long, value_parser = id)]
    causes_of: Option<EventId>,
    /// Everything that followed from this event
    #[arg(long, value_parser = id)]
    effects_of: Option<EventId>,
}

fn name(text: &str) -> Result<Name, onceward::BadName> {
    Name::new(text)
}

fn id(text: &str) -> Result<EventId, String> {
    u128::from_str_radix(text, 16).map(EventId).map_err(|_| "wanted up to 32 hexadecimal digits".to_owned())
}

impl Which {
    fn filter(self) -> Filter {
        let Which { entity, scope, kind, id, correlation, causes_of, effects_of } = self;
        let chosen = [
            entity.map(Filter::Entity),
            scope.map(Filter::Scope),
            kind.map(Filter::Kind),
            id.map(Filter::Id),
            correlation.map(Filter::Correlation),
            causes_of.map(Filter::CausesOf),
            effects_of.map(Filter::EffectsOf),
        ];
        chosen.into_iter().flatten().next().unwrap_or(Filter::All)
    }
}

impl Read {
    pub(super) fn run(self, session: &Session) -> anyhow::Result<()> {
        let store = session.open(&self.store, Create::Never)?;
        let mut query = query(self.which.filter());
        query.from = self.from;
        let limit = usize::try_from(self.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        print(store.events(query).take(limit), session)?;
        Ok(store.close()?)
    }
}

impl Tail {
    pub(super) fn run(self, session: &Session) -> anyhow::Result<()> {
        let store = session.open(&self.store, Create::Never)?;
        let filter = self.which.filter();
        let mut query = query(filter);
        if query.filter == Filter::All {
            let end = store.status().wait()?.frontiers.visible;
            query.from = end.saturating_sub(self.lines as u64);
        }
        let mut last = VecDeque::new();
        for event in store.events(query) {
            last.push_back(event?);
            if last.len() > self.lines {
                last.pop_front();
            }
        }
        print(last.into_iter().map(Ok), session)?;
        Ok(store.close()?)
    }
}

/// Prints events, each followed by a newline unless an import found it without one.
fn print(
    events: impl Iterator<Item = Result<Event, onceward::Error>>,
    session: &Session,
) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    for event in events {
        let event = event?;
        let written = if session.json {
            writeln!(out, "{}", session::event(&event))
        } else {
            let end: &[u8] = if event.kind.as_str().ends_with(UNTERMINATED) { b"" } else { b"\n" };
            out.write_all(&event.payload).and_then(|()| out.write_all(end))
        };
        written.context("standard output cannot be written")?;
    }
    out.flush().context("standard output cannot be written")
}

/// Whether an event is in the store.
pub(super) fn find(store: &EventStore, id: EventId) -> Result<Option<Event>, onceward::Error> {
    let mut query = query(Filter::Id(id));
    query.limit = 1;
    Ok(store.read(query).wait()?.events.pop())
}
