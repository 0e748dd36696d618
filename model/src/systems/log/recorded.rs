//! The event store in production, as a recording tells of it: what its log holds is read from its files by the same
//! reader that judges disks without power, which shares no code with the store.

use super::{Ghost, Log, LogSystem};
use crate::{
    spec::image::{self, Stored},
    system::RecordedSystem,
    world::{Geometry, Seen, Violation, disk::Image},
};
use bytes::Bytes;
use onceward_core::{
    log::{
        api::{Event, EventId, Hash256, Hlc, Name, Phase},
        store::EventStore,
    },
    recorded::Shelf,
};
use std::sync::Arc;

impl RecordedSystem for LogSystem {
    type Protocol = Log;
    type Archive<'a> = Vec<(Event, Hash256)>;

    fn cluster_of(machine: &EventStore) -> Arc<Log> {
        let configs = vec![machine.config().clone()];
        Arc::new(Log { configs, clients: 1, geometry: Geometry::default() })
    }

    fn archive<'a>(machine: &EventStore, files: &'a Image) -> Result<Self::Archive<'a>, String> {
        let contents =
            image::read(files, &machine.config().segments.folder).map_err(|error| error.to_string())?;
        (0..).zip(contents.events).map(|(position, stored)| event(position, stored)).collect()
    }

    fn content(archive: &Self::Archive<'_>, _shelf: Shelf, position: u64) -> Option<Bytes> {
        let (event, _) = archive.get(usize::try_from(position).ok()?)?;
        Some(event.payload.clone())
    }

    fn resume(
        ghost: &mut Ghost,
        machine: &EventStore,
        archive: &Self::Archive<'_>,
        seen: Seen,
    ) -> Result<bool, Violation> {
        if matches!(machine.phase(), Phase::Recovering) {
            return Ok(false);
        }
        let visible = usize::try_from(machine.frontiers().visible).unwrap_or(usize::MAX);
        for (event, chain) in archive.iter().take(visible) {
            ghost.history.adopt(seen, event, *chain)?;
        }
        Ok(true)
    }

    fn outcome(
        ghost: &mut Ghost,
        machine: &EventStore,
        files: &Image,
        archive: &Self::Archive<'_>,
        seen: Seen,
    ) -> Result<(), Violation> {
        // What was appended since, by processes that were not recorded.
        for (event, chain) in archive {
            ghost.history.adopt(seen, event, *chain)?;
        }
        image::judge(&ghost.history, files, &machine.config().segments.folder)
    }
}

/// An event as its file has it. The store has checked its names when it took it.
fn event(position: u64, stored: Stored) -> Result<(Event, Hash256), String> {
    let name = |text: &str| Name::new(text).map_err(|bad| format!("position {position}: {text:?}: {bad}"));
    let event = Event {
        position,
        sequence: stored.sequence,
        entity: name(&stored.entity)?,
        id: EventId(stored.id),
        kind: name(&stored.kind)?,
        scope: name(&stored.scope)?,
        correlation: EventId(stored.correlation),
        causation: stored.causation.map(EventId),
        time: Hlc { millis: stored.time >> 16, counter: (stored.time & 0xffff) as u32 },
        content: Hash256(*blake3::hash(&stored.payload).as_bytes()),
        payload: Bytes::from(stored.payload),
    };
    Ok((event, Hash256(stored.link)))
}
