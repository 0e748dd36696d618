//! How an event store is set up. This module holds bounds and their defaults; it decides nothing else.

use crate::{
    ConfigError, Path,
    bounds::{MANY, within},
    log::{api::Promise, segments},
};

/// The bounds of an event store. [`Config::new`] gives sensible values, [`Config::validate`] checks them.
///
/// The dedup horizon is part of what the store promises: raising or lowering it between incarnations changes which
/// retries are recognised from then on; with the same value every incarnation recognises the same ones.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Config {
    /// How the files are kept.
    pub segments: segments::Config,
    /// When appends are answered and shown. [`Promise::Durable`] unless somebody asks for less.
    pub promise: Promise,
    /// Most bytes in one payload: 1 to 64 MiB.
    pub payload_bytes: u32,
    /// Most events in one request: 1 to 65,536.
    pub request_events: u32,
    /// Most payload bytes in one request, at least `payload_bytes`, at most 64 MiB. The whole request must fit into the
    /// segments' queue with 1,024 bytes more for each event.
    pub request_bytes: u32,
    /// Most appends that wait for their turn; at least 1.
    pub queue_requests: u32,
    /// Most payload bytes in appends that wait for their turn; at least `request_bytes`.
    pub queue_bytes: u64,
    /// How many of the waiting appends a shutdown still carries out; the others are refused.
    pub drain_requests: u32,
    /// A key is remembered while fewer than this many events stand behind the first event of its request; at least 1.
    /// Beyond, a retry is a new request (and is still refused for its event ids).
    pub dedup_horizon: u64,
    /// Most subscriptions at a time.
    pub subscriptions: u32,
    /// Most notifications that one subscription may ask to be kept; at least 1.
    pub notifications: u32,
    /// Most calls, appends apart, that wait at a time: reads, waits, barriers, verifications; at least 1.
    pub waiting_calls: u32,
    /// Most events in one answer; at least 1.
    pub read_events: u32,
    /// Most payload bytes in one answer (the first event is given whatever its size); at least 1.
    pub read_bytes: u32,
    /// Longest chain of causes that is followed; at least 1.
    pub causes: u32,
    /// Most readers with a saved cursor; at least 1.
    pub readers: u32,
    /// Most bytes of decoded footers that are kept for reads of sealed segments; one is kept whatever its size.
    pub cache_bytes: u64,
    /// Most reads of the disk that are under way at a time, 1 to 64.
    pub fetches: u32,
}

impl Config {
    /// Sensible values for a store of its own in `folder`; see [`segments::Config::new`] for the files.
    pub fn new(folder: Path, store_id: u128) -> Config {
        Config {
            segments: segments::Config::new(folder, store_id),
            promise: Promise::Durable,
            payload_bytes: 1 << 20,
            request_events: 1024,
            request_bytes: 4 << 20,
            queue_requests: 1024,
            queue_bytes: 16 << 20,
            drain_requests: 1024,
            dedup_horizon: 1_000_000,
            subscriptions: 256,
            notifications: 1 << 16,
            waiting_calls: 4096,
            read_events: 4096,
            read_bytes: 16 << 20,
            causes: 4096,
            readers: 4096,
            cache_bytes: 32 << 20,
            fetches: 16,
        }
    }

    /// Checks all bounds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        const MIB: u64 = 1 << 20;
        self.segments.validate()?;
        let payload = u64::from(self.payload_bytes);
        let request = u64::from(self.request_bytes);
        let events = u64::from(self.request_events);
        within("payload_bytes", payload, 1, 64 * MIB, "")?;
        within("request_events", events, 1, 65_536, "")?;
        within("request_bytes", request, payload, 64 * MIB, ", from payload_bytes on")?;
        let whole = request + events * RECORD_OVERHEAD;
        within(
            "segments.queue_bytes",
            self.segments.queue_bytes,
            whole,
            u64::MAX,
            " to take in the largest request",
        )?;
        within("queue_requests", self.queue_requests.into(), 1, MANY, "")?;
        within("queue_bytes", self.queue_bytes, request, u64::MAX, ", from request_bytes on")?;
        within("dedup_horizon", self.dedup_horizon, 1, u64::MAX, "")?;
        within("notifications", self.notifications.into(), 1, MANY, "")?;
        within("waiting_calls", self.waiting_calls.into(), 1, MANY, "")?;
        within("read_events", self.read_events.into(), 1, MANY, "")?;
        within("read_bytes", self.read_bytes.into(), 1, MANY, "")?;
        within("causes", self.causes.into(), 1, MANY, "")?;
        within("readers", self.readers.into(), 1, MANY, "")?;
        within("fetches", self.fetches.into(), 1, 64, "")
    }
}

/// The most that an event costs in the segments' queue besides its payload: three names of 255 bytes, four ids, and
/// what the queue adds for a record.
const RECORD_OVERHEAD: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Config::new(Path::from("store"), 1).validate().unwrap();
    }

    #[test]
    fn each_bound_is_checked_and_named() {
        let good = Config::new(Path::from("store"), 1);
        for (field, bad) in [
            ("payload_bytes", Config { payload_bytes: 0, ..good.clone() }),
            ("request_bytes", Config { request_bytes: 1, ..good.clone() }),
            ("queue_bytes", Config { queue_bytes: 1, ..good.clone() }),
            ("dedup_horizon", Config { dedup_horizon: 0, ..good.clone() }),
            ("fetches", Config { fetches: 65, ..good.clone() }),
            ("segments.queue_bytes", Config { request_events: 65_536, ..good.clone() }),
        ] {
            assert_eq!(bad.validate().unwrap_err().field, field);
        }
    }
}
