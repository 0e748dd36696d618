//! Random work for readers: a server with moods, and callers that close readers now and then. Draws and performs nothing.
//! Everything about one call is drawn from a key of its own.

use super::{
    Feed, SERVER,
    wire::{Lie, Mood, Request},
};
use crate::{
    system::spread,
    world::{ChoiceOf, Key, Time},
};
use onceward_core::{ClientId, Dur, NodeId};

/// Draws about `calls` calls within `span`, in order of time.
pub(super) fn draw(feed: &Feed, key: Key, calls: u32, span: Dur) -> Vec<(Time, ChoiceOf<Feed>)> {
    let bits = key.draw(u32::MAX);
    let on = |n: u32| bits >> n & 1 == 1;
    let (lies, ends) = (on(0) && on(1), on(2) && on(3));
    spread::<Feed>(key, calls, span, |key| {
        let client = ClientId(key.below(0, u64::from(feed.clients)) as u16);
        let reader = NodeId(1 + key.below(1, u64::from(feed.readers)) as u16);
        let (node, request) = match key.below(2, 100) {
            0..2 if ends => (reader, Request::Close),
            2..4 if ends => (reader, Request::Destroy),
            4..6 if lies => (SERVER, Request::Server(Mood::Lie(lie(key)))),
            _ => (SERVER, Request::Server(mood(key))),
        };
        (node, client, request)
    })
}

fn mood(key: Key) -> Mood {
    let count = |most| 1 + key.below(4, most) as u8;
    match key.below(3, 9) {
        0 => Mood::Overload,
        1 => Mood::Finish,
        2 => Mood::Refuse(count(8)),
        3 => Mood::Take,
        4 => Mood::Ask,
        5 => Mood::Swallow(count(3)),
        6 => Mood::Halve,
        7 => Mood::Gap(count(3)),
        _ => Mood::Late,
    }
}

fn lie(key: Key) -> Lie {
    match key.below(3, 6) {
        0 => Lie::Repeat,
        1 => Lie::Overdraw,
        2 => Lie::Understate,
        3 => Lie::GiveTwice,
        4 => Lie::Unbegun,
        _ => Lie::Claim(1 + key.below(4, 5) as u8),
    }
}
