//! Partition sessions: how each begins and ends, and what its reader says about it. It decides what of that counts.

use super::super::catalogue::PartitionId;
use super::super::mutants::mutant;
use super::super::status::{BAD_REQUEST, OVERLOADED, status};
use super::commits::Fault;
use super::session::Part;
use super::{Ask, Out, Reader, Readers, Wish};
use crate::ConnId;
use crate::reader::wire::{Commit, FromServer, PartitionSessionId};
use crate::writer::wire::Status;
use alloc::{string::ToString, vec, vec::Vec};

impl Readers {
    /// Offers a partition to a session.
    pub(super) fn offer(
        &mut self,
        ask: Ask<'_>,
        conn: ConnId,
        at: PartitionId,
        out: &mut Out,
    ) -> Option<PartitionSessionId> {
        let session = self.sessions.get_mut(&conn)?;
        let partition = ask.catalogue.partition(at)?;
        let want = session.wants.iter().find(|want| want.topic == at.topic)?;
        session.last.0 += 1;
        let mut id = session.last;
        if mutant!(PartitionSessionsReused) {
            let of_partition = PartitionSessionId(u64::from(at.number) + 1);
            id = if session.parts.contains_key(&of_partition) { id } else { of_partition };
        }
        let (available, committed) = (partition.available(), partition.committed(&session.consumer));
        let first = want.first(ask.clock, ask.catalogue, &session.consumer, at);
        let start = FromServer::Start {
            session: id,
            path: want.path.clone(),
            partition: at.number,
            committed,
            available,
        };
        session.parts.insert(id, Part::new(at, available.start, first, committed));
        self.watchers.entry(at).or_default().insert((conn, id));
        out.push(Wish::Send(conn, start));
        Some(id)
    }

    /// A reader is ready for a partition.
    pub(super) fn started(
        &mut self,
        ask: Ask<'_>,
        (conn, id): Reader,
        read_offset: Option<u64>,
        commit_offset: Option<u64>,
        out: &mut Out,
    ) -> Result<(), Status> {
        let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
        let Some(part) = session.parts.get_mut(&id) else { return Ok(()) };
        let Some(partition) = ask.catalogue.partition(part.at) else { return Ok(()) };
        if part.started {
            return Err(bad("a partition session was started twice"));
        }
        let commit = commit_offset.unwrap_or(0);
        if commit > 0 && session.consumer.is_empty() {
            return Err(bad("a commit without a consumer"));
        }
        if commit > partition.end {
            return Err(bad("a commit offset behind the end of the partition"));
        }
        match read_offset {
            Some(read) if read < part.offered => {
                return Err(bad("a read offset before the start of the partition"));
            }
            Some(read) if read > partition.end => {
                return Err(bad("a read offset behind the end of the partition"));
            }
            Some(read) if read < commit => return Err(bad("a read offset before the commit offset")),
            Some(read) => {
                part.move_to(read);
                part.young = None;
            }
            None => part.move_to(part.position.max(commit)),
        }
        part.started = true;
        part.commits.skip_to(commit);
        let at = part.at;
        if commit > 0 {
            self.commit(ask, conn, at, commit, out);
        }
        self.look(ask, (conn, id), out);
        Ok(())
    }

    /// There may be something to be sent in a partition session, or offsets that need not be committed any more.
    pub(super) fn look(&mut self, ask: Ask<'_>, (conn, id): Reader, out: &mut Out) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let Some(part) = session.parts.get_mut(&id) else { return };
        let Some(partition) = ask.catalogue.partition(part.at) else { return };
        if part.reads() && part.next() < partition.end {
            session.ready.insert(id);
        }
        if part.commits.waits()
            && let Some(done) = part.commits.advance(part.first.max(partition.start))
        {
            let at = part.at;
            self.commit(ask, conn, at, done, out);
        }
        self.wake(ask, conn);
    }

    /// A reader commits.
    pub(super) fn commits(
        &mut self,
        ask: Ask<'_>,
        conn: ConnId,
        commits: &[Commit],
        out: &mut Out,
    ) -> Result<(), Status> {
        for commit in commits {
            let Some(session) = self.sessions.get_mut(&conn) else { return Ok(()) };
            if session.consumer.is_empty() {
                return Err(bad("a commit without a consumer"));
            }
            let Some(part) = session.parts.get_mut(&commit.session) else {
                out.push(Wish::Mark("a stale commit"));
                continue;
            };
            let Some(partition) = ask.catalogue.partition(part.at) else { continue };
            let (at, floor) = (part.at, part.first.max(partition.start));
            for range in &commit.ranges {
                part.commits.add(*range, floor, part.read).map_err(|fault| match fault {
                    Fault::TooMany => status(OVERLOADED, fault.to_string()),
                    _ => bad(&fault.to_string()),
                })?;
            }
            let done = part.commits.advance(floor);
            if part.commits.waits() {
                out.push(Wish::Mark("a commit waits for an earlier one"));
            }
            if let Some(mut done) = done {
                if mutant!(PartOfRecordCommitsAll) {
                    done = partition.span(done - 1).map_or(done, |span| span.end());
                }
                self.commit(ask, conn, at, done, out);
            }
        }
        Ok(())
    }

    /// A commit is durable.
    pub(super) fn tell_committed(&mut self, (conn, id): Reader, offset: u64, out: &mut Out) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let Some(part) = session.parts.get_mut(&id).filter(|part| part.told < offset) else { return };
        part.told = offset;
        out.push(Wish::Send(conn, FromServer::Committed(vec![(id, offset)])));
    }

    /// A reader asks how a partition session stands.
    pub(super) fn tell_status(&self, ask: Ask<'_>, (conn, id): Reader, out: &mut Out) {
        let Some(session) = self.sessions.get(&conn) else { return };
        let Some(part) = session.parts.get(&id) else { return };
        let Some(partition) = ask.catalogue.partition(part.at) else { return };
        let status = FromServer::Status {
            session: id,
            available: partition.available(),
            committed: partition.committed(&session.consumer),
            written_until: ask.clock.wall,
        };
        out.push(Wish::Send(conn, status));
    }

    /// Asks a reader to give a partition up, unless it was asked already.
    pub(super) fn ask_back(&mut self, ask: Ask<'_>, (conn, id): Reader, out: &mut Out) {
        self.send_load(ask, conn, out);
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let Some(part) = session.parts.get_mut(&id).filter(|part| part.stopping.is_none()) else { return };
        let until = ask.clock.mono.after(ask.config.stop_timeout);
        part.stopping = Some(until);
        let committed =
            ask.catalogue.partition(part.at).map_or(0, |there| there.committed(&session.consumer));
        self.deadlines.insert((until, (conn, id)));
        self.forget_asked((conn, id), 0);
        // There is room for other partitions.
        self.wake(ask, conn);
        out.push(Wish::Mark("a partition passes to another reader"));
        out.push(Wish::Send(conn, FromServer::Stop { session: id, graceful: true, committed }));
    }

    /// A reader has given a partition up.
    pub(super) fn stopped(&mut self, ask: Ask<'_>, reader: Reader, out: &mut Out) -> Result<(), Status> {
        let part = self.sessions.get(&reader.0).and_then(|session| session.parts.get(&reader.1));
        let Some(part) = part else { return Ok(()) };
        if part.stopping.is_none() {
            return Err(bad("a partition session was given up that nobody asked for"));
        }
        self.release(ask, reader, out);
        Ok(())
    }

    /// Takes a partition from a reader without asking.
    pub(super) fn stop_at_once(&mut self, ask: Ask<'_>, reader: Reader, out: &mut Out) {
        let (conn, id) = reader;
        self.send_load(ask, conn, out);
        let Some(session) = self.sessions.get(&conn) else { return };
        let Some(part) = session.parts.get(&id) else { return };
        let committed =
            ask.catalogue.partition(part.at).map_or(0, |there| there.committed(&session.consumer));
        out.push(Wish::Send(conn, FromServer::Stop { session: id, graceful: false, committed }));
        self.release(ask, reader, out);
    }

    /// Ends a partition session; the partition passes on.
    fn release(&mut self, ask: Ask<'_>, reader: Reader, out: &mut Out) {
        let (conn, id) = reader;
        self.forget_asked(reader, 0);
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        session.ready.remove(&id);
        let Some(mut part) = session.parts.remove(&id) else { return };
        let at = part.at;
        self.vacate(reader, &part);
        if mutant!(StaleSessionGoesOn) && part.stopping.take().is_some() {
            let parts = self.sessions.get_mut(&conn).map(|session| &mut session.parts);
            parts.and_then(|parts| parts.insert(id, part));
        }
        self.wake(ask, conn);
        if let Some(group) = self.group_of(conn, at) {
            self.pass_on(ask, &group, at.number, out);
        }
    }

    /// Nobody has this partition any more.
    pub(super) fn vacate(&mut self, reader: Reader, part: &Part) {
        if let Some(until) = part.stopping {
            self.deadlines.remove(&(until, reader));
        }
        if let Some(watchers) = self.watchers.get_mut(&part.at) {
            watchers.remove(&reader);
            if watchers.is_empty() {
                self.watchers.remove(&part.at);
            }
        }
        let group = self.group_of(reader.0, part.at);
        let slot = group.and_then(|group| self.slot(&group, part.at.number));
        if let Some(slot) = slot.filter(|slot| slot.holder == Some(reader)) {
            slot.holder = None;
        }
    }

    /// All partition sessions of a session, for a step that changes some of them.
    pub(super) fn parts_of(&self, conn: ConnId) -> Vec<PartitionSessionId> {
        self.sessions.get(&conn).map(|session| session.parts.keys().copied().collect()).unwrap_or_default()
    }
}

/// The reader breaks the protocol.
pub(super) fn bad(what: &str) -> Status {
    status(BAD_REQUEST, what)
}
