//! The broker on a device: what producers are acknowledged once it is durable, beside plain writes with the commit
//! groups that the broker formed in that very run, and beside the same streams into a sink.

use super::{
    DATABASE, Figures, PAYLOAD, Payloads,
    bare::Bare,
    process::{Listening, announce, end_of_input},
};
use crate::machine;
use anyhow::{Context, Result, ensure};
use onceward::{driver::record::Recorder, serve, topic, trace::Recording};
use onceward_core::{DiskOp, DiskResult};
use serde::{Deserialize, Serialize};
use std::{
    fs::OpenOptions,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// The ending of the folder's name that a recording is kept in.
pub(super) const RECORDING: &str = "recording";
/// The topic that is written to.
pub(super) const TOPIC: &str = "stored";
/// How long producers write before the clock starts.
const WARM_UP: Duration = Duration::from_millis(200);

/// Has each sync take so long.
struct Slow(Duration);

impl Recorder for Slow {
    fn started(&self, op: &DiskOp) -> u64 {
        if matches!(op, DiskOp::Sync { .. }) {
            std::thread::sleep(self.0);
        }
        0
    }

    fn finished(&self, _: u64, _: &DiskResult) {}
}

/// Serves a broker as it comes, on a disk that takes so long for each sync, or while everything that it is told is recorded
/// beside its folder, until standard input ends.
pub(super) fn serve(dir: &Path, slow: Option<Duration>, recorded: bool) -> Result<()> {
    let options = serve::Options {
        listen: "127.0.0.1:0".to_owned(),
        metrics: Some("127.0.0.1:0".to_owned()),
        recorder: slow.map(|span| Arc::new(Slow(span)) as Arc<dyn Recorder>),
        record: recorded.then(|| Recording::into_folder(dir.with_extension(RECORDING))),
        ..serve::Options::new(dir)
    };
    let server = options.start()?;
    announce(Listening { address: server.address(), metrics: server.metrics_address() })?;
    Ok(server.serve_until(end_of_input())?)
}

/// How many messages a broker has taken in.
pub(super) fn received(at: Listening) -> Result<f64> {
    Ok(counted(at.metrics)?.bytes / PAYLOAD as f64)
}

/// Bytes of the recording of a broker in a folder.
pub(super) fn recording_bytes(place: &Path) -> Result<f64> {
    let mut bytes = 0;
    for file in std::fs::read_dir(place.join("broker").with_extension(RECORDING))? {
        bytes += file?.metadata()?.len();
    }
    Ok(bytes as f64)
}

/// Makes a topic.
pub(super) async fn create(to: SocketAddr, partitions: u32) -> Result<()> {
    let client = topic::TopicClient::new(topic::ClientOptions::new(&format!("grpc://{to}"), DATABASE)?)?;
    Ok(client.create(TOPIC, &topic::settings(partitions)).await?)
}

/// What producers did and what the broker tells of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Loaded {
    pub(super) figures: Figures,
    /// Median and 99th percentile of the time from a request of [`BATCH`](super::BATCH) messages to its last
    /// acknowledgement, in microseconds.
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// Payload bytes that each sync of the log made durable; 0 for a sink.
    pub(super) group: f64,
}

/// What is loaded.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Load {
    pub(super) at: Listening,
    /// Whether the topic is to be made first.
    pub(super) make: bool,
    pub(super) producers: u32,
    /// Partitions of the topic, over which the producers are spread evenly.
    pub(super) partitions: u32,
    /// How many messages of a producer may be unanswered.
    pub(super) window: usize,
    pub(super) seconds: f64,
}

/// Writes from many streams for so long, after a short warm-up.
pub(super) fn load(job: Load) -> Result<Loaded> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let Load { at, make, producers, partitions, window, seconds } = job;
        if make {
            create(at.address, partitions).await?;
        }
        let mut streams = Vec::new();
        for producer in 0..producers {
            let partition = u64::from(producer) * u64::from(partitions) / u64::from(producers);
            let name = format!("producer-{producer}");
            streams.push(Bare::open(at.address, TOPIC, &name, Some(partition as i64)).await?);
        }
        let (streams, _) = all(streams, window, Instant::now() + WARM_UP).await?;
        let before = counted(at.metrics)?;
        let (idle, start) = (machine::cpu(), Instant::now());
        let (_, mut done) = all(streams, window, start + Duration::from_secs_f64(seconds)).await?;
        let figures = Figures::of(done.messages, start.elapsed(), machine::cpu() - idle);
        let after = counted(at.metrics)?;
        done.latencies.sort_unstable();
        let group = (after.bytes - before.bytes) / (after.syncs - before.syncs).max(1.0);
        let percentile = |parts| super::percentile(&done.latencies, parts);
        Ok(Loaded { figures, p50_us: percentile(500), p99_us: percentile(990), group })
    })
}

/// What streams did together.
#[derive(Default)]
struct Done {
    messages: u64,
    latencies: Vec<u32>,
}

/// Lets all streams write at the same time.
async fn all(streams: Vec<Bare>, window: usize, until: Instant) -> Result<(Vec<Bare>, Done)> {
    let mut tasks = JoinSet::new();
    for mut stream in streams {
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            let messages = stream.write(&Payloads::new(), window, until, &mut latencies).await?;
            anyhow::Ok((stream, messages, latencies))
        });
    }
    let (mut streams, mut done) = (Vec::new(), Done::default());
    while let Some(task) = tasks.join_next().await {
        let (stream, messages, mut latencies) = task??;
        streams.push(stream);
        done.messages += messages;
        done.latencies.append(&mut latencies);
    }
    Ok((streams, done))
}

/// What the broker has counted so far.
#[derive(Default)]
struct Counted {
    /// Payloads that writers sent.
    bytes: f64,
    /// Syncs of the log.
    syncs: f64,
}

/// Asks the broker, if it is one.
fn counted(at: Option<SocketAddr>) -> Result<Counted> {
    let Some(at) = at else { return Ok(Counted::default()) };
    let mut stream = TcpStream::connect(at)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: broker\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let value = |name: &str| -> Result<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("the broker does not tell {name}"))?.trim().parse()?)
    };
    Ok(Counted {
        bytes: value("onceward_payload_received_bytes_total")?,
        syncs: value("onceward_log_syncs_total")?,
    })
}

/// Writes and syncs groups of so many bytes for so long, nothing else. Answers with messages a second.
pub(super) fn raw(dir: &Path, group: u64, seconds: f64) -> Result<f64> {
    ensure!(group > 0, "a group of nothing");
    let mut file = OpenOptions::new().create_new(true).write(true).open(dir.join("raw"))?;
    file.sync_all()?;
    let payloads = Payloads::new();
    let mut bytes: Vec<u8> = payloads.0.iter().copied().cycle().take(group as usize).collect();
    let (start, mut written) = (Instant::now(), 0_u64);
    while start.elapsed().as_secs_f64() < seconds {
        // No two groups alike, at the cost of a rotation of a few bytes.
        bytes[..8].copy_from_slice(&written.to_le_bytes());
        file.write_all(&bytes)?;
        file.sync_data()?;
        written += group;
    }
    Ok(written as f64 / PAYLOAD as f64 / start.elapsed().as_secs_f64())
}
