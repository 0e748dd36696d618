//! Numbers, moments and spans as the protocol carries them. Decides nothing; what does not fit is the nearest that does.

use super::common::{Duration, Timestamp};
use onceward_core::{Dur, Wall};

/// Nanoseconds of a second.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// Offsets, sizes and numbers are below 2^63 by far; nothing wraps if not.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn split(nanos: u64) -> (i64, i32) {
    // Neither can overflow: 2^64 nanoseconds are 2^35 seconds, and the rest is below 2^30.
    (signed(nanos / SECOND), i32::try_from(nanos % SECOND).unwrap_or(0))
}

/// A moment.
pub(crate) fn timestamp(wall: Wall) -> Timestamp {
    let (seconds, nanos) = split(wall.0);
    Timestamp { seconds, nanos }
}

/// A span.
pub(crate) fn duration(span: Dur) -> Duration {
    let (seconds, nanos) = split(span.0);
    Duration { seconds, nanos }
}
