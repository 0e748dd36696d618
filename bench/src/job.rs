//! One run of one engine, in a process of its own: what is asked travels as JSON in an argument, what was measured
//! comes back as JSON on standard output. A fresh process for each run keeps the heap, the threads and the caches of
//! one engine from weighing on the next.

use crate::{
    engines::Kind,
    load::{self, Until},
    machine,
};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// What a process is asked to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) engine: Kind,
    /// An empty folder; for `Reopen` the one that was filled.
    pub(crate) dir: PathBuf,
    pub(crate) task: Task,
}

/// The three tasks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// Append for some time.
    Append { clients: usize, group: usize, seconds: f64 },
    /// Append so many events in groups, for at most so long, and close.
    Fill { events: u64, group: usize, seconds: f64 },
    /// Open what was filled, with or without the page cache.
    Reopen { cold: bool },
}

/// What was measured. Fields that a task does not measure are 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Events that were appended, or found.
    pub(crate) events: u64,
    /// How long it took to append or to open, in seconds.
    pub(crate) seconds: f64,
    /// Events per second.
    pub(crate) rate: f64,
    /// Processor time of all threads for one event, in microseconds.
    pub(crate) cpu_us: f64,
    /// Median and 99th percentile of the latency of one append, in microseconds.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// The device's write + fdatasync of 4 KiB right before and right after, in microseconds, mean of the two.
    pub(crate) fdatasync_us: f64,
    /// How long closing took, in seconds.
    pub(crate) close_seconds: f64,
    /// Bytes of the files after closing, by length and by blocks.
    pub(crate) bytes: u64,
    pub(crate) block_bytes: u64,
    /// The most resident memory, in bytes.
    pub(crate) peak_rss: u64,
    /// Resident memory once open, less that before opening, in bytes.
    pub(crate) open_rss: u64,
}

/// Does a job in this process.
pub(crate) fn perform(job: &Job) -> Result<Figures> {
    let mut figures = match job.task {
        Task::Append { clients, group, seconds } => append(job, clients, group, seconds)?,
        Task::Fill { events, group, seconds } => fill(job, events, group, seconds)?,
        Task::Reopen { cold } => reopen(job, cold)?,
    };
    figures.peak_rss = machine::memory()?.0;
    Ok(figures)
}

fn append(job: &Job, clients: usize, group: usize, seconds: f64) -> Result<Figures> {
    let store = subfolder(&job.dir)?;
    let engine = job.engine.create(&store, false)?;
    let before = machine::fdatasync_us(&job.dir)?;
    let until = Until { time: Duration::from_secs_f64(seconds), events: u64::MAX };
    let idle = machine::cpu();
    let done = load::run(&*engine, clients, group, until)?;
    let cpu = machine::cpu() - idle;
    let after = machine::fdatasync_us(&job.dir)?;
    engine.close()?;
    let percentile = |per_cent: usize| {
        let at = (done.latencies.len() * per_cent / 100).min(done.latencies.len().saturating_sub(1));
        done.latencies.get(at).map_or(0.0, |nanos| f64::from(*nanos) / 1e3)
    };
    Ok(Figures {
        events: done.events,
        seconds: done.took.as_secs_f64(),
        rate: done.events as f64 / done.took.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / done.events as f64,
        p50_us: percentile(50),
        p99_us: percentile(99),
        fdatasync_us: (before + after) / 2.0,
        ..Figures::default()
    })
}

fn fill(job: &Job, events: u64, group: usize, seconds: f64) -> Result<Figures> {
    let store = subfolder(&job.dir)?;
    let engine = job.engine.create(&store, true)?;
    let until = Until { time: Duration::from_secs_f64(seconds), events };
    let done = load::run(&*engine, 1, group, until)?;
    let closing = Instant::now();
    engine.close()?;
    let close_seconds = closing.elapsed().as_secs_f64();
    let (bytes, block_bytes) = machine::size(&store)?;
    Ok(Figures {
        events: done.events,
        seconds: done.took.as_secs_f64(),
        rate: done.events as f64 / done.took.as_secs_f64(),
        close_seconds,
        bytes,
        block_bytes,
        ..Figures::default()
    })
}

fn reopen(job: &Job, cold: bool) -> Result<Figures> {
    let store = job.dir.join("store");
    if cold {
        machine::forget(&store)?;
    }
    let before = machine::memory()?.1;
    let reopened = job.engine.reopen(&store)?;
    Ok(Figures {
        events: reopened.events,
        seconds: reopened.ready.as_secs_f64(),
        open_rss: reopened.rss.saturating_sub(before),
        ..Figures::default()
    })
}

/// The engine's own folder, apart from the probe's file.
fn subfolder(dir: &Path) -> Result<PathBuf> {
    let store = dir.join("store");
    std::fs::create_dir(&store).with_context(|| format!("cannot create {}", store.display()))?;
    Ok(store)
}

/// Has a job done by a process of its own. A process that takes much longer than its task allows is ended.
pub(crate) fn spawn(job: &Job) -> Result<Figures> {
    let asked = serde_json::to_string(job)?;
    answer(Command::new(std::env::current_exe()?).arg("run-job").arg(&asked), Duration::from_secs(120))
        .with_context(|| format!("{}: {:?}", job.engine.name(), job.task))
}

/// What a command prints, as JSON, once it has ended. One that takes longer is ended.
pub(crate) fn answer<T: DeserializeOwned>(command: &mut Command, longest: Duration) -> Result<T> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let deadline = Instant::now() + longest;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            bail!("not done within {longest:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    if !status.success() {
        bail!("failed ({status})");
    }
    let answer = std::io::read_to_string(child.stdout.take().context("no standard output")?)?;
    serde_json::from_str(&answer).with_context(|| format!("answered {answer:?}"))
}
