//! `onceward serve`: a topic broker in the foreground, until a signal ends it.

use super::session::Session;
use super::signal::Signal;
use anyhow::Context;
use clap::Args;
use onceward::serve::Options;
#[cfg(feature = "tls")]
use onceward::serve::Tls;
use onceward::trace::Recording;
use onceward_core::Dur;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const HELP: &str = "\
The broker speaks the YDB Topic API over gRPC, so that programs with YDB's own clients write and read topics here: create \
a topic, write with a producer id, read with a consumer, commit. A message that was acknowledged is on the disk. Queries, \
tables and transactions are answered as unsupported.

When it is ready it prints one line, `listening on ADDRESS`. SIGTERM and SIGINT end it in order: nothing more is taken \
in, what was taken in is answered, sessions end, everything is durable. A second signal ends it at once, as a crash \
would; a broker that is killed loses nothing that it has acknowledged.

Messages are durable in one log, and are moved from there to files of each partition in the background; the log is then \
cut. --flush-interval, --max-segment-size and --checkpoint-size say how: see their help. When the disk is full, writers are \
refused and readers served, until there is room again; --reserve lets the broker make some.

A list of who may do what is a JSON file: {\"tokens\": [{\"name\": \"ingest\", \"token\": \"...\", \"write\": \
[\"/local/events\"]}], \"users\": [{\"name\": \"anna\", \"password\": \"...\", \"read\": [\"/local/*\"]}]}. What may be done is \
read, write and admin (make, change, drop), each a list of absolute names of topics; one that ends in * stands for all \
that begin so.";

/// Of two options that are of no use alone, one was given: on the command line or in a file.
#[cfg(feature = "tls")]
#[derive(Debug, thiserror::Error)]
#[error("--tls-certificate and --tls-key belong together: one of them is missing")]
pub(super) struct HalfAPair;

#[derive(Args, Debug)]
pub(super) struct Serve {
    /// A file of settings in TOML: any option of this list by its name, as in `data = "broker"`. What is said here or in
    /// the environment counts more
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The broker's folder; made if it is not there
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Where to listen; port 0 lets the system choose one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2136")]
    listen: String,
    /// The host and port that clients are told to dial, if not those that they have dialled already
    #[arg(long, value_name = "HOST:PORT", value_parser = advertised)]
    advertise: Option<(String, u16)>,
    /// A certificate in PEM, to speak TLS; with --tls-key
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's key in PEM
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// A list of who may do what; without it, everybody may do everything
    #[arg(long, value_name = "FILE")]
    access: Option<PathBuf>,
    /// Where to listen for those who watch: /metrics for Prometheus, /health
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<String>,
    /// Messages are moved from the log to files of their partition after this many seconds at the latest; at the end they
    /// are moved at once
    #[arg(long, value_name = "SECONDS", env = "FLUSH_INTERVAL_SECS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    flush_interval: u64,
    /// They are moved as soon as there are so many bytes of them, too. Until then the disk is the log's: bursts are taken in
    /// faster
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20, value_parser = clap::value_parser!(u64).range(1..))]
    flush_size: u64,
    /// A partition's file has at most so many bytes, if it has more than one request; it is read and given up as a whole
    #[arg(long, value_name = "BYTES", env = "MAX_SEGMENT_SIZE_BYTES", default_value_t = 1 << 20, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    max_segment_size: u64,
    /// The log is cut after so many bytes; a start reads about twice as many
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20, value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_size: u64,
    /// So many bytes of the disk are held back for when it is full: for what was accepted by then, and for what makes room
    /// (retention, and calls that drop topics or alter them). As long as they cannot be held back, writers are refused
    #[arg(long, value_name = "BYTES", default_value_t = 144 << 20)]
    reserve: u64,
    /// Record everything that the broker's machine is told and answers, in this folder, for `cargo sim validate`
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
}

fn advertised(text: &str) -> Result<(String, u16), String> {
    let (host, port) =
        text.rsplit_once(':').ok_or("wanted a host and a port, such as broker.example:2136")?;
    let port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err("the host is missing".to_owned());
    }
    Ok((host.to_owned(), port))
}

/// How many bytes are free, if they are fewer than the reserve that is still to be held back.
fn too_little(data: &Path, reserve: u64) -> Option<u64> {
    let held = fs::metadata(data.join("reserve")).map_or(0, |file| file.len());
    let disk = rustix::fs::statvfs(data).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    (held < reserve && free < reserve).then_some(free)
}

impl Serve {
    pub(super) fn run(self, session: &Session) -> anyhow::Result<()> {
        #[cfg(feature = "tls")]
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return Err(HalfAPair.into());
        }
        let signal = Signal::catch().context("signals cannot be caught")?;
        let mut defaults = Options::new(&self.data);
        let pool = &mut defaults.config.pool;
        pool.flush_interval = Some(Dur::secs(self.flush_interval));
        pool.segment_bytes = self.max_segment_size;
        (pool.flush_bytes, pool.undrained_bytes) = (self.flush_size, self.flush_size);
        pool.backlog_bytes = pool.backlog_bytes.max(pool.undrained_bytes);
        defaults.config.checkpoint_bytes = self.checkpoint_size;
        defaults.config.segments.reserve_bytes = self.reserve;
        let options = Options {
            listen: self.listen,
            advertise: self.advertise,
            access: self.access,
            metrics: self.metrics,
            record: self.record.map(Recording::into_folder),
            #[cfg(feature = "tls")]
            tls: self.tls_certificate.zip(self.tls_key).map(|(certificate, key)| Tls { certificate, key }),
            ..defaults
        };
        let server = options.start()?;
        let address = server.address();
        let mut value = json!({ "listening": address.to_string() });
        let mut text = format!("listening on {address}");
        if let Some(metrics) = server.metrics_address() {
            value["metrics"] = metrics.to_string().into();
            text.push_str(&format!(", metrics on {metrics}"));
        }
        session.result(&text, &value)?;
        if let Some(free) = too_little(&self.data, self.reserve) {
            let (data, reserve) = (self.data.display(), self.reserve);
            tracing::warn!(%data, free, reserve, "writers are refused: the disk has no room for the reserve");
        }
        server.serve_until(signal.wait())?;
        tracing::info!("a signal: ending in order");
        server.stop()?;
        Ok(())
    }
}
