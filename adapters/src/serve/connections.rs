//! Connections from the machine's side: where its words for each go, and the port that it reaches them and its files by.
//! Decides which numbers connections have, and nothing of what is said on them.
//!
//! Invariant: a number is in use by one connection at most.

use super::disk::DiskThreads;
use crate::driver::Outgoing;
use crate::driver::Port;
use crate::driver::port::HostPort;
use onceward_core::broker::api::Message;
use onceward_core::{CallId, Clock, ConnId, DiskOp, DiskResult, Mark, Node, NodeId, OpId};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// What goes out on a connection.
#[derive(Debug)]
pub(crate) enum Word {
    /// The broker speaks.
    Said(Message),
    /// The edge has found something wrong: the last word.
    Failed(onceward_core::writer::wire::Status),
    /// The transport has failed: the last word.
    Broken(tonic::Status),
}

/// Where words for a connection go.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    words: mpsc::UnboundedSender<Word>,
    queued: Arc<AtomicUsize>,
}

impl Sink {
    /// A sink, its other end, and how many words are between the two.
    pub(crate) fn new() -> (Sink, mpsc::UnboundedReceiver<Word>, Arc<AtomicUsize>) {
        let (words, receiver) = mpsc::unbounded_channel();
        let queued = Arc::new(AtomicUsize::new(0));
        (Sink { words, queued: queued.clone() }, receiver, queued)
    }

    pub(crate) fn send(&self, word: Word) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        // A client that is gone hears nothing more; its stream tells the machine.
        let _ = self.words.send(word);
    }
}

/// Open connections, by name.
#[derive(Clone, Default)]
pub(super) struct Connections(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    sinks: BTreeMap<ConnId, Sink>,
    last: u32,
}

impl Connections {
    /// Clients are all one node to the machine.
    const CLIENTS: NodeId = NodeId(1);

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, sink: Sink) -> ConnId {
        let mut open = self.lock();
        loop {
            open.last = open.last.wrapping_add(1);
            let conn = ConnId { initiator: Connections::CLIENTS, number: open.last };
            if let Entry::Vacant(free) = open.sinks.entry(conn) {
                free.insert(sink);
                return conn;
            }
        }
    }

    pub(super) fn has(&self, conn: ConnId) -> bool {
        self.lock().sinks.contains_key(&conn)
    }

    fn send(&self, conn: ConnId, message: Message) {
        if let Some(sink) = self.lock().sinks.get(&conn) {
            sink.send(Word::Said(message));
        }
    }

    pub(super) fn remove(&self, conn: ConnId) -> bool {
        self.lock().sinks.remove(&conn).is_some()
    }

    pub(super) fn clear(&self) {
        let unavailable = tonic::Status::unavailable("the broker has failed and recovers");
        for (_, sink) in std::mem::take(&mut self.lock().sinks) {
            sink.send(Word::Broken(unavailable.clone()));
        }
    }
}

/// Files and connections.
pub(super) struct NetPort {
    pub(super) disk: HostPort<DiskThreads>,
    pub(super) connections: Connections,
}

impl<N: Node<Message = Message>> Port<N> for NetPort {
    fn now(&mut self) -> Clock {
        Port::<N>::now(&mut self.disk)
    }

    fn entropy(&mut self) -> u64 {
        Port::<N>::entropy(&mut self.disk)
    }

    fn disk(&mut self, id: OpId, op: DiskOp) {
        Port::<N>::disk(&mut self.disk, id, op);
    }

    fn completions(&mut self, into: &mut Vec<(OpId, DiskResult)>) {
        Port::<N>::completions(&mut self.disk, into);
    }

    fn ready(&self) -> bool {
        Port::<N>::ready(&self.disk)
    }

    fn reply(&mut self, call: CallId, response: N::Response) {
        Port::<N>::reply(&mut self.disk, call, response);
    }

    fn network(&mut self, action: Outgoing<Message>) {
        match action {
            Outgoing::Write(conn, message) => self.connections.send(conn, message),
            Outgoing::Close(conn) => {
                self.connections.remove(conn);
            }
            // A broker speaks to those who came to it.
            other => Port::<N>::network(&mut self.disk, other),
        }
    }

    fn mark(&mut self, mark: Mark) {
        Port::<N>::mark(&mut self.disk, mark);
    }

    fn abandon(&mut self) {
        self.connections.clear();
        Port::<N>::abandon(&mut self.disk);
    }
}
