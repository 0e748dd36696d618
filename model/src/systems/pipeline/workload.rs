//! Random work for a pipeline: callers that write, flush and close. Draws and performs nothing. Everything about one call is
//! drawn from a key of its own.

use super::{Pipeline, Request};
use crate::{
    system::spread,
    world::{ChoiceOf, Key, Time},
};
use onceward_core::{ClientId, Dur, NodeId, writer::wire::Codec};

/// Draws about `calls` calls within `span`, in order of time.
pub(super) fn draw(pipeline: &Pipeline, key: Key, calls: u32, span: Dur) -> Vec<(Time, ChoiceOf<Pipeline>)> {
    let bits = key.draw(u32::MAX);
    let on = |n: u32| bits >> n & 1 == 1;
    let (ends, codecs) = (on(0) && on(1), on(2));
    spread::<Pipeline>(key, calls, span, |key| {
        let client = ClientId(key.below(0, u64::from(pipeline.clients)) as u16);
        let writer = NodeId(1 + key.below(1, u64::from(pipeline.writers)) as u16);
        let request = match key.below(2, 100) {
            0..8 => Request::Flush,
            8..9 if ends => Request::Close,
            9..10 if ends => Request::Destroy,
            _ => {
                let gzip = codecs && key.chance(3, 300_000);
                let codec = if gzip { Codec::GZIP } else { Codec::RAW };
                Request::Write { codec, seq_no: None, bytes: key.below(4, 40) as u32 }
            }
        };
        (writer, client, request)
    })
}
