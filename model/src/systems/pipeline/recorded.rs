//! The broker in production, as a recording tells of it: alone, with everything that came to it and everything that it
//! said. What its disk holds is read by a reader that shares no code with it, and what it said is judged by the same book
//! that judges simulated brokers.

use super::{PipelineSystem, config, protocol};
use crate::{
    spec::{
        image::messages::{self, Messages},
        topic::Book,
    },
    system::RecordedSystem,
    world::{Event, Protocol, Seen, Violation, World, disk::Image},
};
use bytes::Bytes;
use onceward_core::{
    Action, CallId, ClientId, Input, NodeId, NodeInput,
    broker::{
        Broker, Config,
        api::{Message, Timer},
    },
    log::api::Phase,
    recorded::Shelf,
};
use std::{collections::BTreeMap, sync::Arc};

/// A broker by itself, as nobody simulates it: those who speak to it are on record.
#[derive(Clone, Debug)]
pub struct Served(Broker);

impl Protocol for Served {
    type Node = Broker;
    type Ghost = Book;

    fn nodes(&self) -> u16 {
        1
    }

    fn boot(&self, _node: NodeId, _config: u8) -> Broker {
        self.0.clone()
    }

    fn ghost(&self) -> Book {
        Book::of_recording()
    }

    fn observe(&self, book: &mut Book, seen: Seen, event: Event<'_, Broker>) -> Result<(), Violation> {
        match event {
            // What comes after a run that has ended may be of the same process: its streams are not known any more.
            Event::Booted(_) | Event::Crashed { .. } => book.started(),
            Event::Called(_, call, request) => book.called(of_this_run(call), request),
            Event::Lost(_, call) => book.lost(of_this_run(call)),
            Event::Stepped(_, _, actions) => {
                for action in actions {
                    match action {
                        Action::Write(conn, Message::WriteReply(said)) => {
                            book.writer_told(seen, *conn, said)?
                        }
                        Action::Write(conn, Message::ReadReply(said)) => {
                            book.reader_told(seen, *conn, said)?
                        }
                        Action::Close(conn) => book.closed(*conn),
                        // What readers are told behind an answer is of the time behind it.
                        Action::Reply(call, response) => book.replied(of_this_run(*call), response),
                        _ => {}
                    }
                }
            }
            Event::Replied(..) | Event::Refused(..) | Event::Damaged(_) => {}
        }
        Ok(())
    }

    fn settled(&self, _book: &Book, _world: &World<Served>) -> bool {
        false
    }

    fn message_label(&self, message: &Message) -> String {
        protocol::message_label(message)
    }

    fn timer_label(&self, timer: &Timer) -> String {
        config::timer_name(timer)
    }
}

impl RecordedSystem for PipelineSystem {
    type Protocol = Served;
    type Archive<'a> = Messages<'a>;

    fn cluster_of(machine: &Broker) -> Arc<Served> {
        Arc::new(Served(machine.clone()))
    }

    fn archive<'a>(machine: &Broker, files: &'a Image) -> Result<Messages<'a>, String> {
        let Config { segments, pool, .. } = machine.config();
        messages::read(files, &segments.folder, &pool.folder).map_err(|error| error.to_string())
    }

    fn content(archive: &Messages<'_>, shelf: Shelf, position: u64) -> Option<Bytes> {
        let message = archive.get(shelf.topic, shelf.partition, position)?;
        Some(Bytes::copy_from_slice(message.data))
    }

    fn hears(book: &mut Book, _seen: Seen, input: &NodeInput<Broker>) {
        match input {
            Input::Received(conn, Message::Write(said)) => book.writer_said(*conn, said),
            Input::Received(conn, Message::Read(said)) => book.reader_said(*conn, said),
            Input::Closed(conn, _) => book.closed(*conn),
            _ => {}
        }
    }

    fn resume(
        book: &mut Book,
        machine: &Broker,
        _archive: &Messages<'_>,
        _seen: Seen,
    ) -> Result<bool, Violation> {
        if machine.phase() == Phase::Recovering {
            return Ok(false);
        }
        // Others may have been made, and some of these made anew, by processes that nobody recorded.
        book.only(topics(machine));
        book.remembers(machine.config().producers.saturating_sub(machine.producers()));
        Ok(true)
    }

    fn outcome(
        book: &mut Book,
        machine: &Broker,
        _files: &Image,
        archive: &Messages<'_>,
        _seen: Seen,
    ) -> Result<(), Violation> {
        let known: BTreeMap<Arc<str>, u64> = topics(machine).collect();
        book.keeps(|path| known.get(path).copied(), archive)
    }
}

fn topics(machine: &Broker) -> impl Iterator<Item = (Arc<str>, u64)> {
    machine.topics().map(|(path, id)| (path.clone(), id))
}

/// Calls of several runs do not meet: each run ends with all of them lost.
fn of_this_run(call: CallId) -> CallId {
    CallId { client: ClientId(0), ..call }
}
