//! What callers may do, in words, and what travels, in a word or two.

use super::{Pipeline, Request};
use crate::{
    system::{Numbering, Problem, Verb, Word},
    systems::writer::verbs,
};
use onceward_core::{
    CallId, ClientId, NodeId,
    reader::wire::{FromClient, FromServer},
};

/// The verbs that this system adds to the language: those of writers, without the moods of their server.
pub(super) const VERBS: &[Verb] = verbs::VERBS.split_at(4).0;

/// Reads a call.
pub(super) fn parse(
    pipeline: &Pipeline,
    numbering: &mut Numbering,
    words: &[Word],
) -> Result<(NodeId, CallId, Request), Problem> {
    let [client, verb, node, rest @ ..] = words else {
        return Err(Problem::missing(
            words,
            "a client, a verb and a writer, as in `client-1 writes writer-1`",
        ));
    };
    let client = client.numbered("client", pipeline.clients)?;
    let mut rest = rest.iter();
    let request = match verb.text.as_str() {
        "writes" => verbs::write(&mut rest)?,
        "flushes" => Request::Flush,
        "closes" => Request::Close,
        "destroys" => Request::Destroy,
        _ => return Err(verb.problem("`writes`, `flushes`, `closes` or `destroys`")),
    };
    let node = NodeId(node.numbered("writer", pipeline.writers)?);
    match rest.next() {
        Some(word) => Err(word.problem("nothing more")),
        None => Ok((node, numbering.next(ClientId(client - 1)), request)),
    }
}

/// What a reader says.
pub(super) fn reader_says(said: &FromClient) -> String {
    match said {
        FromClient::Init(_) => "read".into(),
        FromClient::Read { bytes } => format!("more-{bytes}"),
        FromClient::Commit(commits) => {
            let one = |commit: &onceward_core::reader::wire::Commit| {
                let ranges: Vec<String> =
                    commit.ranges.iter().map(|range| format!("{}..{}", range.start, range.end)).collect();
                format!("{}:{}", commit.session.0, ranges.join("+"))
            };
            format!("commit-{}", commits.iter().map(one).collect::<Vec<_>>().join("-"))
        }
        FromClient::Status(session) => format!("how-{}", session.0),
        FromClient::Started { session, .. } => format!("started-{}", session.0),
        FromClient::Stopped(session) => format!("stopped-{}", session.0),
        FromClient::UpdateToken(_) => "token".into(),
    }
}

/// What a reader is told.
pub(super) fn reader_hears(said: &FromServer) -> String {
    match said {
        FromServer::Init { .. } => "reading".into(),
        FromServer::Data { partitions, .. } => {
            let one = |data: &onceward_core::reader::wire::PartitionData| {
                let first = data.batches.first().map_or(0, |batch| batch.offset);
                let end = data.batches.last().map_or(0, |batch| batch.offset + batch.messages.len() as u64);
                format!("{}:{first}..{end}", data.session.0)
            };
            format!("data-{}", partitions.iter().map(one).collect::<Vec<_>>().join("-"))
        }
        FromServer::Start { session, partition, committed, .. } => {
            format!("start-{}-of-{partition}-at-{committed}", session.0)
        }
        FromServer::Stop { session, graceful, .. } => {
            format!("{}-{}", if *graceful { "stop" } else { "lost" }, session.0)
        }
        FromServer::Committed(commits) => {
            let one = |(session, offset): &(onceward_core::reader::wire::PartitionSessionId, u64)| {
                format!("{}:{offset}", session.0)
            };
            format!("committed-{}", commits.iter().map(one).collect::<Vec<_>>().join("-"))
        }
        FromServer::Status { session, .. } => format!("status-{}", session.0),
        FromServer::TokenUpdated => "token-taken".into(),
        FromServer::Failed(status) => format!("failed-{}", status.code),
    }
}
