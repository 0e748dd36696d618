//! What callers may do, in words.

use super::{Pipeline, Request};
use crate::{
    system::{Numbering, Problem, Verb, Word},
    systems::writer::verbs,
};
use onceward_core::{CallId, ClientId, NodeId};

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
