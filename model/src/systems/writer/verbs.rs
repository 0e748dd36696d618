//! What callers may do, in words: how it is read and how it is printed. Every call can be printed, and reads back as it was.

use super::{
    SERVER, Topic,
    wire::{Mood, Msg, Request},
};
use crate::{
    system::{Numbering, Problem, Verb, Word},
    world::client_name,
};
use onceward_core::{
    CallId, ClientId, NodeId,
    writer::wire::{AckStatus, Codec, FromClient, FromServer},
};

/// The verbs that this system adds to the language.
pub(in crate::systems) const VERBS: &[Verb] = &[
    Verb {
        word: "writes",
        usage: "client-N writes writer-M [number N] [codec N] [bytes N]",
        help: "A client has a message written, which says who it is from.",
    },
    Verb {
        word: "flushes",
        usage: "client-N flushes writer-M",
        help: "A client waits for all that is written.",
    },
    Verb {
        word: "closes",
        usage: "client-N closes writer-M",
        help: "A client has a writer deliver and end.",
    },
    Verb {
        word: "destroys",
        usage: "client-N destroys writer-M",
        help: "A client has a writer end at once.",
    },
    Verb {
        word: "makes",
        usage: "client-N makes server overload|finish|refuse N|swallow N|split|lose-first|ack-twice|claim N",
        help: "The server ends all streams (with OVERLOADED, or without a word), refuses the next sessions, swallows \
               the acknowledgements of the next requests, acknowledges one by one from now on, or lies.",
    },
];

/// Reads a call.
pub(super) fn parse(
    topic: &Topic,
    numbering: &mut Numbering,
    words: &[Word],
) -> Result<(NodeId, CallId, Request), Problem> {
    let [client, verb, node, rest @ ..] = words else {
        return Err(Problem::missing(words, "a client, a verb and a node, as in `client-1 writes writer-1`"));
    };
    let client = client.numbered("client", topic.clients)?;
    let writer = || node.numbered("writer", topic.writers).map(NodeId);
    let mut rest = rest.iter();
    let (node, request) = match verb.text.as_str() {
        "writes" => (writer()?, write(&mut rest)?),
        "flushes" => (writer()?, Request::Flush),
        "closes" => (writer()?, Request::Close),
        "destroys" => (writer()?, Request::Destroy),
        "makes" if node.text != "server" => return Err(node.problem("`server`")),
        "makes" => (SERVER, Request::Server(mood(words, &mut rest)?)),
        _ => return Err(verb.problem("`writes`, `flushes`, `closes`, `destroys` or `makes`")),
    };
    match rest.next() {
        Some(word) => Err(word.problem("nothing more")),
        None => Ok((node, numbering.next(ClientId(client - 1)), request)),
    }
}

pub(in crate::systems) fn write(rest: &mut std::slice::Iter<'_, Word>) -> Result<Request, Problem> {
    let (mut codec, mut seq_no, mut bytes) = (Codec::RAW, None, 0);
    while let Some(word) = rest.next() {
        let value = || rest.next().ok_or_else(|| Problem::missing(std::slice::from_ref(word), "a number"));
        match word.text.as_str() {
            "number" => seq_no = Some(number(value)?),
            "codec" => codec = Codec(number(value)?),
            "bytes" => bytes = number(value)?,
            _ => return Err(word.problem("`number`, `codec` or `bytes`")),
        }
    }
    Ok(Request::Write { codec, seq_no, bytes })
}

fn number<'a, N: std::str::FromStr>(value: impl FnOnce() -> Result<&'a Word, Problem>) -> Result<N, Problem> {
    let word = value()?;
    word.text.parse().map_err(|_| word.problem("a number"))
}

fn mood(words: &[Word], rest: &mut std::slice::Iter<'_, Word>) -> Result<Mood, Problem> {
    let what = "`overload`, `finish`, `refuse`, `swallow`, `split`, `lose-first`, `ack-twice` or `claim`";
    let Some(word) = rest.next() else { return Err(Problem::missing(words, what)) };
    let mut count =
        || number(|| rest.next().ok_or_else(|| Problem::missing(std::slice::from_ref(word), "a number")));
    Ok(match word.text.as_str() {
        "overload" => Mood::Overload,
        "finish" => Mood::Finish,
        "refuse" => Mood::Refuse(count()?),
        "swallow" => Mood::Swallow(count()?),
        "split" => Mood::Split,
        "lose-first" => Mood::LoseFirst,
        "ack-twice" => Mood::AckTwice,
        "claim" => Mood::Claim(count()?),
        _ => return Err(word.problem(what)),
    })
}

/// A call as a line says it.
pub(in crate::systems) fn label(node: &str, call: CallId, request: &Request) -> String {
    let said = match request {
        Request::Write { codec, seq_no, bytes } => {
            let mut said = format!("writes {node}");
            if let Some(seq_no) = seq_no {
                said += &format!(" number {seq_no}");
            }
            if *codec != Codec::RAW {
                said += &format!(" codec {}", codec.0);
            }
            if *bytes > 0 {
                said += &format!(" bytes {bytes}");
            }
            said
        }
        Request::Flush => format!("flushes {node}"),
        Request::Close => format!("closes {node}"),
        Request::Destroy => format!("destroys {node}"),
        Request::Server(mood) => {
            let mood = match mood {
                Mood::Overload => "overload".to_owned(),
                Mood::Finish => "finish".to_owned(),
                Mood::Refuse(sessions) => format!("refuse {sessions}"),
                Mood::Swallow(requests) => format!("swallow {requests}"),
                Mood::Split => "split".to_owned(),
                Mood::LoseFirst => "lose-first".to_owned(),
                Mood::AckTwice => "ack-twice".to_owned(),
                Mood::Claim(more) => format!("claim {more}"),
            };
            format!("makes {node} {mood}")
        }
    };
    format!("{} {said}", client_name(call.client))
}

/// What travels, in a word or two.
pub(in crate::systems) fn message(message: &Msg) -> String {
    let numbers = |numbers: Vec<String>| numbers.join("+");
    match message {
        Msg::Up(FromClient::Init(_)) => "init".into(),
        Msg::Up(FromClient::UpdateToken(_)) => "token".into(),
        Msg::Up(FromClient::Write { messages, .. }) => {
            format!("write-{}", numbers(messages.iter().map(|message| message.seq_no.to_string()).collect()))
        }
        Msg::Down(FromServer::Init(session)) => format!("session-after-{}", session.last_seq_no),
        Msg::Down(FromServer::TokenUpdated) => "token-taken".into(),
        Msg::Down(FromServer::Failed(status)) => format!("failed-{}", status.code),
        Msg::Down(FromServer::Acks(acks)) => {
            let one = |ack: &onceward_core::writer::wire::Ack| match ack.status {
                AckStatus::Skipped => format!("skipped-{}", ack.seq_no),
                _ => ack.seq_no.to_string(),
            };
            format!("ack-{}", numbers(acks.iter().map(one).collect()))
        }
    }
}
