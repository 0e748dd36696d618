//! Random work for writers: callers that write, flush and close, and a server with moods. Draws and performs nothing.
//! Everything about one call is drawn from a key of its own.

use super::{
    SERVER, Topic,
    wire::{Mood, Request},
};
use crate::{
    system::spread,
    world::{ChoiceOf, Key, Time},
};
use onceward_core::{ClientId, Dur, NodeId, writer::wire::Codec};

/// Draws about `calls` calls within `span`, in order of time.
pub(super) fn draw(topic: &Topic, key: Key, calls: u32, span: Dur) -> Vec<(Time, ChoiceOf<Topic>)> {
    let bits = key.draw(u32::MAX);
    let on = |n: u32| bits >> n & 1 == 1;
    let (moods, lies, ends, codecs) = (on(0), on(1) && on(2), on(3), on(4));
    spread::<Topic>(key, calls, span, |key| {
        let client = ClientId(key.below(0, u64::from(topic.clients)) as u16);
        let writer = NodeId(1 + key.below(1, u64::from(topic.writers)) as u16);
        let (node, request) = match key.below(2, 100) {
            0..8 => (writer, Request::Flush),
            8..9 if ends => (writer, Request::Close),
            9..10 if ends => (writer, Request::Destroy),
            10..18 if moods => (SERVER, Request::Server(mood(key))),
            18..19 if lies => (SERVER, Request::Server(lie(key))),
            _ => {
                let gzip = codecs && key.chance(3, 300_000);
                let codec = if gzip { Codec::GZIP } else { Codec::RAW };
                (writer, Request::Write { codec, seq_no: None, bytes: key.below(4, 40) as u32 })
            }
        };
        (node, client, request)
    })
}

fn mood(key: Key) -> Mood {
    match key.below(5, 5) {
        0 => Mood::Overload,
        1 => Mood::Finish,
        2 => Mood::Refuse(1 + key.below(6, 8) as u8),
        3 => Mood::Swallow(1 + key.below(6, 3) as u8),
        _ => Mood::Split,
    }
}

fn lie(key: Key) -> Mood {
    // Not `LoseFirst`: with the session lost as well, the last number confirms what is not there, and nobody could know.
    match key.below(7, 2) {
        0 => Mood::AckTwice,
        _ => Mood::Claim(200),
    }
}
