//! What the protocol's values mean to the broker, and back. Decides what makes no sense and says so with the name of the
//! field; it never panics on what a client sends, and decides nothing about topics.

#[cfg(test)]
mod fixtures;
pub(crate) mod read;
pub(crate) mod topic;
pub(crate) mod write;

use super::proto::common::{Duration, Issue, OffsetsRange, SupportedCodecs, Timestamp};
use super::proto::values::{SECOND, duration, signed, timestamp};
use super::status::{self, Checked, bad};
use onceward_core::reader::wire::Range;
use onceward_core::writer::wire::{Codec, Status};
use onceward_core::{Dur, Wall};

/// The only generation that a partition has: it never moves.
pub(crate) const GENERATION: i64 = 1;
/// The only node.
pub(crate) const NODE: i32 = 1;

/// A number that must not be negative.
fn natural(field: &str, number: i64) -> Checked<u64> {
    u64::try_from(number).map_err(|_| bad(field, format_args!("{number} is negative")))
}

/// The number of a partition.
fn partition(field: &str, number: i64) -> Checked<u32> {
    u32::try_from(natural(field, number)?)
        .map_err(|_| bad(field, format_args!("there is no partition {number}")))
}

fn nanos(field: &str, seconds: i64, nanos: i32) -> Checked<u64> {
    let seconds = natural(field, seconds)?;
    let nanos = u64::try_from(nanos).ok().filter(|nanos| *nanos < SECOND);
    let nanos = nanos.ok_or_else(|| bad(field, "its nanoseconds are not within a second"))?;
    seconds
        .checked_mul(SECOND)
        .and_then(|seconds| seconds.checked_add(nanos))
        .ok_or_else(|| bad(field, format_args!("{seconds} seconds are beyond what a clock can show")))
}

fn moment(field: &str, timestamp: Timestamp) -> Checked<Wall> {
    nanos(field, timestamp.seconds, timestamp.nanos).map(Wall)
}

fn span(field: &str, duration: Duration) -> Checked<Dur> {
    nanos(field, duration.seconds, duration.nanos).map(Dur)
}

fn codecs(field: &str, codecs: Option<SupportedCodecs>) -> Checked<Vec<Codec>> {
    let codecs = codecs.unwrap_or_default().codecs;
    if codecs.iter().any(|codec| *codec <= 0) {
        return Err(bad(field, "a codec has a number from 1"));
    }
    Ok(codecs.into_iter().map(Codec).collect())
}

fn supported(codecs: &[Codec]) -> Option<SupportedCodecs> {
    Some(SupportedCodecs { codecs: codecs.iter().map(|codec| codec.0).collect() })
}

fn offsets(range: Range) -> OffsetsRange {
    OffsetsRange { start: signed(range.start), end: signed(range.end) }
}

/// What every message of a stream that is no error begins with.
const OK: i32 = status::SUCCESS.cast_signed();

/// What a message of a stream that is an error consists of.
fn failed(status: &Status) -> (i32, Vec<Issue>) {
    (status::number(status), status::issues(status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_out_of_range_are_refused_by_name() {
        for (seconds, nanos) in [(-1, 0), (0, -1), (0, 1_000_000_000), (i64::MAX, 0), (i64::MIN, 0)] {
            let status = moment("written", Timestamp { seconds, nanos }).unwrap_err();
            assert_eq!(status.code, status::BAD_REQUEST);
            assert!(status.issues[0].message.starts_with("written: "), "{status:?}");
            assert!(span("lag", Duration { seconds, nanos }).is_err());
        }
    }

    proptest! {
        #[test]
        fn times_come_back(nanos: u64) {
            prop_assert_eq!(moment("", timestamp(Wall(nanos))), Ok(Wall(nanos)));
            prop_assert_eq!(span("", duration(Dur(nanos))), Ok(Dur(nanos)));
        }
    }
}
