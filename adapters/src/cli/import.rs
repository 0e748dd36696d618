//! `onceward log import`: a file of lines becomes events, each once, however often the import is begun anew.
//!
//! The n-th line of a source has an event id that follows from the source, the entity and n. What a source is decides
//! [`Identity`]. Lines are appended in order, in batches that are there in whole or not at all, so what an interrupted
//! import left is always the first so many lines: a search among the ids finds how many, and the import goes on
//! behind them. The store refuses an id that is taken, and recognises a batch by its key: even two imports that run
//! into each other's way double nothing.

use super::read::{UNTERMINATED, find};
use super::session::{Session, count};
use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use clap::Args;
use onceward::store::Create;
use onceward::{Append, EventId, EventStore, Key, Name, NewEvent, Pending, Receipt};
use serde_json::json;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

pub(super) const HELP: &str = "\
Each line becomes one event, without its newline; a carriage return before it stays. Empty lines are events. A last \
line without a newline gets a kind of its own (with \".unterminated\" at the end), so that `onceward log read` gives \
the file back byte for byte.

An import that was interrupted, by whatever, can be repeated as it was: every line is appended once. The store \
recognises the lines by idempotency keys and event ids that follow from the source, the entity and the number of the \
line. The source is the contents of the file as a whole, so another file, and the same file after a change, is a \
new source. With --source NAME it is that name instead: then a file that has grown is imported from its first new line \
on, and standard input can be imported again; it is an error if the last line that was imported is not the same any \
more.";

#[derive(Args, Debug)]
pub(super) struct Import {
    /// The store's folder
    store: PathBuf,
    /// The file, or - for standard input
    file: PathBuf,
    /// The stream to append to
    #[arg(long, default_value = "import")]
    entity: String,
    /// The kind of the events
    #[arg(long, default_value = "line")]
    kind: String,
    /// The scope of the events
    #[arg(long, default_value = "import")]
    scope: String,
    /// What the lines are numbered in, instead of the contents of the file: see below
    #[arg(long)]
    source: Option<String>,
    /// Most lines that are made durable together
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1024))]
    batch: u32,
}

/// Most bytes that are made durable together, one line aside.
const BATCH_BYTES: usize = 1 << 20;

/// A line of a source.
struct Line {
    payload: Bytes,
    terminated: bool,
}

/// Where ids come from.
struct Identity([u8; 32]);

impl Identity {
    fn new(entity: &str, source: &[u8]) -> Identity {
        let mut hasher = blake3::Hasher::new_derive_key("onceward 2026 identity of imported lines");
        hasher.update(&(entity.len() as u64).to_le_bytes()).update(entity.as_bytes()).update(source);
        Identity(*hasher.finalize().as_bytes())
    }

    fn derive(&self, what: u8, number: u64) -> u128 {
        let mut id = [0; 16];
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[what]).update(&number.to_le_bytes()).finalize_xof().fill(&mut id);
        u128::from_le_bytes(id)
    }

    /// The id of a line; the first has number 0.
    fn event(&self, line: u64) -> EventId {
        EventId(self.derive(0, line))
    }

    /// The key of the batch that begins with a line.
    fn key(&self, line: u64) -> Key {
        Key(self.derive(1, line))
    }
}

struct Source {
    reader: Box<dyn BufRead>,
    /// Length in bytes, if it is known.
    bytes: Option<u64>,
    identity: Identity,
    named: bool,
}

struct Names {
    entity: String,
    kind: Name,
    unterminated: Name,
    scope: Name,
}

impl Import {
    pub(super) fn run(self, session: &Session) -> anyhow::Result<()> {
        let bad = |what: &'static str| move || format!("{what} is no name");
        Name::new(&self.entity).with_context(bad("--entity"))?;
        let names = Names {
            kind: Name::new(&self.kind).with_context(bad("--kind"))?,
            unterminated: Name::new(&format!("{}{UNTERMINATED}", self.kind)).with_context(bad("--kind"))?,
            scope: Name::new(&self.scope).with_context(bad("--scope"))?,
            entity: self.entity.clone(),
        };
        let mut source = self.source(session)?;
        let store = session.open(&self.store, Create::IfMissing)?;
        let known = imported(&store, &source.identity)?;
        let bar = session.progress(source.bytes.unwrap_or(0), "importing");
        let mut bytes = 0;
        let mut lines = 0;

        let mut last = None;
        while lines < known {
            match self.line(&mut source.reader, lines)? {
                Some(line) => last = Some(line),
                None => bail!(
                    "{} has {lines} lines, but {known} were imported from this source before",
                    self.named()
                ),
            }
            lines += 1;
        }
        if let Some(line) = last.filter(|_| source.named) {
            check_same(&store, &source.identity, known, &line).with_context(|| self.named())?;
        }

        // While one batch becomes durable, the next is read; it is asked for only when the one before is answered,
        // so that what is there is always the first so many lines.
        let mut under_way: Option<Pending<Receipt>> = None;
        let mut positions = None;
        loop {
            let first = lines;
            let mut events = Vec::new();
            let mut size = 0;
            while events.len() < self.batch as usize && size < BATCH_BYTES {
                let Some(Line { payload, terminated }) = self.line(&mut source.reader, lines)? else { break };
                size += payload.len() + usize::from(terminated);
                events.push(NewEvent {
                    id: source.identity.event(lines),
                    kind: if terminated { names.kind.clone() } else { names.unterminated.clone() },
                    scope: names.scope.clone(),
                    correlation: None,
                    causation: None,
                    payload,
                });
                lines += 1;
            }
            if let Some(before) = under_way.take() {
                let receipt =
                    before.wait().with_context(|| format!("the lines before line {}", first + 1))?;
                let (from, _) = positions.unwrap_or((receipt.position, 0));
                positions = Some((from, receipt.position + u64::from(receipt.count)));
            }
            if events.is_empty() {
                break;
            }
            bytes += size as u64;
            let append = Append::to(names.entity.clone()).key(source.identity.key(first));
            under_way = Some(store.append(events.into_iter().fold(append, Append::whole)).start());
            bar.set_position(bytes);
        }
        bar.finish_and_clear();
        store.close()?;
        let (from, upto) = positions.unwrap_or((0, 0));
        let fresh = lines - known;
        let place = match upto.saturating_sub(from) {
            1 => format!("at position {from}"),
            _ => format!("at positions {from} to {}", upto.saturating_sub(1)),
        };
        let lines = |number| count(number, "line", "lines");
        let text = match (fresh, known) {
            (0, 0) => "nothing to import: no lines".to_owned(),
            (0, 1) => "nothing to import: the one line was there already".to_owned(),
            (0, _) => format!("nothing to import: all {known} lines were there already"),
            (_, 0) => format!("imported {}, {bytes} bytes, {place}", lines(fresh)),
            _ => format!(
                "imported {}, {bytes} bytes, {place}; {} there already",
                lines(fresh),
                count(known, "was", "were")
            ),
        };
        let value = json!({ "lines": fresh, "bytes": bytes, "known": known, "from": from, "upto": upto });
        session.result(&text, &value)?;
        Ok(())
    }

    /// How the source is called in messages.
    fn named(&self) -> String {
        if self.file == Path::new("-") {
            "standard input".to_owned()
        } else {
            self.file.display().to_string()
        }
    }

    /// Opens the source and finds out what it is.
    fn source(&self, session: &Session) -> anyhow::Result<Source> {
        let entity = &self.entity;
        let named = |name: &str| {
            let mut source = b"name".to_vec();
            source.extend(name.as_bytes());
            Identity::new(entity, &source)
        };
        if self.file == Path::new("-") {
            let Some(name) = &self.source else {
                bail!("standard input cannot be recognised in a retry: give it a name with --source");
            };
            let reader = Box::new(BufReader::with_capacity(1 << 16, std::io::stdin()));
            return Ok(Source { reader, bytes: None, identity: named(name), named: true });
        }
        let unreadable = || format!("{} cannot be read", self.file.display());
        let mut file = File::open(&self.file).with_context(unreadable)?;
        let metadata = file.metadata().with_context(unreadable)?;
        ensure!(!metadata.is_dir(), "{} is a folder", self.file.display());
        let identity = match &self.source {
            Some(name) => named(name),
            None => {
                ensure!(
                    metadata.is_file(),
                    "{} can be read only once and so not be recognised in a retry: give it a name with --source",
                    self.file.display()
                );
                let bar = session.progress(metadata.len(), "recognising");
                let mut hasher = blake3::Hasher::new();
                let mut chunk = vec![0; 1 << 20];
                loop {
                    match file.read(&mut chunk).with_context(unreadable)? {
                        0 => break,
                        n => hasher.update(&chunk[..n]),
                    };
                    bar.set_position(hasher.count());
                }
                bar.finish_and_clear();
                file.rewind().with_context(unreadable)?;
                let mut source = b"contents".to_vec();
                source.extend(hasher.finalize().as_bytes());
                Identity::new(entity, &source)
            }
        };
        let reader = Box::new(BufReader::with_capacity(1 << 16, file));
        Ok(Source { reader, bytes: Some(metadata.len()), identity, named: self.source.is_some() })
    }

    /// The next line; `before` lines come before it.
    fn line(&self, reader: &mut dyn BufRead, before: u64) -> anyhow::Result<Option<Line>> {
        let limit = u64::from(super::PAYLOAD);
        let mut payload = Vec::new();
        // One more byte for the newline, and one to see that there is too much.
        let read = reader.take(limit + 2).read_until(b'\n', &mut payload);
        read.with_context(|| format!("{} cannot be read at line {}", self.named(), before + 1))?;
        if payload.is_empty() {
            return Ok(None);
        }
        let terminated = payload.pop_if(|last| *last == b'\n').is_some();
        ensure!(
            payload.len() as u64 <= limit,
            "line {} of {} is longer than {limit} bytes, the most that an event can have",
            before + 1,
            self.named()
        );
        Ok(Some(Line { payload: payload.into(), terminated }))
    }
}

/// How many lines of a source are in the store: they are always its first ones.
fn imported(store: &EventStore, identity: &Identity) -> anyhow::Result<u64> {
    let there = |line: u64| Ok::<bool, onceward::Error>(find(store, identity.event(line))?.is_some());
    // All lines below `low` are there, the line `high` is not.
    let (mut low, mut high) = (0, 1);
    while there(high - 1)? {
        low = high;
        high *= 2;
    }
    high -= 1;
    while low < high {
        let middle = low + (high - low) / 2;
        if there(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// The last line that was imported must still be what it was: otherwise the name was given to something else.
fn check_same(store: &EventStore, identity: &Identity, known: u64, line: &Line) -> anyhow::Result<()> {
    let event = find(store, identity.event(known - 1))?.context("an event that was there is not")?;
    ensure!(
        event.payload == line.payload && event.kind.as_str().ends_with(UNTERMINATED) != line.terminated,
        "line {known} is not what was imported from this source before: is it another one?"
    );
    Ok(())
}
