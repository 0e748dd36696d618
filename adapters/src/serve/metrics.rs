//! What is counted while the broker runs, and how Prometheus is told. Decides nothing.

use super::traffic::Traffic;
use crate::driver::metrics::Metrics;
use onceward_core::broker::api::Status;
use onceward_core::log::api::Phase;
use onceward_core::{DiskOk, DiskOp, DiskResult, Dur, Path};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of what a sync takes, in seconds, and in nanoseconds.
const BOUNDS: [(&str, u64); 8] = [
    ("0.0005", 500_000),
    ("0.001", 1_000_000),
    ("0.0025", 2_500_000),
    ("0.005", 5_000_000),
    ("0.01", 10_000_000),
    ("0.05", 50_000_000),
    ("0.25", 250_000_000),
    ("1", 1_000_000_000),
];

/// Everything that is counted, from the start of the process.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) streams: AtomicU64,
    pub(super) messages_in: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    pub(super) messages_out: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) calls: AtomicU64,
    /// Of each partition.
    pub(super) traffic: Traffic,
    panics: AtomicU64,
    written_bytes: AtomicU64,
    read_bytes: AtomicU64,
    disk_errors: AtomicU64,
    log_syncs: AtomicU64,
    syncs: [AtomicU64; BOUNDS.len() + 1],
    sync_nanos: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Metrics for Counters {
    fn disk(&self, op: &DiskOp, result: &DiskResult, took: Dur) {
        match result {
            Ok(DiskOk::Wrote(bytes)) => count(&self.written_bytes, (*bytes).into()),
            Ok(DiskOk::Read(bytes)) => count(&self.read_bytes, bytes.len() as u64),
            Ok(_) => {}
            Err(_) => count(&self.disk_errors, 1),
        }
        if let DiskOp::Sync { path, .. } = op {
            // The log is all that lies in the broker's folder itself.
            count(&self.log_syncs, u64::from(path.parent() == Path::root()));
            let slot = BOUNDS.iter().position(|(_, most)| took.0 <= *most).unwrap_or(BOUNDS.len());
            count(&self.syncs[slot], 1);
            count(&self.sync_nanos, took.0);
        }
    }

    fn panicked(&self, _: bool) {
        count(&self.panics, 1);
    }
}

impl Counters {
    /// Everything, in Prometheus' text format. `status` is missing if the broker did not answer.
    pub(super) fn render(&self, status: Option<&Status>) -> String {
        let mut text = String::new();
        let mut say = |kind: &str, name: &str, help: &str, value: u64| {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "# HELP onceward_{name} {help}\n# TYPE onceward_{name} {kind}\nonceward_{name} {value}"
            );
        };
        let ready = status.is_some_and(|status| matches!(status.phase, Phase::Ready));
        let full = status.is_some_and(|status| matches!(status.phase, Phase::Full));
        say("gauge", "ready", "Whether the broker takes messages.", ready.into());
        say("gauge", "disk_full", "Whether the broker refuses messages for want of space.", full.into());
        if let Some(status) = status {
            say("gauge", "topics", "Topics.", status.topics);
            say("gauge", "producers", "Producers that are remembered.", status.producers);
            say("gauge", "write_sessions", "Open write sessions.", status.write_sessions);
            say("gauge", "read_sessions", "Open read sessions.", status.read_sessions);
            say("gauge", "log_files", "Files that hold the log.", status.segments.into());
            say(
                "gauge",
                "log_undrained_bytes",
                "Bytes of messages that are in the log alone.",
                status.undrained,
            );
            say("gauge", "pool_files", "Files of drained messages.", status.pool_files);
            say("gauge", "pool_open_files", "Those of them that may grow.", status.open_files);
            say("counter", "checkpoints_total", "Checkpoints in the log.", status.checkpoints);
            say(
                "counter",
                "log_records_total",
                "Records of the log that are durable.",
                status.frontiers.durable,
            );
        }
        for (name, help, counter) in [
            ("calls_total", "Unary calls.", &self.calls),
            ("streams_total", "Streams that were opened.", &self.streams),
            ("stream_failures_total", "Streams that ended with an error of the API.", &self.failures),
            ("messages_received_total", "Messages from writers.", &self.messages_in),
            ("payload_received_bytes_total", "Their payloads.", &self.bytes_in),
            ("messages_sent_total", "Messages to readers.", &self.messages_out),
            ("payload_sent_bytes_total", "Their payloads.", &self.bytes_out),
            ("machine_panics_total", "Panics of the broker's machine.", &self.panics),
            ("disk_written_bytes_total", "Bytes written to files.", &self.written_bytes),
            ("disk_read_bytes_total", "Bytes read from files.", &self.read_bytes),
            ("disk_errors_total", "Operations on files that failed.", &self.disk_errors),
            ("log_syncs_total", "Syncs of the log, each of a group of records.", &self.log_syncs),
        ] {
            say("counter", name, help, counter.load(Ordering::Relaxed));
        }
        self.render_syncs(&mut text);
        text
    }

    fn render_syncs(&self, text: &mut String) {
        const NAME: &str = "onceward_disk_sync_seconds";
        let _ = writeln!(text, "# HELP {NAME} How long syncs of files take.\n# TYPE {NAME} histogram");
        let mut so_far = 0;
        for (slot, (bound, _)) in self.syncs.iter().zip(BOUNDS.iter().chain([&("+Inf", u64::MAX)])) {
            so_far += slot.load(Ordering::Relaxed);
            let _ = writeln!(text, "{NAME}_bucket{{le=\"{bound}\"}} {so_far}");
        }
        let seconds = self.sync_nanos.load(Ordering::Relaxed) as f64 / 1e9;
        let _ = writeln!(text, "{NAME}_sum {seconds}\n{NAME}_count {so_far}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onceward_core::{DiskError, SyncKind};

    #[test]
    fn what_was_counted_is_told() {
        let counters = Counters::default();
        let sync = DiskOp::Sync { path: Path::from("a"), kind: SyncKind::Data };
        counters.disk(&sync, &Ok(DiskOk::Done), Dur::micros(600));
        counters.disk(&sync, &Ok(DiskOk::Done), Dur::millis(1));
        counters.disk(&sync, &Err(DiskError::Io), Dur::secs(2));
        let drained = DiskOp::Sync { path: Path::from("pool/a"), kind: SyncKind::Data };
        counters.disk(&drained, &Ok(DiskOk::Done), Dur::secs(2));
        let write = DiskOp::Write { path: Path::from("a"), offset: 0, data: "abc".into() };
        counters.disk(&write, &Ok(DiskOk::Wrote(3)), Dur::ZERO);
        count(&counters.messages_in, 7);
        let text = counters.render(None);
        for line in [
            "onceward_ready 0",
            "onceward_messages_received_total 7",
            "onceward_disk_written_bytes_total 3",
            "onceward_disk_errors_total 1",
            "onceward_log_syncs_total 3",
            "onceward_disk_sync_seconds_bucket{le=\"0.0005\"} 0",
            "onceward_disk_sync_seconds_bucket{le=\"0.001\"} 2",
            "onceward_disk_sync_seconds_bucket{le=\"1\"} 2",
            "onceward_disk_sync_seconds_bucket{le=\"+Inf\"} 4",
            "onceward_disk_sync_seconds_sum 4.0016",
            "onceward_disk_sync_seconds_count 4",
        ] {
            assert!(text.lines().any(|there| there == line), "{line}\n{text}");
        }
        assert!(!text.contains("onceward_topics"), "nobody knows: {text}");
    }
}
