//! What the core's words are on the wire, and what the server's mean. Decides what of an answer makes no sense and says so
//! with the name of the field; it never panics on what a server sends.

pub(super) mod read;
pub(super) mod topic;
pub(super) mod write;

use super::endpoint::Endpoint;
use crate::proto::common::{Issue as ProtoIssue, Timestamp};
use crate::proto::services::ListEndpointsResult;
use crate::proto::values::{SECOND, duration, signed, timestamp};
use onceward_core::Wall;
use onceward_core::writer::Failure;
use onceward_core::writer::wire::{Issue, Status};

/// The status of an answer that is no error.
const SUCCESS: i32 = 400_000;

/// An answer that makes sense, or why it does not.
pub(super) type Understood<T> = Result<T, String>;

/// What a status says; nothing if it is a success.
pub(super) fn status(code: i32, issues: &[ProtoIssue]) -> Result<(), Failure> {
    if code == SUCCESS { Ok(()) } else { Err(Failure::of_status(failed(code, issues))) }
}

/// A status that is an error. Issues within issues are told one after the other.
fn failed(code: i32, issues: &[ProtoIssue]) -> Status {
    fn flat(issues: &[ProtoIssue], into: &mut Vec<Issue>) {
        for issue in issues {
            into.push(Issue { code: issue.issue_code, message: issue.message.as_str().into() });
            flat(&issue.issues, into);
        }
    }
    let mut said = Vec::new();
    flat(issues, &mut said);
    Status { code: code.unsigned_abs(), issues: said }
}

/// One of the addresses that a server names: those with as little load as any, in turn.
pub(super) fn discovered(list: &ListEndpointsResult, turn: usize) -> Option<Endpoint> {
    let least = list.endpoints.iter().map(|endpoint| endpoint.load_factor).reduce(f32::min)?;
    let best: Vec<_> = list.endpoints.iter().filter(|endpoint| endpoint.load_factor <= least).collect();
    let chosen = best.get(turn % best.len().max(1))?;
    let host = match chosen.address.contains(':') && !chosen.address.starts_with('[') {
        true => format!("[{}]", chosen.address),
        false => chosen.address.clone(),
    };
    Some(Endpoint { tls: chosen.ssl, host, port: u16::try_from(chosen.port).ok()? })
}

fn natural(field: &str, number: i64) -> Understood<u64> {
    u64::try_from(number).map_err(|_| format!("{field}: {number} is negative"))
}

fn partition(field: &str, number: i64) -> Understood<u32> {
    u32::try_from(number).map_err(|_| format!("{field}: there is no partition {number}"))
}

/// A moment that a server tells for people: nothing depends on it, so one beyond what can be shown is the nearest that can.
fn moment(timestamp: Option<Timestamp>) -> Wall {
    timestamp.map_or(Wall(0), |at| Wall(nanos(at.seconds, at.nanos)))
}

fn nanos(seconds: i64, nanos: i32) -> u64 {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    seconds.saturating_mul(SECOND).saturating_add(u64::try_from(nanos).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::services::EndpointInfo;

    fn place(address: &str, port: u32, load_factor: f32) -> EndpointInfo {
        EndpointInfo { address: address.to_owned(), port, load_factor, ..EndpointInfo::default() }
    }

    #[test]
    fn the_least_loaded_take_turns() {
        let endpoints = vec![place("a", 1, 0.0), place("b", 2, 0.5), place("::1", 3, 0.0)];
        let list = ListEndpointsResult { endpoints, self_location: String::new() };
        let chosen = |turn| discovered(&list, turn).unwrap().to_string();
        assert_eq!([0, 1, 2].map(chosen), ["grpc://a:1", "grpc://[::1]:3", "grpc://a:1"]);
        assert_eq!(discovered(&ListEndpointsResult::default(), 0), None);
        let strange = ListEndpointsResult { endpoints: vec![place("a", 70_000, f32::NAN)], ..list };
        assert_eq!(discovered(&strange, 0), None);
    }

    #[test]
    fn issues_within_issues_are_told() {
        let inner = ProtoIssue { message: "why".into(), ..ProtoIssue::default() };
        let outer = ProtoIssue { message: "what".into(), issues: vec![inner], ..ProtoIssue::default() };
        let failure = status(400_070, &[outer]).unwrap_err();
        assert_eq!(failure.to_string(), "the server answers SCHEME_ERROR (400070): what: why");
        assert!(status(SUCCESS, &[]).is_ok());
    }

    #[test]
    fn moments_that_nobody_can_show_do_no_harm() {
        for (seconds, nanos) in [(-1, 0), (0, -1), (i64::MAX, i32::MAX), (i64::MIN, i32::MIN)] {
            moment(Some(Timestamp { seconds, nanos }));
        }
        assert_eq!(moment(Some(timestamp(Wall(1_234_567_890_123_456_789)))), Wall(1_234_567_890_123_456_789));
    }
}
