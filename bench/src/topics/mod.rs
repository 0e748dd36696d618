//! The second comparison: clients of topics with each other and with the bare transport, and the broker with plain
//! writes to its device. Everything goes over loopback, each server and each client in a process of its own.
//!
//! This module decides what is run, in which order: rounds are interleaved, and a figure is compared only with those of
//! its own round.

mod bare;
mod broker;
mod memory;
mod paced;
mod process;
mod read;
mod report;
mod server;
mod source;
mod wire;
mod write;

use crate::{load, machine};
use anyhow::{Context, Result, ensure};
use broker::{Load, Loaded};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use memory::Hoard;
use paced::{Latencies, Pace};
use process::{Listening, Running, announce, measure};
use serde::{Deserialize, Serialize};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Bytes in a message.
const PAYLOAD: usize = 1024;
/// Most messages that a writer has unanswered.
const WINDOW: usize = 1000;
/// Messages in a request.
const BATCH: usize = 100;
/// The database of everything.
const DATABASE: &str = "/local";

/// How topics are compared.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long each run takes, in seconds.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// How many times everything runs; medians are shown.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// A folder on the device to be measured.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Only these cases, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "CASE")]
    cases: Vec<Case>,
    /// Prints everything that was measured as JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Case {
    /// Writers, to a sink that acknowledges at once.
    Write,
    /// Readers, from a source that always has more.
    Read,
    /// The broker with durable acknowledgements.
    Broker,
    /// How long durable acknowledgements take at a fixed rate.
    Latency,
    /// Memory, where somebody does not keep up.
    Memory,
    /// What it costs to record everything that the broker is told.
    Record,
}

/// What writes and reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Peer {
    /// The frames over tonic, nothing else: the ceiling.
    Bare,
    /// The official client for Rust.
    Ydb,
    /// This project's client.
    Onceward,
}

const PEERS: [Peer; 3] = [Peer::Bare, Peer::Ydb, Peer::Onceward];

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Peer::Bare => "bare tonic stream",
            Peer::Ydb => "ydb 0.18.2",
            Peer::Onceward => "onceward",
        }
    }
}

/// What one process does.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Part {
    /// Takes in messages and keeps none; gives out as many as are taken.
    Sink { acknowledges: bool },
    /// Serves a folder as the broker.
    Broker { dir: PathBuf, slow: Option<Duration>, recorded: bool },
    /// Writes to a sink.
    Write { peer: Peer, to: SocketAddr, seconds: f64 },
    /// Reads from a source.
    Read { peer: Peer, from: SocketAddr, seconds: f64 },
    /// Writes bare streams to a broker or a sink.
    Load(Load),
    /// Writes groups of so many bytes to a file and syncs each.
    Raw { dir: PathBuf, group: u64, seconds: f64 },
    /// Writes at a fixed rate.
    Pace(Pace),
    /// Offers messages to a writer that is never answered.
    Hoard { peer: Peer, to: SocketAddr },
    /// Reads nothing of what it has asked for.
    Stall { from: SocketAddr },
}

/// What a client did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Figures {
    messages: u64,
    /// Until the last answer.
    seconds: f64,
    /// Messages per second.
    rate: f64,
    /// Processor time of the client's process for one message, in microseconds.
    cpu_us: f64,
}

impl Figures {
    fn of(messages: u64, took: Duration, cpu: Duration) -> Figures {
        let (seconds, count) = (took.as_secs_f64(), messages as f64);
        Figures { messages, seconds, rate: count / seconds, cpu_us: cpu.as_secs_f64() * 1e6 / count }
    }
}

/// What one peer did: one entry for each round.
#[derive(Clone, Debug, Serialize)]
struct Row {
    peer: Peer,
    rounds: Vec<Figures>,
}

/// Payloads, incompressible, made beforehand.
struct Payloads(Vec<u8>);

impl Payloads {
    /// How many different ones there are.
    const COUNT: usize = 256;

    fn new() -> Payloads {
        Payloads(
            (0..(Payloads::COUNT * PAYLOAD / 8) as u64).flat_map(|n| load::mix(n).to_le_bytes()).collect(),
        )
    }

    /// A fresh vector.
    fn make(&self, number: u64) -> Vec<u8> {
        self.0[number as usize % Payloads::COUNT * PAYLOAD..][..PAYLOAD].to_vec()
    }
}

/// Does one part, given as JSON, in this process.
pub(crate) fn perform(part: &str) -> Result<()> {
    match serde_json::from_str(part)? {
        Part::Sink { acknowledges } => {
            server::serve(acknowledges, |address| announce(Listening { address, metrics: None }))
        }
        Part::Broker { dir, slow, recorded } => broker::serve(&dir, slow, recorded),
        Part::Write { peer, to, seconds } => print(write::run(peer, to, seconds)?),
        Part::Read { peer, from, seconds } => print(read::run(peer, from, seconds)?),
        Part::Load(job) => print(broker::load(job)?),
        Part::Raw { dir, group, seconds } => print(broker::raw(&dir, group, seconds)?),
        Part::Pace(pace) => print(paced::run(pace)?),
        Part::Hoard { peer, to } => print(memory::hoard(peer, to)?),
        Part::Stall { from } => memory::stall(from),
    }
}

fn print(measured: impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

/// So many thousandths of sorted times are at most this, in microseconds; the times are in nanoseconds.
fn percentile(sorted: &[u32], parts: usize) -> f64 {
    let at = (sorted.len() * parts / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |nanos| f64::from(*nanos) / 1e3)
}

/// Runs everything that is asked for and prints it.
pub(crate) fn compare(args: &Args) -> Result<()> {
    ensure!(args.seconds > 0.0 && args.seconds <= 60.0, "--seconds must be above 0 and at most 60");
    ensure!(args.rounds > 0, "--rounds must be at least 1");
    let dir = args.dir.canonicalize().with_context(|| format!("no folder {}", args.dir.display()))?;
    let cases = Case::value_variants();
    let cases = cases.iter().filter(|case| args.cases.is_empty() || args.cases.contains(case));
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}")?;
    let mut document = serde_json::Map::new();
    for case in cases {
        let bar = ProgressBar::new(args.rounds as u64).with_style(style.clone());
        let (name, value, text) = match case {
            Case::Write => {
                let rows = clients(args.rounds, &bar, |peer, to| {
                    measure(&Part::Write { peer, to, seconds: args.seconds })
                })?;
                ("write", serde_json::to_value(&rows)?, report::clients("writing", &rows))
            }
            Case::Read => {
                let rows = clients(args.rounds, &bar, |peer, from| {
                    measure(&Part::Read { peer, from, seconds: args.seconds })
                })?;
                ("read", serde_json::to_value(&rows)?, report::clients("reading", &rows))
            }
            Case::Broker => {
                let rows = stored(args.rounds, args.seconds, &dir, &bar)?;
                ("broker", serde_json::to_value(&rows)?, report::stored(&rows))
            }
            Case::Latency => {
                let rows = latencies(args.rounds, args.seconds, &dir, &bar)?;
                ("latency", serde_json::to_value(&rows)?, report::latencies(&rows))
            }
            Case::Record => {
                let rows = recorded(args.rounds, args.seconds, &dir, &bar)?;
                ("record", serde_json::to_value(&rows)?, report::recorded(&rows))
            }
            Case::Memory => {
                let held = held(args.seconds, &dir)?;
                ("memory", serde_json::to_value(&held)?, report::held(&held))
            }
        };
        bar.finish_and_clear();
        document.insert(name.to_owned(), value);
        if !args.json {
            print!("{text}");
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&document)?);
    }
    Ok(())
}

/// Runs all clients, round by round.
fn clients(
    rounds: usize,
    bar: &ProgressBar,
    run: impl Fn(Peer, SocketAddr) -> Result<Figures>,
) -> Result<Vec<Row>> {
    let mut rows = PEERS.map(|peer| Row { peer, rounds: Vec::new() });
    for _ in 0..rounds {
        for row in &mut rows {
            bar.set_message(row.peer.name());
            let other = Running::start(&Part::Sink { acknowledges: true })?;
            row.rounds.push(run(row.peer, other.at.address)?);
        }
        bar.inc(1);
    }
    Ok(rows.into())
}

/// How many producers write at a time, and how many messages of each may be unanswered.
const PRODUCERS: [(u32, usize); 4] = [(1, WINDOW), (1, 8 * WINDOW), (8, WINDOW), (64, WINDOW)];
/// Over how many partitions.
const PARTITIONS: [u32; 2] = [1, 100];

/// What so many producers had stored in so many partitions, with what it is compared with: one entry for each round.
#[derive(Clone, Debug, Serialize)]
struct Storing {
    producers: u32,
    window: usize,
    partitions: u32,
    broker: Vec<Loaded>,
    /// Messages a second of plain writes with the broker's commit groups.
    raw: Vec<f64>,
    /// The same streams into a sink.
    bare: Vec<Loaded>,
}

impl Storing {
    /// The broker's rate by the smaller of the two others', round by round.
    fn ratios(&self) -> impl Iterator<Item = f64> + Clone {
        let others = self.raw.iter().zip(&self.bare);
        let all = self.broker.iter().zip(others);
        all.map(|(broker, (raw, bare))| broker.figures.rate / raw.min(bare.figures.rate))
    }
}

/// A broker in a folder of its own.
fn broker_in(place: &tempfile::TempDir, slow: Option<Duration>, recorded: bool) -> Part {
    Part::Broker { dir: place.path().join("broker"), slow, recorded }
}

/// Runs the broker in all sizes, round by round. Plain writes take a third of the time of the others.
fn stored(rounds: usize, seconds: f64, dir: &Path, bar: &ProgressBar) -> Result<Vec<Storing>> {
    let mut rows: Vec<Storing> = Vec::new();
    for (producers, window) in PRODUCERS {
        for partitions in PARTITIONS {
            rows.push(Storing { producers, window, partitions, broker: vec![], raw: vec![], bare: vec![] });
        }
    }
    for _ in 0..rounds {
        for row in &mut rows {
            let Storing { producers, window, partitions, .. } = *row;
            bar.set_message(format!("{producers} producers, {partitions} partitions"));
            let load = |at, make| Part::Load(Load { at, make, producers, partitions, window, seconds });
            let place = tempfile::tempdir_in(dir)?;
            let server = Running::start(&broker_in(&place, None, false))?;
            let broker: Loaded = measure(&load(server.at, true))?;
            drop(server);
            let part = Part::Raw {
                dir: place.path().to_owned(),
                group: broker.group as u64,
                seconds: seconds / 3.0,
            };
            row.raw.push(measure(&part)?);
            row.broker.push(broker);
            drop(place);
            let server = Running::start(&Part::Sink { acknowledges: true })?;
            row.bare.push(measure(&load(server.at, false))?);
        }
        bar.inc(1);
    }
    Ok(rows)
}

/// What so many producers had stored while the broker was recorded, and while it was not: one entry for each round.
#[derive(Clone, Debug, Serialize)]
struct Recording {
    producers: u32,
    window: usize,
    plain: Vec<Loaded>,
    recorded: Vec<Loaded>,
    /// Bytes of the recording for each message.
    bytes: Vec<f64>,
}

/// Runs the broker with a recording and without, by turns, each twice a round and in both orders: the device's rate changes.
fn recorded(rounds: usize, seconds: f64, dir: &Path, bar: &ProgressBar) -> Result<Vec<Recording>> {
    let row =
        |(producers, window)| Recording { producers, window, plain: vec![], recorded: vec![], bytes: vec![] };
    let mut rows = PRODUCERS.map(row);
    for _ in 0..rounds {
        for row in &mut rows {
            let Recording { producers, window, .. } = *row;
            bar.set_message(format!("{producers} producers"));
            for with in [false, true, true, false] {
                let place = tempfile::tempdir_in(dir)?;
                let server = Running::start(&broker_in(&place, None, with))?;
                let load = Load { at: server.at, make: true, producers, partitions: 1, window, seconds };
                let loaded: Loaded = measure(&Part::Load(load))?;
                let stored = broker::received(server.at)?;
                drop(server);
                if with {
                    row.bytes.push(broker::recording_bytes(place.path())? / stored);
                    row.recorded.push(loaded);
                } else {
                    row.plain.push(loaded);
                }
            }
        }
        bar.inc(1);
    }
    Ok(rows.into())
}

/// Messages a second whose latency is taken.
const RATE: u32 = 2000;

/// How long a client's messages took: one entry for each round.
#[derive(Clone, Debug, Serialize)]
struct Late {
    peer: Peer,
    rounds: Vec<Latencies>,
    /// The device's write + fdatasync of 4 KiB before each round, in microseconds.
    fdatasync_us: Vec<f64>,
}

/// Sends at a fixed rate to the broker, round by round.
fn latencies(rounds: usize, seconds: f64, dir: &Path, bar: &ProgressBar) -> Result<Vec<Late>> {
    let row = |peer| Late { peer, rounds: vec![], fdatasync_us: vec![] };
    let mut rows = [Peer::Bare, Peer::Onceward].map(row);
    for _ in 0..rounds {
        for row in &mut rows {
            bar.set_message(row.peer.name());
            let place = tempfile::tempdir_in(dir)?;
            row.fdatasync_us.push(machine::fdatasync_us(place.path())?);
            let server = Running::start(&broker_in(&place, None, false))?;
            let pace = Pace { peer: row.peer, to: server.at.address, rate: RATE, seconds };
            row.rounds.push(measure(&Part::Pace(pace))?);
        }
        bar.inc(1);
    }
    Ok(rows.into())
}

/// Memory, where somebody does not keep up.
#[derive(Clone, Debug, Serialize)]
struct Held {
    /// Of writers that are never answered.
    writers: Vec<(Peer, Hoard)>,
    /// Of the broker: without a reader, and with one that takes nothing.
    brokers: Vec<Serving>,
}

/// The memory of a broker while producers write as fast as they can.
#[derive(Clone, Copy, Debug, Serialize)]
struct Serving {
    /// What holds it up.
    trouble: Trouble,
    /// Bytes of payloads that were stored.
    stored: u64,
    /// Resident memory before, and the most of it, in bytes.
    before: u64,
    most: u64,
}

/// What holds a broker up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
enum Trouble {
    /// Nothing.
    None,
    /// A reader who has asked for a gigabyte and takes nothing.
    Reader,
    /// A disk of which each sync takes [`SLOW`].
    Disk,
}

/// How long a sync of a slow disk takes.
const SLOW: Duration = Duration::from_millis(250);

/// Seconds for which a broker is written to while its memory is watched, for each second of a run.
const LONGER: f64 = 3.0;

fn held(seconds: f64, dir: &Path) -> Result<Held> {
    let mut held = Held { writers: Vec::new(), brokers: Vec::new() };
    for peer in [Peer::Ydb, Peer::Onceward] {
        let silent = Running::start(&Part::Sink { acknowledges: false })?;
        held.writers.push((peer, measure(&Part::Hoard { peer, to: silent.at.address })?));
    }
    for trouble in [Trouble::None, Trouble::Reader, Trouble::Disk] {
        let place = tempfile::tempdir_in(dir)?;
        let slow = (trouble == Trouble::Disk).then_some(SLOW);
        let server = Running::start(&broker_in(&place, slow, false))?;
        let before = machine::memory_of(&server.process())?.1;
        let stalled = trouble == Trouble::Reader;
        let reader = match stalled {
            true => Some(Running::start(&Part::Stall { from: server.at.address })?),
            false => None,
        };
        let seconds = seconds * LONGER;
        let (producers, partitions, window) = (8, 1, WINDOW);
        let load = Load { at: server.at, make: !stalled, producers, partitions, window, seconds };
        let loaded: Loaded = measure(&Part::Load(load))?;
        let stored = loaded.figures.messages * PAYLOAD as u64;
        held.brokers.push(Serving {
            trouble,
            stored,
            before,
            most: machine::memory_of(&server.process())?.0,
        });
        drop(reader);
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_sorted_times() {
        let times: Vec<u32> = (1..=1000).map(|n| n * 1000).collect();
        assert_eq!(percentile(&times, 500), 501.0);
        assert_eq!(percentile(&times, 999), 1000.0);
        assert_eq!(percentile(&times, 1000), 1000.0);
        assert_eq!(percentile(&[], 500), 0.0);
    }

    #[test]
    fn a_ratio_is_taken_to_the_smaller_one_of_its_own_round() {
        let figures = |rate: f64| Figures { messages: 1, seconds: 1.0, rate, cpu_us: 1.0 };
        let loaded = |rate| Loaded { figures: figures(rate), p50_us: 0.0, p99_us: 0.0, group: 1.0 };
        let row = Storing {
            window: 1000,
            producers: 1,
            partitions: 1,
            broker: vec![loaded(6.0), loaded(8.0)],
            raw: vec![12.0, 100.0],
            bare: vec![loaded(20.0), loaded(10.0)],
        };
        assert_eq!(row.ratios().collect::<Vec<_>>(), [0.5, 0.8]);
    }
}
