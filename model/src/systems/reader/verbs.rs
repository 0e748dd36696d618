//! What callers may do, in words: how it is read and how it is printed; and what travels, in a word or two. Every call can be
//! printed, and reads back as it was.

use super::{
    Feed, SERVER,
    wire::{Lie, Mood, Msg, Request, Timer},
};
use crate::{
    system::{Numbering, Problem, Verb, Word},
    world::client_name,
};
use onceward_core::{
    CallId, ClientId, NodeId,
    reader::wire::{Commit, FromClient, FromServer, PartitionData, PartitionSessionId},
};

/// The verbs that this system adds to the language.
pub(super) const VERBS: &[Verb] = &[
    Verb {
        word: "closes",
        usage: "client-N closes reader-M",
        help: "A client has a reader wait for its commits and end.",
    },
    Verb {
        word: "destroys",
        usage: "client-N destroys reader-M",
        help: "A client has a reader end at once.",
    },
    Verb {
        word: "makes",
        usage: "client-N makes server overload|finish|refuse N|take|ask|swallow N|halve|gap N|late|repeat|overdraw|\
                understate|give-twice|unbegun|claim N",
        help: "The server ends all streams (with OVERLOADED, or without a word), refuses the next sessions, takes all \
               partitions away or asks for them, swallows the answers to the next commits, answers commits in part \
               first, forgets the next messages, sends messages of a partition that it has asked for, or lies.",
    },
];

/// Moods that are one word.
const PLAIN: &[(&str, Mood)] = &[
    ("overload", Mood::Overload),
    ("finish", Mood::Finish),
    ("take", Mood::Take),
    ("ask", Mood::Ask),
    ("halve", Mood::Halve),
    ("late", Mood::Late),
    ("repeat", Mood::Lie(Lie::Repeat)),
    ("overdraw", Mood::Lie(Lie::Overdraw)),
    ("understate", Mood::Lie(Lie::Understate)),
    ("give-twice", Mood::Lie(Lie::GiveTwice)),
    ("unbegun", Mood::Lie(Lie::Unbegun)),
];

/// What a number makes of a mood.
type Counted = fn(u8) -> Mood;

/// Moods that are a word and a number.
const COUNTED: &[(&str, Counted)] = &[
    ("refuse", Mood::Refuse),
    ("swallow", Mood::Swallow),
    ("gap", Mood::Gap),
    ("claim", |more| Mood::Lie(Lie::Claim(more))),
];

/// Reads a call.
pub(super) fn parse(
    feed: &Feed,
    numbering: &mut Numbering,
    words: &[Word],
) -> Result<(NodeId, CallId, Request), Problem> {
    let [client, verb, node, rest @ ..] = words else {
        return Err(Problem::missing(words, "a client, a verb and a node, as in `client-1 closes reader-1`"));
    };
    let client = client.numbered("client", feed.clients)?;
    let reader = || node.numbered("reader", feed.readers).map(NodeId);
    let mut rest = rest.iter();
    let (node, request) = match verb.text.as_str() {
        "closes" => (reader()?, Request::Close),
        "destroys" => (reader()?, Request::Destroy),
        "makes" if node.text != "server" => return Err(node.problem("`server`")),
        "makes" => (SERVER, Request::Server(mood(words, &mut rest)?)),
        _ => return Err(verb.problem("`closes`, `destroys` or `makes`")),
    };
    match rest.next() {
        Some(word) => Err(word.problem("nothing more")),
        None => Ok((node, numbering.next(ClientId(client - 1)), request)),
    }
}

fn mood(words: &[Word], rest: &mut std::slice::Iter<'_, Word>) -> Result<Mood, Problem> {
    let names = || PLAIN.iter().map(|(name, _)| *name).chain(COUNTED.iter().map(|(name, _)| *name));
    let what = || format!("one of `{}`", names().collect::<Vec<_>>().join("`, `"));
    let Some(word) = rest.next() else { return Err(Problem::missing(words, what())) };
    if let Some((_, mood)) = PLAIN.iter().find(|(name, _)| *name == word.text) {
        return Ok(*mood);
    }
    let (_, counted) =
        COUNTED.iter().find(|(name, _)| *name == word.text).ok_or_else(|| word.problem(what()))?;
    let Some(count) = rest.next() else {
        return Err(Problem::missing(std::slice::from_ref(word), "a number"));
    };
    count.text.parse().map(counted).map_err(|_| count.problem("a number up to 255"))
}

/// A call as a line says it.
pub(super) fn label(node: &str, call: CallId, request: &Request) -> String {
    let said = match request {
        Request::Close => format!("closes {node}"),
        Request::Destroy => format!("destroys {node}"),
        Request::Server(mood) => format!("makes {node} {}", name(*mood)),
    };
    format!("{} {said}", client_name(call.client))
}

fn name(mood: Mood) -> String {
    match mood {
        Mood::Refuse(sessions) => format!("refuse {sessions}"),
        Mood::Swallow(commits) => format!("swallow {commits}"),
        Mood::Gap(messages) => format!("gap {messages}"),
        Mood::Lie(Lie::Claim(more)) => format!("claim {more}"),
        plain => PLAIN.iter().find(|(_, mood)| *mood == plain).map_or("", |(name, _)| *name).into(),
    }
}

/// A reader's timer, or its server's.
pub(in crate::systems) fn timer(timer: &Timer) -> String {
    match timer {
        Timer::Own(timer) => format!("{timer:?}").to_lowercase(),
        Timer::Dealt => "dealt".into(),
        Timer::Stop => "stop".into(),
    }
}

/// What travels.
pub(super) fn message(message: &Msg) -> String {
    match message {
        Msg::Up(said) => reader_says(said),
        Msg::Down(said) => reader_hears(said),
    }
}

/// What a reader says.
pub(in crate::systems) fn reader_says(said: &FromClient) -> String {
    match said {
        FromClient::Init(_) => "read".into(),
        FromClient::Read { bytes } => format!("more-{bytes}"),
        FromClient::Commit(commits) => {
            let one = |commit: &Commit| {
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
pub(in crate::systems) fn reader_hears(said: &FromServer) -> String {
    match said {
        FromServer::Init { .. } => "reading".into(),
        FromServer::Data { partitions, .. } => {
            let one = |data: &PartitionData| {
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
            let one = |(session, offset): &(PartitionSessionId, u64)| format!("{}:{offset}", session.0);
            format!("committed-{}", commits.iter().map(one).collect::<Vec<_>>().join("-"))
        }
        FromServer::Status { session, .. } => format!("status-{}", session.0),
        FromServer::TokenUpdated => "token-taken".into(),
        FromServer::Failed(status) => format!("failed-{}", status.code),
    }
}
