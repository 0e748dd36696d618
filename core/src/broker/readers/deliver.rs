//! From records to readers: which record is fetched next and for whom, and how what comes is cut to what a reader has
//! asked for. It decides whose turn it is; it never decides who has a partition.

use super::super::catalogue::{PartitionId, Place};
use super::super::status::{UNAVAILABLE, status};
use super::session::Asked;
use super::{Ask, Fetched, MESSAGE_COST, Out, Reader, Readers, Wish};
use crate::ConnId;
use crate::reader::wire::{Batch, FromServer, PartitionData, Range};
use crate::writer::wire::Numbered;
use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec::Vec,
};

/// A record: whose messages it holds, and the offset of the first.
type RecordId = (PartitionId, u64);

/// Records that are being fetched.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Fetches {
    /// The last token.
    last: u64,
    outstanding: BTreeMap<u64, Fetch>,
    /// The tokens of those for which somebody still waits.
    wanted: BTreeMap<RecordId, u64>,
    /// Sessions that have a turn to come.
    queue: VecDeque<ConnId>,
    /// Records that were read in part, the latest last.
    kept: VecDeque<(RecordId, Arc<Batch>)>,
}

/// A record that is being fetched.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Fetch {
    record: RecordId,
    readers: Vec<Reader>,
}

impl Fetches {
    /// A session is over.
    pub(super) fn leave(&mut self, conn: ConnId, queued: bool) {
        if queued {
            self.queue.retain(|other| *other != conn);
        }
    }

    /// Nothing is on its way or about to be.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.outstanding.is_empty() && self.wanted.is_empty() && self.queue.is_empty()
    }

    /// The sessions that have a turn to come, and how many records are kept.
    #[cfg(test)]
    pub(super) fn held(&self) -> (Vec<ConnId>, usize) {
        (self.queue.iter().copied().collect(), self.kept.len())
    }

    /// Takes out a record that was kept.
    fn take_kept(&mut self, record: RecordId) -> Option<Arc<Batch>> {
        let index = self.kept.iter().position(|(kept, _)| *kept == record)?;
        self.kept.remove(index).map(|(_, batch)| batch)
    }

    fn keep(&mut self, record: RecordId, batch: Arc<Batch>, most: usize) {
        self.take_kept(record);
        self.kept.push_back((record, batch));
        while self.kept.len() > most {
            self.kept.pop_front();
        }
    }
}

impl Readers {
    /// Gives a session a turn if it has a use for it.
    pub(super) fn wake(&mut self, ask: Ask<'_>, conn: ConnId) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if !session.queued && session.hungry(ask.config.response_bytes.into()) {
            session.queued = true;
            self.fetches.queue.push_back(conn);
        }
    }

    /// Fetches as much as may be, a record at a turn.
    pub(super) fn fetch(&mut self, ask: Ask<'_>, out: &mut Out) {
        while self.fetches.outstanding.len() < ask.config.fetches as usize
            && let Some(conn) = self.fetches.queue.pop_front()
        {
            let Some(session) = self.sessions.get_mut(&conn) else { continue };
            session.queued = false;
            if session.hungry(ask.config.response_bytes.into())
                && let Some(id) = session.next_ready()
            {
                self.fetch_next(ask, (conn, id), out);
            }
            self.wake(ask, conn);
        }
    }

    /// Fetches the next record for a partition session.
    fn fetch_next(&mut self, ask: Ask<'_>, reader: Reader, out: &mut Out) {
        let (conn, id) = reader;
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let Some(part) = session.parts.get_mut(&id) else {
            session.ready.remove(&id);
            return;
        };
        let Some(partition) = ask.catalogue.partition(part.at) else { return };
        let first = part.next().max(partition.start);
        let span = match partition.place(first) {
            Some(Place::Here(span)) => span,
            // It is woken when that has been read.
            Some(Place::Stored) => {
                session.ready.remove(&id);
                return out.push(Wish::Load { at: part.at, offset: first });
            }
            None => {
                session.ready.remove(&id);
                return;
            }
        };
        if first > part.next() {
            out.push(Wish::Mark("a reader goes on behind what was given up"));
        }
        let record = (part.at, span.first);
        let (end, bytes) = (span.end(), span.at.len.into());
        let mut asked = Asked { token: 0, record: span.first, first, end, bytes, batch: None };
        session.planned += asked.bytes;
        if asked.end >= partition.end {
            session.ready.remove(&id);
        }
        if let Some(batch) = self.fetches.take_kept(record) {
            asked.batch = Some(batch);
            part.asked.push_back(asked);
            return self.deliver(ask, reader, out);
        }
        session.awaited += 1;
        asked.token = match self.fetches.wanted.get(&record) {
            Some(token) => {
                out.push(Wish::Mark("readers share a fetch"));
                *token
            }
            None => {
                self.fetches.last += 1;
                let token = self.fetches.last;
                self.fetches.wanted.insert(record, token);
                self.fetches.outstanding.insert(token, Fetch { record, readers: Vec::new() });
                out.push(Wish::Fetch { token, at: part.at, span });
                token
            }
        };
        if let Some(fetch) = self.fetches.outstanding.get_mut(&asked.token) {
            fetch.readers.push(reader);
        }
        part.asked.push_back(asked);
    }

    /// A fetch is answered.
    pub(super) fn take(&mut self, ask: Ask<'_>, token: u64, result: &Fetched, out: &mut Out) {
        let Some(fetch) = self.fetches.outstanding.remove(&token) else { return };
        self.fetches.wanted.remove(&fetch.record);
        for reader in fetch.readers {
            let (conn, id) = reader;
            let Some(session) = self.sessions.get_mut(&conn) else { continue };
            let Some(part) = session.parts.get_mut(&id) else { continue };
            let Some(index) = part.asked.iter().position(|asked| asked.token == token) else { continue };
            match result {
                Fetched::Batch(batch) => {
                    part.asked[index].batch = Some(batch.clone());
                    session.awaited -= 1;
                    self.deliver(ask, reader, out);
                }
                Fetched::Moved => {
                    out.push(Wish::Mark("a record moved under a reader"));
                    self.forget_asked(reader, index);
                    self.look(ask, reader, out);
                }
                Fetched::Failed => {
                    self.fail(conn, status(UNAVAILABLE, "messages cannot be read now"), out);
                }
            }
        }
    }

    /// What stands in a file of the pool cannot be read now.
    pub(super) fn cannot_read(&mut self, at: PartitionId, range: Range, out: &mut Out) {
        for reader in self.watchers(at) {
            let (conn, id) = reader;
            let part = self.sessions.get(&conn).and_then(|session| session.parts.get(&id));
            if part.is_some_and(|part| part.reads() && (range.start..range.end).contains(&part.next())) {
                self.fail(conn, status(UNAVAILABLE, "messages cannot be read now"), out);
            }
        }
    }

    /// Gives up what was asked for a partition session, from the index on.
    pub(super) fn forget_asked(&mut self, reader: Reader, index: usize) {
        let (conn, id) = reader;
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let Some(part) = session.parts.get_mut(&id) else { return };
        session.ready.remove(&id);
        for asked in part.asked.drain(index.min(part.asked.len())..) {
            session.planned -= asked.bytes;
            if asked.batch.is_some() {
                continue;
            }
            session.awaited -= 1;
            if let Some(fetch) = self.fetches.outstanding.get_mut(&asked.token) {
                fetch.readers.retain(|other| *other != reader);
            }
        }
    }

    /// Sends what has come for a partition session, as far as it is next and asked for.
    fn deliver(&mut self, ask: Ask<'_>, reader: Reader, out: &mut Out) {
        let (conn, id) = reader;
        let response = u64::from(ask.config.response_bytes);
        loop {
            let Some(session) = self.sessions.get_mut(&conn) else { return };
            let Some(part) = session.parts.get_mut(&id) else { return };
            let Some(asked) = part.asked.front() else { break };
            let Some(batch) = asked.batch.clone() else { break };
            let (record, end, bytes) = (asked.record, asked.end, asked.bytes);
            let first = part.position.max(asked.first);
            if batch.offset > first || batch.offset.saturating_add(batch.messages.len() as u64) < end {
                return self.fail(conn, status(UNAVAILABLE, "messages are not where they should be"), out);
            }
            if part.young.is_some_and(|young| batch.written_at < young) {
                part.first = part.first.max(end);
                part.move_to(end);
                session.planned -= bytes;
                part.asked.pop_front();
                continue;
            }
            part.young = None;
            // Both ends are within the batch.
            let rest = &batch.messages[(first - batch.offset) as usize..(end - batch.offset) as usize];
            let mut messages = Vec::new();
            for message in rest {
                let header = if messages.is_empty() { batch_cost(&batch) } else { 0 };
                let cost = header + message_cost(message);
                let full = session.load.bytes > 0 && session.load.bytes + cost > response;
                if full || session.credit <= 0 {
                    break;
                }
                session.load.bytes += cost;
                session.credit = session.credit.saturating_sub_unsigned(cost);
                messages.push(message.clone());
            }
            let position = first + messages.len() as u64;
            part.move_to(position);
            if !messages.is_empty() {
                let cut = Batch {
                    offset: first,
                    producer_id: batch.producer_id.clone(),
                    session_meta: batch.session_meta.clone(),
                    codec: batch.codec,
                    written_at: batch.written_at,
                    messages,
                };
                session.load.partitions.entry(id).or_default().push(cut);
                self.loaded.insert(conn);
            }
            if position == end {
                session.planned -= bytes;
                part.asked.pop_front();
            } else if session.credit > 0 {
                out.push(Wish::Mark("a record is sent in parts"));
                self.send_load(ask, conn, out);
            } else {
                out.push(Wish::Mark("a reader has used up its credit"));
                let record = (part.at, record);
                self.fetches.keep(record, batch, ask.config.fetches as usize);
                self.forget_asked(reader, 0);
                if let Some(session) = self.sessions.get_mut(&conn) {
                    session.ready.insert(id);
                }
                return;
            }
        }
        self.wake(ask, conn);
    }

    /// Sends what is about to be sent where nothing more is to come soon. Says whether there was anything.
    pub(super) fn send_loads(&mut self, ask: Ask<'_>, out: &mut Out) -> bool {
        let due = self.loaded.iter().copied().filter(|conn| {
            let session = self.sessions.get(conn);
            session.is_some_and(|it| it.awaited == 0 || it.load.bytes >= ask.config.response_bytes.into())
        });
        let due: Vec<ConnId> = due.collect();
        due.iter().for_each(|conn| self.send_load(ask, *conn, out));
        !due.is_empty()
    }

    /// Sends what is about to be sent.
    pub(super) fn send_load(&mut self, ask: Ask<'_>, conn: ConnId, out: &mut Out) {
        if !self.loaded.remove(&conn) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let load = core::mem::take(&mut session.load);
        let parts = load.partitions.into_iter();
        let partitions = parts.map(|(session, batches)| PartitionData { session, batches }).collect();
        out.push(Wish::Send(conn, FromServer::Data { partitions, bytes: load.bytes }));
        self.wake(ask, conn);
    }
}

/// What a message takes of a reader's credit.
fn message_cost(message: &Numbered) -> u64 {
    let metadata: usize = message.payload.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    MESSAGE_COST + (message.payload.data.len() + metadata) as u64
}

/// What the first message of a batch takes besides.
fn batch_cost(batch: &Batch) -> u64 {
    let meta: usize = batch.session_meta.iter().map(|(name, value)| name.len() + value.len()).sum();
    (batch.producer_id.len() + meta) as u64
}
